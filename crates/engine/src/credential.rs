//! Keys, tokens, cookies, passwords: how they are made and recognised. Only hashes are kept.

mod alter;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use signoff_core::event::KeyOwner;

use crate::seal::random;

/// The fewest characters of a password.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// The most bytes of a password, so that hashing stays bounded.
pub const PASSWORD_BYTES_MAX: usize = 1_000;
/// The fewest characters of the admin key.
pub const ADMIN_KEY_CHARS_MIN: usize = 32;

const HEX_DIGITS: usize = 64;
const CHECKSUM_DIGITS: usize = 8;

const fn prefix(owner: &KeyOwner) -> &'static str {
    match owner {
        KeyOwner::Agent(_) => "sgo_agt_",
        KeyOwner::Application(_) => "sgo_app_",
        KeyOwner::Operator(_) => "sgo_usr_",
    }
}

fn checksum(body: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"signoff.key.v1\0");
    hash.update(body.as_bytes());
    hex::encode(&hash.finalize()[..CHECKSUM_DIGITS / 2])
}

/// How a new key looks. Whatever it looks like, it is the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyShape {
    /// Prefix, 256 random bits, checksum.
    #[default]
    Native,
    /// What Alter's published client insists on.
    Alter,
}

/// A new key.
pub(crate) fn mint(owner: &KeyOwner, shape: KeyShape) -> SecretString {
    match shape {
        KeyShape::Native => mint_native(owner),
        KeyShape::Alter => SecretString::from(alter::mint(owner)),
    }
}

fn mint_native(owner: &KeyOwner) -> SecretString {
    let body = format!("{}{}", prefix(owner), hex::encode(random::<32>()));
    let checksum = checksum(&body);
    SecretString::from(body + &checksum)
}

/// What is kept of a key; none for a text that no key of ours can be, so that garbage is told apart from a revoked key
/// without a look-up.
pub(crate) fn hash_key(key: &str) -> Option<[u8; 32]> {
    let has_shape = is_native(key) || alter::has_shape(key);
    has_shape.then(|| Sha256::digest(key.as_bytes()).into())
}

fn is_native(key: &str) -> bool {
    let mut prefixes = ["sgo_agt_", "sgo_app_", "sgo_usr_"].into_iter();
    let Some(rest) = prefixes.find_map(|prefix| key.strip_prefix(prefix)) else {
        return false;
    };
    if rest.len() != HEX_DIGITS + CHECKSUM_DIGITS || !rest.is_ascii() {
        return false;
    }
    let (body, given) = key.split_at(key.len() - CHECKSUM_DIGITS);
    checksum(body) == given
}

/// The last characters of a key, to tell keys apart.
pub(crate) fn hint(key: &SecretString) -> String {
    let key = key.expose_secret();
    key[key.len().saturating_sub(4)..].to_owned()
}

/// A random text for cookies and one-time links: 64 hexadecimal digits.
pub fn mint_token() -> SecretString {
    SecretString::from(hex::encode(random::<32>()))
}

/// What is kept of a cookie.
pub(crate) fn hash_token(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Whether a password may be used at all.
pub(crate) fn check_password(password: &SecretString) -> Result<(), String> {
    let password = password.expose_secret();
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(format!("a password has at least {PASSWORD_CHARS_MIN} characters"));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(format!("a password has at most {PASSWORD_BYTES_MAX} bytes"));
    }
    Ok(())
}

/// Hashes a password with argon2id; slow on purpose, so never on a runtime thread.
pub(crate) fn hash_password(password: &SecretString) -> Result<String, String> {
    let hash = Argon2::default().hash_password(password.expose_secret().as_bytes());
    hash.map(|hash| hash.to_string())
        .map_err(|error| error.to_string())
}

/// Checks a password against a stored hash; slow on purpose.
pub(crate) fn verify_password(password: &SecretString, stored: &[u8]) -> bool {
    let stored = std::str::from_utf8(stored)
        .ok()
        .and_then(|stored| PasswordHash::new(stored).ok());
    let Some(stored) = stored else { return false };
    Argon2::default()
        .verify_password(password.expose_secret().as_bytes(), &stored)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use signoff_core::id::{AgentId, RawId};

    use super::*;

    #[test]
    fn keys_are_recognised_and_typing_errors_are_not() {
        let key = mint(&KeyOwner::Agent(AgentId(RawId([1; 16]))), KeyShape::Native);
        let text = key.expose_secret().to_owned();
        assert!(text.starts_with("sgo_agt_") && text.len() == 8 + 64 + 8);
        assert!(hash_key(&text).is_some());
        let typo = text.replacen(&text[20..21], if &text[20..21] == "0" { "1" } else { "0" }, 1);
        assert!(hash_key(&typo).is_none());
        for text in ["", "sgo_agt_", "sgo_xyz_00", &text[1..], &format!("{text}0")] {
            assert!(hash_key(text).is_none(), "{text}");
        }
        assert_eq!(hint(&key).len(), 4);
    }

    #[test]
    fn passwords_verify() {
        let password = SecretString::from("correct horse battery");
        let hash = hash_password(&password).unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(verify_password(&password, hash.as_bytes()));
        assert!(!verify_password(
            &SecretString::from("wrong horse battery"),
            hash.as_bytes()
        ));
        assert!(!verify_password(&password, b"not a hash"));
        assert!(check_password(&SecretString::from("short")).is_err());
    }
}
