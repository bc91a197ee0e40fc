//! A policy as people write it, its checks, and its one normal form: match, conditions, then, else.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    action::{Cost, Risk, TIMEOUT_MAX, text_enum},
    condition::{self, COUNTERS_MAX, Condition},
    id::PolicyId,
    name::{self, Specificity},
    requirement::LinkMode,
    time::Micros,
};

mod approvers;
mod calls;
mod contacts;
mod contract;
mod edits;
mod raises;
mod settings;
mod terms;

pub use approvers::{ApproverRule, FromContext, People};
pub(crate) use calls::Calls;
pub use calls::{HttpMatch, URL_PATTERNS_MAX};
pub use contacts::{Contacts, Escalation, EscalationTerms};
pub(crate) use contract::Contract;
pub use contract::{CONTRACT_DEPTH_MAX, CONTRACT_VALUES_MAX, LACKS_MAX, Lack};
pub use edits::{EditRule, EditTerms};
pub use raises::Floor;
pub(crate) use raises::Raises;
pub use settings::{RETENTION_DAYS_MAX, RETENTION_DAYS_MIN, Settings};
pub use terms::{ApprovalTerms, StageTerms};

/// What a policy says, on the surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyEffect {
    /// Let it through; conditions narrow the match.
    Allow,
    /// Refuse it; conditions narrow the match.
    Deny,
    /// Ask a human; conditions narrow the match.
    RequireApproval,
    /// Conditions hold: allowed. Else what `otherwise` says.
    Conditional,
}

text_enum!(PolicyEffect {
    Allow => "allow", Deny => "deny", RequireApproval => "require_approval", Conditional => "conditional",
});

/// What a conditional policy says where its conditions do not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// Ask a human.
    RequireApproval,
    /// Refuse.
    Deny,
}

text_enum!(Otherwise { RequireApproval => "require_approval", Deny => "deny" });

/// The effect on one action. The order is that of strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Goes through.
    Allow,
    /// A human decides.
    Ask,
    /// Is refused.
    Deny,
}

text_enum!(Effect { Allow => "allow", Ask => "ask", Deny => "deny" });

/// How long people have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeoutRule {
    /// Until this long after submission; caps what the request asks for.
    After(Micros),
    /// As long as it takes, unless the request says otherwise.
    Never,
}

/// Which risks a policy is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RiskMatch {
    /// This one and all above it: `high`.
    AtLeast(Risk),
    /// Exactly these: `[low, high]`.
    OneOf(Vec<Risk>),
}

impl RiskMatch {
    /// Whether an action of this risk is meant.
    pub fn fits(&self, risk: Risk) -> bool {
        match self {
            Self::AtLeast(least) => risk >= *least,
            Self::OneOf(risks) => risks.contains(&risk),
        }
    }
}

/// A policy as written: what an event carries and what is given back unchanged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent switches of the written form"
)]
pub struct PolicyDoc {
    /// Unique in its set, compared without case.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Globs over action names; none, or `*`, means every action.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<String>,
    /// Names or globs of agents; none means every agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<String>,
    /// Labels that the agent must have, all of them with these values; none means whatever labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The calls that it is about; none means every action, a call or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpMatch>,
    /// Names or globs of grants, of which the call must name one; none means any, or none at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grant: Vec<String>,
    /// The risk that the action must have; none means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<RiskMatch>,
    /// The action must cost more than this many dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_over: Option<Cost>,
    /// An expression that gives what the action costs, in dollars, beside what the agent says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// The least risk and priority, whatever the agent says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<Floor>,
    /// What it says.
    pub effect: PolicyEffect,
    /// All must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// For a conditional policy whose conditions do not hold; ask unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Otherwise>,
    /// An ask of this policy can't be overridden by an allow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guard: bool,
    /// Switched off: kept, matches nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// The agent must give a reason.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_reason: bool,
    /// A JSON Schema (draft 2020-12) that the context must fit before anybody is asked, or the action let through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_schema: Option<Map<String, Value>>,
    /// The approver must give a comment.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_decision_reason: bool,
    /// How long an approval may be used after the decision; 1 hour unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_for: Option<Micros>,
    /// The terms of asking.
    #[serde(default)]
    pub approval: ApprovalTerms,
}

/// The largest policy in canonical bytes; it stands whole in one event.
pub const POLICY_BYTES_MAX: usize = 32 * 1024;
/// How many policies a set may have.
pub const POLICIES_MAX: usize = 10_000;
/// How many patterns, conditions or approvers one policy may list.
pub const LIST_LEN_MAX: usize = 200;

