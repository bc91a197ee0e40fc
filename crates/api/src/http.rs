//! Calls: what an HTTP request is about to be.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// An HTTP request that somebody is about to make. Policies match its method, URL and grant, and conditions read it as
/// `http`. Its URL is brought into one form first: no default port, no dot segments, no escapes that it does not need.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpCall {
    /// `GET`, `POST`, …, in any case.
    #[schema(min_length = 1, max_length = 20)]
    pub method: String,
    /// An http or https URL without user, password and fragment; at most 8 KiB.
    #[schema(max_length = 8192)]
    pub url: String,
    /// Headers by name, each once; at most 100, and 16 KiB together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// The body as text, byte for byte; at most 1 MiB. At most one of `body`, `body_base64`, `json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The body as Base64 (RFC 4648, with padding).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    /// The body as JSON, written anew with its keys in order. Its `content-type` is `application/json` unless `headers` say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// Name of the stored credential to make it with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
}
