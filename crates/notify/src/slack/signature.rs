//! Slack's signature over what it sends: HMAC-SHA256 over version, time and the bytes of the body.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use signoff_core::payload::Hash32;

/// How far the time of a request may be from ours, in seconds, either way.
pub const SIGNATURE_AGE_MAX: u64 = 300;
/// The longest time that is read, in digits.
const TIME_DIGITS_MAX: usize = 12;

/// The headers that sign a request, each as often as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signed {
    /// `X-Slack-Request-Timestamp`.
    pub timestamps: Vec<Vec<u8>>,
    /// `X-Slack-Signature`.
    pub signatures: Vec<Vec<u8>>,
}

/// Why a request is not taken for Slack's. For our own log; whoever sent it is not told which it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// A header is missing, or came twice.
    #[error("the headers are not there exactly once each")]
    Headers,
    /// A header can't be read.
    #[error("a header is not written as Slack writes it")]
    Written,
    /// Its time is too far from ours.
    #[error("it was signed more than {SIGNATURE_AGE_MAX} seconds ago, or ahead")]
    Stale,
    /// Another secret, another body or another time was signed.
    #[error("the signature is another one")]
    Wrong,
}

/// Whether these bytes come from Slack, and now; `now` is in whole seconds since 1970.
///
/// # Errors
/// Why not.
pub fn verify(signing_secret: &str, signed: &Signed, body: &[u8], now: i64) -> Result<(), SignatureFault> {
    let ([timestamp], [signature]) = (signed.timestamps.as_slice(), signed.signatures.as_slice()) else {
        return Err(SignatureFault::Headers);
    };
    let digits = timestamp.iter().all(u8::is_ascii_digit);
    if !digits || timestamp.is_empty() || timestamp.len() > TIME_DIGITS_MAX {
        return Err(SignatureFault::Written);
    }
    let text = std::str::from_utf8(timestamp).map_err(|_| SignatureFault::Written)?;
    let at: i64 = text.parse().map_err(|_| SignatureFault::Written)?;
    let given = std::str::from_utf8(signature).ok();
    let given: Hash32 = given
        .and_then(|text| text.strip_prefix("v0=")?.parse().ok())
        .ok_or(SignatureFault::Written)?;
    if now.abs_diff(at) > SIGNATURE_AGE_MAX {
        return Err(SignatureFault::Stale);
    }
    let mut mac =
        Hmac::<Sha256>::new_from_slice(signing_secret.as_bytes()).map_err(|_| SignatureFault::Wrong)?;
    mac.update(b"v0:");
    mac.update(timestamp);
    mac.update(b":");
    mac.update(body);
    mac.verify_slice(&given.0).map_err(|_| SignatureFault::Wrong)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // The example of Slack's own documentation.
    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const TIME: &str = "1531420618";
    const NOW: i64 = 1_531_420_618;
    const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

    fn signed(times: &[&str], signatures: &[&str]) -> Signed {
        let bytes = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        Signed {
            timestamps: bytes(times),
            signatures: bytes(signatures),
        }
    }

    #[test]
    fn the_published_example_is_taken() {
        let good = signed(&[TIME], &[SIGNATURE]);
        assert_eq!(verify(SECRET, &good, BODY.as_bytes(), NOW), Ok(()));
        for (ahead, expected) in [
            (300, Ok(())),
            (-300, Ok(())),
            (301, Err(SignatureFault::Stale)),
            (-301, Err(SignatureFault::Stale)),
        ] {
            assert_eq!(
                verify(SECRET, &good, BODY.as_bytes(), NOW + ahead),
                expected,
                "{ahead}"
            );
        }
    }

    #[test]
    fn what_is_missing_doubled_or_written_otherwise_is_refused() {
        use SignatureFault::{Headers, Written, Wrong};
        let upper = SIGNATURE.to_uppercase().replace("V0", "v0");
        let spaced = format!(" {SIGNATURE}");
        let longer = format!("{SIGNATURE}00");
        for (times, signatures, expected) in [
            (&[][..], &[SIGNATURE][..], Headers),
            (&[TIME], &[], Headers),
            (&[TIME, TIME], &[SIGNATURE], Headers),
            (&[TIME], &[SIGNATURE, SIGNATURE], Headers),
            (&[TIME], &[&upper], Written),
            (&[TIME], &[&spaced], Written),
            (&[TIME], &[&longer], Written),
            (&[TIME], &[&SIGNATURE[3..]], Written),
            (
                &[TIME],
                &["v1=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"],
                Written,
            ),
            (&[TIME], &[""], Written),
            (&[""], &[SIGNATURE], Written),
            (&["+1531420618"], &[SIGNATURE], Written),
            (&["1531420618.0"], &[SIGNATURE], Written),
            (&[" 1531420618"], &[SIGNATURE], Written),
            (&["9999999999999999999"], &[SIGNATURE], Written),
            // The same time, written otherwise, is other bytes.
            (&["01531420618"], &[SIGNATURE], Wrong),
        ] {
            let given = signed(times, signatures);
            assert_eq!(
                verify(SECRET, &given, BODY.as_bytes(), NOW),
                Err(expected),
                "{given:?}"
            );
        }
        let good = signed(&[TIME], &[SIGNATURE]);
        assert_eq!(verify("other", &good, BODY.as_bytes(), NOW), Err(Wrong));
        assert_eq!(verify("", &good, BODY.as_bytes(), NOW), Err(Wrong));
        let encoded = BODY.replace("%2F", "%2f");
        assert_eq!(verify(SECRET, &good, encoded.as_bytes(), NOW), Err(Wrong));
    }

    proptest! {
        /// One changed byte anywhere, and it is not Slack's any more.
        #[test]
        fn one_changed_byte_is_refused(at in 0..BODY.len(), flip in 1u8..=255) {
            let good = signed(&[TIME], &[SIGNATURE]);
            let mut body = BODY.as_bytes().to_vec();
            body[at] ^= flip;
            prop_assert_eq!(verify(SECRET, &good, &body, NOW), Err(SignatureFault::Wrong));
        }

        #[test]
        fn a_changed_signature_is_refused(at in 0..SIGNATURE.len(), flip in 1u8..=255) {
            let mut given = signed(&[TIME], &[SIGNATURE]);
            given.signatures[0][at] ^= flip;
            prop_assert!(verify(SECRET, &given, BODY.as_bytes(), NOW).is_err());
        }
    }
}
