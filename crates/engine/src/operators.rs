//! Operators: people, their roles and passwords.

use secrecy::ExposeSecret;
use signoff_core::{
    actor::Principal,
    authority::Operation,
    event::{Event, GroupPut, OperatorPut, PasswordSet},
    fold::RowKey,
    id::OperatorId,
    requirement::Role,
    rows::{GroupRow, OperatorRow},
};
use signoff_store::{PersonRow, SecretKind, Wants};

use crate::{
    Engine, EngineError, EngineResult,
    idempotency::{Once, want},
    keys::{Made, page},
    request::{CreateOperator, UpdateOperator},
    sessions::check_person,
    snapshot::Snapshot,
    turn::{Draft, Turn, mint_id},
    view::{Caller, OperatorView, Page},
};

fn operator_view(snapshot: &Snapshot, row: &OperatorRow) -> OperatorView {
    let person = snapshot.person(row.id);
    let groups = snapshot
        .rows
        .groups
        .values()
        .filter(|group| !group.removed && group.members.contains(&row.id));
    OperatorView {
        name: person.map_or_else(|| row.id.to_string(), |person| person.name.clone()),
        email: person.map_or_else(String::new, |person| person.email.clone()),
        groups: groups.map(|group| group.name.clone()).collect(),
        row: row.clone(),
    }
}

pub(crate) fn find_operator(snapshot: &Snapshot, caller: &Caller, text: &str) -> EngineResult<OperatorId> {
    match (&caller.principal, text) {
        (Principal::Operator { id, .. }, "me") => Ok(*id),
        _ => snapshot
            .find_operator(text)
            .map(|row| row.id)
            .ok_or_else(|| EngineError::not_found("operator", text)),
    }
}

fn email_free(snapshot: &Snapshot, email: &str, but: Option<OperatorId>) -> EngineResult<()> {
    match snapshot.operator_by_email(email) {
        Some(id) if Some(id) != but => Err(EngineError::NameTaken {
            kind: "an operator with the address",
            name: email.to_owned(),
        }),
        _ => Ok(()),
    }
}

fn join(
    turn: &mut Turn<'_>,
    group: &GroupRow,
    operator: OperatorId,
    actor: &signoff_core::actor::Actor,
) -> EngineResult<()> {
    let mut members = group.members.clone();
    members.push(operator);
    turn.bring(RowKey::Group(group.id));
    let put = GroupPut {
        name: group.name.clone(),
        members,
    };
    turn.emit(Draft::new(Event::GroupPut(put), actor.clone(), group.id))
        .map(drop)
}

/// Nobody locks everybody out: somebody who governs remains.
fn somebody_governs(engine_has_admin_key: bool, snapshot: &Snapshot, but: OperatorId) -> EngineResult<()> {
    let others = snapshot
        .rows
        .operators
        .values()
        .filter(|row| row.id != but && row.role == Role::Admin && !row.disabled);
    if engine_has_admin_key || others.count() > 0 {
        Ok(())
    } else {
        Err(EngineError::StillNeeded(
            "this is the last admin; make another one first".into(),
        ))
    }
}

