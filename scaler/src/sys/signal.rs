//! Signals without handlers: blocked and read from a descriptor, or left to their default action.

use std::ffi::c_int;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::{check, check_count, retry};

/// Signals as a stream: blocked for the calling thread and those it starts later, and read here one by one.
/// Non-blocking, closed on exec; readable for poll and epoll when a signal is pending.
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// Blocks `signals` and opens the stream. Call it before the first thread starts, or another thread may receive
    /// them.
    ///
    /// # Errors
    /// As signalfd(2).
    pub fn new(signals: &[i32]) -> io::Result<Self> {
        let set = set_of(signals);
        change_mask(libc::SIG_BLOCK, &set)?;
        // SAFETY: `set` is an initialised sigset_t that signalfd only reads.
        let fd =
            check(unsafe { libc::signalfd(-1, &raw const set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) })?;
        // SAFETY: signalfd just made it, and nothing else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The number of the next signal, `None` if none waits. Signals coalesce: one SIGCHLD may stand for many children.
    ///
    /// # Errors
    /// As read(2).
    pub fn next(&self) -> io::Result<Option<i32>> {
        // SAFETY: all-zero bytes are a valid signalfd_siginfo.
        let mut info: libc::signalfd_siginfo = unsafe { mem::zeroed() };
        let length = mem::size_of_val(&info);
        // SAFETY: the kernel writes at most `length` bytes into `info`, a plain struct of integers.
        match retry(|| check_count(unsafe { libc::read(self.0.as_raw_fd(), (&raw mut info).cast(), length) }))
        {
            Ok(count) if count == length => Ok(Some(info.ssi_signo.cast_signed())),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for SignalFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Unblocks all signals: a child inherits its parent's mask, and a blocked SIGALRM would never end it.
///
/// # Errors
/// As sigprocmask(2).
pub fn reset_signals() -> io::Result<()> {
    change_mask(libc::SIG_SETMASK, &set_of(&[]))
}

/// Blocks `signal` until it is unblocked.
///
/// # Errors
/// As sigprocmask(2).
pub fn block_signal(signal: i32) -> io::Result<()> {
    change_mask(libc::SIG_BLOCK, &set_of(&[signal]))
}

/// Unblocks `signal`; a pending one acts now.
///
/// # Errors
/// As sigprocmask(2).
pub fn unblock_signal(signal: i32) -> io::Result<()> {
    change_mask(libc::SIG_UNBLOCK, &set_of(&[signal]))
}

/// Ignores `signal` from now on.
pub fn ignore_signal(signal: i32) {
    // SAFETY: SIG_IGN is no handler: none of our code ever runs in signal context.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Restores the default action of `signal`: with an inherited ignored SIGCHLD, children would vanish unreaped.
pub fn restore_default(signal: i32) {
    // SAFETY: SIG_DFL is no handler: none of our code ever runs in signal context.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

fn set_of(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: all-zero bytes are a valid sigset_t, sigemptyset makes it the empty one, sigaddset refuses bad numbers.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for &signal in signals {
            libc::sigaddset(&raw mut set, signal);
        }
        set
    }
}

/// pthread_sigmask, not sigprocmask: defined with threads too, and the same system call.
fn change_mask(how: c_int, set: &libc::sigset_t) -> io::Result<()> {
    // SAFETY: `set` is initialised and only read; the old mask is not asked for.
    match unsafe { libc::pthread_sigmask(how, set, std::ptr::null_mut()) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Sends this thread a signal that it has blocked.
#[cfg(test)]
fn raise(signal: c_int) {
    // SAFETY: touches no memory; the caller has blocked the signal, so no default action follows.
    unsafe { libc::raise(signal) };
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Interest, poll};
    use super::*;

    #[test]
    fn a_blocked_signal_is_read_as_data() {
        let signals = SignalFd::new(&[libc::SIGUSR1]).unwrap();
        assert_eq!(signals.next().unwrap(), None);
        raise(libc::SIGUSR1);
        let ready = poll(&[(signals.as_fd(), Interest::Read)], Some(Duration::from_secs(5))).unwrap();
        assert_eq!(ready, [true]);
        assert_eq!(signals.next().unwrap(), Some(libc::SIGUSR1));
        assert_eq!(signals.next().unwrap(), None);
    }
}
