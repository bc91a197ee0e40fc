//! First run, signing in and out, and the link that signs in. Opening a link does nothing; pressing its button does.

use axum::extract::State;
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use signoff_api::Code;
use signoff_engine::request::{SetUp, SignIn};
use signoff_engine::view::SignedIn;
use signoff_engine::{Engine, EngineError};
use subtle::ConstantTimeEq as _;

use super::fields::{Asked, Filled};
use super::origin::FromHere;
use super::page::{ok, page};
use super::trouble::Trouble;
use super::visitor::{self, Visitor};
use crate::Doors;
use crate::api::Refused;
use crate::console::inert::Inert;
use crate::console::view::Shell;
use crate::console::view::session::{EnterPage, SetupPage, SignInPage};

/// What surrounds a page before one is signed in.
pub(super) fn shell(title: &str) -> Shell {
    Shell {
        title: title.to_owned(),
        part: "",
        viewer: None,
        workspace: String::new(),
        waiting: 0,
        banner: None,
        stopped: None,
        now: String::new(),
    }
}

/// A page of this server to go on to; anything else becomes the inbox, so that no link leads elsewhere.
fn safe_next(next: &str) -> &str {
    let leads_here = next.starts_with('/') && !next.starts_with("//") && !next.contains('\\');
    if leads_here && next.len() <= 2_000 && next.bytes().all(|byte| byte.is_ascii_graphic()) {
        next
    } else {
        "/"
    }
}

/// Goes on with a session.
fn enter_with(engine: &Engine, signed_in: &SignedIn, next: &str) -> Response {
    let headers = [
        (SET_COOKIE, visitor::cookie(engine, signed_in)),
        (LOCATION, safe_next(next).to_owned()),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

// ---- first run ----

/// A link's query.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Link {
    token: String,
    next: String,
}

/// The form of the first run.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct SetupForm {
    token: String,
    name: String,
    email: String,
    password: String,
}

/// Whether the first-run link is the one that the server printed, and nobody used it yet.
fn check_setup(engine: &Engine, token: &str) -> Result<(), Trouble> {
    let Some(genuine) = engine.setup_token() else {
        let refused = Refused::new(Code::Forbidden, "the first admin was made already");
        return Err(Trouble::for_people(refused).with_link("Sign in", "/sign-in"));
    };
    if bool::from(genuine.expose_secret().as_bytes().ct_eq(token.as_bytes())) {
        return Ok(());
    }
    let refused = Refused::new(
        Code::Forbidden,
        "this is not the first-run link that the server printed when it started",
    );
    Err(Trouble::for_people(refused).with_link("Sign in", "/sign-in"))
}

/// Shows the form of the first run.
pub(super) async fn setup_form(
    State(doors): State<Doors>,
    Asked(link): Asked<Link>,
) -> Result<Response, Trouble> {
    check_setup(doors.engine(), &link.token)?;
    let shown = SetupPage {
        shell: shell("First run"),
        token: link.token,
        name: String::new(),
        email: String::new(),
        problems: vec![],
    };
    Ok(ok(&shown))
}

/// Makes the first admin and signs them in.
pub(super) async fn set_up(
    State(doors): State<Doors>,
    _: FromHere,
    Filled(form): Filled<SetupForm>,
) -> Result<Response, Trouble> {
    let engine = doors.engine();
    check_setup(engine, &form.token)?;
    let asked = SetUp {
        token: SecretString::from(form.token.clone()),
        name: form.name.clone(),
        email: form.email.clone(),
        password: SecretString::from(form.password),
    };
    match engine.set_up(asked).await {
        Ok(signed_in) => Ok(enter_with(engine, &signed_in, "/")),
        Err(EngineError::Invalid(faults)) => {
            let field = |pointer: &str| {
                ["name", "email", "password"]
                    .into_iter()
                    .find(|name| pointer == format!("/{name}"))
            };
            let problems = faults
                .into_iter()
                .map(|(pointer, why)| (field(&pointer).unwrap_or(""), format!("{why}.")))
                .collect();
            let shown = SetupPage {
                shell: shell("First run"),
                token: form.token,
                name: form.name,
                email: form.email,
                problems,
            };
            Ok(page(StatusCode::UNPROCESSABLE_ENTITY, &shown))
        }
        Err(other) => Err(Trouble::for_people(other).with_link("Sign in", "/sign-in")),
    }
}

// ---- signing in and out ----

/// Where to go after signing in.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SignInQuery {
    next: String,
    out: String,
}

