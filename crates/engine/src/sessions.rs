//! Browsers: the first admin, signing in, signing out.

use secrecy::{ExposeSecret, SecretString};
use signoff_core::{
    actor::{Actor, ActorKind, Auth, Principal},
    event::{Event, Nothing, OperatorPut, PasswordSet},
    id::OperatorId,
    requirement::{Role, is_address},
    time::Micros,
};
use signoff_store::{PersonRow, SecretKind, SessionRow, Wants};
use subtle::ConstantTimeEq;

use crate::{
    Engine, EngineError, EngineResult,
    credential::{check_password, hash_password, hash_token, mint_token, verify_password},
    request::{SetUp, SignIn},
    turn::{Draft, Turn, mint_id},
    view::{Caller, SignedIn},
};

/// How long a browser stays signed in.
const SESSION_LIFETIME: Micros = Micros::seconds(12 * 3_600);
/// The longest name of a person, in characters.
pub(crate) const PERSON_NAME_CHARS_MAX: usize = 200;

/// Checks what people type about themselves.
pub(crate) fn check_person(name: Option<&str>, email: Option<&str>) -> EngineResult<()> {
    if let Some(name) = name {
        let length = name.trim().chars().count();
        if length == 0 || length > PERSON_NAME_CHARS_MAX || name.chars().any(char::is_control) {
            let why = format!(
                "a name has 1 to {PERSON_NAME_CHARS_MAX} characters, none of them control characters"
            );
            return Err(EngineError::invalid("/name", why));
        }
    }
    match email {
        Some(email) if !is_address(email.trim()) => {
            Err(EngineError::invalid("/email", "this is not an e-mail address"))
        }
        _ => Ok(()),
    }
}

fn operator_actor(id: OperatorId, auth: Auth) -> Actor {
    Actor {
        kind: ActorKind::Operator,
        id: Some(id.to_string()),
        auth: Some(auth),
    }
}

fn open_session(
    turn: &mut Turn<'_>,
    operator: OperatorId,
    auth: Auth,
    cookie: &SecretString,
) -> EngineResult<SignedIn> {
    let expires_at = turn.now().plus(SESSION_LIFETIME);
    turn.emit(Draft::new(
        Event::SignedIn(Nothing {}),
        operator_actor(operator, auth),
        operator,
    ))?;
    turn.ledger.changes.sessions.push(SessionRow {
        hash: hash_token(cookie.expose_secret()),
        workspace: turn.ledger.tenant.id,
        operator,
        created_at: turn.now(),
        expires_at,
    });
    Ok(SignedIn {
        cookie: cookie.clone(),
        operator,
        expires_at,
    })
}

impl Engine {
    /// Hashes a password off the runtime, a few at a time.
    pub(crate) async fn hash_password(&self, password: SecretString) -> EngineResult<Vec<u8>> {
        check_password(&password).map_err(|why| EngineError::invalid("/password", why))?;
        let _permit = self
            .inner
            .hashers
            .acquire()
            .await
            .map_err(|_| EngineError::Unavailable)?;
        let hashed = tokio::task::spawn_blocking(move || hash_password(&password)).await;
        match hashed {
            Ok(Ok(hash)) => Ok(hash.into_bytes()),
            _ => Err(EngineError::Internal),
        }
    }

    /// Makes the first admin with the token of the first-run link, and signs them in.
    ///
    /// # Errors
    /// If the token is wrong, or there is an operator already.
    pub async fn set_up(&self, set_up: SetUp) -> EngineResult<SignedIn> {
        let given = set_up.token.expose_secret().as_bytes();
        let genuine = bool::from(given.ct_eq(self.inner.setup_token.expose_secret().as_bytes()));
        if !genuine || self.setup_token().is_none() {
            return Err(EngineError::Forbidden(
                "the first-run link is not valid, or was used already".into(),
            ));
        }
        check_person(Some(&set_up.name), Some(&set_up.email))?;
        let hash = self.hash_password(set_up.password).await?;
        let tenant = self.inner.home.clone();
        let (name, email) = (set_up.name.trim().to_owned(), set_up.email.trim().to_owned());
        let (operator, cookie) = (OperatorId(mint_id(self.now())), mint_token());
        self.write(&tenant, Wants::default(), move |turn| {
            if !turn.snapshot().rows.operators.is_empty() {
                return Err(EngineError::Forbidden("the first admin was made already".into()));
            }
            let actor = Actor {
                kind: ActorKind::System,
                id: Some("first_run".into()),
                auth: Some(Auth::SetupLink),
            };
            let put = OperatorPut {
                role: Role::Admin,
                disabled: false,
            };
            turn.emit(Draft::new(Event::OperatorPut(put), actor.clone(), operator))?;
            let (secret, digest) =
                turn.ledger
                    .tenant
                    .key
                    .secret(SecretKind::Password, operator.0, hash.clone());
            turn.emit(Draft::new(
                Event::PasswordSet(PasswordSet { digest }),
                actor,
                operator,
            ))?;
            turn.ledger.changes.secrets.push(secret);
            turn.ledger.changes.people.push(PersonRow {
                id: operator,
                name: name.clone(),
                email: email.clone(),
            });
            open_session(turn, operator, Auth::SetupLink, &cookie)
        })
        .await
    }

