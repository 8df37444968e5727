//! The wrappers against the kernel they wrap.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::time::Duration;

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

#[test]
fn buffers_of_every_size_are_usable() {
    for capacity in [0, 1, HUGE_PAGE - 1, HUGE_PAGE, HUGE_PAGE + 1, 3 * HUGE_PAGE + 12_345] {
        let mut buffer = allocate_huge(capacity).unwrap();
        assert!(buffer.capacity() >= capacity);
        buffer.resize(capacity, 0xa5);
        assert!(buffer.iter().all(|&byte| byte == 0xa5));
    }
    assert_eq!(allocate_huge(usize::MAX), None);
}

#[test]
fn a_tcp_listener_takes_the_port_it_says() {
    let listener = listen_tcp((Ipv4Addr::LOCALHOST, 0).into(), true, 8).unwrap();
    let addr = listener.local_addr().unwrap();
    TcpStream::connect(addr).unwrap();
    assert_eq!(listen_tcp(addr, true, 8).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    assert_eq!(
        listen_tcp((Ipv4Addr::LOCALHOST, 0).into(), true, 8).unwrap().accept().unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
}

#[test]
fn v6only_is_what_was_asked_for_whatever_the_system_says() {
    let Ok(dual) = listen_tcp((Ipv6Addr::UNSPECIFIED, 0).into(), false, 8) else {
        eprintln!("OMITIDA: sin IPv6");
        assert!(std::env::var_os("TP2_CI").is_none());
        return;
    };
    let port = dual.local_addr().unwrap().port();
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
    let only = listen_tcp((Ipv6Addr::UNSPECIFIED, 0).into(), true, 8).unwrap();
    let port = only.local_addr().unwrap().port();
    TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
}

#[test]
fn a_unix_listener_is_for_its_user_alone() {
    let path = std::env::temp_dir().join(format!("tp2-sys-{}.sock", std::process::id()));
    let listener = listen_unix(&path, 8).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let client = UnixStream::connect(&path).unwrap();
    let credentials = peer_credentials(&client).unwrap();
    assert_eq!(credentials.pid.cast_unsigned(), std::process::id());
    assert!(credentials.is_trusted());
    assert!(!Credentials { pid: 1, uid: u32::MAX - 1 }.is_trusted());
    assert_eq!(listen_unix(&path, 8).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    drop(listener);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(listen_unix(Path::new(&"x".repeat(108)), 8).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

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
