//! Keys and what is locked with them: payloads, channels, fingerprints, digests of stored secrets.
//!
//! One master key wraps one data key per workspace; every use has its own key derived from that one.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hmac::{Hmac, Mac};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use signoff_core::{
    grant::{Grant, GrantRow},
    id::{RawId, WorkspaceId},
    json,
    payload::{Hash32, PayloadName, commitment},
};
use signoff_store::{SecretKind, SecretRow, StoredPayload};
use zeroize::Zeroizing;

use crate::StartError;

/// First byte of everything sealed: how it was.
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;
const SALT_BYTES: usize = 32;
/// A locked key: version, nonce, key, tag.
const LOCKED_KEY_BYTES: usize = 1 + NONCE_BYTES + 32 + 16;

/// How long the proof in a personal link is.
pub(crate) const LINK_MAC_BYTES: usize = 16;

/// Random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without randomness there are no keys, salts or ids; going on would be worse than ending.
    #[expect(
        clippy::expect_used,
        reason = "the operating system's randomness does not fail on supported systems"
    )]
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        // Lengths keep ("ab", "c") and ("a", "bc") apart.
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn lock(cipher: &XChaCha20Poly1305, aad: &[u8], plain: &[u8]) -> Vec<u8> {
    lock_under(cipher, random(), aad, plain)
}

fn lock_under(cipher: &XChaCha20Poly1305, nonce: [u8; NONCE_BYTES], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "fails only above 256 GiB")]
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad })
        .expect("what is sealed is far below the cipher's limit");
    let mut out = Vec::with_capacity(1 + NONCE_BYTES + sealed.len());
    out.push(VERSION);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&sealed);
    out
}

fn unlock(cipher: &XChaCha20Poly1305, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (version, rest) = sealed.split_first()?;
    let (nonce, sealed) = rest.split_at_checked(NONCE_BYTES)?;
    let nonce: [u8; NONCE_BYTES] = nonce.try_into().ok()?;
    if *version != VERSION {
        return None;
    }
    cipher
        .decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad })
        .ok()
        .map(Zeroizing::new)
}

fn aad(domain: &str, workspace: WorkspaceId, subject: RawId, name: &str) -> Vec<u8> {
    let mut aad = Vec::with_capacity(domain.len() + 34 + name.len());
    aad.extend_from_slice(domain.as_bytes());
    aad.push(0);
    aad.extend_from_slice(&workspace.0.0);
    aad.extend_from_slice(&subject.0);
    aad.push(0);
    aad.extend_from_slice(name.as_bytes());
    aad
}

/// What a credential is locked to.
fn bound_to(version: u64, terms: &Grant) -> String {
    // A grant is JSON by its making; one that were not would open nothing.
    let terms = json::canonical(terms).unwrap_or_default();
    format!("{version}:{}", hex::encode(Sha256::digest(terms)))
}

/// The installation's key.
#[derive(PartialEq, Eq)]
pub(crate) struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// Reads 64 hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Result<Self, StartError> {
        let mut key = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), key.as_mut())
            .map_err(|_| StartError::InvalidOption("the master key is not 64 hexadecimal digits".into()))?;
        Ok(Self(key))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        let key = Zeroizing::new(hmac(&self.0, &[b"signoff.wrap.v1"]));
        XChaCha20Poly1305::new(&(*key).into())
    }

    /// A new workspace's key, and how it is stored.
    pub(crate) fn mint(&self, workspace: WorkspaceId) -> (WorkspaceKey, Vec<u8>) {
        let data = Zeroizing::new(random::<32>());
        let wrapped = lock(&self.cipher(), &wrapping_of(workspace), data.as_ref());
        (WorkspaceKey::new(workspace, &data), wrapped)
    }

    /// A stored workspace key; none if this is not the master key it was wrapped with.
    pub(crate) fn unwrap(&self, workspace: WorkspaceId, wrapped: &[u8]) -> Option<WorkspaceKey> {
        let data = self.unlocked(workspace, wrapped)?;
        Some(WorkspaceKey::new(workspace, &data))
    }

    /// The same workspace's key, wrapped with another master key; none if it was not wrapped with this one.
    pub(crate) fn rewrap(&self, next: &Self, workspace: WorkspaceId, wrapped: &[u8]) -> Option<Vec<u8>> {
        let data = self.unlocked(workspace, wrapped)?;
        Some(lock(&next.cipher(), &wrapping_of(workspace), data.as_ref()))
    }

    fn unlocked(&self, workspace: WorkspaceId, wrapped: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
        let data = unlock(&self.cipher(), &wrapping_of(workspace), wrapped)?;
        Some(Zeroizing::new(data.as_slice().try_into().ok()?))
    }
}

/// What a wrapped key belongs to.
fn wrapping_of(workspace: WorkspaceId) -> Vec<u8> {
    aad("signoff.workspace_key.v1", workspace, workspace.0, "")
}

