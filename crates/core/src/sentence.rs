//! The plain sentence that heads an approval, such as *support-bot wants to refund $500.00 to a customer*.
//!
//! It is built from the action's name and the fields that will be sent, never from what the agent says in prose.

use std::fmt::Write as _;

use serde_json::Value;

mod call;
mod money;

pub use call::compose_call;
pub use money::money;
use money::{Amount, amount_in};

/// Longest piece of a value that enters the sentence, in characters; the whole value stands in the facts.
const VALUE_CHARS_MAX: usize = 64;

/// What a piece of the sentence is, so that a page can give weight to what matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// The name of the one who asks.
    Agent,
    /// Connecting words.
    Plain,
    /// What must not be missed: the verb's object, the amount, the target.
    Key,
}

/// One piece of the sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What the piece is.
    pub weight: Weight,
    /// Its text; unusual characters are already written as `<U+202E>`.
    pub text: String,
}

/// A sentence in pieces, with what had to be assumed to write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// The pieces, in order; their texts put together are the sentence.
    pub parts: Vec<Part>,
    /// What the sentence took for granted, for the reader to check ("no currency named; read as US dollars").
    pub assumption: Option<&'static str>,
}

impl Sentence {
    /// The sentence as one line of text.
    pub fn text(&self) -> String {
        self.parts.iter().map(|part| part.text.as_str()).collect()
    }
}

/// Builds the sentence as one line of text; see [`compose`].
pub fn sentence(agent: &str, action: &str, inputs: &Value, context: &Value, cost: Option<&str>) -> String {
    compose(agent, action, inputs, context, cost).text()
}

/// Builds the sentence in pieces.
///
/// The verb comes from the action's last dotted segment, amount and target from `inputs`, then from `context`.
/// An action that no rule knows is named as it is, with the details that tell it from its like. `cost` is what the
/// agent claims; it is mentioned, as an estimate, only where the fields themselves name no amount.
pub fn compose(agent: &str, action: &str, inputs: &Value, context: &Value, cost: Option<&str>) -> Sentence {
    let fields = Fields { inputs, context };
    let mut draft = Draft::new(agent);
    let last = action.rsplit('.').next().unwrap_or(action);
    let words = split_words(last);
    let known = words
        .first()
        .and_then(|verb| VERBS.iter().find(|(verbs, _)| has(verbs, verb)));
    let written = match known {
        Some((_, shape)) => draft.write_known(*shape, &words, action, &fields),
        None => false,
    };
    if !written {
        draft.write_generic(action, &fields);
    }
    if let (false, Some(cost)) = (draft.has_amount, cost.filter(|cost| !cost.is_empty())) {
        draft.plain(", estimated at ");
        let money = money(cost, Some("USD")).unwrap_or_else(|| tame(cost));
        draft.key(&money);
    }
    draft.done
}

/// The words around what an action does.
#[derive(Clone, Copy)]
enum Shape {
    /// "refund $500.00 to `cus_1`"
    Money(&'static str),
    /// "delete user `usr_1`"
    Object,
    /// "send email to ada@example.org"
    Message,
}

/// How verbs turn into words. All lists here are words between spaces, the likeliest first.
const VERBS: &[(&str, Shape)] = &[
    (
        "refund pay payout transfer wire reimburse credit",
        Shape::Money("to"),
    ),
    ("charge invoice bill debit", Shape::Money("from")),
    (OBJECT_VERBS, Shape::Object),
    ("send email message notify post reply text tweet", Shape::Message),
];

const OBJECT_VERBS: &str = "delete remove drop destroy purge truncate erase archive create update edit change \
    rename move copy cancel close reopen merge publish unpublish release rollback restart start stop scale \
    enable disable suspend rotate revoke grant invite assign approve export import download upload read write \
    execute terminate reboot patch install uninstall lock unlock reset restore";

const PARTY_FIELDS: &str = "customer customer_id to recipient payee beneficiary destination to_account to_acct account \
    account_id vendor user user_id email customer_email employee";

const PAYMENT_FIELDS: &str =
    "charge charge_id payment_intent payment payment_id order order_id invoice invoice_id";

const OBJECT_FIELDS: &str = "target table database schema bucket object file path repository repo branch pull_request pr issue \
    ticket service instance instance_id cluster deployment environment resource resource_id user user_id \
    customer customer_id account account_id email order order_id subscription subscription_id \
    role host domain url record record_id name id";

const MESSAGE_FIELDS: &str =
    "to recipient recipients email channel phone user user_id customer customer_id list";

const DETAIL_FIELDS: &str = "version service environment env branch commit target table path file command url host customer \
    customer_id user user_id email name id";

/// What stands before `send` where it is messages that are sent; anything else there is itself what is sent: a payout, say.
const MESSENGERS: &str = "slack discord teams telegram whatsapp signal twilio sendgrid mailgun postmark intercom zendesk \
    chat message messages messaging comms support crm";

/// Keys whose own name says nothing about the thing.
const NAMELESS_KEYS: &str = "target object resource resource_id record record_id name id email path url to";

/// Whether a list of words holds this one.
fn has(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|known| known == word)
}