    /// Signs in with address and password.
    ///
    /// # Errors
    /// [`EngineError::WrongPassword`] without saying which of the two is wrong; too many failures must wait.
    pub async fn sign_in(&self, sign_in: SignIn) -> EngineResult<SignedIn> {
        let tenant = self.inner.home.clone();
        let now = self.now();
        let email = sign_in.email.trim().to_owned();
        self.inner
            .sign_ins
            .may_try(&email, now)
            .map_err(|retry_after_seconds| EngineError::RateLimited { retry_after_seconds })?;
        self.inner.sign_ins.failed(&email, now);
        self.catch_up(&tenant).await?;
        let snapshot = tenant.snapshot();
        let known = snapshot
            .operator_by_email(&email)
            .filter(|id| snapshot.active_operator(*id).is_some());
        let stored = known.and_then(|id| snapshot.password(id)).map(<[u8]>::to_vec);
        // An unknown address takes as long as a known one.
        let stored_or_dummy = stored.clone().unwrap_or_else(|| DUMMY_HASH.as_bytes().to_vec());
        let password = sign_in.password;
        let genuine = {
            let _permit = self
                .inner
                .hashers
                .acquire()
                .await
                .map_err(|_| EngineError::Unavailable)?;
            let verified =
                tokio::task::spawn_blocking(move || verify_password(&password, &stored_or_dummy)).await;
            verified.unwrap_or(false) && stored.is_some()
        };
        let cookie = mint_token();
        let signed_in = self
            .write(&tenant, Wants::default(), move |turn| {
                let fresh = turn.snapshot();
                // The password or the person may have changed while the hash was computed.
                let same = known.filter(|id| {
                    genuine
                        && fresh.active_operator(*id).is_some()
                        && fresh.password(*id) == stored.as_deref()
                });
                if let Some(operator) = same {
                    return open_session(turn, operator, Auth::Password, &cookie);
                }
                let stranger = Actor {
                    kind: ActorKind::Stranger,
                    id: None,
                    auth: Some(Auth::Password),
                };
                let subject = known.map_or_else(|| turn.ledger.tenant.id.to_string(), |id| id.to_string());
                turn.emit(Draft::new(Event::SignInFailed(Nothing {}), stranger, subject))?;
                Err(EngineError::WrongPassword)
            })
            .await?;
        self.inner.sign_ins.succeeded(&email);
        Ok(signed_in)
    }

    /// Signs in with a one-time link.
    ///
    /// # Errors
    /// If it was used or its time has passed.
    pub async fn enter(&self, token: &str) -> EngineResult<SignedIn> {
        let expired = || EngineError::Forbidden("the link was used already or its time has passed".into());
        let operator = self.take_entry(token).ok_or_else(expired)?;
        let tenant = self.inner.home.clone();
        let cookie = mint_token();
        self.write(&tenant, Wants::default(), move |turn| {
            turn.snapshot()
                .active_operator(operator)
                .ok_or(EngineError::Unauthorized)?;
            open_session(turn, operator, Auth::SetupLink, &cookie)
        })
        .await
    }

    /// Who a cookie belongs to.
    ///
    /// # Errors
    /// [`EngineError::Unauthorized`] when the session is unknown or has ended.
    pub async fn session(&self, cookie: &str) -> EngineResult<Caller> {
        if cookie.len() != 64 {
            return Err(EngineError::Unauthorized);
        }
        let row = self
            .store()
            .session(&hash_token(cookie))
            .await?
            .ok_or(EngineError::Unauthorized)?;
        if row.expires_at <= self.now() {
            return Err(EngineError::Unauthorized);
        }
        let tenant = self
            .inner
            .tenants
            .get(&row.workspace)
            .ok_or(EngineError::Unauthorized)?;
        if tenant.snapshot().active_operator(row.operator).is_none() {
            self.catch_up(tenant).await?;
        }
        let role = tenant
            .snapshot()
            .active_operator(row.operator)
            .ok_or(EngineError::Unauthorized)?
            .role;
        let principal = Principal::Operator {
            id: row.operator,
            role,
            auth: Auth::Session,
        };
        Ok(Caller {
            workspace: row.workspace,
            principal,
            key: None,
            part: None,
            slack: None,
        })
    }

    /// Ends a session.
    ///
    /// # Errors
    /// If the store fails; an unknown session is none.
    pub async fn sign_out(&self, cookie: &str) -> EngineResult<()> {
        let Ok(caller) = self.session(cookie).await else {
            return Ok(());
        };
        let tenant = self.tenant(&caller)?;
        let hash = hash_token(cookie);
        self.write(&tenant, Wants::default(), move |turn| {
            if let Principal::Operator { id, auth, .. } = caller.principal {
                turn.emit(Draft::new(
                    Event::SignedOut(Nothing {}),
                    operator_actor(id, auth),
                    id,
                ))?;
            }
            turn.ledger.changes.ended_sessions.push(hash);
            Ok(())
        })
        .await
    }
}

/// A hash of nothing anybody knows, with the same cost as a real one.
const DUMMY_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2lnbm9mZi1kdW1teS1zYWx0$dQm1yhXJCoZAwmn0rWBmxnDNKOSGYTJlpvHZ4eEiZJg";
