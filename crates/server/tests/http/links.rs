//! Personal links over real sockets: what opens and preloads them, follows and fills in, decides nothing; a person does.

pub(crate) mod browser;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use self::browser::{Browser, ORIGIN, fields, hidden, links};
use crate::world::{CANARY, Who, World};

/// One thing that a scanner does with a link.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Asks for it by a method without a body.
    Ask(&'static str),
    /// Asks for it twice at once.
    Twice,
    /// Asks for it with something added to the address.
    With(&'static str),
    /// Asks in the manner of HTTP/1.0.
    OldStyle,
    /// Follows every address of the page.
    Follow,
    /// Sends the form of the page.
    Submit(Fill, From),
    /// Sends something that no form of ours sends.
    Post(&'static str, &'static str),
}

/// How it fills in the form.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fill {
    /// Leaves everything as it is.
    Defaults,
    /// Makes the first choice, and presses the button.
    FirstChoice,
    /// Ticks what has to be ticked, and chooses nothing.
    Ticked,
    /// Puts something into every field and ticks every box.
    Everything,
    /// All as a person would.
    Person,
}

/// As whom it sends the form.
#[derive(Debug, Clone, Copy, PartialEq)]
enum From {
    /// The browser that opened the page.
    Same,
    /// One that kept no cookie.
    NoCookie,
    /// One with a cookie of its own invention.
    OtherCookie,
    /// A page of another site, in the browser that opened the page.
    OtherSite,
    /// Something that does not say from where.
    NoOrigin,
    /// Something with an agent's key.
    AgentsKey,
    /// The form of another link, opened in the same browser.
    OtherLink,
}

struct Scanner {
    name: &'static str,
    headers: &'static [(&'static str, &'static str)],
    acts: &'static [Act],
}

const fn scanner(
    name: &'static str,
    headers: &'static [(&'static str, &'static str)],
    acts: &'static [Act],
) -> Scanner {
    Scanner { name, headers, acts }
}

use Act::{Ask, Follow, OldStyle, Post, Submit, Twice, With};

const FORM: &str = "application/x-www-form-urlencoded";
const YES: &str = "decision=approve&read=yes&text=ok";

