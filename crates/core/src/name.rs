//! Names of actions and agents, and the globs that match them. Names compare without case and are kept as written.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// The longest name or glob, in characters.
pub const NAME_LEN_MAX: usize = 200;

/// Checks the name of an action or agent: 1 to 200 printable ASCII characters without spaces and `* ? [ ] { } \`.
///
/// # Errors
/// A sentence that says what is wrong, ready to be shown.
pub fn check_name(name: &str) -> Result<(), String> {
    check(name, "*?[]{}\\")
}

/// Checks a glob over names: `*` is any run of characters, dots included, `?` is one character, nothing else is special.
///
/// # Errors
/// A sentence that says what is wrong, ready to be shown.
pub fn check_glob(glob: &str) -> Result<(), String> {
    check(glob, "[]{}\\")
}

fn check(text: &str, refused: &str) -> Result<(), String> {
    let shown: String = text.chars().take(60).collect();
    if text.is_empty() {
        return Err("a name can't be empty".into());
    }
    if text.len() > NAME_LEN_MAX {
        return Err(format!("`{shown}…` is longer than {NAME_LEN_MAX} characters"));
    }
    match text
        .chars()
        .find(|c| !c.is_ascii_graphic() || refused.contains(*c))
    {
        Some(c) => Err(format!(
            "`{shown}` contains {c:?}; names are printable ASCII without spaces and without {refused}"
        )),
        None => Ok(()),
    }
}

/// Whether a text is a glob rather than an exact name.
pub fn is_glob(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// How specific a name pattern is: an exact name before any glob, then the number of literal characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Specificity {
    /// An exact name, not a glob.
    pub exact: bool,
    /// Characters that stand for themselves.
    pub literals: usize,
}

impl Specificity {
    /// Of one pattern.
    pub fn of(pattern: &str) -> Self {
        Self {
            exact: !is_glob(pattern),
            literals: pattern.chars().filter(|c| !matches!(c, '*' | '?')).count(),
        }
    }

    /// Of a policy that names nothing.
    pub const ANY: Self = Self {
        exact: false,
        literals: 0,
    };
}

/// Many globs tested at once against one name; answers with their positions. Cost grows with the matches, not the globs.
#[derive(Debug, Clone, Default)]
pub struct GlobIndex {
    set: GlobSet,
}

impl GlobIndex {
    /// Compiles checked globs.
    ///
    /// # Errors
    /// A sentence for a glob that does not compile (a bug if it passed [`check_glob`]).
    pub fn new<'a>(globs: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            check_glob(glob)?;
            let compiled = GlobBuilder::new(&plain(glob))
                .literal_separator(false)
                .backslash_escape(false)
                .build();
            set.add(compiled.map_err(|_| format!("`{glob}` is not a glob"))?);
        }
        Ok(Self {
            set: set
                .build()
                .map_err(|_| "the globs are too large together".to_owned())?,
        })
    }

    /// Positions of the globs that match a name, in rising order.
    pub fn matches(&self, name: &str) -> Vec<usize> {
        if self.set.is_empty() {
            Vec::new()
        } else {
            self.set.matches(plain_name(name))
        }
    }
}

/// To the glob library a name is a path. A last character that no name of ours ends with, and no slash, keeps its
/// shortcuts for file names and extensions from seeing anything special.
fn plain_name(name: &str) -> String {
    let mut plain = String::with_capacity(name.len() + 1);
    plain.extend(name.chars().map(|c| match c {
        '/' => '\u{1}',
        '.' => '\u{2}',
        other => other.to_ascii_lowercase(),
    }));
    plain.push('\u{3}');
    plain
}

fn plain(glob: &str) -> String {
    let mut out = String::with_capacity(glob.len() + 1);
    for c in plain_name(glob).chars() {
        // `**` is special to the library and the same as `*` to us; a leading `!` is only special in other tools.
        if c != '*' || !out.ends_with('*') {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reference(glob: &[u8], name: &[u8]) -> bool {
        match (glob.first(), name.first()) {
            (None, None) => true,
            (Some(b'*'), _) => {
                reference(&glob[1..], name) || (!name.is_empty() && reference(glob, &name[1..]))
            }
            (Some(b'?'), Some(_)) => reference(&glob[1..], &name[1..]),
            (Some(g), Some(n)) if g.eq_ignore_ascii_case(n) => reference(&glob[1..], &name[1..]),
            _ => false,
        }
    }

    #[test]
    fn globs_match_as_the_rules_say() {
        let globs = ["stripe.*", "*", "*.refund", "db.drop?", "a.*.c", "Stripe.Refund*"];
        let index = GlobIndex::new(globs).unwrap();
        assert_eq!(index.matches("stripe.refund"), vec![0, 1, 2, 5]);
        assert_eq!(index.matches("db.drops"), vec![1, 3]);
        assert_eq!(index.matches("A.b.b.C"), vec![1, 4]);
        assert_eq!(index.matches("x"), vec![1]);
    }

    #[test]
    fn names_and_globs_are_checked() {
        assert!(check_name("stripe.refund").is_ok());
        for name in ["", "a b", "a*", "é", "a\n", "a[b]", &"x".repeat(201)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_glob("stripe.*").is_ok());
        for glob in ["a{b,c}", "[a]", "a\\*", ""] {
            assert!(check_glob(glob).is_err(), "{glob}");
        }
    }

    proptest! {
        #[test]
        fn the_index_agrees_with_the_definition(glob in "[a-bA./*?!-]{1,8}", name in "[a-bB./!-]{1,8}") {
            let index = GlobIndex::new([glob.as_str()]).unwrap();
            prop_assert_eq!(!index.matches(&name).is_empty(), reference(glob.as_bytes(), name.as_bytes()));
        }
    }
}
