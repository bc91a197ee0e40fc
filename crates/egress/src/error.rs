//! What can go wrong with an outbound call, told apart by the one question that matters afterwards:
//! may the request have reached the other side?

use std::net::IpAddr;

use crate::AddressClass;
use crate::failure::cut;
use crate::mask::Mask;

/// Why a call was refused before any connection was opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Not a URL, or a host that cannot exist.
    #[error("the address is not a valid URL")]
    Unparsable,
    /// Longer than 8 KiB.
    #[error("the URL is longer than 8192 bytes")]
    TooLong,
    /// Characters or forms that different parsers read differently.
    #[error("the URL is spelt ambiguously: {0}")]
    Spelling(&'static str),
    /// Anything but `http` and `https`.
    #[error("only http and https are called")]
    Scheme,
    /// A user name or password inside the URL.
    #[error("a URL with a user name or password is not called")]
    Userinfo,
    /// A `#` part, which is never sent and so would only mislead a reader.
    #[error("a URL with a fragment is not called")]
    Fragment,
    /// Port 0.
    #[error("port 0 is not called")]
    Port,
    /// A method that is malformed, or that opens a tunnel.
    #[error("the method is not called")]
    Method,
    /// A credential that was not fetched before, or that can't stand where it goes.
    #[error("the credential can't be put into the call")]
    Credential,
    /// A header that is malformed, or that only the client itself may set.
    #[error("the header `{name}` may not be set")]
    Header {
        /// The name as the caller gave it, cut to 64 characters; never the value.
        name: String,
    },
    /// An address that is not globally routable and that no configured range opens.
    #[error("the address {address} is not called ({class}); --egress-allow opens a range")]
    Address {
        /// The forbidden address.
        address: IpAddr,
        /// What kind of address it is.
        class: AddressClass,
    },
}

impl Refusal {
    /// A stable word for the reason: the class for an address, else the rule that was broken.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unparsable => "unparsable",
            Self::TooLong => "too_long",
            Self::Spelling(_) => "spelling",
            Self::Scheme => "scheme",
            Self::Userinfo => "userinfo",
            Self::Fragment => "fragment",
            Self::Port => "port",
            Self::Method => "method",
            Self::Credential => "credential",
            Self::Header { .. } => "header",
            Self::Address { class, .. } => class.as_str(),
        }
    }
}

/// Why a call brought no answer. The texts name no URL, header or body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EgressError {
    /// Refused by a rule; no connection was opened.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// Provably not sent: the name did not resolve, nothing listened, or TLS was not agreed.
    #[error("not sent: {detail}")]
    NotSent {
        /// What failed, in words.
        detail: String,
    },
    /// The connection stood, then something broke: the other side may have seen the request.
    #[error("perhaps sent, no answer: {detail}")]
    PerhapsSent {
        /// What failed, in words.
        detail: String,
    },
    /// No answer in time.
    #[error("no answer within the time allowed")]
    TimedOut {
        /// False only if the time ran out before a connection stood, so that nothing can have been sent.
        perhaps_sent: bool,
    },
}

impl EgressError {
    /// Whether the other side may have received the request, in whole or in part.
    ///
    /// A false answer is a proof; a true one is only the absence of a proof.
    pub fn perhaps_sent(&self) -> bool {
        match self {
            Self::Refused(_) | Self::NotSent { .. } => false,
            Self::PerhapsSent { .. } => true,
            Self::TimedOut { perhaps_sent } => *perhaps_sent,
        }
    }

    /// The same without the credential, which an upstream can say back in what it gives as the reason of a failure.
    pub(crate) fn shown(mut self, mask: Option<&Mask>) -> Self {
        if let Self::NotSent { detail } | Self::PerhapsSent { detail } = &mut self {
            let masked = mask.map(|mask| mask.text(detail));
            *detail = cut(masked.as_deref().unwrap_or(detail));
        }
        self
    }
}

/// Why the client could not be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EgressSetupError {
    /// The DNS server to ask can't be used.
    #[error("the resolver can't be used: {0}")]
    Resolver(String),
    /// The user agent is not a valid header value, or the TLS library refused its set-up.
    #[error("the HTTP client cannot be built: {0}")]
    Client(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// I7: an HTTP/2 upstream gives the reason of a failure in words of its own; they may say the credential back.
    #[test]
    fn the_words_of_a_failure_do_not_say_the_credential() {
        let mask = Mask::new(["canary-value"]).expect("a mask");
        let words = || format!("connection error: (b\"canary-value {}\")", "x".repeat(20_000));
        for error in [
            EgressError::PerhapsSent { detail: words() },
            EgressError::NotSent { detail: words() },
        ] {
            let shown = error.shown(Some(&mask)).to_string();
            assert!(
                !shown.contains("canary") && shown.contains("[credential]"),
                "{shown}"
            );
            assert!(shown.len() < 400, "{} bytes", shown.len());
        }
    }
}
