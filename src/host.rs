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
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let cgroup = group_limit(Path::new("/sys/fs/cgroup"), &groups);
    machine.into_iter().chain(cgroup).min().unwrap_or(1 << 30)
}

/// `MemTotal` of /proc/meminfo, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let kibibytes = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    kibibytes.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The smallest memory limit, in bytes, of the process's groups and all that enclose them, of both versions
/// (cgroups(7)). `groups` is /proc/self/cgroup, `root` the mount point of the hierarchies. In a container the paths in
/// `groups` may be the machine's, which do not exist there: then the root of the mount is the container's own group.
fn group_limit(root: &Path, groups: &str) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (number, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
        match controllers {
            "" if number == "0" => ["", "unified"]
                .into_iter()
                .filter_map(|mount| smallest_limit(&root.join(mount), group, "memory.max"))
                .min(),
            _ if controllers.split(',').any(|controller| controller == "memory") => {
                smallest_limit(&root.join("memory"), group, "memory.limit_in_bytes")
            }
            _ => None,
        }
    });
    limits.min()
}

/// The smallest of these limits from this group up to the root; `max` is none.
fn smallest_limit(root: &Path, group: &str, file: &str) -> Option<u64> {
    let group = Path::new(group.trim_start_matches('/'));
    group.ancestors().filter_map(|part| read_number(root.join(part).join(file))).min()
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
        assert_eq!(group_limit(&root, "0::/a/b\n"), Some(1000));
        fs::write(inner.join("memory.max"), "10\n").unwrap();
        assert_eq!(group_limit(&root, "0::/a/b\n"), Some(10));
        assert_eq!(group_limit(&root, "0::/c\n"), None);

        // Version 1: the group's own limit counts, not the root's, which has none.
        let unlimited = "9223372036854771712\n";
        let group = root.join("memory/docker/x");
        fs::create_dir_all(&group).unwrap();
        for (folder, limit) in
            [("memory", unlimited), ("memory/docker", unlimited), ("memory/docker/x", "536870912\n")]
        {
            fs::write(root.join(folder).join("memory.limit_in_bytes"), limit).unwrap();
        }
        let groups = "12:pids:/docker/x\n4:cpu,memory:/docker/x\n1:name=systemd:/docker/x\n0::/c\n";
        assert_eq!(group_limit(&root, groups), Some(512 << 20));
        // As a container sees it whose paths are the machine's: the mount is its own group.
        fs::write(root.join("memory/memory.limit_in_bytes"), "1000000\n").unwrap();
        assert_eq!(group_limit(&root, "4:memory:/not/here\n"), Some(1_000_000));
        // Both versions: the smaller limit counts.
        assert_eq!(group_limit(&root, "4:memory:/docker/x\n0::/a\n"), Some(1000));
        assert_eq!(group_limit(&root, "nonsense\n::\n4:cpu:/docker/x\n"), None);
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn this_machine_has_something() {
        assert!(cores() >= 1);
        assert!(memory() > 1 << 20);
    }
}
