//! Which JSON is accepted, and that values which differ never share canonical bytes: the ground under every digest.
//! Vectors: `spec/json.json`.

use std::{collections::BTreeMap, fmt::Write as _};

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use signoff_core::json::{self, JsonRefusal};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    accepted: Vec<Case>,
    refused: Vec<Case>,
}

/// The text is `text` so many `times`, then `middle`, then `close` as often; or bytes in `hex`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    text: Option<String>,
    hex: Option<String>,
    #[serde(default = "once")]
    times: usize,
    #[serde(default)]
    middle: String,
    #[serde(default)]
    close: String,
    canonical: Option<String>,
    #[serde(default)]
    inexact: bool,
}

fn once() -> usize {
    1
}

impl Case {
    fn nested(&self, text: &str) -> Vec<u8> {
        (text.repeat(self.times) + &self.middle + &self.close.repeat(self.times)).into_bytes()
    }

    fn bytes(&self) -> Vec<u8> {
        match (&self.text, &self.hex) {
            (Some(text), None) => self.nested(text),
            (None, Some(digits)) => hex::decode(digits).expect(&self.name),
            _ => panic!("{}: either `text` or `hex`", self.name),
        }
    }
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../spec/json.json")).expect("the vectors are readable")
}

fn canonical(raw: &[u8]) -> Vec<u8> {
    let value: Value = serde_json::from_slice(raw).expect("what was accepted can be read");
    json::canonical(&value).expect("what was read can be written")
}

#[test]
fn accepted_vectors_and_their_canonical_form() {
    for case in vectors().accepted {
        let raw = case.bytes();
        assert_eq!(json::check(&raw), Ok(()), "{}", case.name);
        let expected = case.nested(case.canonical.as_ref().expect(&case.name));
        assert_eq!(
            String::from_utf8_lossy(&canonical(&raw)),
            String::from_utf8_lossy(&expected),
            "{}",
            case.name
        );
        assert_eq!(json::check(&expected), Ok(()), "{}", case.name);
        assert_eq!(canonical(&expected), expected, "{}", case.name);
    }
}

#[test]
fn refused_vectors() {
    for case in vectors().refused {
        let refusal = json::check(&case.bytes()).expect_err(&case.name);
        let inexact = matches!(refusal, JsonRefusal::InexactNumber(_));
        assert_eq!(inexact, case.inexact, "{}: {refusal}", case.name);
        assert!(
            !inexact || refusal.to_string().contains("send it as a string"),
            "{}: {refusal}",
            case.name
        );
    }
}

/// A JSON value by its meaning: numbers are exact decimals, objects have no order.
#[derive(Debug, Clone, PartialEq)]
enum Meaning {
    Null,
    Bool(bool),
    Number(Exact),
    Text(String),
    List(Vec<Meaning>),
    Object(BTreeMap<String, Meaning>),
}

/// `digits × 10^exponent`, without trailing zeros; zero has one form.
#[derive(Debug, Clone, PartialEq)]
struct Exact {
    negative: bool,
    digits: u128,
    exponent: i32,
}

impl Exact {
    fn new(negative: bool, mut digits: u128, mut exponent: i32) -> Self {
        if digits == 0 {
            return Self {
                negative: false,
                digits: 0,
                exponent: 0,
            };
        }
        while digits.is_multiple_of(10) {
            digits /= 10;
            exponent += 1;
        }
        Self {
            negative,
            digits,
            exponent,
        }
    }

    /// Whether the shortest decimal that names the nearest double is this number. Of several as short, that is the
    /// nearest to the double, and of two as near the even one (as ECMAScript and RFC 8785 have it).
    fn fits_a_double(&self) -> bool {
        let double: f64 = format!("{}e{}", self.digits, self.exponent)
            .parse()
            .expect("a number");
        let some_shortest = format!("{double:e}");
        let places = some_shortest.find('e').expect("an exponent").saturating_sub(2);
        let nearest = format!("{double:.places$e}");
        let shortest = if nearest.parse() == Ok(double) {
            nearest
        } else {
            some_shortest
        };
        let (mantissa, exponent) = shortest.split_once('e').expect("an exponent");
        let digits = mantissa.replace('.', "").parse().expect("at most 17 digits");
        let exponent: i32 = exponent.parse().expect("a small number");
        Self::new(
            self.negative,
            digits,
            exponent - i32::try_from(places).expect("few"),
        ) == *self
    }
}

