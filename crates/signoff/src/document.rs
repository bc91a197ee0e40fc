//! Files that people write: YAML, JSON or TOML, bounded, with the place of every slip and what was probably meant.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use signoff_api::limits::{BODY_BYTES_MAX, POLICY_SET_BYTES_MAX};
use signoff_server::written::{meant, yaml};

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Json,
    Toml,
    Yaml,
}

/// Reads a file by its extension; `-` is standard input, JSON if it begins with a brace, else YAML.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let name = path.display().to_string();
    let language = match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => Some(Language::Json),
        Some("toml") => Some(Language::Toml),
        Some("yaml" | "yml") => Some(Language::Yaml),
        None => None,
        Some(other) => bail!("`{name}`: the file ends in .yaml, .json or .toml, not .{other}"),
    };
    let max = match language {
        Some(Language::Json | Language::Toml) => POLICY_SET_BYTES_MAX,
        _ => BODY_BYTES_MAX,
    };
    let text = text(&name, max)?;
    let language = language.unwrap_or(if text.trim_start().starts_with('{') {
        Language::Json
    } else {
        Language::Yaml
    });
    parse(language, &text).with_context(|| format!("in `{name}`"))
}

fn text(name: &str, max: usize) -> anyhow::Result<String> {
    let mut reader: Box<dyn Read> = if name == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(name).with_context(|| format!("can't read `{name}`"))?)
    };
    let mut bytes = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    reader
        .by_ref()
        .take(limit)
        .read_to_end(&mut bytes)
        .with_context(|| format!("can't read `{name}`"))?;
    if bytes.len() > max {
        bail!("`{name}` is larger than {} MiB", max / (1024 * 1024));
    }
    let text = String::from_utf8(bytes).with_context(|| format!("`{name}` is not UTF-8"))?;
    if text.starts_with('\u{feff}') {
        bail!("`{name}` begins with a byte-order mark: save it without");
    }
    Ok(text)
}

fn parse<T: DeserializeOwned>(language: Language, text: &str) -> anyhow::Result<T> {
    match language {
        Language::Json => {
            signoff_core::json::check(text.trim().as_bytes())?;
            serde_json::from_str(text).map_err(|error| anyhow::anyhow!(meant(&error.to_string())))
        }
        Language::Toml => toml::from_str(text).map_err(|error| toml_error(&error, text)),
        Language::Yaml => yaml(text).map_err(|words| anyhow::anyhow!(words)),
    }
}

/// Without the line itself, which may hold what does not belong into the file.
fn toml_error(error: &toml::de::Error, text: &str) -> anyhow::Error {
    let words = meant(error.message());
    match error.span().and_then(|span| text.get(..span.start)) {
        Some(before) => anyhow::anyhow!("{words} at line {}", before.matches('\n').count() + 1),
        None => anyhow::anyhow!(words),
    }
}

#[cfg(test)]
mod tests {
    use signoff_api::file::SignoffFile;

    use super::*;

    fn file(text: &str) -> anyhow::Result<SignoffFile> {
        parse(Language::Yaml, text)
    }

