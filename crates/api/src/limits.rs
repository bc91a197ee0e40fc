//! The bounds of the wire: what is larger is refused with a clear problem, never cut in silence.

/// Largest request body, in bytes.
pub const BODY_BYTES_MAX: usize = 1_048_576;
/// Largest body of a request that carries a call, in bytes: 1 MiB of what is sent, and what JSON and Base64 make of it.
pub const CALL_REQUEST_BYTES_MAX: usize = 2 * 1_048_576 + 524_288;
/// Largest body of a call, in bytes.
pub const CALL_BODY_BYTES_MAX: usize = 1_048_576;
/// Largest body of a whole policy set, in bytes.
pub const POLICY_SET_BYTES_MAX: usize = 16 * 1_048_576;
/// Longest time that a body may take to arrive, in seconds.
pub const BODY_SECONDS_MAX: u64 = 30;
/// Longest time that a request may take beyond its `wait`, in seconds.
pub const REQUEST_SECONDS_MAX: u64 = 30;
/// Longest action or agent name, in characters.
pub const NAME_CHARS_MAX: usize = 200;
/// Longest free text (reason, description, comment, question, answer, detail), in characters.
pub const TEXT_CHARS_MAX: usize = 4_000;
/// Longest requester, in characters.
pub const SHORT_TEXT_CHARS_MAX: usize = 320;
/// Longest trace identifier, in characters.
pub const TRACE_CHARS_MAX: usize = 200;
/// Longest idempotency key, in visible ASCII characters.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;
/// Longest `wait` of one long-poll, in seconds.
pub const WAIT_SECONDS_MAX: u64 = 60;
/// Longest timeout of an approval, in seconds (30 days).
pub const TIMEOUT_SECONDS_MAX: u64 = 30 * 86_400;
/// Items of a page when `limit` is not given.
pub const PAGE_DEFAULT: u32 = 50;
/// Most items of one page.
pub const PAGE_MAX: u32 = 200;
/// Most policies of one set.
pub const POLICIES_MAX: usize = 10_000;
/// Largest policy as canonical JSON, in bytes.
pub const POLICY_BYTES_MAX: usize = 32_768;
/// Most conditions of one policy.
pub const CONDITIONS_MAX: usize = 50;
/// Most approvers a requirement may name.
pub const APPROVERS_MAX: usize = 100;
/// Shortest operator password, in characters.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Most members of a group.
pub const GROUP_MEMBERS_MAX: usize = 1_000;
