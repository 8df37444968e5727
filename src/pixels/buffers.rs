//! Buffers that held a picture, for the next one: page faults and clearing of fresh memory alone are a fortieth of all
//! the work on a photograph of 9 MP.
//!
//! Rules: a buffer is handed out empty, but its capacity still holds another picture's samples: its user must fill it.
//! What is kept is bounded, and goes when the allocator's spare memory goes (`net/server/upkeep.rs`). Small buffers
//! stay with the allocator, which is as good; large ones are too seldom to be worth the memory.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Smaller ones malloc keeps by itself ([`scaler::sys::tune_malloc`]).
const SMALLEST: usize = 4 << 20;
/// A gray photograph of 16 MP.
const LARGEST: usize = 16 << 20;
/// Bytes of all of them.
const KEPT_MAX: usize = 32 << 20;

/// The kept buffers; shared by decoders and the owners of finished pictures. The default keeps none.
#[derive(Debug, Default)]
pub struct BufferPool {
    kept_max: usize,
    /// In the order in which they came.
    buffers: Mutex<VecDeque<Vec<u8>>>,
}

impl BufferPool {
    /// For a server whose pictures may take `memory_max` bytes: a sixteenth of that extra, at most 32 MiB.
    #[must_use]
    pub fn new(memory_max: u64) -> Self {
        let kept_max = usize::try_from(memory_max / 16).map_or(KEPT_MAX, |share| share.min(KEPT_MAX));
        Self { kept_max, buffers: Mutex::default() }
    }

    /// An empty buffer with room for so many bytes and little more, or one without room if there is none.
    #[must_use]
    pub fn take(&self, length: usize) -> Vec<u8> {
        let fits =
            |buffer: &Vec<u8>| (length..=length.saturating_add(length / 4)).contains(&buffer.capacity());
        let mut buffers = self.lock();
        let place = buffers.iter().position(fits);
        place.and_then(|place| buffers.remove(place)).unwrap_or_default()
    }

    /// Keeps a buffer; if there are too many, the oldest are freed.
    pub fn give(&self, mut buffer: Vec<u8>) {
        if !(SMALLEST..=LARGEST.min(self.kept_max)).contains(&buffer.capacity()) {
            return;
        }
        buffer.clear();
        // Freed without the lock.
        let mut old = Vec::new();
        let mut buffers = self.lock();
        buffers.push_back(buffer);
        while buffers.iter().map(Vec::capacity).sum::<usize>() > self.kept_max {
            old.extend(buffers.pop_front());
        }
    }

    /// Gives all of them up.
    pub fn clear(&self) {
        let old = std::mem::take(&mut *self.lock());
        drop(old);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Vec<u8>>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEBIBYTE: usize = 1 << 20;

    fn buffer(mebibytes: usize) -> Vec<u8> {
        Vec::with_capacity(mebibytes * MEBIBYTE)
    }

    #[test]
    fn a_buffer_is_handed_out_once_and_only_where_it_fits() {
        let buffers = BufferPool::new(u64::MAX);
        let mut first = buffer(10);
        first.extend(b"another's");
        let address = first.as_ptr();
        buffers.give(first);
        for unfit in [7, 11] {
            assert_eq!(buffers.take(unfit * MEBIBYTE).capacity(), 0);
        }
        let again = buffers.take(8 * MEBIBYTE);
        assert_eq!((again.as_ptr(), again.len()), (address, 0));
        assert_eq!(buffers.take(8 * MEBIBYTE).capacity(), 0);
    }

    #[test]
    fn what_is_kept_is_bounded_and_can_be_given_up() {
        let buffers = BufferPool::new(u64::MAX);
        for size in [1, 17, 12, 13, 14] {
            buffers.give(buffer(size));
        }
        let kept = |size: usize| buffers.take(size * MEBIBYTE).capacity() / MEBIBYTE;
        assert_eq!([1, 17, 12].map(kept), [0, 0, 13], "too small, too large, too old for it");
        buffers.clear();
        assert_eq!(kept(14), 0);

        let small = BufferPool::new(80 << 20);
        small.give(buffer(6));
        small.give(buffer(4));
        assert_eq!([6, 4].map(|size| small.take(size * MEBIBYTE).capacity()), [0, 4 * MEBIBYTE]);
        let none = BufferPool::default();
        none.give(buffer(4));
        assert_eq!(none.take(4 * MEBIBYTE).capacity(), 0);
    }
}
