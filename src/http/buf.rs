//! The two buffers of a connection: bytes received and not parsed yet, bytes to be sent.
//!
//! A [`RecvBuf`] is extended at its end, read as one slice, and consumed from its start. A [`SendBuf`] takes whole
//! chunks, lends them for one vectored write, and forgets what the kernel took.
//!
//! Rules: each byte is copied a constant number of times on average, whatever the sizes of reads and writes; an empty
//! buffer of an idle connection holds (nearly) no memory.
//!
//! Known limits: a `RecvBuf` may hold up to twice its bound in memory for a moment, because consumed bytes are freed
//! only when they are at least as many as the bytes that must move.
//!
//! ```
//! use tp2::http::buf::{RecvBuf, SendBuf};
//!
//! let mut recv = RecvBuf::new(16);
//! recv.extend(b"GET / POST /");
//! recv.consume(6);
//! assert_eq!(recv.data(), b"POST /");
//!
//! let mut send = SendBuf::new();
//! send.push(&b"HTTP/1.1 200 OK\r\n"[..]);
//! send.push(&b"\r\n"[..]);
//! send.consume(16);
//! assert_eq!(send.len(), 3);
//! ```
use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem;

use bytes::{Buf, Bytes, BytesMut};

/// Bytes received and not consumed yet, in order, as one slice.
#[derive(Debug)]
pub struct RecvBuf {
    bytes: Vec<u8>,
    /// Where the unconsumed bytes begin. Invariant: `start <= bytes.len()`, and zero if they are equal.
    start: usize,
    /// How many of the unconsumed bytes a parser has searched in vain. Invariant: at most [`RecvBuf::len`].
    searched: usize,
    max: usize,
}

