//! `signoff apply`: makes a workspace what a file says, with a plan first.

mod carry;
mod check;
mod grants;
mod plan;
pub(crate) mod present;
mod words;

pub(crate) use words::{finding as finding_in_words, pending};

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};
use signoff_api::approval::ApprovalQuery;
use signoff_api::file::{Address, ChannelEntry, FromEnvironment, SignoffFile};
use signoff_api::lint::{Finding, Severity};
use signoff_api::policy::{Orphaned, PolicyApply};
use signoff_api::webhook::{WebhookCreate, WebhookUpdate};
use signoff_api::{Code, Problem, Secret};
use signoff_client::{Client, Error};
use signoff_core::lint::Known;
use signoff_server::offline::Rules;

use self::plan::{Change, Field, Kind, Plan, Step, What};
use self::present::Present;
use crate::cli::Global;
use crate::commands::policy::OrphanedArg;
use crate::connection::{Side, connect};
use crate::exit::Exit;
use crate::{document, inert, output};

const AFTER_HELP: &str = "\
A section of the file that is left out is not touched; one that is there is the whole truth of its kind:
what is not in it is removed, agents and people are disabled. Values of grants and channels are never in it:
it says where they are ({env: NAME}, for grants also {file: PATH}). All policies and settings become one version.
Running it again does what is still to be done.

  settings: {unmatched: deny}
  policies:
    - name: small-refunds
      actions: [\"stripe.refund*\"]
      effect: conditional
      conditions: [{field: inputs.amount, operator: lte, value: 50}]
      approval: {approvers: [\"group:finance\"], timeout: 30m}
  groups: [{name: finance, members: [dana@example.com]}]

`signoff schema` prints what a file may say, for editors.
Exit codes: 0 done or nothing to do, 1 refused, 2 with --exit-code: there are changes, 3 misused or the
server unreachable.";

/// What to apply, and how.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ApplyArgs {
    /// The file: .yaml, .json or .toml; `-` reads standard input
    #[arg(
        short = 'f',
        long = "file",
        value_name = "FILE",
        default_value = "signoff.yaml"
    )]
    file: PathBuf,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
    /// Do it without asking
    #[arg(long, short = 'y', conflicts_with = "dry_run")]
    yes: bool,
    /// With --dry-run: exit with 2 if there are changes
    #[arg(long, requires = "dry_run")]
    exit_code: bool,
    /// Refuse if the present version of the policies is another one
    #[arg(long, value_name = "VERSION")]
    expected_version: Option<u64>,
    /// What happens to pending approvals left without a policy [default: the workspace's choice]
    #[arg(long, value_enum, value_name = "WHAT")]
    orphaned: Option<OrphanedArg>,
}

pub(crate) async fn run(global: &Global, args: ApplyArgs) -> anyhow::Result<Exit> {
    let file: SignoffFile = document::read(&args.file)?;
    let client = connect(global, Side::Operator)?;
    let present = Present::of(&client).await?;
    if let Some(expected) = args
        .expected_version
        .filter(|version| *version != present.set.version)
    {
        let detail = format!(
            "the present version of the policies is {}, not {expected}: nothing was changed",
            present.set.version
        );
        return Err(Error::Problem(Box::new(Problem::new(Code::VersionConflict, detail))).into());
    }
    check::check(&file, &present)?;
    let (plan, findings) = plan_of(&client, &file, &present, args.orphaned.map(Orphaned::from)).await?;
    let report = Report {
        global,
        plan: &plan,
        findings: &findings,
        present: &present,
    };
    if plan.changes.is_empty() {
        report.print(args.dry_run, false)?;
        return Ok(Exit::Ok);
    }
    if args.dry_run {
        report.print(true, false)?;
        return Ok(if args.exit_code { Exit::Changes } else { Exit::Ok });
    }
    if !plan.missing.is_empty() {
        report.print(true, false)?;
        let missing = plan.missing.iter().map(|line| inert::line(line));
        bail!("nothing was changed: {}", missing.collect::<Vec<_>>().join("; "));
    }
    if !args.yes {
        if global.json || !std::io::stdin().is_terminal() || args.file == Path::new("-") {
            report.print(true, false)?;
            bail!("nothing was changed: nobody is here to be asked; say --yes to apply this");
        }
        report.print(false, false)?;
        if !asked("apply this?")? {
            output::talk("nothing was changed");
            return Ok(Exit::Refused);
        }
    } else if !global.json {
        report.print(false, false)?;
    }
    let done = carry::out(&client, &plan).await;
    if let Some(error) = done.error {
        if global.json {
            let mut told = report.json(false, false);
            // Standard error is for the one problem document; the first of the changes are made.
            told["done"] = done.count.into();
            output::json(&told)?;
        } else {
            words::broken_off(&plan, done.count);
        }
        return Err(error);
    }
    if global.json {
        report.print(false, true)?;
    } else {
        words::done(&plan, done.version);
    }
    Ok(Exit::Ok)
}

