//! Whatever step a rotation is ended after: some key that lies there opens everything, a server either starts or says what
//! to do, and running the command again brings it to its end.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;

use signoff_api::Secret;
use signoff_core::action::Action;
use signoff_core::grant::{CredentialKind, Grant, Redaction};
use signoff_engine::request::{CreateAgent, Submit};
use signoff_engine::{StartError, verify_store};

use super::*;
use crate::config::Config;
use crate::serve;

const ADMIN_KEY: &str = "an-admin-key-of-the-tests-0123456789";
const OTHER_KEY: &str = "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f";

fn config(data: &Path) -> Config {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Config::ephemeral(data, listen, Secret::new(ADMIN_KEY))
}

/// Data with a payload, a grant and keys in it.
async fn lived_in(data: &Path) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (store, key) = crate::keeping::open(&config(data)).await.unwrap();
    let engine = signoff_engine::Engine::start(signoff_engine::EngineOptions {
        store: Arc::clone(&store),
        master_key: key,
        egress: signoff_egress::Egress::new(signoff_egress::EgressConfig::default()).unwrap(),
        public_url: "http://127.0.0.1:7070".to_owned(),
        admin_key: Some(SecretString::from(ADMIN_KEY)),
        auto_approve: false,
    });
    let engine = engine.await.unwrap();
    let admin = engine.authenticate(ADMIN_KEY).await.unwrap();
    let bot = CreateAgent {
        name: "bot".to_owned(),
        ..CreateAgent::default()
    };
    let bot = engine.create_agent(&admin, bot, None).await.unwrap();
    let bot = engine
        .authenticate(bot.secret.unwrap().expose_secret())
        .await
        .unwrap();
    let mut action = Action::named("db.drop");
    action.claims.reason = Some("sealed beside the record".to_owned());
    engine.submit(&bot, Submit::of(action), None).await.unwrap();
    let grant = Grant {
        name: "stripe".to_owned(),
        credential: CredentialKind::Bearer,
        origins: vec!["https://api.example.com".to_owned()],
        methods: Vec::new(),
        paths: Vec::new(),
        agents: vec!["bot".to_owned()],
        labels: BTreeMap::new(),
        timeout: None,
        idempotent: None,
        redact: Redaction::default(),
        disabled: false,
    };
    let value = SecretString::from("of the grant");
    engine.create_grant(&admin, grant, value, None).await.unwrap();
    engine.stop().await;
    store.close().await;
}

async fn open(data: &Path) -> SqliteStore {
    SqliteStore::open(data, Arc::new(SystemClock)).await.unwrap()
}

/// Whether a key opens everything.
async fn opens(data: &Path, key: &str) -> bool {
    let store = open(data).await;
    let found = verify_store(&store, Some(&SecretString::from(key))).await;
    store.close().await;
    match found {
        Ok(found) => {
            assert!(found.iter().all(|(_, verification)| verification.ok), "{found:?}");
            true
        }
        Err(StartError::WrongMasterKey) => false,
        Err(error) => panic!("{error}"),
    }
}

/// All keys in the directory, by file name.
fn keys(data: &Path) -> BTreeMap<String, String> {
    let files = fs::read_dir(data).unwrap().map(Result::unwrap);
    let files = files.filter(|file| file.file_name().to_string_lossy().contains("key"));
    files
        .map(|file| {
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{file:?}");
            let key = fs::read_to_string(file.path()).unwrap().trim().to_owned();
            (file.file_name().into_string().unwrap(), key)
        })
        .collect()
}

/// A server's start: none, or what it says instead.
async fn refusal_of_a_start(data: &Path) -> Option<String> {
    match serve::start(config(data)).await {
        Ok(running) => {
            running.stop().await.unwrap();
            None
        }
        Err(error) => Some(format!("{error:#}")),
    }
}

async fn again(data: &Path) -> anyhow::Result<Report> {
    let store = open(data).await;
    let report = in_directory(&store, data, None).await;
    store.close().await;
    report
}