/// Which version of which policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PolicyRef {
    /// The policy through all its versions.
    pub id: PolicyId,
    /// Its name at the time.
    pub name: String,
    /// Its version, from 1.
    pub version: u64,
}

/// What is wrong with a policy: the JSON pointer inside it and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct PolicyProblem {
    /// Where, such as `/conditions/0/value`.
    pub pointer: String,
    /// What, ready to be shown.
    pub why: String,
}

fn problem(pointer: impl Into<String>, why: impl Into<String>) -> PolicyProblem {
    PolicyProblem {
        pointer: pointer.into(),
        why: why.into(),
    }
}

impl PolicyDoc {
    /// A policy with this name and effect that matches everything; a start for builders.
    pub fn new(name: impl Into<String>, effect: PolicyEffect) -> Self {
        Self {
            name: name.into(),
            description: None,
            actions: Vec::new(),
            agents: Vec::new(),
            labels: BTreeMap::new(),
            http: None,
            grant: Vec::new(),
            risk: None,
            cost_over: None,
            cost: None,
            floor: None,
            effect,
            conditions: Vec::new(),
            otherwise: None,
            guard: false,
            disabled: false,
            require_reason: false,
            context_schema: None,
            require_decision_reason: false,
            valid_for: None,
            approval: ApprovalTerms::default(),
        }
    }

    /// Checks everything that can be known without a workspace.
    ///
    /// # Errors
    /// The first thing that can't work, with its place.
    pub fn check(&self) -> Result<(), PolicyProblem> {
        name::check_name(&self.name).map_err(|why| problem("/name", why))?;
        for (list, field) in [(&self.actions, "actions"), (&self.agents, "agents")] {
            if list.len() > LIST_LEN_MAX {
                return Err(problem(
                    format!("/{field}"),
                    format!("more than {LIST_LEN_MAX} entries"),
                ));
            }
            for (at, glob) in list.iter().enumerate() {
                name::check_glob(glob).map_err(|why| problem(format!("/{field}/{at}"), why))?;
            }
        }
        self.check_matchers()?;
        self.check_conditions()?;
        self.approval.check()?;
        self.check_link()?;
        match self.valid_for {
            Some(span) if span.0 <= 0 || span > TIMEOUT_MAX => {
                return Err(problem("/valid_for", "more than 0 and at most 30 days"));
            }
            _ => {}
        }
        let bytes = crate::json::canonical(self)
            .map_err(|error| problem("", error.to_string()))?
            .len();
        if bytes > POLICY_BYTES_MAX {
            return Err(problem(
                "",
                format!("the policy is {bytes} bytes large; the limit is {POLICY_BYTES_MAX}"),
            ));
        }
        // Last, for only now it is known to be small.
        Calls::compile(self.http.as_ref(), &self.grant)?;
        Raises::compile(self)?;
        self.context_schema
            .as_ref()
            .map_or(Ok(()), |schema| Contract::compile(schema).map(drop))
    }

    fn check_matchers(&self) -> Result<(), PolicyProblem> {
        if self.labels.len() > LIST_LEN_MAX {
            return Err(problem("/labels", format!("more than {LIST_LEN_MAX} entries")));
        }
        if matches!(&self.risk, Some(RiskMatch::OneOf(risks)) if risks.is_empty()) {
            return Err(problem("/risk", "name at least one risk"));
        }
        Ok(())
    }

    /// A policy about high risk alone never lets a link decide for anyone; one that is about others too does for these.
    fn check_link(&self) -> Result<(), PolicyProblem> {
        let lower = [Risk::Minimal, Risk::Low, Risk::Medium];
        let only_high = self
            .risk
            .as_ref()
            .is_some_and(|risk| !lower.into_iter().any(|lower| risk.fits(lower)));
        if only_high && self.approval.link == Some(LinkMode::Anyone) {
            return Err(problem(
                "/approval/link",
                "a link that decides for anyone is too little at high risk",
            ));
        }
        Ok(())
    }

