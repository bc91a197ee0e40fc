//! Text messages through Twilio's API, or one of the same form.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use signoff_egress::{Egress, OutboundRequest, OutboundResponse};
use url::form_urlencoded;

use crate::deliver::{DELIVERY_TIMEOUT, DeliveryOutcome, failed, outcome_of_vendor};
use crate::inert::line;
use crate::message::{Destination, Message};
use crate::story::{Limits, Standing, Story};
use crate::transport::Sms;

/// Two or three parts of a text message; the link is whole whatever else has to go.
const TEXT_CHARS_MAX: usize = 320;

/// What is left of the sentence at the least.
const SENTENCE_CHARS_MIN: usize = 20;

const LIMITS: Limits = Limits {
    facts: 0,
    value_bytes: 0,
    quote_bytes: 200,
    quote_lines: 2,
    items: 0,
};

/// Sends one text message to each number. Delivered says that one was taken at least: the numbers that were refused must not
/// bring it to the others a second time.
pub(crate) async fn send(egress: &Egress, sms: &Sms, message: &Message, now: Timestamp) -> DeliveryOutcome {
    let numbers: Vec<&str> = match &message.to {
        Destination::Person(person) => vec![person.address.as_str()],
        _ => sms.to.iter().map(String::as_str).collect(),
    };
    let text = text(message, now);
    let mut saw = None;
    for number in numbers {
        let outcome = if is_number(number) {
            send_one(egress, sms, number, &text, now).await
        } else {
            rejected(
                None,
                "it is no telephone number in international form, such as +15551234567",
            )
        };
        saw = Some(worth_more(saw, outcome));
    }
    saw.unwrap_or_else(|| {
        rejected(
            None,
            "the channel has no number of its own, and the message is for nobody in particular",
        )
    })
}

/// Of two outcomes the one that stands for both: delivered, else one after which trying again makes sense.
fn worth_more(before: Option<DeliveryOutcome>, after: DeliveryOutcome) -> DeliveryOutcome {
    let rank = |outcome: &DeliveryOutcome| match outcome {
        DeliveryOutcome::Delivered { .. } => 3,
        DeliveryOutcome::Retry { .. } => 2,
        DeliveryOutcome::Refused { .. } | DeliveryOutcome::Gone { .. } => 1,
        DeliveryOutcome::Rejected { .. } => 0,
    };
    match before {
        Some(before) if rank(&before) >= rank(&after) => before,
        _ => after,
    }
}

/// `+` and 7 to 15 digits, as E.164 has it.
pub fn is_number(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

async fn send_one(egress: &Egress, sms: &Sms, number: &str, text: &str, now: Timestamp) -> DeliveryOutcome {
    let sender = if sms.from.starts_with("MG") {
        "MessagingServiceSid"
    } else {
        "From"
    };
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("To", number)
        .append_pair(sender, &sms.from)
        .append_pair("Body", text)
        .finish();
    let credentials = STANDARD.encode(format!("{}:{}", sms.account_sid, sms.auth_token));
    let request = OutboundRequest {
        url: format!(
            "{}/2010-04-01/Accounts/{}/Messages.json",
            sms.api_url.trim_end_matches('/'),
            sms.account_sid
        ),
        headers: vec![
            (
                "content-type".to_owned(),
                "application/x-www-form-urlencoded".to_owned(),
            ),
            ("authorization".to_owned(), format!("Basic {credentials}")),
        ],
        body: Bytes::from(form),
        timeout: DELIVERY_TIMEOUT,
    };
    match egress.post(request).await {
        Ok(response) => outcome(&response, now),
        Err(error) => failed(&error),
    }
}

/// Twilio says in a code of its own what was wrong. Its words would say the number, so they are not passed on.
fn outcome(response: &OutboundResponse, now: Timestamp) -> DeliveryOutcome {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let status = Some(response.status);
    let retry = |detail: &str| DeliveryOutcome::Retry {
        after: None,
        status,
        detail: detail.to_owned(),
    };
    match (response.status, body["code"].as_u64()) {
        (200..=299, _) => {}
        (_, Some(20003)) => {
            return retry("Twilio refused account or token (20003); set the channel's `auth_token` anew");
        }
        (_, Some(20429)) => return busy(response, now),
        (_, Some(21211 | 21614)) => {
            return rejected(
                status,
                "Twilio says that it is no number that takes text messages",
            );
        }
        (_, Some(21610)) => return rejected(status, "the number has unsubscribed from this sender (21610)"),
        (_, Some(21408)) => {
            return rejected(
                status,
                "Twilio may not send to that country (21408); permit it there",
            );
        }
        (_, Some(21606 | 21212 | 21659)) => {
            return retry("Twilio does not send from the channel's `from`; set it anew");
        }
        _ => {}
    }
    outcome_of_vendor(response, now.as_second(), "`auth_token`")
}

fn busy(response: &OutboundResponse, now: Timestamp) -> DeliveryOutcome {
    let asked = response.header("retry-after");
    DeliveryOutcome::Retry {
        after: asked.and_then(|text| crate::deliver::retry_after(text, now.as_second())),
        status: Some(response.status),
        detail: "Twilio has too much to do (20429)".into(),
    }
}

fn rejected(status: Option<u16>, detail: &str) -> DeliveryOutcome {
    DeliveryOutcome::Rejected {
        status,
        detail: detail.to_owned(),
    }
}

fn text(message: &Message, now: Timestamp) -> String {
    let story = Story::of(message, now, LIMITS);
    let mut tail = String::new();
    if story.standing == Standing::Asks && !story.summary.is_empty() {
        let _ = write!(tail, " Risk {}.", plain(&story.risk));
    }
    if let Some(at) = &story.decide_by {
        let absolute = at.split(" (").next().unwrap_or(at);
        let _ = write!(tail, " Decide by {absolute}.");
    }
    let _ = write!(tail, " {}", story.link.url);
    let mut head = plain(&story.title(600));
    if let (Some(said), true) = (story.paragraphs.first(), story.summary.is_empty()) {
        let _ = write!(head, ". {}", plain(&line(said, 200)));
    }
    let room = TEXT_CHARS_MAX
        .saturating_sub(units(&tail))
        .max(SENTENCE_CHARS_MIN);
    format!("{}{tail}", cut(&head, room))
}

/// Letters that the alphabet of text messages has in place of those it has not. A single other letter would more than halve
/// what fits into a part.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '‘' | '’' | '‚' => out.push('\''),
            '“' | '”' | '„' | '«' | '»' => out.push('"'),
            '–' | '—' | '−' | '‐' | '‑' => out.push('-'),
            '…' => out.push_str("..."),
            '⏎' => out.push('/'),
            letter => out.push(letter),
        }
    }
    out
}

