//! The kernel's interface: thin safe wrappers of libc. All `unsafe` of the project is in this file.
//!
//! Rules: a wrapper adds types, `io::Result` and the retry after EINTR, never policy; every block says why it
//! is sound; descriptors are owned (`OwnedFd`) or borrowed (`BorrowedFd`), numbers only where the
//! kernel itself gives them a meaning (0, 1, 2). Nothing here starts a thread, and nothing installs a signal handler:
//! signals are read from a descriptor ([`SignalFd`]) or keep their default action.
//!
//! Linux alone: signalfd, PDEATHSIG, close_range and seccomp have no portable form.
//!
//! Long, because it is a list: descriptors, files below a directory, memory, sockets, processes, seccomp, signals; each
//! section begins with a `// ----` line and no wrapper knows another section's.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_ulong, c_ushort};
use std::fs::File;
use std::io;
use std::mem;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

pub use libc::{
    EAFNOSUPPORT, EIO, ELOOP, EMFILE, ENFILE, SIGABRT, SIGALRM, SIGBUS, SIGCHLD, SIGFPE, SIGHUP, SIGILL,
    SIGINT, SIGKILL, SIGSEGV, SIGSYS, SIGTERM, SIGXCPU, SIGXFSZ,
};

// ---- What every wrapper does with the result

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

// ---- Descriptors: read, write, poll, pipe, and which numbers a child keeps.

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

/// read(2) behind the end of a vector, at most `count_max` bytes and never more than its spare capacity: the bytes
/// go where they stay, and nothing is zeroed first. 0 is the end (or no spare capacity).
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

/// Two slices one behind the other by writev(2): a head and its samples leave together, in one segment if they are
/// small, and nobody copies them into one buffer. May write less than all.
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

/// All of `bytes`, for a blocking descriptor.
///
/// # Errors
/// As write(2); part may have been written.
pub fn write_all(fd: impl AsFd, bytes: &[u8]) -> io::Result<()> {
    writev_all(fd, bytes, &[])
}

/// All of two slices by [`writev`], for a blocking descriptor.
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

/// Writes one log line, or drops it: false if the reader of the descriptor does not keep up. A pipe that reports
/// POLLOUT takes PIPE_BUF bytes without blocking (pipe(7)), so a line up to that size can't stop the caller.
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
    // SAFETY: pipe2 just made these two, and nobody else owns them.
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
    /// Nothing: the place is kept, the descriptor not looked at.
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

/// Makes descriptor `number` (0, 1 or 2) another name of `fd`.
///
/// # Errors
/// As dup2(2).
pub fn become_fd(fd: impl AsFd, number: RawFd) -> io::Result<()> {
    debug_assert!((0..=2).contains(&number), "only the standard descriptors have no owner");
    // SAFETY: dup2 touches no memory; numbers 0 to 2 are owned by nobody.
    retry(|| check(unsafe { libc::dup2(fd.as_fd().as_raw_fd(), number) })).map(drop)
}

/// Closes every descriptor from `first` on, whoever owns it: for a child that ends in `_exit` and drops nothing.
///
/// # Errors
/// As close_range(2): ENOSYS before Linux 5.9.
pub fn close_from(first: RawFd) -> io::Result<()> {
    let first = c_uint::try_from(first).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: touches no memory. Owners of what is closed never run again: see above.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, c_uint::MAX, 0) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

// ---- Files below a directory, and nothing outside it.

/// Opens `path` below `dir` for reading, without ever leaving it: no symbolic link in any component, no `..`, no
/// absolute path. Never blocks (a FIFO opens at once): look at the metadata before reading.
///
/// By openat2(2) with RESOLVE_BENEATH; where that is missing or forbidden (ENOSYS, EPERM), component by component with
/// O_NOFOLLOW, which lets nothing else through because `..` is refused beforehand.
///
/// # Errors
/// `NotFound` where there is nothing for us: a path that is refused by its form or is too long, a link, a way out, a
/// component that is no directory, a socket. Otherwise as openat2(2).
pub fn open_beneath(dir: BorrowedFd<'_>, path: &[u8]) -> io::Result<File> {
    let path = sane(path)?;
    match open_resolved(dir, &path, FLAGS, BENEATH) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => walk(dir, &path),
        result => result,
    }
    .map(File::from)
    .map_err(|error| if is_nothing(&error) { io::ErrorKind::NotFound.into() } else { error })
}

