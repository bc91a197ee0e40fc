//! The signature of the Standard Webhooks specification, version 1 (HMAC-SHA256).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

const PREFIX: &str = "whsec_";
const BYTES_MIN: usize = 24;
const BYTES_MAX: usize = 64;

/// Why a webhook secret was refused. The text shows nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The prefix is missing.
    #[error("a webhook secret starts with `whsec_`")]
    Prefix,
    /// What follows the prefix is not base64.
    #[error("a webhook secret is base64 after its prefix")]
    Encoding,
    /// Too short to be safe or longer than the specification allows.
    #[error("a webhook secret has 24 to 64 bytes")]
    Length,
}

/// A signing secret; wiped when dropped, and not shown by its debug form.
#[derive(Clone)]
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

impl WebhookSecret {
    /// A secret of these bytes, which the caller drew at random.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SecretError> {
        if !(BYTES_MIN..=BYTES_MAX).contains(&bytes.len()) {
            return Err(SecretError::Length);
        }
        Ok(Self(Zeroizing::new(bytes.to_vec())))
    }

    /// Reads the written form, `whsec_` and base64.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(SecretError::Prefix)?;
        let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| SecretError::Encoding)?);
        Self::from_bytes(&bytes)
    }

    /// The written form, to be shown once to whoever will verify.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{PREFIX}{}", STANDARD.encode(self.0.as_slice())))
    }

    /// The raw bytes, for whoever encrypts them at rest.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn signature(&self, message_id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(format!("{message_id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

/// The three headers that make a message verifiable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// `webhook-id`: the same on every attempt, so that a receiver can drop repeats.
    pub id: String,
    /// `webhook-timestamp`: whole seconds, of this attempt.
    pub timestamp: String,
    /// `webhook-signature`: one signature per secret, separated by spaces.
    pub signature: String,
}

impl Signed {
    /// The headers by name, ready to send.
    pub fn headers(&self) -> [(String, String); 3] {
        [
            ("webhook-id".to_owned(), self.id.clone()),
            ("webhook-timestamp".to_owned(), self.timestamp.clone()),
            ("webhook-signature".to_owned(), self.signature.clone()),
        ]
    }
}

/// Signs a message with every secret given; during a rotation the old and the new one.
///
/// `timestamp` is in whole seconds since 1970. The id must not contain a full stop, which separates the signed
/// parts; Signoff's ids never do.
pub fn sign(secrets: &[WebhookSecret], message_id: &str, timestamp: i64, body: &[u8]) -> Signed {
    debug_assert!(
        !message_id.contains('.'),
        "a full stop separates the signed parts"
    );
    let signatures: Vec<String> = secrets
        .iter()
        .map(|secret| secret.signature(message_id, timestamp, body))
        .collect();
    Signed {
        id: message_id.to_owned(),
        timestamp: timestamp.to_string(),
        signature: signatures.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference implementations.
    #[test]
    fn the_published_example_is_reproduced() {
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let body = br#"{"test": 2432232314}"#;
        let signed = sign(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(
            signed.signature,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn secrets_are_checked_and_never_shown() {
        let text = |bytes: &[u8]| format!("{PREFIX}{}", STANDARD.encode(bytes));
        let parse = |text: &str| WebhookSecret::parse(text).map(|secret| secret.to_text().to_string());
        for length in [24, 32, 64] {
            let written = text(&vec![7; length]);
            assert_eq!(parse(&written), Ok(written.clone()));
        }
        for length in [0, 23, 65] {
            assert_eq!(parse(&text(&vec![7; length])), Err(SecretError::Length));
        }
        assert_eq!(
            parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            Err(SecretError::Prefix)
        );
        assert_eq!(
            parse("WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            Err(SecretError::Prefix)
        );
        assert_eq!(parse("whsec_not base64!"), Err(SecretError::Encoding));
        let secret = WebhookSecret::from_bytes(&[7; 32]).expect("a secret");
        assert_eq!(format!("{secret:?}"), "WebhookSecret(…)");
    }
}