struct Report<'a> {
    global: &'a Global,
    plan: &'a Plan,
    findings: &'a [Finding],
    present: &'a Present,
}

impl Report<'_> {
    fn print(&self, dry_run: bool, applied: bool) -> anyhow::Result<()> {
        if self.global.json {
            return output::json(&self.json(dry_run, applied));
        }
        output::data(&words::plan(self.plan, self.present.set.version))?;
        for line in &self.plan.kept {
            output::talk(&inert::line(line));
        }
        for finding in self.findings {
            output::talk(&words::finding(finding));
        }
        Ok(())
    }

    fn json(&self, dry_run: bool, applied: bool) -> Value {
        let count = |what: &[What]| {
            let changes = self.plan.changes.iter();
            changes.filter(|change| what.contains(&change.what)).count()
        };
        json!({
            "dry_run": dry_run,
            "applied": applied,
            "changes": self.plan.changes,
            "summary": {
                "create": count(&[What::Create]), "update": count(&[What::Update]),
                "remove": count(&[What::Remove, What::Disable]),
            },
            "pending": self.plan.pending,
            "withdrawn": self.plan.withdrawn,
            "missing": self.plan.missing,
            "policy_version": self.present.set.version + u64::from(applied && self.plan.policies.is_some()),
            "findings": self.findings,
            "next": if applied { words::next_steps(self.plan) } else { Vec::new() },
        })
    }
}

/// All that has to change, and what lint says of it.
async fn plan_of(
    client: &Client,
    file: &SignoffFile,
    present: &Present,
    orphaned: Option<Orphaned>,
) -> anyhow::Result<(Plan, Vec<Finding>)> {
    let mut plan = Plan {
        changes: plan::changes(file, present),
        ..Plan::default()
    };
    if let Some(wanted) = &file.grants {
        let found = grants::changes(client, wanted).await?;
        plan.changes.extend(found.changes);
        (plan.missing, plan.kept) = (found.missing, found.kept);
    }
    if let Some(channels) = &file.channels {
        plan.changes
            .extend(channel_changes(client, channels, present).await?);
    }
    let disabled = plan.changes.iter().filter(|change| {
        let switched_off = change
            .fields
            .iter()
            .any(|field| field.path == "disabled" && field.new == true);
        change.kind == Kind::Agent && (change.what == What::Disable || switched_off)
    });
    for agent in disabled.filter(|change| change.what != What::Create) {
        plan.withdrawn += pending_of(client, &agent.name).await?;
    }
    let mut findings = Vec::new();
    if file.policies.is_some() || file.settings.is_some() {
        let wanted = PolicyApply {
            policies: file.policies.clone().unwrap_or_else(|| {
                let items = present.set.items.iter();
                items.map(|policy| policy.body.clone()).collect()
            }),
            settings: file.settings.clone(),
            expected_version: Some(present.set.version),
            orphaned,
            dry_run: Some(true),
        };
        let settings = file.settings.clone().unwrap_or_default();
        let default_approvers = settings.default_approvers.clone();
        let settings = signoff_api::policy::PolicySettings {
            default_approvers: default_approvers.or_else(|| present.set.settings.default_approvers.clone()),
            ..settings
        };
        let rules = Rules::new(wanted.policies.clone(), Some(settings)).map_err(Error::Problem)?;
        let applied = client.policy_apply(&wanted).await?;
        let changes = plan::policy_changes(&applied, &wanted, &rules.policies(), present);
        findings = rules.lint(&known(file, Some(present)));
        findings.retain(|finding| finding.severity > Severity::Note);
        if !changes.is_empty() {
            plan.pending = applied.pending;
            plan.policies = Some(PolicyApply {
                dry_run: None,
                ..wanted
            });
        }
        plan.changes.extend(changes);
    }
    // A group can go only when no policy names it any more.
    plan.changes.sort_by_key(|change| {
        let is_late = change.kind == Kind::Group && change.what == What::Remove;
        (is_late, change.kind)
    });
    Ok((plan, findings))
}

async fn pending_of(client: &Client, agent: &str) -> anyhow::Result<usize> {
    let mut query = ApprovalQuery {
        status: Some("pending,info_requested".to_owned()),
        agent: Some(agent.to_owned()),
        limit: Some(200),
        ..ApprovalQuery::default()
    };
    let mut count = 0;
    loop {
        let page = client.approval_list(&query).await?;
        count += page.items.len();
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            return Ok(count);
        }
    }
}

