//! Calls that Signoff makes: what an agent asks for, what stands in an approval, and what came back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::action::{Accepts, ConditionReport, PolicyRef, Submit, Trace, Unheard, VerdictCode, VerdictKind};
use crate::common::{Actor, Decimal, NamedRef, Priority, Risk};
use crate::duration::Duration;
use crate::execution::ExecutionStatus;
use crate::http::HttpCall;

/// A call that Signoff is to make, once, as soon as it may.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxyCall {
    /// Name of the stored credential to make it with; none: as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// `GET`, `POST`, …, in any case.
    #[schema(min_length = 1, max_length = 20)]
    pub method: String,
    /// An http or https URL without user, password and fragment; at most 8 KiB.
    #[schema(max_length = 8192)]
    pub url: String,
    /// Headers by name, each once; at most 100, and 16 KiB together. What belongs to the connection, says who calls or who
    /// forwarded it is not sent, and named in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// The body as text, sent byte for byte; at most 1 MiB. At most one of `body`, `body_base64`, `json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The body as Base64 (RFC 4648, with padding), sent byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    /// The body as JSON, written anew with its keys in order; where each byte counts, take `body`. Its `content-type` is
    /// `application/json` unless `headers` say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// Dotted name of the action it is part of; `http.` and the method unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The agent it is for. Applications name it; an agent's own key leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Arguments of the action: an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub inputs: Option<Map<String, Value>>,
    /// Whatever else helps to judge. An object; conditions read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub context: Option<Map<String, Value>>,
    /// Why the agent wants it, in its own words; at most 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4000)]
    pub reason: Option<String>,
    /// What it is, in the agent's own words; at most 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4000)]
    pub description: Option<String>,
    /// The larger aim it serves; at most 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4000)]
    pub intent: Option<String>,
    /// On whose behalf: an operator's e-mail address or any name; at most 320 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 320)]
    pub requested_by: Option<String>,
    /// How urgent (default `medium`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// How harmful (default `medium`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// What it would cost in USD, as decimal text or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_cost: Option<Decimal>,
    /// Where in a larger run it belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
    /// How long people have to decide: more than 0, at most 30 days; a shorter policy timeout cuts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Ask a person even if policy would allow it or knows nothing of it. A deny still denies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_approval: Option<bool>,
    /// What this client can handle besides yes and no. Changes by approvers are always handled: Signoff makes the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepts: Option<Vec<Accepts>>,
    /// A pending approval of the same agent that this one supersedes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// A URL that is told what becomes of the request, as in `POST /v1/actions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000)]
    pub callback_url: Option<crate::secret::Secret>,
}

impl ProxyCall {
    /// The same as an action that carries it.
    pub fn into_submit(self) -> Submit {
        Submit {
            action: self.action.unwrap_or_default(),
            agent: self.agent,
            inputs: self.inputs,
            context: self.context,
            reason: self.reason,
            description: self.description,
            intent: self.intent,
            requested_by: self.requested_by,
            priority: self.priority,
            risk: self.risk,
            estimated_cost: self.estimated_cost,
            trace: self.trace,
            timeout: self.timeout,
            require_approval: self.require_approval,
            accepts: self.accepts,
            http: Some(HttpCall {
                method: self.method,
                url: self.url,
                headers: self.headers,
                body: self.body,
                body_base64: self.body_base64,
                json: self.json,
                grant: self.grant,
            }),
            replaces: self.replaces,
            callback_url: self.callback_url,
        }
    }
}

/// Query of calls and of their results.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ResultQuery {
    /// Hold the answer back for at most this many seconds, 0 to 60 (default 0), while people decide or the call is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0, maximum = 60)]
    pub wait: Option<u64>,
}

/// Why no answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallFault {
    /// The address is not called.
    Forbidden,
    /// The name does not resolve, nothing listens, or TLS was not agreed.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// The connection broke.
    Broken,
    /// The server ended in the middle of the call.
    Interrupted,
    /// The credential could not be had.
    Credential,
}

crate::common::level_text!(CallFault {
    Forbidden => "forbidden", Unreachable => "unreachable", TimedOut => "timed_out", Broken => "broken",
    Interrupted => "interrupted", Credential => "credential",
});

/// Why a permission was taken back before the call was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RevokedBecause {
    /// The agent was switched off, or is gone.
    Agent,
    /// The agent, the grant or everything was stopped.
    Stopped,
    /// The grant was changed, taken away or switched off since, or does not go with the call.
    Grant,
    /// Policy denies it by now.
    Policy,
    /// What is stored is not what was approved.
    Content,
}

crate::common::level_text!(RevokedBecause {
    Agent => "agent", Stopped => "stopped", Grant => "grant", Policy => "policy", Content => "content",
});

/// What an upstream answered. What an operator is not to see of it reads `[redacted]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallResponse {
    /// Whatever it was; redirects are not followed.
    pub status: u16,
    /// Names in lower case, each with its values in order. Those of the connection are left out.
    pub headers: BTreeMap<String, Vec<String>>,
    /// The body as text; absent where it is no UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The body as Base64; at most the first MiB.
    pub body_base64: String,
    /// The body was longer, or broke off.
    pub truncated: bool,
}

/// The answer to a call, and its result later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallAnswer {
    /// Made or to be made, refused, or waiting for people.
    pub verdict: VerdictKind,
    /// `act_…`.
    pub action_id: String,
    /// `exe_…`: what its result is fetched by; absent when it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// Where its result is, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_url: Option<String>,
    /// `apr_…`, when a person was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<String>,
    /// Page of the approval in the console. Deciding there needs sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_url: Option<String>,
    /// When the asking ends by itself, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// The same in whole seconds from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// True when the policy's timeout was shorter than the one asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_cut: Option<bool>,
    /// The policy that governs; null when none matched.
    #[schema(required)]
    pub policy: Option<PolicyRef>,
    /// Its conditions, one by one.
    #[serde(default)]
    pub conditions: Vec<ConditionReport>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<VerdictCode>,
    /// The same in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `sta_…`, the standing approval that answered in place of a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing_approval_id: Option<String>,
    /// Headers that were given and are not sent. Not said again when an idempotency key is repeated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped_headers: Vec<String>,
    /// Whether anybody hears of what is asked, while people are to decide; absent when somebody does at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unheard: Option<Unheard>,
    /// Where the call stands; absent while people decide, and when it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ExecutionStatus>,
    /// What came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<CallResponse>,
    /// Why nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<CallFault>,
    /// Why it may not be made any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<RevokedBecause>,
    /// True when something came back and was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased: Option<bool>,
}

/// Who settled a call whose end was not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Settled {
    /// Who.
    pub by: Actor,
    /// When, RFC 3339.
    pub at: String,
}

/// The call of an approval or execution: what is sent, and how it went. What an operator is not to see of it reads
/// `[redacted]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallView {
    /// In upper case.
    pub method: String,
    /// Scheme, host and port.
    pub origin: String,
    /// The whole URL, in the form that is sent; null when it was erased.
    #[schema(required)]
    pub url: Option<String>,
    /// What is sent beside the body: names in lower case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How large the body is, in bytes.
    pub body_bytes: u64,
    /// The body, where it is text. Lists leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The body as Base64, where it is no text. Lists leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    /// The stored credential that it is made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<NamedRef>,
    /// How often it was begun.
    #[serde(default)]
    pub attempts: u32,
    /// When it was first begun, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// The status that came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<CallFault>,
    /// Why it may not be made any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<RevokedBecause>,
    /// Who settled it, where its end was not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
}
