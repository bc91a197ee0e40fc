//! Access tokens of grants, in memory only: each is fetched once for all who ask at the same time, and kept until
//! shortly before it ends.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret as _, SecretString};
use signoff_core::id::GrantId;
use tokio::time::Instant;

use crate::oauth::{Fetched, TokenError, fetch};
use crate::{Credential, Egress};

/// Of how many grants tokens are kept; those that were used least recently make room.
const SLOTS_MAX: usize = 1000;
/// How many values are known that a rotation has replaced.
const REPLACED_MAX: usize = 16;

/// A grant and the version of it that its value is locked to.
type TokenId = (GrantId, u64);

/// An access token that is good for a call right now.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// What [`Credential::injection`] takes.
    pub token: SecretString,
    /// The whole value that the grant must be stored with from now on, because the provider replaced the refresh token.
    /// It is handed out once: until it is stored, a restart loses the grant.
    pub rotated: Option<SecretString>,
}

impl Egress {
    /// The access token of a grant: the one that is kept, or a new one. All who ask for the same at the same time wait
    /// for one exchange, and share its failure. A caller that goes away does not break the exchange off, because the
    /// provider may have replaced the refresh token by then.
    ///
    /// A caller that still has the value from before a replacement is served with the newer one.
    ///
    /// An exchange begins once `turn` brings the value that counts by then, and what holds back others outside of this process
    /// that exchange with the same grant: it is handed to whoever exchanged, who drops it once the replaced value is stored.
    /// Where a token is kept there is no turn to wait for.
    ///
    /// # Errors
    /// Why there is no token; those of `turn` too.
    pub async fn bearer<T: Send + 'static>(
        &self,
        id: TokenId,
        turn: impl Future<Output = Result<(Credential, T), TokenError>> + Send + 'static,
    ) -> Result<(Bearer, Option<T>), TokenError> {
        let slot = self.tokens.slot(id)?;
        let asked = Instant::now();
        let mut held = slot.lock_owned().await;
        if let Some(bearer) = held.bearer() {
            return Ok((bearer, None));
        }
        if let Some((at, error)) = &held.failed
            && *at >= asked
        {
            return Err(error.clone());
        }
        let egress = self.clone();
        let exchange = tokio::spawn(async move {
            let token = match turn.await {
                Ok((credential, turn)) => held
                    .exchange(&egress, &credential)
                    .await
                    .map(|token| (token, turn)),
                Err(error) => Err(held.fail(error)),
            };
            (held, token)
        });
        let (mut held, token) = exchange.await.map_err(|_| TokenError::BrokenOff)?;
        let (token, turn) = token?;
        let rotated = held.unclaimed.take();
        Ok((Bearer { token, rotated }, Some(turn)))
    }

    /// Gives a token up that the provider no longer takes (401), so that the next call fetches another. One that was
    /// fetched in the meantime stays.
    pub async fn forget(&self, id: TokenId, token: &SecretString) {
        let Some(slot) = self.tokens.known(id) else { return };
        let mut held = slot.lock().await;
        if held.token.as_ref().is_some_and(|(kept, _)| is_same(kept, token)) {
            held.token = None;
        }
    }
}

fn is_same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

