//! What the user sees: lines, and a bar under them where there is a terminal.
//!
//! Rules: a line is one write, whole, whichever thread it comes from. Results and steps go to standard output, trouble to
//! standard error. A bar appears only when something takes longer than [`BAR_AFTER`], is gone when it ends, and never
//! mixes with lines. Nothing that a server or a file name says can steer the terminal: control characters are shown
//! escaped. A reader that has gone away is no failure.
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// What is over sooner needs no bar.
const BAR_AFTER: Duration = Duration::from_secs(1);
/// How often a bar moves by itself.
const TICK: Duration = Duration::from_millis(200);

/// What a bar counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of one picture.
    Bytes,
    /// Pictures of a folder.
    Pictures,
    /// Nothing: time passes.
    Waiting,
}

impl Unit {
    const fn template(self) -> &'static str {
        match self {
            Self::Bytes => "[{bar:30}] {bytes} de {total_bytes}, {bytes_per_sec}, faltan {eta}",
            Self::Pictures => "[{bar:30}] {pos} de {len} imágenes, {rate}/s, faltan {eta}",
            Self::Waiting => "{spinner} {elapsed}",
        }
    }
}

/// Where the user is told.
pub struct Console {
    outputs: Mutex<Outputs>,
    /// Whether bars are drawn at all.
    draws: bool,
}

struct Outputs {
    lines: Box<dyn Write + Send>,
    trouble: Box<dyn Write + Send>,
    bar: Option<ProgressBar>,
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").field("draws", &self.draws).finish_non_exhaustive()
    }
}

impl Console {
    /// Standard output and standard error; bars if that is a terminal.
    #[must_use]
    pub fn standard() -> Self {
        let draws = io::stderr().is_terminal();
        Self { draws, ..Self::new(Box::new(io::stdout()), Box::new(io::stderr())) }
    }

    /// Lines to the one, trouble to the other, no bars.
    #[must_use]
    pub fn new(lines: Box<dyn Write + Send>, trouble: Box<dyn Write + Send>) -> Self {
        Self { outputs: Mutex::new(Outputs { lines, trouble, bar: None }), draws: false }
    }

    /// A step, or a result.
    pub fn line(&self, text: impl fmt::Display) {
        let mut outputs = self.outputs();
        let Outputs { lines, bar, .. } = &mut *outputs;
        write_line(lines, bar.as_ref(), &text);
    }

    /// Trouble that does not end the run.
    pub fn notice(&self, text: impl fmt::Display) {
        let mut outputs = self.outputs();
        let Outputs { trouble, bar, .. } = &mut *outputs;
        write_line(trouble, bar.as_ref(), &text);
    }

    /// What ends the run.
    pub fn complain(&self, text: impl fmt::Display) {
        self.notice(format_args!("tp2-cliente: {text}"));
    }

    /// Begins something that takes its time: `length` units of it.
    #[must_use]
    pub fn begin(&self, unit: Unit, length: u64) -> Bar<'_> {
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(unit.template()) {
            let rate = |state: &ProgressState, text: &mut dyn fmt::Write| {
                // What can't be written is not shown.
                let _ = write!(text, "{:.1}", state.per_sec());
            };
            bar.set_style(style.progress_chars("=> ").with_key("rate", rate));
        }
        let shows = self.draws.then(|| show_later(&bar)).flatten();
        self.outputs().bar = shows.is_some().then(|| bar.clone());
        Bar { console: self, bar, shows }
    }

    fn outputs(&self) -> MutexGuard<'_, Outputs> {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something in progress; over when dropped.
pub struct Bar<'a> {
    console: &'a Console,
    bar: ProgressBar,
    shows: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Bar<'_> {
    /// So much is done altogether.
    pub fn set(&self, position: u64) {
        self.bar.set_position(position);
    }

    /// One more is done.
    pub fn advance(&self) {
        self.bar.inc(1);
    }
}

impl Drop for Bar<'_> {
    fn drop(&mut self) {
        if let Some((waiting, thread)) = self.shows.take() {
            drop(waiting);
            // It can't have panicked in a way that concerns us, and from here on it draws nothing.
            let _ = thread.join();
        }
        self.console.outputs().bar = None;
        self.bar.finish_and_clear();
    }
}

/// Shows the bar after [`BAR_AFTER`], unless the sender is dropped before. None if no thread is to be had: then there
/// is no bar.
fn show_later(bar: &ProgressBar) -> Option<(Sender<()>, JoinHandle<()>)> {
    let (sender, receiver) = channel();
    let bar = bar.clone();
    let wait = move || {
        if receiver.recv_timeout(BAR_AFTER) == Err(RecvTimeoutError::Timeout) {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar.enable_steady_tick(TICK);
        }
    };
    let thread = std::thread::Builder::new().name("barra".into()).spawn(wait).ok()?;
    Some((sender, thread))
}

fn write_line(output: &mut Box<dyn Write + Send>, bar: Option<&ProgressBar>, text: &dyn fmt::Display) {
    let line = printable(&text.to_string()) + "\n";
    let mut write = || {
        let _ = output.write_all(line.as_bytes()).and_then(|()| output.flush());
    };
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// The same text without control characters: `\n` for a line feed, `\u{1b}` for an escape.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            printable.extend(c.escape_default());
        } else {
            printable.push(c);
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_and_trouble_go_their_own_ways_and_steer_nothing() {
        let (lines, trouble) = (Shared::default(), Shared::default());
        let console = Console::new(Box::new(lines.clone()), Box::new(trouble.clone()));
        console.line("imagen ñandú\u{1b}[2J\n.jpg insertada");
        console.complain("se acabó");
        assert_eq!(*lines.0.lock().unwrap(), "imagen ñandú\\u{1b}[2J\\n.jpg insertada\n".as_bytes());
        assert_eq!(*trouble.0.lock().unwrap(), "tp2-cliente: se acabó\n".as_bytes());
    }

    #[test]
    fn every_template_is_one() {
        for unit in [Unit::Bytes, Unit::Pictures, Unit::Waiting] {
            assert!(ProgressStyle::with_template(unit.template()).is_ok(), "{unit:?}");
        }
    }

    #[test]
    fn a_bar_ends_with_what_it_stands_for() {
        let console = Console { draws: true, ..Console::new(Box::new(io::sink()), Box::new(io::sink())) };
        let bar = console.begin(Unit::Pictures, 2);
        assert!(console.outputs().bar.is_some());
        console.line("entre tanto");
        bar.advance();
        drop(bar);
        assert!(console.outputs().bar.is_none());
    }
}
