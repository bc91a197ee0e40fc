//! Between a node and the database: cuts a connection at its COMMIT, before the server sees it or before its answer comes
//! back.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// How sqlx sends it: a simple query.
const COMMIT: &[u8] = b"COMMIT\0";

#[derive(Default)]
struct Plan {
    /// Whether the next COMMIT is cut off, and if so whether after the server has carried it out.
    next: Mutex<Option<bool>>,
    cuts: AtomicUsize,
}

/// The proxy, on a port of its own; ends with its test.
pub(crate) struct Proxy {
    address: SocketAddr,
    plan: Arc<Plan>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let plan = Arc::new(Plan::default());
        let shared = Arc::clone(&plan);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&server).await else {
                    continue;
                };
                tokio::spawn(carry(client, server, Arc::clone(&shared)));
            }
        });
        Self { address, plan, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn cut_next_commit(&self, after: bool) {
        *self.plan.next.lock().unwrap() = Some(after);
    }

    pub(crate) fn cuts(&self) -> usize {
        self.plan.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, plan: Arc<Plan>) {
    let (mut up, mut down) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(count @ 1..) = read else { return };
                let is_commit = up[..count].windows(COMMIT.len()).any(|window| window == COMMIT);
                let cut = if is_commit { plan.next.lock().unwrap().take() } else { None };
                if cut == Some(false) {
                    plan.cuts.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                if server.write_all(&up[..count]).await.is_err() { return }
                if cut == Some(true) {
                    // Its answer is read, so that it surely happened, and kept.
                    drop(server.read(&mut down).await);
                    plan.cuts.fetch_add(1, Ordering::Relaxed);
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Ok(count @ 1..) = read else { return };
                if client.write_all(&down[..count]).await.is_err() { return }
            }
        }
    }
}
