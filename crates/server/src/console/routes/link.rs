//! The page of a personal link. Opening it decides nothing, however it is opened; a form that a person filled in does, in
//! the browser in which the page was opened.

use axum::extract::{Path, State};
use axum::http::header::{HeaderName, REFERRER_POLICY, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::CookieJar;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use sha2::Sha256;
use signoff_core::actor::Principal;
use signoff_core::approval::Refusal;
use signoff_engine::view::LinkView;
use signoff_engine::{Engine, EngineError, EngineResult, mint_token};
use subtle::ConstantTimeEq as _;

use super::approval::Place;
use super::decide::{CHANGED, HIDDEN};
use super::decision::{DecisionForm, Objection, Wish};
use super::fields::{Asked, Filled};
use super::origin::FromHere;
use super::page::page;
use super::session::shell;
use super::trouble::{Trouble, wants_document};
use super::visitor;
use crate::Doors;
use crate::console::shown;
use crate::console::view::approval::Kept;
use crate::console::view::link::{LinkClosed, LinkForm, LinkPage};

/// Where personal links lie, and the cookie of their forms.
const PLACE: &str = "/d";
/// How long the cookie's value is, in hexadecimal digits.
const COOKIE_CHARS: usize = 64;
/// Nothing of it belongs into the index of a search engine, or into its cache; and no request that a page makes carries its
/// address. Not `no-referrer`, with which browsers send `Origin: null` from the form.
const HEADERS: [(HeaderName, &str); 2] = [
    (
        HeaderName::from_static("x-robots-tag"),
        "noindex, nofollow, noarchive",
    ),
    (REFERRER_POLICY, "strict-origin"),
];

/// The form, as sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct SentForm {
    decision: String,
    digest: String,
    view: String,
    text: String,
    typed: String,
    read: String,
    bound: String,
    left_empty: String,
    automatic: String,
}

/// What came back from a form that decided nothing.
#[derive(Default)]
struct Back {
    chosen: String,
    text: String,
    /// Said at the form.
    problem: Option<String>,
    /// Said at the top.
    late: Option<String>,
}

impl Back {
    fn kept(&self) -> Option<Kept> {
        self.late.as_ref().map(|problem| Kept {
            problem: problem.clone(),
            text: self.text.clone(),
        })
    }
}

/// Shows whose link it is and what would happen.
pub(super) async fn show(
    State(doors): State<Doors>,
    headers: HeaderMap,
    Path(token): Path<String>,
    Asked(place): Asked<Place>,
) -> Result<Response, Trouble> {
    no_keys(&doors, &headers).await?;
    let opening = Opening::new(&doors, &headers, &token);
    opening.answer(&place, Back::default(), StatusCode::OK).await
}

/// Decides, if a person did all that it takes.
pub(super) async fn decide(
    State(doors): State<Doors>,
    headers: HeaderMap,
    Path(token): Path<String>,
    Asked(place): Asked<Place>,
    from_here: Result<FromHere, Trouble>,
    form: Result<Filled<SentForm>, Trouble>,
) -> Result<Response, Trouble> {
    no_keys(&doors, &headers).await?;
    let typed = form
        .as_ref()
        .map(|Filled(form)| form.text.clone())
        .unwrap_or_default();
    from_here.map_err(|trouble| trouble.keeping(&typed))?;
    let Filled(form) = form?;
    let opening = Opening::new(&doors, &headers, &token);
    let (status, back) = match opening.carry_out(&form).await {
        Ok(()) => {
            let done = Redirect::to(&format!("{PLACE}/{token}")).into_response();
            return Ok(kept_to_itself(done));
        }
        Err(Stopped::Other(error)) => return Err(opening.trouble(error).keeping(&typed)),
        Err(Stopped::Field(problem)) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            Back {
                problem: Some(problem),
                ..form.back()
            },
        ),
        Err(Stopped::Late(status, late)) => (
            status,
            Back {
                late: Some(late),
                ..form.back()
            },
        ),
    };
    opening.answer(&place, back, status).await
}

/// I6: no key opens a personal link; those of agents are told why.
async fn no_keys(doors: &Doors, headers: &HeaderMap) -> Result<(), Trouble> {
    match visitor::key(headers) {
        Some(key) => Err(Trouble::Document(visitor::key_refused(doors.engine(), key).await)),
        None => Ok(()),
    }
}

/// Why nothing was decided.
enum Stopped {
    /// A field is not as it should be: the form comes back.
    Field(String),
    /// Something stands against it: it is said on top of what is there now.
    Late(StatusCode, String),
    /// Something else.
    Other(EngineError),
}

/// A link that somebody opens in a browser.
struct Opening<'a> {
    engine: &'a Engine,
    headers: &'a HeaderMap,
    token: &'a str,
}

impl<'a> Opening<'a> {
    fn new(doors: &'a Doors, headers: &'a HeaderMap, token: &'a str) -> Self {
        Self {
            engine: doors.engine(),
            headers,
            token,
        }
    }

