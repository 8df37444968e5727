//! Measures whether good clients notice bad ones: how long a small picture takes on a quiet server, and on one that has
//! 3,000 idle, 1,000 slow and 200 hostile connections beside.
//!
//! `cargo run --release --example bench_load [SECONDS]`, which scripts/bench does: three measurements of that length (10),
//! quiet, loaded, quiet again. Every answer to a good client is compared with the first; one that is wrong is a failure.
//!
//! Known limit: the bad clients run on the same machine, so what they cost themselves is measured as well.
#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use scaler::raster::{Channels, Raster};
use scaler::sys::{self, Limit};
use tp2::http::format::Format;
use tp2::model::image::Encoding;
use tp2::pixels::encode;

const IDLE: usize = 3000;
const SLOW: usize = 1000;
const HOSTILE: usize = 200;
/// Good clients, each with one request at a time.
const GOOD: usize = 2;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let time = Duration::from_secs_f64(std::env::args().nth(1).map_or(Ok(10.0), |text| text.parse())?);
    let (_, hard) = sys::limits(Limit::Files)?;
    sys::set_limits(Limit::Files, hard, hard)?;
    let server = Server::start()?;
    let address = server.address;
    let request = picture_request()?;
    let expected = Good::connect(address)?.ask(&request)?;
    // The first pictures warm caches and connections that stay warm.
    measure(address, &request, &expected, Duration::from_secs(1))?;

    println!("{:>32} {:>9} {:>9} {:>9} {:>9} {:>9}", "", "a second", "p50 ms", "p99 ms", "max ms", "MiB");
    let quiet = measure(address, &request, &expected, time)?;
    quiet.print("quiet", &server)?;
    let over = AtomicBool::new(false);
    let deeds = AtomicU64::new(0);
    let loaded = thread::scope(|scope| -> Outcome<Measured> {
        let idle = open(address, IDLE)?;
        let slow = open(address, SLOW)?;
        scope.spawn(|| be_slow(slow, &over));
        for half in 0..2 {
            let (over, deeds) = (&over, &deeds);
            scope.spawn(move || {
                be_hostile(address, half * HOSTILE / 2..(half + 1) * HOSTILE / 2, over, deeds);
            });
        }
        // Until all of them are there.
        thread::sleep(Duration::from_secs(1));
        let loaded = measure(address, &request, &expected, time);
        if let Ok(loaded) = &loaded {
            loaded.print(&format!("{IDLE} idle {SLOW} slow {HOSTILE} hostile"), &server)?;
        }
        over.store(true, Relaxed);
        drop(idle);
        loaded
    })?;
    thread::sleep(Duration::from_secs(3));
    let again = measure(address, &request, &expected, time)?;
    again.print("quiet again", &server)?;
    let base = (quiet.at(990) + again.at(990)) / 2;
    println!("\np99 loaded / quiet: {:.2}", loaded.at(990).as_secs_f64() / base.as_secs_f64());
    println!(
        "deeds of the hostile, a second: {:.0}",
        deeds.load(Relaxed) as f64 / (time.as_secs_f64() + 1.0)
    );
    Ok(())
}

/// A JPEG of 150x100, as the body of a request.
fn picture_request() -> Outcome<Vec<u8>> {
    let samples =
        (0..15_000u32).map(|at| u8::try_from((at % 150) * (at / 150) / 60)).collect::<Result<_, _>>()?;
    let raster = Raster { width: 150, height: 100, channels: Channels::Luma, samples };
    let file = encode(raster, &Encoding { format: Format::Jpeg, quality: 85, background: [255; 3] })
        .map_err(|failure| failure.to_string())?;
    let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", file.len());
    Ok([head.into_bytes(), file].concat())
}

/// A server of its own, ended when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    store: PathBuf,
}

impl Server {
    fn start() -> Outcome<Self> {
        let store = std::env::temp_dir().join(format!("tp2-bench-{}", std::process::id()));
        std::fs::create_dir(&store)?;
        let program = std::env::current_exe()?;
        // Beside target/release/examples.
        let program = program.parent().and_then(Path::parent).ok_or("no directory")?.join("tp2");
        let mut command = Command::new(program);
        command.args(["-i", "127.0.0.1", "-p", "0", "-q", "--conexiones", "6000", "-a"]);
        command.arg(format!("sqlite:{}", store.join("tp2.sqlite3").display()));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let address = line.trim().rsplit('/').next().ok_or("no address")?.parse()?;
        Ok(Self { child, address, store })
    }

    /// Memory of its own, in MiB.
    fn memory(&self) -> Outcome<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("no RssAnon")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? >> 10)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.store);
    }
}

/// A client that asks properly.
struct Good {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Good {
    fn connect(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// The body of the answer, which has to be 200.
    fn ask(&mut self, request: &[u8]) -> Outcome<Vec<u8>> {
        self.stream.write_all(request)?;
        self.received.clear();
        let mut buffer = [0; 16 << 10];
        let mut length = None;
        while length.is_none_or(|length| self.received.len() < length) {
            let n = self.stream.read(&mut buffer)?;
            if n == 0 {
                return Err("closed in the middle of an answer".into());
            }
            self.received.extend_from_slice(&buffer[..n]);
            if length.is_none()
                && let Some(end) = memchr::memmem::find(&self.received, b"\r\n\r\n")
            {
                let head = std::str::from_utf8(&self.received[..end])?;
                if !head.starts_with("HTTP/1.1 200 ") {
                    return Err(head.to_owned().into());
                }
                let body =
                    head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).ok_or("no length")?;
                length = Some(end + 4 + body.parse::<usize>()?);
            }
        }
        let body = memchr::memmem::find(&self.received, b"\r\n\r\n").ok_or("no head")? + 4;
        Ok(self.received[body..].to_vec())
    }
}

/// How long each request took, in order of length.
struct Measured {
    times: Vec<Duration>,
    over: Duration,
}

impl Measured {
    /// What so many thousandths of them did not exceed.
    fn at(&self, thousandths: usize) -> Duration {
        self.times[(self.times.len() - 1) * thousandths / 1000]
    }

