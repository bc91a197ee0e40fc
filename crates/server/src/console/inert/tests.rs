//! Every payload of the shared corpus, and ordinary text.

use super::*;

const CORPUS: &str = include_str!("../../../../../spec/deceptive_text.json");

fn texts<'a>(case: &'a serde_json::Value, key: &str) -> Vec<&'a str> {
    let list = case.get(key).and_then(serde_json::Value::as_array);
    list.into_iter()
        .flatten()
        .map(|text| text.as_str().expect("text"))
        .collect()
}

/// Every deceptive payload shows a chip, a warning or its count of hidden bytes (S2, attack list D).
#[test]
fn every_payload_of_the_corpus_shows_what_it_hides() {
    let corpus: Vec<serde_json::Value> = serde_json::from_str(CORPUS).expect("the corpus is JSON");
    assert!(corpus.len() >= 60);
    for case in &corpus {
        let text = case["text"].as_str().expect("text").repeat(
            case["times"]
                .as_u64()
                .map_or(1, |times| usize::try_from(times).expect("small")),
        );
        let made = Inert::new(&text, Show::Start);
        assert_eq!(made.chips(), texts(case, "chips"), "chips of {}", case["name"]);
        assert_eq!(
            made.warnings(),
            texts(case, "warnings"),
            "warnings of {}",
            case["name"]
        );
        let hosts: Vec<&str> = made.urls.iter().map(|url| url.host.as_str()).collect();
        assert_eq!(hosts, texts(case, "hosts"), "hosts of {}", case["name"]);
        let url_warnings: Vec<&str> = made
            .urls
            .iter()
            .filter_map(|url| url.warning.as_deref())
            .collect();
        assert_eq!(
            url_warnings,
            texts(case, "url_warnings"),
            "warnings on addresses of {}",
            case["name"]
        );
        assert_eq!(
            made.hidden_bytes as u64,
            case["hidden_bytes"].as_u64().unwrap_or(0),
            "hidden bytes of {}",
            case["name"]
        );
        assert_eq!(
            made.has_right_to_left,
            case["right_to_left"].as_bool().unwrap_or(false),
            "direction of {}",
            case["name"]
        );
        assert_eq!(
            made.is_suspicious() || made.hidden_bytes > 0,
            !case["plain"].as_bool().unwrap_or(false),
            "{}",
            case["name"]
        );
    }
}

/// The HTML of any payload holds no character that is not seen, and no tag but ours.
#[test]
fn html_of_the_corpus_is_inert() {
    let corpus: Vec<serde_json::Value> = serde_json::from_str(CORPUS).expect("the corpus is JSON");
    let tags = Regex::new(
        r#"</?bdi( dir="ltr")?>|<br>|</?mark( class="odd")?>|</span>|<span class="chip"( title="[^"<>]*")?>"#,
    )
    .expect("fixed");
    for case in &corpus {
        let html = Inert::all(case["text"].as_str().expect("text")).to_string();
        let bare = tags.replace_all(&html, "");
        assert!(!bare.contains(['<', '>', '"']), "{}: {bare}", case["name"]);
        let unseen = MARKED
            .captures_iter(&bare)
            .any(|found| found.name("unseen").is_some());
        assert!(!unseen, "{}", case["name"]);
    }
}

#[test]
fn ordinary_text_stays_as_it_is() {
    for text in [
        "",
        "Refund for ticket #4421",
        "Grüße aus Köln",
        "価格は500円です",
        "Цена 500",
        "naïve café",
        "한국어 text",
        "1 < 2 && \"x\"",
    ] {
        let made = Inert::all(text);
        assert!(!made.is_suspicious(), "{text}: {:?}", made.pieces);
    }
}
