//! What an approval reaches beyond its request: changes, standing approvals, approving for ever.

use signoff_api::approval::{self as wire, AlwaysPreview, AlwaysScope};
use signoff_core::standing::{self, StandingTerms};
use signoff_engine::request::{Always, Edit, Scope};
use signoff_engine::view::{AlwaysView, StandingView};

use super::action::span;
use super::policy::condition;
use super::{Faults, ToCore, ToWire};

/// What an approval holds for; more than one thing at once is refused.
pub(super) fn scope(
    faults: &mut Faults,
    edit: Option<wire::Edit>,
    standing: Option<wire::StandingTerms>,
    always: Option<AlwaysScope>,
) -> Scope {
    match (edit, standing, always) {
        (None, None, None) => Scope::Once,
        (Some(edit), None, None) => {
            if edit == wire::Edit::default() {
                faults.add("/edit", "give `inputs` or `context` as they should be");
            }
            Scope::Edited(Edit {
                inputs: edit.inputs,
                context: edit.context,
                body: None,
            })
        }
        (None, Some(terms), None) => {
            let valid_for = span(faults, "/standing/valid_for", terms.valid_for);
            Scope::Standing(StandingTerms {
                valid_for: valid_for.unwrap_or(standing::VALID_FOR_MAX),
                uses: terms.uses,
                condition: terms.condition.map(condition),
            })
        }
        (None, None, Some(always)) => Scope::Always(always.to_core()),
        (_, standing, _) => {
            let pointer = if standing.is_some() {
                "/standing"
            } else {
                "/always"
            };
            faults.add(pointer, "give one of `edit`, `standing` and `always`");
            Scope::Once
        }
    }
}

impl ToCore for AlwaysScope {
    type Core = Always;

    fn to_core(self) -> Always {
        match self {
            Self::Policy => Always::Policy,
            Self::Action => Always::Action,
        }
    }
}

impl ToWire for StandingView {
    type Wire = wire::StandingApproval;

    fn to_wire(&self) -> wire::StandingApproval {
        use signoff_core::standing::StandingState as S;
        let row = &self.row;
        wire::StandingApproval {
            id: row.id.to_string(),
            state: match self.state {
                S::Active if self.policy_changed => wire::StandingState::PolicyChanged,
                S::Active => wire::StandingState::Active,
                S::Expired => wire::StandingState::Expired,
                S::UsedUp => wire::StandingState::UsedUp,
                S::Revoked => wire::StandingState::Revoked,
            },
            agent: self.agent.to_wire(),
            action: row.action.clone(),
            policy: row.policy.to_wire(),
            approval_id: row.approval.to_string(),
            granted_by: self.granted_by.to_wire(),
            created_at: row.created_at.to_wire(),
            expires_at: row.expires_at.to_wire(),
            uses_max: row.uses_max,
            uses: row.uses,
            condition: row.condition.as_ref().map(ToWire::to_wire),
            revoked_by: self.revoked_by.as_ref().map(ToWire::to_wire),
            revoked_at: row.revoked.as_ref().map(|revoked| revoked.at.to_wire()),
        }
    }
}

impl ToWire for AlwaysView {
    type Wire = AlwaysPreview;

    fn to_wire(&self) -> AlwaysPreview {
        let covered = &self.covered;
        AlwaysPreview {
            policy: self.policy.to_wire(),
            replaces: self.replaces,
            covered: wire::Covered {
                approved: covered.approved,
                denied: covered.denied,
                expired: covered.expired,
                other: covered.other,
            },
            pending: self.pending,
        }
    }
}
