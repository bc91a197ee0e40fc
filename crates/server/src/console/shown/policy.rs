//! Policies in plain words. What this build of the console has no words for is shown by its name: nothing is left out.

use serde_json::{Map, Value};
use signoff_api::policy::{
    Approver, Condition, Effect, HttpMatch, OneOrMany, Otherwise, PolicyBody, RiskMatch,
};

use crate::console::inert::Inert;
use crate::console::shown::trial::many;
use crate::console::view::policy::{Mark, Pair};

/// How many names a sentence says before it only counts.
const NAMED: usize = 3;

/// The page of a policy.
pub fn href(name: &str) -> String {
    let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    format!("/policies/{}", name.replace('+', "%20"))
}

/// A text in lines, each as its indent and the rest: what is a page of code reads as one.
pub fn lines(text: &str) -> Vec<(String, Inert)> {
    let lines = text.lines().map(|line| {
        let rest = line.trim_start_matches(' ');
        (line[..line.len() - rest.len()].to_owned(), Inert::all(rest))
    });
    lines.collect()
}

/// What a policy does, in one sentence.
pub fn sentence(body: &PolicyBody) -> String {
    let subject = subject(body);
    let conditions = body.conditions.as_deref().unwrap_or_default();
    let holds = holds(conditions);
    let only = if holds.is_empty() {
        String::new()
    } else {
        format!(", only if {holds}")
    };
    match body.effect {
        Effect::Allow => format!("Lets {subject} pass{only}."),
        Effect::Deny => format!("Refuses {subject}{only}."),
        Effect::RequireApproval => format!("Asks people about {subject}{only}."),
        Effect::Conditional => {
            let otherwise = match body.otherwise.unwrap_or_default() {
                Otherwise::RequireApproval => "asks people",
                Otherwise::Deny => "refuses",
            };
            format!("Lets {subject} pass if {holds}, else {otherwise}.")
        }
    }
}

/// What it is about.
fn subject(body: &PolicyBody) -> String {
    let none = Vec::new();
    let actions = body.actions.as_ref().unwrap_or(&none);
    let any = actions.is_empty() || actions.iter().any(|glob| glob.chars().all(|c| c == '*'));
    let mut subject = if any {
        "every action".to_owned()
    } else {
        listed(actions, "or")
    };
    if let Some(http) = &body.http {
        let calls = calls(http);
        subject = if any {
            calls
        } else {
            format!("{subject} as {calls}")
        };
    }
    if let Some(agents) = body.agents.as_ref().filter(|agents| !agents.is_empty()) {
        subject = format!("{subject} by {}", listed(agents, "or"));
    }
    if let Some(labels) = body.labels.as_ref().filter(|labels| !labels.is_empty()) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let agents = if body.agents.as_ref().is_none_or(Vec::is_empty) {
            " by agents"
        } else {
            ""
        };
        subject = format!("{subject}{agents} with {}", listed(&labels, "and"));
    }
    match &body.risk {
        Some(RiskMatch::AtLeast(least)) => subject = format!("{subject} of {least} risk or above"),
        Some(RiskMatch::OneOf(risks)) => {
            let risks: Vec<String> = risks.iter().map(ToString::to_string).collect();
            subject = format!("{subject} of {} risk", listed(&risks, "or"));
        }
        None => {}
    }
    if let Some(over) = &body.cost_over {
        subject = format!("{subject} that costs more than ${}", over.as_str());
    }
    if let Some(grant) = &body.grant {
        subject = format!("{subject} with the grant {}", listed(&all_of(grant), "or"));
    }
    subject
}

/// The HTTP calls it is about: `DELETE or PUT calls to https://api.example.com/*`.
fn calls(http: &HttpMatch) -> String {
    let methods = http.methods.as_deref().filter(|methods| !methods.is_empty());
    let methods = methods.map_or_else(|| "HTTP".to_owned(), |methods| listed(methods, "or"));
    let urls = http.url.as_ref().map(all_of).filter(|urls| !urls.is_empty());
    let urls = urls.map_or_else(String::new, |urls| format!(" to {}", listed(&urls, "or")));
    format!("{methods} calls{urls}")
}

fn all_of(texts: &OneOrMany) -> Vec<String> {
    match texts {
        OneOrMany::One(text) => vec![text.clone()],
        OneOrMany::Many(texts) => texts.clone(),
    }
}

/// The conditions that must hold.
fn holds(conditions: &[Condition]) -> String {
    match conditions {
        [] => String::new(),
        [one] => condition(one),
        [first, more @ ..] => format!(
            "{} and {} more",
            condition(first),
            many(more.len() as u64, "condition", "conditions")
        ),
    }
}

/// A condition as text.
fn condition(condition: &Condition) -> String {
    match condition {
        Condition::Expression(source) => source.clone(),
        Condition::Structured(given) => {
            let value = given.value.as_ref().map(|value| format!(" {value}"));
            format!(
                "{} {}{}",
                given.field,
                symbol(given.operator.as_str()),
                value.unwrap_or_default()
            )
        }
    }
}

