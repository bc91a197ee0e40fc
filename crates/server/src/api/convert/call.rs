//! Calls on their way in, and what policies say of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use signoff_api::http::HttpCall;
use signoff_api::policy as wire;
use signoff_core::http::{Call, GivenCall};
use signoff_core::policy::HttpMatch;

use super::policy::unless_default;
use super::{Faults, ToCore, ToWire};

/// A call, normalised; its faults are named.
pub(super) fn call(faults: &mut Faults, given: HttpCall) -> Option<Call> {
    let mut headers = given.headers.unwrap_or_default();
    let forms = [
        given.body.is_some(),
        given.body_base64.is_some(),
        given.json.is_some(),
    ];
    if forms.into_iter().filter(|there| *there).count() > 1 {
        faults.add("/http", "a call has one of `body`, `body_base64` and `json`");
        return None;
    }
    let body = match (given.body, given.body_base64, given.json) {
        (Some(text), ..) => Some(text.into_bytes()),
        (_, Some(text), _) => {
            let bytes = STANDARD.decode(text).map_err(|_| "it is no Base64 with padding");
            Some(faults.keep("/http/body_base64", bytes)?)
        }
        (.., Some(json)) => {
            if !headers
                .keys()
                .any(|name| name.eq_ignore_ascii_case("content-type"))
            {
                headers.insert("content-type".into(), "application/json".into());
            }
            Some(json.to_string().into_bytes())
        }
        _ => None,
    };
    let call = Call::new(GivenCall {
        method: given.method,
        url: given.url,
        headers,
        body,
        grant: given.grant,
    });
    match call {
        Ok(call) => Some(call),
        Err(wrong) => {
            for (pointer, why) in wrong {
                faults.add(format!("/http{pointer}"), why);
            }
            None
        }
    }
}

impl ToCore for wire::HttpMatch {
    type Core = HttpMatch;

    fn to_core(self) -> HttpMatch {
        HttpMatch {
            methods: self.methods.unwrap_or_default(),
            url: self.url.map(wire::OneOrMany::into_vec).unwrap_or_default(),
        }
    }
}

impl ToWire for HttpMatch {
    type Wire = wire::HttpMatch;

    fn to_wire(&self) -> wire::HttpMatch {
        wire::HttpMatch {
            methods: unless_default(self.methods.clone()),
            url: wire::OneOrMany::of(self.url.clone()),
        }
    }
}
