//! Parameters that are given beside a URL, put into it: one string from then on, which is judged, shown and sent.

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use url::form_urlencoded;

use super::fault::Fault;

/// Names with their values, in the order in which they were given.
#[derive(Debug, Default)]
pub(super) struct Params<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Params<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Params<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Params<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Params(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

impl Params<'_> {
    /// The URL with these in its query: they take the place of those of the same name, the others stay as they stand.
    ///
    /// # Errors
    /// If a value is neither text, number, truth nor a list of those.
    pub(super) fn put_into(&self, url: &str) -> Result<String, Fault> {
        // What has a fragment is refused as a whole later on.
        if self.0.is_empty() || url.contains('#') {
            return Ok(url.to_owned());
        }
        let (before, query) = url.split_once('?').unwrap_or((url, ""));
        let is_replaced = |piece: &str| {
            let name = form_urlencoded::parse(piece.as_bytes()).next();
            name.is_some_and(|(name, _)| self.0.iter().any(|(given, _)| *given == name))
        };
        let stays = query
            .split('&')
            .filter(|piece| !piece.is_empty() && !is_replaced(piece));
        let mut pieces: Vec<String> = stays.map(str::to_owned).collect();
        for (name, raw) in &self.0 {
            for value in values(name, raw)? {
                pieces.push(format!("{}={}", escaped(name), escaped(&value)));
            }
        }
        Ok(if pieces.is_empty() {
            before.to_owned()
        } else {
            format!("{before}?{}", pieces.join("&"))
        })
    }
}

/// The values of one name. Numbers stay as they were written.
fn values(name: &str, raw: &RawValue) -> Result<Vec<String>, Fault> {
    let scalar = |raw: &RawValue| -> Option<String> {
        match raw.get().as_bytes().first()? {
            b'"' => serde_json::from_str(raw.get()).ok(),
            b'n' => Some(String::new()),
            b'{' | b'[' => None,
            _ => Some(raw.get().to_owned()),
        }
    };
    let values = match serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
        Ok(list) => list.into_iter().map(scalar).collect(),
        Err(_) => scalar(raw).map(|value| vec![value]),
    };
    values.ok_or_else(|| {
        let name: String = name.chars().take(80).collect();
        Fault::invalid(format!(
            "`query_params`: `{name}` is no text, number, truth, or list of those"
        ))
    })
}

/// Escaped so that every reader of a query reads the same, whether or not it takes `+` for a space.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() || b"_.-~".contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(url: &str, params: &str) -> Option<String> {
        serde_json::from_str::<Params<'_>>(params)
            .unwrap()
            .put_into(url)
            .ok()
    }

    #[test]
    fn what_is_given_takes_the_place_of_the_same_name() {
        for (url, params, expected) in [
            ("https://a.test/p", "{}", "https://a.test/p"),
            ("https://a.test/p?x=1", "{}", "https://a.test/p?x=1"),
            (
                "https://a.test/p",
                r#"{"q":"a b&c","n":1}"#,
                "https://a.test/p?q=a%20b%26c&n=1",
            ),
            (
                "https://a.test/p?x=1&y=%2f&%78=2",
                r#"{"x":3}"#,
                "https://a.test/p?y=%2f&x=3",
            ),
            ("https://a.test/p?x=1", r#"{"x":[]}"#, "https://a.test/p"),
            (
                "https://a.test/p",
                r#"{"l":[1,"b",true,null]}"#,
                "https://a.test/p?l=1&l=b&l=true&l=",
            ),
            (
                "https://a.test/p",
                r#"{"b":10000000000000000000001,"f":1.50,"z":false}"#,
                "https://a.test/p?b=10000000000000000000001&f=1.50&z=false",
            ),
            (
                "https://a.test/p?",
                r#"{"é":"~*"}"#,
                "https://a.test/p?%C3%A9=~%2A",
            ),
        ] {
            assert_eq!(merged(url, params).as_deref(), Some(expected), "{url} {params}");
        }
        for params in [r#"{"x":{}}"#, r#"{"x":[[1]]}"#, r#"{"x":[{}]}"#] {
            assert_eq!(merged("https://a.test/p", params), None, "{params}");
        }
    }
}