/// Writes a meaning as text, with free choices taken from a list of dice.
struct Writer<'a> {
    out: String,
    dice: std::iter::Cycle<std::slice::Iter<'a, u8>>,
}

impl Writer<'_> {
    fn write(meaning: &Meaning, dice: &[u8]) -> String {
        let mut writer = Writer {
            out: String::new(),
            dice: dice.iter().cycle(),
        };
        writer.value(meaning);
        writer.out
    }

    fn choose(&mut self, among: u8) -> u8 {
        self.dice.next().copied().unwrap_or(0) % among
    }

    fn space(&mut self) {
        let space = ["", "", "", " ", "\n", "\t \r"][usize::from(self.choose(6))];
        self.out.push_str(space);
    }

    fn value(&mut self, meaning: &Meaning) {
        self.space();
        match meaning {
            Meaning::Null => self.out.push_str("null"),
            Meaning::Bool(truth) => self.out.push_str(if *truth { "true" } else { "false" }),
            Meaning::Number(number) => self.number(number),
            Meaning::Text(text) => self.text(text),
            Meaning::List(items) => {
                self.out.push('[');
                for (at, item) in items.iter().enumerate() {
                    self.comma(at);
                    self.value(item);
                }
                self.out.push(']');
            }
            Meaning::Object(entries) => {
                self.out.push('{');
                let mut entries: Vec<_> = entries.iter().collect();
                if self.choose(2) == 1 {
                    entries.reverse();
                }
                for (at, (key, item)) in entries.into_iter().enumerate() {
                    self.comma(at);
                    self.space();
                    self.text(key);
                    self.space();
                    self.out.push(':');
                    self.value(item);
                }
                self.out.push('}');
            }
        }
        self.space();
    }

    fn comma(&mut self, at: usize) {
        if at > 0 {
            self.out.push(',');
        }
    }

    fn number(&mut self, number: &Exact) {
        if number.negative {
            self.out.push('-');
        }
        let digits = number.digits.to_string();
        let written = match self.choose(4) {
            0 => plain(&digits, number.exponent),
            1 => format!("{digits}e{}", number.exponent),
            2 => format!("{digits}.00E{:+}", number.exponent),
            _ => format!(
                "0.{digits}0e{}",
                number.exponent + i32::try_from(digits.len()).expect("few")
            ),
        };
        self.out.push_str(&written);
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for letter in text.chars() {
            let must = matches!(letter, '"' | '\\') || letter < ' ';
            if must || self.choose(3) == 0 {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    write!(self.out, "\\u{unit:04x}").expect("a String takes all");
                }
            } else {
                self.out.push(letter);
            }
        }
        self.out.push('"');
    }
}

/// A decimal without exponent.
fn plain(digits: &str, exponent: i32) -> String {
    let places = usize::try_from(exponent.unsigned_abs()).expect("small");
    if digits == "0" {
        "0".into()
    } else if exponent >= 0 {
        digits.to_owned() + &"0".repeat(places)
    } else if digits.len() > places {
        let (whole, fraction) = digits.split_at(digits.len() - places);
        format!("{whole}.{fraction}")
    } else {
        format!("0.{}{digits}", "0".repeat(places - digits.len()))
    }
}

/// Numbers people send, and numbers beside which another one lies so near that a double can't tell.
fn any_number() -> impl Strategy<Value = Meaning> {
    let digits = prop_oneof![
        3 => 0..1_000_u128,
        2 => 9_007_199_254_740_990..9_007_199_254_741_010_u128,
        2 => 9_223_372_036_854_775_800..9_223_372_036_854_775_810_u128,
        2 => 10_000_000_000_000_000..10_000_000_000_000_100_u128,
        1 => any::<u64>().prop_map(u128::from),
    ];
    (any::<bool>(), digits, -25..25_i32)
        .prop_map(|(negative, digits, exponent)| Meaning::Number(Exact::new(negative, digits, exponent)))
}

