//! `signoff policy simulate`: what a file's policies would have said of what was asked before.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use signoff_api::file::SignoffFile;
use signoff_api::simulation::{
    CutShort, PastOutcome, PolicySimulate, SimulatedAction, SimulatedKind, SimulatedVerdict, Simulation,
    Tally,
};

use crate::cli::Global;
use crate::connection::{Side, connect};
use crate::exit::Exit;
use crate::{document, inert, output, table};

/// The change that `--fail-on-loosened` is about.
const LOOSENED: &str = "denied_by_reviewer_now_allowed";
/// How many actions of each kind of change are printed; `--json` has all that the server lists.
const SHOWN: usize = 5;

const AFTER_HELP: &str = "\
The server judges what it has recorded by the file's policies and by those in force, each action at the time when it was
asked for, with the agent as it is today, and lists where the two differ. Nothing is changed.
Exit codes: 0 simulated, 1 refused by the server, or with --fail-on-loosened where something that a reviewer denied would
pass, 3 misused or the server unreachable.";

/// What to try, and on what.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct SimulateArgs {
    /// .yaml, .json or .toml with `policies` and perhaps `settings`; `-` reads standard input
    #[arg(
        short = 'f',
        long = "file",
        value_name = "FILE",
        default_value = "signoff.yaml"
    )]
    file: PathBuf,
    /// From when on: a duration back from now, or a time; at most 400 days
    #[arg(long, value_name = "WHEN", default_value = "30d")]
    since: String,
    /// How many actions to look at, newest first [default: 50000]
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    /// Exit with 1 where something that a reviewer denied would pass
    #[arg(long)]
    fail_on_loosened: bool,
}

pub(crate) async fn run(global: &Global, args: SimulateArgs) -> anyhow::Result<Exit> {
    let file: SignoffFile = document::read(&args.file)?;
    let Some(policies) = file.policies else {
        bail!(
            "`{}` has no `policies`, so there is nothing to try: a set without any is `policies: []`",
            args.file.display()
        );
    };
    let simulate = PolicySimulate {
        policies,
        settings: file.settings,
        since: Some(args.since),
        limit: args.limit,
        examples: None,
    };
    let client = connect(global, Side::Operator)?;
    let simulation = client.policy_simulate(&simulate).await?;
    output::either(global.json, &simulation, described)?;
    talk_of_what_is_missing(&simulation);
    let loosened = simulation.changes.iter().any(|change| change.code == LOOSENED);
    Ok(if loosened && args.fail_on_loosened {
        Exit::Refused
    } else {
        Exit::Ok
    })
}

/// What the answer does not cover, so that nobody takes it for more than it is.
fn talk_of_what_is_missing(simulation: &Simulation) {
    if let Some(cut) = simulation.cut_short {
        let why = match cut {
            CutShort::Actions => "it looked at as many actions as it may",
            CutShort::Time => "it took as long as it may",
        };
        output::talk(&format!(
            "cut short: {why}; older than {} was not looked at",
            inert::line(&simulation.reached)
        ));
    }
    let missing = simulation.not_judged;
    for (count, why) in [
        (missing.erased, "what was asked was erased"),
        (missing.unknown_agent, "their agent is not known any more"),
    ] {
        if count > 0 {
            output::talk(&format!("{count} could not be judged: {why}"));
        }
    }
}