/// The file at `path` below `dir`, for its metadata alone, if the kernel has all that leads there in its cache: as
/// [`open_beneath`], but never waits for a disk or another machine, leaves the file system of `dir` at no mount, and has no
/// side effect, whatever is there.
///
/// By openat2(2) with RESOLVE_CACHED.
///
/// # Errors
/// Whatever the reason, [`open_beneath`] may open it: not in the cache (EAGAIN), another file system (EXDEV), Linux before
/// 5.12 (EINVAL, ENOSYS), or as there.
pub fn glance_beneath(dir: BorrowedFd<'_>, path: &[u8]) -> io::Result<File> {
    let resolve = BENEATH | libc::RESOLVE_NO_XDEV | libc::RESOLVE_CACHED;
    let flags = libc::O_PATH | libc::O_CLOEXEC | libc::O_NOFOLLOW;
    open_resolved(dir, &sane(path)?, flags, resolve).map(File::from)
}

/// Whether the file system of `file` is one whose state the kernel itself has: what it says of a file is true and at hand,
/// and comes from no other machine or program. Those in common use that are known to be.
///
/// # Errors
/// As fstatfs(2).
pub fn is_local(file: BorrowedFd<'_>) -> io::Result<bool> {
    // SAFETY: all-zero bytes are a valid statfs.
    let mut found: libc::statfs = unsafe { mem::zeroed() };
    // SAFETY: fstatfs writes into a live buffer of its type.
    retry(|| check(unsafe { libc::fstatfs(file.as_raw_fd(), &raw mut found) }))?;
    // ext2 and ext3 have ext4's number. What lies below an overlay must not change but through it.
    Ok(matches!(
        found.f_type,
        libc::EXT4_SUPER_MAGIC
            | libc::XFS_SUPER_MAGIC
            | libc::BTRFS_SUPER_MAGIC
            | libc::F2FS_SUPER_MAGIC
            | libc::TMPFS_MAGIC
            | libc::OVERLAYFS_SUPER_MAGIC
    ))
}

/// Whether an error says that the path leads to no file, rather than that one could not be opened.
fn is_nothing(error: &io::Error) -> bool {
    use libc::{ELOOP, ENAMETOOLONG, ENODEV, ENOENT, ENOTDIR, ENXIO, EXDEV};
    let nothing = [ENOENT, ENOTDIR, ELOOP, EXDEV, ENAMETOOLONG, ENXIO, ENODEV];
    error.raw_os_error().is_some_and(|code| nothing.contains(&code))
}

const FLAGS: c_int = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;

const BENEATH: u64 = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS;

/// A relative path of plain components as a C string.
fn sane(path: &[u8]) -> io::Result<CString> {
    let plain = path.split(|&byte| byte == b'/').all(|part| !matches!(part, b"" | b"." | b".."));
    if !plain {
        return Err(io::ErrorKind::NotFound.into());
    }
    CString::new(path).map_err(|_| io::ErrorKind::NotFound.into())
}

