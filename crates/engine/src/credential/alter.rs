//! Keys in the shapes that Alter's published client lets pass before it asks anybody.

use signoff_core::event::KeyOwner;

use crate::seal::random;

/// What stands before an agent's key.
const AGENT: &str = "alter_key_";
const AGENT_CHARS: usize = 40;
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What stands before all others.
const TYPED: &str = "alter_";
/// Applications, agents, keys derived from others, anybody else.
const TYPES: [&str; 4] = ["rk", "ak", "dk", "pk"];
const RANDOM_CHARS: usize = 22;
const CHECKSUM_CHARS: u32 = 6;
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A new key: 240 random bits for an agent, 110 for an application or an operator, whose shape has room for no more.
pub(super) fn mint(owner: &KeyOwner) -> String {
    let kind = match owner {
        KeyOwner::Agent(_) => return format!("{AGENT}{}", text::<AGENT_CHARS>(URL_SAFE)),
        KeyOwner::Application(_) => "rk",
        KeyOwner::Operator(_) => "pk",
    };
    let body = text::<RANDOM_CHARS>(BASE32);
    format!("{TYPED}{kind}_{body}_{}", checksum(kind, &body))
}

/// Whether a text has one of these shapes, the checksum included.
pub(super) fn has_shape(key: &str) -> bool {
    if let Some(rest) = key.strip_prefix(AGENT) {
        return rest.len() == AGENT_CHARS && rest.bytes().all(|byte| URL_SAFE.contains(&byte));
    }
    let parts = key.strip_prefix(TYPED).unwrap_or_default().split('_');
    let [kind, body, given] = parts.collect::<Vec<_>>()[..] else {
        return false;
    };
    let fits = body.len() == RANDOM_CHARS && body.bytes().all(|byte| BASE32.contains(&byte));
    TYPES.contains(&kind) && fits && checksum(kind, body) == given
}

/// Characters of an alphabet whose size is a power of two, so that each is as likely as any other.
fn text<const N: usize>(alphabet: &[u8]) -> String {
    let pick = |byte: u8| char::from(alphabet[usize::from(byte) % alphabet.len()]);
    random::<N>().into_iter().map(pick).collect()
}

/// Typing errors are found by it, nothing else.
fn checksum(kind: &str, body: &str) -> String {
    let crc = crc32(format!("{kind}:{body}").as_bytes());
    let group = |at: u32| char::from(BASE32[(crc >> (5 * at)) as usize % BASE32.len()]);
    (0..CHECKSUM_CHARS).map(group).collect()
}

/// CRC-32/ISO-HDLC.
fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| {
        if crc & 1 == 0 {
            crc >> 1
        } else {
            (crc >> 1) ^ 0xedb8_8320
        }
    };
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| bit(crc));
    !bytes.iter().fold(u32::MAX, byte)
}

#[cfg(test)]
mod tests {
    use signoff_core::id::{AgentId, ApplicationId, OperatorId, RawId};

    use super::*;

    /// Vectors that were checked against alter-sdk 0.29.0.
    #[test]
    fn checksums_are_those_of_the_client() {
        assert_eq!(crc32(b"rk:abcdefghijklmnopqrstuv"), 447_495_880);
        for key in [
            "alter_rk_abcdefghijklmnopqrstuv_iwpykn",
            "alter_ak_7654327654327654327654_q3aqns",
            "alter_rk_aaaaaaaaaaaaaaaaaaaaaa_l77ykl",
            "alter_key_0123456789abcdefghijABCDEFGHIJ-_-_-_-_-_",
        ] {
            assert!(has_shape(key), "{key}");
        }
    }

    #[test]
    fn what_is_minted_has_its_owners_shape_and_is_never_the_same() {
        let id = RawId([1; 16]);
        for (owner, prefix, length) in [
            (KeyOwner::Agent(AgentId(id)), "alter_key_", 50),
            (KeyOwner::Application(ApplicationId(id)), "alter_rk_", 38),
            (KeyOwner::Operator(OperatorId(id)), "alter_pk_", 38),
        ] {
            let key = mint(&owner);
            assert!(
                key.starts_with(prefix) && key.len() == length && has_shape(&key),
                "{key}"
            );
            assert_ne!(mint(&owner), key);
        }
    }

    #[test]
    fn typing_errors_and_other_shapes_are_told_apart() {
        for text in [
            "",
            "alter_",
            "alter_key_",
            "alter_key_0123456789abcdefghijABCDEFGHIJ-_-_-_-_-",
            "alter_key_0123456789abcdefghijABCDEFGHIJ-_-_-_-_-_x",
            "alter_key_0123456789abcdefghijABCDEFGHIJ-_-_-_-_-é",
            "alter_rk_abcdefghijklmnopqrstuv_iwpykm",
            "alter_ak_abcdefghijklmnopqrstuv_iwpykn",
            "alter_xk_abcdefghijklmnopqrstuv_iwpykn",
            "alter_rk_abcdefghijklmnopqrstuw_iwpykn",
            "alter_rk_ABCDEFGHIJKLMNOPQRSTUV_iwpykn",
            "alter_rk_abcdefghijklmnopqrstuv",
            "alter_rk_abcdefghijklmnopqrstuv_iwpykn_",
            "rk_abcdefghijklmnopqrstuv_iwpykn",
        ] {
            assert!(!has_shape(text), "{text}");
        }
    }
}