    fn trouble(&self, error: EngineError) -> Trouble {
        Trouble::new(self.headers, error).with_link("Open the link again", format!("{PLACE}/{}", self.token))
    }

    /// Who else is signed in here, if somebody else is.
    async fn somebody_else(&self, link: &LinkView) -> EngineResult<Option<String>> {
        let Some(cookie) = visitor::cookie_value(self.headers, self.engine) else {
            return Ok(None);
        };
        let caller = match self.engine.session(&cookie).await {
            Err(EngineError::Unauthorized) => return Ok(None),
            other => other?,
        };
        match &caller.principal {
            Principal::Operator { id, .. } if *id == link.operator.id => Ok(None),
            _ => {
                let me = self.engine.me(&caller)?;
                Ok(Some(shown::who_text(&me.actor)))
            }
        }
    }

    /// The page as things stand, with what came back from a form.
    async fn answer(&self, place: &Place, back: Back, status: StatusCode) -> Result<Response, Trouble> {
        let link = match self.engine.open_link(self.token).await {
            Ok(link) => link,
            Err(EngineError::NotFound { .. }) if !wants_document(self.headers) => {
                let closed = shown::link::nothing(shell("This link opens nothing"), back.kept());
                return Ok(closed_page(StatusCode::NOT_FOUND, &closed));
            }
            Err(error) => return Err(Trouble::new(self.headers, error)),
        };
        let other = self.somebody_else(&link).await;
        if let Some(name) = other.map_err(|error| self.trouble(error))? {
            let shell = shell("This link is somebody else’s");
            let closed = shown::link::somebody_elses(&link, &name, shell, back.kept());
            return Ok(closed_page(StatusCode::FORBIDDEN, &closed));
        }
        let title = format!("For {}", signoff_core::sentence::tame(&link.operator.name));
        if let Err(why) = &link.decides {
            let gone = matches!(why, Refusal::Ended(_) | Refusal::DeadlinePassed);
            let status = if gone { StatusCode::GONE } else { status };
            let closed = shown::link::closed(&link, why, shell(&title), back.kept());
            return Ok(closed_page(status, &closed));
        }
        let approval = shown::link::open(&link, place.show(), back.kept()).map_err(|error| {
            tracing::error!(%error, "a page could not be rendered");
            self.trouble(EngineError::Internal)
        })?;
        let cookie = self.cookie().unwrap_or_else(new_cookie);
        let shown = LinkPage {
            shell: shell(&title),
            whose: shown::link::whose(&link),
            form: LinkForm {
                bound: self.bound(&cookie),
                chosen: back.chosen,
                text: if back.late.is_some() {
                    String::new()
                } else {
                    back.text
                },
                problem: back.problem,
            },
            approval,
        };
        let mut response = page(status, &shown);
        if let Ok(cookie) = HeaderValue::from_str(&self.set_cookie(&cookie)) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        Ok(kept_to_itself(response))
    }

