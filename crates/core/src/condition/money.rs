//! Exact amounts in expressions: `money(context.amount) <= money("49.99")`. A double would lose cents; a decimal in quotes
//! is no number at all to the language.

use std::{any::Any, cmp::Ordering};

use cel::{
    ExecutionError,
    common::{
        traits::{Adder, Comparer, Divider, Multiplier, Negator, Subtractor},
        types::{CelDouble, CelInt, CelString, CelUInt, Type},
        value::{CowVal, StaticVal, Val},
    },
};

/// Digits after the point that are kept. More of them are refused, never rounded.
const DIGITS: u32 = 9;
const ONE: i128 = 10_i128.pow(DIGITS);

static MONEY: Type = Type::new_unspecified_type("money");

/// An amount in billionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Money(i128);

impl Money {
    /// Reads a decimal in JSON's number syntax. None if it is no decimal, has more than nine digits after the point, or
    /// is of 10^20 and more.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, power) = match rest.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || mantissa.ends_with('.') || !plain(whole) || !plain(fraction) {
            return None;
        }
        let digits = format!("{whole}{fraction}");
        let digits = digits.trim_start_matches('0');
        let kept = digits.trim_end_matches('0');
        let dropped = i32::try_from(digits.len() - kept.len()).ok()?;
        // The value is `kept` times ten to the power of this.
        let power = power
            .checked_sub(i32::try_from(fraction.len()).ok()?)?
            .checked_add(dropped)?;
        if kept.is_empty() {
            return Some(Self(0));
        }
        if kept.len() > 29 {
            return None;
        }
        let scale = u32::try_from(power.checked_add(i32::try_from(DIGITS).ok()?)?).ok()?;
        let value = kept
            .parse::<i128>()
            .ok()?
            .checked_mul(10_i128.checked_pow(scale)?)?;
        (value < ONE * 10_i128.pow(20)).then_some(Self(if negative { -value } else { value }))
    }

    /// Of a number, a decimal in quotes, or an amount.
    pub(super) fn of(value: &dyn Val) -> Result<Self, ExecutionError> {
        let refused = |what: &str| {
            ExecutionError::function_error(
                "money",
                format!("{what} is no amount with at most {DIGITS} digits after the point"),
            )
        };
        if let Some(money) = value.downcast_ref::<Self>() {
            Ok(*money)
        } else if let Some(int) = value.downcast_ref::<CelInt>() {
            Self::parse(&int.inner().to_string()).ok_or_else(|| refused("the number"))
        } else if let Some(uint) = value.downcast_ref::<CelUInt>() {
            Self::parse(&uint.inner().to_string()).ok_or_else(|| refused("the number"))
        } else if let Some(double) = value.downcast_ref::<CelDouble>() {
            // The shortest form is what was written, as far as a double can tell.
            Self::parse(&double.inner().to_string()).ok_or_else(|| refused("the number"))
        } else if let Some(text) = value.downcast_ref::<CelString>() {
            Self::parse(text.inner()).ok_or_else(|| refused("the text"))
        } else {
            Err(refused(&format!("a value of type {}", value.get_type().name())))
        }
    }

    /// So many billionths.
    pub(super) const fn of_billionths(billionths: i128) -> Self {
        Self(billionths)
    }

    fn checked(value: Option<i128>) -> Result<Self, ExecutionError> {
        value
            .map(Self)
            .ok_or_else(|| ExecutionError::function_error("money", "the sum is too large"))
    }

    /// So many times this, exact or not at all.
    fn times(self, other: Self) -> Result<Self, ExecutionError> {
        let product = self.0.checked_mul(other.0);
        match product {
            Some(product) if product % ONE == 0 => Ok(Self(product / ONE)),
            Some(_) => Err(inexact("product")),
            None => Self::checked(None),
        }
    }

    /// Such a part of this, exact or not at all.
    fn over(self, other: Self) -> Result<Self, ExecutionError> {
        if other.0 == 0 {
            return Err(ExecutionError::function_error("money", "division by zero"));
        }
        match self.0.checked_mul(ONE) {
            Some(scaled) if scaled % other.0 == 0 => Ok(Self(scaled / other.0)),
            Some(_) => Err(inexact("quotient")),
            None => Self::checked(None),
        }
    }

    /// This and another.
    pub(super) fn plus(self, other: Self) -> Result<Self, ExecutionError> {
        Self::checked(self.0.checked_add(other.0))
    }
}

