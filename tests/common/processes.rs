//! Processes as /proc shows them, and signals to them.
use std::fs;
use std::path::PathBuf;

use scaler::sys::{self, Pid};

use super::wait::until;

/// The used fields of /proc/<pid>/stat.
struct Stat {
    pid: u32,
    state: char,
    parent: u32,
}

fn stat(pid: u32) -> Option<Stat> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold any character.
    let mut rest = line.rsplit_once(')')?.1.split_whitespace();
    Some(Stat { pid, state: rest.next()?.chars().next()?, parent: rest.next()?.parse().ok()? })
}

pub(crate) fn children(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let stats = pids.filter_map(stat);
    stats.filter(|stat| stat.parent == parent && stat.state != 'Z').map(|stat| stat.pid).collect()
}

/// Whether a process still runs; a zombie does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|stat| stat.state != 'Z')
}

/// Waits until none of these runs.
pub(crate) fn wait_gone(pids: &[u32]) {
    until(&format!("that the processes {pids:?} end"), || {
        pids.iter().all(|&pid| !is_alive(pid)).then_some(())
    });
}

pub(crate) fn signal(pid: u32, signal: i32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_number).expect("a process id");
    sys::kill(pid, signal);
}

/// SIGKILL, which can't be caught.
pub(crate) fn kill_9(pid: u32) {
    const SIGKILL: i32 = 9;
    signal(pid, SIGKILL);
}

pub(crate) fn open_descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

pub(crate) fn threads(pid: u32) -> u64 {
    status(pid, "Threads:")
}

/// The niceness of a process's first thread.
pub(crate) fn niceness(pid: u32) -> i32 {
    niceness_in(&format!("/proc/{pid}/stat")).expect("a process")
}

/// The names of a process's threads, each with its niceness.
pub(crate) fn niceness_of_threads(pid: u32) -> Vec<(String, i32)> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).expect("a process").flatten();
    let of_thread = |path: PathBuf| {
        let name = fs::read_to_string(path.join("comm")).ok()?.trim_end().to_owned();
        Some((name, niceness_in(path.join("stat").to_str()?)?))
    };
    entries.filter_map(|entry| of_thread(entry.path())).collect()
}

fn niceness_in(path: &str) -> Option<i32> {
    let line = fs::read_to_string(path).ok()?;
    // The 19th field; the third is the first behind the name.
    line.rsplit_once(')')?.1.split_whitespace().nth(16)?.parse().ok()
}

/// Bytes of a process's private memory in use: memory shared with a file on disk is not counted.
pub(crate) fn resident_bytes(pid: u32) -> u64 {
    status(pid, "RssAnon:") * 1024
}

/// The same for a process, its children and theirs; 0 for a process that has just ended.
pub(crate) fn resident_bytes_of_all(pid: u32) -> u64 {
    let own = status_of(pid, "RssAnon:").unwrap_or(0) * 1024;
    own + children(pid).into_iter().map(resident_bytes_of_all).sum::<u64>()
}

/// The most bytes of memory that a process has had.
pub(crate) fn resident_bytes_max(pid: u32) -> u64 {
    status(pid, "VmHWM:") * 1024
}

/// A number of /proc/<pid>/status.
fn status(pid: u32, name: &str) -> u64 {
    status_of(pid, name).expect("a process, and the line of its status")
}

fn status_of(pid: u32, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_whitespace().next()?.parse().ok()
}

/// A directory of its own for a test, removed at the end.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        // Short: the path of a Unix socket has to fit behind it.
        let path = std::env::temp_dir().join(format!("tp2-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir(&path).expect("a directory for the test");
        Self(path)
    }

    /// The names in it, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("the directory of the test").flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A directory left in the system's temporary directory does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}
