//! The kernel's interface: thin safe wrappers of libc, one idea a file. All `unsafe` of the project is here.
//!
//! Rules: a wrapper adds types, `io::Result` and the retry after EINTR, never policy; every block says why it
//! is sound; descriptors are owned (`OwnedFd`) or borrowed (`BorrowedFd`), numbers only where the
//! kernel itself gives them a meaning (0, 1, 2). Nothing here starts a thread, and nothing installs a signal handler:
//! signals are read from a descriptor ([`SignalFd`]) or keep their default action.
//!
//! Linux alone: signalfd, PDEATHSIG, close_range and seccomp have no portable form.

mod fd;
mod files;
mod memory;
mod net;
mod process;
mod seccomp;
mod signal;

pub use fd::{
    DIAGNOSTICS, INPUT, Interest, OUTPUT, become_fd, close_from, pipe, poll, read, read_append, send_to_sink,
    write, write_all, writev, writev_all,
};
pub use files::open_beneath;
pub use memory::{advise_huge_pages, allocate_huge, trim_malloc, tune_malloc};
pub use net::{Credentials, listen_tcp, listen_unix, peer_credentials, shutdown_write};
pub use process::{
    Exit, Limit, Pid, alarm, cpu_time, die_with_parent, exit_now, forbid_new_privileges, fork_child, kill,
    limits, own_pid, parent_pid, reap, remove_env_var, set_limits, set_name, threads,
};
pub use seccomp::{Instruction, install_filter};
pub use signal::{
    SIGABRT, SIGALRM, SIGBUS, SIGCHLD, SIGHUP, SIGINT, SIGKILL, SIGSEGV, SIGSYS, SIGTERM, SIGXCPU, SIGXFSZ,
    SignalFd, block_signal, ignore_signal, reset_signals, restore_default, unblock_signal,
};

use std::ffi::c_int;
use std::io;

/// What a C function returned, -1 turned into the error of errno.
fn check(result: c_int) -> io::Result<c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The same for functions that count bytes.
fn check_count(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Calls again while a signal interrupts.
fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
