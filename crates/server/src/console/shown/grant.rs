//! Grants as pages show them: everything but the value, which the engine does not hand out.

use signoff_core::grant::{CALL_TIMEOUT, CredentialKind, Grant, OauthClientAuth, OauthFlow};
use signoff_core::time::Timestamp;
use signoff_engine::view::{EventView, GrantView};

use super::approval::history;
use super::call::kind_text;
use super::moment;
use crate::console::inert::Inert;
use crate::console::view::Shell;
use crate::console::view::grant::{GrantFields, GrantLine, GrantPage};

/// One grant of the list.
pub fn line(view: &GrantView) -> GrantLine {
    let (row, grant) = (&view.row, &view.row.grant);
    GrantLine {
        name: Inert::all(&grant.name),
        href: format!("/grants/{}", row.id),
        kind: Inert::all(&kind_text(&grant.credential)),
        origins: grant.origins.iter().map(|origin| Inert::all(origin)).collect(),
        holders: holders(grant),
        fingerprint: row.fingerprint.clone(),
        is_stopped: view.is_stopped,
        is_off: grant.disabled,
    }
}

/// Who holds it; nothing where nobody does.
fn holders(grant: &Grant) -> Vec<Inert> {
    let mut holders: Vec<Inert> = grant.agents.iter().map(|agent| Inert::all(agent)).collect();
    if !grant.labels.is_empty() {
        let labels: Vec<String> = grant
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        holders.push(Inert::all(&format!("labelled {}", labels.join(" and "))));
    }
    holders
}

/// What may be done on its page.
#[derive(Debug, Clone, Copy)]
pub struct May {
    /// Stop it.
    pub stop: bool,
    /// Change it.
    pub change: bool,
}

/// The page of one.
pub fn page(shell: Shell, view: &GrantView, events: &[EventView], may: May, now: Timestamp) -> GrantPage {
    let row = &view.row;
    let id = row.id.to_string();
    GrantPage {
        shell,
        line: line(view),
        version: row.version,
        created: moment(row.created_at, now),
        changed: moment(row.changed_at, now),
        pairs: pairs(&row.grant),
        stop_href: super::stop::href(&id),
        may_stop: may.stop,
        may_change: may.change,
        notice: None,
        history: history(events, now),
        history_href: format!("/audit?subject={id}"),
        id,
    }
}

fn pairs(grant: &Grant) -> Vec<(&'static str, Vec<Inert>)> {
    let texts = |texts: &[String]| texts.iter().map(|text| Inert::all(text)).collect::<Vec<_>>();
    let one = |text: &str| vec![Inert::all(text)];
    let or = |given: Vec<Inert>, none: &str| if given.is_empty() { one(none) } else { given };
    let mut pairs = vec![("Goes in as", one(&kind_text(&grant.credential)))];
    match &grant.credential {
        CredentialKind::Header { prefix, .. } if !prefix.is_empty() => {
            pairs.push(("Before the value", one(prefix)));
        }
        CredentialKind::Oauth2 {
            token_url,
            client_id,
            scopes,
            client_auth,
            ..
        } => {
            pairs.push(("Tokens from", one(token_url)));
            pairs.push(("Client", one(client_id)));
            pairs.push(("Scopes", or(texts(scopes), "none")));
            pairs.push(("Client says who it is", one(auth_text(*client_auth))));
        }
        _ => {}
    }
    pairs.push(("May go to", texts(&grant.origins)));
    pairs.push(("Methods", or(texts(&grant.methods), "any")));
    pairs.push(("URLs", or(texts(&grant.paths), "any there")));
    pairs.push(("Held by", or(holders(grant), "no agent yet")));
    pairs.push((
        "A call may take",
        one(&grant.timeout.unwrap_or(CALL_TIMEOUT).to_string()),
    ));
    let repeats = match &grant.idempotent {
        Some(promise) => format!(
            "its provider knows a call again by {} for {}: made again after a crash",
            promise.header, promise.window
        ),
        None => "nothing is promised: what may have arrived is not sent again".to_owned(),
    };
    pairs.push(("Sent twice", one(&repeats)));
    pairs.push(("Hidden headers", or(texts(&grant.redact.headers), "none")));
    pairs.push(("Hidden in JSON", or(texts(&grant.redact.json), "nothing")));
    pairs
}

