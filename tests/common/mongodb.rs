//! A server with MongoDB's protocol, for the tests of the fleet: the FerretDB that `scripts/ferretdb` builds. The
//! tests of the store alone also use a server given in `TP2_PRUEBA_MONGODB_URI`.
//!
//! Without a server the tests that need one are skipped, with a message. With `TP2_CI=1` that is a failure, unless
//! `TP2_SIN_MONGODB=1` says that Go's modules could not be downloaded.
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::tools;

/// Where `scripts/ferretdb` puts it.
const PROGRAM: &str = "target/ferretdb-v1.24.2";
/// For its start, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);

/// A FerretDB with a directory of its own, on a Unix socket. It ends with the process that started it.
pub(crate) struct FerretDb {
    directory: PathBuf,
    user: &'static str,
    running: Option<Child>,
}

impl FerretDb {
    /// Without authentication.
    pub(crate) fn start() -> Option<Self> {
        Self::start_as("")
    }

    /// With one user, `root`, whose password is `root`.
    pub(crate) fn start_with_root() -> Option<Self> {
        Self::start_as("root:root@")
    }

    fn start_as(user: &'static str) -> Option<Self> {
        let program = program()?;
        let directory = std::env::temp_dir().join(format!("tp2-ferretdb-{}", Uuid::new_v4().simple()));
        std::fs::create_dir_all(directory.join("data")).expect("a directory");
        let mut database = Self { directory, user, running: None };
        database.start_program(&program);
        Some(database)
    }

    /// Starts it again where it left off.
    pub(crate) fn restart(&mut self) {
        self.start_program(&program().expect("it was there before"));
    }

    fn start_program(&mut self, program: &Path) {
        // The shell waits for the end of its input, which comes when the process that holds it ends in any way.
        let script = r#""$@" & read -r _; kill -9 $!; wait"#;
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(program).args(["--handler=sqlite", "--telemetry=disable"]);
        command.args(["--listen-addr=", "--debug-addr=-", "--log-level=error"]);
        let directory = self.directory.display();
        command.arg(format!("--sqlite-url=file:{directory}/data/"));
        command.arg(format!("--state-dir={directory}"));
        command.arg(format!("--listen-unix={directory}/db.sock"));
        if !self.user.is_empty() {
            command.args(["--test-enable-new-auth", "--setup-database=admin"]);
            command.args(["--setup-username=root", "--setup-password=root"]);
        }
        let log = std::fs::File::create(self.directory.join("log")).expect("a log");
        let socket = self.directory.join("db.sock");
        let _ = std::fs::remove_file(&socket);
        command.stdin(Stdio::piped()).stdout(log.try_clone().expect("a descriptor")).stderr(log);
        self.running = Some(command.spawn().expect("FerretDB starts"));
        let until = Instant::now() + PATIENCE;
        while UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < until, "FerretDB does not listen; see {directory}/log");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills it, as `kill -9` does.
    pub(crate) fn stop(&mut self) {
        if let Some(mut shell) = self.running.take() {
            drop(shell.stdin.take());
            shell.wait().expect("the shell ends");
        }
    }

    /// For `-a`.
    pub(crate) fn uri(&self) -> String {
        let socket = self.directory.join("db.sock").display().to_string().replace('/', "%2F");
        format!("mongodb://{}{socket}/", self.user)
    }
}

impl Drop for FerretDb {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn program() -> Option<PathBuf> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(PROGRAM);
    if program.exists() {
        return Some(program);
    }
    if std::env::var_os("TP2_SIN_MONGODB").is_some_and(|value| value == "1") {
        let test = std::thread::current();
        let _ = writeln!(std::io::stderr(), "SALTADO {}: no hay MongoDB", test.name().unwrap_or("?"));
        return None;
    }
    tools::skip("no hay FerretDB (scripts/ferretdb) ni TP2_PRUEBA_MONGODB_URI");
    None
}