/// How much room a text takes: some letters take that of two.
fn units(text: &str) -> usize {
    let unit = |letter| {
        if matches!(letter, '[' | ']' | '{' | '}' | '^' | '\\' | '~' | '|' | '€') {
            2
        } else {
            1
        }
    };
    text.chars().map(unit).sum()
}

fn cut(text: &str, room: usize) -> String {
    if units(text) <= room {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 3;
    for letter in text.chars() {
        used += units(letter.encode_utf8(&mut [0; 4]));
        if used > room {
            break;
        }
        out.push(letter);
    }
    format!("{}...", out.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn now() -> Timestamp {
        "2026-11-21T01:02:03Z".parse().expect("a time")
    }

    #[test]
    fn a_text_message_is_short_and_its_link_whole() {
        let said = text(&sample::pending_for("Dana"), now());
        assert_eq!(
            said,
            "Approval needed: support wants to refund $500.00 to cus_1 Risk high. Decide by 2026-11-21 01:32 UTC. \
             https://signoff.example/d/canary-personal"
        );
        let digest = text(&sample::digest(12, 12), now());
        assert_eq!(
            digest,
            "12 approvals wait for a decision https://signoff.example/inbox"
        );
    }

    #[test]
    fn hostile_text_is_inert_and_the_message_stays_short() {
        for message in sample::hostile() {
            let said = text(&message, now());
            assert!(units(&said) <= TEXT_CHARS_MAX, "{}", units(&said));
            assert!(!said.contains('\n') && !said.contains("https://evil"), "{said}");
            let urls = [sample::DECIDE_URL, sample::CONSOLE_URL, sample::INBOX_URL];
            assert!(urls.iter().any(|url| said.ends_with(url)), "{said}");
        }
    }

    #[test]
    fn a_long_link_is_whole_before_anything_else() {
        let mut message = sample::pending_for("Dana");
        let long = format!("https://signoff.example/d/{}", "x".repeat(400));
        if let crate::message::Content::Event(told) = &mut message.content {
            told.shown.decide_url = Some(long.clone());
        }
        assert!(text(&message, now()).ends_with(&long));
    }

    #[test]
    fn letters_that_cost_parts_are_replaced() {
        assert_eq!(plain("“it’s” — done…"), "\"it's\" - done...");
        assert_eq!(units("[a]€"), 7);
        assert_eq!(cut("abcdefghijklmnopqrstuvwxyz", 10), "abcdefg...");
    }

    #[test]
    fn numbers_are_international() {
        for good in ["+15551234567", "+4915112345678"] {
            assert!(is_number(good), "{good}");
        }
        for bad in [
            "15551234567",
            "+1555 123 4567",
            "+0123456789",
            "+123",
            "+1234567890123456",
            "+1555123456x",
            "",
        ] {
            assert!(!is_number(bad), "{bad}");
        }
    }

    #[test]
    fn twilio_says_in_its_own_codes_what_was_wrong() {
        let saw = |status, code: u64| {
            let response = OutboundResponse {
                status,
                headers: vec![("retry-after".into(), "7".into())],
                body: Bytes::from(format!(
                    r#"{{"code": {code}, "message": "canary +15551234567", "status": {status}}}"#
                )),
                body_end: signoff_egress::BodyEnd::Whole,
            };
            outcome(&response, now())
        };
        for (status, code) in [(400, 21211), (400, 21610), (400, 21614), (400, 99999)] {
            let saw = saw(status, code);
            assert!(
                matches!(&saw, DeliveryOutcome::Rejected { detail, .. } if !detail.contains("canary")),
                "{saw:?}"
            );
        }
        for (status, code, asked) in [
            (401, 20003, None),
            (429, 20429, Some(7)),
            (500, 20500, None),
            (400, 21606, None),
        ] {
            match saw(status, code) {
                DeliveryOutcome::Retry { after, .. } => {
                    assert_eq!(after.map(|after| after.as_secs()), asked, "{code}");
                }
                other => panic!("{code}: {other:?}"),
            }
        }
        assert!(matches!(saw(201, 0), DeliveryOutcome::Delivered { .. }));
    }
}