fn described(simulation: &Simulation) -> String {
    let (judged, since) = (simulation.judged, inert::line(&simulation.since));
    let mut text = format!("{} since {since}\n", actions(judged));
    if judged == 0 {
        return text;
    }
    let row = |name: &str, tally: &Tally| {
        [
            name.to_owned(),
            tally.allowed.to_string(),
            tally.pending_approval.to_string(),
            tally.sent_back.to_string(),
            tally.denied.to_string(),
        ]
    };
    let sums = [
        row("in force", &simulation.present),
        row("proposed", &simulation.proposed),
    ];
    // Below the sum: what became of them.
    let by_outcome = simulation.outcomes.iter();
    let by_outcome =
        by_outcome.map(|outcome| row(&format!("· {}", past(outcome.outcome)), &outcome.proposed));
    let header = ["JUDGED BY", "ALLOWED", "ASKED", "SENT BACK", "DENIED"];
    let _ = writeln!(
        text,
        "\n{}",
        table::render(header, sums.into_iter().chain(by_outcome))
    );
    if simulation.changes.is_empty() {
        text.push_str("\nnothing would be judged otherwise");
        return text;
    }
    for change in &simulation.changes {
        let _ = writeln!(text, "\n{}: {}", headline(&change.code), change.count);
        for action in change.examples.iter().take(SHOWN) {
            text.push_str(&example(action));
        }
        let shown = change.examples.len().min(SHOWN) as u64;
        if change.count > shown {
            let _ = writeln!(text, "  … and {} more", change.count - shown);
        }
    }
    let _ = write!(
        text,
        "\n{} of {} would be judged otherwise",
        simulation.changed,
        actions(judged)
    );
    text
}

fn actions(count: u64) -> String {
    let noun = if count == 1 { "action" } else { "actions" };
    format!("{count} {noun}")
}

fn example(action: &SimulatedAction) -> String {
    let day = action.at.get(..16).unwrap_or(&action.at).replace('T', " ");
    let id = action.approval_id.as_ref().unwrap_or(&action.action_id);
    let by = action.recorded.decided_by.as_ref();
    let by = by.map(|by| by.name.as_deref().unwrap_or(&by.id));
    let then = match (action.recorded.outcome, by) {
        (PastOutcome::DeniedByReviewer, Some(by)) => format!("denied by {by}"),
        (PastOutcome::Approved, Some(by)) => format!("approved by {by}"),
        (outcome, _) => past(outcome).to_owned(),
    };
    format!(
        "  {day}  {}\n      then {}; in force {}; proposed {}  ({})\n",
        inert::line(&action.summary),
        inert::line(&then),
        verdict(&action.present),
        verdict(&action.proposed),
        inert::line(id),
    )
}

fn verdict(verdict: &SimulatedVerdict) -> String {
    let word = match verdict.verdict {
        SimulatedKind::Allowed => "allowed",
        SimulatedKind::PendingApproval => "asked",
        SimulatedKind::SentBack => "sent back",
        SimulatedKind::Denied => "denied",
    };
    match &verdict.policy {
        Some(policy) => format!("{word} by `{}`", inert::line(policy)),
        None => format!("{word}, no policy matches"),
    }
}

fn past(outcome: PastOutcome) -> &'static str {
    match outcome {
        PastOutcome::DeniedByReviewer => "denied by a reviewer",
        PastOutcome::Denied => "denied by policy",
        PastOutcome::Stopped => "stopped",
        PastOutcome::Expired => "expired",
        PastOutcome::Cancelled => "cancelled",
        PastOutcome::Superseded => "superseded",
        PastOutcome::Pending => "still pending",
        PastOutcome::Approved => "approved",
        PastOutcome::Allowed => "allowed by policy",
    }
}

/// A kind of change in words; the code itself where a newer server knows more.
fn headline(code: &str) -> String {
    let words = match code {
        LOOSENED => "! a reviewer denied it, and it would pass",
        "denied_by_policy_now_allowed" => "! policy denied it, and it would pass",
        "undecided_now_allowed" => "! nobody decided it, and it would pass",
        "approved_now_denied" => "people approved it, and it would be denied",
        "allowed_now_denied" => "policy allowed it, and it would be denied",
        "now_sent_back" => "it would go back to the agent, which left out what is required",
        "allowed_now_asked" => "policy allowed it, and people would be asked",
        "denied_now_asked" => "policy denied it, and people would be asked",
        "other_approvers" => "other people would be asked, or on other terms",
        "approved_now_allowed" => "people approved it, and it would pass without them",
        "not_approved_now_denied" => "people did not approve it, and it would be denied at once",
        "as_recorded" => "judged as it was then, unlike by the policies in force",
        other => return inert::line(other),
    };
    words.to_owned()
}
