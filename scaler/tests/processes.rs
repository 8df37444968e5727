//! One case per rule of the confinement: a child that breaks the rule dies, and its parent logs why. And the life of
//! an owned scaler: it ends with its owner, however that ends.
//!
//! The program under test is the library's own server with another service behind the same confinement, so that
//! `tp2-scaler` has no access to this code. This file is all of it: with a role as its argument it is the server, the
//! owner or the single misbehaving process; without, it runs the cases (no libtest here, because a server forks and
//! must have one thread).
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by a panic"
)]

mod common;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::panic;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, exit};
use std::thread;
use std::time::Duration;

use common::{Server, children, is_alive, pgm, request, scratch_path, wait_for};
use scaler::child::SessionLimits;
use scaler::listener::{Endpoint, Listener, Peer};
use scaler::sandbox::{self, Confinement};
use scaler::serve::{self, Config, Owner};
use scaler::sys::{self, Instruction, Limit, Pid};
use scaler::wire::Limits;

/// What a child is made to do, by the byte that its client sends; and the expected log line.
const CRIMES: &[(u8, &str, &str)] = &[
    (b'f', "fork", "SIGSYS: llamada al sistema prohibida"),
    (b't', "start a thread", "SIGSYS: llamada al sistema prohibida"),
    (b'x', "execute a program", "SIGSYS: llamada al sistema prohibida"),
    (b's', "open a socket", "SIGSYS: llamada al sistema prohibida"),
    (b'n', "duplicate a descriptor", "SIGSYS: llamada al sistema prohibida"),
    (b'k', "signal its parent", "SIGSYS: llamada al sistema prohibida"),
    (b'l', "list a directory", "open: permission denied"),
    (b'o', "open a file", "open: permission denied"),
    (b'm', "take more memory than the largest job", "SIGABRT: límite de memoria"),
    (b'c', "compute for longer than its limit", "SIGXCPU: límite de procesador"),
    (b'd', "wait for longer than its deadline", "SIGALRM: plazo agotado"),
    (b'p', "panic", "pánico"),
    (b'q', "end with an unknown code", "código 99, desconocido"),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["role:culprits", path] => finish(serve::run_service(config(path, None), commit)),
        ["role:owner", path] => own_a_scaler(path),
        ["role:scaler", path, owner] => {
            let pid = owner.parse().ok().and_then(Pid::from_number).expect("a pid");
            finish(serve::run(config(path, Some(Owner { pid }))));
        }
        ["role:no-filters", path, required] => {
            refuse_filters();
            let mut config = config(path, None);
            config.session_limits.confinement_required = required == "required";
            finish(serve::run(config));
        }
        ["role:file-writer"] => write_to_a_file(),
        ["role:dying-server", path] => leave_a_listening_child(path),
        ["role:stranger", path] => {
            let turned_away = UnixStream::connect(path).and_then(|mut stream| stream.read(&mut [0]));
            exit(i32::from(turned_away.is_err()));
        }
        _ => run_cases(&words),
    }
}

fn config(path: &str, owner: Option<Owner>) -> Config {
    let session_limits = SessionLimits {
        limits: Limits::default(),
        deadline: Duration::from_secs(5),
        idle: None,
        niceness_of_large: 0,
        verbose: false,
        confinement_required: true,
    };
    let drain = Duration::from_secs(5);
    Config {
        listen: vec![Endpoint::Unix(PathBuf::from(path))],
        children_max: 64,
        session_limits,
        drain,
        owner,
    }
}

fn finish(result: Result<(), serve::StartError>) -> ! {
    if let Err(error) = result {
        eprintln!("{error}");
        exit(1);
    }
    exit(0)
}

