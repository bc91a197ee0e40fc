//! Who must decide.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    action::{Risk, text_enum},
    id::OperatorId,
};

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

/// One step of a requirement: who may vote in it, and how many of them it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who may vote.
    pub approvers: Vec<Approver>,
    /// How many people must approve.
    pub quorum: u32,
    /// How many people must deny.
    pub deny_quorum: u32,
}

/// Whose link may decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkMode {
    /// A link that was made for one operator, and counts as that operator.
    #[default]
    Operator,
    /// A link that decides for whoever holds it.
    Anyone,
    /// None: people decide after they signed in.
    None,
}

text_enum!(LinkMode { Operator => "operator", Anyone => "anyone", None => "none" });

/// Why an address of the context names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unusable {
    /// The context has nothing there.
    Missing,
    /// What is there is no e-mail address.
    NotAnAddress,
    /// Its domain is none of those that the policy allows.
    OtherDomain,
    /// No operator who is switched on has it.
    Unknown,
}

text_enum!(Unusable {
    Missing => "missing", NotAnAddress => "not_an_address", OtherDomain => "other_domain", Unknown => "unknown",
});

/// An approver that the policy wanted from the context and did not get. Says the path, never what stood there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unresolved {
    /// In which stage, from 1.
    pub stage: u32,
    /// The path in the context, as the policy has it.
    pub context: String,
    /// Why it names nobody.
    pub why: Unusable,
    /// Nobody else was named in the stage: the workspace's default approvers stand in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub defaulted: bool,
}

/// Who must decide: one stage after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent switches of the written form"
)]
pub struct Requirement {
    /// In order, at least one; none at all lets nobody decide.
    pub stages: Vec<Stage>,
    /// Whether the agent's owner and the person it asks for may approve too.
    pub self_approval: bool,
    /// Whether an approval needs a comment too (a denial always needs a reason).
    pub require_decision_reason: bool,
    /// Whose link may decide.
    pub link: LinkMode,
    /// Up to which risk a link, or a button of a message, may decide; above it people sign in.
    pub link_risk_max: Risk,
    /// Approvers that the context should have named.
    pub unresolved: Vec<Unresolved>,
    /// Whether an approver may change the request and approve it so, within what the policy says.
    pub allow_edit: bool,
    /// Whether an approver may answer for further requests of the same kind by a standing approval.
    pub allow_standing: bool,
}

impl Requirement {
    /// One stage without a name, and nothing special about it.
    pub fn of(approvers: Vec<Approver>, quorum: u32, deny_quorum: u32) -> Self {
        Self {
            stages: vec![Stage {
                name: None,
                approvers,
                quorum,
                deny_quorum,
            }],
            self_approval: false,
            require_decision_reason: false,
            link: LinkMode::Operator,
            link_risk_max: LINK_RISK_MAX,
            unresolved: Vec::new(),
            allow_edit: false,
            allow_standing: true,
        }
    }

    /// Whether one person's yes is all it takes.
    pub fn takes_one_person(&self) -> bool {
        matches!(self.stages.as_slice(), [one] if one.quorum <= 1)
    }

    /// Whether one stage follows another.
    pub fn is_staged(&self) -> bool {
        self.stages.len() > 1
    }

    /// The feature level whose nodes read it: what has one plain stage is written as it always was.
    pub fn feature_level(&self) -> u32 {
        let plain = self.as_flat().is_some() && self.link == LinkMode::Operator && self.unresolved.is_empty();
        match (self.allow_edit || !self.allow_standing, plain) {
            // An older node would forget the limit, and with it change the row.
            _ if self.link_risk_max != LINK_RISK_MAX => 5,
            (true, _) => 4,
            (false, false) => 3,
            (false, true) => 1,
        }
    }

    fn as_flat(&self) -> Option<&Stage> {
        match self.stages.as_slice() {
            [one] if one.name.is_none() => Some(one),
            _ => None,
        }
    }
}

/// How a requirement stands in records and rows: flat with one stage, as it was before there were several.
#[derive(Serialize, Deserialize)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent switches of the written form"
)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    approvers: Option<Vec<Approver>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quorum: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deny_quorum: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stages: Vec<Stage>,
    self_approval: bool,
    require_decision_reason: bool,
    #[serde(default, skip_serializing_if = "is_default_link")]
    link: LinkMode,
    #[serde(default = "default_link_risk", skip_serializing_if = "is_default_link_risk")]
    link_risk_max: Risk,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unresolved: Vec<Unresolved>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    allow_edit: bool,
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    allow_standing: bool,
}

