//! The conversation with one client, as a state machine: bytes and time in, bytes and orders out. Pure: no socket, no
//! clock, no thread.
//!
//! A [`connection`] goes from phase to phase; what it remembers of a [`request`] is decided from its head, its body
//! becomes an [`upload`], [`parameters`] say what is wanted. What it wants of tasks and of the [`bank`] is its
//! [`intent`]. The results of work become `answers`, errors a [`problem`], and `refusal` gives the problem if a request
//! is refused because of the server's state. The page's files are [`asset`]s, and [`local_address`] is where the client
//! came in. Reading order: [`connection`], [`request`], [`upload`], [`intent`], [`problem`].
mod answers;
pub mod asset;
pub mod bank;
pub mod connection;
pub mod intent;
pub mod local_address;
pub mod parameters;
mod phase;
pub mod problem;
mod refusal;
pub mod request;
pub mod upload;

pub use connection::Connection;
