//! `signoff doctor`: what is wrong with the set-up, and what to do about it.

use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;
use signoff_api::PageQuery;
use signoff_api::lint::{PolicyLint, Severity};
use signoff_api::operator::Role;
use signoff_api::status::{Me, PrincipalStatus};
use signoff_client::{Client, Error};

use crate::cli::Global;
use crate::connection::connect_as_anyone;
use crate::exit::Exit;
use crate::{inert, output};

/// More than this, and deadlines look wrong to people.
const SKEW_SECONDS_MAX: i64 = 5;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    name: &'static str,
    ok: bool,
    detail: String,
}

pub(crate) async fn run(global: &Global) -> anyhow::Result<Exit> {
    let client = connect_as_anyone(global)?;
    let mut findings = Vec::new();
    let reached = reach(&client, &mut findings).await;
    if reached {
        ready(&client, &mut findings).await;
        if let Some(me) = identity(&client, &mut findings).await {
            approvers(&client, &me, &mut findings).await;
            policies(&client, &me, &mut findings).await;
            channels(&client, &me, &mut findings).await;
        }
    }
    let ok = findings.iter().all(|finding| finding.ok);
    if global.json {
        output::json(&serde_json::json!({ "ok": ok, "server": client.server(), "findings": findings }))?;
    } else {
        let lines: Vec<_> = findings
            .iter()
            .map(|f| {
                format!(
                    "{} {:<10} {}",
                    if f.ok { "✓" } else { "✗" },
                    f.name,
                    inert::line(&f.detail)
                )
            })
            .collect();
        output::data(&lines.join("\n"))?;
    }
    Ok(match (ok, reached) {
        (true, _) => Exit::Ok,
        (false, true) => Exit::Refused,
        (false, false) => Exit::Misused,
    })
}

async fn reach(client: &Client, findings: &mut Vec<Finding>) -> bool {
    let started = Instant::now();
    match client.health().await {
        Err(error) => {
            findings.push(Finding {
                name: "server",
                ok: false,
                detail: error.to_string(),
            });
            false
        }
        Ok(health) => {
            let round_trip = started.elapsed();
            let detail = format!(
                "{} answers in {} ms, version {}",
                client.server(),
                round_trip.as_millis(),
                health.version
            );
            findings.push(Finding {
                name: "server",
                ok: true,
                detail,
            });
            findings.push(clock(&health.now));
            if client.has_key() && !client.is_private_way() {
                let detail = "the key travels unencrypted: use an https URL".to_owned();
                findings.push(Finding {
                    name: "transport",
                    ok: false,
                    detail,
                });
            }
            true
        }
    }
}

fn clock(server_now: &str) -> Finding {
    let Ok(now) = server_now.parse::<Timestamp>() else {
        return Finding {
            name: "clock",
            ok: false,
            detail: format!("the server says it is `{server_now}`"),
        };
    };
    let skew = now.as_second() - Timestamp::now().as_second();
    Finding {
        name: "clock",
        ok: skew.abs() <= SKEW_SECONDS_MAX,
        detail: match skew {
            0 => "agrees with the server's".to_owned(),
            _ => format!("the server's is {skew:+} s from ours"),
        },
    }
}

async fn ready(client: &Client, findings: &mut Vec<Finding>) {
    match client.readiness().await {
        Err(error) => findings.push(Finding {
            name: "readiness",
            ok: false,
            detail: error.to_string(),
        }),
        Ok(readiness) if readiness.ready => {
            findings.push(Finding {
                name: "readiness",
                ok: true,
                detail: "the server can do its work".to_owned(),
            });
        }
        Ok(readiness) => {
            for check in readiness.checks.iter().filter(|check| !check.ok) {
                let detail = format!(
                    "{}: {}",
                    check.name,
                    check.detail.as_deref().unwrap_or("not well")
                );
                findings.push(Finding {
                    name: "readiness",
                    ok: false,
                    detail,
                });
            }
        }
    }
}

