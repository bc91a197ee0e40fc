//! The form of a grant. Its value goes in and comes back in no answer, not even where the form comes back with a fault.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer};
use signoff_core::grant::{
    CALL_TIMEOUT, CredentialKind, Grant, IdempotentProvider, OauthClientAuth, OauthFlow, Redaction,
};
use signoff_core::time::Micros;
use signoff_engine::EngineError;
use signoff_engine::request::UpdateGrant;
use signoff_engine::view::GrantView;

use super::fields::Filled;
use super::grants::{find, permit};
use super::origin::FromHere;
use super::page::{ok, page};
use super::trouble::Trouble;
use super::visitor::Visitor;
use crate::console::inert::Inert;
use crate::console::shown;
use crate::console::view::grant::{GrantEditPage, GrantFields};

/// The form, as sent. Has no `Debug`: it holds what must not be seen.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct GrantForm {
    version: String,
    name: String,
    kind: String,
    header: String,
    prefix: String,
    parameter: String,
    username: String,
    token_url: String,
    client_id: String,
    scopes: String,
    flow: String,
    client_auth: String,
    #[serde(deserialize_with = "secret")]
    value: SecretString,
    #[serde(deserialize_with = "secret")]
    client_secret: SecretString,
    origins: String,
    methods: String,
    paths: String,
    agents: String,
    labels: String,
    timeout: String,
    repeat_header: String,
    repeat_window: String,
    redact_headers: String,
    redact_json: String,
    disabled: String,
}

fn secret<'de, D: Deserializer<'de>>(reader: D) -> Result<SecretString, D::Error> {
    String::deserialize(reader).map(SecretString::from)
}

type Faults = Vec<(String, String)>;

impl GrantForm {
    /// What stands in the form when it comes back: all but the value.
    fn fields(&self) -> GrantFields {
        let form = self.clone();
        GrantFields {
            version: form.version,
            name: form.name,
            kind: form.kind,
            header: form.header,
            prefix: form.prefix,
            parameter: form.parameter,
            username: form.username,
            token_url: form.token_url,
            client_id: form.client_id,
            scopes: form.scopes,
            flow: form.flow,
            client_auth: form.client_auth,
            origins: form.origins,
            methods: form.methods,
            paths: form.paths,
            agents: form.agents,
            labels: form.labels,
            timeout: form.timeout,
            repeat_header: form.repeat_header,
            repeat_window: form.repeat_window,
            redact_headers: form.redact_headers,
            redact_json: form.redact_json,
            disabled: form.disabled == "yes",
        }
    }

    /// What is secret, where something was given. Behind a refresh token the client's secret stands on a line of its own.
    fn value(&self) -> Option<SecretString> {
        let (value, secret) = (self.value.expose_secret(), self.client_secret.expose_secret());
        let is_refresh = self.kind == "oauth2" && self.flow == "refresh_token";
        match (value.is_empty(), secret.is_empty()) {
            (true, _) => None,
            (false, false) if is_refresh => Some(SecretString::from(format!("{value}\n{secret}"))),
            _ => Some(self.value.clone()),
        }
    }

    fn credential(&self, faults: &mut Faults) -> CredentialKind {
        match self.kind.as_str() {
            "header" => CredentialKind::Header {
                name: self.header.trim().to_owned(),
                prefix: self.prefix.clone(),
            },
            "query" => CredentialKind::Query {
                name: self.parameter.trim().to_owned(),
            },
            "basic" => CredentialKind::Basic {
                username: self.username.clone(),
            },
            "oauth2" => CredentialKind::Oauth2 {
                token_url: self.token_url.trim().to_owned(),
                client_id: self.client_id.trim().to_owned(),
                scopes: words(&self.scopes),
                flow: match self.flow.as_str() {
                    "refresh_token" => OauthFlow::RefreshToken,
                    _ => OauthFlow::ClientCredentials,
                },
                client_auth: match self.client_auth.as_str() {
                    "body" => OauthClientAuth::Body,
                    _ => OauthClientAuth::Basic,
                },
            },
            "" | "bearer" => CredentialKind::Bearer,
            _ => {
                faults.push((String::new(), "Choose how it goes into a call.".to_owned()));
                CredentialKind::Bearer
            }
        }
    }

    /// The grant that the form describes.
    fn grant(&self) -> Result<Grant, Faults> {
        let mut faults = Faults::new();
        let mut span = |pointer: &str, text: &str| {
            let text = text.trim();
            let read = (!text.is_empty()).then(|| Micros::parse(text))?;
            read.map_err(|why| faults.push((pointer.to_owned(), why))).ok()
        };
        let timeout = span("/timeout", &self.timeout);
        let window = span("/idempotent/window", &self.repeat_window);
        let header = self.repeat_header.trim();
        let idempotent = match (header.is_empty(), window) {
            (true, None) => None,
            (_, window) => Some(IdempotentProvider {
                header: header.to_owned(),
                window: window.unwrap_or_default(),
            }),
        };
        let mut labels = BTreeMap::new();
        for line in lines(&self.labels) {
            match line.split_once('=') {
                Some((key, value)) => {
                    labels.insert(key.trim().to_owned(), value.trim().to_owned());
                }
                None => faults.push(("/labels".to_owned(), "one a line, as key=value".to_owned())),
            }
        }
        let credential = self.credential(&mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Grant {
            name: self.name.trim().to_owned(),
            credential,
            origins: lines(&self.origins),
            methods: words(&self.methods),
            paths: lines(&self.paths),
            agents: lines(&self.agents),
            labels,
            timeout,
            idempotent,
            redact: Redaction {
                headers: lines(&self.redact_headers),
                json: lines(&self.redact_json),
            },
            disabled: self.disabled == "yes",
        })
    }
}

