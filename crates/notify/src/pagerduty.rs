//! PagerDuty Events API v2: an alert for each approval, resolved when it ends.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use signoff_egress::Egress;

use crate::deliver::{DELIVERY_TIMEOUT, DeliveryOutcome, failed, outcome_of_vendor, post};
use crate::message::{Content, Message};
use crate::story::{Limits, Standing, Story};
use crate::transport::PagerDuty;

const LIMITS: Limits = Limits {
    facts: 30,
    value_bytes: 600,
    quote_bytes: 4000,
    quote_lines: 60,
    items: 20,
};

/// What PagerDuty takes of a summary.
const SUMMARY_BYTES_MAX: usize = 1024;

/// How long to stay away after a 429 that does not say.
const PAUSE: Duration = Duration::from_mins(1);

/// The alert an event is about, and what becomes of it.
struct Alert {
    key: String,
    action: &'static str,
}

pub(crate) async fn send(
    egress: &Egress,
    pagerduty: &PagerDuty,
    message: &Message,
    now: Timestamp,
) -> DeliveryOutcome {
    let alerts = alerts(message);
    let sending = async {
        let mut outcome = DeliveryOutcome::Rejected {
            status: None,
            detail: "a pager is told of approvals alone".into(),
        };
        for alert in &alerts {
            let body = render(&pagerduty.routing_key, alert, message, now);
            outcome = enqueue(egress, pagerduty, body, now).await;
            // All of it is said again at the next attempt: what is said twice changes nothing.
            if !matches!(outcome, DeliveryOutcome::Delivered { .. }) {
                break;
            }
        }
        outcome
    };
    let late = DeliveryOutcome::Retry {
        after: None,
        status: None,
        detail: "PagerDuty gave no answer in time".into(),
    };
    tokio::time::timeout(DELIVERY_TIMEOUT, sending)
        .await
        .unwrap_or(late)
}

async fn enqueue(egress: &Egress, pagerduty: &PagerDuty, body: Bytes, now: Timestamp) -> DeliveryOutcome {
    let response = match post(egress, &pagerduty.url, Vec::new(), body).await {
        Ok(response) => response,
        Err(error) => return failed(&error),
    };
    match outcome_of_vendor(&response, now.as_second(), "routing key") {
        // A routing key that it does not know is malformed to PagerDuty.
        DeliveryOutcome::Rejected { status, .. } => DeliveryOutcome::Rejected {
            status,
            detail: format!(
                "PagerDuty refused the event ({}); the routing key may be none of an Events API v2 integration",
                response.status
            ),
        },
        DeliveryOutcome::Retry {
            after: None,
            status: Some(429),
            detail,
        } => DeliveryOutcome::Retry {
            after: Some(PAUSE),
            status: Some(429),
            detail,
        },
        outcome => outcome,
    }
}

/// What becomes of which alerts. Every message about one approval is about the same alert, so that asking twice pages once.
///
/// What a digest tells of shares one alert of the workspace, which stands until nothing waits any more. Others of it may have
/// alerts of their own from before: those that ended are closed.
fn alerts(message: &Message) -> Vec<Alert> {
    let trigger = |key: String| Alert {
        key,
        action: "trigger",
    };
    let resolve = |key: String| Alert {
        key,
        action: "resolve",
    };
    match &message.content {
        Content::Event(told) if told.event_type.starts_with("approval.") => {
            let is_over = crate::story::standing(told) == Standing::Over;
            let id = told.approval.as_ref().map(|approval| approval.id.clone());
            id.map(if is_over { resolve } else { trigger })
                .into_iter()
                .collect()
        }
        Content::Event(_) => Vec::new(),
        Content::Digest(digest) => {
            let key = format!("signoff-digest-{}", digest.workspace.id);
            let mut alerts: Vec<Alert> = digest.over.iter().cloned().map(resolve).collect();
            if digest.pending > 0 {
                alerts.push(trigger(key));
            } else if digest.waiting == 0 || alerts.is_empty() {
                alerts.push(resolve(key));
            }
            alerts
        }
        // A test has shown what it had to, and must wake nobody.
        Content::Notice(notice) => {
            let key = format!("signoff-notice-{}", message.id);
            let is_test = notice.event_type == "channel.test";
            let end = is_test.then(|| resolve(key.clone()));
            [trigger(key)].into_iter().chain(end).collect()
        }
    }
}

fn render(routing_key: &str, alert: &Alert, message: &Message, now: Timestamp) -> Bytes {
    let mut event = json!({
        "routing_key": routing_key,
        "event_action": alert.action,
        "dedup_key": alert.key,
    });
    if alert.action == "trigger" {
        let story = Story::of(message, now, LIMITS);
        event["client"] = "Signoff".into();
        event["client_url"] = story.link.url.clone().into();
        event["links"] = json!([{"href": story.link.url, "text": story.link.label}]);
        event["payload"] = json!({
            "summary": story.title(SUMMARY_BYTES_MAX),
            "source": if story.workspace.is_empty() { "Signoff" } else { &story.workspace },
            "severity": severity(&story),
            "custom_details": details(&story),
        });
    }
    Bytes::from(event.to_string())
}