    async fn carry_out(&self, form: &SentForm) -> Result<(), Stopped> {
        let link = match self.engine.open_link(self.token).await {
            Ok(link) => link,
            Err(EngineError::NotFound { .. }) => {
                return Err(Stopped::Late(StatusCode::NOT_FOUND, NOTHING.to_owned()));
            }
            Err(error) => return Err(Stopped::Other(error)),
        };
        if self.somebody_else(&link).await.map_err(Stopped::Other)?.is_some() {
            return Err(Stopped::Late(StatusCode::FORBIDDEN, NOTHING.to_owned()));
        }
        if let Err(why) = &link.decides {
            return Err(Stopped::Late(StatusCode::CONFLICT, not_now(why, &link)));
        }
        self.by_a_person(form, &link)?;
        let wish = form.decision().wish(&link.approval, link.grant.as_ref());
        let decide = match wish.map_err(objected)? {
            Wish::Decide(decide) => *decide,
            Wish::Cancel(_) => return Err(Stopped::Field(CHOOSE.to_owned())),
        };
        match self.engine.decide_by_link(self.token, decide).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.refused(error).await),
        }
    }

    /// What a program that fills in forms does not do by itself: keep the cookie of the very page, choose, confirm, and
    /// leave alone what people don't see.
    fn by_a_person(&self, form: &SentForm, link: &LinkView) -> Result<(), Stopped> {
        let bound = self.cookie().map(|cookie| self.bound(&cookie));
        let same = bound.is_some_and(|bound| bool::from(bound.as_bytes().ct_eq(form.bound.as_bytes())));
        if !same {
            return Err(Stopped::Late(StatusCode::FORBIDDEN, NOT_OPENED_HERE.to_owned()));
        }
        if !form.left_empty.is_empty() || !form.automatic.is_empty() {
            return Err(Stopped::Field(FILLED_IN.to_owned()));
        }
        if !matches!(form.decision.as_str(), "approve" | "deny" | "ask") {
            return Err(Stopped::Field(CHOOSE.to_owned()));
        }
        if form.read != "yes" {
            let name = signoff_core::sentence::tame(&link.operator.name);
            return Err(Stopped::Field(format!(
                "Confirm that you are {name} and have read what would happen."
            )));
        }
        Ok(())
    }

    async fn refused(&self, error: EngineError) -> Stopped {
        match error {
            EngineError::Ended { .. } => match self.engine.open_link(self.token).await {
                Ok(now) => Stopped::Late(
                    StatusCode::GONE,
                    not_now(&Refusal::Ended(now.approval.row.status), &now),
                ),
                Err(error) => Stopped::Other(error),
            },
            EngineError::Decision(Refusal::ReasonRequired) => {
                Stopped::Field("A reason is needed.".to_owned())
            }
            EngineError::Decision(Refusal::DigestMismatch) => {
                Stopped::Late(StatusCode::CONFLICT, CHANGED.to_owned())
            }
            EngineError::Decision(why) => {
                let why = shown::people::refused(&why);
                Stopped::Late(StatusCode::CONFLICT, format!("{why} Nothing was changed."))
            }
            EngineError::NotFound { .. } => Stopped::Late(StatusCode::NOT_FOUND, NOTHING.to_owned()),
            EngineError::Invalid(faults) => {
                let why: Vec<String> = faults.into_iter().map(|(_, why)| why).collect();
                Stopped::Field(why.join("; "))
            }
            other => Stopped::Other(other),
        }
    }

    // ---- the form's cookie ----

    /// What only the browser that opened the page can send back.
    fn bound(&self, cookie: &str) -> String {
        let Ok(mut mac) = <Hmac<Sha256>>::new_from_slice(cookie.as_bytes()) else {
            // Nothing that anybody could send back.
            return new_cookie();
        };
        mac.update(b"signoff.link_form.v1\0");
        mac.update(self.token.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }

    fn cookie(&self) -> Option<String> {
        let jar = CookieJar::from_headers(self.headers);
        let value = jar
            .get(&cookie_name(self.engine.public_url()))?
            .value()
            .to_owned();
        let genuine = value.len() == COOKIE_CHARS && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        genuine.then_some(value)
    }

    fn set_cookie(&self, value: &str) -> String {
        let name = cookie_name(self.engine.public_url());
        let secure = if name.starts_with("__Secure-") {
            "; Secure"
        } else {
            ""
        };
        format!("{name}={value}; Path={PLACE}; HttpOnly; SameSite=Strict{secure}")
    }
}

const NOTHING: &str = "Nothing was decided.";
const CHOOSE: &str = "Choose first: approve, deny or ask. Nothing was decided.";
const FILLED_IN: &str = "A field was filled in that people don’t see, as programs do. Nothing was decided. If you used \
    something that fills in forms, turn it off for this page.";
const NOT_OPENED_HERE: &str = "This page was not opened in this browser, or the browser keeps no cookies for it. Nothing \
    was decided. Look at it now, then decide.";

/// Why it can't be decided any more, or not here.
fn not_now(why: &Refusal, link: &LinkView) -> String {
    match why {
        Refusal::Ended(_) => {
            let what = shown::approval::end_text(&link.approval);
            format!("This came too late: {what}. Nothing was changed.")
        }
        other => format!("{} Nothing was changed.", shown::people::refused(other)),
    }
}

fn objected(objection: Objection) -> Stopped {
    match objection {
        Objection::Field(why) => Stopped::Field(why),
        Objection::Changed => Stopped::Late(StatusCode::CONFLICT, CHANGED.to_owned()),
        Objection::Hidden => Stopped::Late(StatusCode::CONFLICT, HIDDEN.to_owned()),
        Objection::Unknown => Stopped::Field(CHOOSE.to_owned()),
    }
}

impl SentForm {
    fn decision(&self) -> DecisionForm {
        // The one box stands for the tick that some actions ask for; a name that has to be typed has its own field.
        let confirm = if self.typed.is_empty() {
            &self.read
        } else {
            &self.typed
        };
        DecisionForm::plain(&self.decision, &self.digest, &self.view, confirm, &self.text)
    }

    fn back(&self) -> Back {
        Back {
            chosen: self.decision.clone(),
            text: self.decision().words(),
            problem: None,
            late: None,
        }
    }
}

fn closed_page(status: StatusCode, closed: &LinkClosed) -> Response {
    kept_to_itself(page(status, closed))
}

fn kept_to_itself(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

fn new_cookie() -> String {
    mint_token().expose_secret().to_owned()
}

/// Bound to TLS where there is any; else by port, because browsers keep no ports apart.
fn cookie_name(public_url: &str) -> String {
    match public_url.parse::<url::Url>() {
        Ok(url) if url.scheme() == "https" => "__Secure-signoff-link".to_owned(),
        Ok(url) => format!("signoff-link-{}", url.port_or_known_default().unwrap_or_default()),
        Err(_) => "signoff-link".to_owned(),
    }
}
