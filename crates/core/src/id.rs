//! Typed identifiers: a prefix that says what is meant, and 32 lower-case hexadecimal digits (a UUID).
//!
//! An action, its approval and its execution are three faces of one request and share the same digits:
//! `act_X`, `apr_X`, `exe_X`. So each finds the others without a look-up, and the log's index over subjects
//! gives the whole story of one request in one read.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The sixteen bytes behind every identifier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawId(pub [u8; 16]);

impl fmt::Display for RawId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0_u8; 32];
        hex::encode_to_slice(self.0, &mut digits).map_err(|_| fmt::Error)?;
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for RawId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is wrong with a text that should have been an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not an id of the form `{prefix}` followed by 32 lower-case hexadecimal digits")]
pub struct InvalidId {
    /// The text as given, cut to 80 characters.
    pub given: String,
    /// The prefix that was expected.
    pub prefix: &'static str,
}

fn parse(text: &str, prefix: &'static str) -> Result<RawId, InvalidId> {
    let invalid = || InvalidId {
        given: text.chars().take(80).collect(),
        prefix,
    };
    let digits = text.strip_prefix(prefix).ok_or_else(invalid)?;
    if digits.len() != 32 || digits.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(invalid());
    }
    let mut raw = [0_u8; 16];
    hex::decode_to_slice(digits, &mut raw).map_err(|_| invalid())?;
    Ok(RawId(raw))
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub RawId);

        impl $name {
            /// What stands before the digits.
            pub const PREFIX: &'static str = $prefix;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", Self::PREFIX, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse(text, Self::PREFIX).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    };
}

typed_id!(
    /// A workspace, the tenant that owns everything else.
    WorkspaceId, "ws_");
typed_id!(
    /// One submitted action.
    ActionId, "act_");
typed_id!(
    /// One request for a human decision.
    ApprovalId, "apr_");
typed_id!(
    /// One carrying-out of an allowed or approved action.
    ExecutionId, "exe_");
typed_id!(
    /// A policy through all its versions.
    PolicyId, "pol_");
typed_id!(
    /// A principal that asks.
    AgentId, "agt_");
typed_id!(
    /// A key that may ask for several named agents.
    ApplicationId, "app_");
typed_id!(
    /// A person.
    OperatorId, "usr_");
typed_id!(
    /// A group of operators.
    GroupId, "grp_");
typed_id!(
    /// A key or personal token (its metadata, never its value).
    KeyId, "key_");
typed_id!(
    /// A channel through which people or machines are told.
    ChannelId, "chn_");
typed_id!(
    /// A standing approval.
    StandingId, "sta_");
typed_id!(
    /// One run of the server, as what makes calls.
    RunnerId, "run_");
typed_id!(
    /// A stored credential.
    GrantId, "grt_");
typed_id!(
    /// One action as it counts for a policy.
    CountedId, "cnt_");
typed_id!(
    /// One record of the log.
    EventId, "evt_");

impl ActionId {
    /// The approval of the same request.
    pub fn approval(self) -> ApprovalId {
        ApprovalId(self.0)
    }
    /// The execution of the same request.
    pub fn execution(self) -> ExecutionId {
        ExecutionId(self.0)
    }
}

impl ApprovalId {
    /// The action that asked.
    pub fn action(self) -> ActionId {
        ActionId(self.0)
    }
}

impl ExecutionId {
    /// The action that is carried out.
    pub fn action(self) -> ActionId {
        ActionId(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_and_parse_back() {
        let id = ApprovalId(RawId([0xab; 16]));
        assert_eq!(id.to_string(), format!("apr_{}", "ab".repeat(16)));
        assert_eq!(id.to_string().parse::<ApprovalId>(), Ok(id));
        assert_eq!(
            id.action().execution().to_string(),
            format!("exe_{}", "ab".repeat(16))
        );
    }

    #[test]
    fn other_prefixes_lengths_and_cases_are_refused() {
        for text in [
            "",
            "apr_",
            "act_00",
            &format!("act_{}", "0".repeat(32)),
            &format!("apr_{}", "A".repeat(32)),
        ] {
            assert!(text.parse::<ApprovalId>().is_err(), "{text}");
        }
    }
}
