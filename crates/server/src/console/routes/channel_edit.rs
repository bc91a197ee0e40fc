//! The form of a channel. What is secret goes in and comes back in no answer, not even where the form comes back.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use serde_json::{Map, Value};
use signoff_core::channel::ChannelKind;
use signoff_core::time::Micros;
use signoff_engine::EngineError;
use signoff_engine::request::{CreateChannel, UpdateChannel};
use signoff_engine::view::ChannelView;

use super::channels::{Once, answer, at, find, permit};
use super::fields::{Asked, Filled};
use super::origin::FromHere;
use super::page::{ok, page};
use super::trouble::Trouble;
use super::visitor::Visitor;
use crate::api::Refused;
use crate::console::inert::Inert;
use crate::console::shown;
use crate::console::view::channel::{ChannelEditPage, ChannelField};

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

    /// What the fields say, by the names on the wire; null takes away what is there.
    fn settings(&self, fields: &[ChannelField]) -> (Map<String, Value>, Faults) {
        let (mut settings, mut faults) = (Map::new(), Faults::new());
        for field in fields {
            let value = match self.setting(field) {
                Ok(Some(value)) => value,
                Ok(None) if field.input == "yes" => Value::from(false),
                Ok(None) if field.input == "secret" && field.is_set => {
                    if self.text(&field.drop_name()) != "yes" {
                        continue;
                    }
                    Value::Null
                }
                Ok(None) if field.is_needed => {
                    faults.push((format!("/{}", field.name), "it is needed".to_owned()));
                    continue;
                }
                Ok(None) if field.is_set => Value::Null,
                Ok(None) => continue,
                Err(why) => {
                    faults.push((format!("/{}", field.name), why));
                    continue;
                }
            };
            settings.insert(field.name.to_owned(), value);
        }
        (settings, faults)
    }

    fn window(&self, faults: &mut Faults) -> Option<Micros> {
        let window = self.text("window");
        let window = (!window.is_empty()).then(|| Micros::parse(window))?;
        window
            .map_err(|why| faults.push(("/window".to_owned(), why)))
            .ok()
    }

    /// The channel that the form describes.
    fn channel(&self, kind: ChannelKind) -> Result<CreateChannel, Faults> {
        let (settings, mut faults) = self.settings(&shown::channel::fields(kind));
        let window = self.window(&mut faults);
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

    /// The change that the form describes. An empty secret is no change.
    fn change(&self, present: &ChannelView) -> Result<UpdateChannel, Faults> {
        let (settings, mut faults) = self.settings(&shown::channel::present_fields(present));
        let window = self.window(&mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(UpdateChannel {
            name: Some(self.text("name").to_owned()),
            settings,
            events: Some(self.lines("events")),
            named_only: Some(self.text("named_only") == "yes"),
            // What is shown is what counts, set or not.
            window: (window != Some(present.window)).then_some(window),
            ..UpdateChannel::default()
        })
    }

    /// What stands in the form of a channel that is there.
    fn of(present: &ChannelView) -> Self {
        let mut form: BTreeMap<String, String> = shown::channel::present_fields(present)
            .into_iter()
            .map(|field| (field.name.to_owned(), field.value))
            .collect();
        form.insert("name".to_owned(), present.name.clone());
        form.insert("events".to_owned(), present.events.join("\n"));
        form.insert("window".to_owned(), present.window.to_string());
        if present.named_only {
            form.insert("named_only".to_owned(), "yes".to_owned());
        }
        Self(form)
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
    fn holds_secrets(&self, fields: &[ChannelField]) -> bool {
        let mut fields = fields.iter();
        fields.any(|field| field.input == "secret" && !self.text(field.name).is_empty())
    }
}

/// The empty form of a kind.
pub(super) async fn blank(visitor: Visitor, Asked(asked): Asked<KindQuery>) -> Result<Response, Trouble> {
    permit(&visitor)?;
    let Some(kind) = ChannelKind::parse(&asked.kind) else {
        return Ok(Redirect::to("/channels#kinds").into_response());
    };
    let form = ChannelForm::default();
    Ok(ok(&form_page(&visitor, Of::New(kind), &form, Vec::new()).await?))
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
        Err(faults) => return again(&visitor, Of::New(kind), &form, faults).await,
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
        Err(error) => refuse(&visitor, Of::New(kind), &form, error).await,
    }
}

/// The form of a channel that is there.
pub(super) async fn form(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Trouble> {
    let view = find(&visitor, &id)?;
    let form = ChannelForm::of(&view);
    Ok(ok(
        &form_page(&visitor, Of::Present(&view), &form, Vec::new()).await?
    ))
}

/// Keeps the change of a channel.
pub(super) async fn save(
    visitor: Visitor,
    _: FromHere,
    Path(id): Path<String>,
    Filled(form): Filled<ChannelForm>,
) -> Result<Response, Trouble> {
    let view = find(&visitor, &id)?;
    let update = match form.change(&view) {
        Ok(update) => update,
        Err(faults) => return again(&visitor, Of::Present(&view), &form, faults).await,
    };
    let changed = visitor.engine().update_channel(&visitor.caller, view.id, update);
    match changed.await {
        Ok((_, changed)) => {
            let done = if changed.is_empty() { "same" } else { "changed" };
            Ok(Redirect::to(&format!("{}?done={done}", at(&view))).into_response())
        }
        Err(error) => refuse(&visitor, Of::Present(&view), &form, error).await,
    }
}

/// Whose form it is.
#[derive(Clone, Copy)]
enum Of<'a> {
    New(ChannelKind),
    Present(&'a ChannelView),
}

impl Of<'_> {
    fn kind(self) -> ChannelKind {
        match self {
            Self::New(kind) => kind,
            Self::Present(view) => view.kind,
        }
    }

    fn fields(self) -> Vec<ChannelField> {
        match self {
            Self::New(kind) => shown::channel::fields(kind),
            Self::Present(view) => shown::channel::present_fields(view),
        }
    }

    fn back(self) -> String {
        match self {
            Self::New(_) => "/channels".to_owned(),
            Self::Present(view) => at(view),
        }
    }
}

async fn refuse(
    visitor: &Visitor,
    of: Of<'_>,
    form: &ChannelForm,
    error: EngineError,
) -> Result<Response, Trouble> {
    match error {
        EngineError::Invalid(faults) => again(visitor, of, form, faults).await,
        EngineError::NameTaken { .. } => {
            let faults = vec![("/name".to_owned(), error.to_string())];
            again(visitor, of, form, faults).await
        }
        other => Err(visitor.trouble(other).with_link("Back", of.back())),
    }
}

async fn again(
    visitor: &Visitor,
    of: Of<'_>,
    form: &ChannelForm,
    faults: Faults,
) -> Result<Response, Trouble> {
    let mut problems: Vec<Inert> = faults
        .iter()
        .map(|(at, why)| shown::channel::fault(of.kind(), at, why))
        .collect();
    if form.holds_secrets(&of.fields()) {
        problems.push(Inert::all(
            "Nothing was kept. Give what is secret once more: it stands on no page.",
        ));
    }
    let made = form_page(visitor, of, form, problems).await?;
    Ok(page(StatusCode::UNPROCESSABLE_ENTITY, &made))
}

async fn form_page(
    visitor: &Visitor,
    of: Of<'_>,
    form: &ChannelForm,
    problems: Vec<Inert>,
) -> Result<ChannelEditPage, Trouble> {
    let (kind, mut fields) = (of.kind(), of.fields());
    for field in fields.iter_mut().filter(|field| field.input != "secret") {
        form.text(field.name).clone_into(&mut field.value);
    }
    let (title, present, action) = match of {
        Of::New(_) => ("New channel", None, "/channels/new".to_owned()),
        Of::Present(view) => (
            "Channel",
            Some(Inert::all(&view.name)),
            format!("{}/edit", at(view)),
        ),
    };
    let shell = visitor.shell(title, "channels").await;
    Ok(ChannelEditPage {
        shell: shell.map_err(|error| visitor.trouble(error))?,
        present,
        action,
        back: of.back(),
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
