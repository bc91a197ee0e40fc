//! Finds words that are not what they seem: letters of several scripts in one word, whole words in letters that look
//! like Latin ones, styled letters and foreign digits.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::{Regex, RegexSet};

/// A word to be marked, by its place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// First byte of the word.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
    /// Why, in a few words.
    pub warning: String,
}

/// Shortest word of look-alike letters that is marked; shorter ones are too often innocent.
const LOOKALIKE_LETTERS_MIN: usize = 3;

static WORD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[\p{L}\p{M}\p{N}\p{So}_.@]*[^\x00-\x7F][\p{L}\p{M}\p{N}\p{So}_.@]*")
        .expect("the pattern is fixed and tested")
});

const SCRIPTS: &[&str] = &[
    "Latin",
    "Greek",
    "Cyrillic",
    "Armenian",
    "Hebrew",
    "Arabic",
    "Devanagari",
    "Thai",
    "Georgian",
    "Cherokee",
    "Coptic",
    "Han",
    "Hiragana",
    "Katakana",
    "Hangul",
    "Bopomofo",
    "Lisu",
    "Ethiopic",
    "Bengali",
    "Tamil",
    "Telugu",
    "Khmer",
];

/// Scripts that are written together in East Asian text, Latin words included.
const EAST_ASIAN: &[&str] = &["Latin", "Han", "Hiragana", "Katakana", "Hangul", "Bopomofo"];

static SCRIPT_SET: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSet::new(SCRIPTS.iter().map(|script| format!(r"^\p{{Script={script}}}$")))
        .expect("the names are fixed and tested")
});

/// Letters that look like a Latin one, and which.
const LOOKALIKES: &[(&str, &str)] = &[
    (
        "Cyrillic",
        "аaеeоoрpсcуyхxіiјjѕsһhԁdԛqԝwАAВBЕEКKМMНHОOРPСCТTУYХXЅSІIЈJԌGӏlґr",
    ),
    ("Greek", "αaοoνvιiκkρpυuχxγyΑAΒBΕEΖZΗHΙIΚKΜMΝNΟOΡPΤTΥYΧX"),
    ("Armenian", "օoսuոnհhցgԼLՕOՍUԱU"),
    ("Cherokee", "ᎪAᏴBᏟCᎠDᎬEᏀGᎻHᎥiᎫJᏦKᏞLᎷMᏢPᏒRᏚSᎢTᏙVᎳWᏃZ"),
];

/// The words of `text` that deserve a mark, in order.
pub fn findings(text: &str) -> Vec<Finding> {
    if text.is_ascii() {
        return Vec::new();
    }
    WORD.find_iter(text)
        .filter_map(|word| {
            warning_for(word.as_str()).map(|warning| Finding {
                start: word.start(),
                end: word.end(),
                warning,
            })
        })
        .collect()
}

/// Why a single word is not what it seems; `None` for an honest one.
pub fn warning_for(word: &str) -> Option<String> {
    if word.chars().any(is_styled) {
        return Some("styled letters, not plain ones".to_owned());
    }
    let scripts = scripts_of(word);
    if scripts.len() > 1 && !scripts.iter().all(|script| EAST_ASIAN.contains(script)) {
        let named: Vec<&str> = scripts.into_iter().collect();
        return Some(format!("mixed scripts: {}", named.join(", ")));
    }
    if let Some(plain) = digits_read_as(word) {
        return Some(format!("digits of another script, read as {plain}"));
    }
    let script = scripts.first().copied()?;
    let latin = latin_twin(word, script)?;
    Some(format!("looks like “{latin}”, but is {script}"))
}

fn scripts_of(word: &str) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let mut bytes = [0; 4];
    for letter in word.chars() {
        if letter.is_ascii_alphabetic() {
            found.insert("Latin");
        } else if letter.is_alphabetic() {
            let matches = SCRIPT_SET.matches(letter.encode_utf8(&mut bytes));
            found.extend(matches.into_iter().map(|index| SCRIPTS[index]));
        }
    }
    found
}

/// Mathematical, full-width, circled, letter-like and phonetic forms: they read as plain letters and are not.
fn is_styled(letter: char) -> bool {
    matches!(letter,
        '\u{1D400}'..='\u{1D7FF}' | '\u{FF01}'..='\u{FF5E}' | '\u{2460}'..='\u{24FF}' | '\u{1F100}'..='\u{1F189}'
        | '\u{2160}'..='\u{2188}' | '\u{1D00}'..='\u{1D7F}' | '\u{0250}'..='\u{02AF}'
        | '\u{2102}' | '\u{210A}'..='\u{2113}' | '\u{2115}' | '\u{2119}'..='\u{211D}' | '\u{2124}' | '\u{212A}'..='\u{2131}')
}

/// The word in plain digits, if it has decimal digits of another script.
fn digits_read_as(word: &str) -> Option<String> {
    static DIGIT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"[\p{Nd}--0-9]").expect("the pattern is fixed and tested"));
    DIGIT.is_match(word).then(|| {
        word.chars()
            .map(|letter| {
                let is_foreign_digit = DIGIT.is_match(letter.encode_utf8(&mut [0; 4]));
                if is_foreign_digit {
                    char::from(b'0' + digit_value(letter))
                } else {
                    letter
                }
            })
            .collect()
    })
}

/// Decimal digits stand in runs of ten, each run beginning where its predecessors are no digits.
fn digit_value(digit: char) -> u8 {
    static DIGIT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^\p{Nd}$").expect("the pattern is fixed and tested"));
    let is_digit = |code: u32| {
        char::from_u32(code).is_some_and(|letter| DIGIT.is_match(letter.encode_utf8(&mut [0; 4])))
    };
    (0..9_u8)
        .find(|value| !is_digit(u32::from(digit) - u32::from(*value) - 1))
        .unwrap_or(9)
}

/// The Latin word that this one would be taken for, if every one of its letters has a Latin twin.
fn latin_twin(word: &str, script: &str) -> Option<String> {
    let (_, pairs) = LOOKALIKES.iter().find(|(name, _)| *name == script)?;
    let twins: Vec<char> = pairs.chars().collect();
    let mut letters = 0;
    let mut latin = String::new();
    for letter in word.chars() {
        if letter.is_alphabetic() {
            letters += 1;
            latin.push(twins.chunks(2).find(|pair| pair[0] == letter)?[1]);
        } else {
            latin.push(letter);
        }
    }
    (letters >= LOOKALIKE_LETTERS_MIN).then_some(latin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, expected: Option<&str>) {
        assert_eq!(warning_for(word).as_deref(), expected, "{word}");
    }

    /// Homoglyphs can't pass for the word they imitate (attack list D).
    #[test]
    fn imitations_are_named() {
        check("pаypal", Some("mixed scripts: Cyrillic, Latin"));
        check("раура", Some("looks like “paypa”, but is Cyrillic"));
        check("ΑΤΜ", Some("looks like “ATM”, but is Greek"));
        check("cus_АВС1", Some("mixed scripts: Cyrillic, Latin"));
        check("𝐩𝐚𝐲", Some("styled letters, not plain ones"));
        check("ｐａｙ", Some("styled letters, not plain ones"));
        check("٥٠٠", Some("digits of another script, read as 500"));
        check("1𝟎0", Some("styled letters, not plain ones"));
        check("१००", Some("digits of another script, read as 100"));
    }

    #[test]
    fn honest_words_pass() {
        for word in [
            "Köln",
            "naïve",
            "Привет",
            "Tシャツ",
            "価格",
            "한국어",
            "שלום",
            "ελληνικά",
            "да",
            "ее",
        ] {
            check(word, None);
        }
    }
}