/// A payload ready to be stored: sealed, salted, committed to.
#[derive(Clone)]
pub(crate) struct SealedPayload {
    pub(crate) name: PayloadName,
    pub(crate) salt: [u8; 32],
    pub(crate) commitment: Hash32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) subject: RawId,
}

impl SealedPayload {
    /// As stored beside the record that carries its commitment.
    pub(crate) fn stored(self, seq: u64) -> StoredPayload {
        StoredPayload {
            seq,
            name: self.name,
            subject: self.subject,
            salt: self.salt,
            bytes: self.bytes,
        }
    }
}

/// What one workspace's things are locked with.
pub(crate) struct WorkspaceKey {
    workspace: WorkspaceId,
    payloads: XChaCha20Poly1305,
    channels: XChaCha20Poly1305,
    grants: XChaCha20Poly1305,
    fingerprints: Zeroizing<[u8; 32]>,
    digests: Zeroizing<[u8; 32]>,
    setup: Zeroizing<[u8; 32]>,
    links: Zeroizing<[u8; 32]>,
}

impl WorkspaceKey {
    fn new(workspace: WorkspaceId, data: &Zeroizing<[u8; 32]>) -> Self {
        let derive = |label: &str| Zeroizing::new(hmac(data, &[label.as_bytes()]));
        Self {
            workspace,
            payloads: XChaCha20Poly1305::new(&(*derive("signoff.payload_key.v1")).into()),
            channels: XChaCha20Poly1305::new(&(*derive("signoff.channel_key.v1")).into()),
            grants: XChaCha20Poly1305::new(&(*derive("signoff.grant_key.v1")).into()),
            fingerprints: derive("signoff.fingerprint_key.v1"),
            digests: derive("signoff.secret_digest_key.v1"),
            setup: derive("signoff.setup_token.v1"),
            links: derive("signoff.link_key.v1"),
        }
    }

    /// The token of the first-run link: 64 hexadecimal digits.
    pub(crate) fn setup_token(&self) -> SecretString {
        SecretString::from(hex::encode(self.setup.as_ref()))
    }

    /// Proves that a personal link was made here.
    pub(crate) fn link_mac(&self, claim: &[u8]) -> [u8; LINK_MAC_BYTES] {
        let mut mac = [0; LINK_MAC_BYTES];
        mac.copy_from_slice(&hmac(&self.links, &[claim])[..LINK_MAC_BYTES]);
        mac
    }

    /// Salts, commits to and encrypts a payload.
    pub(crate) fn seal(&self, subject: RawId, name: PayloadName, plain: &[u8]) -> SealedPayload {
        // Salt and nonce at once: each look at the operating system's randomness is a system call.
        let fresh: [u8; SALT_BYTES + NONCE_BYTES] = random();
        let (mut salt, mut nonce) = ([0; SALT_BYTES], [0; NONCE_BYTES]);
        salt.copy_from_slice(&fresh[..SALT_BYTES]);
        nonce.copy_from_slice(&fresh[SALT_BYTES..]);
        let aad = aad("signoff.payload.v1", self.workspace, subject, name.as_str());
        let bytes = lock_under(&self.payloads, nonce, &aad, plain);
        SealedPayload {
            name,
            salt,
            commitment: commitment(&salt, plain),
            bytes,
            subject,
        }
    }

    /// Opens a stored payload; none if it was changed.
    pub(crate) fn open(&self, stored: &StoredPayload) -> Option<Zeroizing<Vec<u8>>> {
        let aad = aad(
            "signoff.payload.v1",
            self.workspace,
            stored.subject,
            stored.name.as_str(),
        );
        unlock(&self.payloads, &aad, &stored.bytes)
    }

    /// Locks how a person is reached.
    pub(crate) fn seal_contact(&self, person: RawId, plain: &[u8]) -> Vec<u8> {
        lock(
            &self.channels,
            &aad("signoff.contact.v1", self.workspace, person, ""),
            plain,
        )
    }

    /// Unlocks it.
    pub(crate) fn open_contact(&self, person: RawId, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        unlock(
            &self.channels,
            &aad("signoff.contact.v1", self.workspace, person, ""),
            sealed,
        )
    }

    /// Locks what came from outside to a channel and waits to be handled.
    pub(crate) fn seal_received(&self, channel: RawId, key: &str, plain: &[u8]) -> Vec<u8> {
        let aad = aad("signoff.received.v1", self.workspace, channel, key);
        lock(&self.channels, &aad, plain)
    }

    /// Unlocks it.
    pub(crate) fn open_received(
        &self,
        channel: RawId,
        key: &str,
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let aad = aad("signoff.received.v1", self.workspace, channel, key);
        unlock(&self.channels, &aad, sealed)
    }

