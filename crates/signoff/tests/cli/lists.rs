//! Lists: one shape as JSON, and on an empty one a word to the person instead of data.

use crate::fake::{Desk, Server};
use crate::run::{as_agent, finish};

#[test]
fn an_empty_list_is_an_empty_page() {
    let server = Server::start(Desk::default());
    for line in [
        "approvals list",
        "agents list",
        "operators list",
        "webhooks list",
        "audit list",
    ] {
        let words: Vec<_> = line.split(' ').collect();
        let page = finish(as_agent(&server.url, &[words.as_slice(), &["--json"]].concat())).json();
        assert_eq!(page["items"].as_array().map(Vec::len), Some(0), "{line}");
        assert!(page["next_cursor"].is_null(), "{line}");
        let ran = finish(as_agent(&server.url, &words));
        assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{line}");
        assert!(ran.stderr.starts_with("no "), "{line}: {}", ran.stderr);
    }
}

#[test]
fn what_is_not_there_exits_1() {
    let server = Server::start(Desk::default());
    let ran = finish(as_agent(&server.url, &["approvals", "show", "apr_2"]));
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("it is not_found"), "{}", ran.stderr);
}
