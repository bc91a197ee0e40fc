//! One form for every URL that means the same.

use url::Url;

use super::URL_BYTES_MAX;

/// Reads a URL as browsers do (WHATWG), and takes away what makes two forms of one.
///
/// # Errors
/// A sentence about what is refused.
pub(super) fn normalised(given: &str) -> Result<Url, String> {
    let too_long = |bytes: usize| {
        (bytes > URL_BYTES_MAX)
            .then(|| format!("the URL is {bytes} bytes long; the limit is {URL_BYTES_MAX}"))
    };
    if let Some(why) = too_long(given.len()) {
        return Err(why);
    }
    // Browsers drop these without a word; nobody who means well writes them.
    if given.trim() != given || given.chars().any(char::is_control) {
        return Err("the URL holds spaces around it or control characters".into());
    }
    let url =
        Url::parse(given).map_err(|why| format!("it is no URL such as https://api.example.com/v1: {why}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "only http and https are called, not {}",
            url.scheme().chars().take(20).collect::<String>()
        ));
    }
    if !url.username().is_empty() || url.password().is_some() || names_user(given) {
        return Err("a URL carries no user or password: credentials are grants".into());
    }
    if url.fragment().is_some() {
        return Err("a URL carries no fragment (`#…`): it would never be sent".into());
    }
    let url = without_last_dot(url)?;
    let text = plain_escapes(url.as_str());
    let url = Url::parse(&text).map_err(|why| why.to_string())?;
    // What came out must come out again, or two readers could see two URLs.
    if plain_escapes(url.as_str()) != url.as_str() || url.as_str() != text {
        return Err("the URL has no single form; write it without escapes that it does not need".into());
    }
    too_long(url.as_str().len()).map_or(Ok(url), Err)
}

/// Whether there is a user, though an empty one, before the host.
fn names_user(given: &str) -> bool {
    let rest = given.split_once(':').map_or(given, |(_, rest)| rest);
    let rest = rest.trim_start_matches(['/', '\\']);
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    rest[..end].contains('@')
}

/// `example.com.` is the same host as `example.com`.
fn without_last_dot(mut url: Url) -> Result<Url, String> {
    let host = url.host_str().unwrap_or_default();
    let Some(plain) = host.strip_suffix('.') else {
        return Ok(url);
    };
    let plain = plain.to_owned();
    if plain.is_empty() || plain.ends_with('.') {
        return Err("the host ends with more than one dot".into());
    }
    url.set_host(Some(&plain)).map_err(|why| why.to_string())?;
    Ok(url)
}

/// Escapes of what needs none are written out (RFC 3986, 6.2.2.2); the others are in upper case.
pub(super) fn plain_escapes(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                let byte = u8::try_from(high * 16 + low).unwrap_or_default();
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    plain.push(byte);
                } else {
                    plain.push(b'%');
                    plain.extend(bytes[at + 1..at + 3].to_ascii_uppercase());
                }
                at += 3;
            }
            (byte, ..) => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    // Only ASCII was put in the place of ASCII.
    String::from_utf8(plain).unwrap_or_else(|_| text.to_owned())
}
