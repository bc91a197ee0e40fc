//! Versions of policies and of the set, read from the log.

use signoff_core::{authority::Operation, event::Event, fold::Rows, record::Record};
use signoff_store::RecordQuery;

use super::set_view;
use crate::{
    Engine, EngineError, EngineResult,
    approvals::{PAGE_MAX, check_limit},
    tenant::Tenant,
    view::{Caller, Page, PolicySetVersionView, PolicySetView, PolicyVersionView},
};

impl Engine {
    /// All versions of a policy, newest first; also of one that was removed.
    ///
    /// # Errors
    /// If there never was one.
    pub async fn policy_versions(&self, caller: &Caller, name: &str) -> EngineResult<Vec<PolicyVersionView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let snapshot = tenant.snapshot();
        let removed = || {
            let of_name = snapshot
                .rows
                .policies
                .values()
                .filter(|row| row.doc.name.eq_ignore_ascii_case(name) || row.id.to_string() == name);
            of_name.max_by_key(|row| row.updated_at)
        };
        let row = snapshot
            .find_policy(name)
            .or_else(removed)
            .ok_or_else(|| EngineError::not_found("policy", name))?;
        let query = RecordQuery {
            subject: Some(row.id.0),
            newest_first: true,
            limit: PAGE_MAX,
            ..RecordQuery::default()
        };
        let mut versions = Vec::new();
        for stored in self.store().records(tenant.id, &query).await? {
            let record: Record = serde_json::from_slice(&stored.bytes).map_err(|_| EngineError::Internal)?;
            let (version, policy) = match record.event {
                Event::PolicyPut(put) => (put.version, Some(put.policy)),
                Event::PolicyRemoved(removed) => (removed.version, None),
                _ => continue,
            };
            versions.push(PolicyVersionView {
                version,
                at: record.time,
                policy,
                by: snapshot.named(&record.actor),
            });
        }
        Ok(versions)
    }

    /// All versions of the set, newest first.
    ///
    /// # Errors
    /// If the page is too large.
    pub async fn policy_set_versions(
        &self,
        caller: &Caller,
        beyond: Option<u64>,
        limit: u32,
    ) -> EngineResult<Page<PolicySetVersionView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let limit = check_limit(limit)?;
        let snapshot = tenant.snapshot();
        let mut items = Vec::new();
        for record in self
            .policy_records(&tenant, "policy_set.", beyond, true, limit + 1)
            .await?
        {
            if let Event::PolicySetApplied(applied) = record.event {
                let by = snapshot.named(&record.actor);
                items.push(PolicySetVersionView {
                    version: applied.version,
                    at: record.time,
                    by,
                    seq: record.seq,
                    orphaned: applied.orphaned,
                });
            }
        }
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next = items.last().filter(|_| more).map(|item| item.seq);
        Ok(Page { items, next })
    }

    /// The set as it was in one version, folded from the log.
    ///
    /// # Errors
    /// If there never was one.
    pub async fn policy_set_at(&self, caller: &Caller, version: u64) -> EngineResult<PolicySetView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let missing = || EngineError::not_found("policy set", version);
        let mut all = Vec::new();
        for kind in ["policy_set.", "workspace.", "policy."] {
            let mut beyond = None;
            loop {
                let page = self
                    .policy_records(&tenant, kind, beyond, false, PAGE_MAX)
                    .await?;
                let full = page.len() == PAGE_MAX as usize;
                beyond = page.last().map(|record| record.seq).or(beyond);
                all.extend(page);
                if !full {
                    break;
                }
            }
        }
        let is_it = |record: &&Record| matches!(&record.event, Event::PolicySetApplied(applied) if applied.version == version);
        let end = all
            .iter()
            .find(is_it)
            .map(|record| record.seq)
            .ok_or_else(missing)?;
        all.sort_by_key(|record| record.seq);
        let mut rows = Rows::default();
        for record in all.iter().filter(|record| record.seq <= end) {
            rows.fold(record).map_err(|_| EngineError::Internal)?;
        }
        let settings = rows
            .workspace
            .as_ref()
            .map(|row| row.settings.clone())
            .unwrap_or_default();
        Ok(set_view(version, settings, &rows))
    }

    async fn policy_records(
        &self,
        tenant: &Tenant,
        kind: &str,
        beyond: Option<u64>,
        newest_first: bool,
        limit: u32,
    ) -> EngineResult<Vec<Record>> {
        let query = RecordQuery {
            event_type: Some(kind.into()),
            beyond,
            newest_first,
            limit,
            ..RecordQuery::default()
        };
        let stored = self.store().records(tenant.id, &query).await?;
        stored
            .iter()
            .map(|stored| serde_json::from_slice(&stored.bytes).map_err(|_| EngineError::Internal))
            .collect()
    }
}
