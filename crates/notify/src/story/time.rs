//! Times as people read them: absolute in UTC, and how long it is until then.

use jiff::{SignedDuration, Timestamp};

use crate::inert::line;

/// Such as `2026-11-21 01:32 UTC`. What is no time stands as it was given.
pub(super) fn moment(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => line(text, 64),
    }
}

/// A deadline with what is left of it.
pub(super) fn deadline(text: &str, now: Timestamp) -> String {
    let absolute = moment(text);
    match text.parse::<Timestamp>() {
        Ok(at) => format!("{absolute} ({})", left(at.duration_since(now))),
        Err(_) => absolute,
    }
}

fn left(left: SignedDuration) -> String {
    let plural = |count: i64, unit: &str| format!("{count} {unit}{} left", if count == 1 { "" } else { "s" });
    match left.as_secs() {
        seconds if seconds <= 0 => "over".to_owned(),
        seconds if seconds < 60 => "less than a minute left".to_owned(),
        seconds if seconds < 2 * 3600 => plural(seconds / 60, "minute"),
        seconds if seconds < 48 * 3600 => plural(seconds / 3600, "hour"),
        seconds => plural(seconds / 86_400, "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_says_when_and_how_long() {
        let now: Timestamp = "2026-11-21T01:00:00Z".parse().expect("a time");
        let cases = [
            (
                "2026-11-21T01:32:03.000000Z",
                "2026-11-21 01:32 UTC (32 minutes left)",
            ),
            ("2026-11-21T01:01:30Z", "2026-11-21 01:01 UTC (1 minute left)"),
            (
                "2026-11-21T01:00:30Z",
                "2026-11-21 01:00 UTC (less than a minute left)",
            ),
            ("2026-11-21T04:00:00Z", "2026-11-21 04:00 UTC (3 hours left)"),
            ("2026-11-24T01:00:00Z", "2026-11-24 01:00 UTC (3 days left)"),
            ("2026-11-21T00:59:59Z", "2026-11-21 00:59 UTC (over)"),
            ("soon", "soon"),
        ];
        for (text, expected) in cases {
            assert_eq!(deadline(text, now), expected);
        }
    }
}
