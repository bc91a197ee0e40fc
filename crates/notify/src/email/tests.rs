use super::*;
use crate::message::Content;
use crate::sample;

fn now() -> Timestamp {
    "2026-11-21T01:02:03Z".parse().expect("a time")
}

fn mail(message: &Message) -> String {
    let from = parse_mailbox("Signoff <signoff@example.org>").expect("a mailbox");
    let channel = Email {
        host: "mail.example.org".into(),
        port: 587,
        security: crate::SmtpSecurity::Starttls,
        username: None,
        password: None,
        from: "signoff@example.org".into(),
        to: vec!["ops@example.org".into(), "night@example.org".into()],
    };
    let to = recipients(&channel, message).expect("mailboxes");
    let mail = compose::compose(&from, &to, message, now()).expect("a mail");
    String::from_utf8(mail.bytes).expect("ASCII")
}

/// Header lines, unfolded.
fn headers(mail: &str) -> Vec<String> {
    let (head, _) = mail.split_once("\r\n\r\n").expect("a head");
    head.replace("\r\n ", " ")
        .replace("\r\n\t", " ")
        .split("\r\n")
        .map(str::to_owned)
        .collect()
}

fn parts(mail: &str) -> Vec<String> {
    let boundary = "\r\n--=_signoff";
    let inner = mail.split(boundary).skip(1).take(2);
    inner
        .map(|part| {
            let (_, body) = part.split_once("\r\n\r\n").expect("a part");
            body.replace("=\r\n", "").replace("=3D", "=").replace("=20", " ")
        })
        .collect()
}

#[test]
fn a_mail_says_what_is_asked_and_belongs_to_a_thread() {
    let asked = mail(&sample::pending_for("Dana"));
    let head = headers(&asked);
    for wanted in [
        "From: Signoff <signoff@example.org>",
        "To: Dana <dana@example.org>",
        "Subject: Approval needed: support wants to refund $500.00 to cus_1",
        "Message-ID: <evt_01@example.org>",
        "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: All",
        "List-Id: <ws_01.signoff.example.org>",
        "Date: Sat, 21 Nov 2026 01:02:03 +0000",
    ] {
        assert!(head.iter().any(|line| line == wanted), "{wanted} in {head:#?}");
    }
    let parts = parts(&asked);
    for part in &parts {
        for wanted in [
            "support wants to refund $500.00",
            "The parcel was lost.",
            sample::DECIDE_URL,
            "never count as a decision",
        ] {
            assert!(part.contains(wanted), "{wanted} in {part}");
        }
    }
    assert!(parts[0].contains("This link is for Dana; it counts as you. Do not pass it on."));

    let ended = mail(&sample::ended_for("Dana", "denied", "Not without a ticket."));
    let head = headers(&ended);
    for wanted in [
        "Subject: Re: Approval needed: support wants to refund $500.00 to cus_1",
        "In-Reply-To: <evt_00@example.org>",
        "References: <evt_00@example.org>",
    ] {
        assert!(head.iter().any(|line| line == wanted), "{wanted} in {head:#?}");
    }
    assert!(ended.contains("Ada denied it") && ended.contains("> Not without a ticket."));
    assert!(!ended.contains("canary"), "an end needs no personal link");
}

#[test]
fn the_same_message_gives_the_same_mail() {
    let message = sample::pending_for("Dana");
    assert_eq!(mail(&message), mail(&message));
}

#[test]
fn a_shared_mailbox_gets_no_personal_link() {
    let mail = mail(&sample::pending());
    let head = headers(&mail);
    assert!(
        head.iter()
            .any(|line| line == "To: ops@example.org, night@example.org"),
        "{head:#?}"
    );
    assert!(!mail.contains("canary"));
}

/// Header injection, ends of parts, markup, hidden characters and 10,000 lines: all of it is text.
#[test]
fn hostile_text_adds_no_header_no_part_and_no_markup() {
    let known = [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "MIME-Version",
        "Content-Type",
        "Auto-Submitted",
        "X-Auto-Response-Suppress",
        "List-Id",
        "In-Reply-To",
        "References",
        "Importance",
    ];
    let evil = "--=_signoff\r\nContent-Type: text/html\r\n\r\n<b>mine</b>\r\n--=_signoff--\r\n.\r\nMAIL FROM:<eve@evil.com>\r\n";
    let mut ended = sample::ended_for("Dana", "denied", evil);
    ended.thread = Some("<a@b>\r\nBcc: eve@evil.com".into());
    for message in sample::hostile().into_iter().chain([ended]) {
        let mail = mail(&message);
        assert!(mail.len() < 200_000, "{}", mail.len());
        assert!(mail.is_ascii());
        for line in headers(&mail) {
            let name = line.split(':').next().unwrap_or_default();
            assert!(known.contains(&name), "{line}");
        }
        assert_eq!(mail.matches("\r\n--=_signoff").count(), 3, "two parts and an end");
        let html = &parts(&mail)[1];
        for absent in [
            "<script",
            "</div> [U",
            "<b>",
            "<img",
            "src=",
            "url(",
            "href=\"https://evil",
        ] {
            assert!(!html.contains(absent), "{absent} in {html}");
        }
        assert!(mail.lines().all(|line| line.len() <= 998));
    }
}

#[test]
fn addresses_are_checked() {
    for good in [
        "ada@example.org",
        "Ada <ada@example.org>",
        "\"Ada, B.\" <ada@example.org>",
    ] {
        assert!(parse_mailbox(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "ada",
        "ada@",
        "a b@example.org",
        "ada@example.org\r\nRCPT TO:<eve@evil.com>",
        "ädä@example.org",
        "<>",
    ] {
        assert!(parse_mailbox(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_notice_is_a_mail_as_well() {
    let mut message = sample::notice();
    message.to = Destination::Channel;
    let mail = mail(&message);
    assert!(
        headers(&mail)
            .iter()
            .any(|line| line == "Subject: This is a test")
    );
    assert!(matches!(message.content, Content::Notice(_)) && mail.contains("Dana asked for it."));
}
