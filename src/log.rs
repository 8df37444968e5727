//! The log: one line per event, one write each, by a thread of its own.
//!
//! A reader that has stopped reading (a full pipe, a stopped terminal) blocks that thread and nothing else: lines
//! wait in a bounded queue, and what does not fit is counted and reported once there is room again.
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use uuid::Uuid;

use crate::exchange::event::Level;

/// Lines that may wait for the disk or the terminal.
const WAITING_MAX: usize = 8192;
/// How long the end of the program waits for the last lines.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A handle; all of them write to one log.
#[derive(Clone)]
pub struct Log {
    level: Level,
    lines: Sender<Message>,
    lost: Arc<AtomicU64>,
}

enum Message {
    Line(String),
    /// The file was moved away: open it anew (SIGHUP).
    Reopen,
    /// Everything before this is written: say so.
    Flush(Sender<()>),
}

impl Log {
    /// Starts the log: to stderr, and to `file` as well if there is one.
    ///
    /// # Errors
    /// The file can't be opened, or there is no thread to be had.
    pub fn start(level: Level, file: Option<PathBuf>) -> io::Result<Self> {
        let opened = file.as_deref().map(open).transpose()?;
        let (lines, inbox) = bounded(WAITING_MAX);
        std::thread::Builder::new()
            .name("log".into())
            .spawn(move || write_all(&inbox, file.as_deref(), opened))?;
        Ok(Self { level, lines, lost: Arc::default() })
    }

    /// Whether a line of this level would be written.
    #[must_use]
    pub fn wants(&self, level: Level) -> bool {
        level <= self.level
    }

    /// Writes one line; `who` names connection and request where there are such.
    pub fn write(&self, level: Level, who: Who, text: impl fmt::Display) {
        if !self.wants(level) {
            return;
        }
        let time = jiff::Zoned::now().strftime("%d-%b-%y %H:%M:%S").to_string();
        let lost = self.lost.swap(0, Relaxed);
        if lost > 0 {
            let text = format!("{lost} líneas del registro se perdieron: nadie las leía");
            self.send(format!("{time} - {} - {text}\n", Level::Warning));
        }
        let text = text.to_string().replace(['\n', '\r'], " ");
        self.send(format!("{time} - {level} - {who}{text}\n"));
    }

    /// Opens the file anew.
    pub fn reopen(&self) {
        let _ = self.lines.try_send(Message::Reopen);
    }

    /// Waits until what was written is out, but not for ever.
    pub fn flush(&self) {
        let (done, wait) = bounded(1);
        if self.lines.send_timeout(Message::Flush(done), LAST_WORDS).is_ok() {
            let _ = wait.recv_timeout(LAST_WORDS);
        }
    }

    fn send(&self, line: String) {
        if let Err(TrySendError::Full(_)) = self.lines.try_send(Message::Line(line)) {
            self.lost.fetch_add(1, Relaxed);
        }
    }
}

/// Whom a line is about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Who {
    /// The connection's file descriptor.
    pub fd: Option<i32>,
    /// The request's id.
    pub id: Option<Uuid>,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.fd, self.id) {
            (Some(fd), Some(id)) => write!(f, "fd={fd} {} - ", id.as_hyphenated()),
            (Some(fd), None) => write!(f, "fd={fd} - - "),
            (None, Some(id)) => write!(f, "{} - ", id.as_hyphenated()),
            (None, None) => Ok(()),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn write_all(inbox: &Receiver<Message>, path: Option<&Path>, mut file: Option<File>) {
    for message in inbox {
        match message {
            // A log that can't be written has nowhere to complain.
            Message::Line(line) => {
                let _ = io::stderr().write_all(line.as_bytes());
                if let Some(file) = &mut file {
                    let _ = file.write_all(line.as_bytes());
                }
            }
            Message::Reopen => {
                if let Some(Ok(opened)) = path.map(open) {
                    file = Some(opened);
                }
            }
            Message::Flush(done) => {
                let _ = done.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_time_level_connection_and_request() {
        let dir = std::env::temp_dir().join(format!("tp2-log-{}", Uuid::new_v4()));
        std::fs::create_dir(&dir).unwrap();
        let path = dir.join("registro.txt");
        let log = Log::start(Level::Info, Some(path.clone())).unwrap();
        let id = Uuid::from_u128(1);
        log.write(Level::Info, Who { fd: Some(12), id: Some(id) }, "POST / 200\nfalso");
        log.write(Level::Debug, Who::default(), "no se ve");
        log.flush();
        let text = std::fs::read_to_string(&path).unwrap();
        let (time, rest) = text.split_at(18);
        assert_eq!(rest, format!(" - INFO - fd=12 {id} - POST / 200 falso\n"));
        assert_eq!(time.bytes().filter(|&byte| byte == b'-').count(), 2, "{time}");

        std::fs::rename(&path, dir.join("viejo.txt")).unwrap();
        log.reopen();
        log.write(Level::Error, Who::default(), "después");
        log.flush();
        assert!(std::fs::read_to_string(&path).unwrap().ends_with(" - ERROR - después\n"));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
