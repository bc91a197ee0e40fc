//! Who calls, and what they may do at all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use signoff_core::{
    actor::Principal,
    authority::{Operation, Permit, permit},
    id::OperatorId,
    time::{Micros, Timestamp},
};
use subtle::ConstantTimeEq;

use crate::{
    Engine, EngineError, EngineResult,
    credential::{hash_key, mint_token},
    tenant::{Tenant, principal_of},
    view::{Caller, Me, Named},
};

/// Name of the automation that the admin key stands for.
const ADMIN_KEY_NAME: &str = "admin-key";
/// How long a link that signs in works.
const ENTRY_LIFETIME: Micros = Micros::seconds(15 * 60);
/// Failed sign-ins of one address, and of all together, before the next must wait.
const FAILURES_MAX: usize = 5;
const FAILURES_TOGETHER_MAX: usize = 60;
/// The time in which they are counted.
const FAILURE_WINDOW: Micros = Micros::seconds(60);

/// One-time links and failed attempts; in memory, gone with a restart.
#[derive(Default)]
pub(crate) struct SignIns {
    entries: Mutex<HashMap<[u8; 32], (OperatorId, Timestamp)>>,
    failures: Mutex<Vec<(String, Timestamp)>>,
}

impl SignIns {
    /// Whether another attempt may be made; else how many seconds to wait.
    pub(crate) fn may_try(&self, email: &str, now: Timestamp) -> Result<(), u64> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|(_, at)| at.until(now) < FAILURE_WINDOW);
        let of_this = failures
            .iter()
            .filter(|(address, _)| *address == email.to_lowercase())
            .count();
        if of_this >= FAILURES_MAX || failures.len() >= FAILURES_TOGETHER_MAX {
            return Err(u64::try_from(FAILURE_WINDOW.as_seconds()).unwrap_or(60));
        }
        Ok(())
    }

    /// Counts a failure, before the password is checked: attempts at the same time count too.
    pub(crate) fn failed(&self, email: &str, now: Timestamp) {
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((email.to_lowercase(), now));
    }

    /// A success takes the failures of the address away.
    pub(crate) fn succeeded(&self, email: &str) {
        let email = email.to_lowercase();
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|(address, _)| *address != email);
    }
}

/// The error for somebody who may not.
pub(crate) fn refused(principal: &Principal, operation: Operation) -> EngineError {
    match (principal, operation) {
        (Principal::Agent(_) | Principal::Application(_), Operation::Decide) => {
            EngineError::AskersNeverDecide
        }
        (Principal::Agent(_) | Principal::Application(_), _) => EngineError::Forbidden(
            "an agent's or application's key can't do this; it needs an operator".into(),
        ),
        (_, Operation::LinkSelf) => EngineError::Forbidden(
            "only a person can link themselves; do it in the console, or with a personal token".into(),
        ),
        (_, Operation::Ask | Operation::AnswerInfo) => {
            EngineError::Forbidden("only agents and applications do this, with their own keys".into())
        }
        (_, Operation::Decide | Operation::Stop) => {
            EngineError::Forbidden("this needs an operator with the role member or admin".into())
        }
        _ => EngineError::Forbidden("this needs an operator with the role admin".into()),
    }
}

impl Engine {
    /// Who a key belongs to. Reads memory only, unless it may be a key that another node made just now.
    ///
    /// # Errors
    /// [`EngineError::Unauthorized`] for anything that opens nothing, without saying why.
    pub async fn authenticate(&self, key: &str) -> EngineResult<Caller> {
        let known = self.recognise(key);
        if known.is_ok() || hash_key(key).is_none() {
            return known;
        }
        for tenant in self.inner.tenants.values() {
            self.catch_up(tenant).await?;
        }
        self.recognise(key)
    }

    /// Sees to it that what another node just made is known here.
    pub(crate) async fn catch_up(&self, tenant: &Tenant) -> EngineResult<()> {
        if self.store().is_shared() {
            tenant.catch_up(self.store()).await?;
        }
        Ok(())
    }

