//! Parameters of a request, as strict as its body: unknown and repeated ones are refused, values must fit.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::value::{Error as ValueError, MapDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use signoff_api::limits::{PAGE_DEFAULT, PAGE_MAX, WAIT_SECONDS_MAX};
use signoff_api::{Code, Problem};
use url::form_urlencoded;

use super::problem::Refused;
use super::shape::{shown, unknown};

/// The parameters behind the question mark.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        read(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

/// For operations without parameters: a misspelt option must not vanish.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoQuery {}

/// How many items a page has.
pub(crate) fn limit(given: Option<u32>) -> Result<u32, Refused> {
    match given {
        None => Ok(PAGE_DEFAULT),
        Some(limit) if (1..=PAGE_MAX).contains(&limit) => Ok(limit),
        Some(limit) => Err(Refused::parameter(format!(
            "`limit` is {limit}; it goes from 1 to {PAGE_MAX}"
        ))),
    }
}

/// How long an answer is held back.
pub(crate) fn wait_seconds(given: Option<u64>) -> Result<u64, Refused> {
    match given {
        None => Ok(0),
        Some(seconds) if seconds <= WAIT_SECONDS_MAX => Ok(seconds),
        Some(seconds) => Err(Refused::parameter(format!(
            "`wait` is {seconds}; it goes from 0 to {WAIT_SECONDS_MAX} seconds"
        ))),
    }
}

fn read<T: DeserializeOwned>(query: &str) -> Result<T, Refused> {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    for (at, (name, value)) in pairs.iter().enumerate() {
        if pairs[..at].iter().any(|(earlier, _)| earlier == name) {
            return Err(Refused::parameter(format!("`{}` is given twice", shown(name))));
        }
        if value.contains(['\0', char::REPLACEMENT_CHARACTER]) {
            return Err(Refused::parameter(format!("`{}` is not plain text", shown(name))));
        }
    }
    let pairs = pairs.into_iter().map(|(name, value)| (name, Word(value)));
    let map: MapDeserializer<'_, _, ValueError> = MapDeserializer::new(pairs);
    serde_path_to_error::deserialize(map)
        .map_err(|error| misfit(&error.path().to_string(), &error.inner().to_string()))
}

fn misfit(parameter: &str, message: &str) -> Refused {
    let names = |lead: &str| -> Option<Vec<String>> {
        Some(
            message
                .strip_prefix(lead)?
                .split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect(),
        )
    };
    if let Some(names) = names("unknown field ") {
        // The given name may hold backticks; the path has it whole.
        let known = names.get(1..).unwrap_or_default();
        return Problem::new(Code::UnknownField, unknown("parameter", parameter, known)).into();
    }
    if let Some(names) = names("unknown variant ") {
        let known = names.get(1..).unwrap_or_default().join(", ");
        return Refused::parameter(format!("`{parameter}` is one of: {known}"));
    }
    Refused::parameter(format!("`{parameter}`: {message}"))
}

/// One value of a parameter: text that may stand for a number or a truth.
struct Word(String);

impl IntoDeserializer<'_, ValueError> for Word {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, ValueError> {
    // `+5` parses as a number but is `" 5"` to whoever reads the query as a form.
    text.parse()
        .ok()
        .filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
        .ok_or_else(|| {
            serde::de::Error::custom(format!(
                "`{}` is not a whole number that is not negative",
                shown(text)
            ))
        })
}

impl<'de> Deserializer<'de> for Word {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_string(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_some(self)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_u32(number(&self.0)?)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_u64(number(&self.0)?)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0.as_str() {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            other => Err(serde::de::Error::custom(format!(
                "`{}` is neither true nor false",
                shown(other)
            ))),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_enum(IntoDeserializer::<ValueError>::into_deserializer(self.0))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct seq
        tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use signoff_api::WaitQuery;
    use signoff_api::approval::{ApprovalQuery, Order};
    use signoff_api::audit::VerifyQuery;

    use super::*;

    fn detail<T: DeserializeOwned + std::fmt::Debug>(query: &str) -> String {
        read::<T>(query).unwrap_err().problem().detail.clone()
    }

    #[test]
    fn what_fits_is_read() {
        let query: ApprovalQuery =
            read("status=pending%2Cdenied&limit=5&order=oldest&risk=high&q=a+b").unwrap();
        assert_eq!(query.status.as_deref(), Some("pending,denied"));
        assert_eq!((query.limit, query.order), (Some(5), Some(Order::Oldest)));
        assert_eq!(query.q.as_deref(), Some("a b"));
        assert_eq!(
            read::<VerifyQuery>("with_store=true").unwrap().with_store,
            Some(true)
        );
        assert!(read::<NoQuery>("").is_ok());
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        assert_eq!(
            detail::<WaitQuery>("wiat=5"),
            "unknown parameter `wiat`, did you mean `wait`?"
        );
        assert_eq!(
            detail::<NoQuery>("x=1"),
            "unknown parameter `x`: none is known here"
        );
        assert_eq!(detail::<WaitQuery>("wait=5&wait=6"), "`wait` is given twice");
        assert_eq!(
            detail::<WaitQuery>("wait=-1"),
            "`wait`: `-1` is not a whole number that is not negative"
        );
        assert_eq!(
            detail::<WaitQuery>("until=never"),
            "`until` is one of: decided, changed"
        );
        assert_eq!(
            detail::<VerifyQuery>("with_store=yes"),
            "`with_store`: `yes` is neither true nor false"
        );
        assert_eq!(detail::<ApprovalQuery>("q=%00"), "`q` is not plain text");
    }

    #[test]
    fn limits_and_waits_are_bounded() {
        assert_eq!(limit(None).unwrap(), 50);
        assert_eq!(limit(Some(200)).unwrap(), 200);
        assert!(limit(Some(0)).is_err() && limit(Some(201)).is_err());
        assert_eq!(wait_seconds(Some(60)).unwrap(), 60);
        assert!(wait_seconds(Some(61)).is_err());
    }
}
