//! Grants: stored credentials that agents use without ever holding them. What stands here is what the log says of one:
//! how the credential goes into a call, where it may go, and who may use it. Its value lives beside the log, encrypted.

mod redaction;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    http::{self, CONNECTION_HEADERS, Call, UrlPattern},
    id::GrantId,
    judge::AgentFacts,
    name::{GlobIndex, check_glob, check_name},
    payload::Hash32,
    stop::Stop,
    time::{Micros, Timestamp},
};

/// The longest time that a call may take.
pub const CALL_TIMEOUT_MAX: Micros = Micros::seconds(5 * 60);
/// How long a call may take where the grant says nothing.
pub const CALL_TIMEOUT: Micros = Micros::seconds(60);
/// How many origins, methods, paths, agents, labels or rules of redaction a grant names, each.
pub const LIST_MAX: usize = 50;
/// The longest time for which a provider can be said to know a key again.
pub const KEY_WINDOW_MAX: Micros = Micros::seconds(30 * 86_400);
/// The largest value of a credential, in bytes.
pub const CREDENTIAL_BYTES_MAX: usize = 8 * 1024;

/// How a credential goes into a call. What is secret of it is the grant's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CredentialKind {
    /// `Authorization: Bearer VALUE` (RFC 6750).
    Bearer,
    /// A header of its own, such as `X-Api-Key: VALUE`.
    Header {
        /// Its name.
        name: String,
        /// What stands before the value, such as `Token `.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        prefix: String,
    },
    /// A parameter of the query.
    Query {
        /// Its name.
        name: String,
    },
    /// `Authorization: Basic` (RFC 7617); the value is the password.
    Basic {
        /// The user's name; may be empty.
        username: String,
    },
    /// A bearer token that is fetched from `token_url` (RFC 6749) and kept in memory until shortly before it expires.
    Oauth2 {
        /// Where tokens are fetched.
        token_url: String,
        /// Who fetches them.
        client_id: String,
        /// What they are for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        scopes: Vec<String>,
        /// What they are fetched with.
        flow: OauthFlow,
        /// How the client says who it is.
        #[serde(default, skip_serializing_if = "is_default")]
        client_auth: OauthClientAuth,
    },
}

/// What tokens are fetched with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OauthFlow {
    /// The client's own secret, which is the grant's value (RFC 6749, 4.4).
    ClientCredentials,
    /// A refresh token (RFC 6749, 6): the value is the refresh token, and behind a line feed the client's secret, if it has one.
    RefreshToken,
}

/// How an OAuth client says who it is (RFC 6749, 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OauthClientAuth {
    /// In a header.
    #[default]
    Basic,
    /// In the body.
    Body,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What a grant's provider promises of repeated calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotentProvider {
    /// The header that names a call, such as `Idempotency-Key`.
    pub header: String,
    /// How long it knows one again.
    pub window: Micros,
}

/// What approvers and the answer to the agent do not show.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Redaction {
    /// Names of headers, of requests and answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// JSON pointers (RFC 6901) into JSON bodies of requests and answers; a part `*` is every member.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub json: Vec<String>,
}

impl Redaction {
    /// Whether nothing is hidden.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A grant as people write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Unique among grants, compared without case.
    pub name: String,
    /// How the credential goes into a call.
    pub credential: CredentialKind,
    /// Scheme, host and port of where it may go; at least one.
    pub origins: Vec<String>,
    /// The methods it may be used with; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// URL patterns, of which the call must match one; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Names or globs of the agents that hold it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<String>,
    /// Agents that carry all of these labels hold it too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How long a call may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Micros>,
    /// What its provider promises of repeated calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<IdempotentProvider>,
    /// What is not shown.
    #[serde(default, skip_serializing_if = "Redaction::is_empty")]
    pub redact: Redaction,
    /// Nobody can use it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

/// Why a grant does not go with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Unfit {
    /// It was switched off.
    #[error("the grant is switched off")]
    Disabled,
    /// The agent does not hold it.
    #[error("the agent does not hold the grant")]
    NotHeld,
    /// The call goes elsewhere.
    #[error("the grant is not for this origin")]
    Origin,
    /// The grant is for other methods.
    #[error("the grant is not for this method")]
    Method,
    /// The grant is for other paths.
    #[error("the grant is not for this URL")]
    Path,
    /// The call has the query parameter that the credential goes into.
    #[error("the URL already has the query parameter that the credential goes into")]
    Taken,
}

