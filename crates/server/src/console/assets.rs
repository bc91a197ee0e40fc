//! Style sheets and the script, built into the binary and addressed by their content.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Files;

/// Hexadecimal digits of the hash that stand in an address.
const HASH_DIGITS: usize = 16;

/// One file as it is served.
#[derive(Debug, Clone)]
pub struct Asset {
    /// Its address below the root, which changes with its content.
    pub href: String,
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

static ASSETS: LazyLock<BTreeMap<String, Asset>> = LazyLock::new(|| {
    Files::iter()
        .filter_map(|name| {
            let file = Files::get(&name)?;
            let hash = hex::encode(file.metadata.sha256_hash());
            let (stem, extension) = name.rsplit_once('.')?;
            let href = format!("/console/assets/{stem}.{}.{extension}", &hash[..HASH_DIGITS]);
            let asset = Asset {
                href,
                content_type: content_type(extension),
                bytes: file.data.into_owned(),
            };
            Some((name.into_owned(), asset))
        })
        .collect()
});

/// The address of a file; the root for a name that does not exist, which a test rules out.
pub fn href(name: &str) -> &'static str {
    ASSETS.get(name).map_or("/", |asset| asset.href.as_str())
}

/// The file at an address, for serving.
pub fn at(href: &str) -> Option<&'static Asset> {
    ASSETS.values().find(|asset| asset.href == href)
}

/// Every file, for writing them beside static pages.
pub fn all() -> impl Iterator<Item = &'static Asset> {
    ASSETS.values()
}

fn content_type(extension: &str) -> &'static str {
    match extension {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_pages_name_exists() {
        for name in [
            "tokens.css",
            "console.css",
            "pages.css",
            "calls.css",
            "console.js",
            "mark.svg",
        ] {
            let asset = at(href(name));
            assert!(asset.is_some_and(|asset| !asset.bytes.is_empty()), "{name}");
        }
    }
}