    fn check_conditions(&self) -> Result<(), PolicyProblem> {
        if self.conditions.len() > LIST_LEN_MAX {
            return Err(problem(
                "/conditions",
                format!("more than {LIST_LEN_MAX} entries"),
            ));
        }
        let mut counters = BTreeSet::new();
        for (at, condition) in self.conditions.iter().enumerate() {
            let compiled = condition
                .compile()
                .map_err(|unusable| problem(format!("/conditions/{at}"), unusable.to_string()))?;
            counters.extend(compiled.counters().cloned());
            if counters.len() > COUNTERS_MAX {
                let why =
                    format!("count_last and sum_last ask for more than {COUNTERS_MAX} different figures");
                return Err(problem(format!("/conditions/{at}"), why));
            }
        }
        let conditional = self.effect == PolicyEffect::Conditional;
        if conditional && self.conditions.is_empty() {
            return Err(problem(
                "/conditions",
                "a conditional policy needs at least one condition",
            ));
        }
        if !conditional && self.otherwise.is_some() {
            return Err(problem(
                "/otherwise",
                "only a conditional policy has an `otherwise`",
            ));
        }
        Ok(())
    }

    /// The feature level from which it may be written: a node that does not know a matcher would take it for wider than
    /// it is.
    pub fn feature_level(&self) -> u32 {
        // Too much is found, where the name stands in quotes, and nothing is overlooked.
        let looks_back = |condition: &Condition| {
            matches!(condition, Condition::Expression(source)
                if source.contains("count_last") || source.contains("sum_last"))
        };
        if self.conditions.iter().any(looks_back) {
            return self.approval.feature_level().max(4);
        }
        let expression = |condition: &Condition| matches!(condition, Condition::Expression(_));
        let raises = self.cost.is_some() || self.floor.is_some();
        if raises || self.context_schema.is_some() || self.http.is_some() || !self.grant.is_empty() {
            return self.approval.feature_level().max(4);
        }
        let new = !self.labels.is_empty()
            || self.risk.is_some()
            || self.cost_over.is_some()
            || self.conditions.iter().any(expression);
        let terms = self.approval.feature_level();
        if new { terms.max(3) } else { terms }
    }

    /// The normal form of the effect: what it says where its conditions hold, do not hold, or fail.
    pub fn normal_form(&self) -> NormalForm {
        let otherwise = match self.otherwise {
            Some(Otherwise::Deny) => Effect::Deny,
            Some(Otherwise::RequireApproval) | None => Effect::Ask,
        };
        match self.effect {
            PolicyEffect::Allow => NormalForm {
                then: Effect::Allow,
                or_else: None,
                on_error: None,
            },
            PolicyEffect::Deny => NormalForm {
                then: Effect::Deny,
                or_else: None,
                on_error: Some(Effect::Deny),
            },
            PolicyEffect::RequireApproval => NormalForm {
                then: Effect::Ask,
                or_else: None,
                on_error: Some(Effect::Ask),
            },
            PolicyEffect::Conditional => NormalForm {
                then: Effect::Allow,
                or_else: Some(otherwise),
                on_error: Some(otherwise),
            },
        }
    }
}

/// Match, conditions, then, else. `None` means that the policy has nothing to say about the action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NormalForm {
    /// Conditions hold.
    pub then: Effect,
    /// Conditions do not hold.
    pub or_else: Option<Effect>,
    /// A condition failed to evaluate: never opens the gate.
    pub on_error: Option<Effect>,
}

impl NormalForm {
    /// The effect for an outcome of all conditions.
    pub fn effect(self, outcome: condition::Outcome) -> Option<Effect> {
        match outcome {
            condition::Outcome::True => Some(self.then),
            condition::Outcome::False => self.or_else,
            condition::Outcome::Error => self.on_error,
        }
    }
}

/// How specific a policy is for one action: compared field by field, greater governs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank {
    /// Of the best glob that matches the action.
    pub action: Specificity,
    /// 3 named, 2 by glob, 1 by label, 0 any agent.
    pub agent: u8,
    /// How many other matchers the policy has.
    pub others: u8,
}

/// What to do with actions that no policy matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unmatched {
    /// Refuse.
    #[default]
    Deny,
    /// Ask a human.
    RequireApproval,
    /// Let through.
    Allow,
}

text_enum!(Unmatched { Deny => "deny", RequireApproval => "require_approval", Allow => "allow" });

/// What becomes of a pending approval that no policy governs any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orphaned {
    /// What an identical new action would get.
    #[default]
    Judge,
    /// Approved by the system.
    Release,
    /// Denied by the system.
    Deny,
    /// Kept pending under its last requirement.
    Keep,
}

text_enum!(Orphaned { Judge => "judge", Release => "release", Deny => "deny", Keep => "keep" });
