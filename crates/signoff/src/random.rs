//! Random text: idempotency keys, and the keys of a demonstration.

use anyhow::Context;

/// Thirty-two random bytes as hexadecimal digits.
pub(crate) fn digits() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("no randomness to be had")?;
    Ok(hex::encode(bytes))
}

/// A new idempotency key that says where it comes from.
pub(crate) fn key(prefix: &str) -> anyhow::Result<String> {
    Ok(format!("{prefix}-{}", digits()?))
}
