//! How a policy names approvers: as they are, or by an address that the request brings.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    id::OperatorId,
    requirement::{Approver, Unusable, is_address},
};

/// Operators who are switched on, by their addresses in lower case.
pub type People = HashMap<String, OperatorId>;

/// How a policy names approvers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ApproverRule {
    /// As they are.
    Named(Approver),
    /// By an address that the request brings.
    FromContext(FromContext),
}

impl From<Approver> for ApproverRule {
    fn from(approver: Approver) -> Self {
        Self::Named(approver)
    }
}

/// An approver whose address stands in the action's context, where the agent put it: policy says which domains may name
/// anybody.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FromContext {
    /// A dotted path under the context.
    pub context: String,
    /// Domains as they must stand after the `@`; `*.example.com` is any domain below it, and not itself.
    pub domains: Vec<String>,
}

/// How many domains one approver from the context may have.
const DOMAINS_MAX: usize = 20;
/// The longest path, in bytes.
const PATH_LEN_MAX: usize = 200;

impl FromContext {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let steps = || self.context.split('.');
        if self.context.len() > PATH_LEN_MAX || steps().any(str::is_empty) {
            let why =
                format!("a dotted path of at most {PATH_LEN_MAX} bytes, such as customer.manager_email");
            return Err(("/context", why));
        }
        if self.domains.is_empty() || self.domains.len() > DOMAINS_MAX {
            let why = format!("1 to {DOMAINS_MAX} domains: an address from the context decides who approves");
            return Err(("/domains", why));
        }
        match self.domains.iter().find(|domain| !is_domain(domain)) {
            Some(domain) => {
                let shown: String = domain.chars().take(60).collect();
                let why =
                    format!("`{shown}` is no domain; write example.com, or *.example.com for those below it");
                Err(("/domains", why))
            }
            None => Ok(()),
        }
    }

    /// The operator whom this request names.
    pub(super) fn resolve(
        &self,
        context: &Map<String, Value>,
        people: &People,
    ) -> Result<OperatorId, Unusable> {
        let found = look_up(context, &self.context).ok_or(Unusable::Missing)?;
        let address = found
            .as_str()
            .filter(|text| is_address(text))
            .ok_or(Unusable::NotAnAddress)?;
        let (_, domain) = address.rsplit_once('@').ok_or(Unusable::NotAnAddress)?;
        if !self.domains.iter().any(|allowed| allows(allowed, domain)) {
            return Err(Unusable::OtherDomain);
        }
        let known = people.get(&address.to_lowercase());
        known.copied().ok_or(Unusable::Unknown)
    }
}

fn is_domain(text: &str) -> bool {
    let domain = text.strip_prefix("*.").unwrap_or(text);
    let is_label =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    text.len() <= 253 && domain.split('.').all(is_label)
}

fn allows(allowed: &str, domain: &str) -> bool {
    match allowed.strip_prefix('*') {
        // What is left of `*.example.com` begins with its dot, so that `notexample.com` is not below it.
        Some(below) => {
            let (domain, below) = (domain.to_ascii_lowercase(), below.to_ascii_lowercase());
            domain.len() > below.len() && domain.ends_with(&below) && !domain.starts_with('.')
        }
        None => allowed.eq_ignore_ascii_case(domain),
    }
}

fn look_up<'a>(context: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut steps = path.strip_prefix("context.").unwrap_or(path).split('.');
    let mut value = context.get(steps.next()?)?;
    for step in steps {
        value = match value {
            Value::Array(items) => items.get(step.parse::<usize>().ok()?)?,
            other => other.get(step)?,
        };
    }
    Some(value)
}
