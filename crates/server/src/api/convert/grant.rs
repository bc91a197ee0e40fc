//! Grants on their way in and out. A value goes in and never comes out.

use secrecy::SecretString;
use signoff_api::grant as wire;
use signoff_api::{Code, Duration, Secret};
use signoff_core::grant::{CredentialKind, Grant, IdempotentProvider, OauthFlow, Redaction};
use signoff_core::time::Micros;
use signoff_engine::request::UpdateGrant;
use signoff_engine::view::{GrantKeysRotated, GrantView};

use super::super::problem::Refused;
use super::action::span;
use super::{Faults, ToCore, ToWire};

/// For how long a provider knows a call again where nothing is said of it.
const WINDOW: Micros = Micros::seconds(86_400);

/// A new grant with its value.
pub(crate) fn grant_create(given: wire::GrantCreate) -> Result<(Grant, SecretString), Refused> {
    let mut faults = Faults::default();
    let credential = credential(&mut faults, given.credential);
    let refreshes = credential.as_ref().is_some_and(is_refreshed);
    let value = value(
        &mut faults,
        Some(&given.value),
        given.client_secret.as_ref(),
        refreshes,
    );
    let timeout = given
        .timeout
        .and_then(|timeout| span(&mut faults, "/timeout", timeout));
    let idempotent = given.idempotent.and_then(|given| idempotent(&mut faults, given));
    faults.done(Code::InvalidRequest)?;
    let (Some(credential), Some(value)) = (credential, value) else {
        return Err(Refused::invalid("/value", "`value` is missing"));
    };
    let grant = Grant {
        name: given.name,
        credential,
        origins: given.origins,
        methods: given.methods.unwrap_or_default(),
        paths: given.paths.unwrap_or_default(),
        agents: given.agents.unwrap_or_default(),
        labels: given.labels.unwrap_or_default(),
        timeout,
        idempotent: idempotent.flatten(),
        redact: given.redact.map(ToCore::to_core).unwrap_or_default(),
        disabled: given.disabled.unwrap_or_default(),
    };
    Ok((grant, value))
}

/// A change of a grant that is `present`.
pub(crate) fn grant_update(given: wire::GrantUpdate, present: &GrantView) -> Result<UpdateGrant, Refused> {
    let mut faults = Faults::default();
    let credential = given.credential.and_then(|given| credential(&mut faults, given));
    let kind = credential.as_ref().unwrap_or(&present.row.grant.credential);
    let value = value(
        &mut faults,
        given.value.as_ref(),
        given.client_secret.as_ref(),
        is_refreshed(kind),
    );
    let timeout = given
        .timeout
        .and_then(|timeout| span(&mut faults, "/timeout", timeout));
    let idempotent = given.idempotent.and_then(|given| idempotent(&mut faults, given));
    faults.done(Code::InvalidRequest)?;
    Ok(UpdateGrant {
        name: given.name,
        credential,
        value,
        origins: given.origins,
        methods: given.methods,
        paths: given.paths,
        agents: given.agents,
        labels: given.labels,
        timeout,
        idempotent,
        redact: given.redact.map(ToCore::to_core),
        disabled: given.disabled,
    })
}

fn is_refreshed(kind: &CredentialKind) -> bool {
    matches!(
        kind,
        CredentialKind::Oauth2 {
            flow: OauthFlow::RefreshToken,
            ..
        }
    )
}

/// What is secret of a grant, in the one text that is kept.
fn value(
    faults: &mut Faults,
    value: Option<&Secret>,
    client_secret: Option<&Secret>,
    refreshes: bool,
) -> Option<SecretString> {
    match (value, client_secret) {
        (value, None) => value.map(|value| SecretString::from(value.expose())),
        (_, Some(_)) if !refreshes => {
            let why =
                "only a refresh token has a client's secret beside it; elsewhere the secret is the `value`";
            faults.add("/client_secret", why);
            None
        }
        (None, Some(_)) => {
            faults.add("/client_secret", "give the refresh token with it, as `value`");
            None
        }
        (Some(value), Some(_)) if value.expose().contains('\n') => {
            faults.add("/value", "a refresh token has no line feed");
            None
        }
        (Some(value), Some(secret)) => {
            let both = format!("{}\n{}", value.expose(), secret.expose());
            Some(SecretString::from(both))
        }
    }
}

