//! What a message says: rendered from the log up to its record, so that every attempt says the same.

use signoff_core::{event::Event, fold::Rows, id::ApprovalId, record::Record, rows::ApprovalRow};
use signoff_notify::{Shown, Told, ToldAgent, ToldApproval, ToldPerson, ToldWorkspace};
use signoff_store::{DeliveryRow, RecordQuery};

use crate::{
    Engine, EngineError, EngineResult,
    approvals::{PAGE_MAX, compose},
    content::Opened,
    tenant::Tenant,
};

impl Engine {
    /// The message of a delivery: the approval as it stood after the record that is told.
    pub(crate) async fn told(&self, tenant: &Tenant, delivery: &DeliveryRow) -> EngineResult<Told> {
        let stored = self.store().records_at(tenant.id, &[delivery.seq]).await?;
        let stored = stored.first().ok_or(EngineError::Internal)?;
        let record: Record = serde_json::from_slice(&stored.bytes).map_err(|_| EngineError::Internal)?;
        let id: ApprovalId = record.subject.parse().map_err(|_| EngineError::Internal)?;
        let row = self.as_of(tenant, id, record.seq).await?;
        let ends = row.decided_seq.into_iter().chain([record.seq]);
        let sequences: Vec<u64> = row.content_seqs().chain(ends).collect();
        let opened = Opened::read(self.store(), tenant, &sequences).await?;
        let snapshot = tenant.snapshot();
        let agent = snapshot.agent_name(row.agent);
        let content = opened.asked_content(&row);
        let cost = row.cost.as_ref().map(signoff_core::action::Cost::as_str);
        let question = matches!(record.event, Event::InfoRequested(_))
            .then(|| opened.text(record.seq))
            .flatten();
        let person = row.decided_by.as_ref().map(|actor| {
            let view = snapshot.named(actor);
            let kind = match actor.kind {
                signoff_core::actor::ActorKind::Operator => "operator",
                signoff_core::actor::ActorKind::Automation => "automation",
                signoff_core::actor::ActorKind::Agent | signoff_core::actor::ActorKind::Application => {
                    "agent"
                }
                _ => "system",
            };
            ToldPerson {
                kind: kind.into(),
                id: view.id,
                name: view.name,
            }
        });
        Ok(Told {
            event_id: record.id.to_string(),
            event_type: delivery.kind.clone(),
            occurred_at: record.time.to_string(),
            workspace: ToldWorkspace {
                id: tenant.id.to_string(),
                name: snapshot.settings().name.clone(),
            },
            approval: Some(ToldApproval {
                id: row.id.to_string(),
                action_id: row.id.action().to_string(),
                summary: compose(&agent, &row.action, &content, cost).text(),
                action: row.action.clone(),
                agent: ToldAgent {
                    id: row.agent.to_string(),
                    name: agent,
                },
                status: row.status.to_string(),
                priority: row.priority.to_string(),
                risk: row.risk.to_string(),
                url: self.approval_url(row.id),
                created_at: row.created_at.to_string(),
                decide_by: row.decide_by.map(|at| at.to_string()),
                decided_at: row.decided_at.map(|at| at.to_string()),
                decided_by: person,
                decision_reason: row.decided_seq.and_then(|seq| opened.text(seq)),
                code: row.code.map(|code| code.to_string()),
                question,
            }),
            execution: None,
            shown: Shown::default(),
        })
    }

    /// An approval as it stood after a record, folded from the records about it.
    async fn as_of(&self, tenant: &Tenant, id: ApprovalId, seq: u64) -> EngineResult<ApprovalRow> {
        let query = RecordQuery {
            subject: Some(id.0),
            limit: PAGE_MAX,
            ..RecordQuery::default()
        };
        let mut rows = Rows::default();
        for stored in self.store().records(tenant.id, &query).await? {
            if stored.seq > seq {
                break;
            }
            let record: Record = serde_json::from_slice(&stored.bytes).map_err(|_| EngineError::Internal)?;
            rows.fold(&record).map_err(|_| EngineError::Internal)?;
        }
        rows.approvals.remove(&id).ok_or(EngineError::Internal)
    }
}
