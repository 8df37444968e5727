//! Shared by the system tests: the real server as a process, and clients on bare sockets.
//!
//! Rules: every test starts its own servers on ports that the kernel chooses, and two tests share nothing, so they
//! run in any order and in parallel. No test relies on a sleep: [`wait::until`] polls a condition until a deadline. A
//! picture in an answer is always decoded, not judged by its header. [`tools::find`] finds the machine's programs
//! that a test needs (`nc`, `curl`, …), and prints when one is missing.
pub(crate) mod asked;
pub(crate) mod collections;
pub(crate) mod described;
#[cfg(any(feature = "mongodb", feature = "postgres"))]
pub(crate) mod faces;
pub(crate) mod fake_scaler;
pub(crate) mod http;
#[cfg(feature = "mongodb")]
pub(crate) mod mongodb;
pub(crate) mod pictures;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
pub(crate) mod processes;
pub(crate) mod schema;
pub(crate) mod server;
pub(crate) mod table;
pub(crate) mod tasks;
pub(crate) mod tools;
pub(crate) mod vectors;
pub(crate) mod wait;

pub(crate) use http::{Client, Part, Response, form, post, request};
pub(crate) use server::Server;