/// How a credential goes into a call. Fields of another kind would be lost, so they are refused.
fn credential(faults: &mut Faults, given: wire::Credential) -> Option<CredentialKind> {
    use wire::CredentialType as T;
    let kind = given.kind;
    for (there, name, kinds) in [
        (given.name.is_some(), "name", &[T::Header, T::Query][..]),
        (given.prefix.is_some(), "prefix", &[T::Header]),
        (given.username.is_some(), "username", &[T::Basic]),
        (given.token_url.is_some(), "token_url", &[T::Oauth2]),
        (given.client_id.is_some(), "client_id", &[T::Oauth2]),
        (given.scopes.is_some(), "scopes", &[T::Oauth2]),
        (given.flow.is_some(), "flow", &[T::Oauth2]),
        (given.client_auth.is_some(), "client_auth", &[T::Oauth2]),
    ] {
        if there && !kinds.contains(&kind) {
            let why = format!("a credential of type `{kind}` has no `{name}`");
            faults.add(format!("/credential/{name}"), why);
        }
    }
    let mut need = |text: Option<String>, name: &str| {
        if text.is_none() {
            let why = format!("`{name}` is missing: a credential of type `{kind}` has one");
            faults.add(format!("/credential/{name}"), why);
        }
        text
    };
    Some(match kind {
        T::Bearer => CredentialKind::Bearer,
        T::Header => CredentialKind::Header {
            name: need(given.name, "name")?,
            prefix: given.prefix.unwrap_or_default(),
        },
        T::Query => CredentialKind::Query {
            name: need(given.name, "name")?,
        },
        T::Basic => CredentialKind::Basic {
            username: need(given.username, "username")?,
        },
        T::Oauth2 => {
            let (token_url, client_id) = (
                need(given.token_url, "token_url"),
                need(given.client_id, "client_id"),
            );
            let flow = need(given.flow.map(|flow| flow.to_string()), "flow").and(given.flow);
            CredentialKind::Oauth2 {
                token_url: token_url?,
                client_id: client_id?,
                scopes: given.scopes.unwrap_or_default(),
                flow: flow?.to_core(),
                client_auth: given.client_auth.map(ToCore::to_core).unwrap_or_default(),
            }
        }
    })
}

/// What a provider promises; in a change, no header takes the promise away.
#[expect(
    clippy::option_option,
    reason = "absent, taken away, and given are three things"
)]
fn idempotent(faults: &mut Faults, given: wire::IdempotentProvider) -> Option<Option<IdempotentProvider>> {
    if given.header.is_empty() {
        return Some(None);
    }
    let window = match given.window {
        Some(window) => span(faults, "/idempotent/window", window)?,
        None => WINDOW,
    };
    Some(Some(IdempotentProvider {
        header: given.header,
        window,
    }))
}

impl ToCore for wire::Redact {
    type Core = Redaction;

    fn to_core(self) -> Redaction {
        Redaction {
            headers: self.headers.unwrap_or_default(),
            json: self.json.unwrap_or_default(),
        }
    }
}

fn duration(span: Micros) -> Duration {
    Duration::Seconds(super::seconds_left(span))
}

impl ToWire for CredentialKind {
    type Wire = wire::Credential;

    fn to_wire(&self) -> wire::Credential {
        use wire::CredentialType as T;
        let of = |kind| wire::Credential {
            kind,
            ..wire::Credential::default()
        };
        match self {
            Self::Bearer => of(T::Bearer),
            Self::Header { name, prefix } => wire::Credential {
                name: Some(name.clone()),
                prefix: Some(prefix.clone()).filter(|prefix| !prefix.is_empty()),
                ..of(T::Header)
            },
            Self::Query { name } => wire::Credential {
                name: Some(name.clone()),
                ..of(T::Query)
            },
            Self::Basic { username } => wire::Credential {
                username: Some(username.clone()),
                ..of(T::Basic)
            },
            Self::Oauth2 {
                token_url,
                client_id,
                scopes,
                flow,
                client_auth,
            } => wire::Credential {
                token_url: Some(token_url.clone()),
                client_id: Some(client_id.clone()),
                scopes: Some(scopes.clone()).filter(|scopes| !scopes.is_empty()),
                flow: Some(flow.to_wire()),
                client_auth: Some(client_auth.to_wire()),
                ..of(T::Oauth2)
            },
        }
    }
}

impl ToWire for GrantView {
    type Wire = wire::Grant;

    fn to_wire(&self) -> wire::Grant {
        let (row, grant) = (&self.row, &self.row.grant);
        let list = |list: &Vec<String>| Some(list.clone()).filter(|list| !list.is_empty());
        wire::Grant {
            id: row.id.to_string(),
            name: grant.name.clone(),
            credential: grant.credential.to_wire(),
            origins: grant.origins.clone(),
            methods: grant.methods.clone(),
            paths: grant.paths.clone(),
            agents: grant.agents.clone(),
            labels: grant.labels.clone(),
            timeout: grant.timeout.map(duration),
            idempotent: grant
                .idempotent
                .as_ref()
                .map(|provider| wire::IdempotentProvider {
                    header: provider.header.clone(),
                    window: Some(duration(provider.window)),
                }),
            redact: wire::Redact {
                headers: list(&grant.redact.headers),
                json: list(&grant.redact.json),
            },
            disabled: grant.disabled,
            stopped: self.is_stopped,
            fingerprint: row.fingerprint.clone(),
            version: row.version,
            created_at: row.created_at.to_wire(),
            changed_at: row.changed_at.to_wire(),
        }
    }
}

impl ToWire for GrantKeysRotated {
    type Wire = wire::GrantKeysRotated;

    fn to_wire(&self) -> wire::GrantKeysRotated {
        let unopened = self.unopened.iter().map(|one| wire::GrantUnopened {
            id: one.id.to_string(),
            name: one.name.clone(),
        });
        wire::GrantKeysRotated {
            rotated: self.rotated,
            changed: self.changed,
            unopened: unopened.collect(),
        }
    }
}
