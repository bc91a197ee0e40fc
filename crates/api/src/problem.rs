//! Problem documents: one stable code per failure, what it means, and what to do next.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The body of every error (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:signoff:problem:CODE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What kind of failure, always the same for one code.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Stable code; new ones may join, so treat an unknown one by its status.
    #[schema(value_type = Code)]
    pub code: String,
    /// What happened this time.
    pub detail: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Every place at fault in the request body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// One place at fault in a request body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) to the place; empty for the whole body.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

impl Problem {
    /// A problem with its code's title, status and hint.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:signoff:problem:{code}"),
            title: code.title().to_owned(),
            status: code.status(),
            code: code.as_str().to_owned(),
            detail: detail.into(),
            next: code.next().map(str::to_owned),
            errors: Vec::new(),
        }
    }

    /// The same with another hint.
    #[must_use]
    pub fn with_next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// The same with one more place at fault.
    #[must_use]
    pub fn with_error(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(FieldError {
            pointer: pointer.into(),
            detail: detail.into(),
        });
        self
    }

    /// The code, if this build knows it.
    pub fn known_code(&self) -> Option<Code> {
        Code::ALL.into_iter().find(|code| code.as_str() == self.code)
    }

    /// Whether it is this problem.
    pub fn is(&self, code: Code) -> bool {
        self.code == code.as_str()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.detail.is_empty() {
            &self.title
        } else {
            &self.detail
        })
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident $text:literal $status:literal $title:literal $next:expr;)+) => {
        /// Stable codes of failures.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$variant),+];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// HTTP status it comes with.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }

            /// What kind of failure it is.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// What to do about it, unless the case says better.
            pub const fn next(self) -> Option<&'static str> {
                match self { $(Self::$variant => $next),+ }
            }
        }
    };
}

