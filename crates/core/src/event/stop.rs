//! What can happen to the kill switch.

use serde::{Deserialize, Serialize};

use crate::stop::StopTarget;

/// From here on everything that the target covers is refused. The subject is the workspace, the agent or the grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopPulled {
    /// What is stopped.
    pub target: StopTarget,
}

/// Policy answers again for what the target covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopLifted {
    /// What was stopped.
    pub target: StopTarget,
}
