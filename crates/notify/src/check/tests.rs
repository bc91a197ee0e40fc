use super::*;
use crate::transport::{Hook, Template, Webhook};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn signing() -> Signing {
    Signing {
        secrets: vec![SECRET.into()],
        old_until: None,
        private_key: Some(crate::new_private_key([5; 32])),
    }
}

fn email() -> Email {
    Email {
        host: "mail.example.org".into(),
        port: 587,
        security: SmtpSecurity::Starttls,
        username: Some("signoff".into()),
        password: Some("canary-password".into()),
        from: "Signoff <signoff@example.org>".into(),
        to: vec!["ops@example.org".into()],
    }
}

fn sms() -> Sms {
    Sms {
        account_sid: "AC0123456789abcdef".into(),
        auth_token: "canary-auth-token".into(),
        from: "+15551234567".into(),
        to: vec!["+15557654321".into()],
        api_url: crate::twilio_api(),
    }
}

fn slack() -> SlackApp {
    SlackApp {
        bot_token: "xoxb-canary-0123456789".into(),
        signing_secret: "canary0123456789abcdef0123456789".into(),
        team: "T0123".into(),
        conversation: Some("C0123".into()),
        api_url: crate::slack_api(),
    }
}

fn push() -> Push {
    Push {
        url: "https://ntfy.example.org".into(),
        topic: Some("canary-topic".into()),
        token: Some("tk_canary".into()),
    }
}

fn all() -> Vec<(Transport, &'static str)> {
    let hook = |url: &str| Hook { url: url.into() };
    vec![
        (
            Transport::Webhook(Webhook {
                url: "https://hooks.example.org/canary".into(),
                signing: signing(),
                template: Template::Standard,
            }),
            "https://hooks.example.org",
        ),
        (
            Transport::Callback(Callback {
                allow: vec![
                    "https://a.example.org/x".into(),
                    "https://b.example.org:8443".into(),
                ],
                signing: signing(),
                template: Template::Agentwarden,
            }),
            "https://a.example.org https://b.example.org:8443",
        ),
        (Transport::Email(email()), "smtp://mail.example.org:587"),
        (Transport::Slack(slack()), "https://slack.com"),
        (
            Transport::SlackWebhook(hook("https://hooks.slack.com/services/canary")),
            "https://hooks.slack.com",
        ),
        (
            Transport::Teams(hook("https://teams.example.org/canary?sig=canary")),
            "https://teams.example.org",
        ),
        (
            Transport::Pagerduty(PagerDuty {
                routing_key: "canary0123456789abcdef0123456789".into(),
                url: crate::pagerduty_url(),
            }),
            "https://events.pagerduty.com",
        ),
        (Transport::Sms(sms()), "https://api.twilio.com"),
        (Transport::Push(push()), "https://ntfy.example.org"),
    ]
}

/// I7: what is shown and logged of a channel has none of its secrets.
#[test]
fn every_kind_passes_and_shows_no_secret() {
    for (transport, origin) in all() {
        assert_eq!(transport.check(&Guard::default()), Ok(()), "{transport:?}");
        assert_eq!(transport.origin(), origin);
        let shown = format!("{} {} {transport:?}", transport.masked(), transport.origin());
        assert!(
            !shown.contains("canary") && !shown.contains("whsec_") && !shown.contains("whsk_"),
            "{shown}"
        );
        assert!(shown.contains("\"set\""), "{shown}");
    }
}

#[test]
fn the_public_half_of_a_key_is_shown() {
    let (webhook, _) = all().remove(0);
    let shown = webhook.masked();
    assert!(
        shown["public_key"]
            .as_str()
            .is_some_and(|key| key.starts_with("whpk_")),
        "{shown}"
    );
    assert!(shown.get("old_secret").is_none());
}

fn pointer(transport: &Transport) -> String {
    let (pointer, why) = transport.check(&Guard::default()).expect_err("a fault");
    assert!(!why.contains("canary"), "{why}");
    pointer
}

