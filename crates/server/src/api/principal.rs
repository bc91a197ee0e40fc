//! Who calls, and whether the table lets them: the required authority stands in the signature of each handler.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use signoff_api::Code;
use signoff_core::authority::Operation;
use signoff_engine::view::Caller;

use super::problem::Refused;
use crate::Doors;

/// Another header for the same key, for clients that can't set `Authorization`.
pub(crate) const API_KEY: &str = "x-api-key";

/// The scheme that keys come under.
const BEARER: &[&str] = &["Bearer"];

/// An operation of the authority table, as a type.
pub(crate) trait Authority {
    /// The row of the table.
    const OPERATION: Operation;
}

macro_rules! operations {
    ($($name:ident => $word:literal),+ $(,)?) => {
        $(
            #[doc = concat!("The row `", $word, "`.")]
            #[derive(Debug)]
            pub(crate) enum $name {}

            impl $name {
                /// As the API description and `spec/authority.json` name it.
                pub(crate) const NAME: &'static str = $word;
            }

            impl Authority for $name {
                const OPERATION: Operation = Operation::$name;
            }
        )+
    };
}

operations! {
    Ask => "ask",
    AnswerInfo => "answer_info",
    SeeActions => "see_actions",
    SeeWorkspace => "see_workspace",
    Explain => "explain",
    Cancel => "cancel",
    Decide => "decide",
    RevokeStanding => "revoke_standing",
    Settle => "settle",
    Stop => "stop",
    LiftStop => "lift_stop",
    Govern => "govern",
    OwnTokens => "own_tokens",
    OwnContact => "own_contact",
    LinkSelf => "link_self",
    WhoAmI => "who_am_i",
}

/// What the API description says of operations that need no key.
pub(crate) const OPEN: &str = "open";

/// A caller whom the table does not refuse operation `A` outright. Refused before the body is read; the engine
/// asks the same table again, and whose thing it is.
pub(crate) struct As<A> {
    /// Who, and where.
    pub(crate) caller: Caller,
    operation: PhantomData<fn() -> A>,
}

impl<A: Authority> FromRequestParts<Doors> for As<A> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, doors: &Doors) -> Result<Self, Refused> {
        let caller = doors.engine().authenticate(key(&parts.headers, BEARER)?).await?;
        doors.engine().permit(&caller, A::OPERATION)?;
        Ok(Self {
            caller,
            operation: PhantomData,
        })
    }
}

/// The one key that a request presents: below one of these schemes, or in a header of its own.
pub(crate) fn key<'a>(headers: &'a HeaderMap, schemes: &[&str]) -> Result<&'a str, Refused> {
    let refused = |why: &str| Refused::new(Code::Unauthorized, why);
    let mut keys = Vec::new();
    for value in headers.get_all(AUTHORIZATION) {
        let key = under(value, schemes);
        keys.push(key.ok_or_else(|| refused(&format!("`authorization` is not `{} KEY`", schemes[0])))?);
    }
    for value in headers.get_all(API_KEY) {
        keys.push(
            value
                .to_str()
                .map_err(|_| refused("`x-api-key` is not a key"))?
                .trim(),
        );
    }
    match keys.as_slice() {
        [] => Err(refused("no key was sent")),
        [key, rest @ ..] if rest.iter().all(|other| other == key) => Ok(key),
        _ => Err(refused("two different keys were sent")),
    }
}

fn under<'a>(value: &'a HeaderValue, schemes: &[&str]) -> Option<&'a str> {
    let (given, key) = value.to_str().ok()?.split_once(' ')?;
    let known = schemes.iter().any(|scheme| given.eq_ignore_ascii_case(scheme));
    known.then(|| key.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn one_key_in_either_header() {
        for pairs in [
            &[("authorization", "Bearer k")][..],
            &[("authorization", "bearer  k ")],
            &[("x-api-key", "k")],
            &[("x-api-key", "k"), ("authorization", "Bearer k")],
        ] {
            assert_eq!(key(&headers(pairs), BEARER).unwrap(), "k", "{pairs:?}");
        }
        for pairs in [
            &[][..],
            &[("authorization", "Basic k")],
            &[("authorization", "k")],
            &[("x-api-key", "k"), ("authorization", "Bearer other")],
            &[("authorization", "Bearer k"), ("authorization", "Bearer other")],
        ] {
            let refused = key(&headers(pairs), BEARER).unwrap_err();
            assert!(refused.problem().is(Code::Unauthorized), "{pairs:?}");
            assert!(!refused.problem().detail.contains("other"), "{pairs:?}");
        }
        let other = headers(&[("authorization", "apikey k")]);
        assert_eq!(key(&other, &["Bearer", "ApiKey"]).unwrap(), "k");
        assert!(key(&other, BEARER).is_err());
    }
}
