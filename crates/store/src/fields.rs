//! What is read out of rows, the same for every backend: the columns of a row by name and type, and the things made of them.

use signoff_core::{
    action::{Priority, Risk},
    counted::Figure,
    event::ApprovalStatus,
    id::{ActionId, ApprovalId, ChannelId, ExecutionId, OperatorId, RawId, WorkspaceId},
    payload::{Hash32, PayloadName},
    record::{Epochs, Head, Record},
    time::Timestamp,
};
use sqlx::{Row as _, postgres::PgRow, sqlite::SqliteRow};

use crate::{
    ApprovalFact, DeliveryRow, DeliveryState, Due, IdempotencyName, IdempotencyRow, InboxRow, PersonRow,
    SecretKind, SecretRow, SessionRow, StoreError, StoreResult, StoredPayload, StoredRecord, StoredRequest,
    cells::{hash32, raw, unsigned},
};

/// A row of any backend.
pub(crate) trait Fields {
    fn integer(&self, column: &str) -> sqlx::Result<Option<i64>>;
    fn text(&self, column: &str) -> sqlx::Result<Option<String>>;
    fn bytes(&self, column: &str) -> sqlx::Result<Option<Vec<u8>>>;

    fn int(&self, column: &str) -> StoreResult<i64> {
        there(self.integer(column)?, column)
    }

    fn count(&self, column: &str) -> StoreResult<u64> {
        unsigned(self.int(column)?)
    }

    fn string(&self, column: &str) -> StoreResult<String> {
        there(self.text(column)?, column)
    }

    fn blob(&self, column: &str) -> StoreResult<Vec<u8>> {
        there(self.bytes(column)?, column)
    }

    fn id(&self, column: &str) -> StoreResult<RawId> {
        raw(&self.blob(column)?)
    }

    fn hash(&self, column: &str) -> StoreResult<[u8; 32]> {
        hash32(&self.blob(column)?)
    }

    fn workspace(&self) -> StoreResult<WorkspaceId> {
        self.id("workspace").map(WorkspaceId)
    }

    fn time(&self, column: &str) -> StoreResult<Option<Timestamp>> {
        Ok(self.integer(column)?.map(Timestamp))
    }
}

fn there<T>(value: Option<T>, column: &str) -> StoreResult<T> {
    value.ok_or_else(|| StoreError::Damaged(format!("nothing in the column `{column}`")))
}

macro_rules! fields {
    ($row:ty) => {
        impl Fields for $row {
            fn integer(&self, column: &str) -> sqlx::Result<Option<i64>> {
                self.try_get(column)
            }

            fn text(&self, column: &str) -> sqlx::Result<Option<String>> {
                self.try_get(column)
            }

            fn bytes(&self, column: &str) -> sqlx::Result<Option<Vec<u8>>> {
                self.try_get(column)
            }
        }
    };
}

fields!(SqliteRow);
fields!(PgRow);

fn unknown(what: &str, text: &str) -> StoreError {
    StoreError::Damaged(format!("unknown {what} `{text}`"))
}

pub(crate) fn head(row: &impl Fields) -> StoreResult<(WorkspaceId, Head)> {
    let head = Head {
        seq: row.count("seq")?,
        hash: Hash32(row.hash("hash")?),
        time: Timestamp(row.int("time")?),
        epochs: Epochs {
            policy: row.count("policy_epoch")?,
            authority: row.count("authority_epoch")?,
            stop: row.count("stop_epoch")?,
        },
    };
    Ok((row.workspace()?, head))
}

pub(crate) fn record(row: &impl Fields) -> StoreResult<StoredRecord> {
    Ok(StoredRecord {
        seq: row.count("seq")?,
        hash: Hash32(row.hash("hash")?),
        bytes: row.blob("bytes")?,
    })
}

/// The first record of a request, by the request.
pub(crate) fn submission(row: &impl Fields) -> StoreResult<(ActionId, Record)> {
    let record = serde_json::from_slice(&row.blob("bytes")?)?;
    Ok((ActionId(row.id("subject")?), record))
}

pub(crate) fn payload(row: &impl Fields) -> StoreResult<StoredPayload> {
    let name = row.string("name")?;
    Ok(StoredPayload {
        seq: row.count("seq")?,
        name: PayloadName::parse(&name).ok_or_else(|| unknown("payload", &name))?,
        subject: row.id("subject")?,
        salt: row.hash("salt")?,
        bytes: row.blob("bytes")?,
    })
}

/// An approval with what belongs to it, from rows that say which part they are; none without an approval.
pub(crate) fn request(rows: &[impl Fields]) -> StoreResult<Option<StoredRequest>> {
    let (mut approval, mut execution, mut payloads) = (None, None, Vec::new());
    for row in rows {
        match row.string("part")?.as_str() {
            "approval" => approval = Some(serde_json::from_slice(&row.blob("bytes")?)?),
            "execution" => execution = Some(serde_json::from_slice(&row.blob("bytes")?)?),
            _ => payloads.push(payload(row)?),
        }
    }
    Ok(approval.map(|approval| StoredRequest {
        approval,
        execution,
        payloads,
    }))
}

pub(crate) fn idempotency(workspace: WorkspaceId, row: &impl Fields) -> StoreResult<IdempotencyRow> {
    Ok(IdempotencyRow {
        name: IdempotencyName {
            workspace,
            principal: row.string("principal")?,
            operation: row.string("operation")?,
            key: row.string("key")?,
        },
        fingerprint: row.hash("fingerprint")?,
        outcome: row.string("outcome")?,
        expires_at: row.time("expires_at")?,
    })
}