fn auth_text(auth: OauthClientAuth) -> &'static str {
    match auth {
        OauthClientAuth::Basic => "in a header",
        OauthClientAuth::Body => "in the body",
    }
}

/// A grant as its form shows it.
pub fn fields(view: &GrantView) -> GrantFields {
    let grant = &view.row.grant;
    let mut fields = GrantFields {
        version: view.row.version.to_string(),
        name: grant.name.clone(),
        origins: grant.origins.join("\n"),
        methods: grant.methods.join(" "),
        paths: grant.paths.join("\n"),
        agents: grant.agents.join("\n"),
        labels: grant
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect::<Vec<_>>()
            .join("\n"),
        timeout: grant
            .timeout
            .map(|timeout| timeout.to_string())
            .unwrap_or_default(),
        redact_headers: grant.redact.headers.join("\n"),
        redact_json: grant.redact.json.join("\n"),
        disabled: grant.disabled,
        ..GrantFields::default()
    };
    if let Some(promise) = &grant.idempotent {
        fields.repeat_header.clone_from(&promise.header);
        fields.repeat_window = promise.window.to_string();
    }
    match &grant.credential {
        CredentialKind::Bearer => "bearer".clone_into(&mut fields.kind),
        CredentialKind::Header { name, prefix } => {
            "header".clone_into(&mut fields.kind);
            fields.header.clone_from(name);
            fields.prefix.clone_from(prefix);
        }
        CredentialKind::Query { name } => {
            "query".clone_into(&mut fields.kind);
            fields.parameter.clone_from(name);
        }
        CredentialKind::Basic { username } => {
            "basic".clone_into(&mut fields.kind);
            fields.username.clone_from(username);
        }
        CredentialKind::Oauth2 {
            token_url,
            client_id,
            scopes,
            flow,
            client_auth,
        } => {
            "oauth2".clone_into(&mut fields.kind);
            fields.token_url.clone_from(token_url);
            fields.client_id.clone_from(client_id);
            fields.scopes = scopes.join(" ");
            fields.flow = match flow {
                OauthFlow::ClientCredentials => "client_credentials".to_owned(),
                OauthFlow::RefreshToken => "refresh_token".to_owned(),
            };
            fields.client_auth = match client_auth {
                OauthClientAuth::Basic => "basic".to_owned(),
                OauthClientAuth::Body => "body".to_owned(),
            };
        }
    }
    fields
}

/// A fault of a grant in words: what it is about, and why.
pub fn fault(pointer: &str, why: &str) -> Inert {
    let parts: Vec<&str> = pointer.split('/').skip(1).collect();
    let number = parts.last().and_then(|part| part.parse::<usize>().ok());
    let place = match parts.as_slice() {
        ["name", ..] => "Name",
        ["value", ..] => "Value",
        ["credential", "name"] => "Name of the header or parameter",
        ["credential", "prefix"] => "Before the value",
        ["credential", "username"] => "User",
        ["credential", "token_url"] => "Address of tokens",
        ["credential", "client_id"] => "Client",
        ["credential", "scopes", ..] => "Scopes",
        ["origins", ..] => "Where it may go",
        ["methods", ..] => "Methods",
        ["paths", ..] => "URLs",
        ["agents", ..] => "Agents",
        ["labels", ..] => "Labels",
        ["timeout", ..] => "How long a call may take",
        ["idempotent", "header"] => "Header that names a call",
        ["idempotent", ..] => "How long calls are known again",
        ["redact", "headers", ..] => "Hidden headers",
        ["redact", "json", ..] => "Hidden in JSON",
        _ => return Inert::all(why),
    };
    let number = number
        .map(|number| format!(" {}", number + 1))
        .unwrap_or_default();
    Inert::all(&format!("{place}{number}: {why}"))
}
