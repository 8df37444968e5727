//! What survives: tasks with their pictures, and the image bank. Requests and answers are plain data; who keeps them is behind one trait.
//!
//! The loop hands a [`StoreRequest`] to the [`Store`] and goes on; the answer comes back through a closure, from another
//! thread, under the same ticket. A write is answered when it is durable: writes that wait together share one commit,
//! so that a thousand of them do not cost a thousand turns of the disk. Reads do not wait for writes; what was written
//! and answered is seen by every read that is asked afterwards.
//!
//! Exactly one [`StoreAnswer`] for each [`StoreRequest`], also when the thread that has it panics.
use std::time::Duration;

pub use crate::model::store::{
    Acceptance, Ask, Claimed, End, NEWS, News, StoreAnswer, StoreError, StoreRead, StoreReply, StoreRequest,
    StoreSizes, StoreWrite,
};

#[cfg(test)]
mod contract;
mod documents;
#[cfg(feature = "mongodb")]
pub mod mongo;
#[cfg(feature = "postgres")]
pub mod postgres;
mod rules;
pub mod sqlite;
mod thread;
#[cfg(all(test, any(feature = "mongodb", feature = "postgres")))]
#[path = "../../tests/common/tools.rs"]
#[expect(dead_code, clippy::expect_used, reason = "of the tests of whole servers, which need more of it")]
mod tools;

pub use thread::{Backend, Brake, DeliverAnswer, Reader, Store, Writer};

/// A server that fell so often while it worked on a task will not try it again. Each fall counts as a try as well; so does an
/// orderly stop in the middle, but however many of those there were, the task is tried again.
pub const CRASHES_MAX: u32 = 3;

/// How long results are kept, and how much of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// After its end, a task is kept so long: `--retencion`.
    pub age: Duration,
    /// Bytes of all results together: `--retencion-espacio`.
    pub bytes_max: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { age: Duration::from_secs(24 * 3600), bytes_max: 10_240 << 20 }
    }
}