/// The form of the sign-in.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct SignInForm {
    email: String,
    password: String,
    next: String,
}

/// Shows the form of the sign-in; whoever is signed in goes on.
pub(super) async fn sign_in_form(
    State(doors): State<Doors>,
    visitor: Result<Visitor, Trouble>,
    Asked(asked): Asked<SignInQuery>,
) -> Response {
    let next = safe_next(&asked.next);
    if visitor.is_ok() {
        return (StatusCode::SEE_OTHER, [(LOCATION, next.to_owned())]).into_response();
    }
    let notice = match () {
        () if doors.engine().setup_token().is_some() => Some(
            "Nobody is here yet. Open the first-run link that the server printed when it started.".to_owned(),
        ),
        () if asked.out == "1" => Some("You are signed out.".to_owned()),
        () if next.starts_with("/approvals/") => Some("Sign in to see the request and decide.".to_owned()),
        () => None,
    };
    ok(&SignInPage {
        shell: shell("Sign in"),
        next: next.to_owned(),
        email: String::new(),
        problem: None,
        notice,
    })
}

/// Signs in.
pub(super) async fn sign_in(
    State(doors): State<Doors>,
    _: FromHere,
    Filled(form): Filled<SignInForm>,
) -> Result<Response, Trouble> {
    let engine = doors.engine();
    let asked = SignIn {
        email: form.email.trim().to_owned(),
        password: SecretString::from(form.password),
    };
    let (status, problem) = match engine.sign_in(asked).await {
        Ok(signed_in) => return Ok(enter_with(engine, &signed_in, &form.next)),
        Err(EngineError::WrongPassword) => (
            StatusCode::UNAUTHORIZED,
            "The e-mail address or the password is wrong.".to_owned(),
        ),
        Err(EngineError::RateLimited { retry_after_seconds }) => (
            StatusCode::TOO_MANY_REQUESTS,
            format!("Too many attempts. Try again in {retry_after_seconds} s."),
        ),
        Err(other) => return Err(Trouble::for_people(other).with_link("Sign in", "/sign-in")),
    };
    let next = safe_next(&form.next).to_owned();
    let shown = SignInPage {
        shell: shell("Sign in"),
        next,
        email: form.email,
        problem: Some(problem),
        notice: None,
    };
    Ok(page(status, &shown))
}

/// Signs out.
pub(super) async fn sign_out(
    State(doors): State<Doors>,
    _: FromHere,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let engine = doors.engine();
    if let Some(cookie) = visitor::cookie_value(&headers, engine) {
        engine
            .sign_out(&cookie)
            .await
            .map_err(|error| Trouble::new(&headers, error))?;
    }
    let headers = [
        (SET_COOKIE, visitor::no_cookie(engine)),
        (LOCATION, "/sign-in?out=1".to_owned()),
    ];
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

// ---- the link that signs in ----

fn unknown_link() -> Trouble {
    let refused = Refused::new(
        Code::Forbidden,
        "this link was used already, or its time has passed",
    );
    Trouble::for_people(refused).with_link("Sign in", "/sign-in")
}

/// Shows whom the link signs in.
pub(super) async fn enter_form(
    State(doors): State<Doors>,
    Asked(link): Asked<Link>,
) -> Result<Response, Trouble> {
    let name = doors.engine().entry_name(&link.token).ok_or_else(unknown_link)?;
    let next = safe_next(&link.next).to_owned();
    Ok(ok(&EnterPage {
        shell: shell("Enter"),
        token: link.token,
        name: Some(Inert::all(&name)),
        next,
    }))
}

/// Signs in by the link, which is used up.
pub(super) async fn enter(
    State(doors): State<Doors>,
    _: FromHere,
    Filled(link): Filled<Link>,
) -> Result<Response, Trouble> {
    let engine = doors.engine();
    match engine.enter(&link.token).await {
        Ok(signed_in) => Ok(enter_with(engine, &signed_in, &link.next)),
        Err(EngineError::Forbidden(_) | EngineError::Unauthorized) => Err(unknown_link()),
        Err(other) => Err(Trouble::for_people(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No link of ours leads to another site (attack list C).
    #[test]
    fn next_stays_here() {
        for next in ["/", "/approvals/apr_1?step=deny", "/audit?type=approval.%2A"] {
            assert_eq!(safe_next(next), next);
        }
        for next in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "javascript:x",
            "/a\r\nb",
            "/\t/evil.example",
            "evil",
        ] {
            assert_eq!(safe_next(next), "/", "{next:?}");
        }
    }
}
