use super::*;
use crate::sample;

const LIMITS: Limits = Limits {
    facts: 10,
    value_bytes: 400,
    quote_bytes: 2000,
    quote_lines: 30,
    items: 20,
};

fn now() -> Timestamp {
    "2026-11-21T01:02:03Z".parse().expect("a time")
}

#[test]
fn what_is_asked_is_told_with_all_that_a_decision_needs() {
    let story = Story::of(&sample::pending_for("Dana"), now(), LIMITS);
    assert_eq!(story.standing, Standing::Asks);
    assert_eq!(
        story.title(200),
        "Approval needed: support wants to refund $500.00 to cus_1"
    );
    let row = |name| {
        story
            .rows
            .iter()
            .find(|(label, _)| *label == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(row("Cost"), Some("$500.00"));
    assert_eq!(row("Risk"), Some("high"));
    assert_eq!(row("Decide by"), Some("2026-11-21 01:32 UTC (30 minutes left)"));
    assert_eq!(story.link.url, sample::DECIDE_URL);
    assert_eq!(
        story.personal.as_deref(),
        Some("This link is for Dana; it counts as you. Do not pass it on.")
    );
    assert_eq!(
        story.quotes,
        [("In support's own words".into(), "The parcel was lost.".into())]
    );
}

/// A personal link is never shown where others read along.
#[test]
fn a_personal_link_goes_to_its_person_alone() {
    let mut message = sample::pending_for("Dana");
    message.to = Destination::Channel;
    let story = Story::of(&message, now(), LIMITS);
    assert_eq!(
        (story.link.url.as_str(), story.personal),
        (sample::CONSOLE_URL, None)
    );

    let message = sample::ended_for("Dana", "denied", "Not without a ticket.");
    let story = Story::of(&message, now(), LIMITS);
    assert_eq!(
        (story.link.url.as_str(), story.personal),
        (sample::CONSOLE_URL, None)
    );
}

#[test]
fn an_end_says_who_and_why() {
    let story = Story::of(
        &sample::ended_for("Dana", "denied", "Not without a ticket."),
        now(),
        LIMITS,
    );
    assert_eq!(story.standing, Standing::Over);
    assert_eq!(story.headline, "Ada denied it");
    assert_eq!(
        story.quotes,
        [("Reason given by Ada".into(), "Not without a ticket.".into())]
    );
    assert!(story.facts.is_empty());
}

/// Nobody is left with the bare name of an event, and what waits for somebody says so.
#[test]
fn every_event_has_words_of_its_own() {
    for event_type in crate::EVENT_TYPES {
        let mut message = sample::pending_for("Dana");
        let Content::Event(told) = &mut message.content else {
            unreachable!()
        };
        told.event_type = (*event_type).into();
        if event_type.starts_with("execution.") {
            told.execution = Some(ToldExecution {
                id: "exe_01".into(),
                action_id: "act_01".into(),
                state: "executed".into(),
                outcome: Some("success".into()),
                http_status: Some(200),
            });
        }
        let story = Story::of(&message, now(), LIMITS);
        // A channel that was switched off is told of as a notice.
        let is_named = story.headline.contains(event_type);
        assert_eq!(
            is_named,
            *event_type == "channel.disabled",
            "{event_type}: {}",
            story.headline
        );
        let asks = [
            "pending",
            "info_answered",
            "escalated",
            "edited",
            "stage_opened",
            "rejudged",
        ];
        let asks = asks.iter().any(|name| *event_type == format!("approval.{name}"));
        assert_eq!(story.standing == Standing::Asks, asks, "{event_type}");
        assert_eq!(story.link.url == sample::DECIDE_URL, asks, "{event_type}");
    }
}

#[test]
fn a_digest_counts_and_names_the_first() {
    let story = Story::of(&sample::digest(30, 12), now(), LIMITS);
    assert_eq!(story.headline, "News of 30 approvals; 12 wait for a decision");
    assert_eq!(story.items.len(), 20);
    assert_eq!(story.paragraphs, ["And 10 more, in the inbox."]);
    assert_eq!(
        story.items[0].state,
        "high risk, medium priority, by 2026-11-21 01:32 UTC (30 minutes left)"
    );
    let over = Story::of(&sample::digest(3, 0), now(), LIMITS);
    assert_eq!(over.headline, "News of 3 approvals; none waits for a decision");
    assert_eq!(over.standing, Standing::News);
}

/// Nothing that others wrote comes through as it was, wherever it stands.
#[test]
fn every_text_of_others_is_inert_and_bounded() {
    for message in sample::hostile() {
        let story = Story::of(&message, now(), LIMITS);
        let shown = format!(
            "{} {} {:?} {:?} {:?} {:?} {:?} {:?}",
            story.headline,
            story.summary,
            story.rows,
            story.facts,
            story.quotes,
            story.items,
            story.paragraphs,
            story.personal
        );
        assert!(shown.len() < 40_000, "{}", shown.len());
        // Debug forms escape what is unseen, so that it would show as `\u{…}`.
        assert!(!shown.contains("\\u{") && !shown.contains("\\r"), "{shown}");
        let urls = [sample::DECIDE_URL, sample::CONSOLE_URL, sample::INBOX_URL];
        let rest = urls.iter().fold(shown, |rest, url| rest.replace(url, ""));
        let rest = rest.replace("[://]", "").replace("eve@evil.com", "");
        assert!(!rest.contains("://") && !rest.contains("evil.com"), "{rest}");
        for single in [&story.headline, &story.summary] {
            assert!(!single.contains('\n'));
        }
    }
}
