//! Who looks at a page: somebody signed in. Keys open no page, and those of agents are told why.

use std::str::FromStr as _;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum_extra::extract::CookieJar;
use secrecy::ExposeSecret as _;
use signoff_api::Code;
use signoff_core::actor::Principal;
use signoff_core::requirement::Role;
use signoff_core::time::Timestamp;
use signoff_engine::view::{Caller, Me, SignedIn};
use signoff_engine::{Engine, EngineError, EngineResult};
use url::Url;

use super::trouble::{Trouble, wants_document};
use crate::Doors;
use crate::api::Refused;
use crate::console::inert::Inert;
use crate::console::shown;
use crate::console::view::stop::StoppedNote;
use crate::console::view::{Shell, Viewer};

/// Somebody who is signed in.
pub(super) struct Visitor {
    /// All that the page can ask.
    pub(super) doors: Doors,
    /// Who, for the engine.
    pub(super) caller: Caller,
    me: Me,
}

impl Visitor {
    /// Where everything is decided.
    pub(super) fn engine(&self) -> &Engine {
        self.doors.engine()
    }

    /// The time that this page is shown at.
    pub(super) fn now(&self) -> Timestamp {
        self.me.now
    }

    /// What surrounds the page.
    pub(super) async fn shell(&self, title: &str, part: &'static str) -> EngineResult<Shell> {
        let waiting = self.engine().pending().await?;
        let automatic = "Approvals are given automatically: this server was started with --auto-approve.";
        Ok(Shell {
            title: title.to_owned(),
            part,
            viewer: Some(self.viewer()),
            workspace: signoff_core::sentence::tame(&self.me.workspace.name),
            waiting: usize::try_from(waiting).unwrap_or(usize::MAX),
            banner: self.engine().auto_approves().then(|| automatic.to_owned()),
            stopped: self.stopped(),
            now: shown::moment(self.now(), self.now()).iso,
        })
    }

    /// The operator, for the top bar.
    pub(super) fn viewer(&self) -> Viewer {
        Viewer {
            name: shown::who(&self.me.actor),
            email: Inert::all(self.me.email.as_deref().unwrap_or_default()),
            role: self.me.role.map_or("", Role::as_str),
        }
    }

    /// What is stopped, for the top of the page.
    fn stopped(&self) -> Option<StoppedNote> {
        let stops = self.engine().stops_at_a_glance(&self.caller);
        shown::stop::note(&stops.unwrap_or_default(), self.now())
    }

    /// A refusal as a page for this person.
    pub(super) fn trouble(&self, refused: impl Into<Refused>) -> Trouble {
        Trouble::for_people(refused).seen_by(self.viewer(), self.stopped())
    }
}

impl FromRequestParts<Doors> for Visitor {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, doors: &Doors) -> Result<Self, Trouble> {
        let engine = doors.engine();
        if let Some(key) = key(&parts.headers) {
            return Err(Trouble::Document(key_refused(engine, key).await));
        }
        let caller = match cookie_value(&parts.headers, engine) {
            Some(cookie) => engine.session(&cookie).await,
            None => Err(EngineError::Unauthorized),
        };
        match caller.and_then(|caller| Ok((engine.me(&caller)?, caller))) {
            Ok((me, caller)) => Ok(Self {
                doors: doors.clone(),
                caller,
                me,
            }),
            Err(EngineError::Unauthorized) => Err(stranger(parts)),
            Err(other) => Err(Trouble::new(&parts.headers, other)),
        }
    }
}

/// A page is asked for after signing in; anything else has to be done again.
fn stranger(parts: &Parts) -> Trouble {
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    if reads && !wants_document(&parts.headers) {
        let next = parts.uri.path_and_query().map_or("/", |place| place.as_str());
        return Trouble::SignIn(next.to_owned());
    }
    let refused = Refused::new(Code::Unauthorized, "sign in, then do it again");
    Trouble::new(&parts.headers, refused).with_link("Sign in", "/sign-in")
}

/// The key that a program presents, if it does.
pub(super) fn key(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get_all(AUTHORIZATION).iter().filter_map(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    let plain = headers
        .get_all("x-api-key")
        .iter()
        .filter_map(|value| value.to_str().ok());
    bearer.chain(plain).next()
}

/// I6: the key of one who asks decides nothing, here as anywhere. Other keys have `/v1`.
pub(super) async fn key_refused(engine: &Engine, key: &str) -> Refused {
    match engine.authenticate(key).await.map(|caller| caller.principal) {
        Ok(Principal::Agent(_) | Principal::Application(_)) => EngineError::AskersNeverDecide.into(),
        Ok(Principal::Operator { .. } | Principal::Automation(_)) => Refused::new(
            Code::Forbidden,
            "the console takes no keys; programs use the paths under /v1",
        ),
        Err(error) => error.into(),
    }
}

// ---- the cookie ----

/// What the cookie is called: bound to this very host where it is only ever sent over TLS; else by port, because
/// browsers keep no ports apart.
fn cookie_name(public_url: &str) -> String {
    match Url::from_str(public_url) {
        Ok(url) if url.scheme() == "https" => "__Host-signoff".to_owned(),
        Ok(url) => format!("signoff-{}", url.port_or_known_default().unwrap_or_default()),
        Err(_) => "signoff".to_owned(),
    }
}

/// The session's cookie, as the browser sent it.
pub(super) fn cookie_value(headers: &HeaderMap, engine: &Engine) -> Option<String> {
    let jar = CookieJar::from_headers(headers);
    jar.get(&cookie_name(engine.public_url()))
        .map(|cookie| cookie.value().to_owned())
}

/// The cookie of a new session, as a header. Lax, so that a link in a mail opens what it points at.
pub(super) fn cookie(engine: &Engine, signed_in: &SignedIn) -> String {
    let seconds = engine.now().until(signed_in.expires_at).as_seconds().max(0);
    set_cookie(engine.public_url(), signed_in.cookie.expose_secret(), seconds)
}

/// The header that ends the session in the browser.
pub(super) fn no_cookie(engine: &Engine) -> String {
    set_cookie(engine.public_url(), "", 0)
}

fn set_cookie(public_url: &str, value: &str, seconds: i64) -> String {
    let name = cookie_name(public_url);
    let secure = if name.starts_with("__Host-") {
        "; Secure"
    } else {
        ""
    };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_bound_to_the_host_where_it_can_be() {
        assert_eq!(
            set_cookie("https://signoff.example.com", "v", 60),
            "__Host-signoff=v; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure"
        );
        assert_eq!(
            set_cookie("http://127.0.0.1:7070", "v", 60),
            "signoff-7070=v; Path=/; HttpOnly; SameSite=Lax; Max-Age=60"
        );
    }

    #[test]
    fn keys_are_seen_in_either_header_and_passwords_of_proxies_are_not_keys() {
        let headers = |name: &'static str, value: &'static str| {
            HeaderMap::from_iter([(
                axum::http::HeaderName::from_static(name),
                axum::http::HeaderValue::from_static(value),
            )])
        };
        assert_eq!(
            key(&headers("authorization", "bearer sgo_agt_1")),
            Some("sgo_agt_1")
        );
        assert_eq!(key(&headers("x-api-key", "sgo_agt_1")), Some("sgo_agt_1"));
        assert_eq!(key(&headers("authorization", "Basic dXNlcjpwYXNz")), None);
    }
}
