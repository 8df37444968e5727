//! Durable state: tasks with their pictures, and the image bank. Requests and answers are plain data; the stores are
//! behind one trait.
//!
//! The loop hands a [`StoreRequest`] to the [`Store`] and goes on; the answer comes back through a closure, from
//! another thread, under the same ticket. A write is answered when it is durable: waiting writes share one commit, so
//! that a thousand writes do not cost a thousand disk syncs. Reads do not wait for writes; a read sees every write
//! that was answered before it was asked.
//!
//! Exactly one [`StoreAnswer`] for each [`StoreRequest`], even when the thread that has it panics.
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
#[cfg(any(feature = "mongodb", feature = "postgres"))]
mod runtime;
pub mod sqlite;
mod thread;
#[cfg(all(test, any(feature = "mongodb", feature = "postgres")))]
#[path = "../../tests/common/tools.rs"]
#[expect(dead_code, clippy::expect_used, reason = "of the tests of whole servers, which need more of it")]
mod tools;

pub use thread::{Backend, Brake, DeliverAnswer, Reader, Store, Writer};

/// A task that was in work during so many crashes is not tried again. Each crash counts as a try as well. An orderly
/// stop also counts as a try, but any number of stops does not end the task.
pub const CRASHES_MAX: u32 = 3;

/// How long results are kept, and how much of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// A task is kept so long after its end: `--retencion`.
    pub age: Duration,
    /// Limit of the bytes of all results together: `--retencion-espacio`.
    pub bytes_max: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { age: Duration::from_secs(24 * 3600), bytes_max: 10_240 << 20 }
    }
}