fn yes() -> bool {
    true
}

fn default_link_risk() -> Risk {
    LINK_RISK_MAX
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_default_link_risk(risk: &Risk) -> bool {
    *risk == LINK_RISK_MAX
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_default_link(link: &LinkMode) -> bool {
    *link == LinkMode::default()
}

impl From<Requirement> for Written {
    fn from(requirement: Requirement) -> Self {
        let flat = requirement.as_flat().cloned();
        let stages = if flat.is_some() {
            Vec::new()
        } else {
            requirement.stages
        };
        Self {
            quorum: flat.as_ref().map(|stage| stage.quorum),
            deny_quorum: flat.as_ref().map(|stage| stage.deny_quorum),
            approvers: flat.map(|stage| stage.approvers),
            stages,
            self_approval: requirement.self_approval,
            require_decision_reason: requirement.require_decision_reason,
            link: requirement.link,
            link_risk_max: requirement.link_risk_max,
            unresolved: requirement.unresolved,
            allow_edit: requirement.allow_edit,
            allow_standing: requirement.allow_standing,
        }
    }
}

impl TryFrom<Written> for Requirement {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let stages = match (written.approvers, written.quorum, written.deny_quorum) {
            (Some(approvers), Some(quorum), Some(deny_quorum)) if written.stages.is_empty() => vec![Stage {
                name: None,
                approvers,
                quorum,
                deny_quorum,
            }],
            (None, None, None) if !written.stages.is_empty() => written.stages,
            _ => return Err("a requirement has either approvers with their quorums or stages"),
        };
        Ok(Self {
            stages,
            self_approval: written.self_approval,
            require_decision_reason: written.require_decision_reason,
            link: written.link,
            link_risk_max: written.link_risk_max,
            unresolved: written.unresolved,
            allow_edit: written.allow_edit,
            allow_standing: written.allow_standing,
        })
    }
}

/// Up to which risk a link or a button of a message decides, where the policy does not say.
pub const LINK_RISK_MAX: Risk = Risk::Medium;
/// The largest quorum, over all stages together.
pub const QUORUM_MAX: u32 = 100;
/// How many stages a requirement may have.
pub const STAGES_MAX: usize = 10;

/// Who people are at the moment a vote is judged. Implemented by what holds operators and groups.
pub trait Roster {
    /// Whether this operator is named by this approver entry, is active, and is a member or higher.
    fn is_named(&self, operator: OperatorId, approver: &Approver) -> bool;

    /// Whether this operator is named by any entry of the stage.
    fn may_decide(&self, operator: OperatorId, stage: &Stage) -> bool {
        stage
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

    /// What has one plain stage is written as it was before there were several; the rest says `stages`.
    #[test]
    fn one_stage_is_written_flat() {
        let flat = Requirement::of(vec![Approver::Role(Role::Member)], 2, 1);
        let text = r#"{"approvers":["role:member"],"quorum":2,"deny_quorum":1,"self_approval":false,"require_decision_reason":false}"#;
        assert_eq!(serde_json::to_string(&flat).unwrap(), text);
        assert_eq!(serde_json::from_str::<Requirement>(text).unwrap(), flat);
        assert_eq!(flat.feature_level(), 1);

        let mut staged = flat.clone();
        staged.stages.push(Stage {
            name: Some("finance".into()),
            ..flat.stages[0].clone()
        });
        staged.link = LinkMode::None;
        let value = serde_json::to_value(&staged).unwrap();
        assert_eq!(
            (value["stages"][1]["name"].as_str(), value.get("quorum")),
            (Some("finance"), None)
        );
        assert_eq!(serde_json::from_value::<Requirement>(value).unwrap(), staged);
        assert_eq!(staged.feature_level(), 3);
        staged.link_risk_max = Risk::Critical;
        let value = serde_json::to_value(&staged).unwrap();
        assert_eq!(value["link_risk_max"], "critical");
        assert_eq!(serde_json::from_value::<Requirement>(value).unwrap(), staged);
        assert_eq!(staged.feature_level(), 5);

        for both_or_neither in [
            r#"{"self_approval":false,"require_decision_reason":false}"#,
            r#"{"approvers":[],"quorum":1,"deny_quorum":1,"stages":[{"approvers":[],"quorum":1,"deny_quorum":1}],"self_approval":false,"require_decision_reason":false}"#,
        ] {
            assert!(serde_json::from_str::<Requirement>(both_or_neither).is_err());
        }
    }
}
