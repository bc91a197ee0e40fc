//! What goes in and out of a store: rows of core as they are, and the side rows that only stores know.

mod batch;
mod check;
mod delivery;
mod inbox;
mod index;
mod node;
mod query;
mod row;
mod side;

pub use batch::{BatchState, Changes, IdempotencyName, IdempotencyRow, OutboxRow, StoredPayload, Wants};
pub use delivery::{Addressee, DeliveryRow, DeliveryState, FannedOut};
pub use inbox::{InboxRow, LinkCodeRow};
pub use index::{RecordIndex, subject_digits};
pub use node::{Claim, Health, Heard, Lease};
pub use query::{
    ApprovalFact, ApprovalQuery, Due, ExecutionQuery, Folded, RecordQuery, Search, StoredRecord,
    StoredRequest,
};
pub use row::Row;
pub(crate) use row::raw_of;
pub use side::{Authority, PersonRow, Rewrapping, SecretKind, SecretRow, SessionRow};