impl Engine {
    /// Operators by name.
    ///
    /// # Errors
    /// If the caller may not see them.
    pub fn operators(
        &self,
        caller: &Caller,
        beyond: Option<u64>,
        limit: u32,
    ) -> EngineResult<Page<OperatorView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let snapshot = tenant.snapshot();
        let mut views: Vec<OperatorView> = snapshot
            .rows
            .operators
            .values()
            .map(|row| operator_view(&snapshot, row))
            .collect();
        views.sort_by_key(|view| (view.name.to_lowercase(), view.row.id));
        page(views, beyond, limit)
    }

    /// One operator by id or e-mail address.
    ///
    /// # Errors
    /// If there is none.
    pub fn operator(&self, caller: &Caller, operator: &str) -> EngineResult<OperatorView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let snapshot = tenant.snapshot();
        let id = find_operator(&snapshot, caller, operator)?;
        let row = snapshot
            .rows
            .operators
            .get(&id)
            .ok_or_else(|| EngineError::not_found("operator", operator))?;
        Ok(operator_view(&snapshot, row))
    }

    /// Makes an operator.
    ///
    /// # Errors
    /// If the address is taken, a group is unknown, or the password is too short.
    pub async fn create_operator(
        &self,
        caller: &Caller,
        create: CreateOperator,
        key: Option<&str>,
    ) -> EngineResult<OperatorView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        check_person(Some(&create.name), Some(&create.email))?;
        // The password counts for sameness by what it is, through the keyed fingerprint; it is never kept.
        let password = create
            .password
            .as_ref()
            .map(|password| password.expose_secret().to_owned());
        let same = (
            &create.name,
            &create.email,
            create.role.as_str(),
            &create.groups,
            &password,
        );
        let once = Once::of(&tenant, caller, "create_operator", key, &same)?;
        let hash = match create.password.clone() {
            Some(password) => Some(self.hash_password(password).await?),
            None => None,
        };
        let mut wants = Wants::default();
        want(&mut wants, once.as_ref());
        let caller_then = caller.clone();
        let id = self
            .write(&tenant, wants, move |turn| {
                let actor = turn.principal(&caller_then, Operation::Govern)?.0.actor();
                if let Some(made) = turn.before::<Made<OperatorId>>(once.as_ref())? {
                    return Ok(made.id);
                }
                let snapshot = turn.snapshot();
                let email = create.email.trim();
                email_free(&snapshot, email, None)?;
                // All that can be wrong is found before the first event.
                let unknown =
                    |name: &String| EngineError::invalid("/groups", format!("there is no group `{name}`"));
                let groups = create
                    .groups
                    .iter()
                    .map(|name| snapshot.find_group(name).ok_or_else(|| unknown(name)));
                let groups = groups.collect::<EngineResult<Vec<_>>>()?;
                let id = OperatorId(mint_id(turn.now()));
                let put = OperatorPut {
                    role: create.role,
                    disabled: false,
                };
                turn.emit(Draft::new(Event::OperatorPut(put), actor.clone(), id))?;
                turn.ledger.changes.people.push(PersonRow {
                    id,
                    name: create.name.trim().to_owned(),
                    email: email.to_owned(),
                });
                for group in groups {
                    join(turn, group, id, &actor)?;
                }
                if let Some(hash) = &hash {
                    set_password(turn, id, hash, &actor)?;
                }
                turn.remember(once.as_ref(), &Made { id })?;
                Ok(id)
            })
            .await?;
        self.operator(caller, &id.to_string())
    }

    /// Changes an operator. Switched off, their sessions and tokens open nothing.
    ///
    /// # Errors
    /// If there is none, or nobody who governs would remain.
    pub async fn update_operator(
        &self,
        caller: &Caller,
        operator: &str,
        update: UpdateOperator,
    ) -> EngineResult<OperatorView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        check_person(update.name.as_deref(), update.email.as_deref())?;
        let hash = match update.password.clone() {
            Some(password) => Some(self.hash_password(password).await?),
            None => None,
        };
        let id = find_operator(&tenant.snapshot(), caller, operator)?;
        let has_admin_key = self.inner.admin_key.is_some();
        let caller_then = caller.clone();
        self.write(&tenant, Wants::default(), move |turn| {
            let actor = turn.principal(&caller_then, Operation::Govern)?.0.actor();
            let snapshot = turn.snapshot();
            let row = snapshot
                .rows
                .operators
                .get(&id)
                .ok_or_else(|| EngineError::not_found("operator", id))?;
            let put = OperatorPut {
                role: update.role.unwrap_or(row.role),
                disabled: update.disabled.unwrap_or(row.disabled),
            };
            let governed = row.role == Role::Admin && !row.disabled;
            if governed && (put.role != Role::Admin || put.disabled) {
                somebody_governs(has_admin_key, &snapshot, id)?;
            }
            let mut person = snapshot.person(id).cloned().ok_or(EngineError::Internal)?;
            if let Some(email) = &update.email {
                email_free(&snapshot, email, Some(id))?;
                email.trim().clone_into(&mut person.email);
            }
            if let Some(name) = &update.name {
                name.trim().clone_into(&mut person.name);
            }
            // Also for a new name or address alone: an event moves the epoch, so that every node reads anew.
            turn.bring(RowKey::Operator(id));
            turn.emit(Draft::new(Event::OperatorPut(put.clone()), actor.clone(), id))?;
            turn.ledger.changes.people.push(person);
            if let Some(hash) = &hash {
                set_password(turn, id, hash, &actor)?;
            }
            if hash.is_some() || put.disabled {
                turn.ledger.changes.signed_out.push(id);
            }
            Ok(())
        })
        .await?;
        self.operator(caller, &id.to_string())
    }
}

fn set_password(
    turn: &mut Turn<'_>,
    id: OperatorId,
    hash: &[u8],
    actor: &signoff_core::actor::Actor,
) -> EngineResult<()> {
    let (secret, digest) = turn
        .ledger
        .tenant
        .key
        .secret(SecretKind::Password, id.0, hash.to_vec());
    turn.emit(Draft::new(
        Event::PasswordSet(PasswordSet { digest }),
        actor.clone(),
        id,
    ))?;
    turn.ledger.changes.secrets.push(secret);
    Ok(())
}
