//! A server as a process: `tp2`, or `tp2-scaler`.
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use scaler::sys::SIGTERM;

use super::http::{Client, Response};
use super::processes::{Directory, signal};
use super::wait::{PATIENCE, until};

/// Where the server says that it listens.
const READY: &str = "Servidor escuchando en http://";

/// A running server, stopped when dropped.
pub(crate) struct Server {
    process: Process,
    /// The port of all its addresses.
    pub(crate) port: u16,
    /// Replaces the system's directory of run-time files.
    pub(crate) runtime: Directory,
    /// Its working directory, unless the command named another; its store is here.
    pub(crate) home: Directory,
}

/// A process whose output is collected, ended when dropped.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    log: Arc<Mutex<String>>,
}

/// A program of the workspace: as it was built with the tests, or another build in the folder that
/// `TP2_PRUEBA_PROGRAMAS` names. Cargo names only the binaries of the own package, but builds all of a workspace into
/// one directory.
pub(crate) fn program(name: &str) -> PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_tp2")).with_file_name(name);
    let path = std::env::var_os("TP2_PRUEBA_PROGRAMAS").map_or(built, |folder| Path::new(&folder).join(name));
    assert!(path.exists(), "{} is missing: cargo build --workspace", path.display());
    path
}

/// `tp2`, without this process's environment variables for it.
pub(crate) fn tp2() -> Command {
    clean(Command::new(program("tp2")))
}

pub(crate) fn tp2_scaler() -> Command {
    clean(Command::new(program("tp2-scaler")))
}

fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TP2_") {
            command.env_remove(name);
        }
    }
    command
}

impl Server {
    /// Starts `tp2` with these arguments, on 127.0.0.1 if they name no address, and on a port that the kernel chooses.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = tp2();
        command.args(arguments);
        if !arguments.iter().any(|argument| matches!(*argument, "-i" | "--ip")) {
            command.args(["-i", "127.0.0.1"]);
        }
        command.args(["-p", "0"]);
        Self::launch(command)
    }

    /// Starts a prepared command that ends in a `tp2`.
    pub(crate) fn launch(command: Command) -> Self {
        Self::launch_in(command, Directory::new())
    }

    /// The same with this directory for its run-time files.
    pub(crate) fn launch_in(mut command: Command, runtime: Directory) -> Self {
        let home = Directory::new();
        // Where the store is, unless the test sets it.
        let store = format!("sqlite:{}", home.0.join("tp2.sqlite3").display());
        command.env("XDG_RUNTIME_DIR", &runtime.0).env("TP2_ALMACEN", store);
        if command.get_current_dir().is_none() {
            command.current_dir(&home.0);
        }
        let process = Process::spawn(command);
        let line = process.line();
        let address = line.strip_prefix(READY).unwrap_or_else(|| panic!("{line:?}"));
        let port = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port");
        Self { process, port, runtime, home }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Its address on this one of the machine's.
    pub(crate) fn at(&self, ip: impl Into<IpAddr>) -> SocketAddr {
        SocketAddr::new(ip.into(), self.port)
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address())
    }

    /// One request on a connection of its own.
    pub(crate) fn ask(&self, request: &[u8]) -> Response {
        let mut client = self.client();
        client.send(request);
        client.response()
    }

    /// Whether it answers `GET /healthz`.
    pub(crate) fn is_healthy(&self) -> bool {
        self.ask(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").status == 200
    }

    /// Its own scaler, once it runs.
    pub(crate) fn scaler_pid(&self) -> u32 {
        until("the scaler", || super::processes::children(self.pid()).first().copied())
    }
}

impl std::ops::Deref for Server {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl std::ops::DerefMut for Server {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl Process {
    pub(crate) fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // The test that wanted the line may have ended.
                let _ = sender.send(line);
            }
        });
        let log = Arc::new(Mutex::new(String::new()));
        let collected = Arc::clone(&log);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = stderr.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..n]);
                collected.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
            }
        });
        Self { child, lines, log }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of its standard output.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line; log:\n{}", self.log()))
    }

    /// Reads lines of its standard output up to this one.
    pub(crate) fn wait_line(&self, text: &str) {
        while self.line() != text {}
    }

    /// What it has written to standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn wait_log(&self, text: &str) {
        until(&format!("«{text}» in the log"), || self.log().contains(text).then_some(()));
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        signal(self.pid(), SIGTERM);
    }

    pub(crate) fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        until("the end of the process", || self.child.try_wait().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.lines().count().saturating_sub(40);
            eprintln!("--- end of the log of {}:", self.pid());
            log.lines().skip(tail).for_each(|line| eprintln!("{line}"));
        }
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        self.terminate();
        let give_up_at = Instant::now() + Duration::from_secs(2);
        while Instant::now() < give_up_at && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.kill();
    }
}

pub(crate) struct Scaler {
    pub(crate) process: Process,
    /// For `-s`.
    pub(crate) destination: String,
    _directory: Directory,
}

impl Scaler {
    /// On a TCP port that the kernel chooses.
    pub(crate) fn tcp() -> Self {
        let mut command = tp2_scaler();
        command.args(["-p", "0"]);
        let process = Process::spawn(command);
        let line = process.line();
        let destination = line.rsplit_once(" en ").unwrap_or_else(|| panic!("{line:?}")).1.to_owned();
        Self { process, destination, _directory: Directory::new() }
    }

    /// On a Unix socket.
    pub(crate) fn unix() -> Self {
        let directory = Directory::new();
        let path: PathBuf = directory.0.join("escalador");
        let mut command = tp2_scaler();
        command.arg("-u").arg(&path);
        let process = Process::spawn(command);
        process.line();
        Self { process, destination: format!("unix:{}", path.display()), _directory: directory }
    }
}
