//! What expressions can call: the language's own functions, without those that could make much out of little, and a few for
//! money, text, lists and hours.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use cel::{
    Env, ExecutionError,
    common::{
        functions::Function,
        types::{
            CelBool, CelList, CelString, CelTimestamp, DYN_TYPE, LIST_TYPE, STRING_TYPE, TIMESTAMP_TYPE,
        },
        value::{CowVal, Val},
    },
};
use chrono::{Datelike, NaiveTime, Timelike, Weekday};
use regex::Regex;

use super::{money::Money, structured::compile_regex};

type Answer<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

/// How many regular expressions one thread keeps compiled.
const REGEXES_MAX: usize = 512;

/// The functions, declared once.
pub(super) fn env() -> &'static Arc<Env> {
    static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(declare()));
    &ENV
}

#[expect(
    clippy::expect_used,
    reason = "the same declarations every time, which tests make"
)]
fn declare() -> Env {
    let mut env = Env::stdlib();
    let mut global = |name: &str, arguments: Vec<_>, function: Function| {
        env.add_overload(name, &format!("signoff_{name}"), arguments, function)
            .expect("declared once");
    };
    global("money", vec![DYN_TYPE], |arguments| {
        Ok(CowVal::owned(Money::of(arguments[0].as_ref())?))
    });
    global("sum", vec![LIST_TYPE], |arguments| {
        let list = list(&arguments, 0)?.inner();
        let sum = list
            .iter()
            .try_fold(Money::of(&cel::common::types::CelInt::from(0))?, |sum, item| {
                sum.plus(Money::of(item.as_ref())?)
            })?;
        Ok(CowVal::owned(sum))
    });
    let mut member = |name: &str, target, arguments: Vec<_>, function: Function| {
        env.add_member_overload(
            name,
            &format!("signoff_member_{name}"),
            target,
            arguments,
            function,
        )
        .expect("declared once");
    };
    member("matches", STRING_TYPE, vec![STRING_TYPE], |arguments| {
        matches(&arguments)
    });
    member("lowerAscii", STRING_TYPE, vec![], |arguments| {
        Ok(text_value(text(&arguments, 0)?.to_ascii_lowercase()))
    });
    member("upperAscii", STRING_TYPE, vec![], |arguments| {
        Ok(text_value(text(&arguments, 0)?.to_ascii_uppercase()))
    });
    member("trim", STRING_TYPE, vec![], |arguments| {
        Ok(text_value(text(&arguments, 0)?.trim().to_owned()))
    });
    member("containsAny", LIST_TYPE, vec![LIST_TYPE], |arguments| {
        let (all, some) = (list(&arguments, 0)?.inner(), list(&arguments, 1)?.inner());
        Ok(truth(some.iter().any(|item| holds(all, item.as_ref()))))
    });
    member("containsAll", LIST_TYPE, vec![LIST_TYPE], |arguments| {
        let (all, some) = (list(&arguments, 0)?.inner(), list(&arguments, 1)?.inner());
        Ok(truth(some.iter().all(|item| holds(all, item.as_ref()))))
    });
    member("weekday", TIMESTAMP_TYPE, vec![STRING_TYPE], |arguments| {
        Ok(text_value(weekday(local(&arguments)?.weekday()).to_owned()))
    });
    member("hour", TIMESTAMP_TYPE, vec![STRING_TYPE], |arguments| {
        Ok(CowVal::owned(cel::common::types::CelInt::from(i64::from(
            local(&arguments)?.hour(),
        ))))
    });
    member("date", TIMESTAMP_TYPE, vec![STRING_TYPE], |arguments| {
        Ok(text_value(local(&arguments)?.format("%Y-%m-%d").to_string()))
    });
    member(
        "between",
        TIMESTAMP_TYPE,
        vec![STRING_TYPE, STRING_TYPE, STRING_TYPE],
        |arguments| between(&arguments),
    );
    env
}

fn truth<'b, 'v>(value: bool) -> CowVal<'b, 'v> {
    CowVal::owned(CelBool::from(value))
}

fn text_value<'b, 'v>(value: String) -> CowVal<'b, 'v> {
    CowVal::owned(CelString::from(value))
}

/// The overload was chosen by the types, so this holds.
fn text<'a>(arguments: &'a [CowVal<'_, '_>], at: usize) -> Result<&'a str, ExecutionError> {
    arguments[at]
        .downcast_ref::<CelString>()
        .map(CelString::inner)
        .ok_or(ExecutionError::MissingArgumentOrTarget)
}

fn list<'a, 'v>(arguments: &'a [CowVal<'_, 'v>], at: usize) -> Result<&'a CelList<'v>, ExecutionError> {
    arguments[at]
        .downcast_ref::<CelList<'v>>()
        .ok_or(ExecutionError::MissingArgumentOrTarget)
}

fn holds(list: &[Box<dyn Val + '_>], wanted: &dyn Val) -> bool {
    list.iter().any(|item| item.equals(wanted))
}

/// Searches; anchors are the author's. The pattern was checked when the policy was saved, and compiled patterns are kept by
/// thread, so that nothing is waited for.
fn matches<'b, 'v>(arguments: &[CowVal<'b, 'v>]) -> Answer<'b, 'v> {
    thread_local! {
        static COMPILED: RefCell<HashMap<String, Regex>> = RefCell::default();
    }
    let (subject, pattern) = (text(arguments, 0)?, text(arguments, 1)?);
    COMPILED.with_borrow_mut(|compiled| {
        if !compiled.contains_key(pattern) {
            let regex =
                compile_regex(pattern).map_err(|why| ExecutionError::function_error("matches", why))?;
            if compiled.len() >= REGEXES_MAX {
                compiled.clear();
            }
            compiled.insert(pattern.to_owned(), regex);
        }
        Ok(truth(compiled[pattern].is_match(subject)))
    })
}

/// The time in the zone that the last argument names.
fn local(arguments: &[CowVal<'_, '_>]) -> Result<chrono::DateTime<chrono_tz::Tz>, ExecutionError> {
    let time = arguments[0]
        .downcast_ref::<CelTimestamp>()
        .ok_or(ExecutionError::MissingArgumentOrTarget)?;
    Ok(time
        .inner()
        .with_timezone(&zone(text(arguments, arguments.len() - 1)?)?))
}

/// A zone by its IANA name.
pub(super) fn zone(name: &str) -> Result<chrono_tz::Tz, ExecutionError> {
    name.parse().map_err(|_| {
        ExecutionError::function_error(
            "now",
            format!("`{name}` names no time zone, such as Europe/Berlin"),
        )
    })
}

fn weekday(day: Weekday) -> &'static str {
    ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][day.num_days_from_monday() as usize]
}

/// A time of day, to the minute.
pub(super) fn clock(written: &str) -> Result<NaiveTime, ExecutionError> {
    NaiveTime::parse_from_str(written, "%H:%M").map_err(|_| {
        ExecutionError::function_error("between", format!("`{written}` is no time of day, such as 09:30"))
    })
}

/// From the first time of day on, up to the second; over midnight where the second is the earlier.
fn between<'b, 'v>(arguments: &[CowVal<'b, 'v>]) -> Answer<'b, 'v> {
    let (from, until) = (clock(text(arguments, 1)?)?, clock(text(arguments, 2)?)?);
    let time = local(arguments)?.time();
    Ok(truth(if from <= until {
        from <= time && time < until
    } else {
        from <= time || time < until
    }))
}
