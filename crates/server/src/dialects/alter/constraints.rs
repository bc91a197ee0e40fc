//! Less than a key may do, for one request: scopes and a rule that its sender attached. What is not understood is refused,
//! because it would take something away that was not meant to be there.

use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use signoff_core::actor::Principal;

use super::fault::Fault;
use super::signature::{RULE, SCOPES, one};
use crate::api::shape::read_json;

/// The longest rule, as it stands in its header.
const RULE_BYTES_MAX: usize = 4096;
/// The version of the list of scopes.
pub(super) const SCOPE_VERSION: u32 = 1;

/// What a request needs, in Alter's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    AgentsRead,
    AgentsWrite,
    ApprovalsRead,
    AuditWrite,
    GrantsRead,
    ProxyExecute,
    SpansEmit,
    TokensRetrieve,
}

impl Scope {
    pub(super) const ALL: [Self; 8] = [
        Self::AgentsRead,
        Self::AgentsWrite,
        Self::ApprovalsRead,
        Self::AuditWrite,
        Self::GrantsRead,
        Self::ProxyExecute,
        Self::SpansEmit,
        Self::TokensRetrieve,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::AgentsRead => "agents:read",
            Self::AgentsWrite => "agents:write",
            Self::ApprovalsRead => "approvals:read",
            Self::AuditWrite => "audit:write",
            Self::GrantsRead => "grants:read",
            Self::ProxyExecute => "proxy:execute",
            Self::SpansEmit => "spans:emit",
            Self::TokensRetrieve => "tokens:retrieve",
        }
    }

    /// What a key may do that nothing was taken from: agents and applications ask, operators see and set up.
    pub(super) fn of(principal: &Principal) -> Vec<Self> {
        let asks = matches!(principal, Principal::Agent(_) | Principal::Application(_));
        let held = |scope: &Self| match scope {
            Self::AgentsRead | Self::AgentsWrite => !asks,
            Self::ProxyExecute | Self::TokensRetrieve => asks,
            Self::ApprovalsRead | Self::AuditWrite | Self::GrantsRead | Self::SpansEmit => true,
        };
        Self::ALL.into_iter().filter(held).collect()
    }
}

/// A key that may not do something, and what it may.
pub(super) fn insufficient(scope: Scope, granted: &[Scope], why: &str) -> Fault {
    let words = |scopes: &[Scope]| scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>();
    let missing = [scope];
    Fault::new(StatusCode::FORBIDDEN, "insufficient_scope", why)
        .with("required", words(&missing))
        .with("granted", words(granted))
        .with("missing", words(&missing))
        .with("scope_version", SCOPE_VERSION)
        .with("current_scope_version", SCOPE_VERSION)
        .with("required_any_of", false)
}

/// What was taken from this request.
#[derive(Debug, Default)]
pub(super) struct Constraints {
    scopes: Option<Vec<Scope>>,
    rule: Option<Rule>,
}

/// The one kind of rule that is understood: no call with this method.
#[derive(Debug)]
struct Rule {
    method: String,
}

