//! The signatures of the Standard Webhooks specification: `v1` (HMAC-SHA256) with a secret that both sides have, and `v1a`
//! (Ed25519) with a key that the receiver only verifies with.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sha2::Sha256;
use zeroize::Zeroizing;

const PREFIX: &str = "whsec_";
const KEY_PREFIX: &str = "whsk_";
const PUBLIC_PREFIX: &str = "whpk_";
const SEED_BYTES: usize = 32;
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
    /// The prefix of a key is missing.
    #[error("a webhook's private key starts with `whsk_`")]
    KeyPrefix,
    /// No Ed25519 key.
    #[error(
        "a webhook's private key is an Ed25519 key: a seed of 32 bytes, its public half behind it or not"
    )]
    KeyLength,
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

/// The key of `v1a`; wiped when dropped, and not shown by its debug form. Whoever verifies needs its public half alone.
#[derive(Clone)]
pub struct SigningKey(Zeroizing<[u8; SEED_BYTES]>);

impl SigningKey {
    /// The key of this seed, which the caller drew at random.
    pub fn from_seed(seed: [u8; SEED_BYTES]) -> Self {
        Self(Zeroizing::new(seed))
    }

    /// Reads the written form, `whsk_` and base64 of the seed, with or without the public half behind it.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix(KEY_PREFIX).ok_or(SecretError::KeyPrefix)?;
        let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| SecretError::Encoding)?);
        let (seed, public) = bytes.split_first_chunk().ok_or(SecretError::KeyLength)?;
        let key = Self::from_seed(*seed);
        // A public half of another key would make signatures that say nothing about this one.
        if !public.is_empty() && public != key.pair().public_key().as_ref() {
            return Err(SecretError::KeyLength);
        }
        Ok(key)
    }

    /// The written form: `whsk_` and base64 of seed and public half.
    pub fn to_text(&self) -> Zeroizing<String> {
        let pair = self.pair();
        let mut bytes = Zeroizing::new(self.0.to_vec());
        bytes.extend_from_slice(pair.public_key().as_ref());
        Zeroizing::new(format!("{KEY_PREFIX}{}", STANDARD.encode(bytes.as_slice())))
    }

    /// The public half, `whpk_` and base64, for whoever verifies. No secret.
    pub fn public_text(&self) -> String {
        format!("{PUBLIC_PREFIX}{}", STANDARD.encode(self.pair().public_key()))
    }

    fn pair(&self) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(self.0.as_slice()).expect("every 32 bytes are a seed")
    }

    fn signature(&self, message_id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut content = format!("{message_id}.{timestamp}.").into_bytes();
        content.extend_from_slice(body);
        format!("v1a,{}", STANDARD.encode(self.pair().sign(&content)))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// A new `v1a` key in its written form, of a seed that the caller drew at random.
pub fn new_private_key(seed: [u8; SEED_BYTES]) -> String {
    SigningKey::from_seed(seed).to_text().to_string()
}

/// The three headers that make a message verifiable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// `webhook-id`: the same on every attempt, so that a receiver can drop repeats.
    pub id: String,
    /// `webhook-timestamp`: whole seconds, of this attempt.
    pub timestamp: String,
    /// `webhook-signature`: one signature per secret and key, separated by spaces.
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

/// Signs a message with every secret given, during a rotation the old and the new one, and with the key where there is one.
///
/// `timestamp` is in whole seconds since 1970. The id must not contain a full stop, which separates the signed
/// parts; Signoff's ids never do.
pub fn sign(
    secrets: &[WebhookSecret],
    key: Option<&SigningKey>,
    message_id: &str,
    timestamp: i64,
    body: &[u8],
) -> Signed {
    debug_assert!(
        !message_id.contains('.'),
        "a full stop separates the signed parts"
    );
    let mut signatures: Vec<String> = secrets
        .iter()
        .map(|secret| secret.signature(message_id, timestamp, body))
        .collect();
    signatures.extend(key.map(|key| key.signature(message_id, timestamp, body)));
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
        let signed = sign(
            &[secret],
            None,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            body,
        );
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

    /// Whoever has the public half alone can tell a genuine message, and no more.
    #[test]
    fn keys_of_v1a_sign_what_their_public_half_verifies() {
        let key = SigningKey::from_seed([9; 32]);
        let signed = sign(&[], Some(&key), "evt_01", 1_614_265_330, b"{}");
        let signature = signed.signature.strip_prefix("v1a,").expect("v1a");
        let public = key.public_text();
        let public = STANDARD
            .decode(public.strip_prefix("whpk_").expect("whpk"))
            .expect("base64");
        let verifier = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, public);
        let signature = STANDARD.decode(signature).expect("base64");
        verifier
            .verify(b"evt_01.1614265330.{}", &signature)
            .expect("genuine");
        verifier
            .verify(b"evt_01.1614265331.{}", &signature)
            .expect_err("another time");

        let written = key.to_text();
        let read = SigningKey::parse(&written).expect("a key");
        assert_eq!(read.public_text(), key.public_text());
        let seed = format!("whsk_{}", STANDARD.encode([9; 32]));
        assert_eq!(
            SigningKey::parse(&seed).expect("a key").public_text(),
            key.public_text()
        );
        assert_eq!(format!("{key:?}"), "SigningKey(…)");
        let fault = |text: &str| SigningKey::parse(text).expect_err("no key");
        assert_eq!(fault(&written.replace("whsk_", "whsec_")), SecretError::KeyPrefix);
        assert_eq!(fault("whsk_AAAA"), SecretError::KeyLength);
        assert_eq!(fault("whsk_!"), SecretError::Encoding);
        let other = format!("whsk_{}", STANDARD.encode([9; 64]));
        assert_eq!(fault(&other), SecretError::KeyLength);
    }

    #[test]
    fn secrets_and_key_sign_side_by_side() {
        let secrets = [1, 2].map(|fill| WebhookSecret::from_bytes(&[fill; 32]).expect("a secret"));
        let signed = sign(
            &secrets,
            Some(&SigningKey::from_seed([3; 32])),
            "evt_01",
            7,
            b"{}",
        );
        let versions: Vec<&str> = signed
            .signature
            .split(' ')
            .filter_map(|one| Some(one.split_once(',')?.0))
            .collect();
        assert_eq!(versions, ["v1", "v1", "v1a"]);
    }
}
