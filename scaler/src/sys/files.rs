//! Files below a directory, and nothing outside it.

use std::ffi::{CStr, CString, c_int};
use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::{check, retry};

/// Opens `path` below `dir` for reading, without ever leaving it: no symbolic link in any component, no `..`, no
/// absolute path. Never blocks (a FIFO opens at once): look at the metadata before reading.
///
/// By openat2(2) with RESOLVE_BENEATH; where that is missing or forbidden (ENOSYS, EPERM), component by component with
/// O_NOFOLLOW, which lets nothing else through because `..` is refused beforehand.
///
/// # Errors
/// `NotFound` for a path that is refused by its form; otherwise as openat2(2): ELOOP for a link, EXDEV for an escape.
pub fn open_beneath(dir: BorrowedFd<'_>, path: &[u8]) -> io::Result<File> {
    let path = sane(path)?;
    match open_resolved(dir, &path) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => walk(dir, &path),
        result => result,
    }
    .map(File::from)
}

const FLAGS: c_int = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;

/// A relative path of plain components as a C string.
fn sane(path: &[u8]) -> io::Result<CString> {
    let plain = path.split(|&byte| byte == b'/').all(|part| !matches!(part, b"" | b"." | b".."));
    if !plain {
        return Err(io::ErrorKind::NotFound.into());
    }
    CString::new(path).map_err(|_| io::ErrorKind::NotFound.into())
}

fn open_resolved(dir: BorrowedFd<'_>, path: &CStr) -> io::Result<OwnedFd> {
    // SAFETY: all-zero bytes are a valid open_how, which grows by zero fields.
    let mut how: libc::open_how = unsafe { mem::zeroed() };
    how.flags = u64::try_from(FLAGS).map_err(|_| io::ErrorKind::InvalidInput)?;
    how.resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS;
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_outside_is_opened_by_either_way() {
        let root = std::env::temp_dir().join(format!("tp2-beneath-{}", std::process::id()));
        let inside = root.join("inside");
        fs::create_dir_all(inside.join("a/b")).unwrap();
        fs::write(inside.join("a/b/c.txt"), "c").unwrap();
        fs::write(root.join("secret"), "s").unwrap();
        symlink("../secret", inside.join("link")).unwrap();
        symlink("a", inside.join("dir")).unwrap();
        symlink("/", inside.join("root")).unwrap();
        let dir = File::open(&inside).unwrap();

        let both = |path: &str| {
            let walked = sane(path.as_bytes()).and_then(|path| walk(dir.as_fd(), &path)).map(File::from);
            [open_beneath(dir.as_fd(), path.as_bytes()), walked]
        };
        for found in both("a/b/c.txt") {
            let mut text = String::new();
            found.unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "c");
        }
        for path in [
            "",
            "/",
            "..",
            "../secret",
            "a/../../secret",
            "a/../a/b/c.txt",
            "./a/b/c.txt",
            "a//b/c.txt",
            "/etc/passwd",
            "link",
            "dir/b/c.txt",
            "root/etc/passwd",
            "a/b/c.txt/",
            "a/b/c.txt/d",
            "nada",
            "a\0b",
        ] {
            for opened in both(path) {
                assert!(opened.is_err(), "{path:?} was opened");
            }
        }
        fs::remove_dir_all(&root).unwrap();
    }
}
