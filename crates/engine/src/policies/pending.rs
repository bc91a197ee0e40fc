//! How many requests wait under each policy.

use std::collections::BTreeMap;

use signoff_core::{authority::Operation, id::PolicyId};

use super::open_page;
use crate::{
    Engine, EngineResult,
    approvals::PAGE_MAX,
    view::{Caller, PendingByPolicy},
};

/// How many requests are counted, at most.
const COUNTED_MAX: u64 = 5_000;

impl Engine {
    /// How many requests wait under each policy, oldest first; of very many only the first are counted.
    ///
    /// # Errors
    /// If the caller may not see them.
    pub async fn pending_by_policy(&self, caller: &Caller) -> EngineResult<PendingByPolicy> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let (mut counts, mut counted, mut beyond) = (BTreeMap::<PolicyId, u64>::new(), 0, None);
        loop {
            let rows = self.store().approvals(tenant.id, &open_page(beyond)).await?;
            for policy in rows.iter().filter_map(|row| row.policy.as_ref()) {
                *counts.entry(policy.id).or_default() += 1;
            }
            counted += rows.len() as u64;
            let is_whole = rows.len() < PAGE_MAX as usize;
            if is_whole || counted >= COUNTED_MAX {
                return Ok(PendingByPolicy { counts, is_whole });
            }
            beyond = rows.last().map(|row| row.submitted_seq);
        }
    }
}