pub(crate) fn fact(row: &impl Fields) -> StoreResult<ApprovalFact> {
    let (status, priority, risk) = (
        row.string("status")?,
        row.string("priority")?,
        row.string("risk")?,
    );
    let decider = row.text("decider")?.map(serde_json::Value::String);
    Ok(ApprovalFact {
        status: ApprovalStatus::parse(&status).ok_or_else(|| unknown("status", &status))?,
        priority: Priority::parse(&priority).ok_or_else(|| unknown("priority", &priority))?,
        risk: Risk::parse(&risk).ok_or_else(|| unknown("risk", &risk))?,
        action: row.string("action")?,
        created_at: Timestamp(row.int("created_at")?),
        decided_at: row.time("decided_at")?,
        decider: decider.map(serde_json::from_value).transpose()?,
    })
}

/// An approval where the column `kind` is 0, else an execution.
pub(crate) fn due(row: &impl Fields) -> StoreResult<Due> {
    let (workspace, id, at) = (row.workspace()?, row.id("id")?, Timestamp(row.int("next_at")?));
    Ok(if row.int("kind")? == 0 {
        Due::Approval(workspace, ApprovalId(id), at)
    } else {
        Due::Execution(workspace, ExecutionId(id), at)
    })
}

pub(crate) fn delivery(row: &impl Fields) -> StoreResult<DeliveryRow> {
    let state = row.string("state")?;
    let number = || StoreError::Damaged("a delivery counts what can't be counted".into());
    let last_status = row.integer("last_status")?.map(u16::try_from);
    Ok(DeliveryRow {
        workspace: row.workspace()?,
        channel: ChannelId(row.id("channel")?),
        seq: row.count("seq")?,
        recipient: recipient(row.id("recipient")?),
        kind: row.string("kind")?,
        request: maybe_id(row, "request")?.map(ActionId),
        urgent: row.int("urgent")? != 0,
        state: DeliveryState::parse(&state).ok_or_else(|| unknown("state", &state))?,
        attempts: u32::try_from(row.int("attempts")?).map_err(|_| number())?,
        created_at: Timestamp(row.int("created_at")?),
        next_at: row.time("next_at")?,
        ended_at: row.time("ended_at")?,
        last_status: last_status.transpose().map_err(|_| number())?,
        last_error: row.text("last_error")?,
        gathered_in: row.integer("gathered_in")?.map(unsigned).transpose()?,
        reference: row.text("reference")?,
    })
}

pub(crate) fn received(row: &impl Fields) -> StoreResult<InboxRow> {
    Ok(InboxRow {
        workspace: row.workspace()?,
        channel: ChannelId(row.id("channel")?),
        key: row.hash("key")?,
        operator: maybe_id(row, "operator")?.map(OperatorId),
        body: row.blob("body")?,
        received_at: Timestamp(row.int("received_at")?),
        expires_at: Timestamp(row.int("expires_at")?),
        handled_at: row.time("handled_at")?,
    })
}

fn maybe_id(row: &impl Fields, column: &str) -> StoreResult<Option<RawId>> {
    row.bytes(column)?.as_deref().map(raw).transpose()
}

/// Sixteen zero bytes are nobody: the channel itself.
fn recipient(id: RawId) -> Option<OperatorId> {
    (id != RawId([0; 16])).then_some(OperatorId(id))
}

/// As it is stored.
pub(crate) fn recipient_bytes(recipient: Option<OperatorId>) -> Vec<u8> {
    recipient.map_or([0; 16], |id| id.0.0).to_vec()
}

pub(crate) fn secret(row: &impl Fields) -> StoreResult<SecretRow> {
    let kind = row.string("kind")?;
    Ok(SecretRow {
        kind: SecretKind::parse(&kind).ok_or_else(|| unknown("secret", &kind))?,
        id: row.id("id")?,
        value: row.blob("value")?,
    })
}

pub(crate) fn person(row: &impl Fields) -> StoreResult<PersonRow> {
    Ok(PersonRow {
        id: OperatorId(row.id("id")?),
        name: row.string("name")?,
        email: row.string("email")?,
    })
}

pub(crate) fn session(row: &impl Fields) -> StoreResult<SessionRow> {
    Ok(SessionRow {
        hash: row.hash("hash")?,
        workspace: row.workspace()?,
        operator: OperatorId(row.id("operator")?),
        created_at: Timestamp(row.int("created_at")?),
        expires_at: Timestamp(row.int("expires_at")?),
    })
}

/// What the past comes to, and the number of its question.
pub(crate) fn figure(row: &impl Fields) -> StoreResult<(usize, Figure)> {
    let figure = Figure::of_parts(
        row.int("entries")?,
        row.int("billions")?,
        row.int("units")?,
        row.int("nanos")?,
    );
    let damaged = || StoreError::Damaged("a sum of negative amounts in the table `counted`".into());
    let n = usize::try_from(row.int("n")?).map_err(|_| damaged())?;
    Ok((n, figure.ok_or_else(damaged)?))
}

pub(crate) fn feature_level(row: &impl Fields) -> StoreResult<u32> {
    let level = row.int("feature_level")?;
    u32::try_from(level).map_err(|_| StoreError::Damaged(format!("the feature level is {level}")))
}

/// What every row of a question says, each made of its columns.
pub(crate) fn all<R: Fields, T>(rows: &[R], read: fn(&R) -> StoreResult<T>) -> StoreResult<Vec<T>> {
    rows.iter().map(read).collect()
}

/// A row that stands whole as JSON in the column `row`.
pub(crate) fn whole<T: serde::de::DeserializeOwned>(row: &impl Fields) -> StoreResult<T> {
    Ok(serde_json::from_slice(&row.blob("row")?)?)
}
