//! tp2's own scaler: started from this binary, supervised, restarted when it dies, stopped at the end.
//!
//! Rules: tp2 runs no code between fork and exec; `Command` without hooks starts `/proc/self/exe` with a hidden
//! argument ([`ARGUMENT`]), and the scaler itself sets what it needs (signal mask, parent-death signal, limits). It
//! listens on a Unix socket in a private directory (0700). Its standard input is a pipe that tp2 holds: however tp2
//! ends, the pipe breaks and the scaler exits. The directory is held by a lock, so that the next start can remove
//! those of servers that were killed. Only the main thread may spawn: the parent-death signal fires when the *thread*
//! that made the child ends.
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::notify;

/// The hidden first argument of the scaler's process; the socket's path and tp2's process id follow.
pub const ARGUMENT: &str = "--escalador-propio";

const PREFIX: &str = "tp2-escalador-";
const LOCK: &str = "candado";
const SOCKET: &str = "socket";
/// First pause before a restart; it doubles while the scaler dies young.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// A scaler that lived at least this long did not die young.
const YOUTH: Duration = Duration::from_secs(5);

/// The scaler's process and its socket's directory.
pub struct Supervisor {
    directory: PrivateDirectory,
    state: ProcessState,
    pause: Duration,
    arguments: Vec<String>,
}

enum ProcessState {
    Running(Child, Instant),
    Pausing(Instant),
}

/// The scaler has ended.
#[derive(Clone, Copy, Debug)]
pub struct Death {
    /// Its process id.
    pub pid: u32,
    /// How it ended.
    pub status: ExitStatus,
    /// Pause until it is started again.
    pub pause: Duration,
}

impl std::fmt::Display for Death {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { pid, status, pause } = self;
        write!(f, "El escalador (pid {pid}) terminó: ")?;
        match (status.code(), status.signal()) {
            (Some(code), _) => write!(f, "código {code}")?,
            (None, Some(signal)) => write!(f, "señal {signal}")?,
            (None, None) => write!(f, "{status}")?,
        }
        write!(f, ". Se reinicia en {} ms.", pause.as_millis())
    }
}

impl Supervisor {
    /// Makes the directory and starts the scaler; `arguments` follow the hidden one, the path and tp2's process id.
    ///
    /// # Errors
    /// No private directory, or no process.
    pub fn start(arguments: Vec<String>, now: Instant) -> io::Result<Self> {
        let directory = PrivateDirectory::create()?;
        let child = spawn(&directory, &arguments)?;
        Ok(Self { directory, state: ProcessState::Running(child, now), pause: PAUSE_FIRST, arguments })
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.path.join(SOCKET)
    }

    /// A child has ended, maybe this one: reports its end once.
    pub fn handle_sigchld(&mut self, now: Instant) -> Option<Death> {
        let ProcessState::Running(child, since) = &mut self.state else { return None };
        let status = child.try_wait().ok().flatten()?;
        let pid = child.id();
        if now.duration_since(*since) > YOUTH {
            self.pause = PAUSE_FIRST;
        }
        let pause = self.pause;
        self.state = ProcessState::Pausing(now + pause);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Some(Death { pid, status, pause })
    }

    /// Starts it again when the pause is over.
    ///
    /// # Errors
    /// No process can be started; the next try follows after another pause.
    pub fn handle_timeout(&mut self, now: Instant) -> io::Result<()> {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return Ok(());
        }
        let spawned = self.directory.restore().and_then(|()| spawn(&self.directory, &self.arguments));
        self.state = match spawned {
            Ok(child) => ProcessState::Running(child, now),
            Err(error) => {
                self.state = ProcessState::Pausing(now + PAUSE_MAX);
                return Err(error);
            }
        };
        Ok(())
    }

    /// The socket does not answer although the process runs (its directory was removed, or it was stopped): the
    /// scaler is killed, and so restarted.
    pub fn handle_unreachable(&mut self, now: Instant) {
        if let ProcessState::Running(child, since) = &mut self.state
            && now.duration_since(*since) > YOUTH
        {
            // It may be gone already, with SIGCHLD still pending.
            let _ = child.kill();
        }
    }

    /// The standard error of a process that was started; returned once per process.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        match &mut self.state {
            ProcessState::Running(child, _) => child.stderr.take(),
            ProcessState::Pausing(_) => None,
        }
    }

    /// When [`Supervisor::handle_timeout`] wants to be called; None while it runs.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            ProcessState::Running(..) => None,
            ProcessState::Pausing(until) => Some(*until),
        }
    }
}

