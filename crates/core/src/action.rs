//! What an agent wants to do, as it said so.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    decimal::Decimal,
    http::Call,
    id::{GrantId, OperatorId},
    name,
    time::Micros,
};

/// How soon somebody should look (a claim of the agent's unless policy sets a floor).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Can wait.
    Low,
    /// The usual.
    #[default]
    Medium,
    /// Soon.
    High,
    /// At once, quiet hours or not.
    Critical,
}

/// How much harm the action could do (a claim of the agent's unless policy sets a floor).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Practically none.
    Minimal,
    /// Little, and easily undone.
    Low,
    /// The usual.
    #[default]
    Medium,
    /// Real harm, or hard to undo.
    High,
    /// Great harm.
    Critical,
}

macro_rules! text_enum {
    ($name:ident { $($variant:ident => $text:literal),+ $(,)? }) => {
        impl $name {
            /// All values, in rising order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The word used on every surface.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
            /// Reads the word back; exact, lower case.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use text_enum;

text_enum!(Priority { Low => "low", Medium => "medium", High => "high", Critical => "critical" });
text_enum!(Risk { Minimal => "minimal", Low => "low", Medium => "medium", High => "high", Critical => "critical" });

/// What a client can handle beside a plain yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "three independent abilities of a client"
)]
pub struct Accepts {
    /// The approver may change what runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub edits: bool,
    /// The approver may ask back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub info_requests: bool,
    /// The decision may carry an answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answers: bool,
}

/// Where in the agent's own work the action stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Trace {
    /// The agent's run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The task inside the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// The larger goal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mission_id: Option<String>,
    /// The action that led to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// The agent's free text: shown quoted, encrypted at rest, in the log only as one commitment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Claims {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What, in the agent's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    /// For whom: an operator's id or e-mail address, or a name; that person can't approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// Where in the agent's work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
}

impl Claims {
    /// Whether the agent said nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A cost in US dollars, kept as written and compared exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cost(String);

impl Cost {
    /// Reads a decimal such as `500.00`; not negative, at most 40 characters.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        match Decimal::parse(text) {
            Some(value) if !value.is_negative() && text.len() <= 40 => Ok(Self(text.to_owned())),
            _ => Err("a cost is a decimal number of US dollars such as \"500.00\", not negative".into()),
        }
    }
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// For comparing.
    pub fn value(&self) -> Option<Decimal> {
        Decimal::parse(&self.0)
    }
}

impl TryFrom<String> for Cost {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Cost> for String {
    fn from(cost: Cost) -> Self {
        cost.0
    }
}

/// An action as submitted, checked, before anything was decided about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// Dotted name such as `stripe.refund`.
    pub name: String,
    /// Its arguments.
    pub inputs: Map<String, Value>,
    /// Whatever else helps to judge.
    pub context: Map<String, Value>,
    /// The agent's free text.
    pub claims: Claims,
    /// As claimed.
    pub priority: Priority,
    /// As claimed.
    pub risk: Risk,
    /// As claimed.
    pub cost: Option<Cost>,
    /// How long the agent is willing to wait for a decision.
    pub timeout: Option<Micros>,
    /// Ask even if policy would allow or knows nothing; a deny still denies.
    pub require_approval: bool,
    /// What the client can handle.
    pub accepts: Accepts,
    /// The call that it stands for.
    pub http: Option<Arc<Call>>,
    /// The stored credential that the call is made with, where the agent holds it.
    pub grant: Option<GrantId>,
}

/// The largest `inputs` or `context` object, in canonical bytes.
pub const OBJECT_BYTES_MAX: usize = 256 * 1024;
/// The longest free text (reason, comment, question, answer …), in bytes.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;
/// The longest time-out.
pub const TIMEOUT_MAX: Micros = Micros::seconds(30 * 86_400);

impl Action {
    /// An action that says nothing but its name.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            inputs: Map::new(),
            context: Map::new(),
            claims: Claims::default(),
            priority: Priority::default(),
            risk: Risk::default(),
            cost: None,
            timeout: None,
            require_approval: false,
            accepts: Accepts::default(),
            http: None,
            grant: None,
        }
    }

    /// Checks names, sizes and times.
    ///
    /// # Errors
    /// The JSON pointer of the field at fault and a sentence about it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        name::check_name(&self.name).map_err(|why| ("/action", why))?;
        let texts = [
            ("/reason", &self.claims.reason),
            ("/description", &self.claims.description),
            ("/intent", &self.claims.intent),
            ("/requested_by", &self.claims.requested_by),
        ];
        for (field, text) in texts {
            check_text(text.as_deref().unwrap_or_default()).map_err(|why| (field, why))?;
        }
        if let Some(trace) = &self.claims.trace {
            for text in [&trace.run_id, &trace.task_id, &trace.mission_id, &trace.parent]
                .into_iter()
                .flatten()
            {
                if text.len() > 200 {
                    return Err(("/trace", "an id in `trace` is longer than 200 bytes".into()));
                }
            }
        }
        match self.timeout {
            Some(timeout) if timeout.0 <= 0 || timeout > TIMEOUT_MAX => {
                Err(("/timeout", "a timeout is more than 0 and at most 30 days".into()))
            }
            _ => Ok(()),
        }
    }
}

/// Checks the length of free text.
///
/// # Errors
/// A sentence that names the limit.
pub fn check_text(text: &str) -> Result<(), String> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!(
            "the text is {} bytes long; the limit is {TEXT_BYTES_MAX}",
            text.len()
        ));
    }
    if text.contains('\0') {
        return Err("the character U+0000 is not accepted".into());
    }
    Ok(())
}

/// Whether a claim such as `requested_by` names this operator, by id or by e-mail address without case.
pub fn names_operator(claim: &str, id: OperatorId, email: Option<&str>) -> bool {
    let claim = claim.trim();
    claim == id.to_string() || email.is_some_and(|email| email.eq_ignore_ascii_case(claim))
}
