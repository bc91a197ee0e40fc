//! What is wrong with a context, in a sentence that helps an agent to write a better one.

use jsonschema::{ValidationError, error::ValidationErrorKind as Kind};
use serde_json::Value;

use super::Lack;

/// How much of a value or a description is quoted, in characters.
const QUOTED_CHARS_MAX: usize = 200;
/// How many alternatives are listed.
const LISTED_MAX: usize = 20;

/// The places at fault that one error is about.
pub(super) fn lacks(error: &ValidationError<'_>, schema: &Value) -> Vec<Lack> {
    let place = format!("/context{}", error.instance_path().as_str());
    // The schema whose word did not hold.
    let word = error.schema_path().as_str();
    let holder = word.rsplit_once('/').map_or("", |(holder, _)| holder);
    let holder = schema.pointer(holder);
    let one = |why: String| {
        vec![Lack {
            pointer: place.clone(),
            why,
        }]
    };
    match error.kind() {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let wanted = holder.and_then(|holder| holder.get("properties")?.get(name));
            vec![Lack {
                pointer: join(&place, name),
                why: format!("`{}` is missing{}", cut(name), about(wanted, schema)),
            }]
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .map(|name| Lack {
                pointer: join(&place, name),
                why: format!("`{}` is not expected: leave it out{}", cut(name), known(holder)),
            })
            .collect(),
        kind => one(format!("{}{}", said(kind, holder), described(holder))),
    }
}

/// What does not hold, and what would.
fn said(kind: &Kind, holder: Option<&Value>) -> String {
    match kind {
        Kind::Type { .. } => format!(
            "it must be {}",
            expected(holder).unwrap_or_else(|| "another type".into())
        ),
        Kind::Enum { options } => format!("it must be one of {}", listed(options)),
        Kind::Constant { expected_value } => format!("it must be {}", cut(&expected_value.to_string())),
        Kind::Minimum { limit } => format!("it must be at least {limit}"),
        Kind::Maximum { limit } => format!("it must be at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("it must be more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("it must be less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("it must be a multiple of {multiple_of}"),
        Kind::MinLength { limit } => format!("it needs at least {limit} characters"),
        Kind::MaxLength { limit } => format!("it may have at most {limit} characters"),
        Kind::MinItems { limit } => format!("it needs at least {limit} entries"),
        Kind::MaxItems { limit } => format!("it may have at most {limit} entries"),
        Kind::MinProperties { limit } => format!("it needs at least {limit} fields"),
        Kind::MaxProperties { limit } => format!("it may have at most {limit} fields"),
        Kind::UniqueItems => "an entry stands twice in it".into(),
        Kind::Contains => "no entry in it, or too few, are as they must be".into(),
        Kind::Pattern { pattern } => format!("it must match the pattern {}", cut(pattern)),
        Kind::Format { format } => format!("it must be {}", form(format)),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
            "it fits none of the forms that it may have".into()
        }
        Kind::OneOfMultipleValid { .. } => "it fits several forms of which it may have one".into(),
        Kind::FalseSchema => "it is not expected: leave it out".into(),
        other => format!("it does not fit the policy's schema (`{}`)", other.keyword()),
    }
}

fn form(format: &str) -> &str {
    match format {
        "date" => "a date such as 2026-12-24",
        "date-time" => "a moment such as 2026-12-24T09:30:00Z",
        "time" => "a time such as 09:30:00Z",
        "duration" => "a duration such as PT30M",
        "email" => "an e-mail address",
        "hostname" => "a host name",
        "ipv4" => "an IPv4 address",
        "ipv6" => "an IPv6 address",
        "uri" => "an absolute URI",
        "uuid" => "a UUID",
        other => other,
    }
}

/// What a missing field should hold.
fn about(wanted: Option<&Value>, schema: &Value) -> String {
    // One step is enough: what it refers to says what it is.
    let target = wanted.and_then(|wanted| wanted.get("$ref")?.as_str()?.strip_prefix('#'));
    let wanted = target.and_then(|target| schema.pointer(target)).or(wanted);
    let kind = expected(wanted).or_else(|| {
        let options = wanted?.get("enum")?;
        Some(format!("one of {}", listed(options)))
    });
    let kind = kind.map_or_else(String::new, |kind| format!(": {kind}"));
    format!("{kind}{}", described(wanted))
}

/// What the author of the policy says of it.
fn described(holder: Option<&Value>) -> String {
    let text = |word: &str| holder?.get(word)?.as_str();
    match text("description").or_else(|| text("title")) {
        Some(text) if !text.trim().is_empty() => format!(" ({})", cut(text.trim())),
        _ => String::new(),
    }
}

fn expected(holder: Option<&Value>) -> Option<String> {
    let holder = holder?;
    let named = |kind: &Value| {
        Some(match kind.as_str()? {
            "string" => match holder.get("format").and_then(Value::as_str) {
                Some(format) => form(format).to_owned(),
                None => "text".into(),
            },
            "number" => "a number".into(),
            "integer" => "a whole number".into(),
            "boolean" => "true or false".into(),
            "array" => "a list".into(),
            "object" => "an object".into(),
            "null" => "null".into(),
            _ => return None,
        })
    };
    let of_enum = holder
        .get("enum")
        .map(|options| format!("one of {}", listed(options)));
    of_enum.or_else(|| match holder.get("type")? {
        Value::Array(kinds) => Some(kinds.iter().filter_map(named).collect::<Vec<_>>().join(" or ")),
        kind => named(kind),
    })
}

/// Which fields there may be, where they are few.
fn known(holder: Option<&Value>) -> String {
    let fields = holder.and_then(|holder| holder.get("properties")?.as_object());
    match fields {
        Some(fields) if !fields.is_empty() && fields.len() <= LISTED_MAX => {
            let names: Vec<&str> = fields.keys().map(String::as_str).collect();
            format!("; expected are {}", cut(&names.join(", ")))
        }
        _ => String::new(),
    }
}

fn listed(options: &Value) -> String {
    let Some(options) = options.as_array() else {
        return cut(&options.to_string());
    };
    let mut words: Vec<String> = options
        .iter()
        .take(LISTED_MAX)
        .map(|one| cut(&one.to_string()))
        .collect();
    if options.len() > LISTED_MAX {
        words.push("…".into());
    }
    words.join(", ")
}

fn join(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", cut(key).replace('~', "~0").replace('/', "~1"))
}

fn cut(text: &str) -> String {
    let mut cut: String = text.chars().take(QUOTED_CHARS_MAX).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}