impl RecvBuf {
    /// An empty buffer that holds at most `max` bytes.
    pub fn new(max: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, searched: 0, max }
    }

    /// Appends `bytes`. The caller offers at most [`RecvBuf::room`] of them.
    pub fn extend(&mut self, bytes: &[u8]) {
        debug_assert!(bytes.len() <= self.room(), "{} bytes for {} of room", bytes.len(), self.room());
        // Moves at most as many bytes as were consumed since the last move: linear over the buffer's life.
        if self.start >= self.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Forgets the first `n` bytes of [`RecvBuf::data`] (all of them, if there are fewer).
    pub fn consume(&mut self, n: usize) {
        debug_assert!(n <= self.len());
        self.start = self.bytes.len().min(self.start.saturating_add(n));
        self.searched = self.searched.saturating_sub(n);
        if self.start == self.bytes.len() {
            self.start = 0;
            if self.bytes.capacity() <= KEPT_MAX {
                self.bytes.clear();
            } else {
                self.bytes = Vec::new();
            }
        }
    }

    /// Notes that the first `n` bytes of [`RecvBuf::data`] need not be searched again.
    pub fn mark_searched(&mut self, n: usize) {
        debug_assert!(n <= self.len());
        self.searched = n.min(self.len());
    }

    /// The unconsumed bytes.
    pub fn data(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// How many bytes are unconsumed.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether every byte has been consumed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many more bytes it may take in.
    pub fn room(&self) -> usize {
        self.max.saturating_sub(self.len())
    }

    /// How many bytes at the start of [`RecvBuf::data`] a parser has marked as searched.
    pub fn searched(&self) -> usize {
        self.searched
    }
}

/// Bytes to be sent, in order: a queue of chunks that are never copied together.
#[derive(Debug, Default)]
pub struct SendBuf {
    /// Invariant: no chunk is empty.
    chunks: VecDeque<Bytes>,
    /// How much of the first chunk is already sent.
    ///
    /// Invariant: zero if `chunks.is_empty()`.
    /// Invariant: `prefix_used < chunks[0].len()` otherwise.
    prefix_used: usize,
    /// Invariant: the sum of the chunks' lengths, less `prefix_used`.
    len: usize,
}

impl SendBuf {
    /// Nothing to send.
    pub fn new() -> Self {
        Self::default()
    }

    /// Queues a chunk behind what is there.
    pub fn push(&mut self, chunk: impl Into<Bytes>) {
        let chunk = chunk.into();
        if !chunk.is_empty() {
            self.len += chunk.len();
            self.chunks.push_back(chunk);
        }
    }

    /// Forgets the first `n` bytes, which were sent (all of them, if there are fewer).
    pub fn consume(&mut self, n: usize) {
        debug_assert!(n <= self.len);
        self.len = self.len.saturating_sub(n);
        self.prefix_used = self.prefix_used.saturating_add(n);
        while let Some(first) = self.chunks.front() {
            if self.prefix_used < first.len() {
                return;
            }
            self.prefix_used -= first.len();
            self.chunks.pop_front();
        }
        self.prefix_used = 0;
    }

    /// The sent bytes of the chunk that is being sent, as memory of their own, if they are at least `least` and nothing
    /// else holds the chunk. Nothing is copied.
    pub fn take_sent(&mut self, least: usize) -> Option<BytesMut> {
        let first = self.chunks.front_mut().filter(|_| self.prefix_used >= least)?;
        match mem::take(first).try_into_mut() {
            Ok(mut chunk) => {
                let sent = chunk.split_to(mem::take(&mut self.prefix_used));
                *first = chunk.freeze();
                Some(sent)
            }
            Err(shared) => {
                *first = shared;
                None
            }
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Lends the unsent bytes for one vectored write: fills `out` from its start, returns how many slices it filled.
    pub fn io_slices<'a>(&'a self, out: &mut [IoSlice<'a>]) -> usize {
        let mut skipped = self.prefix_used;
        let mut filled = 0;
        for (slot, chunk) in out.iter_mut().zip(&self.chunks) {
            *slot = IoSlice::new(chunk.chunk().get(skipped..).unwrap_or_default());
            skipped = 0;
            filled += 1;
        }
        filled
    }

    /// How many bytes are unsent.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether everything has been sent.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The largest allocation that an emptied [`RecvBuf`] keeps, in bytes: ten thousand idle connections cost 10 MiB.
const KEPT_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds and consumes in every pair of step sizes; the bytes come out in order and nothing is lost.
    #[test]
    fn every_interleaving_of_extend_and_consume() {
        let input: Vec<u8> = (0..=250).collect();
        for step_in in 1..=64 {
            for step_out in 1..=64 {
                let mut recv = RecvBuf::new(64);
                let mut sent = 0;
                let mut output = Vec::new();
                while output.len() < input.len() {
                    let n = step_in.min(recv.room()).min(input.len() - sent);
                    recv.extend(&input[sent..sent + n]);
                    sent += n;
                    let n = step_out.min(recv.len());
                    output.extend_from_slice(&recv.data()[..n]);
                    recv.consume(n);
                    assert_eq!(recv.len(), sent - output.len());
                    assert_eq!(recv.room(), 64 - recv.len());
                }
                assert_eq!(output, input, "{step_in} in, {step_out} out");
                assert!(recv.is_empty());
            }
        }
    }

    #[test]
    fn the_watermark_follows_the_bytes_it_was_set_on() {
        let mut recv = RecvBuf::new(100);
        recv.extend(b"0123456789");
        recv.mark_searched(8);
        recv.consume(3);
        assert_eq!((recv.data(), recv.searched()), (&b"3456789"[..], 5));
        recv.extend(b"abc");
        assert_eq!(recv.searched(), 5);
        recv.consume(6);
        assert_eq!((recv.data(), recv.searched()), (&b"9abc"[..], 0));
        recv.consume(4);
        assert_eq!((recv.len(), recv.searched()), (0, 0));
    }

    #[test]
    fn an_emptied_buffer_gives_its_memory_back() {
        let mut recv = RecvBuf::new(16 * 1024);
        recv.extend(&[0; 16 * 1024]);
        assert_eq!(recv.room(), 0);
        recv.consume(16 * 1024);
        assert!(recv.bytes.capacity() <= KEPT_MAX);
        assert_eq!(recv.room(), 16 * 1024);
    }

    /// A byte that drips in behind a consumed prefix does not move the rest each time.
    #[test]
    fn dripping_moves_no_more_than_was_consumed() {
        let mut recv = RecvBuf::new(1 << 16);
        recv.extend(&[b'a'; 1000]);
        recv.consume(400);
        let mut moves = 0;
        for _ in 0..10_000 {
            let before = recv.start;
            recv.extend(b"b");
            moves += usize::from(recv.start != before);
        }
        assert_eq!((moves, recv.len()), (0, 10_600));
    }

    /// Gathers through `io_slices` with room for `slots` slices, taking `step` bytes a time.
    fn drain(send: &mut SendBuf, slots: usize, step: usize) -> Vec<u8> {
        let mut output = Vec::new();
        while !send.is_empty() {
            let mut slices = vec![IoSlice::new(&[]); slots];
            let filled = send.io_slices(&mut slices);
            assert!(filled > 0);
            assert!(slices[..filled].iter().all(|slice| !slice.is_empty()));
            let taken: Vec<u8> = slices[..filled].iter().flat_map(|s| s.iter().copied()).take(step).collect();
            send.consume(taken.len());
            output.extend(taken);
        }
        assert_eq!((send.prefix_used, send.chunks.len()), (0, 0));
        output
    }

    /// As rustls tests its queue: every chunk size against every size of write.
    #[test]
    fn every_possible_chunk_interleaving() {
        let input: Vec<u8> = (0..=127).collect();
        for chunk in 1..64 {
            for step in 1..65 {
                for slots in [1, 2, 16] {
                    let mut send = SendBuf::new();
                    for part in input.chunks(chunk) {
                        send.push(part.to_vec());
                        send.push(Bytes::new());
                    }
                    assert_eq!(send.len(), input.len());
                    assert_eq!(
                        drain(&mut send, slots, step),
                        input,
                        "{chunk} a chunk, {step} a write, {slots} slots"
                    );
                }
            }
        }
    }

    #[test]
    fn what_was_sent_of_a_chunk_can_be_taken_from_it() {
        let input: Vec<u8> = (0..=255).collect();
        for step in [1, 3, 64, 255] {
            let mut send = SendBuf::new();
            send.push(input.clone());
            send.push(&b"x"[..]);
            let (mut taken, mut output) = (Vec::new(), Vec::new());
            while send.len() > 1 {
                let mut slices = [IoSlice::new(&[])];
                send.io_slices(&mut slices);
                let part = slices[0][..slices[0].len().min(step)].to_vec();
                send.consume(part.len());
                output.extend(part);
                assert_eq!(send.take_sent(1000), None);
                if let Some(part) = send.take_sent(100) {
                    assert!(part.len() >= 100);
                    taken.extend(part);
                    assert_eq!(send.take_sent(1), None);
                }
            }
            assert_eq!((&output, &taken[..]), (&input, &input[..taken.len()]));
            assert!(taken.len() >= 100 || step == 255, "{step}");
            assert_eq!(drain(&mut send, 2, 9), b"x");
        }
        // Not from one that has another holder.
        let shared = Bytes::from(input);
        let mut send = SendBuf::new();
        send.push(shared.clone());
        send.consume(200);
        assert_eq!(send.take_sent(1), None);
        assert_eq!(drain(&mut send, 1, 99), shared[200..]);
    }

    #[test]
    fn pushing_between_writes_keeps_the_order() {
        let mut send = SendBuf::new();
        send.push(&b"abc"[..]);
        send.consume(2);
        send.push(&b"def"[..]);
        assert_eq!((send.len(), send.prefix_used), (4, 2));
        assert_eq!(drain(&mut send, 8, 3), b"cdef");
        send.push(&b"x"[..]);
        send.clear();
        assert!(send.is_empty());
        assert_eq!(send.io_slices(&mut [IoSlice::new(&[])]), 0);
    }
}
