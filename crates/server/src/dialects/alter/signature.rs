//! The signature of a request: what is signed, and whether it fits. The key that it is made with comes with the request,
//! so only its hash is kept here as everywhere.

use axum::http::{HeaderMap, HeaderName, Uri};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

type HmacSha256 = Hmac<Sha256>;

/// How far the client's clock may be off, in seconds.
pub(super) const SKEW_SECONDS_MAX: i64 = 300;

const TIMESTAMP: HeaderName = HeaderName::from_static("x-alter-timestamp");
const NONCE: HeaderName = HeaderName::from_static("x-alter-nonce");
const CONTENT: HeaderName = HeaderName::from_static("x-alter-content-sha256");
const SIGNATURE: HeaderName = HeaderName::from_static("x-alter-signature");
const SIGNATURE_V2: HeaderName = HeaderName::from_static("x-alter-signature-v2");
pub(super) const SCOPES: HeaderName = HeaderName::from_static("x-alter-scope-constraints");
pub(super) const RULE: HeaderName = HeaderName::from_static("x-alter-request-rule");
pub(super) const CALLER: HeaderName = HeaderName::from_static("x-alter-caller");
const CALLER_TYPE: HeaderName = HeaderName::from_static("x-alter-caller-type");
const ACTOR_ID: HeaderName = HeaderName::from_static("x-alter-actor-id");
pub(super) const CONTEXT: HeaderName = HeaderName::from_static("x-alter-context");

/// Headers that say for whom a request is made: with one of them, the second signature must be there too.
const IDENTITY: [(HeaderName, &str); 4] = [
    (CALLER, "caller"),
    (CALLER_TYPE, "caller-type"),
    (ACTOR_ID, "actor-id"),
    (CONTEXT, "actor-context"),
];

/// What of a request is signed beside its headers.
pub(super) struct Sent<'a> {
    pub(super) method: &'a str,
    pub(super) target: &'a Uri,
    pub(super) body: &'a [u8],
}

/// Checks a signature; gives the nonce, which must not have been seen.
///
/// # Errors
/// What is wrong, for the person who looks into it.
pub(super) fn verify(
    key: &str,
    sent: &Sent<'_>,
    headers: &HeaderMap,
    now_seconds: i64,
) -> Result<[u8; 16], String> {
    let timestamp = needed(headers, &TIMESTAMP)?;
    let nonce = needed(headers, &NONCE)?;
    let digest = needed(headers, &CONTENT)?;
    if hex::encode(Sha256::digest(sent.body)) != digest {
        return Err("`x-alter-content-sha256` is not the hash of the body".into());
    }
    let mut text = format!(
        "{}\n{}\n{timestamp}\n{nonce}\n{digest}\n{}",
        sent.method,
        target(sent.target.path(), sent.target.query().unwrap_or_default()),
        one(headers, &SCOPES)?.unwrap_or_default(),
    );
    let mut identity = false;
    if let Some(rule) = one(headers, &RULE)? {
        text.extend(["\nrequest-rule:", rule]);
    }
    for (name, line) in IDENTITY {
        if let Some(value) = one(headers, &name)? {
            text.extend(["\n", line, ":", value]);
            identity = true;
        }
    }
    let fits = |header: &HeaderName| -> Result<bool, String> {
        let given = needed(headers, header)?;
        Ok(signature(key, &text).as_bytes().ct_eq(given.as_bytes()).into())
    };
    if !fits(&SIGNATURE)? || (identity && !fits(&SIGNATURE_V2)?) {
        return Err("the signature does not fit the request".into());
    }
    // Only now is it known whose clock it is.
    let at: i64 = number(timestamp).ok_or("`x-alter-timestamp` is no time in whole seconds")?;
    let off = now_seconds.saturating_sub(at);
    if off.abs() > SKEW_SECONDS_MAX {
        return Err(format!(
            "the request was signed {} s {} the server's time; set this machine's clock, {SKEW_SECONDS_MAX} s are \
             allowed",
            off.abs(),
            if off > 0 { "before" } else { "after" }
        ));
    }
    let mut seen = [0; 16];
    let lower = !nonce.bytes().any(|byte| byte.is_ascii_uppercase());
    match hex::decode_to_slice(nonce, &mut seen) {
        Ok(()) if lower => Ok(seen),
        _ => Err("`x-alter-nonce` is not 32 lower-case hexadecimal digits".into()),
    }
}

