//! Processes: fork, reap, limits, deadlines, and tying a child to its parent.

use std::ffi::{CString, c_int, c_uint};
use std::io;
use std::mem;
use std::time::Duration;

use super::check;

/// A process id that fork returned to this process and reap has not returned yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(i32);

impl Pid {
    /// The number, for a log line or an argument.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    /// From a number that a parent passed on. Only a positive one names a process: 0 and -1 mean groups to kill(2).
    #[must_use]
    pub const fn from_number(number: i32) -> Option<Self> {
        if number > 0 { Some(Self(number)) } else { None }
    }
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
}

/// fork(2). The child runs `child`, ends with the code it returns, and never returns from this function: none of the
/// parent's destructors runs twice, no buffer is written twice.
///
/// Only for a process of one thread: in the child, locks of other threads would be held for ever.
///
/// # Errors
/// As fork(2): EAGAIN or ENOMEM; no child then.
pub fn fork_child(child: impl FnOnce() -> u8) -> io::Result<Pid> {
    // SAFETY: the caller has one thread, so the child may go on as any program would, and it ends in _exit.
    match check(unsafe { libc::fork() })? {
        0 => {
            /// A panic in `child` must not unwind into frames that belong to the parent.
            struct NoReturn;
            impl Drop for NoReturn {
                fn drop(&mut self) {
                    exit_now(70);
                }
            }
            let _no_return = NoReturn;
            exit_now(child())
        }
        pid => Ok(Pid(pid)),
    }
}

/// _exit(2): ends the process now, without handlers, destructors or flushing.
pub fn exit_now(code: u8) -> ! {
    // SAFETY: never returns, and runs nothing of ours.
    unsafe { libc::_exit(c_int::from(code)) }
}

/// Reaps the next child that has ended, without waiting; `None` when there is none (or no child at all). Call it
/// until then: signals coalesce.
///
/// # Errors
/// As waitpid(2), but ECHILD.
pub fn reap() -> io::Result<Option<(Pid, Exit)>> {
    let mut status = 0;
    // SAFETY: the kernel writes one int.
    match check(unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) }) {
        Ok(0) => Ok(None),
        Ok(pid) if libc::WIFSIGNALED(status) => Ok(Some((Pid(pid), Exit::Signal(libc::WTERMSIG(status))))),
        Ok(pid) => Ok(Some((Pid(pid), Exit::Code(libc::WEXITSTATUS(status))))),
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sends `signal`. A process that is gone already is no error.
pub fn kill(pid: Pid, signal: i32) {
    // SAFETY: touches no memory; a Pid is positive, so never a group.
    unsafe { libc::kill(pid.0, signal) };
}

/// This process.
#[must_use]
pub fn own_pid() -> Pid {
    // SAFETY: touches no memory, never fails.
    Pid(unsafe { libc::getpid() })
}

/// The current parent of this process: another one than at first if that has died.
#[must_use]
pub fn parent_pid() -> i32 {
    // SAFETY: touches no memory, never fails.
    unsafe { libc::getppid() }
}

/// The kernel sends `signal` to this process when the thread that forked it ends. Compare [`parent_pid`] with the
/// expected one afterwards: the parent may have died just before.
///
/// # Errors
/// As prctl(2).
pub fn die_with_parent(signal: i32) -> io::Result<()> {
    // SAFETY: PR_SET_PDEATHSIG takes an integer and touches no memory.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, c_ulong(signal), 0, 0, 0) }).map(drop)
}

/// From now on execve grants no more rights; the condition for an unprivileged filter.
///
/// # Errors
/// As prctl(2).
pub fn forbid_new_privileges() -> io::Result<()> {
    // SAFETY: PR_SET_NO_NEW_PRIVS takes integers and touches no memory.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, c_ulong(1), 0, 0, 0) }).map(drop)
}

/// Sets the name that `ps` and `top` show, cut to 15 bytes.
pub fn set_name(name: &str) {
    if let Ok(name) = CString::new(name) {
        // SAFETY: a NUL-terminated string that outlives the call.
        unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) };
    }
}

/// Sends SIGALRM after this time, rounded up to seconds, instead of any earlier one; `None` cancels it.
pub fn alarm(after: Option<Duration>) {
    let seconds =
        after.map_or(0, |time| c_uint::try_from(time.as_millis().div_ceil(1000)).unwrap_or(c_uint::MAX));
    // SAFETY: touches no memory.
    unsafe { libc::alarm(seconds) };
}

