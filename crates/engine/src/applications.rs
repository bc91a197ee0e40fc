//! Applications: keys that ask for several named agents.

use signoff_core::{
    authority::Operation,
    event::{ApplicationPut, Event, KeyOwner},
    fold::RowKey,
    id::ApplicationId,
    name::{check_glob, check_name},
    rows::ApplicationRow,
};
use signoff_store::Wants;

use crate::{
    Engine, EngineError, EngineResult, KeyShape,
    idempotency::{Once, want},
    request::{CreateApplication, UpdateApplication},
    snapshot::Snapshot,
    turn::{Draft, mint_id},
    view::{ApplicationView, Caller, Created, Page},
};

use crate::keys::{Made, issue_key, page};

/// How many names and globs an application lists.
const AGENTS_MAX: usize = 200;

fn check_globs(agents: &[String]) -> EngineResult<()> {
    if agents.is_empty() || agents.len() > AGENTS_MAX {
        return Err(EngineError::invalid(
            "/agents",
            format!("1 to {AGENTS_MAX} names or globs; `*` is every agent"),
        ));
    }
    for (at, glob) in agents.iter().enumerate() {
        check_glob(glob).map_err(|why| EngineError::invalid(format!("/agents/{at}"), why))?;
    }
    Ok(())
}

fn application_view(snapshot: &Snapshot, row: &ApplicationRow) -> ApplicationView {
    ApplicationView {
        key_created_at: snapshot.key_created_at(KeyOwner::Application(row.id)),
        row: row.clone(),
    }
}

impl Engine {
    /// Applications by name.
    ///
    /// # Errors
    /// If the caller may not see them.
    pub fn applications(
        &self,
        caller: &Caller,
        beyond: Option<u64>,
        limit: u32,
    ) -> EngineResult<Page<ApplicationView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let snapshot = tenant.snapshot();
        let mut rows: Vec<&ApplicationRow> = snapshot.rows.applications.values().collect();
        rows.sort_by_key(|row| row.name.to_ascii_lowercase());
        let found = page(rows, beyond, limit)?;
        Ok(Page {
            items: found
                .items
                .into_iter()
                .map(|row| application_view(&snapshot, row))
                .collect(),
            next: found.next,
        })
    }

    /// One application by id or name.
    ///
    /// # Errors
    /// If there is none.
    pub fn application(&self, caller: &Caller, application: &str) -> EngineResult<ApplicationView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let snapshot = tenant.snapshot();
        let row = snapshot
            .find_application(application)
            .ok_or_else(|| EngineError::not_found("application", application))?;
        Ok(application_view(&snapshot, row))
    }

    /// Makes an application with its key.
    ///
    /// # Errors
    /// If the name is taken or not a name.
    pub async fn create_application(
        &self,
        caller: &Caller,
        create: CreateApplication,
        key: Option<&str>,
    ) -> EngineResult<Created<ApplicationView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        check_name(&create.name).map_err(|why| EngineError::invalid("/name", why))?;
        check_globs(&create.agents)?;
        let once = Once::of(
            &tenant,
            caller,
            "create_application",
            key,
            &(&create.name, &create.agents, create.register_new, create.key),
        )?;
        let mut wants = Wants::default();
        want(&mut wants, once.as_ref());
        let caller_then = caller.clone();
        let (id, secret) = self
            .write(&tenant, wants, move |turn| {
                let actor = turn.principal(&caller_then, Operation::Govern)?.0.actor();
                if let Some(made) = turn.before::<Made<ApplicationId>>(once.as_ref())? {
                    return Ok((made.id, None));
                }
                if turn.snapshot().find_application(&create.name).is_some() {
                    return Err(EngineError::NameTaken {
                        kind: "an application",
                        name: create.name.clone(),
                    });
                }
                let id = ApplicationId(mint_id(turn.now()));
                let put = ApplicationPut {
                    name: create.name.clone(),
                    agents: create.agents.clone(),
                    register_new: create.register_new,
                    disabled: false,
                };
                turn.emit(Draft::new(Event::ApplicationPut(put), actor.clone(), id))?;
                let (_, secret) = issue_key(turn, KeyOwner::Application(id), create.key, &actor, None, None)?;
                turn.remember(once.as_ref(), &Made { id })?;
                Ok((id, Some(secret)))
            })
            .await?;
        Ok(Created {
            made: self.application(caller, &id.to_string())?,
            secret,
        })
    }

    /// Changes an application.
    ///
    /// # Errors
    /// If there is none.
    pub async fn update_application(
        &self,
        caller: &Caller,
        application: &str,
        update: UpdateApplication,
    ) -> EngineResult<ApplicationView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        if let Some(agents) = &update.agents {
            check_globs(agents)?;
        }
        let (caller_then, name) = (caller.clone(), application.to_owned());
        self.write(&tenant, Wants::default(), move |turn| {
            let actor = turn.principal(&caller_then, Operation::Govern)?.0.actor();
            let snapshot = turn.snapshot();
            let row = snapshot
                .find_application(&name)
                .ok_or_else(|| EngineError::not_found("application", &name))?;
            let put = ApplicationPut {
                name: row.name.clone(),
                agents: update.agents.clone().unwrap_or_else(|| row.agents.clone()),
                register_new: update.register_new.unwrap_or(row.register_new),
                disabled: update.disabled.unwrap_or(row.disabled),
            };
            turn.bring(RowKey::Application(row.id));
            turn.emit(Draft::new(Event::ApplicationPut(put), actor, row.id))
                .map(drop)
        })
        .await?;
        self.application(caller, application)
    }

    /// A new key for an application; the old ones open nothing from then on.
    ///
    /// # Errors
    /// If there is no such application.
    pub async fn rotate_application_key(
        &self,
        caller: &Caller,
        application: &str,
        shape: KeyShape,
        key: Option<&str>,
    ) -> EngineResult<Created<ApplicationView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let id = self.application(caller, application)?.row.id;
        let secret = self
            .rotate(&tenant, caller, KeyOwner::Application(id), shape, key)
            .await?;
        Ok(Created {
            made: self.application(caller, application)?,
            secret,
        })
    }
}
