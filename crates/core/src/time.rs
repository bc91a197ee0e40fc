//! Points in time as integer microseconds since 1970, written as RFC 3339 UTC with six digits. Core never reads a clock.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A point in time, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

/// A length of time, in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub i64);

impl Micros {
    /// So many whole seconds.
    pub const fn seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Whole seconds, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Reads "30m", "1h 30m", "2 days" (a friendly or ISO 8601 duration without months or years) or whole seconds.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refused = || {
            format!(
                "`{}` is not a duration such as \"30m\", \"2h\", \"7d\" or whole seconds",
                text.chars().take(60).collect::<String>()
            )
        };
        if let Ok(seconds) = text.parse::<i64>() {
            return Ok(Self::seconds(seconds));
        }
        let span: jiff::Span = text.parse().map_err(|_| refused())?;
        if span.get_months() != 0 || span.get_years() != 0 {
            return Err(refused());
        }
        let duration = span
            .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
            .map_err(|_| refused())?;
        i64::try_from(duration.as_micros())
            .map(Self)
            .map_err(|_| refused())
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.as_seconds();
        match seconds {
            s if s % 86_400 == 0 && s != 0 => write!(f, "{}d", s / 86_400),
            s if s % 3_600 == 0 && s != 0 => write!(f, "{}h", s / 3_600),
            s if s % 60 == 0 && s != 0 => write!(f, "{}m", s / 60),
            s => write!(f, "{s}s"),
        }
    }
}

impl Timestamp {
    /// This point so much later; saturates at the ends of time.
    #[must_use]
    pub const fn plus(self, span: Micros) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// How long until `later` (negative when it has passed).
    pub const fn until(self, later: Self) -> Micros {
        Micros(later.0.saturating_sub(self.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = jiff::Timestamp::from_microsecond(self.0).map_err(|_| fmt::Error)?;
        let civil = at.to_zoned(jiff::tz::TimeZone::UTC);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
            civil.year(),
            civil.month(),
            civil.day(),
            civil.hour(),
            civil.minute(),
            civil.second(),
            self.0.rem_euclid(1_000_000)
        )
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let at: jiff::Timestamp = text.parse().map_err(|_| {
            format!(
                "`{}` is not an RFC 3339 time",
                text.chars().take(60).collect::<String>()
            )
        })?;
        Ok(Self(at.as_microsecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_digits_there_and_back() {
        let at = Timestamp(1_795_000_000_000_007);
        assert_eq!(at.to_string().len(), 27);
        assert_eq!(at.to_string().parse::<Timestamp>(), Ok(at));
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000000Z");
    }

    #[test]
    fn durations_as_people_write_them() {
        for (text, seconds) in [
            ("30m", 1800),
            ("2h", 7200),
            ("7d", 604_800),
            ("90", 90),
            ("1h30m", 5400),
            ("PT5M", 300),
        ] {
            assert_eq!(Micros::parse(text), Ok(Micros::seconds(seconds)), "{text}");
        }
        for text in ["", "soon", "1 month", "3 years", "10x", "1.5.2"] {
            assert!(Micros::parse(text).is_err(), "{text}");
        }
    }
}
