//! What a grant hides of requests and answers, byte for byte.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

use signoff_core::grant::Redaction;
use signoff_core::redact::ShownBody;

fn shown(rules: &[&str], body: &str) -> ShownBody {
    let redaction = Redaction {
        headers: Vec::new(),
        json: rules.iter().map(|rule| (*rule).to_owned()).collect(),
    };
    redaction.body(body.as_bytes())
}

fn gaps(rules: &[&str], body: &str) -> String {
    match shown(rules, body) {
        ShownBody::Gaps(bytes) => String::from_utf8(bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_pointer_names_is_hidden_and_every_other_byte_stays() {
    for (rules, body, expected) in [
        (
            &["/a"][..],
            r#"{ "b":9007199254740993, "a" : {"x":[1]} }"#,
            r#"{ "b":9007199254740993, "a" : "[redacted]" }"#,
        ),
        (
            &["/a/b"],
            r#"{"a":{"b":-1.50e3,"c":2}}"#,
            r#"{"a":{"b":"[redacted]","c":2}}"#,
        ),
        (&["/l/1"], r#"{"l":[1,"}",3]}"#, r#"{"l":[1,"[redacted]",3]}"#),
        (
            &["/l/*/k"],
            r#"{"l":[{"k":1},{"k":[2]},3]}"#,
            r#"{"l":[{"k":"[redacted]"},{"k":"[redacted]"},3]}"#,
        ),
        (
            &["/*/n"],
            r#"{"x":{"n":1},"y":{"n":"\""}}"#,
            r#"{"x":{"n":"[redacted]"},"y":{"n":"[redacted]"}}"#,
        ),
        (&["/a", "/a/b"], r#"{"a":{"b":1}}"#, r#"{"a":"[redacted]"}"#),
        (
            &["/a~1b/~0"],
            r#"{"a/b":{"~":1}}"#,
            r#"{"a/b":{"~":"[redacted]"}}"#,
        ),
    ] {
        assert_eq!(gaps(rules, body), expected, "{rules:?}");
    }
}

/// Two members of one name are both hidden, and a name written with escapes is the same name.
#[test]
fn a_body_can_not_hide_what_is_hidden() {
    assert_eq!(
        gaps(&["/a"], r#"{"a":1,"a":2}"#),
        r#"{"a":"[redacted]","a":"[redacted]"}"#
    );
    assert_eq!(
        gaps(&["/pin"], r#"{"\u0070in":1}"#),
        r#"{"\u0070in":"[redacted]"}"#
    );
    for cut in [r#"{"pin":12"#, "[1,", " {\"a\":1}{\"pin\":2}"] {
        assert_eq!(shown(&["/pin"], cut), ShownBody::Hidden, "{cut}");
    }
    let deep = "[".repeat(5_000) + &"]".repeat(5_000);
    assert_eq!(shown(&["/pin"], &deep), ShownBody::Hidden);
}

#[test]
fn what_no_rule_is_about_is_shown() {
    assert_eq!(shown(&["/a"], r#"{"b":1}"#), ShownBody::Whole);
    assert_eq!(shown(&["/a"], "a=1&b=2"), ShownBody::Whole);
    assert_eq!(shown(&["/a"], ""), ShownBody::Whole);
    assert_eq!(shown(&[], "{"), ShownBody::Whole);
    let redaction = Redaction {
        headers: vec!["x-pin".into()],
        json: Vec::new(),
    };
    assert!(redaction.hides_header("X-Pin") && !redaction.hides_header("x-pine"));
}
