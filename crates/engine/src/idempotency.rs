//! Requests that must not happen twice: remembered in the transaction that carries them out.

use serde::{Serialize, de::DeserializeOwned};
use signoff_core::{policy::Settings, time::Micros};
use signoff_store::{IdempotencyName, IdempotencyRow, Wants};

use crate::{EngineError, EngineResult, tenant::Tenant, turn::Turn, view::Caller};

/// The longest key.
pub const KEY_CHARS_MAX: usize = 255;
/// How long a key is remembered, except for submits, whose keys live as long as the action.
const LIFETIME: Micros = Micros::seconds(86_400);

/// How long records are kept.
pub(crate) fn retention(settings: &Settings) -> Micros {
    Micros::seconds(i64::from(settings.retention_days) * 86_400)
}

/// One request that came with a key.
#[derive(Clone)]
pub(crate) struct Once {
    name: IdempotencyName,
    fingerprint: [u8; 32],
    lifetime: Micros,
    /// An outcome that is over and done with: where it is the one remembered, the request happens anew.
    over: Option<String>,
}

impl Once {
    /// Reads the key of a request; `request` is what must be the same for it to be the same request.
    ///
    /// # Errors
    /// If the key is not 1 to 255 visible ASCII characters.
    pub(crate) fn of<T: Serialize>(
        tenant: &Tenant,
        caller: &Caller,
        operation: &str,
        key: Option<&str>,
        request: &T,
    ) -> EngineResult<Option<Self>> {
        let Some(key) = key else { return Ok(None) };
        if key.is_empty() || key.len() > KEY_CHARS_MAX || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let why = format!("an idempotency key has 1 to {KEY_CHARS_MAX} visible ASCII characters");
            return Err(EngineError::invalid("/idempotency-key", why));
        }
        let canonical = signoff_core::json::canonical(request).map_err(|_| EngineError::Internal)?;
        let name = IdempotencyName {
            workspace: tenant.id,
            principal: caller.principal.actor().id.unwrap_or_default(),
            operation: operation.to_owned(),
            key: key.to_owned(),
        };
        let fingerprint = tenant.key.fingerprint(operation, &canonical);
        Ok(Some(Self {
            name,
            fingerprint,
            lifetime: LIFETIME,
            over: None,
        }))
    }

    /// Once more after this outcome, unless another one came after it.
    pub(crate) fn after<T: Serialize>(mut self, over: &T) -> EngineResult<Self> {
        self.over = Some(serde_json::to_string(over).map_err(|_| EngineError::Internal)?);
        Ok(self)
    }

    /// Remembered as long as the records of what it made.
    pub(crate) fn kept_like_records(mut self, settings: &Settings) -> Self {
        self.lifetime = retention(settings);
        self
    }
}

/// Adds what a request's key needs to be read.
pub(crate) fn want(wants: &mut Wants, once: Option<&Once>) {
    wants.idempotency.extend(once.map(|once| once.name.clone()));
}

impl Turn<'_> {
    /// What the same request came to before.
    ///
    /// # Errors
    /// If the key was used for another request.
    pub(crate) fn before<T: DeserializeOwned>(&self, once: Option<&Once>) -> EngineResult<Option<T>> {
        let Some(once) = once else { return Ok(None) };
        let Some(row) = self.ledger.idempotency.get(&once.name) else {
            return Ok(None);
        };
        if row.fingerprint != once.fingerprint {
            return Err(EngineError::IdempotencyMismatch);
        }
        if once.over.as_ref() == Some(&row.outcome) {
            return Ok(None);
        }
        serde_json::from_str(&row.outcome).map(Some).map_err(|error| {
            tracing::error!(%error, "a remembered outcome can't be read");
            EngineError::Internal
        })
    }

    /// Remembers what a request came to; never a secret.
    pub(crate) fn remember<T: Serialize>(&mut self, once: Option<&Once>, outcome: &T) -> EngineResult<()> {
        let Some(once) = once else { return Ok(()) };
        let row = IdempotencyRow {
            name: once.name.clone(),
            fingerprint: once.fingerprint,
            outcome: serde_json::to_string(outcome).map_err(|_| EngineError::Internal)?,
            expires_at: Some(self.now().plus(once.lifetime)),
        };
        self.ledger.idempotency.insert(once.name.clone(), row.clone());
        self.ledger.changes.idempotency.push(row);
        Ok(())
    }
}
