//! The lesson: the assignment in Python beside this file, `scripts/juez`, and whether each works with all the others.
//!
//! - `crossings`: each server and client of the two languages with each of the other, by `protocol.md` and HTTP alone.
//! - `documents`: the documents of the lesson, the tour, README and LEEME: names, lists, and every command typed.
//! - `judged`: the grader passes correct servers, and fails each server of `mal/` for its own error only.
//!
//! Needs `python3` with Pillow, and `nc`; without them the tests are skipped, with a message.
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

mod crossings;
mod documents;
mod judged;
mod python;
