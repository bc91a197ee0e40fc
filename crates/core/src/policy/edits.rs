//! What approvers may change of a request before they approve it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Contract, PolicyProblem};
use crate::action::Action;

/// What a policy says of changes by approvers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EditTerms {
    /// Anything in inputs, context and the body of a call, or nothing.
    Any(bool),
    /// A JSON Schema of `{inputs, context, body}`: where it lists `properties` only these may be changed, and what comes out must be
    /// valid.
    Within(Map<String, Value>),
}

impl EditTerms {
    /// Whether there is anything that may be changed.
    pub fn allows_any(&self) -> bool {
        !matches!(self, Self::Any(false))
    }
}

/// [`EditTerms`], ready to judge a change.
#[derive(Debug)]
pub struct EditRule(Rule);

#[derive(Debug)]
enum Rule {
    /// Nothing may be changed.
    Nothing,
    /// Anything may.
    Anything,
    /// What the schema names may, to what it allows.
    Within {
        /// As written.
        schema: Value,
        /// Compiled.
        contract: Box<Contract>,
    },
}

impl EditRule {
    /// Compiles what a policy says.
    ///
    /// # Errors
    /// A schema that can't be used, with its place in the policy.
    pub fn of(terms: Option<&EditTerms>) -> Result<Self, PolicyProblem> {
        Ok(Self(match terms {
            None | Some(EditTerms::Any(false)) => Rule::Nothing,
            Some(EditTerms::Any(true)) => Rule::Anything,
            Some(EditTerms::Within(schema)) => {
                let contract = Contract::compile(schema).map_err(|problem| PolicyProblem {
                    pointer: problem
                        .pointer
                        .replacen("/context_schema", "/approval/allow_edit", 1),
                    ..problem
                })?;
                Rule::Within {
                    schema: Value::Object(schema.clone()),
                    contract: Box::new(contract),
                }
            }
        }))
    }

    /// Whether a request may be changed so.
    ///
    /// # Errors
    /// What may not, each with its JSON pointer such as `/inputs/amount`.
    pub fn check(&self, before: &Action, after: &Action) -> Result<(), Vec<(String, String)>> {
        let Rule::Within { schema, contract } = &self.0 else {
            return match &self.0 {
                Rule::Anything => Ok(()),
                _ => Err(vec![(String::new(), "the policy allows no changes".into())]),
            };
        };
        let [before, after] = [before, after].map(whole);
        let mut wrong = Vec::new();
        changed(
            schema,
            Some(&Value::Object(before)),
            Some(&Value::Object(after.clone())),
            String::new(),
            &mut wrong,
        );
        if wrong.is_empty() {
            // A contract speaks of `context`; here that is the whole.
            let lacks = contract.lacks(&after).into_iter();
            wrong = lacks
                .map(|lack| (lack.pointer.replacen("/context", "", 1), lack.why))
                .collect();
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}

const UNNAMED: &str = "the policy does not let approvers change this";

/// What a schema of changes is about: inputs, context, and the body of a call as it reads: JSON, form fields, or text.
fn whole(action: &Action) -> Map<String, Value> {
    let body = action.http.as_ref().and_then(|call| {
        let read = call
            .sight()
            .get("json")
            .or_else(|| call.sight().get("form"))
            .cloned();
        read.or_else(|| Some(Value::from(String::from_utf8_lossy(call.body()?).into_owned())))
    });
    let objects = [("context", &action.context), ("inputs", &action.inputs)];
    let objects = objects.map(|(key, object)| (key.to_owned(), Value::Object(object.clone())));
    let body = body.map(|body| ("body".to_owned(), body));
    objects.into_iter().chain(body).collect()
}

/// Notes what differs and is not named: where a schema lists properties, these and no others may change.
fn changed(
    schema: &Value,
    before: Option<&Value>,
    after: Option<&Value>,
    at: String,
    wrong: &mut Vec<(String, String)>,
) {
    if before == after {
        return;
    }
    let Some(named) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    let object =
        |value: Option<&Value>| value.map_or_else(|| Some(Map::new()), |value| value.as_object().cloned());
    let (Some(before), Some(after)) = (object(before), object(after)) else {
        wrong.push((at, "its kind may not be changed".into()));
        return;
    };
    let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let (before, after) = (before.get(key), after.get(key));
        let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        match named.get(key) {
            Some(schema) => changed(schema, before, after, at, wrong),
            None if before == after => {}
            None => wrong.push((at, UNNAMED.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    fn verdict(terms: Value, before: &Value, after: &Value) -> Result<(), Vec<String>> {
        let terms = serde_json::from_value(terms).expect("terms");
        let rule = EditRule::of(Some(&terms)).expect("usable");
        let asked = |inputs| Action {
            inputs: object(inputs),
            ..Action::named("a")
        };
        rule.check(&asked(before), &asked(after))
            .map_err(|wrong| wrong.into_iter().map(|(at, _)| at).collect())
    }

    #[test]
    fn what_the_schema_names_may_change_within_its_bounds() {
        let terms = json!({"type": "object", "properties": {"inputs": {
            "type": "object", "properties": {"amount": {"type": "number", "minimum": 0, "maximum": 100}}}}});
        let before = json!({"amount": 500, "to": "ACME"});
        let change = |after: Value| verdict(terms.clone(), &before, &after);
        assert_eq!(change(json!({"amount": 50, "to": "ACME"})), Ok(()));
        assert_eq!(
            change(json!({"amount": 101, "to": "ACME"})),
            Err(vec!["/inputs/amount".into()])
        );
        assert_eq!(
            change(json!({"amount": 50, "to": "EVIL"})),
            Err(vec!["/inputs/to".into()])
        );
        assert_eq!(change(json!({"amount": 50})), Err(vec!["/inputs/to".into()]));
        assert_eq!(
            change(json!({"amount": 50, "to": "ACME", "cc": "x"})),
            Err(vec!["/inputs/cc".into()])
        );
    }

    #[test]
    fn true_allows_anything_and_false_nothing() {
        let (before, after) = (json!({"a": 1}), json!({"b": [1]}));
        assert_eq!(verdict(json!(true), &before, &after), Ok(()));
        assert_eq!(verdict(json!(false), &before, &after), Err(vec![String::new()]));
        assert_eq!(verdict(json!({"type": "object"}), &before, &after), Ok(()));
    }

    #[test]
    fn a_schema_that_reaches_out_is_refused() {
        for schema in [
            json!({"$ref": "https://example.com/x.json"}),
            json!({"type": "nonsense"}),
        ] {
            let terms: EditTerms = serde_json::from_value(schema).expect("an object");
            assert!(EditRule::of(Some(&terms)).is_err());
        }
    }
}
