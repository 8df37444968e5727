//! What the tests of the whole system share: the real server as a process, and clients on bare sockets.
//!
//! Rules: every test starts servers of its own on ports that the kernel chooses, and nothing is shared between two of
//! them, so they run in any order and at once. Nothing sleeps for luck: [`wait::until`] looks for a condition until a
//! deadline. A picture in an answer is decoded, never guessed at by its header. What a test needs of the machine
//! (`nc`, `curl`, …) is looked for by [`tools::find`], which says aloud when it is missing.
pub(crate) mod collections;
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
pub(crate) mod server;
pub(crate) mod table;
pub(crate) mod tasks;
pub(crate) mod tools;
pub(crate) mod vectors;
pub(crate) mod wait;

pub(crate) use http::{Client, Part, Response, form, post, request};
pub(crate) use server::Server;
