//! A network namespace with nothing but loopback, in which every address of IPv4 and IPv6 is this machine: whatever a
//! failing guard would call is heard by the tripwire, and nobody else is harmed.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Says to a test that it is inside.
const INSIDE: &str = "SIGNOFF_TEST_NAMESPACE";

/// Addresses that the namespace has of its own, beside the routes that make every other one local as well.
const ADDRESSES: [&str; 8] = [
    "10.0.0.1/32",
    "100.64.0.1/32",
    "100.100.100.200/32",
    "169.254.169.254/32",
    "172.16.0.1/32",
    "192.168.0.1/32",
    "fd00:ec2::254/128",
    "fe80::1/128",
];

/// Runs the body inside of the namespace: this test executes itself again in it. Where a namespace can't be had, it says
/// so and does nothing.
pub(crate) fn in_namespace(test: &str, body: impl Future<Output = ()>) {
    if std::env::var_os(INSIDE).is_some() {
        set_up();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.expect("a runtime").block_on(body);
        return;
    }
    let possible = |arguments: &&&[&str]| {
        let mut probe = Command::new("unshare");
        let probe = probe.args(**arguments).args(["ip", "link", "set", "lo", "up"]);
        probe.output().is_ok_and(|output| output.status.success())
    };
    let ways: [&[&str]; 2] = [&["--net"], &["--map-root-user", "--net"]];
    let Some(arguments) = ways.iter().find(possible) else {
        eprintln!(
            "{test} is skipped: this user can't make a network namespace (`unshare --net ip link set lo up`)"
        );
        return;
    };
    let executable = std::env::current_exe().expect("this test");
    let mut inside = Command::new("unshare");
    inside.args(*arguments).arg(executable);
    inside.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    inside.env(INSIDE, "1");
    // A client that read these would send every call there, past the guard.
    for variable in [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        inside.env(variable, "http://127.0.0.1:80");
    }
    inside.env_remove("NO_PROXY").env_remove("no_proxy");
    inside.env(
        "SSL_CERT_FILE",
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/ca.pem"),
    );
    let output = inside.output().expect("unshare runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    assert!(said.contains("1 passed"), "{test} did not run inside: {said}");
}

fn set_up() {
    let mut commands = vec!["link set lo up".to_owned()];
    commands.extend(ADDRESSES.map(|address| format!("address add {address} dev lo")));
    commands.push("route add local 0.0.0.0/0 dev lo".to_owned());
    commands.push("-6 route add local ::/0 dev lo".to_owned());
    for command in commands {
        let output = Command::new("ip")
            .args(command.split(' '))
            .output()
            .expect("ip runs");
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip {command}: {complained}");
    }
}

/// Listens on every address at these ports, and asks the system how many connections were opened at any port at all.
pub(crate) struct Tripwire {
    heard: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Tripwire {
    pub(crate) async fn start(ports: &BTreeSet<u16>) -> Self {
        let heard: Arc<Mutex<Vec<SocketAddr>>> = Arc::default();
        for port in ports {
            // One socket for both families.
            let listener = TcpListener::bind(("::", *port)).await;
            let listener = listener.unwrap_or_else(|error| panic!("port {port}: {error}"));
            let heard = Arc::clone(&heard);
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let called = stream.local_addr().expect("connected");
                    heard
                        .lock()
                        .expect("whole")
                        .push(SocketAddr::new(called.ip().to_canonical(), called.port()));
                    tokio::spawn(async move {
                        let _ = stream.read(&mut [0; 2048]).await;
                        let _ = stream
                            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                            .await;
                    });
                }
            });
        }
        Self { heard }
    }

    /// Who was called since the last time this was asked.
    pub(crate) fn heard(&self) -> Vec<IpAddr> {
        let mut heard = self.heard.lock().expect("whole");
        heard.drain(..).map(|address| address.ip()).collect()
    }
}

/// How many TCP connections were opened in this namespace so far, wherever to, as the kernel counts them.
pub(crate) fn opened() -> usize {
    let counters = std::fs::read_to_string("/proc/self/net/snmp").expect("the kernel's counters");
    let mut lines = counters.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
    let position = names
        .split(' ')
        .position(|name| name == "ActiveOpens")
        .expect("a counter");
    let value = values.split(' ').nth(position).expect("a value");
    value.parse().expect("a number")
}