/// Processor time this process has used.
#[must_use]
pub fn cpu_time() -> Duration {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Processor time the calling thread has used.
#[must_use]
pub fn thread_cpu_time() -> Duration {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Reads one of the kernel's two clocks of processor time, which every Linux has.
fn clock(id: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec. It can't fail with these clocks.
    unsafe { libc::clock_gettime(id, &raw mut time) };
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The niceness of the calling thread, from -20 to 19: how far it makes way for others.
#[must_use]
pub fn niceness() -> i32 {
    // SAFETY: touches no memory. It can't fail for the caller itself, so -1 is a niceness.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
}

/// A niceness so far above that of the calling thread, and 19 at most, which is the highest there is.
#[must_use]
pub fn nicer(above: u8) -> i32 {
    niceness().saturating_add(above.into()).min(19)
}

/// Sets the niceness of the calling thread, which is all of a process of one thread. A lower one than it has needs
/// privilege.
///
/// # Errors
/// As setpriority(2).
pub fn set_niceness(niceness: i32) -> io::Result<()> {
    // SAFETY: touches no memory.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, niceness) }).map(drop)
}

/// Resource limits of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Address space in bytes.
    AddressSpace,
    /// Processor time in seconds; SIGXCPU at the soft limit, SIGKILL at the hard one.
    Cpu,
    /// Size of a regular file that is written; SIGXFSZ.
    FileSize,
    /// Size of a core dump.
    Core,
    /// Open descriptors: the highest number plus 1.
    Files,
    /// Processes of the user. Does not bind root.
    Processes,
}

/// The soft and the hard limit; [`u64::MAX`] is none.
///
/// # Errors
/// As getrlimit(2).
pub fn limits(limit: Limit) -> io::Result<(u64, u64)> {
    let mut raw = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one rlimit.
    check(unsafe { libc::getrlimit(resource(limit), &raw mut raw) })?;
    Ok((raw.rlim_cur, raw.rlim_max))
}

/// Sets the soft and the hard limit. The hard one can't be raised again without privilege.
///
/// # Errors
/// As setrlimit(2).
pub fn set_limits(limit: Limit, soft: u64, hard: u64) -> io::Result<()> {
    let raw = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the kernel reads one rlimit.
    check(unsafe { libc::setrlimit(resource(limit), &raw const raw) }).map(drop)
}

/// Threads of this process; 0 if unknown.
#[must_use]
pub fn threads() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("Threads:")?.trim().parse().ok()).unwrap_or(0)
}

/// Removes a variable from the environment.
///
/// Only for a process of one thread: another one might be reading the environment.
pub fn remove_env_var(name: &str) {
    // SAFETY: the caller has one thread.
    unsafe { std::env::remove_var(name) };
}

#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = c_int;

const fn resource(limit: Limit) -> Resource {
    match limit {
        Limit::AddressSpace => libc::RLIMIT_AS,
        Limit::Cpu => libc::RLIMIT_CPU,
        Limit::FileSize => libc::RLIMIT_FSIZE,
        Limit::Core => libc::RLIMIT_CORE,
        Limit::Files => libc::RLIMIT_NOFILE,
        Limit::Processes => libc::RLIMIT_NPROC,
    }
}

/// prctl reads its variadic arguments as unsigned long.
#[expect(clippy::cast_sign_loss, reason = "signal numbers and flags are positive")]
const fn c_ulong(value: c_int) -> std::ffi::c_ulong {
    value as std::ffi::c_ulong
}

const _: () = assert!(mem::size_of::<libc::rlim_t>() == 8, "limits are u64 in this module's interface");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_makes_way_alone() {
        let before = niceness();
        let nicer = (before + 3).min(19);
        let of_other = std::thread::spawn(move || {
            set_niceness(nicer).unwrap();
            niceness()
        });
        assert_eq!((of_other.join().unwrap(), niceness()), (nicer, before));
    }

    #[test]
    fn a_thread_is_charged_for_its_own_work_alone() {
        let before = thread_cpu_time();
        let of_other = std::thread::spawn(|| {
            let mut sum = 0_u64;
            while thread_cpu_time() < Duration::from_millis(50) {
                sum = std::hint::black_box(sum.wrapping_add(1));
            }
            thread_cpu_time()
        });
        let of_other = of_other.join().unwrap();
        assert!(of_other >= Duration::from_millis(50));
        assert!(thread_cpu_time() - before < of_other);
        assert!(cpu_time() >= of_other);
    }
}
