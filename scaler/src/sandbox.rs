//! The confinement of a child: the rights it gives up, in this order, before it reads a byte from outside.
//!
//! 1. **señales**: the blocked mask inherited from the parent is cleared (a blocked SIGALRM would never end a job);
//!    the terminal's Ctrl-C is left to the parent.
//! 2. **descriptores**: its connection as 0 and 1, the log pipe as 2, nothing else.
//! 3. **padre**: it dies with its parent, also with one that died a moment ago.
//! 4. **límites**: address space for the largest job, processor time, no file, no core, no process, no new
//!    descriptor.
//! 5. **privilegios**: no execve grants any; a precondition of the next step.
//! 6. **filtro**: the system calls of `filter.rs`; every other call kills.
//!
//! Rules: later steps never need what an earlier one took away. A step that the system does not offer is recorded
//! ([`Posture`]), and the operator chooses whether to go on without it (`--exigir-aislamiento`).
//!
//! Known limits: the limit on processes does not bind root (the filter does). No namespace and no landlock: a child
//! without descriptors, and without a way to open one, has nothing left that they could take.

pub mod filter;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use crate::sys::{self, Exit, Interest, Limit, Pid, SignalFd};

/// Processor time of a child over all its jobs. It exits at half of it, between two requests.
pub const CPU_MAX: Duration = Duration::from_secs(3600);
/// Address space beyond the pixels: code, stack, weights, buffered rows, malloc's fragmentation.
const HEADROOM: u64 = 128 << 20;

/// What a child keeps.
#[derive(Debug)]
pub struct Confinement<'a> {
    /// Becomes descriptors 0 and 1; `None` keeps those that are there.
    pub connection: Option<&'a OwnedFd>,
    /// Becomes descriptor 2; `None` keeps the one that is there.
    pub log: Option<BorrowedFd<'a>>,
    /// The process that must be alive for this one to go on; `None` for a process without a supervisor.
    pub parent: Option<Pid>,
    /// May write to regular files: `--stdio` with its output in one.
    pub files: bool,
    /// Bytes of address space, see [`address_space`].
    pub address_space: u64,
    /// The only niceness that it may set, from its first large picture on.
    pub niceness_of_large: i32,
}

type Step = fn(&Confinement<'_>) -> io::Result<()>;

/// The steps in their order, under the names that the log uses.
const STEPS: [(&str, Step); 6] = [
    ("señales", reset_signals),
    ("descriptores", keep_descriptors),
    ("padre", tie_to_parent),
    ("límites", set_limits),
    ("privilegios", |_| sys::forbid_new_privileges()),
    ("filtro", install_filter),
];

/// Takes every step, whether or not an earlier one failed; returns which failed.
#[must_use]
pub fn confine(confinement: &Confinement<'_>) -> Posture {
    let missing = STEPS.iter().enumerate().filter(|(_, (_, step))| step(confinement).is_err());
    Posture { missing: missing.fold(0, |bits, (index, _)| bits | 1 << index) }
}

/// Which steps work on this system: a test child tries them, and its exit code tells. `parent` is the caller, which
/// has no other child yet; `signals` reports SIGCHLD.
///
/// # Errors
/// The child can't be forked or waited for.
pub fn check_support(parent: Pid, address_space: u64, signals: &SignalFd) -> io::Result<Posture> {
    let confinement = Confinement {
        connection: None,
        log: None,
        parent: Some(parent),
        files: false,
        address_space,
        niceness_of_large: 0,
    };
    sys::fork_child(|| confine(&confinement).missing)?;
    loop {
        match sys::reap()? {
            Some((_, Exit::Code(missing))) => {
                return Ok(Posture { missing: u8::try_from(missing).unwrap_or(u8::MAX) });
            }
            Some((_, Exit::Signal(_))) => return Ok(Posture { missing: u8::MAX }),
            None => drop(sys::poll(&[(signals.as_fd(), Interest::Read)], None)?),
        }
    }
}

/// Which steps of the confinement this system refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posture {
    /// Bit `i` stands for step `i`.
    missing: u8,
}

impl Posture {
    /// Nothing is missing.
    #[must_use]
    pub const fn is_complete(self) -> bool {
        self.missing == 0
    }

    fn names(self, missing: bool) -> String {
        let chosen =
            STEPS.iter().enumerate().filter(|(index, _)| (self.missing >> index & 1 == 1) == missing);
        chosen.map(|(_, (name, _))| *name).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Posture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aislamiento de los hijos: {}.", self.names(false))?;
        if !self.is_complete() {
            write!(f, " Este sistema no ofrece: {}.", self.names(true))?;
        }
        Ok(())
    }
}

/// Bytes of address space for jobs of `pixels_max`: what this process has now, and one picture of two channels: the
/// smaller one of source and result, which is held for a client that sends all before it reads.
#[must_use]
pub fn address_space(pixels_max: u64) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmSize:")?.trim().strip_suffix(" kB")?.parse().ok());
    let now = kibibytes.unwrap_or(0_u64).saturating_mul(1024);
    pixels_max.saturating_mul(2).saturating_add(now).saturating_add(HEADROOM)
}

fn reset_signals(_: &Confinement<'_>) -> io::Result<()> {
    sys::ignore_signal(sys::SIGINT);
    sys::reset_signals()
}

fn keep_descriptors(confinement: &Confinement<'_>) -> io::Result<()> {
    if let Some(connection) = confinement.connection {
        sys::become_fd(connection, 0)?;
        sys::become_fd(connection, 1)?;
    }
    if let Some(log) = confinement.log {
        sys::become_fd(log, 2)?;
    }
    sys::close_from(3)
}

fn tie_to_parent(confinement: &Confinement<'_>) -> io::Result<()> {
    let Some(parent) = confinement.parent else { return Ok(()) };
    sys::die_with_parent(sys::SIGKILL)?;
    if sys::parent_pid() != parent.number() {
        sys::exit_now(crate::ending::ORPHAN);
    }
    Ok(())
}

fn set_limits(confinement: &Confinement<'_>) -> io::Result<()> {
    let fixed = [
        (Limit::Core, 0),
        (Limit::Processes, 0),
        (Limit::Files, 0),
        (Limit::AddressSpace, confinement.address_space),
        (Limit::Cpu, CPU_MAX.as_secs()),
    ];
    for (limit, value) in fixed.into_iter().chain((!confinement.files).then_some((Limit::FileSize, 0))) {
        // A hard limit that is lower already can't be raised, and need not be.
        let value = value.min(sys::limits(limit)?.1);
        sys::set_limits(limit, value, value)?;
    }
    Ok(())
}

fn install_filter(confinement: &Confinement<'_>) -> io::Result<()> {
    sys::install_filter(&filter::program(sys::own_pid(), confinement.niceness_of_large))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_posture_names_what_is_missing() {
        let complete = Posture { missing: 0 };
        assert!(complete.is_complete());
        assert_eq!(
            complete.to_string(),
            "Aislamiento de los hijos: señales, descriptores, padre, límites, privilegios, filtro."
        );
        let without_filter = Posture { missing: 0b10_0000 };
        assert!(!without_filter.is_complete());
        assert_eq!(
            without_filter.to_string(),
            "Aislamiento de los hijos: señales, descriptores, padre, límites, privilegios. Este sistema no ofrece: filtro."
        );
    }

    #[test]
    fn address_space_grows_with_the_largest_job() {
        assert!(address_space(100_000_000) >= 200_000_000 + HEADROOM);
        assert!(address_space(0) < 2 << 30);
        assert_eq!(address_space(u64::MAX), u64::MAX);
    }
}