struct Draft {
    done: Sentence,
    has_amount: bool,
}

impl Draft {
    fn new(agent: &str) -> Self {
        let parts = vec![Part {
            weight: Weight::Agent,
            text: tame(agent),
        }];
        let mut draft = Self {
            done: Sentence {
                parts,
                assumption: None,
            },
            has_amount: false,
        };
        draft.plain(" wants to ");
        draft
    }

    fn plain(&mut self, text: &str) {
        self.done.parts.push(Part {
            weight: Weight::Plain,
            text: text.to_owned(),
        });
    }

    fn key(&mut self, text: &str) {
        self.done.parts.push(Part {
            weight: Weight::Key,
            text: text.to_owned(),
        });
    }

    /// Writes by a rule; false where the fields do not say enough for it.
    fn write_known(&mut self, shape: Shape, words: &[String], action: &str, fields: &Fields<'_>) -> bool {
        let verb = words[0].as_str();
        let rest = words[1..].join(" ");
        match shape {
            Shape::Money(preposition) => self.write_money(verb, preposition, fields),
            Shape::Object => self.write_object(verb, &rest, fields),
            Shape::Message => self.write_message(verb, &rest, action, fields),
        }
    }

    fn write_money(&mut self, verb: &str, preposition: &str, fields: &Fields<'_>) -> bool {
        let amount = fields.amount();
        let party = fields.first_text(PARTY_FIELDS);
        let payment = fields.first_text(PAYMENT_FIELDS);
        if amount.is_none() && party.is_none() && payment.is_none() {
            return false;
        }
        self.plain(verb);
        if let Some(amount) = &amount {
            self.plain(" ");
            self.key(&amount.text);
            self.done.assumption = amount.assumption;
            self.has_amount = true;
        }
        if let Some((_, party)) = &party {
            let joint = if amount.is_some() {
                format!(" {preposition} ")
            } else {
                " ".to_owned()
            };
            self.plain(&joint);
            self.key(party);
        } else if let Some((key, payment)) = &payment {
            let joint = if amount.is_some() { " for " } else { " " };
            self.plain(&format!("{joint}{} ", noun_of_key(key)));
            self.key(payment);
        }
        true
    }

    fn write_object(&mut self, verb: &str, rest: &str, fields: &Fields<'_>) -> bool {
        let Some((key, target)) = fields.first_text(OBJECT_FIELDS) else {
            return false;
        };
        self.plain(&format!("{verb} "));
        let noun = if rest.is_empty() && !has(NAMELESS_KEYS, key) {
            noun_of_key(key)
        } else {
            rest.to_owned()
        };
        if !noun.is_empty() {
            self.plain(&format!("{noun} "));
        }
        self.key(&target);
        if let (Some(amount), false) = (fields.amount(), key == "amount") {
            self.plain(" (amount ");
            self.key(&amount.text);
            self.plain(")");
            self.done.assumption = amount.assumption;
            self.has_amount = true;
        }
        true
    }

    fn write_message(&mut self, verb: &str, rest: &str, action: &str, fields: &Fields<'_>) -> bool {
        let Some((_, to)) = fields.first_text(MESSAGE_FIELDS) else {
            return false;
        };
        let before = action
            .rsplit('.')
            .nth(1)
            .map(str::to_ascii_lowercase)
            .unwrap_or_default();
        let noun = match (rest, before.as_str()) {
            ("", before) if verb == "send" && !before.is_empty() && !has(MESSENGERS, before) => before,
            ("", _) => "message",
            (rest, _) => rest,
        };
        match verb {
            "email" | "message" | "notify" | "text" => self.plain(&format!("{verb} ")),
            "reply" => self.plain("reply to "),
            _ => self.plain(&format!("{verb} {noun} to ")),
        }
        self.key(&to);
        true
    }

    fn write_generic(&mut self, action: &str, fields: &Fields<'_>) {
        self.plain("run ");
        self.key(&tame(action));
        let details = fields.details(2);
        for (index, (key, value)) in details.iter().enumerate() {
            self.plain(if index == 0 { " (" } else { ", " });
            self.plain(&format!("{} ", key.replace('_', " ")));
            self.key(value);
        }
        if !details.is_empty() {
            self.plain(")");
        }
    }
}