fn any_meaning() -> impl Strategy<Value = Meaning> {
    let text = || {
        prop_oneof![
            "[a-c\"\\\\/]{0,3}",
            "[é\u{301}e\u{202e}😀\u{ffff}\u{1}]{0,2}",
            Just("1.0".to_owned())
        ]
    };
    let leaf = prop_oneof![
        1 => Just(Meaning::Null),
        1 => any::<bool>().prop_map(Meaning::Bool),
        4 => any_number(),
        2 => text().prop_map(Meaning::Text),
    ];
    leaf.prop_recursive(3, 12, 3, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Meaning::List),
            prop::collection::btree_map(text(), inner, 0..3).prop_map(Meaning::Object),
        ]
    })
}

/// The same value with one leaf changed.
fn changed(meaning: &Meaning, at: &mut usize, leaf: &Meaning) -> Meaning {
    match meaning {
        Meaning::List(items) if !items.is_empty() => {
            Meaning::List(items.iter().map(|item| changed(item, at, leaf)).collect())
        }
        Meaning::Object(entries) if !entries.is_empty() => Meaning::Object(
            entries
                .iter()
                .map(|(key, item)| (key.clone(), changed(item, at, leaf)))
                .collect(),
        ),
        other => {
            let here = *at == 0;
            *at = at.wrapping_sub(1);
            if here { leaf.clone() } else { other.clone() }
        }
    }
}

fn fits(meaning: &Meaning) -> bool {
    match meaning {
        Meaning::Number(number) => number.fits_a_double(),
        Meaning::List(items) => items.iter().all(fits),
        Meaning::Object(entries) => entries.values().all(fits),
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whether a value is accepted depends on what it means, not on how it is written.
    #[test]
    fn a_value_is_accepted_exactly_if_a_double_holds_its_numbers(
        meaning in any_meaning(),
        dice in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let text = Writer::write(&meaning, &dice);
        prop_assert_eq!(json::check(text.as_bytes()).is_ok(), fits(&meaning), "{}", text);
    }

    /// I2 rests on this: one meaning, one sequence of bytes, and no two meanings the same.
    #[test]
    fn i2_values_that_differ_never_share_canonical_bytes(
        first in any_meaning(),
        leaf in any_meaning(),
        at in 0..4_usize,
        dice in prop::collection::vec(any::<u8>(), 1..40),
        other_dice in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let second = changed(&first, &mut at.clone(), &leaf);
        let (first_text, second_text) = (Writer::write(&first, &dice), Writer::write(&second, &other_dice));
        prop_assume!(fits(&first) && fits(&second));
        let same = canonical(first_text.as_bytes()) == canonical(second_text.as_bytes());
        prop_assert_eq!(same, first == second, "{} {}", first_text, second_text);
    }

    /// What is accepted comes back as it went in: its canonical form is accepted and is its own canonical form.
    #[test]
    fn accepted_text_round_trips(meaning in any_meaning(), dice in prop::collection::vec(any::<u8>(), 1..40)) {
        let text = Writer::write(&meaning, &dice);
        prop_assume!(json::check(text.as_bytes()).is_ok());
        let once = canonical(text.as_bytes());
        prop_assert_eq!(json::check(&once), Ok(()));
        prop_assert_eq!(canonical(&once), once);
    }

    /// Any bytes get an answer, and what is accepted can be read.
    #[test]
    fn any_text_gets_an_answer(text in "[{}\\[\\]:,\"\\\\ua0-9eE+.\\- \u{0}\u{feff}é]{0,24}") {
        if json::check(text.as_bytes()).is_ok() {
            let once = canonical(text.as_bytes());
            prop_assert_eq!(canonical(&once), once);
        }
    }

    #[test]
    fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
        if json::check(&bytes).is_ok() {
            canonical(&bytes);
        }
    }
}
