//! The log: one line per event, one write each. Each destination has a thread of its own.
//!
//! A reader that has stopped (a full pipe, a stopped terminal) or a disk that hangs blocks only its own thread: neither
//! the loop nor the other destination. Lines wait in a bounded queue; lines that do not fit are counted, and the count
//! is written there once there is room. A line that can't be written (a full disk, a closed pipe) is lost, and the next
//! is tried; a file that can't be reopened (SIGHUP) stays in use.
//!
//! A line has two forms with the same facts: `time - level - fd=12 de ADDRESS ID - text`, and a JSON object
//! (`--registro-json`) with the text as `mensaje` and its facts beside it. No line contains control characters or marks
//! that change the direction of writing: text from a client or from a child of the scaler can neither begin a line nor
//! move a terminal's cursor.
use std::borrow::Cow;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use jiff::Zoned;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::model::log_event::{Caller, EventKind, Level};

/// Lines that may wait for the disk or the terminal.
const WAITING_MAX: usize = 8192;
/// How long the end of the program waits for the last lines to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A handle; all of them write to one log.
#[derive(Clone)]
pub struct Log {
    level: Level,
    form: LineForm,
    /// Standard error, and the file if there is one.
    sinks: Vec<LogSink>,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineForm {
    /// Time, level, whom it is about, and the text.
    Text,
    /// One object.
    Json,
}

impl LineForm {
    /// The line, with its end.
    fn line(self, time: &Zoned, level: Level, who: &Who, text: &str, facts: Map<String, Value>) -> String {
        let text = printable(text);
        if self == Self::Text {
            return format!("{} - {level} - {who}{text}\n", time.strftime("%d-%b-%y %H:%M:%S"));
        }
        let mut members = Map::new();
        members.insert("tiempo".into(), time.strftime("%Y-%m-%dT%H:%M:%S.%3f%:z").to_string().into());
        members.insert("nivel".into(), level.to_string().into());
        if let Some(fd) = who.fd {
            members.insert("fd".into(), fd.into());
        }
        if let Some(address) = who.caller.address {
            members.insert("de".into(), address.to_string().into());
        }
        if let Some(id) = who.id {
            members.insert("id_tarea".into(), id.to_string().into());
        }
        if let Some(id) = &who.caller.request_id {
            members.insert("x_request_id".into(), (**id).into());
        }
        members.insert("mensaje".into(), text.into());
        for (name, value) in facts {
            let value = if let Value::String(text) = value { printable(&text).into() } else { value };
            members.insert(name, value);
        }
        format!("{}\n", Value::Object(members))
    }
}

/// Turns white space of any kind into spaces, and shows other characters that end a line or move a cursor by number.
fn printable(text: &str) -> Cow<'_, str> {
    let is_mark =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(|c: char| c.is_control() || is_mark(c)) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => shown.push(' '),
            c if c.is_control() || is_mark(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown.into()
}

/// A place for lines.
#[derive(Clone)]
struct LogSink {
    lines: Sender<Message>,
    lost: Arc<Lost>,
    /// The request to reopen the file found no room: it is reopened before the next line.
    stale: Arc<AtomicBool>,
}

#[derive(Default)]
struct Lost {
    untold: AtomicU64,
    ever: AtomicU64,
}

enum Message {
    Line(Arc<str>),
    /// The file was moved away: open it anew (SIGHUP).
    Reopen,
    /// Confirm when everything before this is written.
    Flush(Sender<()>),
}

impl Log {
    /// Starts the log: to stderr, and to `file` as well if there is one.
    ///
    /// # Errors
    /// The file can't be opened, or there is no thread to be had.
    pub fn start(level: Level, form: LineForm, file: Option<PathBuf>) -> io::Result<Self> {
        let mut sinks = vec![LogSink::start("log", io::stderr(), || None)?];
        if let Some(path) = file {
            let opened = open(&path)?;
            sinks.push(LogSink::start("log-file", opened, move || open(&path).ok())?);
        }
        Ok(Self { level, form, sinks })
    }

    /// Whether a line of this level would be written.
    #[must_use]
    pub fn wants(&self, level: Level) -> bool {
        level <= self.level
    }

    /// Writes one line; `who` names connection and request where there are such.
    pub fn write(&self, level: Level, who: Who, text: impl fmt::Display) {
        if self.wants(level) {
            self.put(level, &who, &text.to_string(), Map::new());
        }
    }