async fn identity(client: &Client, findings: &mut Vec<Finding>) -> Option<Me> {
    if !client.has_key() {
        let detail = "none: set SIGNOFF_API_KEY (or SIGNOFF_ADMIN_KEY)".to_owned();
        findings.push(Finding {
            name: "key",
            ok: false,
            detail,
        });
        return None;
    }
    match client.whoami().await {
        Ok(me) => {
            let role = me.role.map(|role| format!(", {role}")).unwrap_or_default();
            let detail = format!("{} {}{role}, workspace {}", me.kind, me.name, me.workspace.name);
            findings.push(Finding {
                name: "key",
                ok: true,
                detail,
            });
            Some(me)
        }
        Err(error) => {
            findings.push(Finding {
                name: "key",
                ok: false,
                detail: error.to_string(),
            });
            None
        }
    }
}

/// Someone must be able to say yes; an agent can't see who.
async fn approvers(client: &Client, me: &Me, findings: &mut Vec<Finding>) {
    if me.role.is_none() {
        return;
    }
    let finding = match count_deciders(client).await {
        Ok(0) => Finding {
            name: "approvers",
            ok: false,
            detail: "no person can approve: add one with `signoff operators create NAME --email ADDRESS`"
                .to_owned(),
        },
        Ok(1) => Finding {
            name: "approvers",
            ok: true,
            detail: "1 person can decide".to_owned(),
        },
        Ok(count) => Finding {
            name: "approvers",
            ok: true,
            detail: format!("{count} people can decide"),
        },
        Err(error) => Finding {
            name: "approvers",
            ok: false,
            detail: error.to_string(),
        },
    };
    findings.push(finding);
}

/// Policies that can't do what they say; an agent can't see them.
async fn policies(client: &Client, me: &Me, findings: &mut Vec<Finding>) {
    if me.role.is_none() {
        return;
    }
    let (ok, detail) = match client.policy_lint(&PolicyLint::default()).await {
        Err(error) => (false, error.to_string()),
        Ok(found) => {
            let count = |severity| {
                let found = found.findings.iter();
                found.filter(|one| one.severity == severity).count()
            };
            let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
            let detail = match (errors, warnings) {
                (0, 0) => "nothing is wrong with them".to_owned(),
                _ => format!("{errors} errors, {warnings} warnings: see `signoff policy lint`"),
            };
            (errors == 0, detail)
        }
    };
    findings.push(Finding {
        name: "policies",
        ok,
        detail,
    });
}

/// Whether messages leave; only who governs can see that.
async fn channels(client: &Client, me: &Me, findings: &mut Vec<Finding>) {
    if me.role != Some(Role::Admin) {
        return;
    }
    let query = PageQuery {
        cursor: None,
        limit: Some(200),
    };
    let (ok, detail) = match client.channel_list(&query).await {
        Err(error) => (false, error.to_string()),
        Ok(page) => {
            let silent = page.items.iter().filter(|channel| channel.switched_off.is_some());
            let silent: Vec<&str> = silent.map(|channel| channel.name.as_str()).collect();
            match (page.items.len(), silent.is_empty()) {
                (0, _) => (
                    true,
                    "none: what waits stands in the console, and nobody is told of it; `signoff channels add` adds one".to_owned(),
                ),
                (count, true) => (true, format!("{count} tell of what waits")),
                (_, false) => (
                    false,
                    format!("switched off because nothing arrived by them: {}; `signoff channels test` says why", silent.join(", ")),
                ),
            }
        }
    };
    findings.push(Finding {
        name: "channels",
        ok,
        detail,
    });
}

async fn count_deciders(client: &Client) -> Result<usize, Error> {
    let mut query = PageQuery {
        cursor: None,
        limit: Some(200),
    };
    let mut count = 0;
    loop {
        let page = client.operator_list(&query).await?;
        count += page
            .items
            .iter()
            .filter(|operator| operator.role >= Role::Member && operator.status == PrincipalStatus::Active)
            .count();
        match page.next_cursor {
            Some(next) => query.cursor = Some(next),
            None => return Ok(count),
        }
    }
}
