//! The events a channel can be told, and which of them it subscribed to.

/// Every event type, as it stands in a message's `type`.
pub const EVENT_TYPES: &[&str] = &[
    "approval.pending",
    "approval.info_requested",
    "approval.info_answered",
    "approval.escalated",
    "approval.edited",
    "approval.stage_opened",
    "approval.rejudged",
    "approval.decided",
    "approval.expired",
    "approval.cancelled",
    "approval.superseded",
    "execution.consumed",
    "execution.reported",
    "execution.finished",
    "execution.settled",
    "execution.lapsed",
    "execution.revoked",
    "channel.disabled",
];

/// Whether this is something one can subscribe to: an event type, `*`, or a group such as `approval.*`.
///
/// A pattern that matches nothing is refused, because a misspelt subscription would be silence.
pub fn is_subscription(pattern: &str) -> bool {
    EVENT_TYPES.iter().any(|event_type| matches(pattern, event_type))
}

/// Whether a channel with these subscriptions is told of this event; without any it is told of all.
pub fn is_subscribed(subscriptions: &[String], event_type: &str) -> bool {
    subscriptions.is_empty() || subscriptions.iter().any(|pattern| matches(pattern, event_type))
}

fn matches(pattern: &str, event_type: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some("") => true,
        // The full stop stays in the prefix, so `approval.*` is a group and `app*` is nothing.
        Some(prefix) => prefix.ends_with('.') && event_type.starts_with(prefix),
        None => pattern == event_type,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_a_type_a_group_or_everything() {
        for good in ["*", "approval.*", "approval.pending", "approval.decided"] {
            assert!(is_subscription(good), "{good}");
        }
        for bad in [
            "",
            "approval",
            "approval.",
            "app*",
            ".*",
            "approval.p*",
            "approval.decide",
            "Approval.pending",
            "**",
        ] {
            assert!(!is_subscription(bad), "{bad}");
        }
    }

    #[test]
    fn a_channel_is_told_what_it_subscribed_to() {
        let told = |list: &[&str], event| {
            let list: Vec<String> = list.iter().map(|&pattern| pattern.to_owned()).collect();
            is_subscribed(&list, event)
        };
        assert!(told(&[], "approval.pending"));
        assert!(told(&["approval.*"], "approval.pending"));
        assert!(told(
            &["approval.decided", "approval.pending"],
            "approval.pending"
        ));
        assert!(!told(&["approval.decided"], "approval.pending"));
    }
}