    /// Writes what happened on a connection.
    pub fn write_event(&self, who: Who, what: &EventKind) {
        let level = what.level();
        if self.wants(level) {
            self.put(level, &who, &what.to_string(), what.facts());
        }
    }

    fn put(&self, level: Level, who: &Who, text: &str, facts: Map<String, Value>) {
        let time = Zoned::now();
        let line: Arc<str> = self.form.line(&time, level, who, text, facts).into();
        for sink in &self.sinks {
            sink.put(&line, |untold| {
                let text = format!("{untold} líneas del registro se perdieron: nadie las leía");
                self.form.line(&time, Level::Warning, &Who::default(), &text, Map::new())
            });
        }
    }

    /// Lines that could not be kept, from the start.
    #[must_use]
    pub fn lines_lost(&self) -> u64 {
        self.sinks.iter().map(|sink| sink.lost.ever.load(Relaxed)).sum()
    }

    /// Opens the file anew.
    pub fn reopen(&self) {
        for sink in &self.sinks {
            if sink.lines.try_send(Message::Reopen).is_err() {
                sink.stale.store(true, Relaxed);
            }
        }
    }

    /// Waits until the lines so far are written, for a bounded time.
    pub fn flush(&self) {
        let (done, written) = bounded(self.sinks.len());
        let give_up_at = Instant::now() + LAST_WORDS;
        for sink in &self.sinks {
            let _ = sink.lines.send_deadline(Message::Flush(done.clone()), give_up_at);
        }
        // A sink that was not told is not waited for: its sender is gone with the message.
        drop(done);
        while written.recv_deadline(give_up_at).is_ok() {}
    }
}

impl LogSink {
    /// A thread that writes to `place`; `renew` gives it another place when it is asked to.
    fn start<W: Write + Send + 'static>(
        name: &str,
        place: W,
        renew: impl Fn() -> Option<W> + Send + 'static,
    ) -> io::Result<Self> {
        let (lines, inbox) = bounded(WAITING_MAX);
        let stale: Arc<AtomicBool> = Arc::default();
        let told = Arc::clone(&stale);
        std::thread::Builder::new()
            .name(name.into())
            .spawn(move || write_all(&inbox, &told, place, renew))?;
        Ok(Self { lines, lost: Arc::default(), stale })
    }

    /// `tell` makes the line about those that were lost.
    fn put(&self, line: &Arc<str>, tell: impl Fn(u64) -> String) {
        let untold = self.lost.untold.swap(0, Relaxed);
        if untold > 0 && !self.send(tell(untold).into()) {
            self.lost.untold.fetch_add(untold, Relaxed);
        }
        if !self.send(Arc::clone(line)) {
            self.lost.untold.fetch_add(1, Relaxed);
            self.lost.ever.fetch_add(1, Relaxed);
        }
    }

    fn send(&self, line: Arc<str>) -> bool {
        !matches!(self.lines.try_send(Message::Line(line)), Err(TrySendError::Full(_)))
    }
}