/// A grant whose patterns are compiled.
#[derive(Debug)]
pub struct PreparedGrant {
    grant: Grant,
    agents: GlobIndex,
    paths: Vec<UrlPattern>,
}

impl PreparedGrant {
    /// Checks a grant and compiles its patterns. Methods become upper case, origins and names of headers what they are
    /// compared with.
    ///
    /// # Errors
    /// All faults: a JSON pointer, and a sentence.
    pub fn new(mut grant: Grant) -> Result<Self, Vec<(String, String)>> {
        let mut faults = Vec::new();
        let mut fault = |pointer: String, why: String| faults.push((pointer, why));
        if let Err(why) = check_name(&grant.name) {
            fault("/name".into(), why);
        }
        check_credential(&mut grant.credential, &mut fault);
        if grant.origins.is_empty() {
            fault(
                "/origins".into(),
                "say where the credential may go, such as https://api.example.com".into(),
            );
        }
        for (at, origin) in grant.origins.iter_mut().enumerate() {
            match http::origin(origin) {
                Ok(normal) => *origin = normal,
                Err(why) => fault(format!("/origins/{at}"), why),
            }
        }
        for (at, method) in grant.methods.iter_mut().enumerate() {
            match http::method(method) {
                Ok(upper) => *method = upper,
                Err(why) => fault(format!("/methods/{at}"), why),
            }
        }
        let mut paths = Vec::with_capacity(grant.paths.len());
        for (at, path) in grant.paths.iter().enumerate() {
            match UrlPattern::compile(path) {
                Ok(pattern) => paths.push(pattern),
                Err(why) => fault(format!("/paths/{at}"), why),
            }
        }
        for (at, agent) in grant.agents.iter().enumerate() {
            if let Err(why) = check_glob(agent) {
                fault(format!("/agents/{at}"), why);
            }
        }
        check_limits(&mut grant, &mut fault);
        if !faults.is_empty() {
            return Err(faults);
        }
        let agents = GlobIndex::new(grant.agents.iter().map(String::as_str))
            .map_err(|why| vec![("/agents".to_owned(), why)])?;
        Ok(Self { grant, agents, paths })
    }

    /// As written, in the form that is compared.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Whether this agent may use it.
    pub fn is_held_by(&self, agent: &AgentFacts) -> bool {
        let labelled = !self.grant.labels.is_empty()
            && self
                .grant
                .labels
                .iter()
                .all(|(key, value)| agent.label(key) == Some(value));
        labelled || !self.agents.matches(&agent.name).is_empty()
    }

    /// Whether this agent may make this call with it.
    ///
    /// # Errors
    /// Why not.
    pub fn fits(&self, call: &Call, agent: &AgentFacts) -> Result<(), Unfit> {
        let grant = &self.grant;
        // First, so that nobody learns anything of a grant that they don't hold.
        if !self.is_held_by(agent) {
            return Err(Unfit::NotHeld);
        }
        if grant.disabled {
            return Err(Unfit::Disabled);
        }
        if !grant.origins.iter().any(|origin| *origin == call.origin()) {
            return Err(Unfit::Origin);
        }
        if !grant.methods.is_empty() && !grant.methods.iter().any(|method| method == call.method()) {
            return Err(Unfit::Method);
        }
        if !self.paths.is_empty() && !self.paths.iter().any(|pattern| pattern.matches(call)) {
            return Err(Unfit::Path);
        }
        match &grant.credential {
            CredentialKind::Query { name } if call.has_query_parameter(name) => Err(Unfit::Taken),
            _ => Ok(()),
        }
    }
}