codes! {
    /// A value is out of range or of the wrong type.
    InvalidRequest "invalid_request" 422 "invalid request" Some("correct the places named in `errors` and send it again");
    /// The body is not JSON that every reader understands in the same way.
    InvalidJson "invalid_json" 400 "invalid JSON"
        Some("send UTF-8 JSON without duplicate keys; numbers that a double can't hold go as text");
    /// The body has a field that is not known.
    UnknownField "unknown_field" 422 "unknown field" Some("check the spelling; a misspelt safety option must not vanish");
    /// The body is larger than 1 MiB (2.5 MiB where it carries a call, 16 MiB for a whole policy set).
    BodyTooLarge "body_too_large" 413 "body too large" Some("send at most 1 MiB; keep large things elsewhere and link to them");
    /// The request did not arrive in time.
    RequestTimeout "request_timeout" 408 "request timeout" Some("send the whole request within 30 seconds");
    /// The content type is not JSON.
    UnsupportedMediaType "unsupported_media_type" 415 "unsupported media type" Some("send `content-type: application/json`");
    /// The path exists, not with this method.
    MethodNotAllowed "method_not_allowed" 405 "method not allowed" Some("see `/openapi.json` for the methods of this path");
    /// No key, or one that opens nothing.
    Unauthorized "unauthorized" 401 "not signed in" Some("send `authorization: Bearer KEY` with a key that is not revoked");
    /// This principal may not do this.
    Forbidden "forbidden" 403 "not permitted" None;
    /// An asker's key was used where only people decide.
    ApprovalLinkNotYours "approval_link_not_yours" 403 "an agent can't decide"
        Some("open the approval in the console as an operator, or use an operator's personal token");
    /// This operator is not among those whom the requirement names.
    RequirementNotMet "requirement_not_met" 403 "not an approver of this request"
        Some("ask one of the approvers named in the approval's `requirement`");
    /// The request came from another site's page.
    OriginRefused "origin_refused" 403 "origin refused" Some("use the console at its public URL");
    /// There is no such thing, or it is not for this principal to see.
    NotFound "not_found" 404 "not found" Some("check the id; ids of other workspaces and agents are not found either");
    /// The approval has ended already.
    AlreadyDecided "already_decided" 409 "already decided" Some("read the approval for its present state");
    /// This person has voted so already.
    AlreadyVoted "already_voted" 409 "already voted" Some("others decide now; the approval's `votes` say who has voted");
    /// The digest is not that of what would run.
    DigestMismatch "digest_mismatch" 409 "something else was shown"
        Some("read the approval again and decide on its present `digest`");
    /// The deadline is past.
    ApprovalExpired "approval_expired" 409 "the approval has expired" Some("the agent may submit the action again");
    /// The approval waits for nothing of this kind.
    NotPending "not_pending" 409 "not pending" Some("read the approval for its present state");
    /// The execution was taken already.
    AlreadyConsumed "already_consumed" 409 "already consumed" Some("do not carry it out again; submit a new action if it is wanted");
    /// The execution has been reported already.
    AlreadyReported "already_reported" 409 "already reported" Some("read the execution for what was reported");
    /// The execution is not in a state for this.
    NotReady "not_ready" 409 "not ready" Some("read the execution for its present state");
    /// The permission was not used in time.
    Lapsed "lapsed" 409 "the permission has lapsed" Some("submit the action again");
    /// The permission was taken back.
    Revoked "revoked" 409 "the permission was revoked" Some("submit the action again");
    /// This client said that it can't answer questions.
    NotAskable "not_askable" 409 "the asker can't answer" Some("approve or deny; the asker did not accept `info_requests`");
    /// Nothing of this request may be changed by approvers.
    NotEditable "not_editable" 409 "the request can't be changed"
        Some("approve or deny it as it is; a policy allows changes by `allow_edit`, a client by `accepts: [\"edits\"]`");
    /// What came out of an approver's changes is denied by policy.
    EditDenied "edit_denied" 409 "policy denies the request as changed" Some("change it otherwise, or deny it");
    /// This can't be answered ahead.
    NotStanding "not_standing" 409 "this can't be answered ahead" Some("approve this request alone");
    /// The same key came with another request.
    IdempotencyMismatch "idempotency_mismatch" 422 "idempotency key used for something else"
        Some("use a new key for a new request");
    /// The first request with this key is still running.
    IdempotencyRunning "idempotency_running" 409 "the first request is still running" Some("try again in a moment with the same key");
    /// It changed since it was read.
    VersionConflict "version_conflict" 409 "it changed meanwhile" Some("read it again, then apply the change to the present version");
    /// Another one has this name.
    NameTaken "name_taken" 409 "name taken" Some("choose another name");
    /// It is needed elsewhere, or the last of its kind.
    StillNeeded "still_needed" 409 "still needed" None;
    /// It was approved before the database was restored or failed over.
    Held "held" 409 "held" Some("an admin looks whether it ran already, then releases it: `signoff executions release`");
    /// An operator stopped the agent, or all of them.
    Stopped "stopped" 409 "stopped"
        Some("do not carry it out; nothing goes on until an admin lifts the stop: `signoff resume`");
    /// There is no such grant, or the agent does not hold it.
    GrantNotHeld "grant_not_held" 403 "no such grant is held"
        Some("check the name; an admin gives grants to agents: `signoff grants update`");
    /// The grant is for other calls.
    GrantUnfit "grant_unfit" 403 "the grant is not for this call" Some("call what the grant is for, or use another grant");
    /// Signoff makes this call; nobody else takes it or reports it.
    MadeBySignoff "made_by_signoff" 409 "Signoff makes this call" Some("fetch its result: `GET /v1/executions/{id}/result`");
    /// Signoff makes no call here; the agent carries the action out.
    NotACall "not_a_call" 409 "not a call" Some("consume the execution, carry it out, and report");
    /// A call through a grant was refused, by policy or by people.
    Denied "denied" 403 "denied" Some("do not try the same again; `detail` says why");
    /// A call was provably not sent.
    CallFailed "call_failed" 502 "the call was not made" Some("it did not reach the other side; it may be asked for again");
    /// A call was sent, or perhaps sent, and no answer came.
    CallIndeterminate "call_indeterminate" 504 "nobody knows whether the call arrived"
        Some("do not repeat it: a person finds out and settles it; fetch its result later");
    /// What a call brought back is not there any more, or nobody knows it.
    ResultGone "result_gone" 410 "the result is gone" Some("do not repeat the call: it ran");
    /// Nodes of an earlier version may still run, which don't know this yet.
    FeatureLevel "feature_level" 409 "feature level too low"
        Some("upgrade every node, then raise the level: `signoff finish-upgrade`");
    /// The agent has too many approvals pending.
    TooManyPending "too_many_pending" 429 "too many pending approvals" Some("wait until some are decided, or cancel what is not needed any more");
    /// Too many requests in a short time.
    RateLimited "rate_limited" 429 "too many requests" Some("try again after the seconds in `retry-after`");
    /// Something of the kind runs already.
    Busy "busy" 429 "busy" Some("wait for the one that runs, and try again after the seconds in `retry-after`");
    /// A policy can't be saved as it is.
    PolicyInvalid "policy_invalid" 422 "invalid policy" Some("correct the places named in `errors`; nothing was changed");
    /// The request says too little for its policy: nobody was asked, and nothing was stored.
    ContextIncomplete "context_incomplete" 422 "the request says too little"
        Some("add what `errors` names and submit again; nobody was asked");
    /// The cursor is not one of this list's.
    InvalidCursor "invalid_cursor" 422 "invalid cursor" Some("start again without a cursor, with the same filters on each page");
    /// The server can't do it now; nothing was changed.
    Unavailable "unavailable" 503 "unavailable" Some("try again in a moment");
    /// A fault of the server.
    Internal "internal" 500 "internal error" Some("look for the request id in the server's log");
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_serialise_as_their_word() {
        let mut words: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert!((400..600).contains(&code.status()), "{code}");
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Code::ALL.len());
    }

    #[test]
    fn a_problem_of_a_newer_server_is_still_read() {
        let json = r#"{"type":"x","title":"t","status":418,"code":"teapot","detail":"d","more":1}"#;
        let problem: Problem = serde_json::from_str(json).unwrap();
        assert_eq!(problem.known_code(), None);
        assert_eq!(problem.to_string(), "d");
    }
}
