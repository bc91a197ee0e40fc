//! `signoff policy test`: actions, and what policy should say of them.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;
use signoff_api::action::Submit;
use signoff_api::cases::{Case, CaseFile, ExpectedVerdict};
use signoff_api::file::SignoffFile;
use signoff_api::policy::Explanation;
use signoff_client::{Client, Error};
use signoff_core::time::Timestamp;
use signoff_server::offline::Rules;

use crate::cli::Global;
use crate::connection::{Side, connect};
use crate::exit::Exit;
use crate::{document, inert, output, show};

const AFTER_HELP: &str = "\
A file of cases:

  cases:
    - name: small refunds pass
      action: stripe.refund
      agent: bot                         # also: labels, at, context, reason, priority, risk, cost
      inputs: {amount: 20}
      expect: {verdict: allowed, policy: small-refunds, conditions: [true]}
    - http: {method: DELETE, url: https://api.example.com/v1/users/7}    # also: headers, body, json, grant
      expect: {verdict: pending_approval, policy: all-deletes}
    - action: db.drop_all
      expect: {verdict: denied}          # or pending_approval; also: code
    - action: stripe.refund
      expect: {verdict: bounced, incomplete: [/context/customer]}    # sent back: it says too little

Exit codes: 0 all as expected, 1 not, 3 misused or the server unreachable.";

/// What to test, and with which cases.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct TestArgs {
    /// Files of cases, .yaml or .json
    #[arg(value_name = "CASES", required = true)]
    cases: Vec<PathBuf>,
    /// The policies to test, without a server
    #[arg(
        short = 'f',
        long = "file",
        value_name = "FILE",
        default_value = "signoff.yaml"
    )]
    file: PathBuf,
    /// Test the policies that are in force on the server instead
    #[arg(long, conflicts_with = "file")]
    server: bool,
}

/// How one case came out.
#[derive(Debug, Serialize)]
struct Outcome {
    file: String,
    name: String,
    ok: bool,
    /// What is not as expected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    wrong: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Explanation>,
}

/// Who answers.
enum Judge {
    File(Box<Rules>),
    Server(Client),
}

impl Judge {
    async fn explain(&self, case: &Case) -> anyhow::Result<Explanation> {
        match self {
            Self::File(rules) => {
                let labels = case.labels.clone().unwrap_or_default();
                let at = match &case.at {
                    Some(at) => moment(at)?,
                    None => Timestamp(jiff::Timestamp::now().as_microsecond()),
                };
                Ok(rules.explain(submit(case), &labels, at).map_err(Error::Problem)?)
            }
            Self::Server(client) => {
                if case.at.is_some() {
                    bail!("a server judges by its own clock: leave `at` out, or test without --server");
                }
                if case.labels.is_some() {
                    bail!(
                        "`labels` are the agent's own on a server: leave them out, or test without --server"
                    );
                }
                Ok(client.policy_explain(&submit(case)).await?)
            }
        }
    }
}

fn moment(text: &str) -> anyhow::Result<Timestamp> {
    let read = text.parse::<jiff::Timestamp>();
    let read = read.with_context(|| format!("`at: {text}` is no moment such as 2026-12-24T09:30:00Z"))?;
    Ok(Timestamp(read.as_microsecond()))
}

pub(crate) async fn run(global: &Global, args: TestArgs) -> anyhow::Result<Exit> {
    let judge = if args.server {
        Judge::Server(connect(global, Side::Operator)?)
    } else {
        let file: SignoffFile = document::read(&args.file)?;
        let rules = Rules::new(file.policies.unwrap_or_default(), file.settings).map_err(Error::Problem)?;
        Judge::File(Box::new(rules))
    };
    let mut outcomes = Vec::new();
    for path in &args.cases {
        let file: CaseFile = document::read(path)?;
        for (at, case) in file.cases.iter().enumerate() {
            let name = case
                .name
                .clone()
                .unwrap_or_else(|| format!("case {}: {}", at + 1, subject(case)));
            let outcome = match judge.explain(case).await {
                Ok(explanation) => compared(case, explanation),
                Err(error) if is_about_the_case(&error) => (vec![format!("{error:#}")], None),
                Err(error) => return Err(error.context(name)),
            };
            outcomes.push(Outcome {
                file: path.display().to_string(),
                name,
                ok: outcome.0.is_empty(),
                wrong: outcome.0,
                explanation: outcome.1,
            });
        }
    }
    say(global, &outcomes)
}

