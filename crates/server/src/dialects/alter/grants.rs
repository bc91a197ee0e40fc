//! Which grant a request means, and which there are. What Alter calls a provider is the name of a grant; several
//! credentials of one provider are grants called `provider:label`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use signoff_core::actor::Principal;
use signoff_core::id::GrantId;
use signoff_engine::view::{Caller, GrantView};

use super::constraints::Scope;
use super::fault::Fault;
use super::ids::{either, uuid};
use super::signed::Signed;
use crate::Doors;

/// Between a provider and a label in the name of a grant.
const LABEL_MARK: char = ':';
/// How many candidates are named where a choice is not clear.
const CANDIDATES_MAX: usize = 20;
/// The most grants on a page.
const LIMIT_MAX: usize = 1_000;

/// How a request says which grant it means.
#[derive(Debug, Default)]
pub(super) struct Choice {
    pub(super) grant_id: Option<String>,
    pub(super) provider_id: Option<String>,
    pub(super) account: Option<String>,
    pub(super) label: Option<String>,
    pub(super) app_user_id: Option<String>,
    pub(super) user_token: Option<String>,
}

/// The one grant that a request means, among those that it may use.
pub(super) fn chosen(
    doors: &Doors,
    caller: &Caller,
    agent: Option<&str>,
    choice: &Choice,
) -> Result<GrantView, Fault> {
    if choice.user_token.is_some() {
        return Err(of_nobody_known());
    }
    let held = doors.engine().grants_within_reach(caller, agent)?;
    match (&choice.grant_id, &choice.provider_id) {
        (Some(id), None)
            if choice.account.is_none() && choice.label.is_none() && choice.app_user_id.is_none() =>
        {
            let id = either(id, GrantId);
            let mut found = held.into_iter().filter(|grant| Some(grant.row.id) == id);
            found
                .next()
                .ok_or_else(|| missing("the agent holds no grant with this id"))
        }
        (None, Some(provider)) => one_of(held, provider, choice),
        _ => Err(Fault::invalid(
            "say which grant is meant: by `grant_id` alone, or by `provider_id` and what narrows it",
        )),
    }
}

/// The grant of a provider: it is never guessed.
fn one_of(held: Vec<GrantView>, provider: &str, choice: &Choice) -> Result<GrantView, Fault> {
    // Signoff's grants belong to nobody's account.
    let of_nobody = choice.account.is_none() && choice.app_user_id.is_none();
    let fits = |grant: &GrantView| {
        let (name, label) = parts(grant);
        let labelled = choice
            .label
            .as_deref()
            .is_none_or(|wanted| label.is_some_and(|label| label.eq_ignore_ascii_case(wanted)));
        of_nobody && name.eq_ignore_ascii_case(provider) && labelled
    };
    let mut found: Vec<GrantView> = held.into_iter().filter(fits).collect();
    match (found.pop(), found.is_empty()) {
        (Some(grant), true) => Ok(grant),
        (Some(last), false) => {
            found.push(last);
            Err(ambiguous(provider, &found))
        }
        (None, _) => Err(missing("the agent holds no grant of this name and label")),
    }
}

fn parts(grant: &GrantView) -> (&str, Option<&str>) {
    let name = grant.row.grant.name.as_str();
    name.split_once(LABEL_MARK)
        .map_or((name, None), |(provider, label)| (provider, Some(label)))
}

/// A token of an end user: left out silently, the call would be made for somebody else.
fn of_nobody_known() -> Fault {
    let why = "Signoff does not check tokens of end users; leave `user_token` out";
    Fault::new(StatusCode::NOT_IMPLEMENTED, "not_supported", why)
}

fn missing(why: &str) -> Fault {
    Fault::new(StatusCode::NOT_FOUND, "grant_not_found", why)
}

