//! Text that must not reach a log: it serialises as it is and prints as dots.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A credential on its way in or out. `Debug` never shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Secret(String);

/// How a key looks, for published clients that insist on a shape. Whatever it looks like, it is the same key, through
/// every door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyDialect {
    /// `alter-sdk`: `alter_key_…` for agents, `alter_rk_…` for applications, `alter_pk_…` for operators.
    Alter,
}

/// How a new key is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// As Signoff's own unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<KeyDialect>,
}

impl Secret {
    /// Wraps a credential.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The credential itself; call it only where it is sent, hashed or shown once.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_and_json_shows() {
        let secret = Secret::new("sgo_agt_abc");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"sgo_agt_abc\"");
    }
}