#[derive(Deserialize)]
#[serde(
    tag = "rule_type",
    content = "rule_body",
    rename_all = "snake_case",
    deny_unknown_fields
)]
enum GivenRule {
    JsonMatch(GivenMatch),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenMatch {
    when: GivenWhen,
    #[serde(rename = "effect")]
    _effect: GivenEffect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenWhen {
    method: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum GivenEffect {
    Deny,
}

impl Constraints {
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Fault> {
        let scopes = one(headers, &SCOPES).map_err(Fault::invalid)?;
        let rule = one(headers, &RULE).map_err(Fault::invalid)?;
        Ok(Self {
            scopes: scopes.map(scopes_of).transpose()?,
            rule: rule.map(rule_of).transpose()?,
        })
    }

    /// Refuses scopes that the key does not have in the first place.
    pub(super) fn narrow(&self, principal: &Principal) -> Result<(), Fault> {
        let held = Scope::of(principal);
        let given = self.scopes.iter().flatten();
        match given.into_iter().find(|scope| !held.contains(scope)) {
            Some(scope) => Err(broader(scope.as_str())),
            None => Ok(()),
        }
    }

    /// Refuses what the scopes leave out.
    pub(super) fn within(&self, principal: &Principal, scope: Scope) -> Result<(), Fault> {
        match &self.scopes {
            Some(scopes) if !scopes.contains(&scope) => {
                let why = format!("the request's own constraints leave `{}` out", scope.as_str());
                Err(insufficient(scope, scopes, &why))
            }
            _ if !Scope::of(principal).contains(&scope) => {
                let why = format!("this key may not do what `{}` stands for", scope.as_str());
                Err(insufficient(scope, &Scope::of(principal), &why))
            }
            _ => Ok(()),
        }
    }

    /// Refuses the call that the rule is against. No approver can change what it looks at, so that what it lets through
    /// is what is carried out. A token is good for any method.
    pub(super) fn lets_through(&self, method: Option<&str>) -> Result<(), Fault> {
        let Some(rule) = &self.rule else { return Ok(()) };
        if method.is_some_and(|method| !method.eq_ignore_ascii_case(&rule.method)) {
            return Ok(());
        }
        let why = format!(
            "the rule that was sent with the request denies {} calls",
            rule.method
        );
        Err(Fault::new(StatusCode::FORBIDDEN, "request_rule_denied", why))
    }
}

fn broader(scope: &str) -> Fault {
    let why = format!("the key does not have `{scope}`, and constraints only take away");
    Fault::new(StatusCode::BAD_REQUEST, "constraint_not_narrowing", why)
}

fn scopes_of(text: &str) -> Result<Vec<Scope>, Fault> {
    let scope = |word: &str| {
        let found = Scope::ALL.into_iter().find(|scope| scope.as_str() == word);
        found.ok_or_else(|| broader(&word.chars().take(80).collect::<String>()))
    };
    text.split(',').map(scope).collect()
}

fn rule_of(header: &str) -> Result<Rule, Fault> {
    let refused = |why: &str| {
        let why = format!(
            "{why}; understood is json_match with {{\"when\": {{\"method\": …}}, \"effect\": \"deny\"}}"
        );
        Fault::new(StatusCode::BAD_REQUEST, "invalid_request_rule", why)
    };
    if header.len() > RULE_BYTES_MAX {
        return Err(refused("the rule is too long"));
    }
    let raw = URL_SAFE_NO_PAD.decode(header);
    let raw = raw.map_err(|_| refused("the rule is no unpadded base64url"))?;
    let given: GivenRule = read_json(&raw).map_err(|wrong| {
        refused(&format!(
            "the rule is not understood ({})",
            wrong.problem().detail
        ))
    })?;
    let GivenRule::JsonMatch(GivenMatch { when, .. }) = given;
    Ok(Rule { method: when.method })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Result<Constraints, Fault> {
        let mut headers = HeaderMap::new();
        headers.insert(RULE, URL_SAFE_NO_PAD.encode(text).parse().unwrap());
        Constraints::read(&headers)
    }

    #[test]
    fn what_is_understood_is_applied_and_what_is_not_is_refused() {
        let post = r#"{"rule_type":"json_match","rule_body":{"when":{"method":"POST"},"effect":"deny"}}"#;
        let constraints = rule(post).unwrap();
        assert!(constraints.lets_through(Some("post")).is_err());
        assert!(constraints.lets_through(None).is_err());
        assert!(constraints.lets_through(Some("GET")).is_ok());
        for text in [
            "{",
            "{}",
            r#"{"rule_type":"content_match","rule_body":{}}"#,
            r#"{"rule_type":"json_match","rule_body":{"when":{},"effect":"deny"}}"#,
            r#"{"rule_type":"json_match","rule_body":{"when":{"method":"POST","url":"x"},"effect":"deny"}}"#,
            r#"{"rule_type":"json_match","rule_body":{"when":{"method":["POST"]},"effect":"deny"}}"#,
            r#"{"rule_type":"json_match","rule_body":{"when":{"method":"POST"},"effect":"redact"}}"#,
            r#"{"rule_type":"json_match","rule_body":{"when":{"method":"POST"},"effect":"deny"},"more":1}"#,
        ] {
            assert!(rule(text).is_err(), "{text}");
        }
    }

    #[test]
    fn scopes_only_take_away() {
        use signoff_core::id::{AgentId, RawId};
        let agent = Principal::Agent(AgentId(RawId([1; 16])));
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(SCOPES, text.parse().unwrap());
            Constraints::read(&headers)
        };
        let some = read("grants:read,approvals:read").unwrap();
        assert!(some.narrow(&agent).is_ok());
        assert!(some.within(&agent, Scope::GrantsRead).is_ok());
        assert!(some.within(&agent, Scope::ProxyExecute).is_err());
        assert!(read("agents:write").unwrap().narrow(&agent).is_err());
        assert!(read("grants:read, proxy:execute").is_err());
        assert!(read("everything:do").is_err());
        assert!(Constraints::default().within(&agent, Scope::AgentsWrite).is_err());
    }
}