/// The service of the misbehaving children: one byte selects the action.
fn commit(_: &SessionLimits, _: &Peer) -> u8 {
    let mut crime = [0];
    let _ = sys::read(sys::INPUT, &mut crime);
    match crime[0] {
        b'f' => drop(sys::fork_child(|| 0)),
        b't' => drop(thread::Builder::new().spawn(|| ())),
        b'x' => drop(Command::new("/bin/true").exec()),
        b's' => drop(UdpSocket::bind("127.0.0.1:0")),
        b'n' => drop(sys::INPUT.try_clone_to_owned()),
        b'k' => sys::kill(Pid::from_number(sys::parent_pid()).unwrap(), sys::SIGTERM),
        b'l' => report(fs::read_dir("/").map(drop)),
        b'o' => report(File::open("/etc/passwd").map(drop)),
        b'm' => drop(std::hint::black_box(vec![1_u8; 4 << 30])),
        b'c' => {
            sys::alarm(None);
            sys::set_limits(Limit::Cpu, 1, 3600).unwrap();
            loop {
                std::hint::spin_loop();
            }
        }
        b'd' => {
            sys::alarm(Some(Duration::from_secs(1)));
            loop {
                let _ = sys::read(sys::INPUT, &mut crime);
            }
        }
        b'p' => panic!("a propósito"),
        b'q' => return 99,
        _ => {}
    }
    0
}

fn report(result: std::io::Result<()>) {
    let denied = result.is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied);
    scaler::log::child_error(if denied { "open: permission denied" } else { "open: not denied" });
}

/// Keeps a regular file through the confinement, which a server's child can't.
fn write_to_a_file() -> ! {
    let space = sandbox::address_space(1_000_000);
    let posture = sandbox::confine(&Confinement {
        connection: None,
        log: None,
        parent: None,
        files: false,
        address_space: space,
        niceness_of_large: 0,
    });
    assert!(posture.is_complete());
    let _ = sys::write(sys::OUTPUT, b"x");
    sys::exit_now(0)
}

/// Emulates a system without seccomp for this process: by a filter that refuses the next one.
fn refuse_filters() {
    const SECCOMP: u32 = if cfg!(target_arch = "x86_64") { 317 } else { 277 };
    const REFUSED: u32 = 0x0005_0001; // SECCOMP_RET_ERRNO, EPERM
    const ALLOWED: u32 = 0x7fff_0000;
    let step = |code, jump_false, operand| Instruction { code, jump_true: 0, jump_false, operand };
    sys::forbid_new_privileges().unwrap();
    // Load the number; seccomp? refuse : allow.
    let program = [step(0x20, 0, 0), step(0x15, 1, SECCOMP), step(0x06, 0, REFUSED), step(0x06, 0, ALLOWED)];
    sys::install_filter(&program).unwrap();
}

/// Acts as tp2: starts its own scaler, holds the pipe that is its standard input, and stays alive.
fn own_a_scaler(path: &str) -> ! {
    let mut command = Command::new("/proc/self/exe");
    command.args(["role:scaler", path, &std::process::id().to_string()]).stdin(Stdio::piped());
    let mut scaler = command.spawn().unwrap();
    println!("scaler {}", scaler.id());
    // A command of the test: close the pipe, or wait to be killed.
    let mut order = String::new();
    std::io::stdin().read_line(&mut order).unwrap();
    drop(scaler.stdin.take());
    exit(scaler.wait().unwrap().code().unwrap_or(99))
}

type Case = (String, Box<dyn FnOnce() + Send + panic::UnwindSafe>);

/// A small test runner: runs cases whose names contain one of the given words, in parallel, with libtest's output
/// format.
fn run_cases(words: &[&str]) {
    let wanted: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with('-')).collect();
    let mut cases: Vec<Case> = CRIMES
        .iter()
        .map(|&(order, crime, line)| -> Case {
            (format!("a child can't {crime}"), Box::new(move || the_log_says(order, line)))
        })
        .collect();
    cases.push(("a child can't write to a regular file".to_owned(), Box::new(no_regular_file)));
    cases.push(("eight young deaths in a row pause the server".to_owned(), Box::new(young_deaths_pause)));
    cases.push(("a scaler goes when its owner is killed".to_owned(), Box::new(|| owner_ends(true))));
    cases.push((
        "a scaler goes when its owner lets go of the pipe".to_owned(),
        Box::new(|| owner_ends(false)),
    ));
    cases.push((
        "an owned scaler leaves the terminal's signals to its owner".to_owned(),
        Box::new(owner_decides),
    ));
    cases.push((
        "a scaler with another parent than its owner does not start".to_owned(),
        Box::new(wrong_owner),
    ));
    cases.push(("a stranger is turned away".to_owned(), Box::new(no_strangers)));
    cases.push((
        "a child that still holds a killed server's socket keeps no successor away".to_owned(),
        Box::new(successor),
    ));
    cases
        .push(("without filters it says so and serves, unless told not to".to_owned(), Box::new(no_filters)));
    cases.retain(|(name, _)| wanted.is_empty() || wanted.iter().any(|word| name.contains(word)));

    let running: Vec<_> = cases.into_iter().map(|(name, case)| (name, thread::spawn(case))).collect();
    let mut failed = 0;
    for (name, case) in running {
        let ok = case.join().is_ok();
        println!("test {name} ... {}", if ok { "ok" } else { "FAILED" });
        failed += usize::from(!ok);
    }
    exit(i32::from(failed > 0))
}

