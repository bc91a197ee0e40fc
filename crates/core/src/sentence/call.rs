//! The sentence of a call: which request goes where, with whose credential. Of the call itself alone: what else the agent
//! sends along is not what is sent.

use super::{Draft, Sentence, money, tame};
use crate::http::Call;

/// Builds the sentence of a call, such as *billing-bot wants to POST to api.stripe.com/v1/refunds with the grant stripe-live*.
/// In a path there are no spaces, so it can't go on in words of its own.
///
/// `cost` is what the agent claims.
pub fn compose_call(agent: &str, call: &Call, cost: Option<&str>) -> Sentence {
    let mut draft = Draft::new(agent);
    draft.key(call.method());
    draft.plain(match call.method() {
        "GET" | "HEAD" | "OPTIONS" | "TRACE" => " from ",
        "DELETE" | "PATCH" => " at ",
        _ => " to ",
    });
    let origin = call.origin();
    // A call that anybody on the way can read is not what is expected, so its scheme is said.
    draft.key(&tame(origin.strip_prefix("https://").unwrap_or(&origin)));
    if call.path() != "/" {
        draft.plain(&tame(call.path()));
    }
    if let Some(grant) = call.grant() {
        draft.plain(" with the grant ");
        draft.key(&tame(grant));
    }
    if let Some(cost) = cost.filter(|cost| !cost.is_empty()) {
        draft.plain(", estimated at ");
        draft.key(&money(cost, Some("USD")).unwrap_or_else(|| tame(cost)));
    }
    draft.done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::GivenCall;

    /// The approver reads method, host and grant first, whatever the agent calls the action.
    #[test]
    fn a_call_is_named_by_what_is_sent() {
        for (method, url, grant, cost, expected) in [
            (
                "post",
                "https://api.stripe.com/v1/refunds",
                Some("stripe-live"),
                None,
                "POST to api.stripe.com/v1/refunds with the grant stripe-live",
            ),
            (
                "GET",
                "http://10.0.0.1:8080/x?y",
                None,
                None,
                "GET from http://10.0.0.1:8080/x",
            ),
            (
                "delete",
                "https://api.example.com:8443/",
                None,
                Some("12"),
                "DELETE at api.example.com:8443, estimated at $12.00",
            ),
            (
                "POST",
                "https://p\u{430}ypal.com/",
                None,
                None,
                "POST to xn--pypal-4ve.com",
            ),
            (
                "POST",
                "https://api.example.com/a with the grant safe\u{202e}",
                Some("live"),
                None,
                "POST to api.example.com/a%20with%20the%20grant%20safe%E2%80%AE with the grant live",
            ),
        ] {
            let call = Call::new(GivenCall {
                method: method.into(),
                url: url.into(),
                grant: grant.map(str::to_owned),
                ..GivenCall::default()
            });
            let made = compose_call("bot\u{202e}", &call.expect("a call"), cost).text();
            assert_eq!(made, format!("bot<U+202E> wants to {expected}"));
        }
    }
}
