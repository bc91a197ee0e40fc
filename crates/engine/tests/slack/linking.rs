//! Commands: who somebody at Slack is.

use signoff_engine::EngineError;

use crate::desk::{Desk, id_of};

/// Linking: a code counts once and for a while, one user is one person, and only a code proves anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_links_and_nothing_else_does() {
    let desk = Desk::new().await;
    assert!(
        desk.type_command("U0NEW", "whoami")
            .await
            .contains("doesn't know who you are here")
    );
    assert!(
        desk.type_command("U0NEW", "help")
            .await
            .contains("/signoff unlink")
    );
    let code = desk.code(&desk.viewer).await;
    assert!(
        desk.type_command("U0NEW", &format!("link {}", code.to_lowercase()))
            .await
            .contains("You are vera")
    );
    assert!(
        desk.type_command("U0OTHER", &format!("link {code}"))
            .await
            .contains("was used already")
    );
    assert!(
        desk.type_command("U0NEW", "whoami")
            .await
            .contains("You are vera")
    );

    // The first of two codes is not good any more, and neither is one whose time has passed.
    let (old, fresh) = (desk.code(&desk.viewer).await, desk.code(&desk.viewer).await);
    assert!(
        desk.type_command("U0THIRD", &format!("link {old}"))
            .await
            .contains("This code is wrong")
    );
    desk.clock(601);
    assert!(
        desk.type_command("U0THIRD", &format!("link {fresh}"))
            .await
            .contains("older than 10 minutes")
    );

    // Somebody else's Slack account is theirs until they, or an admin, let go of it.
    let code = desk.code(&desk.viewer).await;
    let taken = desk.type_command("U0DANA", &format!("link {code}")).await;
    assert!(taken.contains("somebody else in Signoff"), "{taken}");
    let engine = &desk.house.engine;
    let dana = id_of(&desk.dana).to_string();
    let refused = engine.unlink_slack(&desk.viewer, &dana, desk.channel).await;
    assert!(
        matches!(refused, Err(EngineError::NotFound { .. })),
        "{refused:?}"
    );
    engine
        .unlink_slack(&desk.house.admin, &dana, desk.channel)
        .await
        .unwrap();
    engine.unlink_slack(&desk.dana, "me", desk.channel).await.unwrap();
    let code = desk.code(&desk.viewer).await;
    assert!(
        desk.type_command("U0DANA", &format!("link {code}"))
            .await
            .contains("You are vera")
    );
    assert!(
        desk.type_command("U0NEW", "whoami")
            .await
            .contains("doesn't know"),
        "one user each"
    );
    assert!(desk.type_command("U0DANA", "unlink").await.contains("Unlinked"));
    assert!(
        desk.type_command("U0DANA", "unlink")
            .await
            .contains("nothing to unlink")
    );
    desk.house.assert_verifies().await;
    let words = format!("{:?}", desk.house.log().await);
    assert!(
        !words.contains(&code) && !words.contains("U0DANA"),
        "what is personal stays out of the log"
    );
}

/// I12, I6: wrong codes are bounded; agents and automations make none.
#[tokio::test(flavor = "multi_thread")]
async fn codes_are_not_guessed_and_machines_make_none() {
    let desk = Desk::new().await;
    for _ in 0..5 {
        assert!(
            desk.type_command("U0GUESS", "link AAAAA-AAAAA")
                .await
                .contains("This code is wrong")
        );
    }
    let code = desk.code(&desk.viewer).await;
    assert!(
        desk.type_command("U0GUESS", &format!("link {code}"))
            .await
            .contains("Too many wrong codes")
    );
    assert!(
        desk.type_command("U0VERA", &format!("link {code}"))
            .await
            .contains("You are vera")
    );
    desk.clock(600);
    assert!(
        desk.type_command("U0GUESS", "link AAAAA-AAAAA")
            .await
            .contains("This code is wrong")
    );
    for caller in [&desk.agent, &desk.house.admin] {
        let refused = desk.house.engine.create_link_code(caller).await;
        assert!(matches!(refused, Err(EngineError::Forbidden(_))), "{refused:?}");
    }
}

/// A command that comes again is not carried out again.
#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_command_changes_nothing() {
    let desk = Desk::new().await;
    let body = desk.command_body("U0DANA", "unlink");
    assert!(desk.send_command(&body).await.contains("Unlinked"));
    desk.link(&desk.dana, "U0DANA").await;
    assert!(desk.send_command(&body).await.contains("This was done before"));
    assert!(
        desk.type_command("U0DANA", "whoami")
            .await
            .contains("You are dana")
    );
}
