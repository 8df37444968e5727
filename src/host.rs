//! What this machine, or the container that we run in, has: cores and memory.
use std::fs;
use std::path::Path;

/// Cores available to the process: affinity and cgroup quota included.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Bytes of memory available to the process: the smaller of the machine's and of every enclosing cgroup's limit.
#[must_use]
pub fn memory() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    let cgroup = fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| {
        let version_2 = text.lines().find_map(|line| line.strip_prefix("0::"))?;
        smallest_limit(Path::new("/sys/fs/cgroup"), version_2)
    });
    let version_1 = read_number("/sys/fs/cgroup/memory/memory.limit_in_bytes");
    machine.into_iter().chain(cgroup).chain(version_1).min().unwrap_or(1 << 30)
}

/// `MemTotal` of /proc/meminfo, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let kibibytes = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    kibibytes.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The smallest `memory.max` from this group up to the root; `max` is no limit.
fn smallest_limit(root: &Path, group: &str) -> Option<u64> {
    let group = Path::new(group.trim_start_matches('/'));
    group.ancestors().filter_map(|part| read_number(root.join(part).join("memory.max"))).min()
}

fn read_number(path: impl AsRef<Path>) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_meminfo() {
        assert_eq!(total("MemFree: 1 kB\nMemTotal:       16384 kB\n"), Some(16 << 20));
        assert_eq!(total("MemTotal: lots"), None);
    }

    #[test]
    fn the_tightest_enclosing_group_counts() {
        let root = std::env::temp_dir().join(format!("tp2-host-{}", uuid::Uuid::new_v4()));
        let inner = root.join("a/b");
        fs::create_dir_all(&inner).unwrap();
        fs::write(root.join("a/memory.max"), "1000\n").unwrap();
        fs::write(inner.join("memory.max"), "max\n").unwrap();
        assert_eq!(smallest_limit(&root, "/a/b"), Some(1000));
        fs::write(inner.join("memory.max"), "10\n").unwrap();
        assert_eq!(smallest_limit(&root, "/a/b"), Some(10));
        assert_eq!(smallest_limit(&root, "/c"), None);
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn this_machine_has_something() {
        assert!(cores() >= 1);
        assert!(memory() > 1 << 20);
    }
}