#[tokio::test]
async fn ended_after_any_step_it_is_finished_by_running_it_again() {
    for steps in 0..Step::ALL.len() {
        let directory = tempfile::tempdir().unwrap();
        let data = &directory.path().join("data");
        lived_in(data).await;
        let old = keys(data)["master.key"].clone();
        let store = open(data).await;
        let mut rotation = InDirectory::begin(&store, data, None).unwrap();
        for step in &Step::ALL[..steps] {
            rotation.take(*step).await.unwrap();
        }
        drop(rotation);
        store.close().await;
        drop(store);

        let there = keys(data);
        let mut opening = Vec::new();
        for (file, key) in &there {
            if opens(data, key).await {
                opening.push(file.as_str());
            }
        }
        let is_rewrapped = Step::ALL[..steps].contains(&Step::Rewrap);
        let expected = if is_rewrapped {
            "master.key.next"
        } else {
            "master.key"
        };
        assert_eq!(opening, [expected], "after {steps} steps");
        let refusal = refusal_of_a_start(data).await;
        assert_eq!(
            refusal.is_some(),
            is_rewrapped,
            "after {steps} steps: {refusal:?}"
        );
        if let Some(refusal) = refusal {
            assert!(refusal.contains("rotate-master-key"), "{refusal}");
            assert!(!there.values().any(|key| refusal.contains(key)), "{refusal}");
        }

        let report = again(data).await.unwrap();
        assert_eq!(report.already, is_rewrapped);
        let after = keys(data);
        let kept = report.old_master_key_file.unwrap();
        assert_eq!(after[kept.file_name().unwrap().to_str().unwrap()], old);
        assert_eq!(
            after.len(),
            2,
            "one old and one new key, and nothing else: {:?}",
            after.keys()
        );
        let new = &after["master.key"];
        if let Some(begun) = there.get("master.key.next") {
            assert_eq!(
                new, begun,
                "the rotation that was begun is the one that was finished"
            );
        }
        assert!(opens(data, new).await && !opens(data, &old).await);
        assert_eq!(refusal_of_a_start(data).await, None);
    }
}

#[tokio::test]
async fn each_rotation_keeps_one_more_old_key() {
    let directory = tempfile::tempdir().unwrap();
    let data = &directory.path().join("data");
    lived_in(data).await;
    let first = keys(data)["master.key"].clone();
    for _ in 0..2 {
        assert!(!again(data).await.unwrap().already);
    }
    let there = keys(data);
    assert_eq!(there.len(), 3);
    assert!(there.values().any(|key| *key == first));
}

#[tokio::test]
async fn what_can_not_be_meant_is_refused_before_anything_changes() {
    let directory = tempfile::tempdir().unwrap();
    let data = &directory.path().join("data");
    lived_in(data).await;
    let before = keys(data);
    let file = directory.path().join("new.txt");
    for (text, why) in [
        (
            before["master.key"].as_str(),
            "the new master key is the present one",
        ),
        ("0f0f", "does not hold 64 hexadecimal digits"),
    ] {
        fs::write(&file, text).unwrap();
        let store = open(data).await;
        let error = in_directory(&store, data, Some(&file)).await.unwrap_err();
        store.close().await;
        let error = format!("{error:#}");
        assert!(error.contains(why) && !error.contains(text), "{error}");
        assert_eq!(keys(data), before);
    }
    // The key of another installation lies there: what is wrapped stays, and what was lost can still be put back.
    fs::write(data.join("master.key"), OTHER_KEY).unwrap();
    let error = format!("{:#}", again(data).await.unwrap_err());
    assert!(
        error.contains("is not the one that this data was written with"),
        "{error}"
    );
    assert!(opens(data, &before["master.key"]).await);
    fs::write(data.join("master.key"), &before["master.key"]).unwrap();
    assert!(!again(data).await.unwrap().already);
}
