//! A PostgreSQL cluster for the tests: the programs below `/usr/lib/postgresql` that Debian installs, or those in
//! `PATH`. As root it runs as the user `postgres`, because it refuses root. It shares no directory, socket or port
//! with any other cluster, and ends with the process that started it.
//!
//! Without PostgreSQL the tests that need it are skipped, with a message. With `TP2_CI=1` that is a failure.
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::tools;

/// For its start, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster for tests.
pub(crate) struct Postgres {
    programs: PathBuf,
    directory: PathBuf,
    port: u16,
    /// Ends the cluster when its input ends: also when this process is killed.
    keeper: Option<std::process::Child>,
}

impl Postgres {
    /// The user `tp2`, who needs no password, and the database `postgres`.
    pub(crate) fn start() -> Option<Self> {
        let programs = programs()?;
        let directory = std::env::temp_dir().join(format!("tp2-pg-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&directory).expect("a directory");
        give_to_postgres(&directory);
        let mut cluster = Self { programs, directory, port: free_port(), keeper: None };
        let data = cluster.data();
        let init = [data.as_str(), "-U", "tp2", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"];
        let output = cluster.program("initdb").arg("-D").args(init).output().expect("initdb runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        cluster.restart();
        Some(cluster)
    }

    /// Starts it again where it left off.
    pub(crate) fn restart(&mut self) {
        self.start_with("log_min_messages=fatal");
    }

    /// The same with this setting.
    pub(crate) fn start_with(&mut self, setting: &str) {
        // The shell waits for the end of its input, which comes when the process that holds it ends in any way.
        let script = r#""$@" & read -r _; kill -QUIT $!; wait"#;
        let mut command = as_postgres("sh");
        command.args(["-c", script, "sh"]).arg(self.programs.join("postgres"));
        command.args(["-D", &self.data(), "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        command.args(["-k", &self.directory.display().to_string()]);
        for setting in ["max_connections=200", "shared_buffers=32MB", setting] {
            command.args(["-c", setting]);
        }
        let log = std::fs::File::options()
            .append(true)
            .create(true)
            .open(self.directory.join("log"))
            .expect("a log");
        command.stdin(Stdio::piped()).stdout(log.try_clone().expect("a descriptor")).stderr(log);
        self.keeper = Some(command.spawn().expect("PostgreSQL starts"));
        self.wait_ready();
    }

    /// A standby with synchronous replication, each on a port of its own.
    pub(crate) fn start_standby(&self) -> Self {
        let directory = std::env::temp_dir().join(format!("tp2-pg-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&directory).expect("a directory");
        give_to_postgres(&directory);
        let mut standby =
            Self { programs: self.programs.clone(), directory, port: free_port(), keeper: None };
        let primary = format!("host=127.0.0.1 port={} user=tp2 application_name=b", self.port);
        let mut copy = standby.program("pg_basebackup");
        copy.args([
            "-D",
            &standby.data(),
            "-R",
            "-X",
            "stream",
            "-C",
            "-S",
            "b",
            "-c",
            "fast",
            "-d",
            &primary,
        ]);
        let output = copy.output().expect("pg_basebackup runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        standby.restart();
        self.run("ALTER SYSTEM SET synchronous_standby_names = 'b'");
        self.run("SELECT pg_reload_conf()");
        let until = Instant::now() + PATIENCE;
        while self.run("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") != "1" {
            assert!(Instant::now() < until, "the standby does not follow");
            std::thread::sleep(Duration::from_millis(20));
        }
        standby
    }

    /// Makes a primary of a standby.
    pub(crate) fn promote(&self) {
        // Its synchronous standby is gone.
        self.run("SELECT pg_promote(true, 60)");
        self.run("ALTER SYSTEM SET synchronous_standby_names = ''");
        self.run("SELECT pg_reload_conf()");
    }

    fn wait_ready(&self) {
        let until = Instant::now() + PATIENCE;
        while !self.answers() {
            assert!(
                Instant::now() < until,
                "PostgreSQL does not answer; see {}/log",
                self.directory.display()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn answers(&self) -> bool {
        let mut command = self.program("pg_isready");
        command.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        UnixStream::connect(self.directory.join(format!(".s.PGSQL.{}", self.port))).is_ok()
            && command.status().is_ok_and(|status| status.success())
    }

    /// Kills it and its children, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        let postmaster = self.pid();
        let children = std::fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"));
        let children = children.expect("its children");
        let pids =
            std::iter::once(postmaster.to_string()).chain(children.split_whitespace().map(str::to_owned));
        let mut command = Command::new("kill");
        command.arg("-9").args(pids).stderr(Stdio::null());
        // A child may have ended already.
        let _ = command.status();
        self.wait_end();
    }

    /// Stops it immediately; it recovers from its log at the next start.
    pub(crate) fn stop(&mut self) {
        self.wait_end();
    }

    /// From now on TCP clients need a password.
    pub(crate) fn ask_for_password(&self) {
        let rules = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(self.directory.join("data/pg_hba.conf"), rules).expect("the rules");
        self.run("SELECT pg_reload_conf()");
    }

    fn wait_end(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            keeper.wait().expect("the shell ends");
        }
    }

    /// The postmaster.
    pub(crate) fn pid(&self) -> u32 {
        let file = std::fs::read_to_string(self.directory.join("data/postmaster.pid")).expect("it runs");
        file.lines().next().expect("a line").parse().expect("a number")
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        let postmaster = self.pid();
        let children = std::fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"));
        let children = children.expect("its children");
        std::iter::once(postmaster)
            .chain(children.split_whitespace().filter_map(|pid| pid.parse().ok()))
            .collect()
    }

    /// For `-a`.
    pub(crate) fn uri(&self) -> String {
        format!("postgres://tp2@127.0.0.1:{}/postgres", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Runs this statement, and returns what `psql` prints, one line per row.
    pub(crate) fn run(&self, text: &str) -> String {
        let mut command = self.program("psql");
        command.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "tp2",
            "-p",
            &self.port.to_string(),
        ]);
        command.arg("-h").arg(&self.directory).args(["-d", "postgres", "-c", text]);
        let output = command.output().expect("psql runs");
        assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read(self.directory.join("log")).expect("a log");
        String::from_utf8_lossy(&log).into_owned()
    }

    /// An empty directory that it may write to.
    pub(crate) fn make_directory(&self, place: &Path) {
        std::fs::create_dir(place).expect("a directory");
        give_to_postgres(place);
    }

    fn data(&self) -> String {
        self.directory.join("data").display().to_string()
    }

    fn program(&self, name: &str) -> Command {
        let mut command = as_postgres(self.programs.join(name));
        command.current_dir(&self.directory);
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.wait_end();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// This program, as a user that PostgreSQL accepts, and with a locale that doesn't depend on the machine.
fn as_postgres(program: impl AsRef<std::ffi::OsStr>) -> Command {
    if !is_root() {
        let mut command = Command::new(program);
        command.env("LC_ALL", "C");
        return command;
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program).env("LC_ALL", "C");
    command
}

fn give_to_postgres(directory: &Path) {
    if is_root() {
        let status = Command::new("chown").arg("postgres:postgres").arg(directory).status();
        assert!(status.expect("chown runs").success(), "there is no user postgres");
    }
}

/// Where the programs of the newest version are.
fn programs() -> Option<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = installed.map(|version| version.path().join("bin")).collect();
    found.retain(|programs| programs.join("initdb").is_file());
    found.sort();
    let in_path = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).find(|programs| programs.join("initdb").is_file())
    };
    let found = found.pop().or_else(in_path);
    if found.is_none() {
        tools::skip("no está PostgreSQL (apt-get install postgresql)");
    }
    found
}

/// A free port of 127.0.0.1.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("its address").port()
}