    #[test]
    fn all_three_say_the_same() {
        let yaml = "settings: {unmatched: ask}\npolicies:\n  - name: a\n    effect: conditional\n    \
            conditions: [{field: amount, operator: lte, value: 50}, {field: to, operator: in, value: [no, 'x']}]\n    \
            approval: {timeout: 30m}\nagents: [{name: bot}]\n";
        let json = r#"{"settings":{"unmatched":"ask"},"policies":[{"name":"a","effect":"conditional",
            "conditions":[{"field":"amount","operator":"lte","value":50},{"field":"to","operator":"in","value":["no","x"]}],
            "approval":{"timeout":"30m"}}],"agents":[{"name":"bot"}]}"#;
        let toml = "[settings]\nunmatched = 'ask'\n[[policies]]\nname = 'a'\neffect = 'conditional'\n\
            conditions = [{ field = 'amount', operator = 'lte', value = 50 }, { field = 'to', operator = 'in', \
            value = ['no', 'x'] }]\napproval = { timeout = '30m' }\n[[agents]]\nname = 'bot'";
        let expected = file(yaml).unwrap();
        assert_eq!(parse::<SignoffFile>(Language::Json, json).unwrap(), expected);
        assert_eq!(parse::<SignoffFile>(Language::Toml, toml).unwrap(), expected);
    }

    #[test]
    fn slips_are_told_with_their_place_and_what_was_meant() {
        let cases = [
            ("polices: []", "did you mean `policies`?", "line 1"),
            (
                "policies:\n  - name: a\n    effect: deny\n    gard: true",
                "did you mean `guard`?",
                "line 4, column 5",
            ),
            (
                "policies:\n  - name: a\n    effect: alow",
                "did you mean `allow`?",
                "line 3",
            ),
            (
                "policies:\n  - name: a\n    effect: deny\n    approval: {qorum: 2}",
                "did you mean `quorum`?",
                "line 4",
            ),
            (
                "policies:\n  - name: a\n    name: b\n    effect: deny",
                "name",
                "line 3",
            ),
            ("agents:\n  - name: a\n    disabled: no", "", "line 3"),
            ("agents: []\n---\nagents: []", "", ""),
            ("policies: [", "", "line"),
        ];
        for (text, expected, place) in cases {
            let error = format!("{:#}", file(text).unwrap_err());
            assert!(
                error.contains(expected) && error.contains(place),
                "{text}\n{error}"
            );
        }
    }

    /// I7: a secret that is written where its place belongs is answered with advice, and not repeated.
    #[test]
    fn i7_a_value_in_the_file_is_refused_and_not_repeated() {
        let advice = "say where it is, `{env: NAME}` or `{file: PATH}`";
        for field in ["value", "client_secret", "secret"] {
            for value in ["sk_live_canary", "48151623", "4815.1623", "true"] {
                let quoted = if value.starts_with("sk") {
                    format!("\"{value}\"")
                } else {
                    value.to_owned()
                };
                let yaml = format!(
                    "grants:\n  - name: a\n    origins: []\n    credential: {{type: bearer}}\n    {field}: {value}\n"
                );
                let json = format!(
                    "{{\"grants\": [{{\"name\": \"a\", \"origins\": [], \"credential\": {{\"type\": \"bearer\"}}, \"{field}\": {quoted}}}]}}"
                );
                let toml = format!(
                    "[[grants]]\nname = 'a'\norigins = []\ncredential = {{ type = 'bearer' }}\n{field} = {quoted}\n"
                );
                for (language, text) in [
                    (Language::Yaml, yaml),
                    (Language::Json, json),
                    (Language::Toml, toml),
                ] {
                    let error = format!("{:#}", parse::<SignoffFile>(language, &text).unwrap_err());
                    assert!(
                        error.contains(advice) && error.contains("line"),
                        "{text}\n{error}"
                    );
                    assert!(value == "true" || !error.contains(value), "{error}");
                }
            }
        }
        for (from, why) in [
            ("{env: A, file: B}", "one place"),
            ("{enw: A}", "did you mean `env`?"),
            ("{}", advice),
        ] {
            let text = format!(
                "grants:\n  - name: a\n    origins: []\n    credential: {{type: bearer}}\n    value: {from}\n"
            );
            let error = format!("{:#}", file(&text).unwrap_err());
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let mut bomb = String::from("agents:\n");
        bomb.push_str("  - &a0 {name: x, labels: {a: b}}\n");
        let lines: Vec<String> = (1..12)
            .map(|n| format!("x{n}: &a{n} [{}]\n", format!("*a{},", n - 1).repeat(20)))
            .collect();
        let lines = lines.concat();
        let laughs = format!("x0: &a0 [x, x]\n{lines}policies: *a11\n");
        assert!(parse::<serde_json::Value>(Language::Yaml, &laughs).is_err());
        let deep = format!("policies: {}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(file(&deep).is_err());
        let deep = format!("{{\"policies\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(parse::<SignoffFile>(Language::Json, &deep).is_err());
    }

    #[test]
    fn what_is_too_large_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signoff.yaml");
        std::fs::write(&path, "#".repeat(BODY_BYTES_MAX + 1)).unwrap();
        let error = format!("{:#}", read::<SignoffFile>(&path).unwrap_err());
        assert!(error.contains("larger than 1 MiB"), "{error}");
    }
}
