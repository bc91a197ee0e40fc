//! Payloads: content too personal or too large for a log record, which stands there as a salted commitment.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::action::text_enum;

/// Thirty-two bytes, written as lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash32(pub [u8; 32]);

impl std::fmt::Display for Hash32 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for Hash32 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Hash32 {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut bytes = [0; 32];
        let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
        hex::decode_to_slice(text, &mut bytes)
            .ok()
            .filter(|()| lower)
            .map(|()| Self(bytes))
            .ok_or_else(|| "not 64 lower-case hexadecimal digits".into())
    }
}

impl Serialize for Hash32 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash32 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What a payload is, within its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayloadName {
    /// The action's inputs, canonical JSON.
    Inputs,
    /// The action's context, canonical JSON.
    Context,
    /// The agent's free text, canonical JSON.
    Claims,
    /// The governing policy's conditions with what they saw, canonical JSON.
    Judgement,
    /// A person's or agent's free text: reason, comment, question, answer.
    Text,
    /// What a report carries, canonical JSON.
    Report,
    /// The call that an action stands for, without its body, canonical JSON.
    Call,
    /// The body of a call, as it is sent.
    Body,
    /// Status and headers of the answer to a call, canonical JSON.
    Response,
    /// The body of an answer, as it came.
    ResponseBody,
    /// The URL that is told what becomes of the request.
    Callback,
}

text_enum!(PayloadName {
    Inputs => "inputs", Context => "context", Claims => "claims", Judgement => "judgement", Text => "text",
    Report => "report", Call => "call", Body => "body", Response => "response", ResponseBody => "response_body",
    Callback => "callback",
});

const DOMAIN: &[u8] = b"signoff.payload.v1\0";

/// SHA-256(domain ‖ salt ‖ bytes): binds the log to the payload without letting anyone guess it.
pub fn commitment(salt: &[u8; 32], bytes: &[u8]) -> Hash32 {
    let mut hash = Sha256::new();
    hash.update(DOMAIN);
    hash.update(salt);
    hash.update(bytes);
    Hash32(hash.finalize().into())
}
