//! The page of `GET /` and what it is made of: files beside this one, compiled in. Plain data.
//!
//! Rules: one page, nothing from another host; everything under its own address, so that no script and no style stands
//! in the document and the policy can forbid both ([`crate::conn::asset`]). The page is a form that works without a
//! script; `app.js` and the modules below `/app/` make it better.
//!
//! Reading order: `index.html`, `app.js`, then `app/tasks.js` (what happens to one picture) and whatever it names.
use std::hash::{DefaultHasher, Hash, Hasher};

/// A file that belongs to the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asset {
    /// Where it is served: a path of the program's own, which no file of `-d` stands in the way of.
    pub path: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// The whole of it.
    pub text: &'static str,
}

/// The page itself.
pub static PAGE: Asset =
    Asset { path: "/", media_type: "text/html; charset=utf-8", text: include_str!("index.html") };

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// What it asks for.
pub static ASSETS: [Asset; 11] = [
    Asset { path: "/estilo.css", media_type: "text/css; charset=utf-8", text: include_str!("style.css") },
    Asset { path: "/favicon.svg", media_type: "image/svg+xml", text: include_str!("favicon.svg") },
    Asset { path: "/app.js", media_type: SCRIPT, text: include_str!("app.js") },
    Asset { path: "/app/bank.js", media_type: SCRIPT, text: include_str!("app/bank.js") },
    Asset { path: "/app/compare.js", media_type: SCRIPT, text: include_str!("app/compare.js") },
    Asset { path: "/app/dom.js", media_type: SCRIPT, text: include_str!("app/dom.js") },
    Asset { path: "/app/folder.js", media_type: SCRIPT, text: include_str!("app/folder.js") },
    Asset { path: "/app/net.js", media_type: SCRIPT, text: include_str!("app/net.js") },
    Asset { path: "/app/panel.js", media_type: SCRIPT, text: include_str!("app/panel.js") },
    Asset { path: "/app/rows.js", media_type: SCRIPT, text: include_str!("app/rows.js") },
    Asset { path: "/app/tasks.js", media_type: SCRIPT, text: include_str!("app/tasks.js") },
];

/// What there is to ask for, for programs (OpenAPI 3.1). No part of the page, but kept and asked about as its files are.
pub static DESCRIPTION: Asset = Asset {
    path: "/openapi.json",
    media_type: "application/json",
    text: include_str!("../../docs/openapi.json"),
};

/// The asset at this path, as sent.
#[must_use]
pub fn asset(path: &[u8]) -> Option<&'static Asset> {
    ASSETS.iter().chain([&DESCRIPTION]).find(|asset| asset.path.as_bytes() == path)
}

impl Asset {
    /// Its strong entity tag, with the quotes: another text, another tag.
    #[must_use]
    pub fn etag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        format!("\"{:016x}\"", hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_style_and_script_together_are_small() {
        let bytes: usize = std::iter::once(&PAGE).chain(&ASSETS).map(|asset| asset.text.len()).sum();
        assert!(bytes < 60_000, "{bytes} bytes");
    }

    #[test]
    fn nothing_comes_from_elsewhere_and_nothing_stands_inline() {
        for asset in std::iter::once(&PAGE).chain(&ASSETS) {
            let text = asset.text.replace("http://www.w3.org/2000/svg", "").replace("http://SERVIDOR", "");
            for word in ["http://", "https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "eval("] {
                assert!(!text.contains(word), "{word} in {}", asset.path);
            }
        }
        for word in ["<style", "style=", "<script>", "onclick", "javascript:"] {
            assert!(!PAGE.text.contains(word), "{word} in the page");
        }
    }

    #[test]
    fn the_page_asks_for_what_there_is() {
        let named = |attribute: &str| {
            let begin = format!(" {attribute}=\"/");
            let rest = PAGE.text.split(&begin).skip(1);
            rest.map(|rest| format!("/{}", rest.split('"').next().unwrap())).collect::<Vec<_>>()
        };
        for path in named("src").iter().chain(&named("href")) {
            assert!(asset(path.as_bytes()).is_some(), "{path}");
        }
        for script in ASSETS.iter().filter(|asset| asset.media_type == SCRIPT) {
            let imported =
                script.text.split(" from \"./").skip(1).map(|rest| rest.split('"').next().unwrap());
            for name in imported {
                let base = script.path.rsplit_once('/').unwrap().0;
                assert!(asset(format!("{base}/{name}").as_bytes()).is_some(), "{name} for {}", script.path);
            }
        }
        assert!(asset(b"/app/").is_none() && asset(b"/").is_none());
    }

    #[test]
    fn another_text_has_another_tag() {
        let mut tags: Vec<String> = std::iter::once(&PAGE).chain(&ASSETS).map(Asset::etag).collect();
        assert_eq!(PAGE.etag(), tags[0]);
        tags.sort_unstable();
        tags.dedup();
        assert_eq!(tags.len(), 1 + ASSETS.len());
        assert_ne!(PAGE.etag(), Asset { text: "", ..PAGE }.etag());
    }
}