fn ambiguous(provider: &str, found: &[GrantView]) -> Fault {
    let shown = &found[..found.len().min(CANDIDATES_MAX)];
    let ids: Vec<String> = shown.iter().map(|grant| uuid(grant.row.id.0)).collect();
    let candidates: Vec<Value> = shown
        .iter()
        .map(|grant| {
            json!({
                "grant_id": uuid(grant.row.id.0),
                "label": parts(grant).1,
                "account_identifier": null,
                "account_display_name": null,
            })
        })
        .collect();
    let provider: String = provider.chars().take(80).collect();
    let why = format!(
        "the agent holds {} grants of `{provider}`; name one by its label or id",
        found.len()
    );
    Fault::new(StatusCode::CONFLICT, "ambiguous_grant", why)
        .with("provider_id", provider)
        .with("grant_ids", ids)
        .with("account_identifiers", Vec::<String>::new())
        .with("candidates", candidates)
        .with("candidates_truncated", found.len() > shown.len())
}

/// What the client lists by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    offset: Option<usize>,
    #[serde(default)]
    provider_id: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    user_token: Option<String>,
}

/// `POST /sdk/grants/list`: an agent's own, those of all its agents for an application, all for an operator.
pub(super) async fn list(State(doors): State<Doors>, signed: Signed) -> Result<Json<Value>, Fault> {
    signed.within(Scope::GrantsRead)?;
    let wanted: Wanted = signed.request.json()?;
    let (limit, offset) = page(wanted.limit, wanted.offset)?;
    if wanted.user_token.is_some() {
        return Err(of_nobody_known());
    }
    let named = signed.request.caller_named().is_some();
    let agent = if named { signed.agent(&doors)? } else { None };
    let held = doors
        .engine()
        .grants_within_reach(&signed.caller, agent.as_deref())?;
    let is = |wanted: &Option<String>, given: Option<&str>| {
        wanted
            .as_deref()
            .is_none_or(|wanted| given.is_some_and(|given| given.eq_ignore_ascii_case(wanted)))
    };
    let found: Vec<Value> = held
        .iter()
        .filter(|grant| {
            let (provider, label) = parts(grant);
            wanted.account.is_none()
                && is(&wanted.provider_id, Some(provider))
                && is(&wanted.label, label)
                && is(&wanted.status, Some(status(grant)))
        })
        .map(|grant| shown(grant, &signed.caller))
        .collect();
    let total = found.len();
    let grants: Vec<Value> = found.into_iter().skip(offset).take(limit).collect();
    let has_more = offset.saturating_add(grants.len()) < total;
    Ok(Json(json!({
        "grants": grants, "total": total, "limit": limit, "offset": offset, "has_more": has_more,
    })))
}

/// The bounds of a page.
pub(super) fn page(limit: Option<usize>, offset: Option<usize>) -> Result<(usize, usize), Fault> {
    let limit = limit.unwrap_or(100);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Fault::invalid(format!("`limit` goes from 1 to {LIMIT_MAX}")));
    }
    Ok((limit, offset.unwrap_or(0)))
}

fn status(grant: &GrantView) -> &'static str {
    if grant.row.grant.disabled || grant.is_stopped {
        "revoked"
    } else {
        "active"
    }
}

/// As the client knows credentials that an admin stored.
fn shown(grant: &GrantView, caller: &Caller) -> Value {
    let id = uuid(grant.row.id.0);
    let (provider, label) = parts(grant);
    let agent = match &caller.principal {
        Principal::Agent(id) => Some(uuid(id.0)),
        Principal::Application(_) | Principal::Operator { .. } | Principal::Automation(_) => None,
    };
    json!({
        "grant_kind": "managed_secret",
        "grant_id": id,
        "managed_secret_id": id,
        "managed_secret_slug": provider,
        "managed_secret_name": grant.row.grant.name,
        "status": status(grant),
        "created_at": grant.row.created_at.to_string(),
        "principal_type": if agent.is_some() { "agent" } else { "system" },
        "agent_id": agent,
        "label": label,
        "access_via": "ownership",
        "delegable": false,
    })
}
