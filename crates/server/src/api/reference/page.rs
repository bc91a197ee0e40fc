//! The reference page: the description of the API turned into sections, fields and words for people.

use askama::Template;
use serde_json::Value;
use signoff_api::{Code, limits};
use signoff_core::action::OBJECT_BYTES_MAX;
use signoff_core::json::DEPTH_MAX;
use signoff_engine::PENDING_PER_AGENT_MAX;

/// The whole page.
#[derive(Debug, Template)]
#[template(path = "reference.html")]
pub(super) struct Reference {
    about: Prose,
    version: String,
    sections: Vec<Section>,
    types: Vec<Kind>,
    problems: Vec<(Code, Prose)>,
    limits: Vec<(Prose, String)>,
}

/// Operations on one resource.
#[derive(Debug)]
struct Section {
    name: String,
    about: Prose,
    operations: Vec<Operation>,
}

#[derive(Debug)]
struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    description: Prose,
    authority: &'static str,
    parameters: Vec<Field>,
    body: Option<Shape>,
    answers: Vec<(String, Prose, Option<Shape>)>,
}

/// One parameter, or one field of a type.
#[derive(Debug)]
struct Field {
    name: String,
    place: String,
    shape: Shape,
    required: bool,
    about: Prose,
}

/// A type of the wire.
#[derive(Debug)]
struct Kind {
    name: String,
    about: Prose,
    fields: Vec<Field>,
    words: Vec<(String, Prose)>,
}

/// What a value is: words around the name of a type that has its own place on the page.
#[derive(Debug, Default)]
struct Shape {
    before: &'static str,
    link: Option<String>,
    text: String,
}

impl Reference {
    pub(super) fn of(document: &Value) -> Self {
        let schemas = document["components"]["schemas"].as_object();
        Self {
            about: prose(&document["info"]["description"]),
            version: text(&document["info"]["version"]),
            sections: items(&document["tags"])
                .map(|tag| section(document, tag))
                .collect(),
            types: schemas
                .into_iter()
                .flatten()
                .map(|(name, schema)| kind(name, schema))
                .collect(),
            problems: Code::ALL
                .map(|code| (code, Prose::of(code.next().unwrap_or_default())))
                .into(),
            limits: bounds()
                .into_iter()
                .map(|(of, limit)| (Prose::of(of), limit))
                .collect(),
        }
    }
}

/// Words in which backticks mark code.
#[derive(Debug, Default)]
struct Prose(Vec<(bool, String)>);

impl Prose {
    fn of(text: &str) -> Self {
        let pieces = text
            .split('`')
            .enumerate()
            .map(|(at, piece)| (at % 2 == 1, piece.to_owned()));
        Self(pieces.filter(|(_, piece)| !piece.is_empty()).collect())
    }
}

fn prose(value: &Value) -> Prose {
    Prose::of(value.as_str().unwrap_or_default())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn section(document: &Value, tag: &Value) -> Section {
    let name = text(&tag["name"]);
    let paths = document["paths"].as_object().into_iter().flatten();
    let operations = paths.flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods.map(move |(method, described)| (path, method, described))
    });
    let operations = operations
        .filter(|(_, _, described)| items(&described["tags"]).any(|tag| *tag == name.as_str()))
        .map(|(path, method, described)| operation(path, method, described))
        .collect();
    Section {
        about: prose(&tag["description"]),
        operations,
        name,
    }
}

fn operation(path: &str, method: &str, described: &Value) -> Operation {
    let answers = described["responses"].as_object().into_iter().flatten();
    Operation {
        id: text(&described["operationId"]),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(&described["summary"]),
        description: prose(&described["description"]),
        authority: authority(
            described[super::super::document::AUTHORITY]
                .as_str()
                .unwrap_or_default(),
        ),
        parameters: items(&described["parameters"]).map(parameter).collect(),
        body: content(&described["requestBody"]),
        answers: answers
            .filter(|(status, _)| *status != "default")
            .map(|(status, answer)| (status.clone(), prose(&answer["description"]), content(answer)))
            .collect(),
    }
}

/// The rows of the authority table in words.
fn authority(word: &str) -> &'static str {
    match word {
        "ask" => "agents and applications, for their own actions",
        "answer_info" => "the agent that asked, or its application",
        "see_actions" => "agents and applications, for their own; every operator and automation",
        "see_workspace" => "every operator and automation",
        "explain" => "agents and applications, as themselves; every operator and automation",
        "cancel" => "the agent that asked, or its application; admins and automations",
        "decide" => "members, admins and automations whom the requirement names; never who asks",
        "settle" | "govern" => "admins and automations",
        "own_contact" | "own_tokens" => "operators, for their own; admins and automations, for everyone's",
        "who_am_i" => "every key",
        _ => "everyone, without a key",
    }
}

fn parameter(described: &Value) -> Field {
    Field {
        name: text(&described["name"]),
        place: text(&described["in"]),
        shape: shape(&described["schema"]),
        required: described["required"].as_bool().unwrap_or_default(),
        about: prose(&described["description"]),
    }
}

fn content(described: &Value) -> Option<Shape> {
    let (media, content) = described["content"].as_object()?.iter().next()?;
    match media.as_str() {
        "application/json" => Some(shape(&content["schema"])),
        other => Some(Shape {
            text: other.to_owned(),
            ..Shape::default()
        }),
    }
}

