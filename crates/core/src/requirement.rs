//! Who must decide.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{action::text_enum, id::OperatorId};

/// What an operator may do at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees everything, decides nothing.
    Viewer,
    /// Decides where a requirement names them.
    Member,
    /// Governs the workspace.
    Admin,
}

text_enum!(Role { Viewer => "viewer", Member => "member", Admin => "admin" });

/// One way to name people who may decide.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Approver {
    /// Everyone with this role or a higher one: `role:member`.
    Role(Role),
    /// The members of a group: `group:finance`.
    Group(String),
    /// One operator: `operator:usr_…`.
    Operator(OperatorId),
    /// The operator with this address: `email:dana@example.com`.
    Email(String),
    /// The agent's owner: `agent.owner` (who can approve only with `self_approval`).
    AgentOwner,
}

impl fmt::Display for Approver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(role) => write!(f, "role:{role}"),
            Self::Group(name) => write!(f, "group:{name}"),
            Self::Operator(id) => write!(f, "operator:{id}"),
            Self::Email(address) => write!(f, "email:{address}"),
            Self::AgentOwner => f.write_str("agent.owner"),
        }
    }
}

impl FromStr for Approver {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || {
            format!(
                "`{}` names no approver; write role:member, group:NAME, operator:usr_…, email:ADDRESS or agent.owner",
                text.chars().take(60).collect::<String>()
            )
        };
        if text.len() > 200 {
            return Err(refused());
        }
        match text.split_once(':') {
            Some(("role", role)) => Role::parse(role)
                .filter(|role| *role != Role::Viewer)
                .map(Self::Role)
                .ok_or_else(refused),
            Some(("group", name)) if crate::name::check_name(name).is_ok() => {
                Ok(Self::Group(name.to_owned()))
            }
            Some(("operator", id)) => id.parse().map(Self::Operator).map_err(|_| refused()),
            Some(("email", address)) if is_address(address) => Ok(Self::Email(address.to_owned())),
            None if text == "agent.owner" => Ok(Self::AgentOwner),
            None if text.starts_with(OperatorId::PREFIX) => {
                text.parse().map(Self::Operator).map_err(|_| refused())
            }
            None if is_address(text) => Ok(Self::Email(text.to_owned())),
            _ => Err(refused()),
        }
    }
}

/// Whether a text looks like one e-mail address; real checking is done by sending mail.
pub fn is_address(text: &str) -> bool {
    let plain = text
        .chars()
        .all(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, ',' | ';' | '<' | '>'));
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    plain && text.len() <= 200 && !local.is_empty() && !domain.is_empty() && !domain.contains('@')
}

impl Serialize for Approver {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Approver {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// Who must decide, and how many. Stages will become a list of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// Who may vote.
    pub approvers: Vec<Approver>,
    /// How many people must approve.
    pub quorum: u32,
    /// How many people must deny.
    pub deny_quorum: u32,
    /// Whether the agent's owner and the person it asks for may approve too.
    pub self_approval: bool,
    /// Whether an approval needs a comment too (a denial always needs a reason).
    pub require_decision_reason: bool,
}

/// The largest quorum.
pub const QUORUM_MAX: u32 = 100;

/// Who people are at the moment a vote is judged. Implemented by what holds operators and groups.
pub trait Roster {
    /// Whether this operator is named by this approver entry, is active, and is a member or higher.
    fn is_named(&self, operator: OperatorId, approver: &Approver) -> bool;

    /// Whether this operator is named by any entry of the requirement.
    fn may_decide(&self, operator: OperatorId, requirement: &Requirement) -> bool {
        requirement
            .approvers
            .iter()
            .any(|approver| self.is_named(operator, approver))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn approvers_read_and_write() {
        for text in [
            "role:member",
            "role:admin",
            "group:finance",
            "email:dana@example.com",
            "agent.owner",
        ] {
            assert_eq!(text.parse::<Approver>().unwrap().to_string(), text);
        }
        assert_eq!(
            "dana@example.com".parse::<Approver>().unwrap().to_string(),
            "email:dana@example.com"
        );
        for text in [
            "",
            "role:viewer",
            "role:boss",
            "group:",
            "group:a b",
            "operator:x",
            "email:x",
            "everyone",
        ] {
            assert!(text.parse::<Approver>().is_err(), "{text}");
        }
    }
}
