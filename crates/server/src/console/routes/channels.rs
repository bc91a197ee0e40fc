//! Channels: the list, one of them with what it sent, trying it, switching it, sending again. Admins alone.

use std::str::FromStr as _;

use axum::extract::Path;
use axum::response::{IntoResponse as _, Redirect, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use signoff_core::authority::Operation;
use signoff_core::id::ChannelId;
use signoff_engine::request::UpdateChannel;
use signoff_engine::view::ChannelView;
use signoff_engine::{EngineError, EngineResult, OLD_SECRET_LASTS};

use super::fields::{Asked, Filled, href, query};
use super::origin::FromHere;
use super::page::ok;
use super::trouble::Trouble;
use super::visitor::Visitor;
use crate::api::Refused;
use crate::console::shown;
use crate::console::view::channel::{ChannelPage, ChannelRemovePage, ChannelsPage, TestShown};

/// Channels on one page: more than a workspace has.
const ROWS: u32 = 200;
/// Messages on one page.
const DELIVERIES: u32 = 50;

/// What was just done, and where the list of messages goes on.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ChannelQuery {
    beyond: Option<u64>,
    done: String,
}

impl ChannelQuery {
    fn notice(&self) -> Option<&'static str> {
        match self.done.as_str() {
            "made" => Some("The channel is kept. Send a test to see that it arrives."),
            "on" => Some("It is switched on, and tells again from now on."),
            "off" => Some("It is switched off: nothing is sent by it until it is switched on."),
            "changed" => Some("The change is kept. Send a test to see that it arrives."),
            "same" => Some("Nothing was different, so nothing was changed."),
            "again" => Some("It is on its way once more, with the same id."),
            _ => None,
        }
    }
}

/// What is shown once on the page of a channel.
#[derive(Default)]
pub(super) struct Once {
    pub(super) notice: Option<&'static str>,
    pub(super) secret: Option<SecretString>,
    pub(super) tested: Option<TestShown>,
}

/// The list.
pub(super) async fn list(visitor: Visitor, Asked(asked): Asked<ChannelQuery>) -> Result<Response, Trouble> {
    permit(&visitor)?;
    let trouble = |error: EngineError| visitor.trouble(error);
    let found = visitor.engine().channels(&visitor.caller, None, None, ROWS);
    let found = found.map_err(trouble)?;
    Ok(ok(&ChannelsPage {
        shell: visitor.shell("Channels", "channels").await.map_err(trouble)?,
        notice: (asked.done == "removed").then_some("The channel is gone. Nothing is sent by it any more."),
        rows: found.items.iter().map(shown::channel::line).collect(),
        kinds: shown::channel::kinds(),
    }))
}

/// One channel.
pub(super) async fn show(
    visitor: Visitor,
    Path(id): Path<String>,
    Asked(asked): Asked<ChannelQuery>,
) -> Result<Response, Trouble> {
    let view = find(&visitor, &id)?;
    let once = Once {
        notice: asked.notice(),
        ..Once::default()
    };
    answer(&visitor, &view, asked.beyond, once).await
}

/// The page of a channel with what is shown once.
pub(super) async fn answer(
    visitor: &Visitor,
    view: &ChannelView,
    beyond: Option<u64>,
    once: Once,
) -> Result<Response, Trouble> {
    let made = make(visitor, view, beyond, once).await;
    Ok(ok(&made.map_err(|error| trouble(visitor, error))?))
}

async fn make(
    visitor: &Visitor,
    view: &ChannelView,
    beyond: Option<u64>,
    once: Once,
) -> EngineResult<ChannelPage> {
    let engine = visitor.engine();
    let sent = engine
        .deliveries(&visitor.caller, view.id, beyond, DELIVERIES)
        .await?;
    let place = format!("/channels/{}", view.id);
    let older = |seq: u64| href(&place, &query(&[("beyond", &seq.to_string())]));
    let title = format!("Channel {}", signoff_core::sentence::tame(&view.name));
    let line = |delivery| shown::channel::delivery(delivery, view.disabled, visitor.now());
    Ok(ChannelPage {
        shell: visitor.shell(&title, "channels").await?,
        id: view.id.to_string(),
        line: shown::channel::line(view),
        notice: once.notice,
        secret: once.secret.map(|secret| secret.expose_secret().to_owned()),
        tested: once.tested,
        pairs: shown::channel::pairs(view),
        signs: view.kind.is_for_programs(),
        created: shown::moment(view.created_at, visitor.now()),
        deliveries: sent.items.iter().map(line).collect(),
        next_href: sent.next.map(older),
        first_href: beyond.map(|_| place.clone()),
    })
}

/// What is done to a channel is done by a form of its page: whoever follows such an address sees the channel.
pub(super) async fn back(_: Visitor, Path(id): Path<String>) -> Result<Response, Trouble> {
    let place = ChannelId::from_str(&id).map_or("/channels".to_owned(), |id| format!("/channels/{id}"));
    Ok(Redirect::to(&place).into_response())
}

