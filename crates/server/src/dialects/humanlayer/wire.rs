//! What HumanLayer's clients send, but for `state`, which is lifted out before. Python's send every key, with nulls;
//! TypeScript's leave out what is not set.

use serde::Deserialize;
use serde_json::{Map, Value};

/// `POST /function_calls`.
#[derive(Debug, Deserialize)]
pub(super) struct FunctionCall {
    pub(super) run_id: String,
    pub(super) call_id: String,
    pub(super) spec: FunctionCallSpec,
}

#[derive(Debug, Deserialize)]
pub(super) struct FunctionCallSpec {
    #[serde(rename = "fn")]
    pub(super) function: String,
    /// An object in Python; in TypeScript the function's first argument, whatever it is.
    #[serde(default)]
    pub(super) kwargs: Value,
    #[serde(default)]
    pub(super) channel: Option<Map<String, Value>>,
    #[serde(default)]
    pub(super) reject_options: Option<Vec<Map<String, Value>>>,
}

/// `POST /contact_requests`.
#[derive(Debug, Deserialize)]
pub(super) struct HumanContact {
    pub(super) run_id: String,
    pub(super) call_id: String,
    pub(super) spec: HumanContactSpec,
}

#[derive(Debug, Deserialize)]
pub(super) struct HumanContactSpec {
    pub(super) msg: String,
    #[serde(default)]
    pub(super) subject: Option<String>,
    #[serde(default)]
    pub(super) channel: Option<Map<String, Value>>,
    #[serde(default)]
    pub(super) response_options: Option<Vec<Map<String, Value>>>,
}

/// `POST /agent/function_calls/{call_id}/respond`.
#[derive(Debug, Deserialize)]
pub(super) struct CallResponse {
    #[serde(default)]
    pub(super) approved: Option<bool>,
    #[serde(default)]
    pub(super) comment: Option<String>,
    #[serde(default)]
    pub(super) reject_option_name: Option<String>,
}

/// `POST /agent/human_contacts/{call_id}/respond`.
#[derive(Debug, Deserialize)]
pub(super) struct ContactResponse {
    #[serde(default)]
    pub(super) response: Option<String>,
    #[serde(default)]
    pub(super) response_option_name: Option<String>,
}

/// `POST …/escalate_email`. Whom it names is not read: an agent says nobody's address to Signoff.
#[derive(Debug, Deserialize)]
pub(super) struct Escalation {
    pub(super) escalation_msg: String,
}