#[rustfmt::skip]
const SCANNERS: &[Scanner] = &[
    scanner("Microsoft Safe Links", &[("user-agent", "Mozilla/5.0 (Windows NT 10.0) Microsoft Outlook 16.0")], &[Ask("HEAD"), Ask("GET")]),
    scanner("Safe Links detonating in a browser", &[("user-agent", "Mozilla/5.0 HeadlessEdg/120.0")], &[Follow, Submit(Fill::Defaults, From::Same)]),
    scanner("Proofpoint URL Defense", &[("user-agent", "Mozilla/5.0 (Windows NT 6.1)")], &[With("?k=v&amp;e=1"), With("?full=1"), Ask("GET")]),
    scanner("Proofpoint, submitting what it finds", &[], &[Submit(Fill::Defaults, From::NoCookie)]),
    scanner("Mimecast", &[("user-agent", "Mozilla/5.0 Mimecast")], &[Ask("HEAD"), Ask("GET"), Ask("OPTIONS")]),
    scanner("Barracuda", &[("user-agent", "Barracuda Sentinel (EE)")], &[Ask("GET"), Post("", FORM)]),
    scanner("Cisco IronPort", &[("range", "bytes=0-1023")], &[Ask("GET")]),
    scanner("Symantec Click-time", &[], &[Twice]),
    scanner("Trend Micro, posting a guess", &[], &[Post(YES, FORM)]),
    scanner("Googlebot", &[("user-agent", "Mozilla/5.0 (compatible; Googlebot/2.1)"), ("from", "googlebot(at)googlebot.com")], &[Ask("GET"), Follow]),
    scanner("bingbot, asking whether it changed", &[("user-agent", "bingbot/2.0"), ("if-none-match", "*"), ("if-modified-since", "Wed, 21 Oct 2026 07:28:00 GMT")], &[Ask("GET")]),
    scanner("Slack unfurling", &[("user-agent", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"), ("range", "bytes=0-32768")], &[Ask("GET")]),
    scanner("Slack proxying pictures", &[("user-agent", "Slack-ImgProxy")], &[Ask("HEAD"), Ask("GET")]),
    scanner("Teams preview", &[("user-agent", "Mozilla/5.0 SkypeUriPreview Preview/0.5")], &[Ask("GET")]),
    scanner("iMessage preview", &[("user-agent", "facebookexternalhit/1.1 Facebot Twitterbot/1.0")], &[Ask("GET"), Ask("GET")]),
    scanner("WhatsApp", &[("user-agent", "WhatsApp/2.23.20.0")], &[Ask("GET")]),
    scanner("Telegram", &[("user-agent", "TelegramBot (like TwitterBot)")], &[Ask("GET")]),
    scanner("Discord", &[("user-agent", "Discordbot/2.0")], &[Ask("HEAD"), Ask("GET")]),
    scanner("LinkedIn", &[("user-agent", "LinkedInBot/1.0")], &[Ask("GET")]),
    scanner("Gmail's picture proxy", &[("user-agent", "GoogleImageProxy")], &[Ask("GET")]),
    scanner("Safari preloading the top hit", &[("x-purpose", "preview"), ("purpose", "prefetch")], &[Ask("GET")]),
    scanner("Chrome prerendering", &[("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch")], &[Ask("GET")]),
    scanner("Firefox prefetching", &[("x-moz", "prefetch"), ("sec-purpose", "prefetch")], &[Ask("GET")]),
    scanner("an antivirus of the old school", &[], &[OldStyle]),
    scanner("a proxy that tries methods", &[], &[Ask("OPTIONS"), Ask("TRACE"), Ask("PUT"), Ask("DELETE"), Ask("PATCH"), Ask("PROPFIND")]),
    scanner("one that means POST and says GET", &[("x-http-method-override", "POST"), ("x-method-override", "POST")], &[With("?decision=approve&read=yes&_method=POST")]),
    scanner("a crawler that follows every link", &[], &[Follow]),
    scanner("one that submits every form as it is", &[], &[Submit(Fill::Defaults, From::Same), Submit(Fill::Defaults, From::Same)]),
    scanner("one that makes the first choice", &[], &[Submit(Fill::FirstChoice, From::Same)]),
    scanner("one that ticks what is required", &[], &[Submit(Fill::Ticked, From::Same)]),
    scanner("one that fills in everything, without cookies", &[], &[Submit(Fill::Everything, From::NoCookie)]),
    scanner("one that fills in everything, with cookies", &[], &[Submit(Fill::Everything, From::Same)]),
    scanner("a person's form, replayed without the cookie", &[], &[Submit(Fill::Person, From::NoCookie)]),
    scanner("the same with an invented cookie", &[], &[Submit(Fill::Person, From::OtherCookie)]),
    scanner("the same from another site", &[], &[Submit(Fill::Person, From::OtherSite)]),
    scanner("the same from a sandboxed frame", &[("origin", "null")], &[Submit(Fill::Person, From::NoOrigin)]),
    scanner("the same from nowhere", &[], &[Submit(Fill::Person, From::NoOrigin)]),
    scanner("the form of another link", &[], &[Submit(Fill::Person, From::OtherLink)]),
    scanner("an agent that got hold of the link", &[], &[Submit(Fill::Person, From::AgentsKey)]),
    scanner("one that sends JSON", &[], &[Post(r#"{"decision":"approve","read":"yes"}"#, "application/json")]),
    scanner("one that sends parts", &[], &[Post("--x\r\ncontent-disposition: form-data; name=decision\r\n\r\napprove\r\n--x--", "multipart/form-data; boundary=x")]),
    scanner("one that sends far too much", &[], &[Post(FLOOD, FORM)]),
];

/// A field that is longer than any form may be.
const FLOOD: &str = match std::str::from_utf8(&[b'a'; 70_000]) {
    Ok(flood) => flood,
    Err(_) => "",
};

fn filled(html: &str, fill: Fill) -> Vec<(String, String)> {
    let mut sent = hidden(html);
    let mut chosen = false;
    for field in fields(html) {
        let first_radio = field.kind == "radio" && !chosen;
        let takes = match fill {
            Fill::Defaults => false,
            Fill::FirstChoice => first_radio,
            Fill::Ticked => field.name == "read",
            Fill::Everything => field.kind != "hidden" && (field.kind != "radio" || first_radio),
            Fill::Person => first_radio || field.name == "read",
        };
        chosen |= first_radio && takes;
        if takes {
            let typed = matches!(field.kind.as_str(), "text");
            let value = if typed { "x7Yq".to_owned() } else { field.value };
            sent.push((field.name, value));
        }
    }
    sent
}

async fn act(world: &World, path: &str, other: &str, scanner: &Scanner, act: Act) {
    let mut browser = Browser::new(world);
    browser.headers = scanner.headers.to_vec();
    match act {
        Ask(method) => drop(browser.send(method, path).await),
        Twice => {
            let (one, two) = tokio::join!(browser.send("GET", path), browser.send("GET", path));
            assert_eq!((one.status.as_u16(), two.status.as_u16()), (200, 200));
        }
        With(query) => drop(browser.send("GET", &format!("{path}{query}")).await),
        OldStyle => {
            let address = world.url.strip_prefix("http://").unwrap();
            let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
            socket
                .write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())
                .await
                .unwrap();
            let mut answer = Vec::new();
            socket.read_to_end(&mut answer).await.unwrap();
            assert!(
                answer.starts_with(b"HTTP/1.0 200"),
                "{}",
                String::from_utf8_lossy(&answer)
            );
        }
        Follow => {
            let page = browser.open(path).await;
            let found = links(&page.text);
            assert!(!found.is_empty());
            for href in found {
                let href = if href.starts_with('?') {
                    format!("{path}{href}")
                } else {
                    href
                };
                drop(browser.send("GET", &href).await);
            }
        }
        Submit(fill, from) => submit(world, browser, (path, other), (fill, from)).await,
        Post(body, kind) => {
            let mut request = world.http.post(format!("{}{path}", world.url));
            request = request.header("origin", ORIGIN).header("content-type", kind);
            let answer = request.body(body).send().await.unwrap();
            assert!(answer.status().is_client_error(), "{}", answer.status());
        }
    }
}

async fn submit(
    world: &World,
    mut browser: Browser<'_>,
    (path, other): (&str, &str),
    (fill, from): (Fill, From),
) {
    let page = browser.open(path).await;
    let mut sent = filled(&page.text, fill);
    if from == From::OtherLink {
        let foreign = hidden(&browser.open(other).await.text);
        let bound = foreign.into_iter().find(|(name, _)| name == "bound").unwrap();
        sent.retain(|(name, _)| name != "bound");
        sent.push(bound);
    }
    match from {
        From::NoCookie => browser.cookie = None,
        From::OtherCookie => browser.cookie = Some(format!("signoff-link-80={}", "ab".repeat(32))),
        _ => {}
    }
    if from == From::AgentsKey {
        browser.key = world.key(Who::Agent).map(str::to_owned);
        let answer = browser.post(path, &sent, Some(ORIGIN)).await;
        assert_eq!(answer.code(), "approval_link_not_yours");
        return;
    }
    let origin = match from {
        From::OtherSite => Some("https://evil.example"),
        From::NoOrigin => None,
        _ => Some(ORIGIN),
    };
    let answer = browser.post(path, &sent, origin).await;
    assert!(
        answer.status.is_client_error(),
        "{}: {}",
        answer.status,
        answer.text
    );
}

/// I5: nothing that opens, preloads, follows or fills in a link by itself decides, however it calls itself. The link is good
/// after all of it; then a person decides, and it is dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i5_no_scanner_decides_and_the_link_stays_good() {
    let world = World::new().await;
    let id = world.submit(Who::Agent, "ask.it").await["approval_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let other = world.submit(Who::Agent, "ask.other").await["approval_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (path, other) = (world.link(&id, 1).await, world.link(&other, 1).await);
    let before = world.head().await;
    assert!(SCANNERS.len() >= 25);
    for scanner in SCANNERS {
        for one in scanner.acts {
            act(&world, &path, &other, scanner, *one).await;
        }
        assert_eq!(world.head().await, before, "{} left a record", scanner.name);
        let page = Browser::new(&world).open(&path).await;
        assert_eq!(page.status, 200, "after {}", scanner.name);
    }
    let mut person = Browser::new(&world);
    let decided = person
        .fill(&path, &[("decision", "approve"), ("read", "yes")])
        .await;
    assert_eq!(decided.status, 303, "{}", decided.text);
    assert_eq!(decided.headers["location"], path.as_str());
    assert_eq!(world.head().await, before + 1);
    let view = world
        .get(Who::Member, &format!("/v1/approvals/{id}"))
        .await
        .ok()
        .json();
    assert_eq!(
        (&view["status"], &view["votes"][0]["via"]),
        (&json!("approved"), &json!("link"))
    );

    let dead = person.open(&path).await;
    assert_eq!(dead.status, 410);
    assert!(dead.text.contains("This link has done its work") && dead.text.contains("Approved by member"));
    assert!(fields(&dead.text).is_empty());
    for fill in [Fill::Person, Fill::Everything] {
        let again = person.post(&path, &filled(&dead.text, fill), Some(ORIGIN)).await;
        assert_eq!(again.status, 410);
    }
    assert_eq!(world.head().await, before + 1);
}

/// The page keeps to itself, and says whose it is and what would happen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_shows_whose_it_is_and_keeps_to_itself() {
    let world = World::new().await;
    let asked = json!({"action": "ask.it", "inputs": {"to": "ACME <b>"}, "reason": "because \u{202e}x", "context": {"n": 7}});
    let id = world.asks(asked).await;
    let path = world.link(&id, 1).await;
    let page = Browser::new(&world).open(&path).await;
    assert_eq!(page.status, 200);
    for words in [
        "For member",
        "I am <b>member</b>",
        "ACME &#60;b&#62;",
        "U+202E",
        "Choose one",
    ] {
        assert!(page.text.contains(words), "{words}\n{}", page.text);
    }
    assert!(!page.text.contains("<script") && !page.text.contains(" checked>"));
    for (name, value) in [
        ("cache-control", "no-store"),
        ("referrer-policy", "strict-origin"),
        ("x-robots-tag", "noindex, nofollow, noarchive"),
        ("x-frame-options", "DENY"),
    ] {
        assert_eq!(page.headers[name], value);
    }
    let cookie = page.headers["set-cookie"].to_str().unwrap();
    assert!(
        cookie.starts_with("signoff-link-80=") && cookie.ends_with("; Path=/d; HttpOnly; SameSite=Strict")
    );
    // An unknown, a forged and a lost link look alike, and tell nothing of anybody.
    let off = json!({"disabled": true});
    let viewers = world.link(&id, 0).await;
    let lost = format!("/v1/operators/{}", world.operators[0]);
    let switched = world.call(Who::Automation, "PATCH", &lost, Some(&off)).await;
    switched.ok();
    let mut pages = Vec::new();
    for path in [
        viewers,
        format!("{}A", &path[..path.len() - 1]),
        "/d/x".to_owned(),
        format!("/d/{CANARY}"),
    ] {
        let page = Browser::new(&world).open(&path).await;
        assert_eq!(
            (page.status.as_u16(), page.headers.get("set-cookie")),
            (404, None)
        );
        assert_eq!(page.headers["x-robots-tag"], "noindex, nofollow, noarchive");
        assert!(!page.text.contains(CANARY) && !page.text.contains("ACME") && !page.text.contains("viewer"));
        pages.push(page.text);
    }
    assert!(pages.iter().all(|page| *page == pages[0]));
}

/// Forwarded to a colleague who is signed in: it says whose it is and refuses, on the page and to the form.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forwarded_link_says_whose_it_is_and_decides_nothing() {
    let world = World::new().await;
    let id = world.asks(json!({"action": "ask.it"})).await;
    let path = world.link(&id, 1).await;
    let mut colleague = Browser::new(&world);
    let form = {
        let page = colleague.open(&path).await;
        filled(&page.text, Fill::Person)
    };
    colleague.session = Some(world.signed_in(2).await);
    let before = world.head().await;
    let page = colleague.open(&path).await;
    assert_eq!(page.status, 403);
    for words in [
        "For member",
        "you are signed in as admin",
        &format!("href=\"/approvals/{id}\""),
    ] {
        assert!(page.text.contains(words), "{words}\n{}", page.text);
    }
    assert!(fields(&page.text).is_empty());
    let refused = colleague.post(&path, &form, Some(ORIGIN)).await;
    assert_eq!(refused.status, 403);
    assert_eq!(world.head().await, before);
    // Signed in as oneself, or with a session that has ended, it decides.
    colleague.session = Some("signoff-80=0000".to_owned());
    assert_eq!(colleague.open(&path).await.status, 200);
    colleague.session = Some(world.signed_in(1).await);
    let decided = colleague
        .fill(&path, &[("decision", "approve"), ("read", "yes")])
        .await;
    assert_eq!(decided.status, 303, "{}", decided.text);
}

/// What the form asks for, one after the other; nothing typed is lost, and nothing decided before all of it is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_form_takes_a_choice_a_confirmation_and_words() {
    let world = World::new().await;
    let id = world
        .asks(json!({"action": "ask.it", "accepts": ["info_requests"]}))
        .await;
    let path = world.link(&id, 1).await;
    let before = world.head().await;
    let mut person = Browser::new(&world);
    let long = "x".repeat(4_001);
    for (sent, status, words) in [
        (vec![], 422, "Choose first"),
        (vec![("read", "yes")], 422, "Choose first"),
        (vec![("decision", "approve")], 422, "Confirm that you are member"),
        (vec![("decision", "deny"), ("read", "yes")], 422, "Say why"),
        (
            vec![("decision", "ask"), ("read", "yes")],
            422,
            "Write the question",
        ),
        (
            vec![("decision", "deny"), ("read", "yes"), ("text", &long)],
            422,
            "too long",
        ),
        (vec![("decision", "cancel"), ("read", "yes")], 422, "Choose first"),
        (vec![("decision", "edit"), ("read", "yes")], 422, "Choose first"),
        (vec![("decision", "always"), ("read", "yes")], 422, "Choose first"),
        (
            vec![("decision", "approve"), ("read", "yes"), ("automatic", "yes")],
            422,
            "as programs do",
        ),
        (
            vec![("decision", "approve"), ("read", "yes"), ("view", "00")],
            422,
            "can’t be read",
        ),
    ] {
        let answer = person.fill(&path, &sent).await;
        assert_eq!(answer.status.as_u16(), status, "{sent:?} {}", answer.text);
        assert!(answer.text.contains(words), "{sent:?}: {words}\n{}", answer.text);
    }
    // Words come back with the form, and the choice with them.
    let kept = person
        .fill(&path, &[("decision", "deny"), ("text", "far too much")])
        .await;
    assert!(kept.text.contains("far too much") && kept.text.contains("value=\"deny\" required checked"));
    // Another rendering than the one that was looked at decides nothing.
    let page = person.open(&path).await;
    let mut stale = filled(&page.text, Fill::Person);
    for (name, value) in &mut stale {
        if name == "view" {
            *value = "0".repeat(64);
        }
    }
    let answer = person.post(&path, &stale, Some(ORIGIN)).await;
    assert_eq!(answer.status, 409);
    assert!(answer.text.contains("Nothing was decided. Look again."));
    assert_eq!(world.head().await, before);

    let asked = person
        .fill(
            &path,
            &[("decision", "ask"), ("read", "yes"), ("text", "which one?")],
        )
        .await;
    assert_eq!(asked.status, 303);
    let page = person.open(&path).await;
    assert!(page.text.contains("which one?"), "{}", page.text);
    let denied = person
        .fill(
            &path,
            &[("decision", "deny"), ("read", "yes"), ("text", "not this one")],
        )
        .await;
    assert_eq!(denied.status, 303, "{}", denied.text);
    let view = world
        .get(Who::Agent, &format!("/v1/approvals/{id}"))
        .await
        .ok()
        .json();
    assert_eq!(
        (&view["status"], &view["decision_reason"]),
        (&json!("denied"), &json!("not this one"))
    );
    let page = person.open(&path).await;
    assert!(page.text.contains("Denied by member") && page.text.contains("not this one"));
    let events = world
        .get(Who::Admin, "/v1/audit/events?limit=1")
        .await
        .ok()
        .json();
    assert_eq!(
        events["items"][0]["summary"],
        "member denied ask.it by a personal link"
    );
    assert_eq!(events["items"][0]["actor"]["id"], world.operators[1].as_str());
}

/// Above the policy's limit a link shows where to sign in, and its form decides nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn above_the_limit_a_link_leads_to_the_console() {
    let world = World::new().await;
    let none = json!({"name": "none", "actions": ["none.*"], "effect": "require_approval", "approval": {"link": "none"}});
    let critical = json!({"name": "critical", "actions": ["critical.*"], "effect": "require_approval",
        "approval": {"link_risk_max": "critical"}});
    for policy in [none, critical] {
        world.post(Who::Automation, "/v1/policies", policy).await.ok();
    }
    for (action, risk, words) in [
        ("ask.it", "high", "Too risky to decide from a link"),
        ("none.it", "low", "This is decided in the console"),
    ] {
        let id = world.asks(json!({"action": action, "risk": risk})).await;
        let path = world.link(&id, 2).await;
        let before = world.head().await;
        let mut person = Browser::new(&world);
        let page = person.open(&path).await;
        assert_eq!(page.status, 200);
        let href = format!("href=\"/approvals/{id}\"");
        assert!(
            page.text.contains(words) && page.text.contains(&href),
            "{}",
            page.text
        );
        assert!(fields(&page.text).is_empty());
        let guess = [
            ("decision".to_owned(), "approve".to_owned()),
            ("read".to_owned(), "yes".to_owned()),
        ];
        let answer = person.post(&path, &guess, Some(ORIGIN)).await;
        assert_eq!(answer.status, 409);
        assert_eq!(world.head().await, before);
    }
    // Where the policy lets links decide at critical risk, the action's name is typed as in the console.
    let id = world
        .asks(json!({"action": "critical.it", "risk": "critical"}))
        .await;
    let path = world.link(&id, 2).await;
    let mut person = Browser::new(&world);
    let sent = [("decision", "approve"), ("read", "yes")];
    let answer = person.fill(&path, &sent).await;
    assert_eq!(answer.status, 422);
    assert!(answer.text.contains("Type the action’s name"));
    let typed = [sent[0], sent[1], ("typed", "critical.it")];
    assert_eq!(person.fill(&path, &typed).await.status, 303);
    let policy = json!({"name": "odd", "actions": ["x"], "effect": "require_approval",
        "approval": {"link": "none", "link_risk_max": "low"}});
    let refused = world.post(Who::Automation, "/v1/policies", policy).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code().as_str()),
        (422, "policy_invalid")
    );
    assert!(
        refused.text.contains("/approval/link_risk_max"),
        "{}",
        refused.text
    );
    let shown = world
        .get(Who::Admin, &format!("/v1/approvals/{id}"))
        .await
        .ok()
        .json();
    assert_eq!(shown["requirement"]["link_risk_max"], "critical");
}

