//! Operators, their personal tokens and their groups.

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use signoff_core::{
    actor::Principal,
    authority::{Operation, Permit},
    event::{Event, GroupPut, KeyOwner, Nothing, OperatorPut, PasswordSet},
    fold::RowKey,
    id::{GroupId, KeyId, OperatorId},
    name::check_name,
    requirement::{Approver, Role},
    rows::{GroupRow, KeyRow, OperatorRow},
};
use signoff_store::{PersonRow, SecretKind, Wants};

use crate::{
    Engine, EngineError, EngineResult,
    content::Opened,
    idempotency::{Once, want},
    principals::{issue_key, page},
    request::{CreateOperator, UpdateOperator},
    sessions::check_person,
    snapshot::Snapshot,
    tenant::Tenant,
    turn::{Draft, Turn, mint_id},
    view::{Caller, Created, GroupView, Named, OperatorView, Page, TokenView},
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

fn group_view(snapshot: &Snapshot, row: &GroupRow) -> GroupView {
    let named = |id: &OperatorId| Named {
        id: *id,
        name: snapshot
            .person(*id)
            .map_or_else(|| id.to_string(), |person| person.name.clone()),
    };
    GroupView {
        id: row.id,
        name: row.name.clone(),
        members: row.members.iter().map(named).collect(),
    }
}

fn find(snapshot: &Snapshot, caller: &Caller, text: &str) -> EngineResult<OperatorId> {
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

#[derive(Serialize, Deserialize)]
struct Made<Id> {
    id: Id,
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
        let id = find(&snapshot, caller, operator)?;
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
        let id = find(&tenant.snapshot(), caller, operator)?;
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

    /// Personal tokens of an operator, `me` being the caller; newest first.
    ///
    /// # Errors
    /// If they are somebody else's.
    pub async fn tokens(&self, caller: &Caller, operator: &str) -> EngineResult<Vec<TokenView>> {
        let tenant = self.tenant(caller)?;
        let id = self.own(&tenant, caller, operator)?;
        let snapshot = tenant.snapshot();
        let mut rows: Vec<&KeyRow> = snapshot
            .rows
            .keys
            .values()
            .filter(|row| row.owner == KeyOwner::Operator(id))
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.set_seq));
        self.token_views(&tenant, &rows).await
    }

    async fn token_views(&self, tenant: &Tenant, rows: &[&KeyRow]) -> EngineResult<Vec<TokenView>> {
        let opened = Opened::read(
            self.store(),
            tenant,
            &rows.iter().map(|row| row.set_seq).collect::<Vec<_>>(),
        )
        .await?;
        let view = |row: &&KeyRow| TokenView {
            id: row.id,
            name: opened.text(row.set_seq).unwrap_or_default(),
            hint: row.hint.clone(),
            created_at: row.created_at,
            revoked: row.revoked,
        };
        Ok(rows.iter().map(view).collect())
    }

    /// Whose tokens are meant, if the caller may have to do with them.
    fn own(&self, tenant: &Tenant, caller: &Caller, operator: &str) -> EngineResult<OperatorId> {
        let permit = self.permit(caller, Operation::OwnTokens)?;
        let id = find(&tenant.snapshot(), caller, operator)?;
        let is_self = matches!(&caller.principal, Principal::Operator { id: own, .. } if *own == id);
        if permit == Permit::All || is_self {
            Ok(id)
        } else {
            Err(EngineError::not_found("operator", operator))
        }
    }

    /// Makes a personal token.
    ///
    /// # Errors
    /// If it would be somebody else's.
    pub async fn create_token(
        &self,
        caller: &Caller,
        operator: &str,
        name: String,
        key: Option<&str>,
    ) -> EngineResult<Created<TokenView>> {
        let tenant = self.tenant(caller)?;
        let id = self.own(&tenant, caller, operator)?;
        let name = name.trim().to_owned();
        if name.chars().count() > 200 || name.chars().any(char::is_control) {
            return Err(EngineError::invalid(
                "/name",
                "a token's name has at most 200 characters",
            ));
        }
        let once = Once::of(&tenant, caller, "create_token", key, &(id, &name))?;
        let mut wants = Wants::default();
        want(&mut wants, once.as_ref());
        let caller_then = caller.clone();
        let (token, secret) = self
            .write(&tenant, wants, move |turn| {
                let actor = turn.principal(&caller_then, Operation::OwnTokens)?.0.actor();
                if let Some(made) = turn.before::<Made<KeyId>>(once.as_ref())? {
                    return Ok((made.id, None));
                }
                turn.snapshot()
                    .active_operator(id)
                    .ok_or_else(|| EngineError::not_found("operator", id))?;
                let kept = if name.is_empty() {
                    None
                } else {
                    Some(name.as_str())
                };
                let (token, secret) = issue_key(turn, KeyOwner::Operator(id), &actor, kept)?;
                turn.remember(once.as_ref(), &Made { id: token })?;
                Ok((token, Some(secret)))
            })
            .await?;
        let snapshot = tenant.snapshot();
        let row = snapshot.rows.keys.get(&token).ok_or(EngineError::Internal)?;
        let made = self
            .token_views(&tenant, &[row])
            .await?
            .pop()
            .ok_or(EngineError::Internal)?;
        Ok(Created { made, secret })
    }

    /// Takes a personal token away.
    ///
    /// # Errors
    /// If there is none, or it is somebody else's.
    pub async fn revoke_token(&self, caller: &Caller, operator: &str, token: KeyId) -> EngineResult<()> {
        let tenant = self.tenant(caller)?;
        let id = self.own(&tenant, caller, operator)?;
        let caller_then = caller.clone();
        self.write(&tenant, Wants::default(), move |turn| {
            let actor = turn.principal(&caller_then, Operation::OwnTokens)?.0.actor();
            let snapshot = turn.snapshot();
            let row = snapshot
                .rows
                .keys
                .get(&token)
                .filter(|row| row.owner == KeyOwner::Operator(id));
            let row = row.ok_or_else(|| EngineError::not_found("token", token))?;
            if !row.revoked {
                turn.bring(RowKey::Key(token));
                turn.emit(Draft::new(Event::KeyRevoked(Nothing {}), actor, token))?;
            }
            Ok(())
        })
        .await
    }

    /// Groups by name.
    ///
    /// # Errors
    /// If the caller may not see them.
    pub fn groups(&self, caller: &Caller, beyond: Option<u64>, limit: u32) -> EngineResult<Page<GroupView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let snapshot = tenant.snapshot();
        let mut rows: Vec<&GroupRow> = snapshot.rows.groups.values().filter(|row| !row.removed).collect();
        rows.sort_by_key(|row| row.name.to_ascii_lowercase());
        let found = page(rows, beyond, limit)?;
        Ok(Page {
            items: found
                .items
                .into_iter()
                .map(|row| group_view(&snapshot, row))
                .collect(),
            next: found.next,
        })
    }

    /// Says who is in a group; makes it where there is none of the name.
    ///
    /// # Errors
    /// If a member is unknown.
    pub async fn put_group(
        &self,
        caller: &Caller,
        name: &str,
        members: Vec<String>,
    ) -> EngineResult<GroupView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        check_name(name).map_err(|why| EngineError::invalid("/name", why))?;
        let (caller, name_then) = (caller.clone(), name.to_owned());
        self.write(&tenant, Wants::default(), move |turn| {
            let actor = turn.principal(&caller, Operation::Govern)?.0.actor();
            let snapshot = turn.snapshot();
            let mut ids = Vec::new();
            for (at, member) in members.iter().enumerate() {
                let row = snapshot.find_operator(member);
                let row = row.ok_or_else(|| {
                    EngineError::invalid(
                        format!("/members/{at}"),
                        format!("there is no operator `{member}`"),
                    )
                })?;
                if !ids.contains(&row.id) {
                    ids.push(row.id);
                }
            }
            let present = snapshot.find_group(&name_then);
            let id = present.map_or_else(|| GroupId(mint_id(turn.now())), |row| row.id);
            let written = present.map_or_else(|| name_then.clone(), |row| row.name.clone());
            turn.bring(RowKey::Group(id));
            turn.emit(Draft::new(
                Event::GroupPut(GroupPut {
                    name: written,
                    members: ids,
                }),
                actor,
                id,
            ))
            .map(drop)
        })
        .await?;
        let snapshot = tenant.snapshot();
        let row = snapshot
            .find_group(name)
            .ok_or_else(|| EngineError::not_found("group", name))?;
        Ok(group_view(&snapshot, row))
    }

    /// Takes a group away.
    ///
    /// # Errors
    /// If a policy or the default approvers name it.
    pub async fn remove_group(&self, caller: &Caller, name: &str) -> EngineResult<()> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let (caller, name) = (caller.clone(), name.to_owned());
        self.write(&tenant, Wants::default(), move |turn| {
            let actor = turn.principal(&caller, Operation::Govern)?.0.actor();
            let snapshot = turn.snapshot();
            let row = snapshot.find_group(&name).ok_or_else(|| EngineError::not_found("group", &name))?;
            let is_it = |approver: &Approver| matches!(approver, Approver::Group(group) if group.eq_ignore_ascii_case(&name));
            let policy = snapshot.rows.policies.values().find(|policy| !policy.removed && policy.doc.approval.approvers.iter().any(is_it));
            if let Some(policy) = policy {
                let why = format!("the policy `{}` names the group `{name}` as approvers", policy.doc.name);
                return Err(EngineError::StillNeeded(why));
            }
            if snapshot.settings().default_approvers.iter().any(is_it) {
                return Err(EngineError::StillNeeded(format!("the default approvers name the group `{name}`")));
            }
            turn.bring(RowKey::Group(row.id));
            turn.emit(Draft::new(Event::GroupRemoved(Nothing {}), actor, row.id)).map(drop)
        })
        .await
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
