//! Grants: credentials that agents use without seeing them. A value goes in and never comes out, through no door.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use signoff_core::{
    authority::Operation,
    event::{Event, GrantPut, GrantRemoved},
    fold::RowKey,
    grant::{CredentialKind, Grant, GrantRow, PreparedGrant},
    id::GrantId,
};
use signoff_egress::Credential;
use signoff_store::{SecretKind, Wants};

use crate::{
    Engine, EngineError, EngineResult,
    idempotency::{Once, want},
    keys::page,
    request::UpdateGrant,
    snapshot::Snapshot,
    turn::{Draft, Turn, mint_id},
    view::{Caller, GrantView, Page},
};

/// How many grants a workspace has.
pub(crate) const GRANTS_MAX: usize = 1_000;

#[derive(Serialize, Deserialize)]
struct Made {
    id: GrantId,
}

fn view(row: &GrantRow) -> GrantView {
    GrantView {
        row: row.clone(),
        is_stopped: row.stop.is_some(),
    }
}

fn invalid(faults: Vec<(String, String)>) -> EngineError {
    EngineError::Invalid(faults)
}

/// A grant in the form that is kept, and its value where one is given, checked for where it goes.
fn checked(grant: &Grant, value: Option<&SecretString>) -> EngineResult<(Grant, Option<Credential>)> {
    let grant = PreparedGrant::new(grant.clone())
        .map_err(invalid)?
        .grant()
        .clone();
    let credential = value.map(|value| Credential::new(grant.credential.clone(), value.clone()));
    let credential = credential
        .transpose()
        .map_err(|why| EngineError::invalid("/value", why))?;
    Ok((grant, credential))
}

/// Checks a grant as a server does before it keeps it: its form there, and the fingerprint of its value where one is given.
///
/// # Errors
/// What is wrong with it.
pub fn check_grant(grant: &Grant, value: Option<&SecretString>) -> EngineResult<(Grant, Option<String>)> {
    let (grant, credential) = checked(grant, value)?;
    Ok((grant, credential.map(|credential| credential.fingerprint())))
}