fn number(text: &str) -> Option<i64> {
    text.parse()
        .ok()
        .filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A header that stands there once and is not empty.
pub(super) fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, String> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(format!("`{name}` is given twice"));
    }
    let text = first.map(|value| {
        value
            .to_str()
            .map_err(|_| format!("`{name}` is not printable ASCII"))
    });
    Ok(text.transpose()?.filter(|text| !text.is_empty()))
}

fn needed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, String> {
    one(headers, name)?.ok_or_else(|| format!("`{name}` is missing: every request is signed"))
}

fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    // An HMAC takes a key of any length.
    let Ok(mut mac) = HmacSha256::new_from_slice(key) else {
        return [0; 32];
    };
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn signature(key: &str, text: &str) -> String {
    hex::encode(mac(&mac(key.as_bytes(), b"alter-signing-v1"), text.as_bytes()))
}

/// Path and query in the one form that is signed, however they were escaped on the way.
fn target(path: &str, query: &str) -> String {
    let path = String::from_utf8_lossy(&unescaped(path.as_bytes(), false)).into_owned();
    let decoded = |text: &str| String::from_utf8_lossy(&unescaped(text.as_bytes(), true)).into_owned();
    let pieces = query.split('&').filter(|piece| !piece.is_empty());
    let mut pairs: Vec<(String, String)> = pieces
        .map(|piece| piece.split_once('=').unwrap_or((piece, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    if pairs.is_empty() {
        return path;
    }
    pairs.sort();
    let pairs = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

fn unescaped(text: &[u8], form: bool) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                plain.push(u8::try_from(high * 16 + low).unwrap_or_default());
                at += 2;
            }
            (b'+', ..) if form => plain.push(b' '),
            (byte, ..) => plain.push(byte),
        }
        at += 1;
    }
    plain
}

