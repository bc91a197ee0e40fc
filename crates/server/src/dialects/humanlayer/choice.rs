//! Options that a person may choose from, and how a choice stands in their words: `name: words`, or the name alone.

use serde_json::{Map, Value};

/// What a person said: the option they chose by name, and their words beside it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) option: Option<String>,
    pub(super) words: Option<String>,
}

/// What is wrong with options: each has a name of its own.
pub(super) fn check(options: &[Map<String, Value>]) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    for option in options {
        let Some(name) = name(option) else {
            return Err("an option has a `name`".into());
        };
        if !seen.insert(name) {
            return Err(format!("the option `{}` is there twice", shortened(name)));
        }
    }
    Ok(())
}

/// A choice as words, so that it is kept and shown with the decision.
pub(super) fn compose(
    options: &[Value],
    option: Option<&str>,
    words: Option<&str>,
) -> Result<Option<String>, String> {
    let words = words.filter(|words| !words.trim().is_empty());
    let Some(option) = option.filter(|option| !option.is_empty()) else {
        return Ok(words.map(str::to_owned));
    };
    if !options
        .iter()
        .filter_map(Value::as_object)
        .any(|known| name(known) == Some(option))
    {
        return Err(format!("`{}` is none of the options", shortened(option)));
    }
    Ok(Some(match words {
        Some(words) => format!("{option}: {words}"),
        None => option.to_owned(),
    }))
}

/// The choice in a person's words, wherever they wrote them.
pub(super) fn read(options: &[Value], text: Option<&str>) -> Said {
    let Some(text) = text else {
        return Said {
            option: None,
            words: None,
        };
    };
    let objects = || options.iter().filter_map(Value::as_object);
    for option in objects() {
        let Some(called) = name(option) else { continue };
        let names = [Some(called), title(option)];
        let chosen = names.into_iter().flatten().find_map(|known| {
            let rest = text.trim().strip_prefix(known)?;
            if rest.is_empty() {
                return Some(title(option).unwrap_or(called));
            }
            rest.strip_prefix(':')
                .map(str::trim)
                .filter(|rest| !rest.is_empty())
        });
        if let Some(words) = chosen {
            return Said {
                option: Some(called.to_owned()),
                words: Some(words.to_owned()),
            };
        }
    }
    Said {
        option: None,
        words: Some(text.to_owned()),
    }
}

fn name(option: &Map<String, Value>) -> Option<&str> {
    filled(option, "name")
}

fn title(option: &Map<String, Value>) -> Option<&str> {
    filled(option, "title")
}

fn filled<'a>(option: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    let text = option.get(field)?.as_str()?;
    (!text.trim().is_empty()).then_some(text)
}

fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn options() -> Vec<Value> {
        vec![
            json!({"name": "later", "title": "Not now"}),
            json!({"name": "later-on"}),
        ]
    }

    #[test]
    fn a_choice_comes_back_from_the_words_it_was_made_into() {
        for (option, words) in [
            (Some("later"), Some("ask on Monday")),
            (Some("later-on"), Some("a: b")),
            (None, Some("no")),
        ] {
            let text = compose(&options(), option, words).unwrap().unwrap();
            let said = read(&options(), Some(&text));
            assert_eq!(
                (said.option.as_deref(), said.words.as_deref()),
                (option, words),
                "{text}"
            );
        }
        // An option alone says its title.
        let said = read(
            &options(),
            compose(&options(), Some("later"), Some(" ")).unwrap().as_deref(),
        );
        assert_eq!(
            (said.option.as_deref(), said.words.as_deref()),
            (Some("later"), Some("Not now"))
        );
        assert_eq!(compose(&options(), None, Some("")), Ok(None));
        assert!(compose(&options(), Some("never"), None).is_err());
    }

    #[test]
    fn people_choose_by_title_too_and_other_words_are_left_alone() {
        let of = |text| {
            let said = read(&options(), Some(text));
            (said.option, said.words)
        };
        assert_eq!(of("Not now: busy"), (Some("later".into()), Some("busy".into())));
        assert_eq!(of("laterally wrong"), (None, Some("laterally wrong".into())));
        assert_eq!(of("later:"), (None, Some("later:".into())));
    }

    #[test]
    fn names_are_there_and_differ() {
        let check = |value: Value| check(&serde_json::from_value::<Vec<Map<String, Value>>>(value).unwrap());
        assert!(check(json!([{"name": "a"}, {"name": "b"}])).is_ok());
        assert!(check(json!([{"name": "a"}, {"name": "a"}])).is_err());
        assert!(check(json!([{"title": "a"}])).is_err());
    }
}