fn start(role: &str, path: &Path) -> Server {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([role, path.to_str().unwrap()]);
    let server = Server::spawn(command);
    wait_for("the socket", || UnixStream::connect(path).ok());
    server
}

fn the_log_says(order: u8, expected: &str) {
    let path = scratch_path("culprits.sock");
    let mut server = start("role:culprits", &path);
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(&[order]).unwrap();
    let _ = client.read(&mut [0]); // until the child's end
    let line = server.err.expect(expected);
    assert!(line.starts_with("tp2-scaler: "), "{line}");
    if order == b'p' {
        let line = server.err.expect(": a propósito");
        assert!(line.starts_with("tp2-scaler: pánico en ") && line.contains("processes.rs:"), "{line}");
        server.err.expect(": pánico");
    }
    wait_for("its burial", || children(server.pid()).is_empty().then_some(()));
    if order == b'm' {
        server.err.expect("tp2-scaler: no queda memoria para 4294967296 bytes");
    }
    // The parent is unchanged.
    drop(UnixStream::connect(&path).unwrap());
    server.signal("TERM");
    assert!(server.ended().success());
}

fn no_regular_file() {
    let path = scratch_path("file");
    let mut command = Command::new(std::env::current_exe().unwrap());
    let status = command.arg("role:file-writer").stdout(File::create(&path).unwrap()).status().unwrap();
    assert_eq!(status.signal(), Some(sys::SIGXFSZ));
    assert_eq!(fs::read(&path).unwrap(), b"");
    fs::remove_file(&path).unwrap();
}

/// Even if the file's mode was opened up. Only root can act as another user; for others `sys::net` has the rule.
fn no_strangers() {
    let path = scratch_path("private.sock");
    let server = start("role:culprits", &path);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let mut stranger = Command::new(std::env::current_exe().unwrap());
    if stranger.args(["role:stranger", path.to_str().unwrap()]).uid(65_534).status().is_ok() {
        server.err.expect("usuario 65534) no es de este usuario");
    }
}

fn no_filters() {
    const MISSING: &str =
        "señales, descriptores, padre, límites, privilegios. Este sistema no ofrece: filtro.";
    let path = scratch_path("filters.sock");
    let name = path.to_str().unwrap();
    let mut refusing = Command::new(std::env::current_exe().unwrap());
    let output = refusing.args(["role:no-filters", name, "required"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        error,
        format!("Aislamiento de los hijos: {MISSING} Se exige completo (--exigir-aislamiento).\n")
    );
    assert!(!path.exists());

    let mut serving = Command::new(std::env::current_exe().unwrap());
    serving.args(["role:no-filters", name, "optional"]);
    let server = Server::spawn(serving);
    server.err.expect(&format!("tp2-scaler: Aislamiento de los hijos: {MISSING}"));
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(&request("ESCALAR 2", &pgm(4, 4))).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut reply = Vec::new();
    client.read_to_end(&mut reply).unwrap();
    assert_eq!(reply, common::expected(4, 4, (8, 8)));
}

fn young_deaths_pause() {
    let path = scratch_path("young.sock");
    let server = start("role:culprits", &path);
    for _ in 0..8 {
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(b"f").unwrap();
        let _ = client.read(&mut [0]);
    }
    server.err.expect("Los hijos mueren nada más nacer: se deja de aceptar durante 1 s.");
    // The pause ends by itself.
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"o").unwrap();
    server.err.expect("open: permission denied");
}

