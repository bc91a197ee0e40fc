//! Personal tokens of operators.

use signoff_core::{
    actor::Principal,
    authority::{Operation, Permit},
    event::{Event, KeyOwner, Nothing},
    fold::RowKey,
    id::{KeyId, OperatorId},
    rows::KeyRow,
};
use signoff_store::Wants;

use crate::{
    Engine, EngineError, EngineResult, KeyShape,
    content::Opened,
    idempotency::{Once, want},
    keys::{Made, issue_key},
    tenant::Tenant,
    turn::Draft,
    view::{Caller, Created, TokenView},
};

use crate::operators::find_operator;

impl Engine {
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
        let id = find_operator(&tenant.snapshot(), caller, operator)?;
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
        shape: KeyShape,
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
        let once = Once::of(&tenant, caller, "create_token", key, &(id, &name, shape))?;
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
                let (token, secret) = issue_key(turn, KeyOwner::Operator(id), shape, &actor, kept, None)?;
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
}
