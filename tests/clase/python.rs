//! Starts Python programs, if the machine can.
use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

use super::common::server::Process;
use super::common::tools;

pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Whether there is Python with Pillow; if not, prints that, or fails.
pub(crate) fn is_there() -> bool {
    static PILLOW: OnceLock<bool> = OnceLock::new();
    if tools::find("python3").is_none() {
        return false;
    }
    let has = *PILLOW.get_or_init(|| {
        let output = Command::new("python3").args(["-c", "import PIL.Image"]).output();
        output.is_ok_and(|output| output.status.success())
    });
    if !has {
        tools::skip("no está Pillow");
    }
    has
}

/// `python3 FILE`, a path below the root of the repository; nothing is written beside it.
pub(crate) fn python(file: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg("-B").arg(Path::new(ROOT).join(file));
    command
}

/// A server in Python, on a port that the kernel chooses, which it prints in its first line.
pub(crate) struct Served {
    pub(crate) process: Process,
    pub(crate) port: u16,
}

/// Starts a server with these arguments and `-p 0`.
pub(crate) fn serve(file: &str, arguments: &[&str]) -> Served {
    let mut command = python(file);
    command.args(arguments).args(["-p", "0"]);
    let process = Process::spawn(command);
    let line = process.line();
    let port = line.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    Served { port: port.unwrap_or_else(|| panic!("{file}: {line:?}\n{}", process.log())), process }
}

/// The small version's front at `::`, or at 127.0.0.1 where there is no IPv6.
pub(crate) fn front(arguments: &[&str]) -> Served {
    let ip = if tools::has_ipv6() { "::" } else { "127.0.0.1" };
    serve("tests/clase/tp2.py", &[&["-i", ip], arguments].concat())
}

/// Runs the grader to its end.
pub(crate) fn juez(arguments: &[&str]) -> Output {
    python("scripts/juez").args(arguments).output().unwrap()
}

/// A program's output.
pub(crate) fn shown(output: &Output) -> String {
    let [said, complained] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{said}{complained}")
}
