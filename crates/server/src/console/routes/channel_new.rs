//! The form of a new channel. What is secret goes in and comes back in no answer, not even where the form comes back.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use serde_json::{Map, Value};
use signoff_core::channel::ChannelKind;
use signoff_core::time::Micros;
use signoff_engine::EngineError;
use signoff_engine::request::CreateChannel;

use super::channels::{Once, answer, permit};
use super::fields::{Asked, Filled};
use super::origin::FromHere;
use super::page::{ok, page};
use super::trouble::Trouble;
use super::visitor::Visitor;
use crate::api::Refused;
use crate::console::inert::Inert;
use crate::console::shown;
use crate::console::view::channel::{ChannelField, ChannelNewPage};

/// Longest setting, in characters, as in the API.
const SETTING_CHARS_MAX: usize = 4_000;

type Faults = Vec<(String, String)>;

/// Which kind the form is for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct KindQuery {
    kind: String,
}

/// The form, as sent: by name. Has no `Debug`: it holds what must not be seen.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct ChannelForm(BTreeMap<String, String>);

impl ChannelForm {
    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |text| text.trim())
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let split = |letter: char| letter == '\n' || letter == ',';
        let lines = self.text(name).split(split).map(str::trim);
        lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// The channel that the form describes.
    fn channel(&self, kind: ChannelKind) -> Result<CreateChannel, Faults> {
        let mut faults = Faults::new();
        let mut settings = Map::new();
        for field in shown::channel::fields(kind) {
            match self.setting(&field) {
                Ok(Some(value)) => {
                    settings.insert(field.name.to_owned(), value);
                }
                Ok(None) if field.is_needed => {
                    faults.push((format!("/{}", field.name), "it is needed".to_owned()));
                }
                Ok(None) => {}
                Err(why) => faults.push((format!("/{}", field.name), why)),
            }
        }
        let window = self.text("window");
        let window = (!window.is_empty()).then(|| Micros::parse(window)).transpose();
        let window = window.unwrap_or_else(|why| {
            faults.push(("/window".to_owned(), why));
            None
        });
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(CreateChannel {
            name: self.text("name").to_owned(),
            kind,
            settings,
            events: self.lines("events"),
            named_only: self.text("named_only") == "yes",
            window,
        })
    }

    fn setting(&self, field: &ChannelField) -> Result<Option<Value>, String> {
        let text = self.text(field.name);
        if text.chars().count() > SETTING_CHARS_MAX {
            return Err(format!("at most {SETTING_CHARS_MAX} characters"));
        }
        if text.is_empty() {
            return Ok(None);
        }
        Ok(Some(match field.input {
            "number" => match text.parse::<u16>() {
                Ok(number) => Value::from(number),
                Err(_) => return Err("a number from 0 to 65535".to_owned()),
            },
            "list" => Value::from(self.lines(field.name)),
            "yes" => Value::from(text == "yes"),
            "one_of" if field.choices.iter().all(|(value, _)| *value != text) => {
                return Err("choose one of these".to_owned());
            }
            _ => Value::from(text),
        }))
    }

    /// Whether something secret was given, which has to be given once more.
    fn holds_secrets(&self, kind: ChannelKind) -> bool {
        let mut fields = shown::channel::fields(kind).into_iter();
        fields.any(|field| field.input == "secret" && !self.text(field.name).is_empty())
    }
}

/// The empty form of a kind.
pub(super) async fn form(visitor: Visitor, Asked(asked): Asked<KindQuery>) -> Result<Response, Trouble> {
    permit(&visitor)?;
    let Some(kind) = ChannelKind::parse(&asked.kind) else {
        return Ok(Redirect::to("/channels#kinds").into_response());
    };
    Ok(ok(&form_page(
        &visitor,
        kind,
        &ChannelForm::default(),
        Vec::new(),
    )
    .await?))
}

/// Keeps a new channel.
pub(super) async fn create(
    visitor: Visitor,
    _: FromHere,
    Filled(form): Filled<ChannelForm>,
) -> Result<Response, Trouble> {
    permit(&visitor)?;
    let Some(kind) = ChannelKind::parse(form.text("kind")) else {
        let refused = Refused::parameter("choose what the channel is; nothing was kept");
        return Err(visitor.trouble(refused).with_link("To the channels", "/channels"));
    };
    let create = match form.channel(kind) {
        Ok(create) => create,
        Err(faults) => return again(&visitor, kind, &form, faults).await,
    };
    let gives_secret = !create.settings.contains_key("secret");
    match visitor
        .engine()
        .create_channel(&visitor.caller, create, None)
        .await
    {
        Ok(created) => match created.secret.filter(|_| gives_secret) {
            Some(secret) => {
                let once = Once {
                    notice: Some("The channel is kept."),
                    secret: Some(secret),
                    tested: None,
                };
                answer(&visitor, &created.made, None, once).await
            }
            None => Ok(Redirect::to(&format!("/channels/{}?done=made", created.made.id)).into_response()),
        },
        Err(EngineError::Invalid(faults)) => again(&visitor, kind, &form, faults).await,
        Err(error @ EngineError::NameTaken { .. }) => {
            let faults = vec![("/name".to_owned(), error.to_string())];
            again(&visitor, kind, &form, faults).await
        }
        Err(other) => Err(visitor.trouble(other).with_link("To the channels", "/channels")),
    }
}

async fn again(
    visitor: &Visitor,
    kind: ChannelKind,
    form: &ChannelForm,
    faults: Faults,
) -> Result<Response, Trouble> {
    let mut problems: Vec<Inert> = faults
        .iter()
        .map(|(at, why)| shown::channel::fault(kind, at, why))
        .collect();
    if form.holds_secrets(kind) {
        problems.push(Inert::all(
            "Nothing was kept. Give what is secret once more: it stands on no page.",
        ));
    }
    let made = form_page(visitor, kind, form, problems).await?;
    Ok(page(StatusCode::UNPROCESSABLE_ENTITY, &made))
}

async fn form_page(
    visitor: &Visitor,
    kind: ChannelKind,
    form: &ChannelForm,
    problems: Vec<Inert>,
) -> Result<ChannelNewPage, Trouble> {
    let mut fields = shown::channel::fields(kind);
    for field in fields.iter_mut().filter(|field| field.input != "secret") {
        form.text(field.name).clone_into(&mut field.value);
    }
    let shell = visitor.shell("New channel", "channels").await;
    Ok(ChannelNewPage {
        shell: shell.map_err(|error| visitor.trouble(error))?,
        kind: kind.as_str(),
        kind_words: shown::channel::kind_words(kind),
        what_for: shown::channel::what_for(kind),
        docs: shown::channel::docs(kind),
        name: form.text("name").to_owned(),
        events: form.text("events").to_owned(),
        window: form.text("window").to_owned(),
        named_only: form.text("named_only") == "yes",
        is_for_programs: kind.is_for_programs(),
        fields,
        problems,
    })
}
