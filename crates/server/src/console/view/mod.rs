//! What pages show, as plain display-ready data: no engine types, nothing left to decide in a template.

use std::fmt::Display;

use jiff::Timestamp;
use signoff_core::sentence::{Sentence, Weight};

use super::inert::Inert;

pub mod approval;
pub mod audit;
pub mod call;
pub mod channel;
pub mod contact;
pub mod grant;
pub mod inbox;
pub mod link;
pub mod matter;
pub mod policy;
pub mod problem;
pub mod run;
pub mod session;
pub mod slack;
pub mod stats;
pub mod stop;
pub mod trial;

/// What surrounds every page of someone who is signed in.
#[derive(Debug, Clone)]
pub struct Shell {
    /// The page's title.
    pub title: String,
    /// Which part of the console the page belongs to: "inbox", "policies", "grants", "log", "stats", "channels", "stop" or
    /// "".
    pub part: &'static str,
    /// Who is signed in; absent on the pages before that.
    pub viewer: Option<Viewer>,
    /// The workspace's name.
    pub workspace: String,
    /// How many approvals wait.
    pub waiting: usize,
    /// What the page wants said everywhere, such as that approvals are given automatically.
    pub banner: Option<String>,
    /// What is stopped, while anything is.
    pub stopped: Option<stop::StoppedNote>,
    /// The server's time, for counting down by its clock.
    pub now: String,
}

/// The operator who looks.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// Their name.
    pub name: Inert,
    /// Their address.
    pub email: Inert,
    /// Their role, as it is called.
    pub role: &'static str,
}

/// A time, in all the forms a page needs.
#[derive(Debug, Clone)]
pub struct Moment {
    /// For machines.
    pub iso: String,
    /// For a tooltip.
    pub exact: String,
    /// For reading: "3 min ago".
    pub relative: String,
}

impl Moment {
    /// A time as seen from `now`.
    pub fn new(at: Timestamp, now: Timestamp) -> Self {
        let seconds = at.duration_until(now).as_secs();
        let relative = match seconds {
            ..-59 => format!("in {}", span(seconds.abs())),
            -59..45 => "just now".to_owned(),
            _ => format!("{} ago", span(seconds)),
        };
        Self {
            iso: at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
            exact: at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            relative,
        }
    }
}

/// How long there is left to decide.
#[derive(Debug, Clone)]
pub struct TimeLeft {
    /// When it ends.
    pub until: Moment,
    /// When it began, for the bar to go on by itself.
    pub since: Moment,
    /// "27 min left".
    pub text: String,
    /// What is left of the whole, in thousandths.
    pub permille: i64,
    /// Whether it is about to run out.
    pub is_short: bool,
}

impl TimeLeft {
    /// What is left at `now` of the time from `since` to `until`.
    pub fn new(since: Timestamp, until: Timestamp, now: Timestamp) -> Self {
        let whole = since.duration_until(until).as_secs().max(1);
        let left = now.duration_until(until).as_secs().max(0);
        let text = if left == 0 {
            "time is up".to_owned()
        } else {
            format!("{} left", span(left))
        };
        let permille = (left.saturating_mul(1000) / whole).clamp(0, 1000);
        let is_short = left < 120 || (permille < 150 && left < 3600);
        Self {
            until: Moment::new(until, now),
            since: Moment::new(since, now),
            text,
            permille,
            is_short,
        }
    }
}

/// A length of time as people say it, to two units at most.
pub fn span(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600, seconds / 60);
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{minutes} min"),
        3_600..36_000 if minutes % 60 > 0 => format!("{hours} h {:02} min", minutes % 60),
        3_600..172_800 => format!("{hours} h"),
        _ => format!("{days} days"),
    }
}

/// Risk or priority, as a word and a step for its mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// The word.
    pub name: &'static str,
    /// 1 to `of`.
    pub step: u8,
    /// How many steps there are.
    pub of: u8,
    /// Whether it means harm: drawn in red.
    pub is_high: bool,
}

impl Level {
    /// The bars of its mark: left edge, top, height, and whether it is filled.
    pub fn bars(&self) -> Vec<(u8, u8, u8, bool)> {
        (0..self.of)
            .map(|index| {
                let height = 4 + index * 8 / (self.of - 1).max(1);
                (index * 4, 12 - height, height, index < self.step)
            })
            .collect()
    }

    /// Its word with a capital letter, for the start of a label.
    pub fn label(&self) -> String {
        let (first, rest) = self.name.split_at(1);
        format!("{}{rest}", first.to_uppercase())
    }

