//! The credential of a call: opened at the last moment, with a token where its kind needs one.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use signoff_core::{
    actor::Actor,
    event::{CallFault, Event, GrantRefreshed},
    fold::RowKey,
    grant::{CredentialKind, GrantRow, OauthFlow},
    id::{GrantId, RawId},
    time::Micros,
};
use signoff_egress::{Credential, Injection, TokenError};
use signoff_store::{Claim, Lease, SecretKind, Wants};
use tokio::{runtime::Handle, time::Instant};

use super::make::PART;
use crate::{Engine, EngineResult, seal::random, snapshot::Snapshot, tenant::Tenant, turn::Draft};

/// How long one node has a grant to itself for an exchange: longer than that may take, with the new value stored.
const EXCHANGE_LEASE: Micros = Micros::seconds(30);
/// How long another node's exchange is waited for, and how often it is looked.
const EXCHANGE_WAIT_MAX: Duration = Duration::from_secs(30);
const EXCHANGE_PAUSE: Duration = Duration::from_millis(100);

/// The credential of a call, as it is sent.
pub(super) struct Held {
    pub(super) injection: Injection,
    /// A token that is forgotten if the provider does not accept it.
    pub(super) token: Option<((GrantId, u64), SecretString)>,
}

/// Holds other nodes back from an exchange with a grant, until it is dropped.
struct ExchangeTurn {
    engine: Engine,
    lease: Lease,
}

impl Drop for ExchangeTurn {
    fn drop(&mut self) {
        let (engine, lease) = (self.engine.clone(), self.lease.clone());
        // Without a runtime the process ends, and the lease with its time.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            if let Err(error) = engine.store().release(&lease).await {
                tracing::warn!(%error, "a turn to exchange a refresh token ends by its time alone");
            }
        });
    }
}

impl Engine {
    /// Opens the credential of a grant; a token is fetched where it needs one.
    pub(super) async fn credential_of(
        &self,
        tenant: &Tenant,
        snapshot: &Snapshot,
        row: &GrantRow,
    ) -> Result<Held, CallFault> {
        let credential = snapshot.opened_credential(row, &tenant.key);
        let credential = credential.ok_or(CallFault::Credential)?;
        if !matches!(row.grant.credential, CredentialKind::Oauth2 { .. }) {
            return Ok(Held {
                injection: credential.injection(None),
                token: None,
            });
        }
        let id = (row.id, row.version);
        let turn = self.turn_to_exchange(tenant, id, credential.clone());
        let bearer = self.inner.egress.bearer(id, turn).await;
        let (bearer, _turn) = bearer.map_err(|error| {
            tracing::warn!(grant = %row.id, %error, "no token was given for a grant");
            match error {
                TokenError::Refused(_) => CallFault::Forbidden,
                _ => CallFault::Credential,
            }
        })?;
        if let Some(rotated) = bearer.rotated {
            // The old one may be good for nothing by now: without the new one nothing is called.
            let kept = self.keep_refresh_token(tenant, row, rotated).await;
            kept.map_err(|error| {
                tracing::error!(grant = %row.id, %error, "a new refresh token could not be kept");
                CallFault::Credential
            })?;
        }
        Ok(Held {
            injection: credential.injection(Some(&bearer.token)),
            token: Some((id, bearer.token)),
        })
    }

    async fn keep_refresh_token(
        &self,
        tenant: &Tenant,
        row: &GrantRow,
        value: SecretString,
    ) -> EngineResult<()> {
        let (id, version) = (row.id, row.version);
        self.write(tenant, Wants::default(), move |turn| {
            let snapshot = turn.snapshot();
            // Where another value was given meanwhile, this one is nobody's any more.
            let present = snapshot.grant(id).filter(|(row, _)| row.version == version);
            let Some((row, _)) = present else { return Ok(()) };
            turn.bring(RowKey::Grant(id));
            let key = &turn.ledger.tenant.key;
            let sealed = key.seal_grant(id.0, version, &row.grant, value.expose_secret().as_bytes());
            let (secret, digest) = key.secret(SecretKind::Grant, id.0, sealed);
            turn.ledger.changes.secrets.push(secret);
            let event = Event::GrantRefreshed(GrantRefreshed { digest });
            turn.emit(Draft::new(event, Actor::system(PART), id)).map(drop)
        })
        .await
    }

    /// What counts once nobody else exchanges with this grant. A provider that replaces refresh tokens takes the second use
    /// of one for a theft: of several nodes one at a time asks, with what the last one stored.
    fn turn_to_exchange(
        &self,
        tenant: &Tenant,
        (id, version): (GrantId, u64),
        credential: Credential,
    ) -> impl Future<Output = Result<(Credential, Option<ExchangeTurn>), TokenError>> + Send + 'static {
        let (engine, tenant) = (self.clone(), self.inner.tenants.get(&tenant.id).cloned());
        async move {
            let replaces = match credential.kind() {
                CredentialKind::Oauth2 { flow, .. } => *flow == OauthFlow::RefreshToken,
                _ => false,
            };
            let Some(tenant) = tenant.filter(|_| replaces && engine.store().is_shared()) else {
                return Ok((credential, None));
            };
            let claim = Claim {
                workspace: tenant.id,
                subject: id.0,
                holder: RawId(random()),
                lasts: EXCHANGE_LEASE,
            };
            let began = Instant::now();
            let unkept = |error| {
                tracing::error!(%error, "whose turn it is to exchange a refresh token can't be read");
                TokenError::BrokenOff
            };
            let lease = loop {
                if let Some(lease) = engine.store().claim(&claim).await.map_err(unkept)? {
                    break lease;
                }
                if began.elapsed() > EXCHANGE_WAIT_MAX {
                    return Err(TokenError::Busy);
                }
                tokio::time::sleep(EXCHANGE_PAUSE).await;
            };
            let turn = ExchangeTurn {
                engine: engine.clone(),
                lease,
            };
            let snapshot = tenant.reload(engine.store()).await.map_err(unkept)?;
            let present = snapshot.grant(id).filter(|(row, _)| row.version == version);
            let newest = present.and_then(|(row, _)| snapshot.opened_credential(row, &tenant.key).cloned());
            Ok((newest.ok_or(TokenError::BrokenOff)?, Some(turn)))
        }
    }
}
