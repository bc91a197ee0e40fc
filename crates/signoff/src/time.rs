//! Times as people read them: ages, time left.

use jiff::Timestamp;

/// How long ago an RFC 3339 time was, such as `3m ago`; the text itself when it can't be read.
pub(crate) fn ago(rfc3339: &str) -> String {
    match rfc3339.parse::<Timestamp>() {
        Ok(then) => match Timestamp::now().as_second() - then.as_second() {
            seconds @ 0.. => format!("{} ago", rough(seconds.unsigned_abs())),
            seconds => format!("in {}", rough(seconds.unsigned_abs())),
        },
        Err(_) => rfc3339.to_owned(),
    }
}

/// A span in its largest unit, such as `12m`.
pub(crate) fn rough(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A countdown such as `4:05` or `1:02:03`.
pub(crate) fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_well() {
        assert_eq!(
            [rough(5), rough(65), rough(7_200), rough(200_000)],
            ["5s", "1m", "2h", "2d"]
        );
        assert_eq!([clock(5), clock(245), clock(3_723)], ["0:05", "4:05", "1:02:03"]);
        assert_eq!(ago("yesterday"), "yesterday");
    }
}
