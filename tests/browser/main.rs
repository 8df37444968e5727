//! The page in a real Chromium, against the real server: with and without its script, for a mouse, a keyboard and a
//! telephone, by day and by night.
//!
//! Every test has a browser of its own ([`browser`]), and ends by reading its errors: an error in the console or a
//! violation of the page's policy fails any test. Screenshots are left in `target/tmp/pagina`. On a machine without
//! Chromium the tests are skipped, with a message.
//!
//! No crate drives the browser. Chromium's own protocol over a pipe is JSON documents with a zero byte after each:
//! one file here, while the crates that were considered bring 142 to 185 more (headless_chrome: 77 s of processor
//! time and 757 MB to build, and licences that scripts/deny.toml does not allow; fantoccini and thirtyfour: also a
//! second program, chromedriver).
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on has failed"
)]

#[expect(
    dead_code,
    unused_imports,
    reason = "shared with the tests of the whole system, which use more of it"
)]
#[path = "../common/mod.rs"]
mod common;

mod browser;
mod devtools;

mod access;
mod assets;
mod bank;
mod choices;
mod key;
mod lasting;
mod many;
mod origins;
mod outage;
mod panel;
mod pictures;
mod plain;
mod states;
