//! The scaler's log: one line per event, one write(2) per line; writing never blocks on a slow reader.
//!
//! Normal events go to standard output, as the first server of this kind printed them; errors go to standard error,
//! after the program's name. Children have no file and no terminal: they write to a pipe that is their descriptor 2,
//! and the parent relays it. There a leading [`NEWS`] marks a normal event; any other line (a panic, an abort's last
//! words) is an error.
//!
//! A line that its reader has no room for is dropped and counted: a full pipe must not stop the server.

use std::borrow::Cow;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::exit_stats::Cause;
use crate::sys;
use crate::words::InWords;

/// First byte of a child's line about a normal event.
pub const NEWS: u8 = b'+';
/// Longest line, its end included: what a pipe takes atomically (`PIPE_BUF`).
const LINE_MAX: usize = 4096;

/// Writes the parent's lines.
#[derive(Debug)]
pub struct Log {
    quiet: bool,
    dropped: u64,
}

impl Log {
    /// `quiet`: only errors.
    #[must_use]
    pub const fn new(quiet: bool) -> Self {
        Self { quiet, dropped: 0 }
    }

    /// Logs a normal event.
    pub fn info(&mut self, text: &str) {
        if !self.quiet {
            self.put(sys::OUTPUT, text);
        }
    }

    /// Logs an error.
    pub fn error(&mut self, text: &str) {
        self.put(sys::DIAGNOSTICS, &format!("tp2-scaler: {text}"));
    }

    /// A line for the owner's counters, not for readers.
    pub fn count(&mut self, cause: Cause) {
        self.put(sys::DIAGNOSTICS, &cause.line());
    }

    fn put(&mut self, sink: impl AsFd, text: &str) {
        if self.dropped > 0 {
            let notice = format!("tp2-scaler: {} líneas perdidas\n", self.dropped);
            if sys::send_to_sink(&sink, notice.as_bytes()) {
                self.dropped = 0;
            }
        }
        if !sys::send_to_sink(sink, &line(text)) {
            self.dropped += 1;
        }
    }
}

/// One line of at most [`LINE_MAX`] bytes without control characters.
fn line(text: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        text.bytes().map(|byte| if byte < b' ' || byte == 0x7f { b' ' } else { byte }).collect();
    bytes.truncate(LINE_MAX - 1);
    bytes.push(b'\n');
    bytes
}

/// A child's line about a normal event, to its descriptor 2.
pub fn child_news(text: &str) {
    let mut bytes = line(text);
    bytes.insert(0, NEWS);
    bytes.truncate(LINE_MAX);
    child_write(&bytes);
}

/// A child's line about an error, to its descriptor 2.
pub fn child_error(text: &str) {
    child_write(&line(text));
}

/// A failed write is ignored: the child has no other place to report it.
fn child_write(bytes: &[u8]) {
    let _ = sys::write(sys::DIAGNOSTICS, bytes);
}

/// The parent's end of the children's pipe.
#[derive(Debug)]
pub struct Relay {
    source: OwnedFd,
    /// The beginning of a line whose end has not been read. Invariant: shorter than [`LINE_MAX`].
    partial: Vec<u8>,
}

impl Relay {
    /// `source` must not block.
    #[must_use]
    pub const fn new(source: OwnedFd) -> Self {
        Self { source, partial: Vec::new() }
    }

    /// Relays what has come, at most 64 KiB: a child that floods the pipe does not delay the others.
    pub fn pass_on(&mut self, log: &mut Log) {
        let mut buffer = [0; 64 << 10];
        let count = match sys::read(&self.source, &mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => {
                return log.error(&format!("No se puede leer el registro de los hijos: {}", InWords(&error)));
            }
        };
        self.partial.extend_from_slice(&buffer[..count]);
        let gathered = std::mem::take(&mut self.partial);
        for line in gathered.split_inclusive(|&byte| byte == b'\n') {
            match line {
                [line @ .., b'\n'] => show(line, log),
                rest if rest.len() < LINE_MAX => self.partial = rest.to_vec(),
                rest => show(rest, log),
            }
        }
    }
}

impl AsFd for Relay {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.source.as_fd()
    }
}

fn show(line: &[u8], log: &mut Log) {
    match line {
        [NEWS, line @ ..] => log.info(&String::from_utf8_lossy(line)),
        line => log.error(&in_spanish(&String::from_utf8_lossy(line))),
    }
}

/// Translates the one line that a child's runtime writes itself, before it aborts.
fn in_spanish(line: &str) -> Cow<'_, str> {
    let bytes =
        line.strip_prefix("memory allocation of ").and_then(|rest| rest.strip_suffix(" bytes failed"));
    bytes.map_or(line.into(), |bytes| format!("no queda memoria para {bytes} bytes").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_within_the_bound() {
        assert_eq!(line("a\nb\x1b[2J\té"), "a b [2J é\n".as_bytes());
        assert_eq!(line(&"x".repeat(2 * LINE_MAX)).len(), LINE_MAX);
    }

    #[test]
    fn an_abort_for_want_of_memory_is_told_in_spanish() {
        assert_eq!(in_spanish("memory allocation of 77 bytes failed"), "no queda memoria para 77 bytes");
        assert_eq!(in_spanish("pánico en x: memory allocation of"), "pánico en x: memory allocation of");
    }

    #[test]
    fn lines_that_arrive_in_pieces_are_put_together() {
        let (read_end, write_end) = sys::pipe().unwrap();
        let mut relay = Relay::new(read_end);
        let mut log = Log::new(true);
        sys::write_all(&write_end, b"+uno\n+do").unwrap();
        relay.pass_on(&mut log);
        assert_eq!(relay.partial, b"+do");
        sys::write_all(&write_end, b"s\n").unwrap();
        relay.pass_on(&mut log);
        assert_eq!(relay.partial, b"");
        relay.pass_on(&mut log);
        sys::write_all(&write_end, &[b'+'; LINE_MAX]).unwrap();
        relay.pass_on(&mut log);
        assert_eq!(relay.partial, b"", "no line is kept beyond the bound");
    }
}