fn kind(name: &str, schema: &Value) -> Kind {
    let required: Vec<&str> = items(&schema["required"]).filter_map(Value::as_str).collect();
    let fields = schema["properties"].as_object().into_iter().flatten();
    let fields = fields.map(|(name, field)| Field {
        name: name.clone(),
        place: String::new(),
        shape: shape(field),
        required: required.contains(&name.as_str()),
        about: about(field),
    });
    Kind {
        name: name.to_owned(),
        about: prose(&schema["description"]),
        fields: fields.collect(),
        words: words(schema),
    }
}

/// What a field means; where it may be null, that stands with the type it else has.
fn about(field: &Value) -> Prose {
    let choices = items(&field["oneOf"]).map(|choice| &choice["description"]);
    let mut said = std::iter::once(&field["description"]).chain(choices);
    Prose::of(said.find_map(Value::as_str).unwrap_or_default())
}

/// The words of a closed list, each with what it means where that is said.
fn words(schema: &Value) -> Vec<(String, Prose)> {
    let plain = items(&schema["enum"]).map(|word| (text(word), Prose::default()));
    let described = items(&schema["oneOf"]).filter_map(|one| {
        let word = one["const"].as_str().or_else(|| one["enum"][0].as_str())?;
        Some((word.to_owned(), prose(&one["description"])))
    });
    plain.chain(described).collect()
}

fn shape(schema: &Value) -> Shape {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return Shape {
            before: "",
            link: Some(name.to_owned()),
            text: name.to_owned(),
        };
    }
    if schema["type"] == "array" || items(&schema["type"]).any(|kind| kind == "array") {
        return Shape {
            before: "list of ",
            ..shape(&schema["items"])
        };
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        let other = items(&schema[choice]).find(|one| one["type"] != "null");
        if let Some(other) = other {
            return shape(other);
        }
    }
    let named = |kind: &Value| kind.as_str().filter(|kind| *kind != "null").map(str::to_owned);
    let kind = named(&schema["type"]).or_else(|| items(&schema["type"]).find_map(named));
    let text = match kind.as_deref() {
        Some("string") => "text",
        Some("integer") => "whole number",
        Some("boolean") => "true or false",
        Some(other) => other,
        None => "any JSON",
    };
    Shape {
        before: "",
        link: None,
        text: text.to_owned(),
    }
}

/// The bounds of the wire; what is larger is refused, never cut in silence.
fn bounds() -> Vec<(&'static str, String)> {
    let mebibytes = |bytes: usize| format!("{} MiB", bytes / 1_048_576);
    vec![
        ("request body", mebibytes(limits::BODY_BYTES_MAX)),
        (
            "body of a whole policy set",
            mebibytes(limits::POLICY_SET_BYTES_MAX),
        ),
        (
            "time for a body to arrive",
            format!("{} s", limits::BODY_SECONDS_MAX),
        ),
        (
            "`inputs` and `context`, each, as canonical JSON",
            format!("{} KiB", OBJECT_BYTES_MAX / 1024),
        ),
        ("nesting of objects and lists", DEPTH_MAX.to_string()),
        ("pending approvals of an agent", PENDING_PER_AGENT_MAX.to_string()),
        (
            "name of an action or agent",
            format!("{} characters", limits::NAME_CHARS_MAX),
        ),
        (
            "reason, comment, question, answer and the like",
            format!("{} characters", limits::TEXT_CHARS_MAX),
        ),
        (
            "`requested_by`",
            format!("{} characters", limits::SHORT_TEXT_CHARS_MAX),
        ),
        (
            "each part of `trace`",
            format!("{} characters", limits::TRACE_CHARS_MAX),
        ),
        (
            "idempotency key",
            format!("{} visible ASCII characters", limits::IDEMPOTENCY_KEY_CHARS_MAX),
        ),
        ("`wait` of a long-poll", format!("{} s", limits::WAIT_SECONDS_MAX)),
        (
            "timeout of an approval",
            format!("{} days", limits::TIMEOUT_SECONDS_MAX / 86_400),
        ),
        (
            "items of a page",
            format!("{} (default {})", limits::PAGE_MAX, limits::PAGE_DEFAULT),
        ),
        ("policies of a set", limits::POLICIES_MAX.to_string()),
        (
            "one policy, as canonical JSON",
            format!("{} KiB", limits::POLICY_BYTES_MAX / 1024),
        ),
        ("conditions of a policy", limits::CONDITIONS_MAX.to_string()),
        ("approvers of a requirement", limits::APPROVERS_MAX.to_string()),
        ("members of a group", limits::GROUP_MEMBERS_MAX.to_string()),
        (
            "password of an operator",
            format!("at least {} characters", limits::PASSWORD_CHARS_MIN),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_every_operation_type_and_code() {
        let document = serde_json::to_value(crate::api::openapi()).unwrap();
        let reference = Reference::of(&document);
        let shown: usize = reference
            .sections
            .iter()
            .map(|section| section.operations.len())
            .sum();
        let described = document["paths"].as_object().unwrap().values();
        assert_eq!(
            shown,
            described
                .map(|item| item.as_object().unwrap().len())
                .sum::<usize>()
        );
        let page = reference.render().unwrap();
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            assert!(page.contains(&format!("id=\"type-{name}\"")), "{name}");
        }
        for code in Code::ALL {
            assert!(page.contains(code.as_str()), "{code}");
        }
        // Addresses stand there as examples; nothing is fetched from one, led to, or run.
        for reaching_out in [
            "href=\"http",
            "href=\"//",
            "src=",
            "action=",
            "url(",
            "@import",
            "<script",
            "<iframe",
            "<object",
            "<link rel=\"preconnect",
        ] {
            assert!(!page.contains(reaching_out), "{reaching_out}");
        }
    }
}
