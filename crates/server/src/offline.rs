//! Policy's answers without a server: a set that is only a file, judged by the same rules and told in the same words.
//!
//! For the command line. There is no engine here, no people and nothing stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use signoff_api::action::Submit;
use signoff_api::grant::GrantCreate;
use signoff_api::lint::Finding;
use signoff_api::policy::{Explanation, PolicyApply, PolicyBody, PolicySettings};
use signoff_api::{Code, Problem};
use signoff_core::counted::{Figure, Figures, Moment};
use signoff_core::grant::GrantRow;
use signoff_core::id::{AgentId, GrantId, PolicyId, RawId};
use signoff_core::judge::{AgentFacts, PolicySet, Prepared};
use signoff_core::lint::{Known, lint};
use signoff_core::payload::Hash32;
use signoff_core::policy::{PolicyDoc, PolicyRef, Settings};
use signoff_core::stop::Stops;
use signoff_core::time::Timestamp;
use signoff_engine::view::GrantView;

use crate::api::convert::{self, ToWire};

/// A grant as a server would keep it.
#[derive(Debug)]
pub struct CheckedGrant {
    /// As a server would give it back; id, version and times are nobody's.
    pub grant: signoff_api::grant::Grant,
    /// That of its value, where it was looked at.
    pub fingerprint: Option<String>,
}

/// Checks a grant as a server does before it keeps it, with its value or without.
///
/// # Errors
/// The problem a server would answer with.
pub fn grant(given: GrantCreate, with_value: bool) -> Result<CheckedGrant, Box<Problem>> {
    let (grant, value) = convert::grant_create(given)?;
    let (grant, fingerprint) = signoff_engine::check_grant(&grant, with_value.then_some(&value))
        .map_err(crate::api::Refused::from)?;
    let (id, never) = (GrantId(RawId([0; 16])), Timestamp(0));
    let row = GrantRow {
        id,
        grant,
        fingerprint: String::new(),
        digest: Hash32([0; 32]),
        version: 0,
        removed: false,
        created_at: never,
        changed_at: never,
        changed_seq: 0,
        stop: None,
    };
    let view = GrantView {
        row,
        is_stopped: false,
    };
    Ok(CheckedGrant {
        grant: view.to_wire(),
        fingerprint,
    })
}

/// A policy set that is only a file.
#[derive(Debug)]
pub struct Rules {
    docs: Vec<PolicyDoc>,
    set: PolicySet,
    /// Whether the file says who decides by default.
    knows_approvers: bool,
}

impl Rules {
    /// Checks a set as a server does before it puts it in force. Settings that are not given have their first values.
    ///
    /// # Errors
    /// The problem a server would answer with.
    pub fn new(policies: Vec<PolicyBody>, settings: Option<PolicySettings>) -> Result<Self, Box<Problem>> {
        let given = convert::apply(PolicyApply {
            policies,
            settings,
            ..PolicyApply::default()
        })?;
        signoff_engine::check_policies(&given.policies).map_err(crate::api::Refused::from)?;
        let mut settings = Settings::default();
        let knows_approvers = given.settings.default_approvers.is_some();
        settings.unmatched = given.settings.unmatched.unwrap_or(settings.unmatched);
        settings.unmatched_calls = given.settings.unmatched_calls.unwrap_or(settings.unmatched_calls);
        settings.default_approvers = given
            .settings
            .default_approvers
            .unwrap_or(settings.default_approvers);
        Ok(Self {
            set: prepared(&given.policies, settings)?,
            docs: given.policies,
            knows_approvers,
        })
    }

    /// The policies, each as a server would give it back: what says nothing is left out.
    pub fn policies(&self) -> Vec<PolicyBody> {
        self.docs.to_wire()
    }

    /// What a server would answer to `explain`, for an agent with these labels that did nothing before.
    ///
    /// # Errors
    /// The problem a server would answer with.
    pub fn explain(
        &self,
        action: Submit,
        labels: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<Explanation, Box<Problem>> {
        let submit = convert::submit(action)?;
        submit
            .action
            .check()
            .map_err(|(pointer, why)| crate::api::Refused::invalid(pointer, why))?;
        let name = submit.agent.as_deref().unwrap_or_default();
        let facts = AgentFacts::new(AgentId(RawId([0; 16])), name, labels, None);
        let mut past = Figures::default();
        for (policy, counter) in self.set.wanted(&submit.action, &facts) {
            past.insert(policy, counter, Figure::default());
        }
        let past = Some(&past);
        Ok(signoff_engine::explain(&self.set, &submit.action, &facts, Moment { now, past }).to_wire())
    }

    /// What is wrong with the set, as far as it can be known.
    pub fn lint(&self, known: &Known) -> Vec<Finding> {
        let approvers = self.set.settings().default_approvers.as_slice();
        lint(&self.docs, self.knows_approvers.then_some(approvers), known).to_wire()
    }
}

fn prepared(docs: &[PolicyDoc], settings: Settings) -> Result<PolicySet, Box<Problem>> {
    let prepared = docs.iter().map(|doc| {
        let reference = PolicyRef {
            id: PolicyId(RawId([0; 16])),
            name: doc.name.clone(),
            version: 1,
        };
        Prepared::new(reference, doc.clone()).map(Arc::new)
    });
    prepared
        .collect::<Result<Vec<_>, _>>()
        .and_then(|prepared| PolicySet::new(prepared, settings, Stops::default()))
        .map_err(|why| Box::new(Problem::new(Code::PolicyInvalid, why)))
}

impl From<crate::api::Refused> for Box<Problem> {
    fn from(refused: crate::api::Refused) -> Self {
        Self::new(refused.problem().clone())
    }
}