fn open_resolved(dir: BorrowedFd<'_>, path: &CStr, flags: c_int, resolve: u64) -> io::Result<OwnedFd> {
    // SAFETY: all-zero bytes are a valid open_how, which grows by zero fields.
    let mut how: libc::open_how = unsafe { mem::zeroed() };
    how.flags = u64::try_from(flags).map_err(|_| io::ErrorKind::InvalidInput)?;
    how.resolve = resolve;
    retry(|| {
        // SAFETY: a live C string and a live open_how of the size given, both only read.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_openat2,
                dir.as_raw_fd(),
                path.as_ptr(),
                &raw const how,
                mem::size_of::<libc::open_how>(),
            )
        };
        let fd = c_int::try_from(fd).map_err(|_| io::ErrorKind::InvalidData)?;
        // SAFETY: openat2 just made it, and nobody else owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(check(fd)?) })
    })
}

/// Gives the file `from` the name `to` in the same file system, if nobody has that name: nothing is ever replaced, also
/// if several ask for it at once.
///
/// By renameat2(2) with RENAME_NOREPLACE; where that is missing or forbidden (ENOSYS, EPERM, and EINVAL of a file system
/// that can't), by a hard link.
///
/// # Errors
/// `AlreadyExists`, and otherwise as renameat2(2) or link(2).
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    let (source, target) =
        (CString::new(from.as_os_str().as_bytes())?, CString::new(to.as_os_str().as_bytes())?);
    // SAFETY: two live C strings that are only read.
    let result = check(unsafe {
        libc::renameat2(
            libc::AT_FDCWD,
            source.as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    });
    match result {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM | libc::EINVAL)) => {
            std::fs::hard_link(from, to)?;
            std::fs::remove_file(from)
        }
        Err(error) => Err(error),
    }
}

fn walk(dir: BorrowedFd<'_>, path: &CStr) -> io::Result<OwnedFd> {
    let mut parts = path.to_bytes().split(|&byte| byte == b'/').peekable();
    let mut current: Option<OwnedFd> = None;
    while let Some(part) = parts.next() {
        let part = CString::new(part).map_err(|_| io::ErrorKind::NotFound)?;
        let flags = if parts.peek().is_some() { FLAGS | libc::O_DIRECTORY | libc::O_PATH } else { FLAGS };
        let parent = current.as_ref().map_or(dir, AsFd::as_fd);
        let next = retry(|| {
            // SAFETY: a live C string that is only read.
            let fd = check(unsafe { libc::openat(parent.as_raw_fd(), part.as_ptr(), flags) })?;
            // SAFETY: openat just made it, and nobody else owns it.
            Ok(unsafe { OwnedFd::from_raw_fd(fd) })
        })?;
        current = Some(next);
    }
    current.ok_or_else(|| io::ErrorKind::NotFound.into())
}

// ---- Memory: fewer page faults for large buffers, and memory given back when idle.

/// Below this a huge page would be mostly empty.
const HUGE_PAGE: usize = 2 << 20;

/// An empty buffer with room for `capacity` bytes, on huge pages if it is large; `None` without memory. Page faults
/// are the hidden cost of fresh memory: 8.7 MB touched takes 4.8 ms in pages of 4 KiB, 1.6 ms in huge ones.
#[must_use]
pub fn allocate_huge(capacity: usize) -> Option<Vec<u8>> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(capacity).ok()?;
    advise_huge_pages(&buffer);
    Some(buffer)
}

/// Asks for huge pages below the whole capacity of a buffer of 2 MiB or more. Advice: nothing depends on it.
pub fn advise_huge_pages(buffer: &Vec<u8>) {
    if buffer.capacity() < HUGE_PAGE {
        return;
    }
    // madvise wants a page boundary: round inwards to pages of 64 KiB, the largest that Linux runs on.
    const PAGE: usize = 64 << 10;
    let start = buffer.as_ptr().addr();
    let first = start.next_multiple_of(PAGE);
    let length = (start + buffer.capacity() - first) & !(PAGE - 1);
    let first = buffer.as_ptr().wrapping_add(first - start).cast_mut();
    // SAFETY: the range lies within one live allocation, and MADV_HUGEPAGE changes nothing of its contents.
    unsafe { libc::madvise(first.cast(), length, libc::MADV_HUGEPAGE) };
}

