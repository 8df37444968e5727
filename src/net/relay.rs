//! Relays the scaler's standard error to the log, line by line.
//!
//! The loop reads the pipe without blocking. A line longer than [`LINE_MAX`] is cut; invalid UTF-8 is shown with
//! replacement characters.
use std::io::{ErrorKind, Read};
use std::process::ChildStderr;

use mio::unix::pipe::Receiver;
use mio::{Interest, Registry};

use crate::work::source::Source;

/// Longest line that is kept together, in bytes.
const LINE_MAX: usize = 4096;

/// The reading end of the pipe.
#[derive(Debug)]
pub struct Relay {
    pipe: Receiver,
    line: Vec<u8>,
}

impl Relay {
    /// Takes the pipe and registers it.
    ///
    /// # Errors
    /// fcntl or epoll refuse.
    pub fn new(stderr: ChildStderr, registry: &Registry) -> std::io::Result<Self> {
        let mut pipe = Receiver::from(stderr);
        pipe.set_nonblocking(true)?;
        registry.register(&mut pipe, Source::ScalerLog.token(), Interest::READABLE)?;
        Ok(Self { pipe, line: Vec::new() })
    }

    /// Reads what is there and reports each complete line. At the end of the pipe an incomplete line counts too.
    pub fn read(&mut self, scratch: &mut [u8], mut tell: impl FnMut(&str)) {
        loop {
            match self.pipe.read(scratch) {
                Ok(0) => return self.end_line(&mut tell),
                Ok(n) => {
                    for &byte in &scratch[..n] {
                        if byte == b'\n' || self.line.len() == LINE_MAX {
                            self.end_line(&mut tell);
                        }
                        if byte != b'\n' {
                            self.line.push(byte);
                        }
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    fn end_line(&mut self, tell: &mut impl FnMut(&str)) {
        if !self.line.is_empty() {
            tell(&String::from_utf8_lossy(&std::mem::take(&mut self.line)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    #[test]
    fn lines_come_whole() {
        let script = "printf 'uno\\nd' >&2; sleep 0.05; printf 'os\\n\\n' >&2; printf tres >&2";
        let mut child = Command::new("sh").args(["-c", script]).stderr(Stdio::piped()).spawn().unwrap();
        let mut poll = mio::Poll::new().unwrap();
        let mut relay = Relay::new(child.stderr.take().unwrap(), poll.registry()).unwrap();
        let mut events = mio::Events::with_capacity(4);
        let (mut lines, mut scratch) = (Vec::new(), [0; 3]);
        let give_up_at = Instant::now() + Duration::from_secs(20);
        while lines.len() < 3 && Instant::now() < give_up_at {
            poll.poll(&mut events, Some(Duration::from_millis(50))).unwrap();
            relay.read(&mut scratch, |line| lines.push(line.to_owned()));
        }
        assert_eq!(lines, ["uno", "dos", "tres"]);
        child.wait().unwrap();
    }
}
