//! `POST /sdk/token`: what the client's plain `request()` asks, to make the call itself. Signoff gives no credential away,
//! so it says which of the client's words leads to the call that is made here.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use signoff_core::action::Action;
use signoff_core::http::{Call, GivenCall};
use signoff_core::policy::Effect;
use signoff_engine::request::Submit;
use signoff_engine::view::GrantView;

use super::constraints::Scope;
use super::fault::Fault;
use super::grants::{Choice, chosen};
use super::signed::Signed;
use crate::Doors;

/// What the client asks. Nothing of it is released, so what else stands there makes no difference.
#[derive(Debug, Deserialize)]
struct Wanted {
    grant_id: Option<String>,
    provider_id: Option<String>,
    account: Option<String>,
    label: Option<String>,
    app_user_id: Option<String>,
    user_token: Option<String>,
    request: Option<WantedFor>,
}

/// The call that the client would make.
#[derive(Debug, Deserialize)]
struct WantedFor {
    method: Option<String>,
    url: Option<String>,
}

pub(super) async fn token(State(doors): State<Doors>, signed: Signed) -> Fault {
    refusal(&doors, &signed).await.unwrap_or_else(|fault| fault)
}

async fn refusal(doors: &Doors, signed: &Signed) -> Result<Fault, Fault> {
    signed.within(Scope::TokensRetrieve)?;
    let wanted: Wanted = signed.request.json()?;
    signed.request.constraints.lets_through(None)?;
    let agent = signed.agent(doors)?;
    let choice = Choice {
        grant_id: wanted.grant_id,
        provider_id: wanted.provider_id,
        account: wanted.account,
        label: wanted.label,
        app_user_id: wanted.app_user_id,
        user_token: wanted.user_token,
    };
    let grant = chosen(doors, &signed.caller, agent.as_deref(), &choice)?;
    let (code, why) = if asks(doors, signed, agent, &grant, wanted.request).await {
        (
            "hitl_grant_requires_proxy",
            "people must approve this call; use `proxy_request`",
        )
    } else {
        (
            "restricted_grant_requires_proxy",
            "Signoff gives no credential away and makes the call itself; use `proxy_request`",
        )
    };
    Ok(Fault::new(StatusCode::BAD_REQUEST, code, why))
}

/// Whether people would be asked about the call; where that can't be said, they are not named.
async fn asks(
    doors: &Doors,
    signed: &Signed,
    agent: Option<String>,
    grant: &GrantView,
    wanted: Option<WantedFor>,
) -> bool {
    let Some((method, url)) = wanted.and_then(|wanted| wanted.method.zip(wanted.url)) else {
        return false;
    };
    let call = Call::new(GivenCall {
        method,
        url,
        grant: Some(grant.row.id.to_string()),
        ..GivenCall::default()
    });
    let Ok(call) = call else { return false };
    let submit = Submit {
        agent,
        ..Submit::of(Action {
            http: Some(Arc::new(call.clone())),
            ..Action::named(call.action_name())
        })
    };
    let judged = doors.engine().check(&signed.caller, &submit).await;
    judged.is_ok_and(|judged| judged.verdict.effect == Effect::Ask)
}