/// Has malloc take each buffer of 4 MiB and more from the kernel by itself, and give it back when it is freed, for good:
/// left alone glibc moves that bound up to 32 MiB with the first large buffer that is freed, and keeps the next ones among
/// small blocks that hold them fast. Smaller ones stay, up to 64 MiB at the top of each heap, until [`trim_malloc`] or the process's
/// end: fresh memory costs page faults. No effect outside glibc.
///
/// Measured with `scripts/soak memoria` on 2 cores, 200 uploads of 25 MP at once and 512 MiB for them: all processes
/// together took up to 1,055 MiB with a bound of 64 MiB, 537 with 1 MiB, 555 with this one, which costs no processor time
/// that could be told from noise. jemalloc and mimalloc keep 80 MiB at rest where this keeps 10.
pub fn tune_malloc() {
    const ALONE_FROM: c_int = 4 << 20;
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes integers.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, ALONE_FROM);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 16 * ALONE_FROM);
    }
}

/// Gives the kernel what was freed and malloc keeps. No effect outside glibc.
pub fn trim_malloc() {
    #[cfg(target_env = "gnu")]
    // SAFETY: touches no memory in use, and takes malloc's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}

// ---- Sockets with every option spelled out: what std leaves to the system is decided here.

/// A listening TCP socket, non-blocking, closed on exec. `SO_REUSEADDR`, so that a restart does not wait for
/// TIME_WAIT. `v6only` false on an IPv6 address takes IPv4 clients too; it says nothing for IPv4.
/// Port 0: the kernel chooses.
///
/// # Errors
/// As socket(2), bind(2), listen(2): EADDRINUSE for a port in use, EAFNOSUPPORT where there is no IPv6.
pub fn listen_tcp(addr: SocketAddr, v6only: bool, backlog: i32) -> io::Result<TcpListener> {
    let family = if addr.is_ipv6() { libc::AF_INET6 } else { libc::AF_INET };
    let socket = stream_socket(family)?;
    set_flag(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, true)?;
    if addr.is_ipv6() {
        set_flag(&socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, v6only)?;
    }
    match addr {
        SocketAddr::V4(addr) => {
            // SAFETY: all-zero bytes are a valid sockaddr_in.
            let mut raw: libc::sockaddr_in = unsafe { mem::zeroed() };
            raw.sin_family = family_of(family);
            raw.sin_port = addr.port().to_be();
            raw.sin_addr.s_addr = u32::from_ne_bytes(addr.ip().octets());
            bind(&socket, &raw, mem::size_of_val(&raw))?;
        }
        SocketAddr::V6(addr) => {
            // SAFETY: all-zero bytes are a valid sockaddr_in6.
            let mut raw: libc::sockaddr_in6 = unsafe { mem::zeroed() };
            raw.sin6_family = family_of(family);
            raw.sin6_port = addr.port().to_be();
            raw.sin6_flowinfo = addr.flowinfo();
            raw.sin6_scope_id = addr.scope_id();
            raw.sin6_addr.s6_addr = addr.ip().octets();
            bind(&socket, &raw, mem::size_of_val(&raw))?;
        }
    }
    listen(&socket, backlog)?;
    Ok(TcpListener::from(socket))
}

/// A listening Unix stream socket at `path`, mode 0600, non-blocking, closed on exec. The mode is that of the socket
/// before bind (unix(7): the file takes it, less the umask), so there is no moment at which others may connect.
///
/// # Errors
/// As socket(2), bind(2), listen(2): EADDRINUSE if anything is at `path`; `InvalidInput` for one over 107 bytes.
pub fn listen_unix(path: &Path, backlog: i32) -> io::Result<UnixListener> {
    // SAFETY: all-zero bytes are a valid sockaddr_un.
    let mut raw: libc::sockaddr_un = unsafe { mem::zeroed() };
    raw.sun_family = family_of(libc::AF_UNIX);
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() || bytes.contains(&0) || bytes.len() >= raw.sun_path.len() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "ruta de socket vacía o de más de 107 bytes",
        ));
    }
    for (slot, &byte) in raw.sun_path.iter_mut().zip(bytes) {
        *slot = c_char::from_ne_bytes([byte]); // signed here, unsigned elsewhere
    }
    let socket = stream_socket(libc::AF_UNIX)?;
    // SAFETY: touches no memory.
    check(unsafe { libc::fchmod(socket.as_raw_fd(), 0o600) })?;
    bind(&socket, &raw, mem::size_of_val(&raw))?;
    listen(&socket, backlog)?;
    Ok(UnixListener::from(socket))
}

