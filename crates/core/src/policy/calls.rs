//! What a policy says of the call that an action stands for: methods, URL patterns, grants.

use serde::{Deserialize, Serialize};

use super::{LIST_LEN_MAX, PolicyProblem, problem};
use crate::{
    http::{self, Call, UrlPattern},
    name::{self, GlobIndex},
};

/// How many URL patterns a policy may have: each is eight small programs.
pub const URL_PATTERNS_MAX: usize = 50;

/// Which calls a policy is about. An action that stands for none is not meant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HttpMatch {
    /// Any of these, compared without case; none means every method.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// URL patterns, of which one must match; none means every URL.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub url: Vec<String>,
}

/// The matchers over calls of one policy, ready.
#[derive(Debug)]
pub(crate) struct Calls {
    methods: Vec<String>,
    patterns: Vec<UrlPattern>,
    grants: Option<GlobIndex>,
    /// How many matchers these are.
    count: u8,
}

impl Calls {
    /// Prepares what a policy says; none where it says nothing.
    ///
    /// # Errors
    /// What can't work, with its place in the policy.
    pub(crate) fn compile(
        http: Option<&HttpMatch>,
        grants: &[String],
    ) -> Result<Option<Self>, PolicyProblem> {
        if http.is_none() && grants.is_empty() {
            return Ok(None);
        }
        let (mut methods, mut patterns) = (Vec::new(), Vec::new());
        if let Some(http) = http {
            if http.methods.is_empty() && http.url.is_empty() {
                return Err(problem("/http", "name `methods`, `url`, or both"));
            }
            bounded("/http/methods", http.methods.len(), LIST_LEN_MAX)?;
            bounded("/http/url", http.url.len(), URL_PATTERNS_MAX)?;
            methods = all("/http/methods", &http.methods, http::method)?;
            patterns = all("/http/url", &http.url, UrlPattern::compile)?;
        }
        bounded("/grant", grants.len(), LIST_LEN_MAX)?;
        all("/grant", grants, name::check_glob)?;
        let index = (!grants.is_empty()).then(|| GlobIndex::new(grants.iter().map(String::as_str)));
        Ok(Some(Self {
            count: [!methods.is_empty(), !patterns.is_empty(), !grants.is_empty()]
                .into_iter()
                .map(u8::from)
                .sum(),
            methods,
            patterns,
            grants: index.transpose().map_err(|why| problem("/grant", why))?,
        }))
    }

    /// How many matchers fit a call; none if one of them does not, or there is no call.
    pub(crate) fn fit(&self, call: Option<&Call>) -> Option<u8> {
        let call = call?;
        let method = self.methods.is_empty() || self.methods.iter().any(|method| method == call.method());
        let grant = self.grants.as_ref().is_none_or(|grants| {
            call.grant()
                .is_some_and(|grant| !grants.matches(grant).is_empty())
        });
        let url = || self.patterns.is_empty() || self.patterns.iter().any(|pattern| pattern.matches(call));
        (method && grant && url()).then_some(self.count)
    }
}

fn bounded(pointer: &str, count: usize, max: usize) -> Result<(), PolicyProblem> {
    if count > max {
        return Err(problem(pointer, format!("more than {max} entries")));
    }
    Ok(())
}

fn all<T>(
    pointer: &str,
    written: &[String],
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, PolicyProblem> {
    let each = written.iter().enumerate();
    each.map(|(at, one)| read(one).map_err(|why| problem(format!("{pointer}/{at}"), why)))
        .collect()
}