/// I2: what is cut is opened first, and several people are several links.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i2_nothing_hidden_is_approved_and_two_people_are_two_links() {
    let world = World::new().await;
    let both = json!({"name": "both", "actions": ["both.*"], "effect": "require_approval", "approval": {"quorum": 2}});
    world.post(Who::Automation, "/v1/policies", both).await.ok();
    let id = world
        .asks(json!({"action": "both.it", "inputs": {"text": "lorem ipsum ".repeat(2_000)}}))
        .await;
    let (first, second) = (world.link(&id, 1).await, world.link(&id, 2).await);
    let mut person = Browser::new(&world);
    let cut = person.open(&first).await;
    assert!(cut.text.contains("Show everything") && !cut.text.contains("value=\"approve\""));
    let sent = [("decision", "approve"), ("read", "yes")];
    let refused = person.fill(&first, &sent).await;
    assert_eq!(refused.status, 409);
    assert!(
        refused.text.contains("Not everything was shown"),
        "{}",
        refused.text
    );
    let whole = format!("{first}?full=1");
    assert_eq!(person.fill(&whole, &sent).await.status, 303);
    let waits = person.open(&first).await;
    assert_eq!(waits.status, 200);
    assert!(
        waits.text.contains("You approved this. Others decide now"),
        "{}",
        waits.text
    );
    let again = person.fill(&whole, &sent).await;
    assert_eq!(again.status, 409);
    let mut colleague = Browser::new(&world);
    let done = colleague.fill(&format!("{second}?full=1"), &sent).await;
    assert_eq!(done.status, 303);
    assert_eq!(person.open(&first).await.status, 410);
}
