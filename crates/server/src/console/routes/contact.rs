//! How the person who looks is reached: their channels, number, topic, quiet hours. A topic goes in and never comes out.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use signoff_core::time::Micros;
use signoff_engine::EngineError;
use signoff_engine::contact::QuietHours;
use signoff_engine::request::UpdateContact;
use signoff_engine::view::ContactView;

use super::fields::{Asked, Filled, given};
use super::origin::FromHere;
use super::page::{ok, page};
use super::trouble::Trouble;
use super::visitor::Visitor;
use crate::api::convert::minute_of_day;
use crate::console::inert::Inert;
use crate::console::shown;
use crate::console::view::contact::{ContactFields, ContactPage};

/// The caller, as the engine's paths call them.
const ME: &str = "me";

/// What was just done.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ContactQuery {
    done: String,
}

/// The form, as sent: by name, with `channel_chn_…` for each that is ticked. Has no `Debug`: it may hold a topic.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct ContactForm(BTreeMap<String, String>);

type Faults = Vec<(String, String)>;

impl ContactForm {
    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |text| text.trim())
    }

    fn ticked(&self) -> Vec<String> {
        let names = self.0.keys().filter_map(|name| name.strip_prefix("channel_"));
        names.map(str::to_owned).collect()
    }

    fn fields(&self) -> ContactFields {
        let text = |name| self.text(name).to_owned();
        ContactFields {
            chosen: self.text("choose") == "chosen",
            phone: text("phone"),
            quiet_from: text("quiet_from"),
            quiet_to: text("quiet_to"),
            time_zone: text("time_zone"),
            window: text("window"),
        }
    }

    /// All that the form says: what is empty is taken away, but for the topic, which is only taken away where it is said.
    fn update(&self) -> Result<UpdateContact, Faults> {
        let mut faults = Faults::new();
        let fields = self.fields();
        let window = given(&fields.window)
            .map(|window| Micros::parse(&window))
            .transpose();
        let window = window.unwrap_or_else(|why| {
            faults.push(("/window".to_owned(), why));
            None
        });
        let quiet_hours = self.quiet().unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        if !faults.is_empty() {
            return Err(faults);
        }
        let topic = given(self.text("push_topic")).map(Some);
        let no_topic = (self.text("no_topic") == "yes").then_some(None);
        Ok(UpdateContact {
            channels: Some(fields.chosen.then(|| self.ticked())),
            phone: Some(given(&fields.phone)),
            push_topic: topic.or(no_topic),
            quiet_hours: Some(quiet_hours),
            window: Some(window),
        })
    }

    fn quiet(&self) -> Result<Option<QuietHours>, (String, String)> {
        let (from, to) = (self.text("quiet_from"), self.text("quiet_to"));
        if from.is_empty() && to.is_empty() {
            return Ok(None);
        }
        let fault = |why: &str| ("/quiet_hours".to_owned(), why.to_owned());
        // Some browsers send seconds with a time of day.
        let minute = |text: &str| minute_of_day(text.get(..5).unwrap_or(text));
        let (Some(from_minute), Some(to_minute)) = (minute(from), minute(to)) else {
            return Err(fault(
                "give both times of day, such as 22:00 and 07:00, or neither",
            ));
        };
        if self.text("time_zone").is_empty() {
            return Err(fault("say where you live, such as Europe/Berlin or UTC"));
        }
        Ok(Some(QuietHours {
            from_minute,
            to_minute,
            time_zone: self.text("time_zone").to_owned(),
        }))
    }
}

/// How they are reached.
pub(super) async fn show(visitor: Visitor, Asked(asked): Asked<ContactQuery>) -> Result<Response, Trouble> {
    let view = read(&visitor)?;
    let fields = shown::contact::fields(&view);
    let mut made = contact_page(&visitor, &view, fields, Vec::new()).await?;
    made.notice = (asked.done == "kept").then_some("It is kept, and holds from the next message on.");
    Ok(ok(&made))
}

/// Keeps what the form says.
pub(super) async fn save(
    visitor: Visitor,
    _: FromHere,
    Filled(form): Filled<ContactForm>,
) -> Result<Response, Trouble> {
    let view = read(&visitor)?;
    let faults = match form.update() {
        Ok(update) => match visitor.engine().update_contact(&visitor.caller, ME, update).await {
            Ok(_) => return Ok(Redirect::to("/account/contact?done=kept").into_response()),
            Err(EngineError::Invalid(faults)) => faults,
            Err(other) => return Err(visitor.trouble(other)),
        },
        Err(faults) => faults,
    };
    let mut problems: Vec<Inert> = faults
        .iter()
        .map(|(at, why)| shown::contact::fault(at, why))
        .collect();
    if !form.text("push_topic").is_empty() {
        problems.push(Inert::all(
            "Nothing was kept. Give the topic once more: it stands on no page.",
        ));
    }
    let mut made = contact_page(&visitor, &view, form.fields(), problems).await?;
    let ticked = form.ticked();
    for way in &mut made.ways {
        way.is_chosen = ticked.contains(&way.id);
    }
    Ok(page(StatusCode::UNPROCESSABLE_ENTITY, &made))
}

fn read(visitor: &Visitor) -> Result<ContactView, Trouble> {
    let view = visitor.engine().contact(&visitor.caller, ME);
    view.map_err(|error| visitor.trouble(error))
}

async fn contact_page(
    visitor: &Visitor,
    view: &ContactView,
    form: ContactFields,
    problems: Vec<Inert>,
) -> Result<ContactPage, Trouble> {
    let shell = visitor.shell("How you are reached", "").await;
    Ok(ContactPage {
        shell: shell.map_err(|error| visitor.trouble(error))?,
        form,
        ways: shown::contact::ways(view),
        has_push_topic: view.has_push_topic,
        notice: None,
        problems,
    })
}