/// A decimal in JSON's number syntax in billionths, exactly; none for what is no such decimal, finer, or 10^20 and more.
pub(crate) fn billionths(text: &str) -> Option<i128> {
    Money::parse(text).map(|money| money.0)
}

fn inexact(what: &str) -> ExecutionError {
    ExecutionError::function_error(
        "money",
        format!("the {what} has more than {DIGITS} digits after the point, and nothing is rounded"),
    )
}

/// As a decimal: `49.99`, `-0.5`, `3`.
impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (amount, one) = (self.0.unsigned_abs(), ONE.unsigned_abs());
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}", amount / one)?;
        let fraction = format!("{:09}", amount % one);
        match fraction.trim_end_matches('0') {
            "" => Ok(()),
            digits => write!(f, ".{digits}"),
        }
    }
}

impl Val for Money {
    fn get_type(&self) -> &Type {
        <Self as Val>::cel_type()
    }
    fn cel_type() -> &'static Type {
        &MONEY
    }
    fn as_adder<'b, 'v>(&'b self) -> Option<&'b (dyn Adder + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }
    fn as_subtractor<'b, 'v>(&'b self) -> Option<&'b (dyn Subtractor + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }
    fn as_negator<'b, 'v>(&'b self) -> Option<&'b (dyn Negator + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }
    fn as_multiplier<'b, 'v>(&'b self) -> Option<&'b (dyn Multiplier + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }
    fn as_divider<'b, 'v>(&'b self) -> Option<&'b (dyn Divider + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }
    fn as_comparer(&self) -> Option<&dyn Comparer> {
        Some(self)
    }
    fn equals(&self, other: &dyn Val) -> bool {
        Self::of(other).is_ok_and(|other| other == *self)
    }
    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(*self)
    }
    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Money {}

impl Comparer for Money {
    fn compare(&self, other: &dyn Val) -> Result<Ordering, ExecutionError> {
        Ok(self.cmp(&Self::of(other)?))
    }
}

impl Adder for Money {
    fn add<'b, 'v>(&'b self, other: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        Ok(CowVal::owned(self.plus(Self::of(other)?)?))
    }
}

impl Subtractor for Money {
    fn sub<'b, 'v>(&'b self, other: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let difference = Self::checked(self.0.checked_sub(Self::of(other)?.0))?;
        Ok(CowVal::owned(difference))
    }
}

impl Multiplier for Money {
    fn mul<'b, 'v>(&'b self, other: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        Ok(CowVal::owned(self.times(Self::of(other)?)?))
    }
}

impl Divider for Money {
    fn div<'b, 'v>(&'b self, other: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        Ok(CowVal::owned(self.over(Self::of(other)?)?))
    }
}

impl Negator for Money {
    fn negate<'v>(&self) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        Ok(Box::new(Self(-self.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_or_refused() {
        for (text, billionths) in [
            ("0", 0),
            ("-0.0", 0),
            ("0e99", 0),
            ("49.99", 49_990_000_000),
            ("1e3", 1_000 * ONE),
            ("1.50e-2", 15_000_000),
            ("-12.5", -12_500_000_000),
            ("0.000000001", 1),
            ("100000000000000000000000e-20", 1_000 * ONE),
            ("99999999999999999999.999999999", ONE * 10_i128.pow(20) - 1),
        ] {
            assert_eq!(Money::parse(text), Some(Money(billionths)), "{text}");
        }
        for text in [
            "",
            "-",
            ".5",
            "5.",
            "1,5",
            "+1",
            " 1",
            "0x1",
            "1e",
            "NaN",
            "0.0000000001",
            "1e20",
            "1e400",
            "-1e400",
            "1e-400",
            "1e99999999999",
            "100000000000000000000",
        ] {
            assert_eq!(Money::parse(text), None, "{text}");
        }
    }
}
