use super::*;

fn rules(json: &[&str]) -> Redaction {
    Redaction {
        headers: Vec::new(),
        json: json.iter().map(|pointer| (*pointer).to_owned()).collect(),
    }
}

fn body(media: &str, bytes: &[u8]) -> Body {
    Body::read(Some(media), None, bytes, &rules(&[]), Show::Start)
}

/// What two programs could read differently is never shown as one of the readings.
#[test]
fn what_can_be_read_in_two_ways_is_flagged_and_shown_as_it_is() {
    let part = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--";
    for (media, bytes) in [
        ("application/json", &br#"{"amount": 1, "amount": 9000}"#[..]),
        ("application/json", br#"{"amount": 9007199254740993}"#),
        ("application/json", b"\xef\xbb\xbf{}"),
        ("application/json", b"{\"a\": 1} trailing"),
        ("application/json; charset=utf-16", br#"{"amount": 1}"#),
        ("application/vnd.api+json", br#"{"a": "\ud800"}"#),
        ("application/x-www-form-urlencoded", b"a=%zz"),
        ("application/x-www-form-urlencoded", b"a=%ff"),
        ("text/plain; charset=iso-8859-1", b"hello"),
        ("multipart/form-data", part.as_bytes()),
        ("multipart/form-data; boundary=b; boundary=c", part.as_bytes()),
        (
            "multipart/form-data; boundary=b",
            b"before\r\n--b\r\n\r\n1\r\n--b--",
        ),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\n1\r\n--b--behind"),
        (
            "multipart/form-data; boundary=b",
            b"--b\r\n\r\n1\r\n--bc\r\n\r\n2\r\n--b--",
        ),
        (
            "multipart/form-data; boundary=b",
            b"--b\r\nContent-Disposition: form-data; name=\"a\"; filename*=utf-8''x\r\n\r\n1\r\n--b--",
        ),
    ] {
        let read = body(media, bytes);
        assert!(read.doubt.is_some(), "{media}");
        assert!(matches!(read.content, Content::Raw(_)), "{media}");
    }
    let twice = body("application/x-www-form-urlencoded", b"to=ada&to=mallory");
    assert!(
        twice
            .doubt
            .is_some_and(|why| why.to_string().contains("stands 2 times"))
    );
}

#[test]
fn bodies_are_laid_out_as_what_they_are() {
    let json = body(
        "application/json; charset=utf-8",
        br#"{"amount": 500, "to": ["a"]}"#,
    );
    assert!(json.doubt.is_none() && matches!(&json.content, Content::Tree(tree) if tree.rows.len() == 3));
    let form = body(
        "application/x-www-form-urlencoded",
        b"to=Ada+L%C3%B6w&items[]=1&items[]=2",
    );
    assert!(form.doubt.is_none());
    let Content::Fields(fields) = &form.content else {
        panic!("fields");
    };
    assert!(fields[0].value.to_string().contains("Ada Löw") && fields.len() == 3);
    let upload = body(
        "multipart/form-data; boundary=\"b\"",
        b"--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\x89PNG\0\r\n--b\r\n\
          Content-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--b--\r\n",
    );
    let Content::Parts(parts) = &upload.content else {
        panic!("parts: {:?}", upload.doubt);
    };
    assert_eq!((parts.len(), parts[0].bytes), (2, 5));
    assert!(matches!(&parts[0].content, Raw::Hex { dump, .. } if dump.contains("89 50 4e 47 00")));
    assert!(matches!(&parts[1].content, Raw::Text(_)));
    assert_eq!(body("application/json", b"{}").kind, "text", "nothing to lay out");
    assert_eq!(
        Body::read(None, Some("gzip"), b"{}", &rules(&[]), Show::All).kind,
        "packed"
    );
}

/// What is cut is counted, in every form (S2).
#[test]
fn long_bodies_say_how_much_is_hidden() {
    assert_eq!(body("text/plain", &[b'x'; 5_000]).hidden_bytes(), 3_000);
    assert_eq!(
        body("application/octet-stream", &[0; 5_000]).hidden_bytes(),
        5_000 - HEX_BYTES_MAX
    );
    assert_eq!(
        body("application/x-www-form-urlencoded", &[b'x'; 5_000]).hidden_bytes(),
        3_000
    );
    let long = format!("{{\"a\": \"{}\"}}", "x".repeat(5_000));
    assert_eq!(body("application/json", long.as_bytes()).hidden_bytes(), 3_000);
    let all = Body::read(None, None, &[0; 5_000], &rules(&[]), Show::All);
    assert_eq!(all.hidden_bytes(), 0);
}

/// I7: what a grant hides is nowhere in what is shown, and what can't be told apart is not shown at all.
#[test]
fn what_a_grant_hides_is_not_there() {
    let rules = rules(&["/card/number", "/people/*/email"]);
    let secret =
        br#"{"card": {"number": "4242-canary", "brand": "visa"}, "people": [{"email": "canary@x"}]}"#;
    for media in [Some("application/json"), Some("text/plain"), None] {
        let read = Body::read(media, None, secret, &rules, Show::All);
        assert!(matches!(read.content, Content::Tree(_)), "{media:?}");
        assert!(!format!("{read:?}").contains("canary"), "{media:?}");
        assert!(format!("{read:?}").contains("visa"), "{media:?}");
    }
    let doubtful = br#"{"card": {"number": "1"}, "card": {"number": "canary"}}"#;
    for media in ["application/json", "text/plain"] {
        let read = Body::read(Some(media), None, doubtful, &rules, Show::All);
        assert!(matches!(read.content, Content::Withheld), "{media}");
        assert!(!format!("{read:?}").contains("canary"), "{media}");
    }
}
