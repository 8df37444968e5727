//! The kernel's interface: thin safe wrappers of libc. All `unsafe` of the project is in this folder.
//!
//! Rules: a wrapper adds types, `io::Result` and the retry after EINTR, never policy; every block says why it is
//! sound; descriptors are owned (`OwnedFd`) or borrowed (`BorrowedFd`), numbers only where the kernel itself defines
//! them (0, 1, 2). Nothing here starts a thread, and nothing installs a signal handler: signals are read from a
//! descriptor ([`SignalFd`]) or keep their default action.
//!
//! Linux only: signalfd, PDEATHSIG, close_range and seccomp have no portable form.
//!
//! One subject per file: `fd` descriptors, `file` files below a directory, `memory`, `socket`, `process`, `seccomp`,
//! `signal`, `vector` instructions. No subject uses another one; the shared handling of C results is here.

mod fd;
mod file;
mod memory;
mod process;
mod seccomp;
mod signal;
mod socket;
#[cfg(target_arch = "x86_64")]
pub mod vector;

use std::ffi::c_int;
use std::io;

pub use libc::{
    EAFNOSUPPORT, EIO, ELOOP, EMFILE, ENFILE, SIGABRT, SIGALRM, SIGBUS, SIGCHLD, SIGFPE, SIGHUP, SIGILL,
    SIGINT, SIGKILL, SIGSEGV, SIGSYS, SIGTERM, SIGXCPU, SIGXFSZ,
};

pub use self::fd::{
    DIAGNOSTICS, INPUT, Interest, OUTPUT, become_fd, close_from, pipe, poll, read, read_append, send_to_sink,
    write, write_all, writev, writev_all,
};
pub use self::file::{glance_beneath, is_local, open_beneath, rename_new};
pub use self::memory::{advise_huge_pages, allocate_huge, discard, trim_malloc, tune_malloc};
pub use self::process::{
    Exit, Limit, Pid, alarm, cpu_time, die_with_parent, exit_now, forbid_new_privileges, fork_child, kill,
    limits, niceness, nicer, own_pid, parent_pid, reap, remove_env_var, set_limits, set_name, set_niceness,
    thread_cpu_time, threads,
};
pub use self::seccomp::{Instruction, install_filter};
pub use self::signal::{
    SignalFd, block_signal, ignore_signal, reset_signals, restore_default, unblock_signal,
};
pub use self::socket::{
    Credentials, SEND_NOW, listen_tcp, listen_unix, peer_credentials, send_now, set_not_sent_low,
    shutdown_write,
};

/// The result of a C function, with -1 turned into the error of errno.
fn check(result: c_int) -> io::Result<c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The same for functions that count bytes.
fn check_count(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Repeats the call while a signal interrupts it.
fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
