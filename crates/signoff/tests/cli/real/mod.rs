//! The real server, started and stopped as people start and stop it, with nothing but `SIGNOFF_ADMIN_KEY` and, on
//! Postgres, what names the database and its master key.

mod apply;
mod apply_grants;
mod auto_approve;
mod calls;
mod journey;
mod on_postgres;
mod on_sqlite;
mod questions;
mod record;
mod restart;
mod setup;
mod simulate;
mod stops;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use signoff_testkit::{Backend, Place};

use crate::run::{Ran, finish, signoff};

const ADMIN_KEY: &str = "an-admin-key-of-the-tests-0123456789";

/// A server with data of its own.
struct Server {
    place: Place,
    process: Child,
    url: String,
}

impl Server {
    /// With three policies and an agent `bot`, set up by the command line alone.
    #[track_caller]
    fn start() -> Self {
        let server = Self::bare(&[]);
        server.apply(&json!([
            {"name": "small", "actions": ["stripe.refund"], "effect": "conditional",
             "conditions": [{"field": "inputs.amount", "operator": "lte", "value": 50}],
             "otherwise": "require_approval"},
            {"name": "deploys", "actions": ["deploy.*"], "effect": "require_approval"},
            {"name": "never", "actions": ["db.drop*"], "effect": "deny"},
        ]));
        server
    }

    /// With nothing in it.
    #[track_caller]
    fn bare(options: &[&str]) -> Self {
        Self::at(Place::blocking_on(Backend::chosen()), options)
    }

    /// With its data here.
    #[track_caller]
    fn at(place: Place, options: &[&str]) -> Self {
        let (process, url) = serve(&place, "127.0.0.1:0", options);
        Self { place, process, url }
    }

    /// Ends it as a power cut would.
    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again on the same data and address.
    #[track_caller]
    fn restart(&mut self) {
        let address = self.url.strip_prefix("http://").unwrap();
        let (process, url) = serve(&self.place, address, &[]);
        assert_eq!(url, self.url);
        self.process = process;
    }

    fn command(&self, key: &str, arguments: &[&str]) -> Command {
        let mut command = signoff(arguments);
        command.env("SIGNOFF_URL", &self.url).env("SIGNOFF_API_KEY", key);
        command
    }

    /// Runs as this key.
    fn run(&self, key: &str, arguments: &[&str]) -> Ran {
        finish(self.command(key, arguments))
    }

    /// Runs as the admin, must succeed, and gives the JSON.
    #[track_caller]
    fn admin(&self, arguments: &[&str]) -> Value {
        let ran = finish(self.as_admin(&[arguments, &["--json"]].concat()));
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran.json()
    }

    fn as_admin(&self, arguments: &[&str]) -> Command {
        let mut command = signoff(arguments);
        command
            .env("SIGNOFF_URL", &self.url)
            .env("SIGNOFF_ADMIN_KEY", ADMIN_KEY);
        command
    }

    #[track_caller]
    fn apply(&self, policies: &Value) -> Value {
        let path = self.place.directory().join("policies.json");
        std::fs::write(&path, json!({"policies": policies}).to_string()).unwrap();
        self.admin(&["policy", "apply", path.to_str().unwrap()])
    }

    /// Makes an agent and gives its key.
    #[track_caller]
    fn agent(&self, name: &str) -> String {
        let created = self.admin(&["agents", "create", name]);
        created["api_key"].as_str().unwrap().to_owned()
    }

    /// Makes a person and gives their token.
    #[track_caller]
    fn person(&self, name: &str) -> String {
        let email = format!("{name}@example.com");
        self.admin(&["operators", "create", name, "--email", &email]);
        let created = self.admin(&["operators", "create-token", &email]);
        created["token"].as_str().unwrap().to_owned()
    }

    /// The one approval that waits, once there is one.
    #[track_caller]
    fn pending(&self) -> String {
        for _ in 0..400 {
            let page = self.admin(&["approvals", "list", "--status", "pending,info_requested"]);
            if let Some(id) = page["items"][0]["id"].as_str() {
                return id.to_owned();
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        panic!("nothing is pending");
    }

    /// What the first record of this type is about, once there is one.
    #[track_caller]
    fn logged(&self, kind: &str) -> String {
        for _ in 0..400 {
            let page = self.admin(&["audit", "list", "--type", kind]);
            if let Some(subject) = page["items"][0]["subject"].as_str() {
                return subject.to_owned();
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        panic!("no {kind} is in the log");
    }

    #[track_caller]
    fn status(&self, approval: &str) -> String {
        let approval = self.admin(&["approvals", "show", approval]);
        approval["status"].as_str().unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Perhaps the test has ended it already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts a server and waits until it says where it runs.
#[track_caller]
fn serve(place: &Place, listen: &str, options: &[&str]) -> (Child, String) {
    let fixed = ["serve", "--json", "--listen", listen, "--log", "warn"];
    let mut command = signoff(&[&fixed, options].concat());
    command
        .envs(place.settings())
        .env("SIGNOFF_ADMIN_KEY", ADMIN_KEY)
        .stdout(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
    (process, said["url"].as_str().unwrap().to_owned())
}
