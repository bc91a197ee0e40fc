//! A call from the engine's own type, without what its grant hides.

use signoff_core::grant::{CredentialKind, OauthFlow, Redaction};
use signoff_core::http::Call;
use signoff_engine::view::GrantView;
use url::Url;

use crate::console::body::{Body, fields, pairs, repeated};
use crate::console::inert::{Inert, Show};
use crate::console::url_shown;
use crate::console::view::call::{CallShown, GrantUsed, Header};

/// What a grant hides; of a call without one, nothing.
pub fn rules(grant: Option<&GrantView>) -> Redaction {
    grant
        .map(|view| view.row.grant.redact.clone())
        .unwrap_or_default()
}

/// A call with the grant that it names.
pub fn call(call: &Call, grant: Option<&GrantView>, show: Show) -> CallShown {
    let rules = rules(grant);
    // It was parsed at the door, and comes out as it went in.
    let url = Url::parse(call.url()).ok();
    let query = url.as_ref().and_then(Url::query).unwrap_or_default();
    let read = pairs(query.as_bytes());
    let (query_raw, query_doubt) = match &read {
        Some(read) => (None, repeated(read.iter().map(|(name, _)| name.as_str()))),
        None => (
            Some(Inert::new(query, show)),
            Some("not every program decodes it alike".to_owned()),
        ),
    };
    let header = |wanted: &str| {
        call.headers()
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value)
    };
    CallShown {
        method: call.method().to_owned(),
        origin: Inert::all(&call.origin()),
        host_warning: url_shown::shown(call.url()).warning,
        path: Inert::new(url.as_ref().map_or("", Url::path), show),
        query: fields(read.as_deref().unwrap_or_default(), show),
        query_raw,
        query_doubt: query_doubt.map(|why| Inert::all(&why)),
        url: Inert::all(call.url()),
        headers: headers(call.headers(), &rules, show),
        body: call.body().map(|body| {
            Body::read(
                header("content-type"),
                header("content-encoding"),
                body,
                &rules,
                show,
            )
        }),
        grant: call.grant().map(|name| used(name, grant)),
    }
}

/// Headers by name, without the values that are hidden.
pub fn headers<'a>(
    headers: impl Iterator<Item = (&'a str, &'a str)>,
    rules: &Redaction,
    show: Show,
) -> Vec<Header> {
    let header = |(name, value): (&str, &str)| Header {
        name: Inert::all(name),
        value: (!rules.hides_header(name)).then(|| Inert::new(value, show)),
    };
    headers.map(header).collect()
}

fn used(name: &str, grant: Option<&GrantView>) -> GrantUsed {
    let Some(view) = grant else {
        return GrantUsed {
            name: Inert::all(name),
            href: None,
            kind: Inert::all("not known any more"),
            origins: Vec::new(),
            fingerprint: String::new(),
        };
    };
    let row = &view.row;
    GrantUsed {
        name: Inert::all(&row.grant.name),
        href: (!row.removed).then(|| format!("/grants/{}", row.id)),
        kind: Inert::all(&kind_text(&row.grant.credential)),
        origins: row
            .grant
            .origins
            .iter()
            .map(|origin| Inert::all(origin))
            .collect(),
        fingerprint: row.fingerprint.clone(),
    }
}

/// How a credential goes into a call, in words.
pub fn kind_text(kind: &CredentialKind) -> String {
    match kind {
        CredentialKind::Bearer => "bearer token".to_owned(),
        CredentialKind::Header { name, .. } => format!("header {name}"),
        CredentialKind::Query { name } => format!("query parameter {name}"),
        CredentialKind::Basic { username } if username.is_empty() => "basic, without a user".to_owned(),
        CredentialKind::Basic { username } => format!("basic, as {username}"),
        CredentialKind::Oauth2 { flow, .. } => match flow {
            OauthFlow::ClientCredentials => "OAuth 2.0, client credentials".to_owned(),
            OauthFlow::RefreshToken => "OAuth 2.0, refresh token".to_owned(),
        },
    }
}

/// Most bytes of a body that can be changed in the console.
const EDITED_BYTES_MAX: usize = 64 * 1024;

/// The body of a call as one changes it in a form, or why it can't be changed there.
///
/// # Errors
/// A sentence.
pub fn typed_body(call: &Call, grant: Option<&GrantView>) -> Result<String, &'static str> {
    let body = call.body().unwrap_or_default();
    if body.len() > EDITED_BYTES_MAX {
        return Err("The body is larger than what can be changed here.");
    }
    let text = std::str::from_utf8(body).map_err(|_| "The body is not text, so it can’t be changed here.")?;
    let header = |wanted: &str| {
        call.headers()
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value)
    };
    let (media, coding) = (header("content-type"), header("content-encoding"));
    if Body::read(media, coding, body, &rules(grant), Show::All).hides_something() {
        return Err("The grant hides parts of the body, so it can’t be changed here.");
    }
    // Forms know one kind of line break, and show what can't be seen as nothing.
    let unseen = |letter: char| !matches!(letter, '\n' | '\t' | ' '..='~') && !is_seen(letter);
    if text.contains('\r') || text.chars().any(unseen) {
        return Err("The body holds characters that a form would lose or hide, so it can’t be changed here.");
    }
    Ok(text.to_owned())
}

fn is_seen(letter: char) -> bool {
    letter.is_alphanumeric() && !Inert::all(letter.encode_utf8(&mut [0; 4])).is_suspicious()
}

#[cfg(test)]
mod tests {
    use super::*;
    use signoff_core::http::GivenCall;

    fn of(url: &str, body: Option<&[u8]>) -> Call {
        Call::new(GivenCall {
            method: "POST".into(),
            url: url.into(),
            body: body.map(<[u8]>::to_vec),
            ..GivenCall::default()
        })
        .expect("a call")
    }

    /// Host, path and parameters are told apart, and what is odd about them is said.
    #[test]
    fn an_address_is_taken_apart_and_doubts_are_said() {
        let shown = call(
            &of("https://api.example.com:8443/a/b?to=ada&to=bob&x=%20y", None),
            None,
            Show::Start,
        );
        assert_eq!(
            shown.origin.to_string(),
            Inert::all("https://api.example.com:8443").to_string()
        );
        assert_eq!(shown.query.len(), 3);
        assert!(shown.is_doubtful() && shown.host_warning.is_none());
        let odd = call(&of("https://p\u{430}ypal.com/?%ff", None), None, Show::Start);
        assert!(odd.host_warning.is_some_and(|why| why.contains("xn--")));
        assert!(odd.query_raw.is_some() && odd.query_doubt.is_some());
    }

    /// A form gives back what it was given, or is not offered.
    #[test]
    fn a_body_is_changed_only_where_a_form_keeps_it() {
        for (body, may) in [
            (&b"{\"a\": 1}\n\tb"[..], true),
            (b"", true),
            ("Grüße".as_bytes(), true),
            (b"\xff\xfe", false),
            (b"a\r\nb", false),
            (b"a\0b", false),
            ("a\u{202e}b".as_bytes(), false),
        ] {
            assert_eq!(
                typed_body(&of("https://x.example/", Some(body)), None).is_ok(),
                may,
                "{body:?}"
            );
        }
    }
}
