//! Opens files below a directory, and none outside it.

use std::ffi::{CStr, CString, c_int, c_long};
use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{check, retry};

/// Opens `path` below `dir` for reading, without ever leaving it: no symbolic link in any component, no `..`, no
/// absolute path. Never blocks (a FIFO opens at once): look at the metadata before reading.
///
/// By openat2(2) with RESOLVE_BENEATH; where that is missing or forbidden (ENOSYS, EPERM), component by component
/// with O_NOFOLLOW, which is equivalent because `..` is refused beforehand.
///
/// # Errors
/// `NotFound` for a path that is refused by its form or is too long, a link, a way out, a component that is no
/// directory, a socket. Otherwise as openat2(2).
pub fn open_beneath(dir: BorrowedFd<'_>, path: &[u8]) -> io::Result<File> {
    let path = sane(path)?;
    match open_resolved(dir, &path, FLAGS, BENEATH) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => walk(dir, &path),
        result => result,
    }
    .map(File::from)
    .map_err(|error| if is_nothing(&error) { io::ErrorKind::NotFound.into() } else { error })
}

/// Opens the file at `path` below `dir` for its metadata only, if the kernel has the whole path in its cache: as
/// [`open_beneath`], but never waits for a disk or another machine, crosses no mount, and has no side effect on any
/// kind of file.
///
/// By openat2(2) with RESOLVE_CACHED.
///
/// # Errors
/// After any error [`open_beneath`] may still succeed: not in the cache (EAGAIN), another file system (EXDEV), Linux
/// before 5.12 (EINVAL, ENOSYS), or as there.
pub fn glance_beneath(dir: BorrowedFd<'_>, path: &[u8]) -> io::Result<File> {
    let resolve = BENEATH | libc::RESOLVE_NO_XDEV | libc::RESOLVE_CACHED;
    let flags = libc::O_PATH | libc::O_CLOEXEC | libc::O_NOFOLLOW;
    open_resolved(dir, &sane(path)?, flags, resolve).map(File::from)
}

/// Whether the file system of `file` is local: the kernel itself has its state, so metadata is correct and at hand,
/// and comes from no other machine or program. True only for those in common use that are known to be local.
///
/// # Errors
/// As fstatfs(2).
pub fn is_local(file: BorrowedFd<'_>) -> io::Result<bool> {
    // SAFETY: all-zero bytes are a valid statfs.
    let mut found: libc::statfs = unsafe { mem::zeroed() };
    // SAFETY: fstatfs writes into a live buffer of its type.
    retry(|| check(unsafe { libc::fstatfs(file.as_raw_fd(), &raw mut found) }))?;
    // Signed in glibc's header, unsigned in musl's.
    let kind = i128::from(found.f_type);
    Ok(LOCAL.iter().any(|&magic| i128::from(magic) == kind))
}

/// ext2 and ext3 have ext4's number. The files below an overlay must change only through it.
const LOCAL: [c_long; 6] = [
    libc::EXT4_SUPER_MAGIC,
    libc::XFS_SUPER_MAGIC,
    libc::BTRFS_SUPER_MAGIC,
    libc::F2FS_SUPER_MAGIC,
    libc::TMPFS_MAGIC,
    libc::OVERLAYFS_SUPER_MAGIC,
];

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
        // SAFETY: openat2 just made it, and nothing else owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(check(fd)?) })
    })
}

/// Renames `from` to `to` in the same file system, if `to` does not exist: it never replaces a file, also when
/// several processes try at once.
///
/// By renameat2(2) with RENAME_NOREPLACE, called by its number, because musl has no function for it; where that is
/// missing or forbidden (ENOSYS, EPERM, and EINVAL of a file system without it), by a hard link.
///
/// # Errors
/// `AlreadyExists`, and otherwise as renameat2(2) or link(2).
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    let (source, target) =
        (CString::new(from.as_os_str().as_bytes())?, CString::new(to.as_os_str().as_bytes())?);
    // SAFETY: two live C strings that are only read.
    let result = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            source.as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    match if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) } {
        Ok(()) => Ok(()),
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
            // SAFETY: openat just made it, and nothing else owns it.
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
            let refused = open_beneath(dir.as_fd(), path.as_bytes()).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::NotFound, "{path:?}");
        }
        let long = [b'a'; 300];
        let refused = open_beneath(dir.as_fd(), &long).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::NotFound);
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn a_glance_sees_what_is_inside_and_reads_nothing() {
        let root = std::env::temp_dir().join(format!("tp2-glance-{}", std::process::id()));
        fs::create_dir_all(root.join("inside/a")).unwrap();
        fs::write(root.join("inside/a/file"), "four").unwrap();
        fs::write(root.join("secret"), "s").unwrap();
        symlink("a", root.join("inside/dir")).unwrap();
        let dir = File::open(root.join("inside")).unwrap();
        let mut seen = glance_beneath(dir.as_fd(), b"a/file").unwrap();
        assert_eq!(seen.metadata().unwrap().len(), 4);
        assert!(seen.read_to_string(&mut String::new()).is_err(), "it is for its metadata alone");
        for path in [&b"../secret"[..], b"dir/file", b"a/nada", b"/etc/passwd", b""] {
            assert!(glance_beneath(dir.as_fd(), path).is_err());
        }
        assert!(!is_local(File::open("/proc").unwrap().as_fd()).unwrap());
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn a_name_that_is_taken_is_not_taken_away() {
        let root = std::env::temp_dir().join(format!("tp2-rename-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let (from, to) = (root.join("from"), root.join("to"));
        fs::write(&from, "new").unwrap();
        rename_new(&from, &to).unwrap();
        assert!(!from.exists());
        fs::write(&from, "newer").unwrap();
        assert_eq!(rename_new(&from, &to).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!((fs::read(&from).unwrap(), fs::read(&to).unwrap()), (b"newer".to_vec(), b"new".to_vec()));
        let missing = rename_new(&root.join("nada"), &root.join("free")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        fs::remove_dir_all(&root).unwrap();
    }
}