impl Engine {
    /// Grants by name, without their values.
    ///
    /// # Errors
    /// If the caller may not see them.
    pub fn grants(&self, caller: &Caller, beyond: Option<u64>, limit: u32) -> EngineResult<Page<GrantView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let snapshot = tenant.snapshot();
        let rows = snapshot.rows.grants.values();
        let mut views: Vec<_> = rows.filter(|row| !row.removed).map(view).collect();
        views.sort_by_key(|view| view.row.grant.name.to_ascii_lowercase());
        page(views, beyond, limit)
    }

    /// One grant by id or name, without its value.
    ///
    /// # Errors
    /// If there is none.
    pub fn grant(&self, caller: &Caller, which: &str) -> EngineResult<GrantView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let snapshot = tenant.snapshot();
        let row = snapshot.find_grant(which);
        row.map(view)
            .ok_or_else(|| EngineError::not_found("grant", which))
    }

    /// Keeps a credential. Its value is not shown again.
    ///
    /// # Errors
    /// If something of it is not valid, or the name is taken.
    pub async fn create_grant(
        &self,
        caller: &Caller,
        grant: Grant,
        value: SecretString,
        key: Option<&str>,
    ) -> EngineResult<GrantView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let (grant, credential) = checked(&grant, Some(&value))?;
        self.vet_token_url(&grant)?;
        let fingerprint = credential.as_ref().ok_or(EngineError::Internal)?.fingerprint();
        let once = Once::of(
            &tenant,
            caller,
            "create_grant",
            key,
            &(&grant, value.expose_secret()),
        )?;
        let mut wants = Wants::default();
        want(&mut wants, once.as_ref());
        let caller_then = caller.clone();
        let id = self
            .write(&tenant, wants, move |turn| {
                let actor = turn.principal(&caller_then, Operation::Govern)?.0.actor();
                if let Some(made) = turn.before::<Made>(once.as_ref())? {
                    return Ok(made.id);
                }
                let snapshot = turn.snapshot();
                name_is_free(&snapshot, &grant.name, None)?;
                if snapshot.rows.grants.values().filter(|row| !row.removed).count() >= GRANTS_MAX {
                    let why = format!("a workspace has at most {GRANTS_MAX} grants");
                    return Err(EngineError::invalid("", why));
                }
                let id = GrantId(mint_id(turn.now()));
                let put = put(turn, id, 1, grant.clone(), &fingerprint, &value);
                turn.emit(Draft::new(Event::GrantPut(Box::new(put)), actor, id))?;
                turn.remember(once.as_ref(), &Made { id })?;
                Ok(id)
            })
            .await?;
        self.grant(caller, &id.to_string())
    }

    /// Changes a grant; what is absent stays. From then on what was approved before is not carried out with it, because
    /// people approved it with another one. What is the same already leaves no event.
    ///
    /// # Errors
    /// If there is none, or something of it is not valid.
    pub async fn update_grant(
        &self,
        caller: &Caller,
        which: &str,
        update: UpdateGrant,
    ) -> EngineResult<GrantView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let id = self.grant(caller, which)?.row.id;
        let caller_then = caller.clone();
        let engine = self.clone();
        self.write(&tenant, Wants::default(), move |turn| {
            let actor = turn.principal(&caller_then, Operation::Govern)?.0.actor();
            let snapshot = turn.snapshot();
            let (row, _) = snapshot
                .grant(id)
                .ok_or_else(|| EngineError::not_found("grant", id))?;
            let changed = update.of(&row.grant);
            let (grant, given) = checked(&changed, update.value.as_ref())?;
            engine.vet_token_url(&grant)?;
            name_is_free(&snapshot, &grant.name, Some(id))?;
            let fingerprint = given.map(|credential| credential.fingerprint());
            let is_same_value = fingerprint.as_ref().is_none_or(|given| *given == row.fingerprint);
            // A value that does not open any more is given again to make it whole.
            let opens = || {
                let sealed = snapshot.credential(id);
                sealed.is_some_and(|sealed| turn.ledger.tenant.key.grant_value(row, sealed).is_some())
            };
            if grant == row.grant && is_same_value && (update.value.is_none() || opens()) {
                return Ok(());
            }
            if update.value.is_none() && needs_another_value(&grant.credential, &row.grant.credential) {
                let why = "another kind of credential needs its own value";
                return Err(EngineError::invalid("/value", why));
            }
            let value = if let Some(value) = &update.value {
                value.clone()
            } else {
                let sealed = snapshot.credential(id).ok_or(EngineError::Internal)?;
                let key = &turn.ledger.tenant.key;
                key.grant_value(row, sealed).ok_or(EngineError::Internal)?
            };
            let fingerprint = fingerprint.unwrap_or_else(|| row.fingerprint.clone());
            turn.bring(RowKey::Grant(id));
            let put = put(turn, id, row.version + 1, grant, &fingerprint, &value);
            turn.emit(Draft::new(Event::GrantPut(Box::new(put)), actor, id))
                .map(drop)
        })
        .await?;
        self.grant(caller, &id.to_string())
    }

    /// Takes a grant away: nothing is called with it any more.
    ///
    /// # Errors
    /// If there is none.
    pub async fn remove_grant(&self, caller: &Caller, which: &str) -> EngineResult<()> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let id = self.grant(caller, which)?.row.id;
        let caller = caller.clone();
        self.write(&tenant, Wants::default(), move |turn| {
            let actor = turn.principal(&caller, Operation::Govern)?.0.actor();
            let snapshot = turn.snapshot();
            if snapshot.grant(id).is_none() {
                return Err(EngineError::not_found("grant", id));
            }
            turn.bring(RowKey::Grant(id));
            // Written over, so that nobody ever opens it again, whoever gets hold of the keys.
            let key = &turn.ledger.tenant.key;
            let (nothing, digest) = key.secret(SecretKind::Grant, id.0, Vec::new());
            turn.ledger.changes.secrets.push(nothing);
            let event = Event::GrantRemoved(GrantRemoved { digest });
            turn.emit(Draft::new(event, actor, id)).map(drop)
        })
        .await
    }

    /// Where tokens are fetched must be somewhere that is called at all.
    fn vet_token_url(&self, grant: &Grant) -> EngineResult<()> {
        let CredentialKind::Oauth2 { token_url, .. } = &grant.credential else {
            return Ok(());
        };
        let vetted = self.inner.egress.guard().vet_url(token_url);
        vetted
            .map(drop)
            .map_err(|why| EngineError::invalid("/credential/token_url", why.to_string()))
    }
}

/// Whether a value that was given for one kind of credential is no value of another.
fn needs_another_value(new: &CredentialKind, old: &CredentialKind) -> bool {
    let flow = |kind: &CredentialKind| match kind {
        CredentialKind::Oauth2 { flow, .. } => Some(*flow),
        _ => None,
    };
    flow(new) != flow(old)
}

fn name_is_free(snapshot: &Snapshot, name: &str, own: Option<GrantId>) -> EngineResult<()> {
    let mut others = snapshot
        .rows
        .grants
        .values()
        .filter(|row| !row.removed && Some(row.id) != own);
    if others.any(|row| row.grant.name.eq_ignore_ascii_case(name)) {
        return Err(EngineError::NameTaken {
            kind: "a grant",
            name: name.to_owned(),
        });
    }
    Ok(())
}

/// Locks the value to this version, and says what the log says of it.
fn put(
    turn: &mut Turn<'_>,
    id: GrantId,
    version: u64,
    grant: Grant,
    fingerprint: &str,
    value: &SecretString,
) -> GrantPut {
    let key = &turn.ledger.tenant.key;
    let sealed = key.seal_grant(id.0, version, &grant, value.expose_secret().as_bytes());
    let (secret, digest) = key.secret(SecretKind::Grant, id.0, sealed);
    turn.ledger.changes.secrets.push(secret);
    GrantPut {
        grant,
        fingerprint: fingerprint.to_owned(),
        digest,
        version,
    }
}