/// The higher of risk and priority; what asks for nothing is information.
fn severity(story: &Story) -> &'static str {
    let is = |word: &str| story.risk == word || story.priority == word;
    match story.standing {
        Standing::Asks if is("critical") => "critical",
        Standing::Asks if is("high") => "error",
        Standing::Asks if is("medium") => "warning",
        _ => "info",
    }
}

fn details(story: &Story) -> Value {
    let mut details = Map::new();
    for (name, value) in &story.rows {
        details.insert((*name).to_owned(), value.clone().into());
    }
    for (whose, words) in &story.quotes {
        details.insert(whose.clone(), words.clone().into());
    }
    if !story.facts.is_empty() {
        let facts = story.fact_lines().map(|(name, value)| format!("{name}: {value}"));
        details.insert("What the agent handed in".to_owned(), facts.collect());
    }
    if story.facts_hidden > 0 {
        details.insert("More, in the console".to_owned(), story.facts_hidden.into());
    }
    if !story.items.is_empty() {
        let items = story
            .items
            .iter()
            .map(|item| format!("{} ({})", item.summary, item.state));
        details.insert("Approvals".to_owned(), items.collect());
    }
    if !story.paragraphs.is_empty() {
        details.insert("Note".to_owned(), story.paragraphs.join("\n").into());
    }
    Value::Object(details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn events(message: &Message) -> Vec<Value> {
        let now = "2026-11-21T01:02:03Z".parse().expect("a time");
        let read =
            |alert: &Alert| serde_json::from_slice(&render("R0UTING", alert, message, now)).expect("JSON");
        alerts(message).iter().map(read).collect()
    }

    fn event(message: &Message) -> Value {
        events(message).pop().expect("an alert")
    }

    #[test]
    fn one_approval_is_one_alert_from_question_to_end() {
        let asked = event(&sample::pending());
        assert_eq!(asked["event_action"], "trigger");
        assert_eq!(asked["payload"]["severity"], "error");
        assert_eq!(asked["client_url"], sample::CONSOLE_URL);
        assert_eq!(asked["payload"]["custom_details"]["Risk"], "high");
        let ended = event(&sample::ended("denied", "no"));
        assert_eq!(
            ended,
            json!({"routing_key": "R0UTING", "event_action": "resolve", "dedup_key": asked["dedup_key"]})
        );
    }

    /// What pages is closed again, whichever message tells of the end.
    #[test]
    fn a_digest_is_one_alert_of_the_workspace_and_closes_those_that_ended() {
        let said = |message: &Message| -> Vec<String> {
            let word = |event: &Value, name: &str| event[name].as_str().expect("text").to_owned();
            let events = events(message);
            let words = events
                .iter()
                .map(|event| (word(event, "event_action"), word(event, "dedup_key")));
            words.map(|(action, key)| format!("{action} {key}")).collect()
        };
        assert_eq!(said(&sample::digest(40, 40)), ["trigger signoff-digest-ws_01"]);
        assert_eq!(
            said(&sample::digest(3, 1)),
            ["resolve apr_1", "resolve apr_2", "trigger signoff-digest-ws_01"]
        );
        let mut over = sample::digest(2, 0);
        assert_eq!(
            said(&over),
            ["resolve apr_0", "resolve apr_1", "resolve signoff-digest-ws_01"]
        );
        if let Content::Digest(digest) = &mut over.content {
            digest.waiting = 7;
        }
        assert_eq!(said(&over), ["resolve apr_0", "resolve apr_1"]);
    }

    #[test]
    fn a_test_wakes_nobody_for_long() {
        let events = events(&sample::notice());
        let actions: Vec<&Value> = events.iter().map(|event| &event["event_action"]).collect();
        assert_eq!(actions, ["trigger", "resolve"]);
        assert_eq!(events[0]["dedup_key"], events[1]["dedup_key"]);
    }

    #[test]
    fn hostile_text_is_inert_and_bounded() {
        for message in sample::hostile() {
            let event = event(&message);
            assert!(event.to_string().len() < 100_000);
            if event["event_action"] == "trigger" {
                let summary = event["payload"]["summary"].as_str().expect("text");
                assert!(summary.len() <= SUMMARY_BYTES_MAX && !summary.contains('\n'));
            }
            assert!(!event.to_string().contains("https://evil"));
        }
    }

    /// Whoever subscribes a pager to executions would be woken by what nobody has to decide.
    #[test]
    fn executions_wake_nobody() {
        let mut message = sample::pending();
        if let Content::Event(told) = &mut message.content {
            told.event_type = "execution.finished".into();
        }
        assert!(alerts(&message).is_empty());
    }
}
