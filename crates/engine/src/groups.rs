//! Groups of operators.

use signoff_core::{
    authority::Operation,
    event::{Event, GroupPut, Nothing},
    fold::RowKey,
    id::{GroupId, OperatorId},
    name::check_name,
    requirement::Approver,
    rows::GroupRow,
};
use signoff_store::Wants;

use crate::{
    Engine, EngineError, EngineResult,
    keys::page,
    snapshot::Snapshot,
    turn::{Draft, mint_id},
    view::{Caller, GroupView, Named, Page},
};

/// How many operators a group has: it stands whole in one record.
const MEMBERS_MAX: usize = 1_000;

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

impl Engine {
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
        if members.len() > MEMBERS_MAX {
            return Err(EngineError::invalid(
                "/members",
                format!("a group has at most {MEMBERS_MAX} members"),
            ));
        }
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
            let policy = snapshot.rows.policies.values().find(|policy| !policy.removed && policy.doc.approval.named_approvers().any(is_it));
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
