//! The client as a process, with a directory of its own.
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::common::processes::Directory;
use tp2::client::{self, Asker, Console, Context, RetryPolicy, Saver};

/// A directory in which clients run, with a picture in it.
pub(crate) struct Place {
    pub(crate) directory: Directory,
}

#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) lines: String,
    pub(crate) trouble: String,
}

/// The bytes of the picture in every [`Place`].
pub(crate) const PICTURE: &[u8] = b"P5\n1 1\n255\n\x80";

/// Eight tries in a few milliseconds.
const QUICK: RetryPolicy = RetryPolicy {
    tries_max: 8,
    time_max: Duration::from_secs(60),
    first_wait: Duration::from_millis(1),
    wait_max: Duration::from_millis(4),
};

/// Collects what was written.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

/// The client, without this process's environment variables for it.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tp2-cliente"));
    command.env_remove("TP2_CLAVE_ARCHIVO");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = Directory::new();
        std::fs::write(directory.0.join("foto.pgm"), PICTURE).unwrap();
        Self { directory }
    }

    pub(crate) fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.directory.0.join(name.as_ref())
    }

    /// The client here, at a server on this port of 127.0.0.1.
    pub(crate) fn command(&self, port: u16, arguments: &[&str]) -> Command {
        let mut command = program();
        command.current_dir(&self.directory.0);
        command.args(["-i", "127.0.0.1", "-p", &port.to_string()]).args(arguments);
        command
    }

    pub(crate) fn run(&self, port: u16, arguments: &[&str]) -> Ended {
        Ended::of(&self.command(port, arguments).output().unwrap())
    }

    /// Runs it within this process, with `file` here, so that its tries end in milliseconds.
    pub(crate) fn run_quickly(&self, port: u16, file: &str, arguments: &[&str]) -> Ended {
        let (port, file) = (port.to_string(), self.text(file));
        let given = [&["-i", "127.0.0.1", "-p", &port, "-f", &file], arguments].concat();
        let Ok(client::ClientCommand::Send(options)) = client::parse(given.iter().map(Into::into)) else {
            panic!("{given:?}")
        };
        let (lines, trouble) = (Written::default(), Written::default());
        let console = Console::new(Box::new(lines.clone()), Box::new(trouble.clone()));
        let context = Context { console: &console, saver: &Saver::default(), retry_policy: QUICK };
        let mut asker = Asker { input: io::empty(), output: io::sink(), person: false };
        let ending = client::run(&options, &mut asker, &context);
        let text = |written: Written| String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        Ended { code: Some(ending as i32), lines: text(lines), trouble: text(trouble) }
    }

    /// The path of a file here, as an argument.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).into_os_string().into_string().unwrap()
    }

    /// Runs it with these arguments alone and this standard input.
    pub(crate) fn answer(&self, arguments: &[&str], input: &str) -> Ended {
        let mut command = program();
        command.current_dir(&self.directory.0).args(arguments).stdin(Stdio::piped());
        let mut child: Child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Ended::of(&child.wait_with_output().unwrap())
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Ended {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code(), lines: text(&output.stdout), trouble: text(&output.stderr) }
    }

    /// Asserts the exit code; prints the output if it differs.
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.lines, self.trouble);
        self
    }

    /// The last line of its standard output.
    pub(crate) fn last_line(&self) -> &str {
        self.lines.lines().last().unwrap_or_default()
    }
}
