//! What actions count for: the recent past that velocity conditions look at, such as `count_last("24h") < 20`.
//!
//! An action counts for every policy that has such conditions and whose matchers fit it, from its submission until it ends
//! without having run. Amounts are exact, zero or more, and bounded, so that no sum runs over.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    condition::billionths,
    id::{ActionId, AgentId, CountedId, PolicyId, RawId},
    time::{Micros, Timestamp},
};

const ONE: i128 = 1_000_000_000;
/// Amounts are below this many billionths: 10^18 whole ones.
const AMOUNT_END: i128 = ONE * ONE * ONE;
/// For how many policies one action may count; they stand in its record.
pub const COUNTED_MAX: usize = 32;

/// An exact amount: zero or more, below 10^18, with at most nine digits after the point. Written as a decimal in quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(i128);

impl Amount {
    /// Reads a decimal in JSON's number syntax. None if it is none, is negative, too large or too fine.
    pub fn parse(text: &str) -> Option<Self> {
        billionths(text)
            .filter(|value| (0..AMOUNT_END).contains(value))
            .map(Self)
    }

    /// Of a number, or of a decimal in quotes.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => Self::parse(&number.to_string()),
            Value::String(text) => Self::parse(text),
            _ => None,
        }
    }

    /// The whole ones, and the billionths beside them.
    pub fn parts(self) -> (i64, i64) {
        let part = |value: i128| i64::try_from(value).unwrap_or(i64::MAX);
        (part(self.0 / ONE), part(self.0 % ONE))
    }

    /// In billionths.
    pub const fn billionths(self) -> i128 {
        self.0
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decimal_text(self.0))
    }
}

/// Billionths as a decimal, without zeros at its end.
fn decimal_text(billionths: i128) -> String {
    let (whole, nanos) = (billionths / ONE, billionths % ONE);
    let text = format!("{whole}.{nanos:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl FromStr for Amount {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
            .ok_or_else(|| "not an amount of zero or more, with at most nine digits after the point".into())
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// What an action counts for under one policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The policy, through all its versions.
    pub policy: PolicyId,
    /// What its fields said, each by its path; one that said no usable amount is left out, and adds nothing to a sum.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub amounts: BTreeMap<String, Amount>,
}

/// What one request counts for, and since when. It travels with the request, so that its end can take it out again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entries {
    /// When it was submitted.
    pub at: Timestamp,
    /// The record of the submission.
    pub seq: u64,
    /// Under each policy.
    pub of: Vec<Counted>,
}

impl Entries {
    /// None where nothing is counted.
    pub fn new(at: Timestamp, seq: u64, of: &[Counted]) -> Option<Self> {
        (!of.is_empty()).then(|| Self {
            at,
            seq,
            of: of.to_vec(),
        })
    }

    /// The rows it adds up to.
    pub fn rows(&self, agent: AgentId, action: ActionId) -> Vec<CountedRow> {
        let row = |policy: PolicyId, field: &str, amount: Amount| CountedRow {
            id: CountedRow::id_of(policy, field, action),
            policy,
            field: field.to_owned(),
            agent,
            at: self.at,
            seq: self.seq,
            amount,
        };
        let of_one = |one: &Counted| {
            let fields = one
                .amounts
                .iter()
                .map(|(field, amount)| row(one.policy, field, *amount));
            std::iter::once(row(one.policy, "", Amount::default()))
                .chain(fields)
                .collect::<Vec<_>>()
        };
        self.of.iter().flat_map(of_one).collect()
    }
}

/// One action as it counts for one policy: once as such, and once for each field with an amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountedRow {
    /// Follows from policy, field and action.
    pub id: CountedId,
    /// The policy.
    pub policy: PolicyId,
    /// The path of the field whose amount this is; empty for the action as such.
    pub field: String,
    /// Who asked.
    pub agent: AgentId,
    /// When it was submitted.
    pub at: Timestamp,
    /// The record of the submission.
    pub seq: u64,
    /// The amount; zero for the action as such.
    pub amount: Amount,
}

impl CountedRow {
    fn id_of(policy: PolicyId, field: &str, action: ActionId) -> CountedId {
        let mut hash = Sha256::new();
        hash.update(b"signoff.counted.v1\0");
        hash.update(policy.0.0);
        hash.update(action.0.0);
        hash.update(field.as_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        let mut raw = [0; 16];
        raw.copy_from_slice(&hash[..16]);
        CountedId(RawId(raw))
    }
}

/// Whose past a condition looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CounterScope {
    /// What this agent did that the policy's matchers fit.
    Agent,
    /// What all agents did that they fit.
    Policy,
}

/// What a condition wants to know of the past of its policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter {
    /// The path of the field that is summed up; none where actions are counted.
    pub field: Option<String>,
    /// How far back.
    pub window: Micros,
    /// Whose.
    pub scope: CounterScope,
}

/// A question to the past, with all that answers it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterKey {
    /// The policy that asks.
    pub policy: PolicyId,
    /// The path of the field; empty for actions as such.
    pub field: String,
    /// Of this agent; none means of all.
    pub agent: Option<AgentId>,
    /// How far back.
    pub window: Micros,
    /// Only what was submitted before this record; none means everything.
    pub before: Option<u64>,
}