/// Who is at the other end of a Unix socket, as of its connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Process.
    pub pid: i32,
    /// Effective user.
    pub uid: u32,
}

impl Credentials {
    /// The peer is the user that runs this process, or root.
    #[must_use]
    pub fn is_trusted(self) -> bool {
        // SAFETY: touches no memory, never fails.
        self.uid == 0 || self.uid == unsafe { libc::geteuid() }
    }
}

/// `SO_PEERCRED` of a connected Unix socket.
///
/// # Errors
/// As getsockopt(2).
pub fn peer_credentials(socket: impl AsFd) -> io::Result<Credentials> {
    let mut raw = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length = socklen(mem::size_of_val(&raw));
    // SAFETY: the kernel writes at most `length` bytes into `raw`, a plain struct of integers.
    check(unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut raw).cast(),
            &raw mut length,
        )
    })?;
    Ok(Credentials { pid: raw.pid, uid: raw.uid })
}

/// Half-close: the peer reads the end, we may still read.
///
/// # Errors
/// As shutdown(2): ENOTSOCK for what is no socket.
pub fn shutdown_write(socket: impl AsFd) -> io::Result<()> {
    // SAFETY: touches no memory.
    check(unsafe { libc::shutdown(socket.as_fd().as_raw_fd(), libc::SHUT_WR) }).map(drop)
}

fn stream_socket(family: c_int) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: touches no memory.
    let fd = check(unsafe { libc::socket(family, kind, 0) })?;
    // SAFETY: socket just made it, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn set_flag(socket: &OwnedFd, level: c_int, name: c_int, on: bool) -> io::Result<()> {
    let value = c_int::from(on);
    let length = socklen(mem::size_of_val(&value));
    // SAFETY: the kernel reads `length` bytes of a live int.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) })
        .map(drop)
}

/// `addr` is a sockaddr of some family, `length` its size.
fn bind<T>(socket: &OwnedFd, addr: &T, length: usize) -> io::Result<()> {
    debug_assert_eq!(length, mem::size_of::<T>());
    // SAFETY: the kernel reads the `length` bytes of a live sockaddr.
    check(unsafe { libc::bind(socket.as_raw_fd(), std::ptr::from_ref(addr).cast(), socklen(length)) })
        .map(drop)
}

fn listen(socket: &OwnedFd, backlog: i32) -> io::Result<()> {
    // SAFETY: touches no memory.
    check(unsafe { libc::listen(socket.as_raw_fd(), backlog) }).map(drop)
}

#[expect(clippy::cast_possible_truncation, reason = "sizes of socket addresses and options: below 200")]
fn socklen(length: usize) -> libc::socklen_t {
    length as libc::socklen_t
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the three families are below 11"
)]
fn family_of(family: c_int) -> libc::sa_family_t {
    family as libc::sa_family_t
}

// ---- Processes: fork, reap, limits, deadlines, and the tie between a child and its parent.

/// A process id that fork gave to this process and reap has not taken back yet.
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
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// fork(2). The child runs `child`, ends with the code it returns, and never comes back here: no destructor of the
/// parent's runs twice, nothing buffered is written twice.
///
/// Only for a process of one thread: the locks of any other would be held for ever in the child.
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