/// The two objects an action carries, inputs before context.
struct Fields<'a> {
    inputs: &'a Value,
    context: &'a Value,
}

impl Fields<'_> {
    /// The first of `names` that either object holds as a short text or a number, with its inert text.
    fn first_text(&self, names: &'static str) -> Option<(&'static str, String)> {
        [self.inputs, self.context].into_iter().find_map(|object| {
            names
                .split_whitespace()
                .find_map(|name| scalar(object.get(name)?).map(|text| (name, tame(&text))))
        })
    }

    fn details(&self, count_max: usize) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        for name in DETAIL_FIELDS.split_whitespace() {
            let value = self
                .inputs
                .get(name)
                .or_else(|| self.context.get(name))
                .and_then(scalar);
            if let Some(text) = value {
                found.push((name, tame(&text)));
            }
            if found.len() == count_max {
                break;
            }
        }
        found
    }

    fn amount(&self) -> Option<Amount> {
        [self.inputs, self.context].into_iter().find_map(amount_in)
    }
}

/// A value that fits into a sentence: text, number, or a list of one.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(items) if items.len() == 1 => scalar(&items[0]),
        Value::Array(items) if items.len() > 1 && items.iter().all(Value::is_string) => Some(format!(
            "{} and {} more",
            items[0].as_str().unwrap_or_default(),
            items.len() - 1
        )),
        _ => None,
    }
}

fn noun_of_key(key: &str) -> String {
    key.strip_suffix("_id").unwrap_or(key).replace('_', " ")
}

/// Splits `create_refund`, `create-refund` and `createRefund` into lower-case words.
fn split_words(segment: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for letter in segment.chars() {
        let starts_word = letter.is_ascii_uppercase() && was_lower;
        if matches!(letter, '_' | '-') || starts_word {
            words.push(String::new());
        }
        if !matches!(letter, '_' | '-') {
            words
                .last_mut()
                .expect("one word is there from the start")
                .push(letter.to_ascii_lowercase());
        }
        was_lower = letter.is_ascii_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Makes a value safe to stand in a sentence anywhere: one line, no unseen character, no longer than the eye takes in.
///
/// Letters, digits and printable ASCII pass; everything else is written as its code point, so that the sentence reads the
/// same in a page, in a chat message and on a terminal.
pub fn tame(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut used_bytes = 0;
    for (count, letter) in value.chars().enumerate() {
        if count == VALUE_CHARS_MAX {
            let hidden = value.len() - used_bytes;
            let _ = write!(out, "… ({hidden} bytes more)");
            break;
        }
        used_bytes += letter.len_utf8();
        if is_plain(letter) {
            out.push(letter);
        } else {
            let _ = write!(out, "<U+{:04X}>", u32::from(letter));
        }
    }
    out
}

fn is_plain(letter: char) -> bool {
    let is_blank_letter = matches!(
        letter,
        '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' | '\u{17B4}' | '\u{17B5}'
    );
    let is_currency_sign = matches!(letter, '€' | '£' | '¥' | '₹');
    letter == ' '
        || letter.is_ascii_graphic()
        || is_currency_sign
        || (letter.is_alphanumeric() && !is_blank_letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const VECTORS: &str = include_str!("../../../spec/sentences.json");

    /// The first thing an approver reads says what happens, to whom and for how much, and nothing an agent puts
    /// into a field can hide or reorder a part of it.
    #[test]
    fn sentences_read_as_the_vectors_say() {
        let vectors: Value = serde_json::from_str(VECTORS).expect("the vectors are JSON");
        for case in vectors.as_array().expect("a list") {
            let text = |key: &str| case.get(key).and_then(Value::as_str);
            let object = |key: &str| case.get(key).cloned().unwrap_or(Value::Null);
            let action = text("action").expect("an action");
            let made = compose(
                "support-bot",
                action,
                &object("inputs"),
                &object("context"),
                text("cost"),
            );
            assert_eq!(
                made.text().strip_prefix("support-bot wants to "),
                text("expected"),
                "{case}"
            );
            assert_eq!(made.assumption.is_some(), case.get("assumes").is_some(), "{case}");
        }
    }

    #[test]
    fn overlong_values_say_how_much_is_missing() {
        let made = sentence(
            "a",
            "user.delete",
            &json!({"user": "é".repeat(100)}),
            &json!({}),
            None,
        );
        assert_eq!(
            made,
            format!("a wants to delete user {}… (72 bytes more)", "é".repeat(64))
        );
    }
}