/// As `urllib.parse.urlencode` writes it, which leaves `~` and escapes `*`.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        byte if byte.is_ascii_alphanumeric() || b"_.-~".contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "alter_key_0123456789abcdefghijABCDEFGHIJ-_-_-_-_-_";
    const NOW: i64 = 1_700_000_000;
    const BODY: &str = r#"{"method":"POST","url":"https://api.example.test/v1/refunds","grant_id":"11111111-2222-4333-8444-555555555555","body":{"amount":1},"reason":"r"}"#;
    const STATUS: &str = "/sdk/approvals/11111111-2222-4333-8444-555555555555?wait=25";

    fn headers(body: &str, more: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let digest = hex::encode(Sha256::digest(body));
        let common = [
            ("x-alter-timestamp", NOW.to_string()),
            ("x-alter-nonce", "00112233445566778899aabbccddeeff".to_owned()),
            ("x-alter-content-sha256", digest),
        ];
        let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
        for (name, value) in common.into_iter().chain(more) {
            headers.insert(name, value.parse().unwrap());
        }
        headers
    }

    fn check(
        method: &str,
        target: &str,
        body: &str,
        headers: &HeaderMap,
        now: i64,
    ) -> Result<[u8; 16], String> {
        let uri: Uri = target.parse().unwrap();
        let sent = Sent {
            method,
            target: &uri,
            body: body.as_bytes(),
        };
        verify(KEY, &sent, headers, now)
    }

    /// Vectors that were checked against alter-sdk 0.29.0.
    #[test]
    fn signatures_are_those_of_the_client() {
        let key = mac(KEY.as_bytes(), b"alter-signing-v1");
        assert_eq!(
            hex::encode(key),
            "8cbe1d5f75e57df25d4d1319a2d088eff5dc2b49adec860ac11c19cda19ac0e9"
        );
        let identity = [
            ("x-alter-caller", "billing-bot"),
            ("x-alter-caller-type", "agent"),
            ("x-alter-context", r#"{"tool":"refund"}"#),
        ];
        let narrowed = [
            ("x-alter-scope-constraints", "grants:read,proxy:execute"),
            ("x-alter-request-rule", "eyJ9"),
        ];
        let odd = "/sdk/x/post%3A/a?b=2&a=~*%20z&a=1&e";
        for (method, target, body, more, signature) in [
            (
                "GET",
                STATUS,
                "",
                &[][..],
                "b1b3912b004287ddf01456ef889a6dbe8589fa6738ac59d00d72be0451fd53b2",
            ),
            (
                "POST",
                "/sdk/proxy",
                BODY,
                &[],
                "7d2f717d65b9c1b440c18c2d8d278d5b1ec2cc8570c1c37b809dbddd2b325bb6",
            ),
            (
                "POST",
                "/sdk/proxy?",
                BODY,
                &[],
                "7d2f717d65b9c1b440c18c2d8d278d5b1ec2cc8570c1c37b809dbddd2b325bb6",
            ),
            (
                "POST",
                "/sdk/proxy",
                BODY,
                &identity,
                "fa6e4405908cef1c9118214e27791d22e71fa4e7c0c92851281961657bfc6028",
            ),
            (
                "POST",
                "/sdk/proxy",
                BODY,
                &narrowed,
                "e19ac48800cdfffb1c078df49886602e84af3f0aa3f00d50891312f445f835d7",
            ),
            (
                "GET",
                odd,
                "",
                &[],
                "4c9220ddc681665e9110ba921ac1334a00ffcdd8d0688e8e2d81e43ce4a632a7",
            ),
        ] {
            let mut headers = headers(body, more);
            headers.insert(SIGNATURE, signature.parse().unwrap());
            if more == identity {
                let alone = check(method, target, body, &headers, NOW).unwrap_err();
                assert!(alone.contains("x-alter-signature-v2"), "{alone}");
                headers.insert(SIGNATURE_V2, signature.parse().unwrap());
            }
            let nonce = check(method, target, body, &headers, NOW + SKEW_SECONDS_MAX);
            assert_eq!(nonce.unwrap()[..2], [0x00, 0x11], "{target}");
        }
    }

    #[test]
    fn whatever_was_changed_does_not_fit() {
        let signed = || {
            let mut headers = headers(
                BODY,
                &[
                    ("x-alter-scope-constraints", "grants:read,proxy:execute"),
                    ("x-alter-request-rule", "eyJ9"),
                ],
            );
            let signature = "e19ac48800cdfffb1c078df49886602e84af3f0aa3f00d50891312f445f835d7";
            headers.insert(SIGNATURE, signature.parse().unwrap());
            headers
        };
        assert!(check("POST", "/sdk/proxy", BODY, &signed(), NOW).is_ok());
        assert!(check("GET", "/sdk/proxy", BODY, &signed(), NOW).is_err());
        assert!(check("POST", "/sdk/token", BODY, &signed(), NOW).is_err());
        assert!(check("POST", "/sdk/proxy?a", BODY, &signed(), NOW).is_err());
        assert!(check("POST", "/sdk/proxy", &BODY.replace('1', "2"), &signed(), NOW).is_err());
        for late in [NOW + SKEW_SECONDS_MAX + 1, NOW - SKEW_SECONDS_MAX - 1] {
            let why = check("POST", "/sdk/proxy", BODY, &signed(), late).unwrap_err();
            assert!(why.contains("clock"), "{why}");
        }
        for name in [
            "x-alter-timestamp",
            "x-alter-nonce",
            "x-alter-content-sha256",
            "x-alter-signature",
            "x-alter-request-rule",
            "x-alter-scope-constraints",
        ] {
            let mut without = signed();
            without.remove(name);
            assert!(
                check("POST", "/sdk/proxy", BODY, &without, NOW).is_err(),
                "{name}"
            );
            let mut twice = signed();
            twice.append(name, "x".parse().unwrap());
            assert!(check("POST", "/sdk/proxy", BODY, &twice, NOW).is_err(), "{name}");
        }
        let mut more = signed();
        more.insert("x-alter-caller", "somebody".parse().unwrap());
        assert!(check("POST", "/sdk/proxy", BODY, &more, NOW).is_err());
    }
}
