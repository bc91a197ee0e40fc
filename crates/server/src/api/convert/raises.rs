//! What policies make of claims, and the claims themselves.

use signoff_api::policy as wire;
use signoff_core::event::Claimed;
use signoff_core::judge::{Claim, Raise, Raised};
use signoff_core::policy::Floor;

use super::{ToCore, ToWire};

impl ToCore for wire::Floor {
    type Core = Floor;

    fn to_core(self) -> Floor {
        Floor {
            risk: self.risk.map(ToCore::to_core),
            priority: self.priority.map(ToCore::to_core),
        }
    }
}

impl ToWire for Floor {
    type Wire = wire::Floor;

    fn to_wire(&self) -> wire::Floor {
        wire::Floor {
            risk: self.risk.to_wire(),
            priority: self.priority.to_wire(),
        }
    }
}

impl ToWire for Claimed {
    type Wire = wire::Claimed;

    fn to_wire(&self) -> wire::Claimed {
        wire::Claimed {
            priority: self.priority.to_wire(),
            risk: self.risk.to_wire(),
            estimated_cost: self.cost.to_wire(),
        }
    }
}

impl ToWire for Raised {
    type Wire = wire::Raised;

    fn to_wire(&self) -> wire::Raised {
        wire::Raised {
            cost: self.cost.to_wire(),
            risk: self.risk.to_wire(),
            priority: self.priority.to_wire(),
            by: self.raises.to_wire(),
        }
    }
}

impl ToWire for Raise {
    type Wire = wire::Raise;

    fn to_wire(&self) -> wire::Raise {
        wire::Raise {
            claim: match self.claim {
                Claim::Cost => wire::Claim::Cost,
                Claim::Risk => wire::Claim::Risk,
                Claim::Priority => wire::Claim::Priority,
            },
            policy: self.policy.to_wire(),
            value: self.value.clone().ok(),
            error: self.value.clone().err(),
            counts: self.counts,
        }
    }
}