/// Whom a line is about.
#[derive(Clone, Debug, Default)]
pub struct Who {
    /// The connection's file descriptor.
    pub fd: Option<i32>,
    /// The request's id.
    pub id: Option<Uuid>,
    /// The client.
    pub caller: Caller,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(fd) = self.fd {
            write!(f, "fd={fd} ")?;
        }
        if let Some(address) = self.caller.address {
            write!(f, "de {address} ")?;
        }
        match self.id {
            Some(id) => write!(f, "{} ", id.as_hyphenated())?,
            None if self.fd.is_some() => write!(f, "- ")?,
            None => return Ok(()),
        }
        if let Some(id) = &self.caller.request_id {
            write!(f, "{id} ")?;
        }
        write!(f, "- ")
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn write_all<W: Write>(
    inbox: &Receiver<Message>,
    stale: &AtomicBool,
    mut place: W,
    renew: impl Fn() -> Option<W>,
) {
    for message in inbox {
        if stale.swap(false, Relaxed) {
            place = renew().unwrap_or(place);
        }
        match message {
            // A log that can't be written has nowhere to complain.
            Message::Line(line) => drop(place.write_all(line.as_bytes())),
            Message::Reopen => place = renew().unwrap_or(place),
            Message::Flush(done) => drop(done.send(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::unbounded;

    #[test]
    fn lines_have_time_level_connection_and_request() {
        let dir = std::env::temp_dir().join(format!("tp2-log-{}", Uuid::new_v4()));
        std::fs::create_dir(&dir).unwrap();
        let path = dir.join("registro.txt");
        let log = Log::start(Level::Info, LineForm::Text, Some(path.clone())).unwrap();
        let id = Uuid::from_u128(1);
        let caller = Caller { address: "192.0.2.7".parse().ok(), request_id: Some("r-1".into()) };
        log.write(Level::Info, Who { fd: Some(12), id: Some(id), caller }, "POST / 200\nfalso");
        log.write(Level::Debug, Who::default(), "no se ve");
        log.flush();
        let text = std::fs::read_to_string(&path).unwrap();
        let (time, rest) = text.split_at(18);
        assert_eq!(rest, format!(" - INFO - fd=12 de 192.0.2.7 {id} r-1 - POST / 200 falso\n"));
        assert_eq!(time.bytes().filter(|&byte| byte == b'-').count(), 2, "{time}");

        std::fs::rename(&path, dir.join("viejo.txt")).unwrap();
        log.reopen();
        log.write(Level::Error, Who::default(), "después");
        log.flush();
        assert!(std::fs::read_to_string(&path).unwrap().ends_with(" - ERROR - después\n"));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    fn line_of(form: LineForm, who: &Who, text: &str, facts: Map<String, Value>) -> String {
        form.line(&Zoned::now(), Level::Warning, who, text, facts)
    }

    #[test]
    fn what_is_said_can_neither_begin_a_line_nor_move_a_cursor() {
        let hostile = "uno\r\n01-Jan-26 00:00:00 - ERROR - falso\t\x1b[2J\x7f\u{9b}31m\u{202e}fin\u{2028}\0";
        let shown =
            "uno  01-Jan-26 00:00:00 - ERROR - falso \\u{1b}[2J\\u{7f}\\u{9b}31m\\u{202e}fin\\u{2028}\\u{0}";
        let text = line_of(LineForm::Text, &Who::default(), hostile, Map::new());
        assert!(text.ends_with(&format!(" - WARNING - {shown}\n")), "{text:?}");
        let facts: Map<String, Value> = [("motivo".to_owned(), hostile.into())].into_iter().collect();
        let line = line_of(LineForm::Json, &Who::default(), hostile, facts);
        assert!(line.ends_with("}\n") && !line.trim_end_matches('\n').contains(char::is_control), "{line:?}");
        let object: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((object["mensaje"].as_str(), object["motivo"].as_str()), (Some(shown), Some(shown)));
    }

    #[test]
    fn every_event_has_both_forms_with_the_same_facts() {
        let id = Uuid::from_u128(1);
        let caller = Caller { address: "2001:db8::7".parse().ok(), request_id: Some("r-1".into()) };
        let who = Who { fd: Some(12), id: Some(id), caller };
        for what in crate::model::log_event::tests::one_of_each() {
            let text = line_of(LineForm::Text, &who, &what.to_string(), what.facts());
            let line = line_of(LineForm::Json, &who, &what.to_string(), what.facts());
            let object: Value = serde_json::from_str(&line).unwrap();
            let told = format!(" - WARNING - fd=12 de 2001:db8::7 {id} r-1 - {what}\n");
            assert!(text.contains(&told), "{text}");
            assert_eq!(line.matches('\n').count(), 1);
            for (name, value) in [
                ("nivel", Value::from("WARNING")),
                ("fd", 12.into()),
                ("de", "2001:db8::7".into()),
                ("id_tarea", id.to_string().into()),
                ("x_request_id", "r-1".into()),
                ("mensaje", what.to_string().into()),
            ] {
                assert_eq!(object[name], value, "{line}");
            }
            let time = object["tiempo"].as_str().unwrap();
            assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
            // What the text tells in words, the object has as members of their own.
            assert!(object["evento"].is_string(), "{line}");
            for (name, fact) in what.facts() {
                assert_eq!(object[&name], fact, "{name}");
                let told = match &fact {
                    Value::Number(number) => text.contains(&number.to_string()),
                    Value::String(words) if name != "evento" && name != "ruta" => {
                        text.contains(words.as_str())
                    }
                    _ => true,
                };
                assert!(told, "{name} {fact} in {text}");
            }
        }
    }

    /// A place that takes a line when the test lets it.
    struct Gated(Receiver<()>, Sender<String>);

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other)?;
            self.1.send(String::from_utf8(bytes.to_vec()).unwrap()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_place_that_takes_nothing_holds_up_nobody_and_is_told_what_it_missed() {
        let (let_go, admission) = bounded(3 * WAITING_MAX);
        let (shown, seen) = bounded(3 * WAITING_MAX);
        let (free, all_seen) = bounded(3 * WAITING_MAX);
        let (open, open_gate) = bounded(3 * WAITING_MAX);
        let sinks = vec![
            LogSink::start("stuck", Gated(admission, shown), || None).unwrap(),
            LogSink::start("free", Gated(open_gate, free), || None).unwrap(),
        ];
        let log = Log { level: Level::Info, form: LineForm::Text, sinks };
        let lines = WAITING_MAX + 10;
        for number in 0..lines {
            open.send(()).unwrap();
            log.write(Level::Info, Who::default(), number);
            // The other place has each line although this one has none.
            assert!(all_seen.recv().unwrap().ends_with(&format!(" - {number}\n")));
        }
        let lost = log.lines_lost();
        assert!((9..=10).contains(&lost), "{lost}: one may be in the thread's hands");
        let began_at = Instant::now();
        log.flush();
        assert!(began_at.elapsed() < 2 * LAST_WORDS);
        for _ in 0..2 * WAITING_MAX {
            let_go.send(()).unwrap();
        }
        for number in 0..lines - usize::try_from(lost).unwrap() {
            assert!(seen.recv().unwrap().ends_with(&format!(" - {number}\n")));
        }
        open.send(()).unwrap();
        log.write(Level::Info, Who::default(), "después");
        assert!(
            seen.recv().unwrap().contains(&format!(" - WARNING - {lost} líneas del registro se perdieron"))
        );
        assert!(seen.recv().unwrap().ends_with(" - después\n"));
    }

    /// With a name before what it shows.
    struct Named(&'static str, Gated, Sender<()>);

    impl Write for Named {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.2.send(()).map_err(io::Error::other)?;
            self.1.write(&[self.0.as_bytes(), b" ", bytes].concat()).map(|_| bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_place_that_was_moved_away_while_it_took_nothing_is_opened_anew() {
        let ((let_go, admission), (shown, seen), (begin, begun)) = (unbounded(), unbounded(), unbounded());
        let (old, new) =
            (Named("old", Gated(admission.clone(), shown.clone()), begin.clone()), (admission, shown, begin));
        let sink = LogSink::start("moved", old, move || {
            let (admission, shown, begin) = new.clone();
            Some(Named("new", Gated(admission, shown), begin))
        });
        let log = Log { level: Level::Info, form: LineForm::Text, sinks: vec![sink.unwrap()] };
        log.write(Level::Info, Who::default(), 0);
        // From now on nothing leaves the queue.
        begun.recv().unwrap();
        for number in 1..WAITING_MAX + 2 {
            log.write(Level::Info, Who::default(), number);
        }
        log.reopen();
        for _ in 0..3 {
            let_go.send(()).unwrap();
        }
        let shown: Vec<String> = (0..3).map(|_| seen.recv().unwrap()).collect();
        assert!(shown[2].starts_with("new ") && shown[2].ends_with(" - 2\n"), "{shown:?}");
    }

    #[test]
    fn a_line_that_can_not_be_written_is_lost_alone() {
        let (full, small) = (File::create("/dev/full").unwrap(), std::env::temp_dir());
        let path = small.join(format!("tp2-log-{}", Uuid::new_v4()));
        let renewed = path.clone();
        let sink = LogSink::start("full", full, move || super::open(&renewed).ok()).unwrap();
        let log = Log { level: Level::Info, form: LineForm::Text, sinks: vec![sink] };
        log.write(Level::Info, Who::default(), "se pierde");
        log.reopen();
        log.write(Level::Info, Who::default(), "queda");
        log.flush();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with(" - queda\n") && text.lines().count() == 1, "{text}");
        std::fs::remove_file(&path).unwrap();
    }
}