/// An owner, and the process id of its scaler.
fn start_owner(path: &Path) -> (std::process::Child, u32) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["role:owner", path.to_str().unwrap()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut owner = command.stderr(Stdio::null()).spawn().unwrap();
    let out = common::Lines::follow(owner.stdout.take().unwrap());
    let scaler = out.expect("scaler ").trim_start_matches("scaler ").parse().unwrap();
    (owner, scaler)
}

fn owner_decides() {
    let path = scratch_path("terminal.sock");
    let (mut owner, scaler) = start_owner(&path);
    let mut before = wait_for("the socket", || UnixStream::connect(&path).ok());
    for signal in ["INT", "HUP", "INT"] {
        common::send_signal(scaler, signal);
        // Signals are read before connections: if it obeyed this one, it would accept no more clients.
        let mut after = UnixStream::connect(&path).unwrap();
        for stream in [&mut before, &mut after] {
            stream.write_all(&request("ESCALAR 2", &pgm(4, 4))).unwrap();
            let mut reply = common::expected(4, 4, (8, 8));
            let expected = reply.clone();
            stream.read_exact(&mut reply).unwrap();
            assert_eq!(reply, expected, "SIG{signal}");
        }
    }
    owner.stdin.take().unwrap().write_all(b"suelta\n").unwrap();
    assert!(owner.wait().unwrap().success(), "it ends in order, when its owner says so");
}

fn owner_ends(by_kill: bool) {
    let path = scratch_path("owned.sock");
    let (mut owner, scaler) = start_owner(&path);
    let mut idle = wait_for("the socket", || UnixStream::connect(&path).ok());
    let mut busy = UnixStream::connect(&path).unwrap();
    busy.write_all(&request("ESCALAR 0.5", &pgm(100, 100)[..5000])).unwrap();
    wait_for("two children", || (children(scaler).len() == 2).then_some(()));
    assert_eq!(fs::read_to_string(format!("/proc/{scaler}/comm")).unwrap(), "tp2-scaler\n");
    let grandchildren = children(scaler);

    if by_kill {
        owner.kill().unwrap();
    } else {
        owner.stdin.take().unwrap().write_all(b"suelta\n").unwrap();
    }
    let status = owner.wait().unwrap();
    assert!(by_kill || status.code() == Some(0), "the scaler ends in order: {status}");
    wait_for("the scaler's end", || (!is_alive(scaler)).then_some(()));
    wait_for("its children's end", || grandchildren.iter().all(|&(pid, _)| !is_alive(pid)).then_some(()));
    assert!(!path.exists(), "the socket goes too");
    for stream in [&mut idle, &mut busy] {
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
    }
}

/// As a server that is killed while a child that it has just forked has not closed its copy of the socket yet.
fn leave_a_listening_child(path: &str) -> ! {
    let listener = Listener::open(&Endpoint::Unix(PathBuf::from(path))).unwrap();
    let forked = sys::fork_child(|| {
        thread::sleep(Duration::from_millis(300));
        0
    });
    // Neither of the two removes the file.
    std::mem::forget(listener);
    sys::exit_now(u8::from(forked.is_err()));
}

fn successor() {
    let path = scratch_path("dying.sock");
    for is_reaped in [true, false] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["role:dying-server", path.to_str().unwrap()]).stdin(Stdio::null());
        let mut server = command.spawn().unwrap();
        if is_reaped {
            assert!(server.wait().unwrap().success());
        } else {
            wait_for("the server's end", || (!is_alive(server.id())).then_some(()));
        }
        UnixStream::connect(&path).expect("a child that listens on");
        let listener = Listener::open(&Endpoint::Unix(path.clone())).unwrap();
        UnixStream::connect(&path).unwrap();
        drop(listener);
        assert!(!path.exists());
        assert!(server.wait().unwrap().success());
    }
}

fn wrong_owner() {
    let path = scratch_path("orphan.sock");
    let mut command = Command::new(std::env::current_exe().unwrap());
    // Process 1 exists, but did not start this scaler.
    let output =
        command.args(["role:scaler", path.to_str().unwrap(), "1"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "el programa que lo inició ya no está\n");
    assert!(!path.exists());
}