fn symbol(operator: &str) -> &str {
    match operator {
        "eq" => "=",
        "ne" => "≠",
        "gt" => ">",
        "gte" => "≥",
        "lt" => "<",
        "lte" => "≤",
        "not_in" => "not in",
        other => other,
    }
}

/// "a, b or c", or "a, b and 7 more".
fn listed(names: &[String], last: &str) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., end] if names.len() <= NAMED => format!("{} {last} {end}", rest.join(", ")),
        _ => format!(
            "{} and {} more",
            names[..NAMED - 1].join(", "),
            names.len() - NAMED + 1
        ),
    }
}

/// The effect as a mark.
pub fn mark(effect: Effect) -> Mark {
    let (word, tone) = match effect {
        Effect::Allow => ("allows", "good"),
        Effect::Deny => ("denies", "bad"),
        Effect::RequireApproval => ("asks", "open"),
        Effect::Conditional => ("depends", "open"),
    };
    Mark { word, tone }
}

fn fields(body: &PolicyBody) -> Map<String, Value> {
    match serde_json::to_value(body) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

const MATCHERS: [(&str, &str); 8] = [
    ("actions", "Actions"),
    ("agents", "Agents"),
    ("labels", "Labels"),
    ("http", "HTTP"),
    ("grant", "Grant"),
    ("risk", "Risk"),
    ("cost_over", "Costs more than"),
    ("conditions", "Conditions"),
];

/// What it matches, field by field.
pub fn matchers(body: &PolicyBody) -> Vec<Pair> {
    let mut fields = fields(body);
    fields.remove("conditions");
    let mut pairs = pairs(&fields, &MATCHERS);
    let conditions = body.conditions.as_deref().unwrap_or_default();
    if !conditions.is_empty() {
        let texts = conditions.iter().map(|one| Inert::all(&condition(one)));
        pairs.push(Pair {
            label: "Conditions".to_owned(),
            values: texts.collect(),
            is_code: true,
        });
    }
    pairs
}

/// What else it says, beside what it matches and who decides.
pub fn terms(body: &PolicyBody) -> Vec<Pair> {
    const KNOWN: [(&str, &str); 5] = [
        ("otherwise", "Otherwise"),
        ("guard", "Guard"),
        ("require_reason", "Agent must give a reason"),
        ("require_decision_reason", "Decisions need a reason"),
        ("valid_for", "Permission lasts"),
    ];
    let mut fields = fields(body);
    let elsewhere = ["name", "description", "effect", "enabled", "approval"];
    let matched = MATCHERS.iter().map(|(field, _)| *field);
    for field in elsewhere.into_iter().chain(matched) {
        fields.remove(field);
    }
    all_pairs(fields, &KNOWN)
}

/// When people are asked: how long they have, who is told, and whatever else is said beside who decides.
pub fn asking(body: &PolicyBody) -> Vec<Pair> {
    const KNOWN: [(&str, &str); 6] = [
        ("timeout", "Time to decide"),
        ("escalate", "Escalates"),
        ("notify", "Tells"),
        ("self_approval", "Self-approval"),
        ("link", "Links"),
        ("link_risk_max", "Links decide up to risk"),
    ];
    let fields = fields(body);
    let mut fields = fields
        .get("approval")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    for field in ["approvers", "quorum", "deny_quorum", "stages"] {
        fields.remove(field);
    }
    all_pairs(fields, &KNOWN)
}

/// The known fields with their words, then those that a newer policy has and the list no words for.
fn all_pairs(mut fields: Map<String, Value>, known: &[(&str, &str)]) -> Vec<Pair> {
    let mut said = pairs(&fields, known);
    for (field, _) in known {
        fields.remove(*field);
    }
    let rest = fields.iter();
    said.extend(rest.map(|(field, value)| pair(&field.replace('_', " "), value)));
    said
}

fn pairs(fields: &Map<String, Value>, known: &[(&str, &str)]) -> Vec<Pair> {
    let found = known
        .iter()
        .filter_map(|(field, label)| Some((label, fields.get(*field)?)));
    found.map(|(label, value)| pair(label, value)).collect()
}

fn pair(label: &str, value: &Value) -> Pair {
    let values = match value {
        Value::Array(items) => items.iter().map(text).collect(),
        Value::Object(parts) => parts
            .iter()
            .map(|(key, value)| format!("{key}: {}", text(value)))
            .collect(),
        one => vec![text(one)],
    };
    let mut label = label.to_owned();
    if let Some(first) = label.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Pair {
        label,
        values: values.iter().map(|value| Inert::all(value)).collect(),
        is_code: false,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Who decides, stage by stage, in words; nothing for a policy that never asks.
pub fn stages(body: &PolicyBody, defaults: &[String]) -> Vec<String> {
    let may_ask = match body.effect {
        Effect::Allow | Effect::Deny => false,
        Effect::RequireApproval => true,
        Effect::Conditional => body.otherwise.unwrap_or_default() == Otherwise::RequireApproval,
    };
    let rule = body.approval.clone().unwrap_or_default();
    if !may_ask {
        return Vec::new();
    }
    let Some(stages) = rule.stages else {
        let approvers = rule.approvers.unwrap_or_default();
        return vec![stage(&approvers, defaults, rule.quorum, rule.deny_quorum)];
    };
    let numbered = stages.iter().enumerate().map(|(at, one)| {
        let name = one
            .name
            .as_deref()
            .map(|name| format!(", {name}"))
            .unwrap_or_default();
        let words = stage(&one.approvers, defaults, one.quorum, one.deny_quorum);
        format!("Stage {}{name}: {words}", at + 1)
    });
    numbered.collect()
}

fn stage(approvers: &[Approver], defaults: &[String], quorum: Option<u32>, deny: Option<u32>) -> String {
    let mut names: Vec<String> = approvers.iter().map(approver).collect();
    if names.is_empty() {
        names = defaults.iter().map(|name| named(name)).collect();
    }
    let (quorum, deny) = (quorum.unwrap_or(1), deny.unwrap_or(1));
    let approvals = many(quorum.into(), "approval", "approvals");
    let denials = many(deny.into(), "denial ends it", "denials end it");
    format!("{approvals} from {}; {denials}.", names.join(", or "))
}

fn approver(approver: &Approver) -> String {
    match approver {
        Approver::Named(name) => named(name),
        Approver::FromContext(from) => {
            let domains = from.domains.join(", ");
            format!("the person named in the request’s {} ({domains})", from.context)
        }
    }
}

/// An approver as a set names it.
pub fn named(name: &str) -> String {
    match name {
        "role:admin" => "the admins".to_owned(),
        "role:member" => "the members and admins".to_owned(),
        "agent.owner" => "the agent’s owner".to_owned(),
        other => match other.split_once(':') {
            Some(("group", group)) => format!("the group {group}"),
            Some(("email" | "operator", who)) => who.to_owned(),
            _ => other.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(json: Value) -> PolicyBody {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_policy_is_told_in_one_sentence() {
        for (policy, expected) in [
            (json!({"name": "a", "effect": "deny"}), "Refuses every action."),
            (
                json!({"name": "a", "effect": "allow", "actions": ["a", "b", "c"], "agents": ["bot"]}),
                "Lets a, b or c by bot pass.",
            ),
            (
                json!({"name": "a", "effect": "require_approval", "actions": ["a", "b", "c", "d"], "risk": "high", "cost_over": 50}),
                "Asks people about a, b and 2 more of high risk or above that costs more than $50.",
            ),
            (
                json!({"name": "a", "effect": "conditional", "actions": ["x"], "conditions": ["inputs.n < 2"], "otherwise": "deny"}),
                "Lets x pass if inputs.n < 2, else refuses.",
            ),
            (
                json!({"name": "a", "effect": "deny", "actions": ["x"], "conditions": [
                    {"field": "freeze", "operator": "eq", "value": true}, "now.hour(\"UTC\") > 3"]}),
                "Refuses x, only if freeze = true and 1 condition more.",
            ),
        ] {
            assert_eq!(sentence(&body(policy)), expected);
        }
    }

    #[test]
    fn who_decides_is_told_stage_by_stage() {
        let defaults = ["role:member".to_owned()];
        let words = |approval: Value| {
            let policy = json!({"name": "a", "effect": "require_approval", "approval": approval});
            stages(&body(policy), &defaults)
        };
        assert_eq!(
            words(json!({})),
            ["1 approval from the members and admins; 1 denial ends it."]
        );
        assert_eq!(
            words(json!({"stages": [
                {"name": "manager", "approvers": [{"context": "boss", "domains": ["example.com"]}]},
                {"approvers": ["group:finance", "agent.owner"], "quorum": 2, "deny_quorum": 2}]})),
            [
                "Stage 1, manager: 1 approval from the person named in the request’s boss (example.com); 1 denial ends it.",
                "Stage 2: 2 approvals from the group finance, or the agent’s owner; 2 denials end it."
            ]
        );
        let allows = json!({"name": "a", "effect": "allow"});
        assert!(stages(&body(allows), &defaults).is_empty());
    }

    /// Nothing that a policy says is left out of its page.
    #[test]
    fn every_field_has_its_place() {
        let policy = body(
            json!({"name": "a", "effect": "conditional", "otherwise": "deny", "guard": true,
            "labels": {"team": "ops"}, "conditions": ["true == true"], "valid_for": "15m",
            "approval": {"timeout": "never", "notify": ["channel:x", {"to": ["channel:y"], "risk": "high"}]}}),
        );
        let labels = |pairs: Vec<Pair>| pairs.into_iter().map(|pair| pair.label).collect::<Vec<_>>();
        assert_eq!(labels(matchers(&policy)), ["Labels", "Conditions"]);
        assert_eq!(labels(terms(&policy)), ["Otherwise", "Guard", "Permission lasts"]);
        assert_eq!(labels(asking(&policy)), ["Time to decide", "Tells"]);
    }
}