/// Who and what a file says there is, laid over what is known besides.
pub(crate) fn known(file: &SignoffFile, present: Option<&Present>) -> Known {
    use signoff_core::lint::{KnownAgent, KnownGroup, KnownOperator};

    let mut known = present.map(Present::known).unwrap_or_default();
    if let Some(operators) = &file.operators {
        let before = known.operators.take().unwrap_or_default();
        let id = |email: &str| {
            let found = before.iter().find(|one| one.email.eq_ignore_ascii_case(email));
            found.and_then(|one| one.id)
        };
        let operators = operators.iter().map(|one| KnownOperator {
            id: id(&one.email),
            email: one.email.clone(),
            role: present::role(one.role),
            disabled: false,
        });
        known.operators = Some(operators.collect());
    }
    if let Some(groups) = &file.groups {
        let groups = groups.iter().map(|one| KnownGroup {
            name: one.name.clone(),
            members: one.members.clone(),
        });
        known.groups = Some(groups.collect());
    }
    if let Some(agents) = &file.agents {
        let agents = agents.iter().map(|one| KnownAgent {
            name: one.name.clone(),
            owner: one.owner.clone(),
            disabled: one.disabled.unwrap_or_default(),
        });
        known.agents = Some(agents.collect());
    }
    if let Some(channels) = &file.channels {
        // Without a server nobody knows which channels of other kinds there are.
        known.channels = present.map(|present| present.channels(channels.iter().map(|one| &one.name)));
    }
    known
}

/// Channels: the server says what differs, for it alone can compare secrets.
async fn channel_changes(
    client: &Client,
    wanted: &[ChannelEntry],
    present: &Present,
) -> anyhow::Result<Vec<Change>> {
    let mut changes = Vec::new();
    for entry in wanted {
        let url = match &entry.url {
            Address::Written(url) => Secret::new(url),
            Address::Named(named) => from_environment(&entry.name, named)?,
        };
        let secret = from_environment(&entry.name, &entry.secret)?;
        let events = entry.events.clone().unwrap_or_default();
        let found = present
            .webhooks
            .iter()
            .find(|one| one.name.eq_ignore_ascii_case(&entry.name));
        let Some(found) = found else {
            let create = WebhookCreate {
                name: entry.name.clone(),
                url: url.expose().to_owned(),
                events: Some(events),
                secret: Some(secret),
            };
            let fields = plan::differences(
                &Value::Null,
                &json!({"kind": entry.kind, "events": create.events}),
            );
            let step = Some(Step::ChannelCreate(create));
            changes.push(Change::new(
                Kind::Channel,
                &entry.name,
                What::Create,
                fields,
                step,
            ));
            continue;
        };
        let update = WebhookUpdate {
            url: Some(url),
            events: Some(events),
            secret: Some(secret),
            dry_run: Some(true),
        };
        let differs = client.webhook_update(&found.id, &update).await?.changed;
        if !differs.is_empty() {
            let fields = differs
                .into_iter()
                .map(|field| channel_field(field, found, &update));
            let fields = fields.collect();
            let update = WebhookUpdate {
                dry_run: None,
                ..update
            };
            let step = Some(Step::ChannelUpdate(found.id.clone(), update));
            changes.push(Change::new(
                Kind::Channel,
                &found.name,
                What::Update,
                fields,
                step,
            ));
        }
    }
    let gone = present.webhooks.iter().filter(|one| {
        !wanted
            .iter()
            .any(|entry| entry.name.eq_ignore_ascii_case(&one.name))
    });
    changes.extend(gone.map(|one| {
        let step = Some(Step::ChannelRemove(one.id.clone()));
        Change::new(Kind::Channel, &one.name, What::Remove, Vec::new(), step)
    }));
    Ok(changes)
}

/// What may be shown of a changed field: never a secret, and no more of a URL than the server shows.
fn channel_field(field: String, found: &signoff_api::webhook::Webhook, update: &WebhookUpdate) -> Field {
    let (old, new) = match field.as_str() {
        "events" => (json!(found.events), json!(update.events)),
        _ => (json!("(hidden)"), json!("(another one)")),
    };
    Field {
        path: field,
        old,
        new,
    }
}

fn from_environment(channel: &str, named: &FromEnvironment) -> anyhow::Result<Secret> {
    let value = std::env::var(&named.env).ok().filter(|value| !value.is_empty());
    let value = value.with_context(|| {
        format!(
            "channel `{channel}`: the environment has no `{}`; nothing was changed",
            named.env
        )
    })?;
    Ok(Secret::new(value.trim()))
}

fn asked(question: &str) -> anyhow::Result<bool> {
    let mut err = std::io::stderr();
    write!(err, "{question} [y/N] ")?;
    err.flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(matches!(
        inert::line(line.trim()).to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}
