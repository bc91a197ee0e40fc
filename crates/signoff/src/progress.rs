//! What people see while a command waits: a line with the time left on a terminal, a few plain lines elsewhere.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use signoff_api::approval::{Approval, ApprovalStatus};
use signoff_client::Progress;
use tokio::time::Instant;

use crate::inert::line;
use crate::{output, time};

const TICK: Duration = Duration::from_millis(200);

/// A wait as it is shown on standard error.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// None where nobody watches: no terminal, or JSON was asked for.
    bar: Option<ProgressBar>,
    quiet: bool,
    shown: Arc<Mutex<Shown>>,
    /// The caller's own deadline, if it has one.
    until: Option<Instant>,
    lost: bool,
    questions: usize,
    votes: usize,
}

#[derive(Debug)]
struct Shown {
    words: String,
    /// An approver wants to know something first.
    is_asked: bool,
    ends: Option<Instant>,
}

impl Waiting {
    /// Starts the line. Quiet: nothing is shown at all.
    pub(crate) fn start(words: &str, until: Option<Instant>, quiet: bool) -> Self {
        let shown = Arc::new(Mutex::new(Shown {
            words: words.to_owned(),
            is_asked: false,
            ends: until,
        }));
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| bar(&shown));
        Self {
            bar,
            quiet,
            shown,
            until,
            lost: false,
            questions: 0,
            votes: 0,
        }
    }

    /// Takes note of what happened during the wait.
    pub(crate) fn note(&mut self, progress: &Progress<'_>) {
        match progress {
            Progress::Seen(approval) => self.seen(approval),
            Progress::Lost(error) => {
                if !self.lost {
                    self.lost = true;
                    self.say(&line(&format!("{error}; trying again, the request goes on")));
                }
            }
        }
    }

    fn seen(&mut self, approval: &Approval) {
        if self.lost {
            self.lost = false;
            self.say("the server answers again");
        }
        let ends = approval
            .expires_in
            .map(|seconds| Instant::now() + Duration::from_secs(seconds));
        {
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            shown.ends = match (ends, self.until) {
                (Some(ends), Some(until)) => Some(ends.min(until)),
                (ends, until) => ends.or(until),
            };
            shown.is_asked = approval.status == ApprovalStatus::InfoRequested;
        }
        self.news(approval);
    }

    /// Votes and questions that were not there before.
    fn news(&mut self, approval: &Approval) {
        for info in approval.info.iter().skip(self.questions) {
            let by = info.asked_by.name.as_deref().unwrap_or(&info.asked_by.id);
            self.say(&line(&format!("{by} asks: “{}”", info.question)));
            if info.answer.is_none() {
                self.say(&format!(
                    "  signoff approvals answer {} 'TEXT'",
                    line(&approval.id)
                ));
            }
        }
        self.questions = self.questions.max(approval.info.len());
        if !approval.is_terminal {
            for vote in approval.votes.iter().skip(self.votes) {
                let needed: u32 = approval.requirement.stages.iter().map(|stage| stage.quorum).sum();
                let needed = needed.max(approval.requirement.quorum);
                self.say(&line(&format!(
                    "{} votes {} (needed: {needed})",
                    vote.operator.name, vote.decision
                )));
            }
        }
        self.votes = self.votes.max(approval.votes.len());
    }

    /// Says something above the line.
    pub(crate) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| output::talk(text)),
            None if !self.quiet => output::talk(text),
            None => {}
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(shown: &Arc<Mutex<Shown>>) -> ProgressBar {
    let shown = Arc::clone(shown);
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {waiting}") {
        bar.set_style(style.tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ").with_key(
            "waiting",
            move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
                let shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
                // A line that can't be drawn is no reason to stop waiting.
                let _ = out.write_str(&text(&shown, Instant::now()));
            },
        ));
    }
    bar.enable_steady_tick(TICK);
    bar
}

fn text(shown: &Shown, now: Instant) -> String {
    let mut text = shown.words.clone();
    if shown.is_asked {
        text.push_str(", first for an answer");
    }
    if let Some(ends) = shown.ends {
        let left = ends.saturating_duration_since(now).as_secs();
        let _ = write!(text, ", {} left", time::clock(left));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_counts_down_and_stops_at_nothing() {
        let now = Instant::now();
        let mut shown = Shown {
            words: "waiting".to_owned(),
            is_asked: false,
            ends: Some(now + Duration::from_secs(65)),
        };
        assert_eq!(text(&shown, now), "waiting, 1:05 left");
        assert_eq!(text(&shown, now + Duration::from_secs(70)), "waiting, 0:00 left");
        shown.ends = None;
        assert_eq!(text(&shown, now), "waiting");
    }
}
