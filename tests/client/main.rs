//! `tp2-cliente` as a process: against the real server where possible, otherwise against one that misbehaves on
//! purpose.
//!
//! `run` has what every test uses to start the client; `fake` is a scripted server; `bank` is the real one with a
//! persistent store, checked only over HTTP.
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

mod bank;
mod batch;
mod fake;
mod folder;
mod key;
mod link;
mod picture;
mod prompts;
mod retries;
mod run;
mod signals;
mod task;