/// What is kept of all grants.
#[derive(Default)]
pub(crate) struct Tokens {
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    by_id: HashMap<TokenId, (Arc<tokio::sync::Mutex<Slot>>, u64)>,
    uses: u64,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl Tokens {
    fn slot(&self, id: TokenId) -> Result<Arc<tokio::sync::Mutex<Slot>>, TokenError> {
        let mut slots = self.slots();
        slots.uses += 1;
        let now = slots.uses;
        if let Some((slot, used)) = slots.by_id.get_mut(&id) {
            *used = now;
            return Ok(Arc::clone(slot));
        }
        // Nobody will ask for what an earlier value brought.
        slots
            .by_id
            .retain(|(grant, version), _| *grant != id.0 || *version > id.1);
        if slots.by_id.len() >= SLOTS_MAX {
            let oldest = slots.by_id.iter().filter(|(_, (slot, _))| is_spare(slot));
            let oldest = oldest.min_by_key(|(_, (_, used))| *used).map(|(id, _)| *id);
            slots.by_id.remove(&oldest.ok_or(TokenError::Crowded)?);
        }
        let slot = Arc::default();
        slots.by_id.insert(id, (Arc::clone(&slot), now));
        Ok(slot)
    }

    fn known(&self, id: TokenId) -> Option<Arc<tokio::sync::Mutex<Slot>>> {
        self.slots().by_id.get(&id).map(|(slot, _)| Arc::clone(slot))
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether nobody waits for it, and no replaced refresh token would be lost with it.
fn is_spare(slot: &Arc<tokio::sync::Mutex<Slot>>) -> bool {
    Arc::strong_count(slot) == 1 && slot.try_lock().is_ok_and(|slot| slot.unclaimed.is_none())
}

/// What is kept of one grant.
#[derive(Default)]
struct Slot {
    token: Option<(SecretString, Instant)>,
    /// A value that was not handed out yet.
    unclaimed: Option<SecretString>,
    newest: Option<Newest>,
    failed: Option<(Instant, TokenError)>,
}

/// A value that the provider put in the place of others.
struct Newest {
    credential: Credential,
    replaced: Vec<[u8; 32]>,
}

impl Slot {
    fn bearer(&mut self) -> Option<Bearer> {
        let (token, until) = self.token.as_ref()?;
        (Instant::now() < *until).then(|| Bearer {
            token: token.clone(),
            rotated: self.unclaimed.take(),
        })
    }

    async fn exchange(
        &mut self,
        egress: &Egress,
        credential: &Credential,
    ) -> Result<SecretString, TokenError> {
        let newest = self.newest.as_ref();
        let newest = newest.filter(|newest| newest.replaced.contains(&credential.digest()));
        let current = newest.map_or_else(|| credential.clone(), |newest| newest.credential.clone());
        // The lifetime began when the provider made the token: at the earliest now.
        let started = Instant::now();
        match fetch(egress, &current).await {
            Ok(Fetched {
                token,
                fresh_for,
                rotated,
            }) => {
                if let Some(value) = rotated {
                    self.replace(&current, &value);
                    self.unclaimed = Some(value);
                }
                self.token = Some((token.clone(), started + fresh_for));
                self.failed = None;
                Ok(token)
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    fn fail(&mut self, error: TokenError) -> TokenError {
        self.token = None;
        self.failed = Some((Instant::now(), error.clone()));
        error
    }

    fn replace(&mut self, current: &Credential, value: &SecretString) {
        // The value was checked when it was read.
        let Ok(credential) = Credential::new(current.kind().clone(), value.clone()) else {
            return;
        };
        let known = self.newest.take();
        let known = known.filter(|known| known.credential.digest() == current.digest());
        let mut replaced = known.map(|known| known.replaced).unwrap_or_default();
        replaced.push(current.digest());
        if replaced.len() > REPLACED_MAX {
            replaced.remove(0);
        }
        self.newest = Some(Newest { credential, replaced });
    }
}

#[cfg(test)]
mod tests {
    use signoff_core::id::RawId;

    use super::*;

    fn id(number: u64) -> TokenId {
        let mut raw = [0; 16];
        raw[..8].copy_from_slice(&number.to_be_bytes());
        (GrantId(RawId(raw)), 1)
    }

    /// I12: memory for tokens is bounded, and what a provider replaced is not what makes room.
    #[test]
    fn the_least_used_makes_room_unless_something_would_be_lost() {
        let tokens = Tokens::default();
        for number in 0..SLOTS_MAX as u64 {
            let slot = tokens.slot(id(number)).expect("room");
            slot.try_lock().expect("free").unclaimed = (number < 2).then(|| "rotated".into());
        }
        let kept = tokens.slot(id(2)).expect("known");
        tokens.slot(id(5000)).expect("room");
        assert_eq!(tokens.slots().by_id.len(), SLOTS_MAX);
        for (number, is_known) in [(0, true), (1, true), (2, true), (3, false), (4, true)] {
            assert_eq!(tokens.known(id(number)).is_some(), is_known, "{number}");
        }
        drop(kept);
        let busy: Vec<_> = (0..=SLOTS_MAX as u64)
            .filter_map(|number| tokens.slot(id(number)).ok())
            .collect();
        assert!(busy.len() >= SLOTS_MAX - 2);
        assert_eq!(tokens.slot(id(9000)).err(), Some(TokenError::Crowded));
    }

    /// I7: what a value brought that nobody uses any more is not kept in memory.
    #[test]
    fn a_new_version_takes_the_place_of_the_old() {
        let tokens = Tokens::default();
        let (grant, _) = id(1);
        tokens.slot((grant, 1)).expect("room");
        tokens.slot((grant, 2)).expect("room");
        assert!(tokens.known((grant, 1)).is_none());
        assert!(tokens.known((grant, 2)).is_some());
    }
}
