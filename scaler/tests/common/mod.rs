//! Shared by the tests: the real binary as a process, its log lines, and its children as /proc shows them.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(unreachable_pub, reason = "the same file is a module of several crates")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for a loaded machine; reached only on failure.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `condition` returns a value.
#[track_caller]
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A test that needs what this machine lacks: prints that, and fails where skipping is forbidden.
#[track_caller]
pub fn skip(reason: &str) {
    eprintln!("OMITIDA: {reason}");
    assert!(std::env::var_os("TP2_CI").is_none(), "nothing may be skipped with TP2_CI: {reason}");
}

/// A path of its own for each call.
pub fn scratch_path(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("tp2-{}-{number}-{name}", std::process::id()))
}

/// Lines that a process has printed so far.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    pub fn follow(source: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let sink = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                sink.0.lock().unwrap().push(line);
            }
        });
        lines
    }

    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// The first line that has `part` in it, once it is there.
    #[track_caller]
    pub fn expect(&self, part: &str) -> String {
        wait_for(&format!("a line with {part:?} in {:?}", self.all()), || {
            self.all().into_iter().find(|line| line.contains(part))
        })
    }
}

/// A running server; killed when dropped.
pub struct Server {
    pub process: Child,
    pub out: Lines,
    pub err: Lines,
}

impl Server {
    /// Starts `tp2-scaler` with these arguments, and waits until it listens.
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tp2-scaler"));
        command.args(arguments);
        let server = Self::spawn(command);
        server.out.expect("Aislamiento de los hijos");
        server
    }

    pub fn spawn(mut command: Command) -> Self {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let out = Lines::follow(process.stdout.take().unwrap());
        let err = Lines::follow(process.stderr.take().unwrap());
        Self { process, out, err }
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The port of the first TCP address.
    pub fn port(&self) -> u16 {
        wait_for("a TCP address", || {
            let lines = self.out.all();
            let line = lines.iter().find(|line| line.starts_with("Iniciando") && !line.contains("unix:"))?;
            line.rsplit(':').next()?.parse().ok()
        })
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port())).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub fn signal(&self, signal: &str) {
        send_signal(self.pid(), signal);
    }

    /// The exit status, once it has ended.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        wait_for("the server's end", || self.process.try_wait().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Stopped in order if possible, so that its socket is removed too.
        let start = Instant::now();
        if matches!(self.process.try_wait(), Ok(None)) {
            self.signal("TERM");
        }
        while start.elapsed() < Duration::from_secs(1) && matches!(self.process.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(2));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn send_signal(pid: u32, signal: &str) {
    let status = Command::new("kill").args(["-s", signal, &pid.to_string()]).status().unwrap();
    assert!(status.success(), "kill -s {signal} {pid}");
}

/// (pid, state) of every process whose parent is `parent`.
pub fn children(parent: u32) -> Vec<(u32, char)> {
    let processes =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    processes
        .filter_map(|pid: u32| process(pid).filter(|&(_, of)| of == parent).map(|(state, _)| (pid, state)))
        .collect()
}

pub fn is_alive(pid: u32) -> bool {
    process(pid).is_some_and(|(state, _)| state != 'Z')
}

/// State and parent.
fn process(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold any characters: the fields follow its closing parenthesis.
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// The value of a line of `/proc/<pid>/<file>`.
pub fn proc_field(pid: u32, file: &str, name: &str) -> String {
    let text = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join(file)).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.expect("the kernel has this line").trim().to_owned()
}

/// Sends `request`, closes the sending side, reads to the end.
pub fn exchange(mut stream: TcpStream, request: &[u8]) -> Vec<u8> {
    stream.write_all(request).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    reply
}

/// A gray picture without repetition, as a PGM.
pub fn pgm(width: u32, height: u32) -> Vec<u8> {
    let mut image = format!("P5\n{width} {height}\n255\n").into_bytes();
    image.extend(
        (0..height).flat_map(|y| (0..width).map(move |x| (x * 7 + y * 3 + x * y / 5).to_le_bytes()[0])),
    );
    image
}

pub fn request(line: &str, image: &[u8]) -> Vec<u8> {
    [line.as_bytes(), b"\n", image].concat()
}

/// The resampling's own result for a PGM made by [`pgm`], as the expected reply.
pub fn expected(width: u32, height: u32, to: (u32, u32)) -> Vec<u8> {
    use scaler::raster::{Channels, Raster};
    use scaler::{resize, wire};
    let image = pgm(width, height);
    let samples = image[image.len() - (width * height) as usize..].to_vec();
    let raster = Raster { width, height, channels: Channels::Luma, samples };
    let scaled = resize::resize(&raster, to.0, to.1).unwrap();
    [wire::emit_reply_head(to.0, to.1, Channels::Luma), scaled.samples].concat()
}