impl Drop for Supervisor {
    /// Closes its input, which tells it to end; a process that does not end within a second is killed.
    fn drop(&mut self) {
        let ProcessState::Running(child, _) = &mut self.state else { return };
        drop(child.stdin.take());
        let give_up_at = Instant::now() + Duration::from_secs(1);
        while Instant::now() < give_up_at {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // Nothing can be done about a process that can't even be killed.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn spawn(directory: &PrivateDirectory, arguments: &[String]) -> io::Result<Child> {
    let socket = directory.path.join(SOCKET);
    let mut command = Command::new("/proc/self/exe");
    // The service manager's variables are for tp2 only.
    for name in notify::VARIABLES {
        command.env_remove(name);
    }
    command
        .arg(ARGUMENT)
        .arg(&socket)
        .arg(std::process::id().to_string())
        .args(arguments)
        // A process out of memory would open files for the backtrace.
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
}

/// A directory that this process holds alone while it lives.
struct PrivateDirectory {
    path: PathBuf,
    lock: File,
}

impl PrivateDirectory {
    fn create() -> io::Result<Self> {
        let wished = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        Self::create_in(&wished).or_else(|_| Self::create_in(Path::new("/tmp")))
    }

    fn create_in(base: &Path) -> io::Result<Self> {
        sweep(base);
        let path = base.join(format!("{PREFIX}{}", Uuid::new_v4().simple()));
        // sockaddr_un has room for 107 bytes and a NUL.
        if path.join(SOCKET).as_os_str().len() > 107 {
            return Err(io::ErrorKind::InvalidFilename.into());
        }
        DirBuilder::new().mode(0o700).create(&path)?;
        let lock = lock_in(&path)?;
        Ok(Self { path, lock })
    }

    /// Makes the directory again if it was removed: programs that clean up /tmp may remove it.
    fn restore(&mut self) -> io::Result<()> {
        if !self.path.join(LOCK).exists() {
            DirBuilder::new().mode(0o700).recursive(true).create(&self.path)?;
            self.lock = lock_in(&self.path)?;
        }
        Ok(())
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        // The next start removes what is left.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn lock_in(directory: &Path) -> io::Result<File> {
    let lock = File::create(directory.join(LOCK))?;
    lock.try_lock()?;
    Ok(lock)
}

/// Removes the directories of dead servers: those whose lock is free. The lock is held until the directory is gone,
/// so that no other server takes it in between.
///
/// Other users may create such names in /tmp: only a directory of our own user is opened, and only a regular file in
/// it (opening a FIFO would block for ever).
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with(PREFIX)
            && is_ours(&path)
            && is_regular(&path.join(LOCK))
            && let Ok(lock) = File::open(path.join(LOCK))
            && lock.try_lock().is_ok()
        {
            // Another server that sweeps at the same moment may be faster.
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// A directory, itself and no link, that only our user may write to.
fn is_ours(path: &Path) -> bool {
    let own = fs::metadata("/proc/self").map(|own| own.uid());
    fs::symlink_metadata(path).is_ok_and(|found| {
        found.is_dir() && found.mode() & 0o077 == 0 && own.is_ok_and(|own| own == found.uid())
    })
}

fn is_regular(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn directories_are_private_and_swept_once_their_server_is_gone() {
        let base = std::env::temp_dir().join(format!("tp2-test-{}", Uuid::new_v4().simple()));
        fs::create_dir(&base).unwrap();
        let private = |name: &str| {
            let path = base.join(name);
            DirBuilder::new().mode(0o700).create(&path).unwrap();
            path
        };
        let dead = private(&format!("{PREFIX}muerto"));
        fs::write(dead.join(LOCK), "").unwrap();
        let foreign = private("otra-cosa");
        fs::write(foreign.join(LOCK), "").unwrap();
        // Entries that other users may leave there: none of them is opened or waited for.
        let open_to_all = private(&format!("{PREFIX}abierto"));
        fs::write(open_to_all.join(LOCK), "").unwrap();
        fs::set_permissions(&open_to_all, fs::Permissions::from_mode(0o777)).unwrap();
        let trap = private(&format!("{PREFIX}trampa"));
        let fifo = std::process::Command::new("mkfifo").arg(trap.join(LOCK)).status().unwrap();
        assert!(fifo.success());

        let living = PrivateDirectory::create_in(&base).unwrap();
        assert_eq!(fs::metadata(&living.path).unwrap().permissions().mode() & 0o777, 0o700);
        let another = PrivateDirectory::create_in(&base).unwrap();
        assert!(living.path.exists() && foreign.exists() && open_to_all.exists() && !dead.exists());
        let mut removed = PrivateDirectory::create_in(&base).unwrap();
        fs::remove_dir_all(&removed.path).unwrap();
        removed.restore().unwrap();
        assert!(removed.path.join(LOCK).exists() && is_ours(&removed.path));
        drop((living, another, removed));
        assert_eq!(fs::read_dir(&base).unwrap().count(), 3);
        fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn a_base_that_is_too_long_is_refused() {
        assert!(PrivateDirectory::create_in(Path::new(&format!("/tmp/{}", "x".repeat(90)))).is_err());
    }
}
