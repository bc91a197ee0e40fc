//! The names that expressions may use, and which of them somebody probably meant.

/// What an expression starts from.
pub(super) const VARIABLES: [&str; 9] = [
    "action", "agent", "context", "cost", "http", "inputs", "now", "priority", "risk",
];
/// Those that are objects.
pub(super) const OBJECTS: [&str; 4] = ["agent", "context", "http", "inputs"];

/// Functions that give true or false.
const TRUTHS: [&str; 10] = [
    "between",
    "bool",
    "contains",
    "containsAll",
    "containsAny",
    "endsWith",
    "has",
    "matches",
    "startsWith",
    "@not_strictly_false",
];
/// Functions that give something else.
const OTHERS: [&str; 33] = [
    "count_last",
    "date",
    "double",
    "duration",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "hour",
    "int",
    "lowerAscii",
    "money",
    "size",
    "string",
    "sum",
    "sum_last",
    "timestamp",
    "trim",
    "uint",
    "upperAscii",
    "weekday",
    "_+_",
    "_-_",
    "_*_",
    "_/_",
    "_%_",
    "-_",
];
/// Operators that give true or false, or whatever they are given.
const OPERATORS: [&str; 12] = [
    "_?_:_", "_&&_", "_||_", "!_", "_==_", "_!=_", "_>=_", "_<=_", "_>_", "_<_", "_[_]", "@in",
];
/// Written like functions, and taken apart when the expression is read.
const MACROS: [&str; 5] = ["all", "exists", "exists_one", "filter", "map"];

/// Whether something can be called.
pub(super) fn is_function(name: &str) -> bool {
    TRUTHS.contains(&name) || OTHERS.contains(&name) || OPERATORS.contains(&name)
}

/// Whether a function never gives true or false.
pub(super) fn is_no_truth(name: &str) -> bool {
    OTHERS.contains(&name)
}

/// Whether a function gives true or false and nothing else.
pub(super) fn is_truth(name: &str) -> bool {
    let operator = OPERATORS.contains(&name) && !matches!(name, "_?_:_" | "_[_]");
    TRUTHS.contains(&name) || operator
}

/// The variable somebody probably meant.
pub(super) fn near_variable(name: &str) -> Option<&'static str> {
    nearest(name, VARIABLES.into_iter())
}

/// The function somebody probably meant.
pub(super) fn near_function(name: &str) -> Option<&'static str> {
    let written = TRUTHS.into_iter().chain(OTHERS).chain(MACROS);
    nearest(
        name,
        written.filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic())),
    )
}

fn nearest(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    known
        .map(|known| {
            (
                strsim::damerau_levenshtein(&lower, &known.to_ascii_lowercase()),
                known,
            )
        })
        .filter(|(distance, known)| *distance <= 2 && *distance < known.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}
