//! Descriptors: read, write, poll, pipe, and which numbers a child keeps.

use std::ffi::{c_int, c_uint};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use super::{check, check_count, retry};

/// Descriptor 0 of this process.
// SAFETY: Rust's runtime opens 0, 1 and 2 at start if they are closed, and nothing here closes them.
pub const INPUT: BorrowedFd<'static> = unsafe { BorrowedFd::borrow_raw(0) };
/// Descriptor 1 of this process.
// SAFETY: as for `INPUT`.
pub const OUTPUT: BorrowedFd<'static> = unsafe { BorrowedFd::borrow_raw(1) };
/// Descriptor 2 of this process.
// SAFETY: as for `INPUT`.
pub const DIAGNOSTICS: BorrowedFd<'static> = unsafe { BorrowedFd::borrow_raw(2) };

/// read(2) into a slice. 0 is the end.
///
/// # Errors
/// As read(2), EINTR retried.
pub fn read(fd: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: the pointer and the length are those of one live, exclusively borrowed slice.
    retry(|| check_count(unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) }))
}

/// read(2) behind the end of a vector, at most `count_max` bytes and never more than its spare capacity: no copy, and
/// no zeroing first. 0 is the end (or no spare capacity).
///
/// # Errors
/// As read(2), EINTR retried; the vector is unchanged then.
pub fn read_append(fd: impl AsFd, buffer: &mut Vec<u8>, count_max: usize) -> io::Result<usize> {
    let fd = fd.as_fd().as_raw_fd();
    let spare = buffer.spare_capacity_mut();
    let (start, room) = (spare.as_mut_ptr(), spare.len().min(count_max));
    // SAFETY: `start` points to `room` bytes of spare capacity that nothing else refers to.
    let count = retry(|| check_count(unsafe { libc::read(fd, start.cast(), room) }))?;
    // SAFETY: the kernel initialised `count <= room` bytes right behind the old length.
    unsafe { buffer.set_len(buffer.len() + count) };
    Ok(count)
}

/// write(2). May write less than all.
///
/// # Errors
/// As write(2), EINTR retried.
pub fn write(fd: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: the pointer and the length are those of one live slice.
    retry(|| check_count(unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) }))
}

/// Writes two slices in sequence by writev(2): a head and its samples leave together, in one segment if they are
/// small, without a copy into one buffer. May write less than all.
///
/// # Errors
/// As writev(2), EINTR retried.
pub fn writev(fd: impl AsFd, first: &[u8], second: &[u8]) -> io::Result<usize> {
    let fd = fd.as_fd().as_raw_fd();
    let parts = [first, second]
        .map(|part| libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() });
    // SAFETY: two iovecs over live slices, which writev only reads.
    retry(|| check_count(unsafe { libc::writev(fd, parts.as_ptr(), 2) }))
}

/// Writes all of `bytes` to a blocking descriptor.
///
/// # Errors
/// As write(2); part may have been written.
pub fn write_all(fd: impl AsFd, bytes: &[u8]) -> io::Result<()> {
    writev_all(fd, bytes, &[])
}

/// Writes all of two slices by [`writev`] to a blocking descriptor.
///
/// # Errors
/// As writev(2); part may have been written.
pub fn writev_all(fd: impl AsFd, mut first: &[u8], mut second: &[u8]) -> io::Result<()> {
    while !first.is_empty() || !second.is_empty() {
        let written = writev(&fd, first, second)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let from_first = written.min(first.len());
        first = &first[from_first..];
        second = &second[(written - from_first).min(second.len())..];
    }
    Ok(())
}

/// Writes one log line, or drops it: false if the descriptor's reader does not keep up. A pipe that reports POLLOUT
/// takes PIPE_BUF bytes without blocking (pipe(7)), so a line up to that size can't block the caller.
pub fn send_to_sink(fd: impl AsFd, line: &[u8]) -> bool {
    let ready = poll(&[(fd.as_fd(), Interest::Write)], Some(Duration::ZERO));
    matches!(ready.as_deref(), Ok([true])) && matches!(write(fd, line), Ok(count) if count == line.len())
}

/// A pipe: the read end does not block, the write end does. Both are closed on exec.
///
/// # Errors
/// As pipe2(2).
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends: [RawFd; 2] = [-1; 2];
    // SAFETY: the array has room for the two descriptors.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    // SAFETY: pipe2 just made these two, and nothing else owns them.
    let (read_end, write_end) = unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
    // SAFETY: fcntl with an integer argument on a descriptor that we own.
    check(unsafe { libc::fcntl(read_end.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) })?;
    Ok((read_end, write_end))
}

/// What [`poll`] waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Readable, at its end, or broken.
    Read,
    /// Writable or broken.
    Write,
    /// Nothing: the entry keeps its position, but is not polled.
    Nothing,
}

/// poll(2): which of `entries` are ready (errors and hang-ups count), in their order; none after `timeout`, or if a
/// signal came first.
///
/// # Errors
/// As poll(2), but EINTR.
pub fn poll(entries: &[(BorrowedFd<'_>, Interest)], timeout: Option<Duration>) -> io::Result<Vec<bool>> {
    let mut fds: Vec<libc::pollfd> = entries
        .iter()
        .map(|(fd, interest)| {
            let (fd, events) = match interest {
                Interest::Read => (fd.as_raw_fd(), libc::POLLIN),
                Interest::Write => (fd.as_raw_fd(), libc::POLLOUT),
                Interest::Nothing => (-1, 0),
            };
            libc::pollfd { fd, events, revents: 0 }
        })
        .collect();
    // Rounded up: a deadline that is half a millisecond away must not spin.
    let timeout =
        timeout.map_or(-1, |time| c_int::try_from(time.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX));
    let count = libc::nfds_t::try_from(fds.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the pointer and the count are those of one live, exclusively borrowed array.
    match check(unsafe { libc::poll(fds.as_mut_ptr(), count, timeout) }) {
        Ok(_) => Ok(fds.iter().map(|fd| fd.revents != 0).collect()),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(vec![false; fds.len()]),
        Err(error) => Err(error),
    }
}

/// Makes descriptor `number` (0, 1 or 2) a duplicate of `fd`.
///
/// # Errors
/// As dup2(2).
pub fn become_fd(fd: impl AsFd, number: RawFd) -> io::Result<()> {
    debug_assert!((0..=2).contains(&number), "only the standard descriptors have no owner");
    // SAFETY: dup2 touches no memory; nothing owns the numbers 0 to 2.
    retry(|| check(unsafe { libc::dup2(fd.as_fd().as_raw_fd(), number) })).map(drop)
}

/// Closes every descriptor from `first` on, whatever owns it: for a child that ends in `_exit` and drops nothing.
///
/// # Errors
/// As close_range(2): ENOSYS before Linux 5.9.
pub fn close_from(first: RawFd) -> io::Result<()> {
    let first = c_uint::try_from(first).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: touches no memory. Owners of what is closed never run again: see above.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, c_uint::MAX, 0) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
