//! What must hold on every page of the gallery.

use regex::Regex;

use super::pages;
use crate::console::assets;

/// Writes the gallery where `SIGNOFF_GALLERY` says, so that a person can look at it.
#[test]
fn the_gallery_is_written_where_it_is_asked_for() {
    let Some(directory) = std::env::var_os("SIGNOFF_GALLERY").map(std::path::PathBuf::from) else {
        return;
    };
    for (name, html) in pages::all() {
        std::fs::write(directory.join(format!("{name}.html")), html).expect("written");
    }
    for asset in assets::all() {
        let path = directory.join(asset.href.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        std::fs::write(path, &asset.bytes).expect("written");
    }
}

/// The content security policy allows nothing inline, so nothing inline may be written: it would not work.
#[test]
fn no_page_holds_anything_inline() {
    let inline = Regex::new(
        r#"(?i)<[^>]*\s(?:style|on[a-z]+)\s*=|<style|<script(?: [^>]*)?>[^<]|href="(?:javascript|data):"#,
    )
    .expect("fixed");
    for (name, html) in pages::all() {
        assert!(inline.find(&html).is_none(), "{name}: {:?}", inline.find(&html));
    }
}

/// What agents write arrives as text: no tag, no attribute and no unseen character of theirs is in a page (S2).
#[test]
fn hostile_texts_are_inert_on_every_page() {
    let unseen =
        Regex::new(r"[\u{200b}-\u{200f}\u{202a}-\u{202e}\u{2066}-\u{2069}\u{e0000}-\u{e007f}\u{1b}\u{7}]")
            .expect("fixed");
    for (name, html) in pages::all() {
        assert!(!html.contains("<script>alert"), "{name}");
        assert!(!html.contains("<img"), "{name}");
        assert!(!html.contains("<b>Harmless"), "{name}");
        assert!(unseen.find(&html).is_none(), "{name}: {:?}", unseen.find(&html));
    }
}

/// Ids are unique, and every label of a region points to something.
#[test]
fn ids_are_unique_and_labels_lead_somewhere() {
    let id = Regex::new(r#"\sid="([^"]+)""#).expect("fixed");
    let label = Regex::new(r#"aria-(?:labelledby|describedby)="([^"]+)""#).expect("fixed");
    for (name, html) in pages::all() {
        let mut ids: Vec<&str> = id
            .captures_iter(&html)
            .map(|found| found.get(1).expect("group").as_str())
            .collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "{name} repeats an id");
        for found in label.captures_iter(&html) {
            assert!(
                ids.contains(&&found[1]),
                "{name}: nothing has the id {}",
                &found[1]
            );
        }
    }
}

/// Approving is never easier than denying, and takes a second gesture where harm is near.
#[test]
fn one_press_approves_only_what_is_plain_and_whole() {
    let pages = pages::all();
    let page = |wanted: &str| {
        pages
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, html)| html.as_str())
            .expect("a page")
    };
    let one_press = r#"name="decision" value="approve""#;
    assert!(page("approval").contains(one_press));
    for name in [
        "approval-hostile",
        "approval-long",
        "approval-quorum",
        "approval-refused",
        "approval-approved",
    ] {
        assert!(!page(name).contains(one_press), "{name}");
    }
    assert!(page("approval-hostile-approve").contains(r#"type="checkbox" name="confirm""#));
    assert!(page("approval-quorum-approve").contains(r#"<input name="confirm""#));
    assert!(page("approval-long").contains("bytes are not shown"));
    // A personal link never decides by one press, and makes no choice by itself.
    for (name, html) in &pages {
        if name.starts_with("link") && html.contains("<form") {
            assert!(html.contains(r#"type="checkbox" name="read""#), "{name}");
            assert!(html.contains(" checked>") == (*name == "link-back"), "{name}");
        }
    }
    assert!(!page("link-long").contains(r#"value="approve""#));
    assert!(page("link-critical").contains(r#"<input name="typed""#));
}
