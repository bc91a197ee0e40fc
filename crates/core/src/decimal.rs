//! Exact decimal numbers for comparing amounts: `500.00` equals `500`, and no digit is lost on the way through a double.

use std::cmp::Ordering;

/// A decimal value of any size: `0.d1 d2 d3 … × 10^exponent`, with no leading or trailing zero among the digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    /// Reads JSON number syntax (`-12.50`, `1e3`); nothing else, at most 400 characters.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > 400 {
            return None;
        }
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, power) = match rest.split_once(['e', 'E']) {
            // `parse` takes a sign itself, but only one.
            Some((mantissa, power)) => (mantissa, power.parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some((whole, fraction)) => (whole, fraction),
            None => (mantissa, ""),
        };
        if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return None;
        }
        if whole.len() > 1 && whole.starts_with('0') {
            return None;
        }
        let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let leading = all.iter().take_while(|digit| **digit == b'0').count();
        let trailing = all.iter().rev().take_while(|digit| **digit == b'0').count();
        if leading == all.len() {
            return Some(Self {
                negative: false,
                digits: Vec::new(),
                exponent: 0,
            });
        }
        let exponent = i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()? + i64::from(power);
        Some(Self {
            negative,
            digits: all[leading..all.len() - trailing].to_vec(),
            exponent,
        })
    }

    /// Whether the value is below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    fn magnitude(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self
                .exponent
                .cmp(&other.exponent)
                .then_with(|| self.digits.cmp(&other.digits)),
        }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.magnitude(other),
            (true, true) => other.magnitude(self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_as_people_expect() {
        for (left, right, expected) in [
            ("500.00", "499", Ordering::Greater),
            ("500.00", "500", Ordering::Equal),
            ("1e3", "1000.0", Ordering::Equal),
            ("0.1", "0.10", Ordering::Equal),
            ("-1", "0", Ordering::Less),
            ("-0", "0", Ordering::Equal),
            ("-10", "-9.99", Ordering::Less),
            ("9007199254740993", "9007199254740992", Ordering::Greater),
            ("0.001", "0.0001", Ordering::Greater),
            ("50.01", "50", Ordering::Greater),
        ] {
            let (left, right) = (Decimal::parse(left).unwrap(), Decimal::parse(right).unwrap());
            assert_eq!(left.cmp(&right), expected, "{left:?} {right:?}");
        }
    }

    #[test]
    fn only_json_numbers_are_numbers() {
        for text in [
            "", "1,000", "$5", ".5", "5.", "01", "1e", "NaN", "0x10", "1_000", " 1", "+1", "1e++5", "1e+-5",
            "1e5.0",
        ] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }
}
