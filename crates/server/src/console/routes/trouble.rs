//! What went wrong, as a page for people and as a problem document for programs.

use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use signoff_api::Code;
use signoff_engine::EngineError;

use super::page::page;
use crate::api::Refused;
use crate::console::inert::Inert;
use crate::console::view::problem::ProblemPage;
use crate::console::view::stop::StoppedNote;
use crate::console::view::{Shell, Viewer};

/// A refused request.
pub(super) enum Trouble {
    /// A program asked: a problem document.
    Document(Refused),
    /// A person asked: a page.
    Page(Box<Explained>),
    /// Somebody who has to sign in first, and where they wanted to go.
    SignIn(String),
}

/// What the page of a refusal says.
pub(super) struct Explained {
    refused: Refused,
    viewer: Option<Viewer>,
    stopped: Option<StoppedNote>,
    /// What was typed, for the person to keep.
    pub(super) typed: Option<String>,
    links: Vec<(String, String)>,
}

impl Trouble {
    /// A refusal in the form that the asker reads.
    pub(super) fn new(headers: &HeaderMap, refused: impl Into<Refused>) -> Self {
        let refused = refused.into();
        if wants_document(headers) {
            Self::Document(refused)
        } else {
            Self::for_people(refused)
        }
    }

    /// A refusal as a page.
    pub(super) fn for_people(refused: impl Into<Refused>) -> Self {
        let refused = refused.into();
        let links = vec![("To the inbox".to_owned(), "/".to_owned())];
        Self::Page(Box::new(Explained {
            refused,
            viewer: None,
            stopped: None,
            typed: None,
            links,
        }))
    }

    /// The same for somebody who is signed in.
    pub(super) fn seen_by(mut self, seen_by: Viewer, stopped: Option<StoppedNote>) -> Self {
        if let Self::Page(explained) = &mut self {
            explained.viewer = Some(seen_by);
            explained.stopped = stopped;
        }
        self
    }

    /// The same with what was typed, so that it is not lost.
    pub(super) fn keeping(mut self, words: &str) -> Self {
        if let (Self::Page(explained), false) = (&mut self, words.is_empty()) {
            explained.typed = Some(words.to_owned());
        }
        self
    }

    /// The same with other ways on: words and address.
    pub(super) fn with_link(mut self, words: &str, href: impl Into<String>) -> Self {
        if let Self::Page(explained) = &mut self {
            explained.links = vec![(words.to_owned(), href.into())];
        }
        self
    }
}

impl From<EngineError> for Trouble {
    fn from(error: EngineError) -> Self {
        Self::for_people(error)
    }
}

/// Whether the asker is a program: it sent a key or JSON, or it reads JSON and no pages.
pub(super) fn wants_document(headers: &HeaderMap) -> bool {
    let has = |name, word: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.contains(word))
    };
    super::visitor::key(headers).is_some()
        || has(CONTENT_TYPE, "json")
        || (has(ACCEPT, "json") && !has(ACCEPT, "text/html"))
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        match self {
            Self::Document(refused) => refused.into_response(),
            Self::SignIn(next) => {
                let query = url::form_urlencoded::Serializer::new(String::new())
                    .append_pair("next", &next)
                    .finish();
                Redirect::to(&format!("/sign-in?{query}")).into_response()
            }
            Self::Page(explained) => explained.into_response(),
        }
    }
}

impl IntoResponse for Explained {
    fn into_response(self) -> Response {
        let problem = self.refused.problem();
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let title = heading(problem.known_code());
        let shown = ProblemPage {
            shell: Shell {
                title: title.to_owned(),
                part: "",
                viewer: self.viewer,
                workspace: String::new(),
                waiting: 0,
                banner: None,
                stopped: self.stopped,
                now: String::new(),
            },
            status: problem.status,
            title: title.to_owned(),
            detail: Inert::all(&capital(&problem.detail)),
            kept: kept(problem.known_code()).to_owned(),
            typed: self.typed,
            links: self.links,
        };
        page(status, &shown)
    }
}

/// What became of it, where somebody may have wanted a change.
fn kept(code: Option<Code>) -> &'static str {
    match code {
        Some(Code::NotFound | Code::InvalidRequest | Code::InvalidCursor) => "",
        _ => "Nothing was changed.",
    }
}

fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    let first = letters.next().map(char::to_uppercase).into_iter().flatten();
    let text: String = first.chain(letters).collect();
    if text.is_empty() || text.ends_with('.') {
        text
    } else {
        format!("{text}.")
    }
}

/// What happened, as a heading for people.
fn heading(code: Option<Code>) -> &'static str {
    match code {
        Some(Code::Unauthorized) => "You are not signed in any more",
        Some(Code::Forbidden | Code::RequirementNotMet) => "You may not do this",
        Some(Code::ApprovalLinkNotYours) => "An agent can’t decide",
        Some(Code::OriginRefused) => "This came from another site",
        Some(Code::NotFound) => "There is nothing here",
        Some(Code::RateLimited) => "Too many attempts",
        Some(Code::Unavailable) => "Signoff can’t do this right now",
        Some(Code::Internal) => "Signoff made a mistake",
        Some(Code::InvalidRequest | Code::InvalidCursor) => "This can’t be used as it is",
        Some(Code::BodyTooLarge) => "This is too long",
        _ => "This could not be done",
    }
}