/// What a case without a name is about.
fn subject(case: &Case) -> String {
    match &case.http {
        Some(call) if case.action.is_empty() => format!("{} {}", call.method, call.url),
        _ => case.action.clone(),
    }
}

/// Whether an action was refused as it is written, rather than the whole test.
fn is_about_the_case(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<Error>(), Some(Error::Problem(problem)) if matches!(problem.status, 400 | 422))
}

fn submit(case: &Case) -> Submit {
    Submit {
        action: case.action.clone(),
        http: case.http.clone(),
        agent: case.agent.clone(),
        inputs: case.inputs.clone(),
        context: case.context.clone(),
        reason: case.reason.clone(),
        priority: case.priority,
        risk: case.risk,
        estimated_cost: case.cost.clone(),
        ..Submit::default()
    }
}

/// What is not as expected, and why it came so; nothing where all is well.
fn compared(case: &Case, explanation: Explanation) -> (Vec<String>, Option<Explanation>) {
    let (expect, verdict) = (&case.expect, &explanation.verdict);
    let mut wrong = Vec::new();
    let mut differs = |what: &str, expected: String, found: String| {
        if expected != found {
            wrong.push(format!("{what}: expected {expected}, found {found}"));
        }
    };
    let found = if verdict.incomplete.is_empty() {
        verdict.verdict.as_str()
    } else {
        ExpectedVerdict::Bounced.as_str()
    };
    differs("verdict", expect.verdict.as_str().to_owned(), found.to_owned());
    if let Some(pointers) = &expect.incomplete {
        let found: Vec<&str> = verdict
            .incomplete
            .iter()
            .map(|lack| lack.pointer.as_str())
            .collect();
        differs("incomplete", pointers.join(", "), found.join(", "));
    }
    if let Some(policy) = &expect.policy {
        let governs = verdict.policy.as_ref().map_or("none", |policy| &policy.name);
        if !policy.eq_ignore_ascii_case(governs) {
            differs("policy", format!("`{policy}`"), format!("`{governs}`"));
        }
    }
    if let Some(code) = expect.code {
        let found = verdict
            .code
            .map_or_else(|| "none".to_owned(), |code| code.to_string());
        differs("code", code.to_string(), found);
    }
    if let Some(conditions) = &expect.conditions {
        let expected: Vec<&str> = conditions.iter().map(|held| held.0.as_str()).collect();
        let found: Vec<&str> = verdict
            .conditions
            .iter()
            .map(|report| report.result.as_str())
            .collect();
        differs("conditions", expected.join(", "), found.join(", "));
    }
    let explanation = (!wrong.is_empty()).then_some(explanation);
    (wrong, explanation)
}

fn say(global: &Global, outcomes: &[Outcome]) -> anyhow::Result<Exit> {
    let failed = outcomes.iter().filter(|outcome| !outcome.ok).count();
    let passed = outcomes.len() - failed;
    if global.json {
        output::json(&serde_json::json!({"passed": passed, "failed": failed, "cases": outcomes}))?;
    } else {
        let mut text = String::new();
        for outcome in outcomes.iter().filter(|outcome| !outcome.ok) {
            let _ = writeln!(
                text,
                "✗ {} ({})",
                inert::line(&outcome.name),
                inert::line(&outcome.file)
            );
            for wrong in &outcome.wrong {
                let _ = writeln!(text, "    {}", inert::line(wrong));
            }
            if let Some(explanation) = &outcome.explanation {
                let why = show::explanation(explanation);
                let _ = writeln!(text, "    why:\n      {}", why.replace('\n', "\n      "));
            }
        }
        let _ = write!(text, "{passed} passed, {failed} failed");
        output::data(&text)?;
    }
    if outcomes.is_empty() {
        output::talk("there are no cases in these files");
    }
    Ok(if failed == 0 && !outcomes.is_empty() {
        Exit::Ok
    } else {
        Exit::Refused
    })
}
