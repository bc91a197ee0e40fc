//! Cases for `signoff policy test`: actions, and what policy should say of them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};

use crate::action::{ConditionResult, VerdictCode, VerdictKind};
use crate::http::HttpCall;
use crate::{Decimal, Priority, Risk};

/// A file of cases.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    /// Each of them.
    pub cases: Vec<Case>,
}

/// One action, and what policy should say of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Name of the action; a call without one is `http.` and its method.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub action: String,
    /// The HTTP request that the action stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpCall>,
    /// Name of the agent that asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The agent's labels; on a server they are the agent's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// When it is judged, RFC 3339, for conditions over `now`; the present time if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Arguments of the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Map<String, Value>>,
    /// Whatever else helps to judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Map<String, Value>>,
    /// Why the agent wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How urgent (default `medium`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// How harmful (default `medium`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// What it would cost in USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Decimal>,
    /// What should come of it.
    pub expect: Expect,
}

/// What policy should say. What is left out may be anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// `allowed`, `denied`, `pending_approval` or `bounced` (sent back for what it does not say); also `allow`, `deny`,
    /// `ask`.
    pub verdict: ExpectedVerdict,
    /// Name of the policy that governs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// For `bounced`: pointers to what the request must say first, in their order, such as `/context/customer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<Vec<String>>,
    /// Why it is denied, such as `unmatched`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<VerdictCode>,
    /// How the conditions of the governing policy come out, in their order: true, false or `error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<Held>>,
}

/// A verdict, in the words of policies or of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedVerdict {
    /// Go on.
    #[serde(alias = "allow")]
    Allowed,
    /// Stop.
    #[serde(alias = "deny")]
    Denied,
    /// Wait for a person.
    #[serde(alias = "ask", alias = "require_approval")]
    PendingApproval,
    /// Sent back to the agent, for it says too little.
    Bounced,
}

impl ExpectedVerdict {
    /// The word on every surface.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => VerdictKind::Allowed.as_str(),
            Self::Denied => VerdictKind::Denied.as_str(),
            Self::PendingApproval => VerdictKind::PendingApproval.as_str(),
            Self::Bounced => "bounced",
        }
    }
}

/// How a condition comes out: written as true, false or `error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Held(pub ConditionResult);

impl<'de> Deserialize<'de> for Held {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeldVisitor)
    }
}

struct HeldVisitor;

impl de::Visitor<'_> for HeldVisitor {
    type Value = Held;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false or error")
    }

    fn visit_bool<E: de::Error>(self, holds: bool) -> Result<Held, E> {
        Ok(Held(if holds {
            ConditionResult::True
        } else {
            ConditionResult::False
        }))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Held, E> {
        match text {
            "true" => Ok(Held(ConditionResult::True)),
            "false" => Ok(Held(ConditionResult::False)),
            "error" => Ok(Held(ConditionResult::Error)),
            other => Err(E::unknown_variant(other, &["true", "false", "error"])),
        }
    }
}