fn lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

fn words(text: &str) -> Vec<String> {
    let split = |letter: char| letter.is_whitespace() || letter == ',';
    let words = text.split(split).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// The form of a new grant.
pub(super) async fn blank(visitor: Visitor) -> Result<Response, Trouble> {
    permit(&visitor)?;
    let made = edit_page(&visitor, None, GrantFields::default(), Vec::new()).await?;
    Ok(ok(&made))
}

/// The form of one that is there.
pub(super) async fn form(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Trouble> {
    permit(&visitor)?;
    let view = find(&visitor, &id)?;
    let fields = shown::grant::fields(&view);
    Ok(ok(&edit_page(&visitor, Some(&view), fields, Vec::new()).await?))
}

/// Keeps a new one.
pub(super) async fn create(
    visitor: Visitor,
    _: FromHere,
    Filled(form): Filled<GrantForm>,
) -> Result<Response, Trouble> {
    permit(&visitor)?;
    let mut faults = Faults::new();
    let value = form.value();
    if value.is_none() {
        faults.push(("/value".to_owned(), "give the credential itself".to_owned()));
    }
    match (form.grant(), value) {
        (Ok(grant), Some(value)) => {
            let made = visitor
                .engine()
                .create_grant(&visitor.caller, grant, value, None)
                .await;
            finished(&visitor, None, &form, made, "made").await
        }
        (grant, _) => {
            faults.extend(grant.err().unwrap_or_default());
            again(&visitor, None, &form, faults).await
        }
    }
}

/// Keeps a change.
pub(super) async fn save(
    visitor: Visitor,
    _: FromHere,
    Path(id): Path<String>,
    Filled(form): Filled<GrantForm>,
) -> Result<Response, Trouble> {
    permit(&visitor)?;
    let view = find(&visitor, &id)?;
    if form.version != view.row.version.to_string() {
        let why = format!(
            "Somebody changed it meanwhile: version {} is in force, and nothing of yours was kept. Look at it, then save again.",
            view.row.version
        );
        let mut fields = form.fields();
        fields.version = view.row.version.to_string();
        let made = edit_page(&visitor, Some(&view), fields, vec![Inert::all(&why)]).await?;
        return Ok(page(StatusCode::CONFLICT, &made));
    }
    let grant = match form.grant() {
        Ok(grant) => grant,
        Err(faults) => return again(&visitor, Some(&view), &form, faults).await,
    };
    let update = UpdateGrant {
        name: Some(grant.name),
        credential: Some(grant.credential),
        value: form.value(),
        origins: Some(grant.origins),
        methods: Some(grant.methods),
        paths: Some(grant.paths),
        agents: Some(grant.agents),
        labels: Some(grant.labels),
        timeout: grant.timeout.or(view.row.grant.timeout.map(|_| CALL_TIMEOUT)),
        idempotent: Some(grant.idempotent),
        redact: Some(grant.redact),
        disabled: Some(grant.disabled),
    };
    let id = view.row.id.to_string();
    let saved = visitor.engine().update_grant(&visitor.caller, &id, update).await;
    finished(&visitor, Some(&view), &form, saved, "changed").await
}

/// Where one goes from here: to the grant, or back to the form.
async fn finished(
    visitor: &Visitor,
    present: Option<&GrantView>,
    form: &GrantForm,
    done: Result<GrantView, EngineError>,
    word: &str,
) -> Result<Response, Trouble> {
    match done {
        Ok(view) => Ok(Redirect::to(&format!("/grants/{}?done={word}", view.row.id)).into_response()),
        Err(EngineError::Invalid(faults)) => again(visitor, present, form, faults).await,
        Err(error @ EngineError::NameTaken { .. }) => {
            again(
                visitor,
                present,
                form,
                vec![("/name".to_owned(), error.to_string())],
            )
            .await
        }
        Err(other) => Err(visitor.trouble(other).with_link("To the grants", "/grants")),
    }
}

async fn again(
    visitor: &Visitor,
    present: Option<&GrantView>,
    form: &GrantForm,
    faults: Faults,
) -> Result<Response, Trouble> {
    let mut problems: Vec<Inert> = faults
        .iter()
        .map(|(at, why)| shown::grant::fault(at, why))
        .collect();
    if form.value().is_some() {
        problems.push(Inert::all(
            "Nothing was kept. Give the value once more: it stands on no page.",
        ));
    }
    let made = edit_page(visitor, present, form.fields(), problems).await?;
    Ok(page(StatusCode::UNPROCESSABLE_ENTITY, &made))
}

async fn edit_page(
    visitor: &Visitor,
    present: Option<&GrantView>,
    form: GrantFields,
    problems: Vec<Inert>,
) -> Result<GrantEditPage, Trouble> {
    let title = if present.is_some() {
        "Change a grant"
    } else {
        "New grant"
    };
    let shell = visitor.shell(title, "grants").await;
    let place = present.map(|view| format!("/grants/{}", view.row.id));
    Ok(GrantEditPage {
        shell: shell.map_err(|error| visitor.trouble(error))?,
        present: present.map(|view| Inert::all(&view.row.grant.name)),
        action: place
            .as_ref()
            .map_or("/grants/new".to_owned(), |place| format!("{place}/edit")),
        back: place.unwrap_or_else(|| "/grants".to_owned()),
        form,
        problems,
    })
}