    /// A risk by its name; an unknown one is shown as the highest.
    pub fn risk(name: &str) -> Self {
        Self::of(name, &["minimal", "low", "medium", "high", "critical"], 4)
    }

    /// A priority by its name; an unknown one is shown as the highest.
    pub fn priority(name: &str) -> Self {
        Self {
            is_high: false,
            ..Self::of(name, &["low", "medium", "high", "critical"], 4)
        }
    }

    fn of(name: &str, names: &[&'static str], high_from: usize) -> Self {
        let index = names
            .iter()
            .position(|known| *known == name)
            .unwrap_or(names.len() - 1);
        let step = |count: usize| u8::try_from(count).unwrap_or(u8::MAX);
        Self {
            name: names[index],
            step: step(index + 1),
            of: step(names.len()),
            is_high: index + 1 >= high_from,
        }
    }
}

/// Where an approval stands, as a word and a tone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The status on the wire, for the script.
    pub code: &'static str,
    /// The word on the page.
    pub word: &'static str,
    /// "open", "good", "bad" or "still": the mark's class.
    pub tone: &'static str,
}

impl Status {
    const ALL: &'static [Self] = &[
        Self {
            code: "pending",
            word: "Waiting",
            tone: "open",
        },
        Self {
            code: "info_requested",
            word: "Question asked",
            tone: "open",
        },
        Self {
            code: "approved",
            word: "Approved",
            tone: "good",
        },
        Self {
            code: "answered",
            word: "Answered",
            tone: "good",
        },
        Self {
            code: "denied",
            word: "Denied",
            tone: "bad",
        },
        Self {
            code: "expired",
            word: "Ran out of time",
            tone: "still",
        },
        Self {
            code: "cancelled",
            word: "Cancelled",
            tone: "still",
        },
        Self {
            code: "superseded",
            word: "Replaced",
            tone: "still",
        },
    ];

    /// A status by its name on the wire.
    pub fn new(code: &str) -> Self {
        let unknown = Self {
            code: "unknown",
            word: "Unknown",
            tone: "still",
        };
        Self::ALL
            .iter()
            .copied()
            .find(|status| status.code == code)
            .unwrap_or(unknown)
    }

    /// The symbol of its mark.
    pub fn symbol(&self) -> &'static str {
        match self.code {
            "pending" => "clock",
            "info_requested" => "question",
            "approved" | "answered" => "check",
            "denied" => "cross",
            _ => "stop",
        }
    }

    /// Whether a decision is still possible.
    pub fn is_open(&self) -> bool {
        self.tone == "open"
    }
}

/// The sentence, with weight on what matters and every piece inert.
#[derive(Debug, Clone, Default)]
pub struct SentenceView {
    /// Class ("agent", "plain", "key") and text of each piece.
    pub pieces: Vec<(&'static str, Inert)>,
    /// The sentence as one line, for titles.
    pub text: String,
}

impl From<&Sentence> for SentenceView {
    fn from(sentence: &Sentence) -> Self {
        let class = |weight: Weight| match weight {
            Weight::Agent => "agent",
            Weight::Plain => "plain",
            Weight::Key => "key",
        };
        let pieces = sentence
            .parts
            .iter()
            .map(|part| (class(part.weight), Inert::all(&part.text)))
            .collect();
        Self {
            pieces,
            text: sentence.text(),
        }
    }
}

/// A number with its thousands apart: "12,345".
pub fn grouped(number: impl Display) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && !out.ends_with('-') {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    #[test]
    fn times_read_as_people_say_them() {
        for (ago, expected) in [
            (3, "just now"),
            (60, "1 min ago"),
            (3_600, "1 h ago"),
            (5_400, "1 h 30 min ago"),
            (90_000, "25 h ago"),
            (-600, "in 10 min"),
            (864_000, "10 days ago"),
        ] {
            assert_eq!(Moment::new(at(-ago), at(0)).relative, expected);
        }
        assert_eq!(Moment::new(at(0), at(0)).iso, "2027-01-15T08:00:00.000000Z");
    }

    #[test]
    fn time_left_never_runs_below_nothing() {
        let left = TimeLeft::new(at(-900), at(900), at(0));
        assert_eq!(
            (left.text.as_str(), left.permille, left.is_short),
            ("15 min left", 500, false)
        );
        let late = TimeLeft::new(at(-900), at(-1), at(0));
        assert_eq!(
            (late.text.as_str(), late.permille, late.is_short),
            ("time is up", 0, true)
        );
    }

    /// What the console does not know is shown as the worst, never as harmless.
    #[test]
    fn unknown_levels_are_high() {
        assert!(Level::risk("huge").is_high);
        assert!(!Level::risk("medium").is_high);
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
