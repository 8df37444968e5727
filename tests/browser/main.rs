//! The page in a real Chromium, against the real server: with and without its script, for a mouse, a keyboard and a
//! telephone, by day and by night.
//!
//! Every test has a browser of its own ([`browser`]), and ends by asking it for complaints: an error in the console or
//! an offence against the page's policy fails whatever the test was about. Screenshots are left in `target/tmp/pagina`. On
//! a machine without Chromium the tests are skipped, aloud.
//!
//! No crate drives the browser. Chromium's own protocol over a pipe is JSON documents with a zero byte after each: a file
//! of this directory, for which those that were looked at bring 142 to 185 more crates (headless_chrome: 77 s of
//! processor time and 757 MB to build, and licences that scripts/deny.toml does not have; fantoccini and thirtyfour: a
//! second program besides, chromedriver).
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
