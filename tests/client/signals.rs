//! Interruption: the exit code is 128 plus the signal's number, and no partial file is left.
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use super::common::processes::{is_alive, signal};
use super::fake::Fake;
use super::run::{Place, program};
use scaler::sys::{SIGINT, SIGTERM};

fn silent() -> Fake {
    Fake::start(|_, _| {
        loop {
            std::thread::park();
        }
    })
}

/// The same command with the default SIGINT: a test run in the background ignores it, and so would the processes that
/// it starts.
pub(crate) fn interruptible(command: &Command) -> Command {
    let mut with = Command::new("env");
    with.arg("--default-signal=INT").arg(command.get_program()).args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        with.current_dir(directory);
    }
    with.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    with
}

/// Starts it, and waits until it waits for the answer.
fn waiting(mut command: Command) -> Child {
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "Imagen enviada, esperando respuesta del servidor..."));
    child
}

#[test]
fn an_interrupted_client_says_so_and_leaves_nothing() {
    let fake = silent();
    for (number, code) in [(SIGINT, 130), (SIGTERM, 143)] {
        let place = Place::new();
        let mut child = waiting(interruptible(&place.command(fake.port, &["-f", "foto.pgm"])));
        signal(child.id(), number);
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert_eq!(place.directory.names(), ["foto.pgm"]);
    }
}

#[test]
fn a_question_can_be_interrupted() {
    let mut child = interruptible(&program()).stdin(Stdio::piped()).spawn().unwrap();
    let mut asked = [0; "Ingrese la IP del servidor: ".len()];
    child.stdout.as_mut().unwrap().read_exact(&mut asked).unwrap();
    // The answers are still open: their end would also stop the client.
    let _answers = child.stdin.take();
    signal(child.id(), SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let fake = silent();
    let place = Place::new();
    let script = format!("trap '' INT; exec {} \"$@\"", env!("CARGO_BIN_EXE_tp2-cliente"));
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh", "-i", "127.0.0.1", "-p", &fake.port.to_string(), "-f", "foto.pgm"]);
    command.current_dir(&place.directory.0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = waiting(command);
    signal(child.id(), SIGINT);
    signal(child.id(), SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(!is_alive(child.id()));
}
