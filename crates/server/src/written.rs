//! Files that people write in YAML: bounded, with the place of every slip and what was probably meant.

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

/// How deep YAML may nest.
const DEPTH_MAX: usize = 64;
/// How many nodes YAML may have, those that aliases repeat included.
const NODES_MAX: usize = 200_000;
/// How many aliases YAML may use.
const ALIASES_MAX: usize = 1_000;
/// Names at least this alike can be misspellings of each other (Jaro-Winkler).
const LIKENESS_MIN: f64 = 0.75;

/// Reads YAML.
///
/// # Errors
/// A sentence with line and column.
pub fn yaml<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let words = error.to_string();
        let place = error
            .location()
            .map(|at| format!("line {}, column {}", at.line(), at.column()));
        let words = match place {
            Some(place) if !words.contains("line ") => format!("{words} at {place}"),
            _ => words,
        };
        meant(&words)
    })
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX, max_nodes: NODES_MAX, max_aliases: ALIASES_MAX, max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: NODES_MAX, max_alias_expansions_per_anchor: ALIASES_MAX,
        },
        // `no` is a word, not false.
        strict_booleans: true,
        with_snippet: false,
    }
}

/// Writes YAML that reads back as the same value.
///
/// # Errors
/// A sentence, for a value that YAML can't hold.
pub fn to_yaml(value: &impl Serialize) -> Result<String, String> {
    serde_saphyr::to_string(value).map_err(|error| error.to_string())
}

/// In which line each policy of a file begins, as far as the text can be read.
pub fn policy_lines(text: &str) -> Vec<u64> {
    #[derive(serde::Deserialize)]
    struct Places {
        #[serde(default)]
        policies: Vec<serde_saphyr::Spanned<IgnoredAny>>,
    }
    let places = serde_saphyr::from_str_with_options::<Places>(text, options());
    places.map_or_else(
        |_| Vec::new(),
        |places| {
            let lines = places.policies.iter();
            lines.map(|policy| policy.referenced.line()).collect()
        },
    )
}

/// The words of a reader, with the name that was probably meant by one it does not know.
pub fn meant(words: &str) -> String {
    let Some((before, rest)) = ["unknown field `", "unknown variant `"]
        .into_iter()
        .find_map(|lead| words.split_once(lead))
    else {
        return words.to_owned();
    };
    let (Some((given, _)), Some((_, expected))) = (rest.split_once('`'), rest.split_once("expected ")) else {
        return words.to_owned();
    };
    // Readers differ in how they quote what they know.
    let expected = expected.split(" at line ").next().unwrap_or_default();
    let known = expected
        .split([' ', ',', '`', '\n'])
        .filter(|name| !matches!(*name, "" | "one" | "of" | "or"));
    let nearest = known
        .map(|name| (strsim::jaro_winkler(&given.to_ascii_lowercase(), name), name))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|left, right| left.0.total_cmp(&right.0));
    match nearest {
        Some((_, name)) => {
            let kind = &words[before.len()..words.len() - rest.len() - 1];
            let place = words.find(" at line ").map_or("", |at| &words[at..]);
            format!("{before}{kind}`{given}`, did you mean `{name}`?{place}")
        }
        None => words.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use signoff_api::policy::PolicyBody;

    use super::*;

    /// What the console puts into its form comes out of it as the same policy, whatever it says.
    #[test]
    fn a_policy_reads_back_from_its_yaml() {
        for policy in [
            json!({"name": "a", "effect": "deny"}),
            json!({"name": "1e3", "effect": "conditional", "otherwise": "deny", "labels": {"on": "no", "x": "true"},
                "actions": ["*", "a.*", "~"], "cost_over": "10.50", "risk": ["low", "high"],
                "description": "two\nlines: # and \"quotes\" \u{2028} \u{7f}\t", "valid_for": "2h",
                "conditions": ["context.amount <= 50 && inputs.to.matches(\"^a\\\\.b$\")",
                    {"field": "amount", "operator": "in", "value": ["no", 1, 1.5, "2", "", " x", "null", null, true]}],
                "approval": {"approvers": ["group:finance", {"context": "a.b", "domains": ["example.com"]}],
                    "quorum": 2, "timeout": "never"}}),
        ] {
            let policy: PolicyBody = serde_json::from_value(policy).unwrap();
            let text = to_yaml(&policy).unwrap();
            assert_eq!(yaml::<PolicyBody>(&text).unwrap(), policy, "{text}");
            // As browsers send what stands in a form.
            let sent = text.replace('\n', "\r\n");
            assert_eq!(yaml::<PolicyBody>(&sent).unwrap(), policy, "{sent:?}");
        }
    }

    #[test]
    fn the_line_of_each_policy_is_known() {
        let text =
            "settings: {unmatched: ask}\npolicies:\n- name: a\n  effect: deny\n\n- {name: b, effect: deny}\n";
        assert_eq!(policy_lines(text), [3, 6]);
        assert_eq!(policy_lines("policies: ["), Vec::<u64>::new());
        assert_eq!(policy_lines("name: a"), Vec::<u64>::new());
    }
}
