//! One request and its answer as bytes: incoming rows are resampled at once, and the answer is ready as far as
//! possible.
//!
//! ```text
//!  push, space --> head --> Resizer: source rows --> rows of the result --> ready --> sent
//! ```
//!
//! Rules: pure (no I/O here); all limits are checked on the head, before memory is taken; no byte behind the request
//! is consumed. It never depends on the answer's reader: unsent bytes are held, so that a client which sends all
//! before it reads is served as well. The smaller one of the two pictures is held: of a reduction the answer, of an
//! enlargement the request ([`HELD`]). A client that reads while it sends makes the child hold next to nothing.
//!
//! A caller should send nothing of an answer before [`HELD`] bytes of it are ready or the request is complete: then a
//! small request that breaks off still gets its `ERROR`, and a small answer goes out in one piece.

use crate::resize::{ResizeError, Resizer};
use crate::wire::{self, HeadBytes, Limits, RequestHead, WireError};

/// Bytes of an answer made ready before the first are sent; for an enlargement also the most that are held: more than
/// a socket takes at once.
pub const HELD: usize = 256 << 10;

/// One request, and the answer to it.
#[derive(Debug)]
pub struct Scaling {
    limits: Limits,
    phase: Phase,
    /// Bytes of the answer, and how many of them were sent.
    answer: Vec<u8>,
    sent: usize,
    /// Bytes of the answer that are not ready.
    unready: usize,
}

#[derive(Debug)]
enum Phase {
    Head(HeadBytes),
    Rows(RequestHead, Box<Resizer>),
    Broken(WireError),
}

impl Scaling {
    /// Before the first byte.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let phase = Phase::Head(HeadBytes::default());
        Self { limits, phase, answer: Vec::new(), sent: 0, unready: 0 }
    }

    /// Takes the bytes of this request and processes them; returns how many.
    ///
    /// # Errors
    /// The input breaks the protocol or a limit, or there is no memory; the same error again on every later call.
    pub fn push(&mut self, input: &[u8]) -> Result<usize, WireError> {
        let result = self.take(input);
        if let Err(error) = result {
            self.phase = Phase::Broken(error);
        }
        result
    }

    fn take(&mut self, input: &[u8]) -> Result<usize, WireError> {
        let mut taken = 0;
        match &mut self.phase {
            Phase::Head(bytes) => {
                let (count, head) = bytes.push::<RequestHead>(input, &self.limits)?;
                taken = count;
                if let Some(head) = head {
                    self.begin(head)?;
                }
            }
            Phase::Rows(..) => {}
            Phase::Broken(error) => return Err(*error),
        }
        while let Phase::Rows(_, resizer) = &mut self.phase {
            let rest = input.get(taken..).unwrap_or_default();
            let space = resizer.more_space()?;
            let count = rest.len().min(space.len());
            if count == 0 {
                break;
            }
            space[..count].copy_from_slice(&rest[..count]);
            resizer.filled(count);
            taken += count;
            self.work()?;
        }
        Ok(taken)
    }

    fn begin(&mut self, head: RequestHead) -> Result<(), WireError> {
        let (to, channels) = ((head.width, head.height), head.channels());
        let resizer = Box::new(Resizer::new(head.source(), to, channels)?);
        self.answer = wire::emit_reply_head(to.0, to.1, channels);
        self.unready = resizer.result_bytes();
        self.phase = Phase::Rows(head, resizer);
        Ok(())
    }

    /// The head, once it is complete.
    #[must_use]
    pub fn head(&self) -> Option<&RequestHead> {
        if let Phase::Rows(head, _) = &self.phase { Some(head) } else { None }
    }

    /// Buffer for samples, which avoids another copy, if any are missing; then call [`Self::filled`].
    ///
    /// # Errors
    /// [`WireError::Memory`].
    pub fn space(&mut self) -> Result<Option<&mut [u8]>, WireError> {
        match &mut self.phase {
            Phase::Rows(_, resizer) if resizer.missing() > 0 => Ok(Some(resizer.more_space()?)),
            _ => Ok(None),
        }
    }

    /// Processes so many samples, which were written to the front of [`Self::space`].
    ///
    /// # Errors
    /// [`WireError::Memory`].
    pub fn filled(&mut self, count: usize) -> Result<(), WireError> {
        if let Phase::Rows(_, resizer) = &mut self.phase {
            resizer.filled(count);
        }
        self.work()
    }

    /// All bytes of the request have come.
    #[must_use]
    pub fn is_received(&self) -> bool {
        matches!(&self.phase, Phase::Rows(_, resizer) if resizer.missing() == 0)
    }

    /// The peer has closed its side.
    ///
    /// # Errors
    /// [`WireError::Truncated`] in the middle of the request.
    pub fn finish(&self) -> Result<(), WireError> {
        let before = matches!(&self.phase, Phase::Head(bytes) if bytes.is_empty());
        if before || self.is_received() { Ok(()) } else { Err(WireError::Truncated) }
    }

    /// Bytes of the answer that are ready and not sent.
    #[must_use]
    pub fn ready(&self) -> &[u8] {
        self.answer.get(self.sent..).unwrap_or_default()
    }

    /// So many of them have been sent: continues the work.
    ///
    /// # Errors
    /// [`WireError::Memory`].
    pub fn sent(&mut self, count: usize) -> Result<(), WireError> {
        self.sent += count;
        if self.sent >= self.answer.len() {
            self.answer.clear();
            self.sent = 0;
        } else if self.sent >= self.answer.len() / 2 {
            self.answer.drain(..self.sent);
            self.sent = 0;
        }
        self.work()
    }

    /// Makes rows of the answer, as far as the received rows and the limit on held bytes allow.
    fn work(&mut self) -> Result<(), WireError> {
        let Phase::Rows(_, resizer) = &mut self.phase else { return Ok(()) };
        // While samples are missing they have to be taken, whether or not the answer is read: either the request or
        // the answer is held.
        let is_held = resizer.missing() > 0 && resizer.result_bytes() <= resizer.source_bytes();
        while (is_held || self.answer.len() - self.sent < HELD)
            && let Some(row) = resizer.next_row()
        {
            if self.answer.capacity() - self.answer.len() < row.len() {
                // Doubles up to the limit, beyond it all at once: untouched memory costs nothing.
                let more = if self.answer.len() < HELD { HELD.min(self.unready) } else { self.unready };
                self.answer.try_reserve_exact(more.max(row.len())).map_err(|_| WireError::Memory)?;
            }
            self.answer.extend_from_slice(row);
            self.unready -= row.len();
        }
        Ok(())
    }
}

impl From<ResizeError> for WireError {
    /// For a head within the limits the only error is memory.
    fn from(_: ResizeError) -> Self {
        Self::Memory
    }
}