/// Sends a test now, and shows what came of it.
pub(super) async fn test(visitor: Visitor, _: FromHere, Path(id): Path<String>) -> Result<Response, Trouble> {
    let view = find(&visitor, &id)?;
    let tested = visitor.engine().test_channel(&visitor.caller, view.id).await;
    let tested = tested.map_err(|error| trouble_at(&visitor, &view, error))?;
    let once = Once {
        tested: Some(shown::channel::tested(&tested)),
        ..Once::default()
    };
    answer(&visitor, &view, None, once).await
}

/// Which way a channel is switched.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct SwitchForm {
    to: String,
}

/// Switches it off, or on again.
pub(super) async fn switch(
    visitor: Visitor,
    _: FromHere,
    Path(id): Path<String>,
    Filled(form): Filled<SwitchForm>,
) -> Result<Response, Trouble> {
    let view = find(&visitor, &id)?;
    let disabled = match form.to.as_str() {
        "on" => false,
        "off" => true,
        _ => {
            let refused = Refused::parameter("say whether it is to be on or off; nothing was changed");
            return Err(visitor.trouble(refused).with_link("To the channel", at(&view)));
        }
    };
    let update = UpdateChannel {
        disabled: Some(disabled),
        ..UpdateChannel::default()
    };
    let changed = visitor
        .engine()
        .update_channel(&visitor.caller, view.id, update)
        .await;
    changed.map_err(|error| trouble_at(&visitor, &view, error))?;
    Ok(Redirect::to(&format!("{}?done={}", at(&view), form.to)).into_response())
}

/// Makes a new signing secret, which is shown once.
pub(super) async fn rotate_secret(
    visitor: Visitor,
    _: FromHere,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let view = find(&visitor, &id)?;
    let engine = visitor.engine();
    let rotated = engine.rotate_channel_secret(&visitor.caller, view.id, OLD_SECRET_LASTS);
    let rotated = rotated
        .await
        .map_err(|error| trouble_at(&visitor, &view, error))?;
    let once = Once {
        notice: Some("There is a new signing secret. The one before it signs beside it for 24 hours."),
        secret: rotated.secret,
        tested: None,
    };
    answer(&visitor, &rotated.made, None, once).await
}

/// Asks once more before a channel is taken away.
pub(super) async fn remove_form(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Trouble> {
    let view = find(&visitor, &id)?;
    let shell = visitor.shell("Remove a channel", "channels").await;
    Ok(ok(&ChannelRemovePage {
        shell: shell.map_err(|error| visitor.trouble(error))?,
        line: shown::channel::line(&view),
    }))
}

/// Takes it away.
pub(super) async fn remove(
    visitor: Visitor,
    _: FromHere,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let view = find(&visitor, &id)?;
    let removed = visitor.engine().remove_channel(&visitor.caller, view.id).await;
    removed.map_err(|error| trouble(&visitor, error))?;
    Ok(Redirect::to("/channels?done=removed").into_response())
}

/// What is sent again.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct AgainForm {
    seq: String,
}

/// Sends again what ended.
pub(super) async fn redeliver(
    visitor: Visitor,
    _: FromHere,
    Path(id): Path<String>,
    Filled(form): Filled<AgainForm>,
) -> Result<Response, Trouble> {
    let view = find(&visitor, &id)?;
    let engine = visitor.engine();
    let sent = match form.seq.parse() {
        Ok(seq) => engine.redeliver(&visitor.caller, view.id, seq).await,
        Err(_) => Err(EngineError::not_found("delivery that ended", &form.seq)),
    };
    sent.map_err(|error| trouble_at(&visitor, &view, error))?;
    Ok(Redirect::to(&format!("{}?done=again", at(&view))).into_response())
}

/// The channel by the id in the address.
pub(super) fn find(visitor: &Visitor, id: &str) -> Result<ChannelView, Trouble> {
    permit(visitor)?;
    let found = match id.parse() {
        Ok(id) => visitor.engine().channel(&visitor.caller, id),
        Err(_) => Err(EngineError::not_found("channel", id)),
    };
    found.map_err(|error| trouble(visitor, error))
}

/// Refuses whoever may not see channels.
pub(super) fn permit(visitor: &Visitor) -> Result<(), Trouble> {
    let permit = visitor.engine().permit(&visitor.caller, Operation::Govern);
    permit.map(drop).map_err(|error| visitor.trouble(error))
}

/// Its page.
pub(super) fn at(view: &ChannelView) -> String {
    format!("/channels/{}", view.id)
}

fn trouble(visitor: &Visitor, error: EngineError) -> Trouble {
    visitor.trouble(error).with_link("To the channels", "/channels")
}

fn trouble_at(visitor: &Visitor, view: &ChannelView, error: EngineError) -> Trouble {
    visitor.trouble(error).with_link("To the channel", at(view))
}