    fn print(&self, name: &str, server: &Server) -> Outcome<()> {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let rate = self.times.len() as f64 / self.over.as_secs_f64();
        let (p50, p99, max) = (ms(self.at(500)), ms(self.at(990)), ms(self.at(1000)));
        println!("{name:>32} {rate:>9.0} {p50:>9.2} {p99:>9.2} {max:>9.2} {:>9}", server.memory()?);
        Ok(())
    }
}

fn measure(address: SocketAddr, request: &[u8], expected: &[u8], time: Duration) -> Outcome<Measured> {
    let ask_on = || -> Outcome<Vec<Duration>> {
        let mut client = Good::connect(address)?;
        let (until, mut times) = (Instant::now() + time, Vec::new());
        while Instant::now() < until {
            let began_at = Instant::now();
            if client.ask(request)? != expected {
                return Err("a wrong answer".into());
            }
            times.push(began_at.elapsed());
        }
        Ok(times)
    };
    let mut times = thread::scope(|scope| -> Outcome<Vec<Duration>> {
        let clients: Vec<_> = (0..GOOD).map(|_| scope.spawn(ask_on)).collect();
        let mut times = Vec::new();
        for client in clients {
            times.extend(client.join().map_err(|_| "a client panicked")??);
        }
        Ok(times)
    })?;
    times.sort_unstable();
    Ok(Measured { times, over: time })
}

fn open(address: SocketAddr, count: usize) -> Outcome<Vec<TcpStream>> {
    Ok((0..count).map(|_| TcpStream::connect(address)).collect::<Result<_, _>>()?)
}

/// So many deeds a second, one at a time.
struct Pace {
    next: Instant,
    pause: Duration,
}

impl Pace {
    fn new(pause: Duration) -> Self {
        Self { next: Instant::now(), pause }
    }

    fn wait(&mut self) {
        self.next = (self.next + self.pause).max(Instant::now() - Duration::from_millis(20));
        thread::sleep(self.next.saturating_duration_since(Instant::now()));
    }
}

/// Uploads that go on for ever, each at a little more than the 1 KiB/s that is asked of them.
fn be_slow(mut streams: Vec<TcpStream>, over: &AtomicBool) {
    for stream in &mut streams {
        let _ = stream.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 30000000\r\n\r\n");
    }
    // Each once a second; they don't know of each other, and so do not come at once.
    let mut pace = Pace::new(Duration::from_secs(1) / u32::try_from(SLOW).unwrap_or(u32::MAX));
    while !over.load(Relaxed) {
        for stream in &mut streams {
            let _ = stream.write_all(&[b'P'; 1200]);
            pace.wait();
        }
    }
}

/// Connections that do harm, each five times a second, and that come back when they are closed.
fn be_hostile(address: SocketAddr, numbers: std::ops::Range<usize>, over: &AtomicBool, deeds: &AtomicU64) {
    let mut streams: Vec<Option<TcpStream>> = numbers.clone().map(|_| None).collect();
    let large = [b"GET / HTTP/1.1\r\nHost: x\r\nX: ".to_vec(), vec![b'v'; 20_000]].concat();
    let pipelined = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    let parts = b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n".repeat(300);
    let parts = [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nTransfer-Encoding: chunked\r\n\r\n\
          ffff\r\n"
            .to_vec(),
        parts,
    ]
    .concat();
    let deed = |number: usize, stream: &mut TcpStream| -> std::io::Result<bool> {
        // Whether the connection is kept for the next deed.
        match number % 10 {
            // Slowloris; the server closes it after ten seconds.
            0 | 1 => stream.write_all(b"X").map(|()| true),
            // Asks on and on, and reads nothing.
            2 | 3 => stream.write_all(&pipelined).map(|()| true),
            // Heads that are noise, too large, or nearly right.
            4 => stream.write_all(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03").map(|()| false),
            5 => stream.write_all(&large).map(|()| false),
            6 => stream
                .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
                .map(|()| false),
            // Bodies that are none: many parts, a picture that is a bomb.
            7 => stream.write_all(&parts).map(|()| false),
            8 => stream.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\nP5\n65000 65000\n255\n\0\0").map(|()| false),
            // Goes away at once, or after asking: a reset, because the answer is not read.
            _ => stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").map(|()| false),
        }
    };
    let mut pace = Pace::new(Duration::from_millis(200) / u32::try_from(streams.len()).unwrap_or(u32::MAX));
    while !over.load(Relaxed) {
        for (number, slot) in numbers.clone().zip(&mut streams) {
            if slot.is_none()
                && let Ok(stream) = TcpStream::connect(address)
                && stream.set_nonblocking(true).is_ok()
            {
                *slot = Some(stream);
            }
            if let Some(stream) = slot {
                // A full buffer is no end, a closed connection is.
                let kept = match deed(number, stream) {
                    Ok(kept) => kept,
                    Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
                };
                if !kept {
                    *slot = None;
                }
                deeds.fetch_add(1, Relaxed);
            }
            pace.wait();
        }
    }
}