/// The next child that has ended, without waiting; `None` when there is none (or no child at all). Call it until then:
/// signals coalesce.
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

/// Sends `signal`. A process that is gone already is no error for the caller to care about.
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

/// The process that is this one's parent now: another one than at first once that has died.
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

/// No execve from now on grants more rights; the condition for a filter without privileges.
///
/// # Errors
/// As prctl(2).
pub fn forbid_new_privileges() -> io::Result<()> {
    // SAFETY: PR_SET_NO_NEW_PRIVS takes integers and touches no memory.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, c_ulong(1), 0, 0, 0) }).map(drop)
}

/// The name that `ps` and `top` show, cut to 15 bytes.
pub fn set_name(name: &str) {
    if let Ok(name) = CString::new(name) {
        // SAFETY: a NUL-terminated string that outlives the call.
        unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) };
    }
}

/// SIGALRM in this time, rounded up to seconds, in place of any earlier one; `None` calls it off.
pub fn alarm(after: Option<Duration>) {
    let seconds =
        after.map_or(0, |time| c_uint::try_from(time.as_millis().div_ceil(1000)).unwrap_or(c_uint::MAX));
    // SAFETY: touches no memory.
    unsafe { libc::alarm(seconds) };
}

/// Processor time this process has used.
#[must_use]
pub fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec. It can't fail with this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// What the kernel bounds for a process.
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
    /// Processes of the user. Says nothing to root.
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

/// Threads of this process; 0 if the system does not tell.
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

// ---- seccomp(2): installs a filter program. What it allows is `sandbox::filter`'s business.

/// One instruction of a classic BPF program, as the kernel reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip if a comparison holds.
    pub jump_true: u8,
    /// Instructions to skip if not.
    pub jump_false: u8,
    /// Operand.
    pub operand: u32,
}

const _: () = assert!(
    size_of::<Instruction>() == size_of::<libc::sock_filter>()
        && align_of::<Instruction>() <= align_of::<libc::sock_filter>()
);

/// Puts every later system call of this process under `program`. Needs `forbid_new_privileges` first, or root.
///
/// `SPEC_ALLOW`: the process keeps the processor's speculation, whose mitigation would slow it down; it holds no secret.
///
/// # Errors
/// As seccomp(2): EINVAL for a kernel without filters or a bad program, EACCES without the condition above.
pub fn install_filter(program: &[Instruction]) -> io::Result<()> {
    let length = c_ushort::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let raw = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut().cast() };
    let (operation, flags): (c_uint, c_ulong) =
        (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW);
    // SAFETY: `raw` describes a live array of `length` instructions of the kernel's layout, which it only reads.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, operation, flags, &raw const raw) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

// ---- Signals without handlers: blocked and read from a descriptor, or left to their default action.

/// Signals as a stream: blocked for the calling thread and those it starts later, read here one by one.
/// Non-blocking, closed on exec; readable for poll and epoll when a signal waits.
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// Blocks `signals` and opens the stream. Call it before the first thread starts, or another one takes them.
    ///
    /// # Errors
    /// As signalfd(2).
    pub fn new(signals: &[i32]) -> io::Result<Self> {
        let set = set_of(signals);
        change_mask(libc::SIG_BLOCK, &set)?;
        // SAFETY: `set` is an initialised sigset_t that signalfd only reads.
        let fd =
            check(unsafe { libc::signalfd(-1, &raw const set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) })?;
        // SAFETY: signalfd just made it, and nobody else owns it.
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

/// Holds `signal` back until it is unblocked.
///
/// # Errors
/// As sigprocmask(2).
pub fn block_signal(signal: i32) -> io::Result<()> {
    change_mask(libc::SIG_BLOCK, &set_of(&[signal]))
}

/// Lets `signal` through; one that was held back acts now.
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

/// The default action for `signal`, whatever was inherited: with SIGCHLD ignored, children would vanish unreaped.
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
#[path = "sys_tests.rs"]
mod tests;
