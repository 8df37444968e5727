//! The client's output: lines, and a bar under them on a terminal.
//!
//! Rules: a line is one write, whole, whichever thread it comes from. Results and steps go to standard output in the
//! [`Style`] chosen, errors to standard error. A bar appears only for what takes longer than [`BAR_AFTER`], is gone at
//! its end, and never mixes with lines. Control characters from servers and file names are escaped, so that they can't
//! steer the terminal. A closed output is no failure.
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::outcome::{Outcome, Style};

/// Anything shorter needs no bar.
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

/// The client's output.
pub struct Console {
    outputs: Mutex<Outputs>,
    draws: bool,
    /// Both outputs are one terminal, on which a person reads both.
    is_one: bool,
}

struct Outputs {
    lines: Box<dyn Write + Send>,
    trouble: Box<dyn Write + Send>,
    bar: Option<ProgressBar>,
    style: Style,
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
        let is_one = draws && io::stdout().is_terminal();
        Self { draws, is_one, ..Self::new(Box::new(io::stdout()), Box::new(io::stderr())) }
    }

    /// Lines to the one, trouble to the other, no bars.
    #[must_use]
    pub fn new(lines: Box<dyn Write + Send>, trouble: Box<dyn Write + Send>) -> Self {
        Self {
            outputs: Mutex::new(Outputs { lines, trouble, bar: None, style: Style::Steps }),
            draws: false,
            is_one: false,
        }
    }

    /// From now on tells like this.
    pub fn set_style(&self, style: Style) {
        self.outputs().style = style;
    }

    /// A step; told where steps are.
    pub fn line(&self, text: impl fmt::Display) {
        let mut outputs = self.outputs();
        if outputs.style == Style::Steps {
            outputs.say(&printable(&text.to_string()));
        }
    }

    pub(super) fn outcome(&self, outcome: &Outcome) {
        let mut outputs = self.outputs();
        match (outputs.style, &outcome.destination) {
            (Style::Steps, _) => outputs.say(&printable(&outcome.line)),
            (Style::Results, Some(destination)) if outcome.is_new => outputs.say(&printable(destination)),
            (Style::Json, _) => outputs.say(&outcome.json()),
            (Style::Results | Style::Nothing, _) => {}
        }
    }

    /// The summary of a run: a step; with JSON output it goes to standard error.
    pub(super) fn summary(&self, text: impl fmt::Display) {
        let style = self.outputs().style;
        match style {
            Style::Steps => self.line(text),
            Style::Json => self.notice(text),
            Style::Results | Style::Nothing => {}
        }
    }

    /// The list of what failed, at the end of a run: to standard error, unless its lines were read there already as
    /// steps on the same terminal.
    pub(super) fn failures(&self, lines: &[String]) {
        let was_read = self.is_one && self.outputs().style == Style::Steps;
        if !was_read {
            lines.iter().for_each(|line| self.notice(line));
        }
    }

    /// The picture itself, instead of lines.
    ///
    /// # Errors
    /// As write(2).
    pub(super) fn picture(&self, bytes: &[u8]) -> io::Result<()> {
        let mut outputs = self.outputs();
        outputs.lines.write_all(bytes).and_then(|()| outputs.lines.flush())
    }

    /// Trouble that does not end the run.
    pub fn notice(&self, text: impl fmt::Display) {
        let mut outputs = self.outputs();
        let Outputs { trouble, bar, .. } = &mut *outputs;
        write_line(trouble, bar.as_ref(), &printable(&text.to_string()));
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
        let is_shown = self.draws && matches!(self.outputs().style, Style::Steps | Style::Nothing);
        let shows = is_shown.then(|| show_later(&bar)).flatten();
        self.outputs().bar = shows.is_some().then(|| bar.clone());
        Bar { console: self, bar, shows }
    }

    fn outputs(&self) -> MutexGuard<'_, Outputs> {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outputs {
    fn say(&mut self, text: &str) {
        write_line(&mut self.lines, self.bar.as_ref(), text);
    }
}

/// Something in progress; over when dropped.
pub struct Bar<'a> {
    console: &'a Console,
    bar: ProgressBar,
    shows: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Bar<'_> {
    /// Sets the progress, in total.
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
            // A panic there does not matter here, and from here on it draws nothing.
            let _ = thread.join();
        }
        self.console.outputs().bar = None;
        self.bar.finish_and_clear();
    }
}

/// Shows the bar after [`BAR_AFTER`], unless the sender is dropped before. None, and no bar, without a thread.
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

fn write_line(output: &mut Box<dyn Write + Send>, bar: Option<&ProgressBar>, text: &str) {
    let line = format!("{text}\n");
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
    use std::path::Path;
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
    fn each_style_tells_what_it_is_for() {
        let made = Outcome {
            destination: Some("s/\u{1b}a.jpg".into()),
            is_new: true,
            ..Outcome::new("guardada", Path::new("a.jpg"), "imagen a.jpg")
        };
        for (style, expected) in [
            (Style::Steps, "paso\nimagen a.jpg\nfin\n"),
            (Style::Results, "s/\\u{1b}a.jpg\n"),
            (Style::Json, &(made.json() + "\n")),
            (Style::Nothing, ""),
        ] {
            let (lines, trouble) = (Shared::default(), Shared::default());
            let console = Console::new(Box::new(lines.clone()), Box::new(trouble.clone()));
            console.set_style(style);
            console.line("paso");
            console.outcome(&made);
            console.summary("fin");
            assert_eq!(*lines.0.lock().unwrap(), expected.as_bytes(), "{style:?}");
            let beside = if style == Style::Json { "fin\n" } else { "" };
            assert_eq!(*trouble.0.lock().unwrap(), beside.as_bytes(), "{style:?}");
        }
    }

    #[test]
    fn a_person_reads_a_failure_once() {
        for (is_one, style, expected) in [
            (false, Style::Steps, "a: rota\n"),
            (true, Style::Steps, ""),
            (true, Style::Results, "a: rota\n"),
            (true, Style::Json, "a: rota\n"),
        ] {
            let trouble = Shared::default();
            let console = Console { is_one, ..Console::new(Box::new(io::sink()), Box::new(trouble.clone())) };
            console.set_style(style);
            console.failures(&["a: rota".into()]);
            assert_eq!(*trouble.0.lock().unwrap(), expected.as_bytes(), "{is_one} {style:?}");
        }
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