impl CounterKey {
    /// The question that a counter of a policy asks about this agent.
    pub fn new(policy: PolicyId, counter: &Counter, agent: AgentId, before: Option<u64>) -> Self {
        Self {
            policy,
            field: counter.field.clone().unwrap_or_default(),
            agent: (counter.scope == CounterScope::Agent).then_some(agent),
            window: counter.window,
            before,
        }
    }

    /// What was submitted at this time or before is not looked at.
    pub const fn since(&self, now: Timestamp) -> Timestamp {
        Timestamp(now.0.saturating_sub(self.window.0))
    }

    /// Whether a row is part of the answer at this time.
    pub fn fits(&self, row: &CountedRow, now: Timestamp) -> bool {
        row.policy == self.policy
            && row.field == self.field
            && self.agent.is_none_or(|agent| agent == row.agent)
            && row.at > self.since(now)
            && self.before.is_none_or(|before| row.seq < before)
    }
}

/// What the past comes to: how many entries, and the sum of their amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figure {
    /// How many.
    pub entries: u64,
    /// The sum, in billionths.
    pub billionths: i128,
}

impl Figure {
    /// Out of the sums of parts that stores keep apart, so that none runs over: billions, whole ones below a billion, and
    /// billionths. None for what no entries add up to.
    pub fn of_parts(entries: i64, billions: i64, units: i64, nanos: i64) -> Option<Self> {
        let parts = [entries, billions, units, nanos];
        if parts.iter().any(|part| *part < 0) {
            return None;
        }
        Some(Self {
            entries: u64::try_from(entries).ok()?,
            billionths: (i128::from(billions) * ONE + i128::from(units)) * ONE + i128::from(nanos),
        })
    }

    /// With one entry more.
    pub fn add(&mut self, row: &CountedRow) {
        self.entries += 1;
        self.billionths += row.amount.billionths();
    }

    /// With one entry less. None where it can't have been among them.
    #[must_use]
    pub fn without(self, row: &CountedRow) -> Option<Self> {
        let billionths = self.billionths - row.amount.billionths();
        Some(Self {
            entries: self.entries.checked_sub(1)?,
            billionths: (billionths >= 0).then_some(billionths)?,
        })
    }

    /// The sum as a decimal.
    pub fn sum(&self) -> String {
        decimal_text(self.billionths)
    }
}

/// Answers for everything that the conditions over one action ask. What is not in it is not known, and a condition that
/// asks for it is an error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Figures(Vec<(PolicyId, Counter, Figure)>);

impl Figures {
    /// Notes an answer.
    pub fn insert(&mut self, policy: PolicyId, counter: Counter, figure: Figure) {
        self.0.push((policy, counter, figure));
    }

    /// Whether nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An answer.
    pub fn of(&self, policy: PolicyId, counter: &Counter) -> Option<Figure> {
        let mut known = self.0.iter();
        let found = known.find(|(of, asked, _)| *of == policy && asked == counter);
        found.map(|(_, _, figure)| *figure)
    }
}

/// When something is judged, and what is known of what was before. A time alone knows nothing of the past.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// The time.
    pub now: Timestamp,
    /// The past.
    pub past: Option<&'a Figures>,
}

impl From<Timestamp> for Moment<'_> {
    fn from(now: Timestamp) -> Self {
        Self { now, past: None }
    }
}

/// What one policy's conditions see of the past.
#[derive(Debug, Clone, Copy)]
pub struct Past<'a> {
    /// The policy.
    pub policy: PolicyId,
    /// All answers.
    pub figures: &'a Figures,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_are_exact_or_none() {
        for (value, text) in [
            (json!(0), "0"),
            (json!(400), "400"),
            (json!(0.1), "0.1"),
            (json!("400.50"), "400.5"),
            (json!("0.000000001"), "0.000000001"),
            (
                json!("999999999999999999.999999999"),
                "999999999999999999.999999999",
            ),
            (json!(1e3), "1000"),
        ] {
            assert_eq!(Amount::of(&value).unwrap().to_string(), text, "{value}");
        }
        for value in [
            json!(-1),
            json!("-0.01"),
            json!("0.0000000001"),
            json!("1000000000000000000"),
            json!(1e300),
            json!("NaN"),
            json!(""),
            json!("12 USD"),
            json!(null),
            json!(true),
            json!([1]),
            json!({"amount": 1}),
        ] {
            assert_eq!(Amount::of(&value), None, "{value}");
        }
    }

    #[test]
    fn figures_of_the_largest_amounts_do_not_run_over() {
        let largest = Amount::parse("999999999999999999.999999999").unwrap();
        let (whole, nanos) = largest.parts();
        let entries = 9_000_000_000_i64;
        let sums = [whole / 1_000_000_000, whole % 1_000_000_000, nanos]
            .map(|part| part.checked_mul(entries).unwrap());
        let figure = Figure::of_parts(entries, sums[0], sums[1], sums[2]).unwrap();
        assert_eq!(figure.billionths, largest.billionths() * i128::from(entries));
    }
}
