//! Grants: stored credentials that agents use without ever holding them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::duration::Duration;
use crate::secret::Secret;

/// How a credential goes into a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialType {
    /// `Authorization: Bearer VALUE`.
    #[default]
    Bearer,
    /// A header of its own, such as `X-Api-Key: VALUE`.
    Header,
    /// A parameter of the query.
    Query,
    /// `Authorization: Basic`; the value is the password.
    Basic,
    /// A token that Signoff fetches (RFC 6749) and keeps until shortly before it expires.
    Oauth2,
}

crate::common::level_text!(CredentialType {
    Bearer => "bearer", Header => "header", Query => "query", Basic => "basic", Oauth2 => "oauth2",
});

/// What tokens are fetched with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OauthFlow {
    /// The client's own secret, which is the value.
    ClientCredentials,
    /// A refresh token, which is the value.
    RefreshToken,
}

crate::common::level_text!(OauthFlow {
    ClientCredentials => "client_credentials", RefreshToken => "refresh_token",
});

/// How an OAuth client says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OauthClientAuth {
    /// In a header.
    Basic,
    /// In the body.
    Body,
}

crate::common::level_text!(OauthClientAuth { Basic => "basic", Body => "body" });

/// How a credential goes into a call. Which fields there are depends on its type; what is secret of it is the grant's
/// `value`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Which kind.
    #[serde(rename = "type")]
    pub kind: CredentialType,
    /// `header` and `query`: the name of the header or parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `header`: what stands before the value, such as `Token `; at most 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// `basic`: the user's name, which may be empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// `oauth2`: where tokens are fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_url: Option<String>,
    /// `oauth2`: who fetches them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// `oauth2`: what they are for; at most 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// `oauth2`: what they are fetched with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<OauthFlow>,
    /// `oauth2`: how the client says who it is (default `basic`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_auth: Option<OauthClientAuth>,
}

/// What a grant's provider promises of repeated calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdempotentProvider {
    /// The header that names a call, such as `Idempotency-Key`. In a change, empty text takes the promise away.
    pub header: String,
    /// How long the provider knows one again: more than 0, at most 30 days (default 24 hours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Duration>,
}

/// What operators are not shown of calls made with a grant. Agents get their answers whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Redact {
    /// Names of headers, of requests and answers; at most 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Vec<String>>,
    /// JSON pointers (RFC 6901) into JSON bodies of requests and answers, of which a part `*` is every member; at most 50
    /// of 500 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Vec<String>>,
}

/// A grant, without its value, which no answer ever shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Grant {
    /// `grt_…`.
    pub id: String,
    /// Unique in the workspace, compared without case.
    pub name: String,
    /// How the credential goes into a call.
    pub credential: Credential,
    /// Scheme, host and port of where it may go.
    pub origins: Vec<String>,
    /// The methods it may be used with; empty: all.
    pub methods: Vec<String>,
    /// URL patterns, of which a call must match one; empty: all.
    pub paths: Vec<String>,
    /// Names or globs of the agents that hold it.
    pub agents: Vec<String>,
    /// Agents that carry all of these labels hold it too.
    pub labels: BTreeMap<String, String>,
    /// How long a call may take; null: a minute.
    #[schema(required)]
    pub timeout: Option<Duration>,
    /// What its provider promises of repeated calls; null: nothing.
    #[schema(required)]
    pub idempotent: Option<IdempotentProvider>,
    /// What operators are not shown.
    pub redact: Redact,
    /// Nobody can use it.
    pub disabled: bool,
    /// A stop is in force on it.
    pub stopped: bool,
    /// Tells values apart without giving them away.
    pub fingerprint: String,
    /// From 1; each change is one more. What was approved before a change is not carried out after it.
    pub version: u64,
    /// When it was created, RFC 3339.
    pub created_at: String,
    /// When it last changed, RFC 3339.
    pub changed_at: String,
}

/// What became of a rotation of the keys that grants are sealed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GrantKeysRotated {
    /// So many were sealed anew, each with another key of its own. Their values and versions are the same.
    pub rotated: u64,
    /// So many were changed or removed while this went on, and left out: a change seals anew as well.
    pub changed: u64,
    /// Those whose value does not open, because what is stored is not what was sealed. They are as they were; give each
    /// its value again.
    pub unopened: Vec<GrantUnopened>,
}

/// A grant whose value does not open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GrantUnopened {
    /// `grt_…`.
    pub id: String,
    /// What it is called.
    pub name: String,
}

/// Creates a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantCreate {
    /// 1 to 200 printable ASCII characters without spaces.
    pub name: String,
    /// How the credential goes into a call.
    pub credential: Credential,
    /// What is secret of it: token, key, password, client secret or refresh token; at most 8 KiB. It is kept encrypted
    /// and never shown again.
    #[schema(write_only)]
    pub value: Secret,
    /// The client's secret beside a refresh token, if the client has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub client_secret: Option<Secret>,
    /// Scheme, host and port of where it may go, such as `https://api.example.com`; 1 to 50.
    pub origins: Vec<String>,
    /// The methods it may be used with; none means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    /// URL patterns such as `/v1/refunds/*`, of which a call must match one; none means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<String>>,
    /// Names or globs of the agents that hold it; at most 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<Vec<String>>,
    /// Agents that carry all of these labels hold it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// How long a call may take: more than 0, at most 5 minutes (default 1 minute).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// What its provider promises of repeated calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<IdempotentProvider>,
    /// What operators are not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redact: Option<Redact>,
    /// Nobody can use it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
}

/// Changes a grant; what is left out stays, the value too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantUpdate {
    /// 1 to 200 printable ASCII characters without spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How the credential goes into a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// What is secret of it, in place of the present value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub value: Option<Secret>,
    /// The client's secret beside a refresh token; only together with `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub client_secret: Option<Secret>,
    /// All origins, in place of the present ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origins: Option<Vec<String>>,
    /// All methods; an empty list means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    /// All URL patterns; an empty list means any URL of the origins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<String>>,
    /// All agents that hold it by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<Vec<String>>,
    /// All labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// How long a call may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// What its provider promises of repeated calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<IdempotentProvider>,
    /// What operators are not shown, in place of the present rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redact: Option<Redact>,
    /// Nobody can use it, or they can again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
}
