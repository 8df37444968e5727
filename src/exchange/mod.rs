//! The two state machines, and the data that moves between them, the workers and the scaler. Pure: no socket, no
//! clock, no thread.
//!
//! A *run* ([`run`]) is work, a *connection* ([`exchange`]) is a conversation. A synchronous upload is a connection
//! that watches a run, and so is a request for a [`mod@file`] or a [`link`]; the port it came to is its [`door`]. A
//! [`task`] is work that was accepted for good, the [`bank`] has folders of faces: what a conversation says about those
//! is in [`inquiry`]. The page's files are [`asset`]s. Reading order: [`exchange`], [`request`], [`upload`], [`run`], [`gate`], [`inquiry`], [`reject`].
mod answers;
pub mod asset;
pub mod bank;
pub mod door;
#[expect(clippy::module_inception, reason = "the layer is named for its central machine")]
pub mod exchange;
pub mod inquiry;
pub mod parameters;
mod phase;
mod refusal;
pub mod reject;
pub mod request;
pub mod run;
pub mod upload;

pub use exchange::Exchange;
pub use run::Run;