fn check_credential(kind: &mut CredentialKind, fault: &mut impl FnMut(String, String)) {
    match kind {
        CredentialKind::Bearer => {}
        CredentialKind::Header { name, prefix } => {
            if let Err(why) = check_header(name) {
                fault("/credential/name".into(), why);
            }
            if prefix.len() > 100 || !prefix.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
                fault(
                    "/credential/prefix".into(),
                    "at most 100 printable ASCII characters".into(),
                );
            }
        }
        CredentialKind::Query { name } => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~[]".contains(&byte);
            if name.is_empty() || name.len() > 100 || !name.bytes().all(plain) {
                fault(
                    "/credential/name".into(),
                    "a parameter is 1 to 100 letters, digits and -._~[]".into(),
                );
            }
        }
        CredentialKind::Basic { username } => {
            if username.len() > 255 || username.contains(':') || username.chars().any(char::is_control) {
                fault(
                    "/credential/username".into(),
                    "at most 255 bytes, no colon, no control characters (RFC 7617)".into(),
                );
            }
        }
        CredentialKind::Oauth2 {
            token_url,
            client_id,
            scopes,
            ..
        } => {
            match http::normalised_url(token_url) {
                Ok(url) => *token_url = url,
                Err(why) => fault("/credential/token_url".into(), why),
            }
            let visible = |text: &str, also: &str| {
                !text.is_empty()
                    && text.len() <= 500
                    && text.chars().all(|c| c.is_ascii_graphic() || also.contains(c))
            };
            if !visible(client_id, " ") {
                fault(
                    "/credential/client_id".into(),
                    "1 to 500 printable ASCII characters".into(),
                );
            }
            if scopes.len() > LIST_MAX || !scopes.iter().all(|scope| visible(scope, "")) {
                fault(
                    "/credential/scopes".into(),
                    format!("at most {LIST_MAX}, each printable ASCII without spaces"),
                );
            }
        }
    }
}

fn check_header(name: &mut String) -> Result<(), String> {
    *name = name.to_ascii_lowercase();
    if !http::is_token(name) {
        return Err("a name of a header is letters, digits and !#$%&'*+-.^_`|~".into());
    }
    if CONNECTION_HEADERS.contains(&name.as_str()) {
        return Err("this header belongs to the connection".into());
    }
    Ok(())
}

fn check_limits(grant: &mut Grant, fault: &mut impl FnMut(String, String)) {
    for (pointer, size) in [
        ("/origins", grant.origins.len()),
        ("/methods", grant.methods.len()),
        ("/paths", grant.paths.len()),
        ("/agents", grant.agents.len()),
        ("/labels", grant.labels.len()),
        ("/redact/headers", grant.redact.headers.len()),
        ("/redact/json", grant.redact.json.len()),
    ] {
        if size > LIST_MAX {
            fault(pointer.into(), format!("at most {LIST_MAX}"));
        }
    }
    if grant
        .timeout
        .is_some_and(|timeout| timeout.0 <= 0 || timeout > CALL_TIMEOUT_MAX)
    {
        fault(
            "/timeout".into(),
            "a call may take more than 0 and at most 5 minutes".into(),
        );
    }
    if let Some(idempotent) = &mut grant.idempotent {
        if let Err(why) = check_header(&mut idempotent.header) {
            fault("/idempotent/header".into(), why);
        }
        if idempotent.window.0 <= 0 || idempotent.window > KEY_WINDOW_MAX {
            fault(
                "/idempotent/window".into(),
                "more than 0 and at most 30 days".into(),
            );
        }
    }
    for (at, name) in grant.redact.headers.iter_mut().enumerate() {
        if let Err(why) = check_header(name) {
            fault(format!("/redact/headers/{at}"), why);
        }
    }
    for (at, pointer) in grant.redact.json.iter().enumerate() {
        if !pointer.starts_with('/') || pointer.len() > 500 {
            fault(
                format!("/redact/json/{at}"),
                "a JSON pointer such as /card/number, at most 500 bytes".into(),
            );
        }
    }
}

/// A grant, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRow {
    /// Which.
    pub id: GrantId,
    /// As written.
    pub grant: Grant,
    /// Tells values apart without giving them away.
    pub fingerprint: String,
    /// Keyed digest of the stored value.
    pub digest: Hash32,
    /// From 1; each change by a person is one more. The value is locked to it.
    pub version: u64,
    /// Taken away.
    pub removed: bool,
    /// First version.
    pub created_at: Timestamp,
    /// This version.
    pub changed_at: Timestamp,
    /// The record of this version, or of its removal: what was approved before is not carried out with it.
    pub changed_seq: u64,
    /// Nothing is called with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
}