    /// Locks a channel's address and signing secret.
    pub(crate) fn seal_channel(&self, channel: RawId, plain: &[u8]) -> Vec<u8> {
        lock(
            &self.channels,
            &aad("signoff.channel.v1", self.workspace, channel, ""),
            plain,
        )
    }

    /// Opens them.
    pub(crate) fn open_channel(&self, channel: RawId, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        unlock(
            &self.channels,
            &aad("signoff.channel.v1", self.workspace, channel, ""),
            sealed,
        )
    }

    /// Locks the value of a credential with a key of its own, which is locked beside it; both to this grant, its version and
    /// its terms: whoever writes another address into the stored grant can't send the credential there.
    pub(crate) fn seal_grant(&self, id: RawId, version: u64, terms: &Grant, plain: &[u8]) -> Vec<u8> {
        let own = Zeroizing::new(random::<32>());
        let bound = bound_to(version, terms);
        let mut out = lock(
            &self.grants,
            &aad("signoff.grant_key.v1", self.workspace, id, &bound),
            own.as_ref(),
        );
        out.extend(lock(
            &XChaCha20Poly1305::new(&(*own).into()),
            &aad("signoff.grant.v1", self.workspace, id, &bound),
            plain,
        ));
        out
    }

    /// Opens it; none if it was locked to something else.
    pub(crate) fn open_grant(
        &self,
        id: RawId,
        version: u64,
        terms: &Grant,
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let (key, value) = sealed.split_at_checked(LOCKED_KEY_BYTES)?;
        let bound = bound_to(version, terms);
        let own = unlock(
            &self.grants,
            &aad("signoff.grant_key.v1", self.workspace, id, &bound),
            key,
        )?;
        let own: Zeroizing<[u8; 32]> = Zeroizing::new(own.as_slice().try_into().ok()?);
        unlock(
            &XChaCha20Poly1305::new(&(*own).into()),
            &aad("signoff.grant.v1", self.workspace, id, &bound),
            value,
        )
    }

    /// The value of a grant as it is stored.
    pub(crate) fn grant_value(&self, row: &GrantRow, sealed: &[u8]) -> Option<SecretString> {
        let opened = self.open_grant(row.id.0, row.version, &row.grant, sealed)?;
        Some(SecretString::from(std::str::from_utf8(&opened).ok()?))
    }

    /// Whether two requests are the same, without keeping what they say.
    pub(crate) fn fingerprint(&self, operation: &str, canonical: &[u8]) -> [u8; 32] {
        hmac(&self.fingerprints, &[operation.as_bytes(), canonical])
    }

    /// Binds stored secret bytes to the log: whoever swaps them can't make this.
    pub(crate) fn secret_digest(&self, kind: SecretKind, id: RawId, value: &[u8]) -> Hash32 {
        Hash32(hmac(&self.digests, &[kind.as_str().as_bytes(), &id.0, value]))
    }

    /// A secret row with its digest.
    pub(crate) fn secret(&self, kind: SecretKind, id: RawId, value: Vec<u8>) -> (SecretRow, Hash32) {
        let digest = self.secret_digest(kind, id, &value);
        (SecretRow { kind, id, value }, digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(byte: u8) -> WorkspaceId {
        WorkspaceId(RawId([byte; 16]))
    }

    #[test]
    fn i7_what_is_sealed_opens_only_where_it_belongs() {
        let master = MasterKey::parse(&"ab".repeat(32)).unwrap();
        let (key, wrapped) = master.mint(workspace(1));
        let again = master.unwrap(workspace(1), &wrapped).unwrap();
        let sealed = key.seal(RawId([7; 16]), PayloadName::Inputs, b"{}");
        let stored = sealed.clone().stored(3);
        assert_eq!(again.open(&stored).unwrap().as_slice(), b"{}");
        assert!(
            again
                .open(&StoredPayload {
                    subject: RawId([8; 16]),
                    ..stored.clone()
                })
                .is_none()
        );
        assert!(
            again
                .open(&StoredPayload {
                    name: PayloadName::Context,
                    ..stored.clone()
                })
                .is_none()
        );
        let mut flipped = stored;
        *flipped.bytes.last_mut().unwrap() ^= 1;
        assert!(again.open(&flipped).is_none());
        assert!(master.unwrap(workspace(2), &wrapped).is_none());
        assert!(
            MasterKey::parse(&"cd".repeat(32))
                .unwrap()
                .unwrap(workspace(1), &wrapped)
                .is_none()
        );
    }

    #[test]
    fn fingerprints_keep_parts_apart() {
        let master = MasterKey::parse(&"ab".repeat(32)).unwrap();
        let (key, _) = master.mint(workspace(1));
        assert_ne!(key.fingerprint("ab", b"c"), key.fingerprint("a", b"bc"));
        assert!(MasterKey::parse("ab").is_err());
    }
}
