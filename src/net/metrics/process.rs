//! This process's figures from /proc, under the names that Prometheus's own clients use.
use std::fs;
use std::time::{Duration, SystemTime};

use scaler::sys::{self, Limit};

/// Figures of this process; None where the system gives none.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// When the server began.
    pub began_at: SystemTime,
    /// Processor time of all threads.
    pub cpu: Duration,
    /// Open descriptors.
    pub open_fds: Option<u64>,
    /// The limit of open descriptors.
    pub max_fds: Option<u64>,
    /// Bytes of resident memory, shared memory included.
    pub resident: Option<u64>,
    /// Bytes of address space.
    pub virtual_memory: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
}

impl Process {
    /// Reads the figures, in some 50 microseconds.
    #[must_use]
    pub fn look(began_at: SystemTime) -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let number = |name: &str| number_of(&status, name);
        Self {
            began_at,
            cpu: sys::cpu_time(),
            open_fds: open_fds(),
            max_fds: sys::limits(Limit::Files).ok().map(|(soft, _)| soft),
            resident: number("VmRSS:").map(|kibibytes| kibibytes << 10),
            virtual_memory: number("VmSize:").map(|kibibytes| kibibytes << 10),
            threads: number("Threads:"),
        }
    }
}

/// Since Linux 6.2 the directory's size is the number of descriptors; counting ten thousand entries takes
/// milliseconds.
fn open_fds() -> Option<u64> {
    let size = fs::metadata("/proc/self/fd").ok()?.len();
    if size > 0 {
        return Some(size);
    }
    // Without the descriptor that is open for the count.
    fs::read_dir("/proc/self/fd").ok().map(|entries| (entries.count() as u64).saturating_sub(1))
}

fn number_of(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there() {
        let process = Process::look(SystemTime::UNIX_EPOCH);
        assert!(process.resident.unwrap() > 1 << 20);
        assert!(process.virtual_memory.unwrap() >= process.resident.unwrap());
        assert!(process.threads.unwrap() >= 1 && process.cpu > Duration::ZERO);
        let counted = fs::read_dir("/proc/self/fd").unwrap().count() as u64;
        // Other tests open and close files meanwhile.
        assert!(process.open_fds.unwrap().abs_diff(counted) < 50);
        assert!(process.max_fds.unwrap() >= process.open_fds.unwrap());
    }

    #[test]
    fn a_line_that_is_missing_is_no_number() {
        assert_eq!(number_of("VmRSS:\t  12 kB\n", "VmRSS:"), Some(12));
        assert_eq!(number_of("VmRSS:\t\n", "VmRSS:"), None);
        assert_eq!(number_of("", "VmRSS:"), None);
    }
}