#[test]
fn what_cannot_work_is_refused_where_it_stands() {
    let mail = |change: &dyn Fn(&mut Email)| {
        let mut email = email();
        change(&mut email);
        pointer(&Transport::Email(email))
    };
    assert_eq!(mail(&|email| email.host = "127.0.0.1".into()), "/host");
    assert_eq!(mail(&|email| email.host = "0x7f.1".into()), "/host");
    assert_eq!(mail(&|email| email.host = "::ffff:10.0.0.1".into()), "/host");
    assert_eq!(mail(&|email| email.host = "mail example".into()), "/host");
    assert_eq!(mail(&|email| email.port = 0), "/port");
    assert_eq!(mail(&|email| email.password = None), "/password");
    assert_eq!(mail(&|email| email.username = None), "/username");
    assert_eq!(
        mail(&|email| email.password = Some("canary\r\nMAIL".into())),
        "/password"
    );
    assert_eq!(mail(&|email| email.security = SmtpSecurity::None), "/password");
    assert_eq!(mail(&|email| email.from = "nobody".into()), "/from");
    assert_eq!(mail(&|email| email.to.push("a@b\r\nc".into())), "/to/1");
    assert_eq!(mail(&|email| email.to = vec!["a@b.example".into(); 21]), "/to");

    let text = |change: &dyn Fn(&mut Sms)| {
        let mut sms = sms();
        change(&mut sms);
        pointer(&Transport::Sms(sms))
    };
    assert_eq!(text(&|sms| sms.account_sid = "AC/../x".into()), "/account_sid");
    assert_eq!(text(&|sms| sms.auth_token = "canary \r\n".into()), "/auth_token");
    assert_eq!(text(&|sms| sms.from = "+1<555>".into()), "/from");
    assert_eq!(text(&|sms| sms.to = vec!["0555".into()]), "/to/0");
    assert_eq!(
        text(&|sms| sms.api_url = "http://169.254.169.254".into()),
        "/api_url"
    );
    assert_eq!(
        text(&|sms| sms.api_url = "https://api.example.org/?x=".into()),
        "/api_url"
    );

    let app = |change: &dyn Fn(&mut SlackApp)| {
        let mut slack = slack();
        change(&mut slack);
        pointer(&Transport::Slack(slack))
    };
    assert_eq!(
        app(&|slack| slack.bot_token = "xoxp-canary-0123456789".into()),
        "/bot_token"
    );
    assert_eq!(
        app(&|slack| slack.signing_secret = "canary".into()),
        "/signing_secret"
    );
    assert_eq!(
        app(&|slack| slack.conversation = Some("#general".into())),
        "/conversation"
    );

    let topic = Push {
        topic: Some("a/b".into()),
        ..push()
    };
    assert_eq!(pointer(&Transport::Push(topic)), "/topic");
    let hook = Hook {
        url: "ftp://example.org/canary".into(),
    };
    assert_eq!(pointer(&Transport::Teams(hook)), "/url");
}

#[test]
fn a_webhook_is_signed_or_refused() {
    let with = |signing: Signing| {
        pointer(&Transport::Webhook(Webhook {
            url: "https://hooks.example.org/".into(),
            signing,
            template: Template::Standard,
        }))
    };
    assert_eq!(with(Signing::default()), "/secret");
    assert_eq!(
        with(Signing {
            secrets: vec!["canary".into()],
            ..Signing::default()
        }),
        "/secret"
    );
    assert_eq!(
        with(Signing {
            secrets: vec![SECRET.into(); 3],
            ..Signing::default()
        }),
        "/secret"
    );
    assert_eq!(
        with(Signing {
            private_key: Some("canary".into()),
            ..Signing::default()
        }),
        "/private_key"
    );
    let callback = Callback {
        allow: Vec::new(),
        signing: signing(),
        template: Template::Standard,
    };
    assert_eq!(pointer(&Transport::Callback(callback)), "/allow");
}
