//! The page of `GET /` and what it is made of: files beside this one, compiled in. Plain data.
//!
//! Rules: one page, nothing from another host; every file under its own address, so that the document has no script and
//! no style in it and the policy can forbid both ([`crate::conn::asset`]). The page is a form that works without a
//! script; `app.js` and the modules below `/app/` improve it. Scripts and style are sent without indentation and
//! without comment lines ([`lean`]): all of it is less than 80 kB.
//!
//! Reading order: `index.html`, `app.js`, then `app/tasks.js` (what happens to one picture) and its imports.
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

/// What [`lean`] makes of a file, as text.
macro_rules! lean {
    ($path:literal) => {{
        const TEXT: &[u8] = include_str!($path).as_bytes();
        const LENGTH: usize = lean::<0>(TEXT).0;
        const LEAN: &[u8] = &lean::<LENGTH>(TEXT).1;
        match str::from_utf8(LEAN) {
            Ok(text) => text,
            // Whole lines are left out: it is text as before, which a test looks at.
            Err(_) => "",
        }
    }};
}

/// The lines of a script or a style without what only readers need: indentation, empty lines, comment lines. Returns
/// how many bytes these are, and the first `N` of them. No text in a script may have lines that begin so.
const fn lean<const N: usize>(text: &[u8]) -> (usize, [u8; N]) {
    let mut out = [0; N];
    let (mut length, mut at) = (0, 0);
    let mut in_comment = false;
    while at < text.len() {
        while at < text.len() && text[at] == b' ' {
            at += 1;
        }
        let start = at;
        while at < text.len() && text[at] != b'\n' {
            at += 1;
        }
        let line = text.split_at(at).0.split_at(start).1;
        at += 1;
        let opens = line.len() > 1 && line[0] == b'/' && line[1] == b'*';
        if in_comment || opens {
            let ends = line.len() > 1 && line[line.len() - 2] == b'*' && line[line.len() - 1] == b'/';
            in_comment = !ends;
            continue;
        }
        if line.is_empty() || line.len() > 1 && line[0] == b'/' && line[1] == b'/' {
            continue;
        }
        let mut from = 0;
        while from <= line.len() {
            if length < N {
                out[length] = if from < line.len() { line[from] } else { b'\n' };
            }
            length += 1;
            from += 1;
        }
    }
    (length, out)
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// What it asks for.
pub static ASSETS: [Asset; 17] = [
    Asset { path: "/estilo.css", media_type: "text/css; charset=utf-8", text: lean!("style.css") },
    Asset { path: "/favicon.svg", media_type: "image/svg+xml", text: include_str!("favicon.svg") },
    Asset { path: "/app.js", media_type: SCRIPT, text: lean!("app.js") },
    Asset { path: "/app/bank.js", media_type: SCRIPT, text: lean!("app/bank.js") },
    Asset { path: "/app/compare.js", media_type: SCRIPT, text: lean!("app/compare.js") },
    Asset { path: "/app/dom.js", media_type: SCRIPT, text: lean!("app/dom.js") },
    Asset { path: "/app/folder.js", media_type: SCRIPT, text: lean!("app/folder.js") },
    Asset { path: "/app/key.js", media_type: SCRIPT, text: lean!("app/key.js") },
    Asset { path: "/app/net.js", media_type: SCRIPT, text: lean!("app/net.js") },
    Asset { path: "/app/panel.js", media_type: SCRIPT, text: lean!("app/panel.js") },
    Asset { path: "/app/row.js", media_type: SCRIPT, text: lean!("app/row.js") },
    Asset { path: "/app/rows.js", media_type: SCRIPT, text: lean!("app/rows.js") },
    Asset { path: "/app/store.js", media_type: SCRIPT, text: lean!("app/store.js") },
    Asset { path: "/app/tasks.js", media_type: SCRIPT, text: lean!("app/tasks.js") },
    Asset { path: "/app/walk.js", media_type: SCRIPT, text: lean!("app/walk.js") },
    Asset { path: "/app/words.js", media_type: SCRIPT, text: lean!("app/words.js") },
    Asset { path: "/app/zip.js", media_type: SCRIPT, text: lean!("app/zip.js") },
];

/// The interface for programs (OpenAPI 3.1). No part of the page, but cached and revalidated like its files.
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
        let words = ASSETS.iter().filter(|asset| asset.media_type != "image/svg+xml");
        let bytes: usize = std::iter::once(&PAGE).chain(words).map(|asset| asset.text.len()).sum();
        assert!(bytes < 80_000, "{bytes} bytes");
    }

    #[test]
    fn comments_and_indentation_stay_at_home() {
        let text = b"// a\n/* b\n   c */\nlet d = 1; // e\n\n    /** f */\n    g(\"//\");\n";
        let expected = b"let d = 1; // e\ng(\"//\");\n";
        let (length, lean) = lean::<100>(text);
        assert_eq!(&lean[..length], expected);
    }

    #[test]
    fn the_zip_is_made_by_a_small_script() {
        assert!(include_str!("app/zip.js").len() < 2000);
    }

    #[test]
    fn every_text_has_its_english() {
        let words = include_str!("app/words.js");
        let mut missing = Vec::new();
        let mut count = 0;
        let mut check = |text: &str| {
            count += 1;
            if !words.contains(&format!("{}:", serde_json::Value::from(text))) {
                missing.push(text.to_owned());
            }
        };
        for script in
            ASSETS.iter().filter(|asset| asset.media_type == SCRIPT && asset.path != "/app/words.js")
        {
            for begin in [" t(\"", "(t(\"", "[t(\"", "{t(\"", "percent(\"", "withNote(\""] {
                for rest in script.text.split(begin).skip(1) {
                    check(rest.split('"').next().unwrap());
                }
            }
        }
        // Of the document: what stands between two tags and is more than a word of the field.
        for rest in PAGE.text.split('>').skip(1) {
            let text = rest.split('<').next().unwrap().trim();
            let untold = ["JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF", "PGM", "English"];
            if !text.is_empty() && !untold.contains(&text) && !text.starts_with("curl") {
                check(text);
            }
        }
        for attribute in ["aria-label=\"", "placeholder=\"", "alt=\""] {
            for rest in PAGE.text.split(attribute).skip(1) {
                let text = rest.split('"').next().unwrap();
                if !text.is_empty() && text.parse::<u32>().is_err() {
                    check(text);
                }
            }
        }
        assert!(missing.is_empty() && count > 100, "{count}: {missing:#?}");
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