    fn recognise(&self, key: &str) -> EngineResult<Caller> {
        if let Some(admin) = &self.inner.admin_key {
            let given: [u8; 32] = Sha256::digest(key.as_bytes()).into();
            if bool::from(given.ct_eq(admin)) {
                let principal = Principal::Automation(ADMIN_KEY_NAME.into());
                return Ok(Caller {
                    workspace: self.inner.home.id,
                    principal,
                    key: None,
                    part: None,
                    slack: None,
                });
            }
        }
        let hash = hash_key(key).ok_or(EngineError::Unauthorized)?;
        for tenant in self.inner.tenants.values() {
            let snapshot = tenant.snapshot();
            if let Some(row) = snapshot.key(&hash, self.now()) {
                let principal = principal_of(&snapshot, row.owner).ok_or(EngineError::Unauthorized)?;
                return Ok(Caller {
                    workspace: tenant.id,
                    principal,
                    key: Some(row.id),
                    part: row.delegation.clone().map(Arc::new),
                    slack: None,
                });
            }
        }
        Err(EngineError::Unauthorized)
    }

    /// What a caller may do, as the one table says.
    ///
    /// # Errors
    /// If they may not.
    pub fn permit(&self, caller: &Caller, operation: Operation) -> EngineResult<Permit> {
        match permit(&caller.principal, operation) {
            Permit::Never => Err(refused(&caller.principal, operation)),
            permit => Ok(permit),
        }
    }

    /// The address of a person, as those are told who learn that the person decided.
    pub fn email_of(&self, caller: &Caller, id: OperatorId) -> Option<String> {
        self.permit(caller, Operation::SeeActions).ok()?;
        let snapshot = self.tenant(caller).ok()?.snapshot();
        snapshot.person(id).map(|person| person.email.clone())
    }

    /// Who a caller is.
    ///
    /// # Errors
    /// If they are nobody any more.
    pub fn me(&self, caller: &Caller) -> EngineResult<Me> {
        let tenant = self.tenant(caller)?;
        let snapshot = tenant.snapshot();
        let principal = tenant.present(&snapshot, caller, self.now())?;
        let email = match &principal {
            Principal::Operator { id, .. } => snapshot.person(*id).map(|person| person.email.clone()),
            _ => None,
        };
        Ok(Me {
            actor: snapshot.named(&principal.actor()),
            role: principal.role(),
            email,
            workspace: Named {
                id: tenant.id,
                name: snapshot.settings().name.clone(),
            },
            now: self.now(),
        })
    }

    /// The first-run token, while there is no operator yet.
    pub fn setup_token(&self) -> Option<SecretString> {
        self.inner
            .home
            .snapshot()
            .rows
            .operators
            .is_empty()
            .then(|| self.inner.setup_token.clone())
    }

    /// A token for one sign-in of this operator within 15 minutes, kept in memory: for a link whose page signs in by
    /// POST.
    pub fn mint_entry(&self, operator: OperatorId) -> SecretString {
        let token = mint_token();
        let hash = crate::credential::hash_token(token.expose_secret());
        let mut entries = self
            .inner
            .sign_ins
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        entries.retain(|_, (_, until)| *until > now);
        entries.insert(hash, (operator, now.plus(ENTRY_LIFETIME)));
        token
    }

    /// Whom such a token signs in, without using it up.
    pub fn entry_name(&self, token: &str) -> Option<String> {
        let hash = crate::credential::hash_token(token);
        let entries = self
            .inner
            .sign_ins
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (operator, until) = *entries.get(&hash)?;
        let name = self
            .inner
            .home
            .snapshot()
            .person(operator)
            .map(|person| person.name.clone());
        (until > self.now()).then_some(name).flatten()
    }

    /// Uses such a token up.
    pub(crate) fn take_entry(&self, token: &str) -> Option<OperatorId> {
        let hash = crate::credential::hash_token(token);
        let mut entries = self
            .inner
            .sign_ins
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (operator, until) = entries.remove(&hash)?;
        (until > self.now()).then_some(operator)
    }
}
