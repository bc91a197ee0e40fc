//! Amounts in sentences: read exactly or repeated as they stand, never guessed.

use serde_json::Value;

use super::{scalar, tame};

const AMOUNT_FIELDS: &str =
    "amount refund_amount amount_usd usd_amount total total_amount sum amount_cents amount_minor";

/// An amount as it will be read, with what was assumed to read it so.
pub(super) struct Amount {
    /// Written as money where it is money.
    pub(super) text: String,
    /// What the reader should check.
    pub(super) assumption: Option<&'static str>,
}

const CURRENCY_FIELDS: &str = "currency currency_code";

/// Currencies of a hundred cents: only for these is it known what a number of minor units comes to.
const OF_HUNDRED: &str =
    "USD EUR GBP CHF CAD AUD NZD SEK NOK DKK PLN CZK BRL MXN INR ZAR SGD HKD CNY ILS TRY";

const NO_CURRENCY: &str = "the request names no currency; the amount is read as US dollars";
const WHOLE: &str = "the amount is a whole number, read as whole units, not as cents";
const CONTRADICTION: &str = "the amount's field speaks of US dollars, the currency says otherwise";

/// Reads the amount of one object, with the currency that stands beside it.
pub(super) fn amount_in(object: &Value) -> Option<Amount> {
    let (name, raw) = first_scalar(object, AMOUNT_FIELDS)?;
    let named = first_scalar(object, CURRENCY_FIELDS).map(|(_, text)| text);
    let in_dollars = name.contains("usd");
    let currency = match &named {
        Some(code) if is_currency(code) => code.to_ascii_uppercase(),
        // A currency that can't be read is repeated, not guessed.
        Some(other) => return Some(as_written(&raw, other)),
        None => "USD".to_owned(),
    };
    if in_dollars && currency != "USD" {
        return Some(Amount {
            assumption: Some(CONTRADICTION),
            ..as_written(&raw, &currency)
        });
    }
    let in_minor = name.ends_with("_cents") || name.ends_with("_minor");
    let text = if in_minor && !super::has(OF_HUNDRED, &currency) {
        return Some(as_written(&raw, &format!("minor units of {currency}")));
    } else if in_minor {
        from_minor(&raw).and_then(|units| money(&units, Some(&currency)))
    } else {
        money(&raw, Some(&currency))
    };
    let Some(text) = text else {
        return Some(Amount {
            text: tame(&raw),
            assumption: None,
        });
    };
    let assumption = if named.is_none() && !in_dollars {
        Some(NO_CURRENCY)
    } else if !in_minor && !raw.contains('.') {
        Some(WHOLE)
    } else {
        None
    };
    Some(Amount { text, assumption })
}

fn first_scalar(object: &Value, names: &'static str) -> Option<(&'static str, String)> {
    names
        .split_whitespace()
        .find_map(|name| scalar(object.get(name)?).map(|text| (name, text)))
}

fn as_written(raw: &str, unit: &str) -> Amount {
    Amount {
        text: format!("{} {}", tame(raw), tame(unit)),
        assumption: None,
    }
}

fn is_currency(code: &str) -> bool {
    code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// Moves the point two places, for fields that name cents; `None` for what is not a whole number.
fn from_minor(raw: &str) -> Option<String> {
    let (sign, digits) = raw.strip_prefix('-').map_or(("", raw), |digits| ("-", digits));
    if digits.is_empty() || digits.len() > 18 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let padded = format!("{digits:0>3}");
    let (units, cents) = padded.split_at(padded.len() - 2);
    Some(format!("{sign}{units}.{cents}"))
}

/// Writes a plain decimal as money ("$1,250.00"); `None` for anything that is not one, so that nothing is guessed.
pub fn money(raw: &str, currency: Option<&str>) -> Option<String> {
    let (sign, rest) = raw.strip_prefix('-').map_or(("", raw), |rest| ("-", rest));
    let (units, cents) = rest.split_once('.').unwrap_or((rest, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_leading_zero = units.len() > 1 && units.starts_with('0');
    if units.is_empty()
        || units.len() > 15
        || !is_digits(units)
        || !is_digits(cents)
        || is_leading_zero
        || rest.ends_with('.')
    {
        return None;
    }
    let number = format!("{}.{cents:0<2}", group_thousands(units));
    Some(match currency {
        Some("USD") => format!("{sign}${number}"),
        Some("EUR") => format!("{sign}€{number}"),
        Some("GBP") => format!("{sign}£{number}"),
        Some("JPY" | "KRW") if cents.is_empty() => format!(
            "{sign}{} {}",
            group_thousands(units),
            currency.unwrap_or_default()
        ),
        Some(code) => format!("{sign}{number} {code}"),
        None => format!("{sign}{number}"),
    })
}

fn group_thousands(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An amount that is not a plain decimal is repeated, never interpreted.
    #[test]
    fn money_is_exact_or_not_money() {
        for odd in [
            "",
            "1e9",
            "007",
            "1,000",
            "NaN",
            "0x10",
            "5.",
            "٥٠٠",
            "--5",
            "9999999999999999",
        ] {
            assert_eq!(money(odd, Some("USD")), None, "{odd}");
        }
        for (raw, currency, expected) in [
            ("0.005", "USD", "$0.005"),
            ("1234567.8", "GBP", "£1,234,567.80"),
            ("5000", "JPY", "5,000 JPY"),
            ("-5", "EUR", "-€5.00"),
        ] {
            assert_eq!(money(raw, Some(currency)).as_deref(), Some(expected));
        }
    }
}
