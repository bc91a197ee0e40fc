//! Calls: one form for what means the same, patterns over it, and what can be read in a body. Vectors: `spec/http.json`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use signoff_core::{
    action::Action,
    http::{BODY_BYTES_MAX, Call, GivenCall, HEADERS_MAX, URL_BYTES_MAX},
    id::PolicyId,
    judge::{AgentFacts, DEFAULT_CALL_TIMEOUT, PolicySet, Prepared},
    policy::{Effect, HttpMatch, PolicyDoc, PolicyEffect, PolicyRef, Settings, URL_PATTERNS_MAX},
    stop::Stops,
};

mod support;

use support::NOON;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    urls: Vec<(String, String)>,
    refused_urls: Vec<(String, String)>,
    patterns: Vec<(String, String, bool)>,
    refused_patterns: Vec<(String, String)>,
    sights: Vec<Sighted>,
    unread_bodies: Vec<(String, String)>,
    dropped_headers: Vec<String>,
    refused_calls: Vec<RefusedCall>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sighted {
    method: String,
    url: String,
    headers: BTreeMap<String, String>,
    body: Option<String>,
    sees: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefusedCall {
    method: String,
    url: String,
    headers: BTreeMap<String, String>,
    pointer: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../spec/http.json")).expect("the vectors are readable")
}

fn to(url: &str) -> GivenCall {
    GivenCall {
        method: "GET".into(),
        url: url.into(),
        ..GivenCall::default()
    }
}

fn called(url: &str) -> Call {
    Call::new(to(url)).unwrap_or_else(|why| panic!("{url}: {why:?}"))
}

fn about(pattern: &str) -> PolicyDoc {
    let http = HttpMatch {
        methods: Vec::new(),
        url: vec![pattern.to_owned()],
    };
    PolicyDoc {
        http: Some(http),
        ..PolicyDoc::new("calls", PolicyEffect::RequireApproval)
    }
}

fn set(doc: &PolicyDoc) -> PolicySet {
    let reference = PolicyRef {
        id: PolicyId(support::raw(1)),
        name: doc.name.clone(),
        version: 1,
    };
    let prepared = Prepared::new(reference, doc.clone()).expect("checked before");
    PolicySet::new(vec![Arc::new(prepared)], Settings::default(), Stops::default()).expect("no globs")
}

fn calling(call: Call) -> Action {
    Action {
        http: Some(Arc::new(call)),
        ..Action::named("http.get")
    }
}

fn agent() -> AgentFacts {
    AgentFacts::new(support::AGENT, "bot", &BTreeMap::new(), None)
}

#[test]
fn urls_that_mean_the_same_are_the_same() {
    for (given, normal) in vectors().urls {
        assert_eq!(called(&given).url(), normal, "{given}");
        assert_eq!(
            called(&normal).url(),
            normal,
            "once normal, always normal: {given}"
        );
    }
    for (given, why) in vectors().refused_urls {
        let faults = Call::new(to(&given)).expect_err(&given);
        assert_eq!(faults[0].0, "/url", "{given}");
        assert!(faults[0].1.contains(&why), "{given}: {}", faults[0].1);
    }
}

#[test]
fn patterns_match_what_the_vectors_say() {
    for (pattern, url, matches) in vectors().patterns {
        let doc = about(&pattern);
        doc.check().unwrap_or_else(|why| panic!("{pattern}: {why}"));
        assert_eq!(doc.feature_level(), 4);
        let verdict = set(&doc).judge(&calling(called(&url)), &agent(), NOON);
        assert_eq!(verdict.policy.is_some(), matches, "{pattern} {url}");
    }
    for (pattern, why) in vectors().refused_patterns {
        let problem = about(&pattern).check().expect_err(&pattern);
        assert_eq!(problem.pointer, "/http/url/0", "{pattern}");
        assert!(problem.why.contains(&why), "{pattern}: {problem}");
    }
}

#[test]
fn conditions_see_of_a_call_what_the_vectors_say() {
    let vectors = vectors();
    for case in vectors.sights {
        let given = GivenCall {
            method: case.method,
            headers: case.headers,
            body: case.body.map(String::into_bytes),
            ..to(&case.url)
        };
        assert_eq!(
            *Call::new(given).expect(&case.url).sight(),
            case.sees,
            "{}",
            case.url
        );
    }
    for (kind, body) in vectors.unread_bodies {
        let given = GivenCall {
            headers: [("content-type".to_owned(), kind.clone())].into(),
            body: Some(body.clone().into_bytes()),
            ..to("https://a.example/")
        };
        let call = Call::new(given).expect(&body);
        let read = [call.sight().get("json"), call.sight().get("form")];
        assert_eq!(read, [None, None], "{kind}: {body}");
    }
    let packed = GivenCall {
        headers: [
            ("content-type".to_owned(), "application/json".to_owned()),
            ("content-encoding".to_owned(), "gzip".to_owned()),
        ]
        .into(),
        body: Some(b"{}".to_vec()),
        ..to("https://a.example/")
    };
    assert_eq!(Call::new(packed).expect("a call").sight().get("json"), None);
}

/// Who calls, where the message ends and on whose behalf it goes is not for agents to say.
#[test]
fn headers_that_agents_have_no_say_in_are_dropped_and_named() {
    let dropped = vectors().dropped_headers;
    let headers = dropped.iter().map(|name| (name.clone(), "x".to_owned()));
    let given = GivenCall {
        headers: headers.chain([("X-Own".to_owned(), "1".to_owned())]).collect(),
        ..to("https://a.example/")
    };
    let call = Call::new(given).expect("they are no fault");
    let expected: BTreeSet<String> = dropped.iter().map(|name| name.to_ascii_lowercase()).collect();
    assert_eq!(call.dropped().iter().cloned().collect::<BTreeSet<_>>(), expected);
    assert_eq!(call.headers().collect::<Vec<_>>(), [("x-own", "1")]);
}

/// I2: what is kept of a call reads back as the call that was judged, or not at all.
#[test]
fn i2_a_kept_call_reads_back_as_it_was_or_not_at_all() {
    let given = GivenCall {
        method: "post".into(),
        headers: BTreeMap::from([("X-A".to_owned(), " 1 ".to_owned())]),
        body: Some(b"{\"b\":1, \"a\": 12345678901234567890}".to_vec()),
        grant: Some("Stripe".into()),
        ..to("https://a.example:443/v1/%7Ex/../y?b=%c3%bc")
    };
    let call = Call::new(given).expect("a call");
    let stored = call.stored();
    let body = call.body().map(<[u8]>::to_vec);
    assert_eq!(Call::restored(&stored, body.clone()), Some(call));
    for changed in [
        GivenCall {
            method: "Post".into(),
            ..stored.clone()
        },
        GivenCall {
            url: "https://a.example/v1/../y".into(),
            ..stored.clone()
        },
        GivenCall {
            url: "https://a.example:443/".into(),
            ..stored.clone()
        },
        GivenCall {
            headers: BTreeMap::from([("X-A".to_owned(), "1".to_owned())]),
            ..stored.clone()
        },
        GivenCall {
            headers: BTreeMap::from([("host".to_owned(), "b.example".to_owned())]),
            ..stored.clone()
        },
    ] {
        assert_eq!(Call::restored(&changed, body.clone()), None, "{changed:?}");
    }
}

#[test]
fn calls_that_say_two_things_or_too_much_are_refused() {
    for case in vectors().refused_calls {
        let given = GivenCall {
            method: case.method,
            headers: case.headers,
            ..to(&case.url)
        };
        let faults = Call::new(given).expect_err(&case.pointer);
        assert_eq!(faults[0].0, case.pointer);
    }
    let long = format!("https://a.example/{}", "x".repeat(URL_BYTES_MAX));
    // Escaping makes it longer than it was.
    let grows = format!("https://a.example/{}", "ü".repeat(URL_BYTES_MAX / 3));
    for url in [long, grows] {
        assert_eq!(Call::new(to(&url)).expect_err("too long")[0].0, "/url");
    }
    let many = GivenCall {
        headers: (0..=HEADERS_MAX)
            .map(|at| (format!("x-{at}"), String::new()))
            .collect(),
        body: Some(vec![b'x'; BODY_BYTES_MAX + 1]),
        grant: Some("a*".into()),
        ..to("https://a.example/")
    };
    let pointers: Vec<String> = Call::new(many)
        .expect_err("too much")
        .into_iter()
        .map(|fault| fault.0)
        .collect();
    assert_eq!(pointers, ["/headers", "/body", "/grant"], "all at once");
}

#[test]
fn what_a_policy_says_of_calls_is_checked_with_its_place() {
    let doc = |http: HttpMatch, grant: &[&str]| PolicyDoc {
        http: Some(http),
        grant: grant.iter().map(|&name| name.to_owned()).collect(),
        ..PolicyDoc::new("calls", PolicyEffect::Deny)
    };
    let methods = |methods: &[&str]| HttpMatch {
        methods: methods.iter().map(|&name| name.to_owned()).collect(),
        url: Vec::new(),
    };
    let many = HttpMatch {
        methods: Vec::new(),
        url: vec!["/".into(); URL_PATTERNS_MAX + 1],
    };
    for (doc, pointer) in [
        (doc(HttpMatch::default(), &[]), "/http"),
        (doc(methods(&["GET", "DEL ETE"]), &[]), "/http/methods/1"),
        (doc(methods(&["GET"]), &["ok", "a[b"]), "/grant/1"),
        (doc(many, &[]), "/http/url"),
    ] {
        assert_eq!(doc.check().expect_err(pointer).pointer, pointer);
    }
}

/// A pattern of which others take exponential time.
#[test]
fn no_pattern_takes_long() {
    let doc = about("/((?:(?:a+)+)+)b/(.*)*x");
    doc.check().expect("linear for us");
    let call = called(&format!("https://a.example/{}", "a".repeat(URL_BYTES_MAX - 100)));
    assert_eq!(set(&doc).judge(&calling(call), &agent(), NOON).policy, None);
}

#[test]
fn people_have_an_hour_for_a_call() {
    let verdict = set(&about("/*")).judge(&calling(called("https://a.example/")), &agent(), NOON);
    assert_eq!(
        (verdict.effect, verdict.decide_within),
        (Effect::Ask, Some(DEFAULT_CALL_TIMEOUT))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever is accepted has one form, which reads back as itself, and nothing hidden in it.
    #[test]
    fn a_normal_url_is_normal(rest in "[a-zA-Z0-9%./\\\\?&=@:;~ü -]{0,40}", host in "[a-zA-Z0-9.%@:-]{1,20}") {
        let given = format!("https://{host}/{rest}");
        if let Ok(call) = Call::new(to(&given)) {
            let again = called(call.url());
            prop_assert_eq!(again.url(), call.url());
            prop_assert!(call.url().is_ascii());
            let sight = call.sight();
            let host = sight["host"].as_str().unwrap_or_default();
            prop_assert!(!host.is_empty() && !host.ends_with('.') && !host.contains('@'), "{}", call.url());
        }
    }

    /// No text makes the reader of patterns fall.
    #[test]
    fn any_text_is_a_pattern_or_refused(pattern in "[a-z/:*?(){}+.\\\\\\[\\]|^$#@%0-9 ü-]{0,30}") {
        let _ = about(&pattern).check();
        let _ = about(&format!("/{pattern}")).check();
        let _ = about(&format!("https://a.example/{pattern}")).check();
        let _ = about(&format!("https://{pattern}")).check();
        let _ = about(&format!("{pattern}://a.example")).check();
    }
}
