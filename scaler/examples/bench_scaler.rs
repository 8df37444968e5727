//! Measures the scaler: milliseconds a job and a megapixel over Unix and TCP, next to the same resize called in this
//! process and next to Python's `socketserver.ForkingMixIn` with Pillow; then small jobs a second.
//!
//! `cargo run --release -p scaler --example bench_scaler [SECONDS]`: about 16 measurements of that length each (2).
//!
//! What is measured: factor 0.5, gray, connections kept open, one client (medians), or two for the jobs a second; for
//! `fork` a new connection, and so a new process, for each job. The program is its own server.
#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

use std::error::Error;
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use scaler::child::SessionLimits;
use scaler::listener::Endpoint;
use scaler::raster::{Channels, Raster};
use scaler::resize::resize;
use scaler::serve::{self, Config};
use scaler::sys;
use scaler::wire::{self, Limits, Reply, ReplyDecoder, Target};

const HALF: Target = Target::Factor(0.5);
const SIZES: [(u32, u32); 3] = [(387, 258), (1680, 1190), (3640, 2472)];
const SMALL: (u32, u32) = (150, 100);

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, path, port] = arguments.as_slice()
        && role == "role:server"
    {
        return Ok(serve::run(config(path, port.parse()?))?);
    }
    let time = Duration::from_secs_f64(arguments.first().map_or(Ok(2.0), |text| text.parse())?);
    let path = std::env::temp_dir().join(format!("tp2-bench-{}.sock", std::process::id()));
    let (port, python_port) = (free_port()?, free_port()?);
    let mut server = Command::new(std::env::current_exe()?);
    server.args(["role:server", &path.display().to_string(), &port.to_string()]);
    let _server = Running(server.stdout(Stdio::null()).spawn()?);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/peers/forking_pillow.py");
    let _python = Running(Command::new("python3").args([script, &python_port.to_string()]).spawn()?);

    let tcp = |port: u16| move || TcpStream::connect(("127.0.0.1", port));
    let unix = || UnixStream::connect(&path);
    println!("ms a job (ms a megapixel), factor 0.5, one connection kept open");
    println!("{:>24} {:>16} {:>16} {:>16}", "", "0.1 MP", "2 MP", "9 MP");
    let mut own = Vec::new();
    row("in this process", |size| {
        own.push(in_process(size, time)?);
        Ok(own[own.len() - 1])
    })?;
    let mut measured = Vec::new();
    row("Unix", |size| {
        measured.push(one_client(&unix, size, time)?);
        Ok(measured[measured.len() - 1])
    })?;
    row("TCP", |size| one_client(&tcp(port), size, time))?;
    row("ForkingMixIn + Pillow", |size| one_client(&tcp(python_port), size, time))?;
    let over = measured.iter().zip(&own).map(|(unix, own)| unix / own - 1.0);
    println!(
        "Unix over in-process: {:+.0?} %",
        over.map(|share| (share * 100.0).round()).collect::<Vec<_>>()
    );

    println!("\njobs a second, {}x{}, two clients", SMALL.0, SMALL.1);
    println!("{:>24} {:>8.0}", "Unix", jobs(&unix, true, time)?);
    println!("{:>24} {:>8.0}", "TCP", jobs(&tcp(port), true, time)?);
    println!("{:>24} {:>8.0}", "Unix, fork", jobs(&unix, false, time)?);
    println!("{:>24} {:>8.0}", "TCP, fork", jobs(&tcp(port), false, time)?);
    println!("{:>24} {:>8.0}", "Pillow", jobs(&tcp(python_port), true, time)?);
    println!("{:>24} {:>8.0}", "Pillow, fork", jobs(&tcp(python_port), false, time)?);
    Ok(())
}

fn config(path: &str, port: u16) -> Config {
    let second = Duration::from_secs(1);
    let session_limits = SessionLimits {
        limits: Limits::default(),
        deadline: 30 * second,
        idle: None,
        niceness_of_large: 0,
        verbose: false,
        confinement_required: true,
    };
    let listen = vec![Endpoint::Unix(PathBuf::from(path)), Endpoint::Tcp(([127, 0, 0, 1], port).into())];
    Config { listen, children_max: 64, session_limits, drain: second, owner: None }
}

/// A process that ends with this program.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // SIGTERM, so that the scaler takes its socket away.
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(sys::Pid::from_number) {
            sys::kill(pid, sys::SIGTERM);
        }
        let _ = self.0.wait();
    }
}

fn free_port() -> io::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn row(name: &str, mut measure: impl FnMut((u32, u32)) -> Outcome<f64>) -> Outcome<()> {
    let mut line = format!("{name:>24}");
    for size in SIZES {
        let time = measure(size)?;
        let megapixels = f64::from(size.0) * f64::from(size.1) / 1e6;
        line += &format!(" {:>8.2} ({:>5.2})", time, time / megapixels);
    }
    println!("{line}");
    Ok(())
}

/// Something like a photograph: smooth, with grain.
fn picture((width, height): (u32, u32)) -> Raster {
    let mut grain = 1_u32;
    let mut pixel = |x: u32, y: u32| {
        grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((x / 9 + y / 7 + (grain >> 28)) & 0xff).to_le_bytes()[0]
    };
    // As a server's would be: on huge pages.
    let mut samples = sys::allocate_huge(width as usize * height as usize).unwrap_or_default();
    for y in 0..height {
        samples.extend((0..width).map(|x| pixel(x, y)));
    }
    Raster { width, height, channels: Channels::Luma, samples }
}

fn in_process(size: (u32, u32), time: Duration) -> Outcome<f64> {
    let source = picture(size);
    let (width, height) = HALF.apply(size.0, size.1);
    median(time, || {
        resize(&source, width, height)?;
        Ok(())
    })
}

fn one_client<S: AsFd>(
    connect: &impl Fn() -> io::Result<S>,
    size: (u32, u32),
    time: Duration,
) -> Outcome<f64> {
    let stream = patiently(connect)?;
    let source = picture(size);
    let mut replies = ReplyDecoder::new(Limits::default(), sys::allocate_huge);
    median(time, || job(stream.as_fd(), &source, &mut replies))
}

fn jobs<S: AsFd>(connect: &(impl Fn() -> io::Result<S> + Sync), keep: bool, time: Duration) -> Outcome<f64> {
    patiently(connect)?;
    let client = || -> Result<u32, String> {
        let source = picture(SMALL);
        let mut replies = ReplyDecoder::new(Limits::default(), wire::allocate);
        let mut stream = patiently(connect).map_err(|error| error.to_string())?;
        let (start, mut count) = (Instant::now(), 0);
        while start.elapsed() < time {
            job(stream.as_fd(), &source, &mut replies).map_err(|error| error.to_string())?;
            count += 1;
            if !keep {
                stream = patiently(connect).map_err(|error| error.to_string())?;
            }
        }
        Ok(count)
    };
    let counts = thread::scope(|scope| {
        let clients = [scope.spawn(client), scope.spawn(client)];
        clients.map(|client| client.join().unwrap_or_else(|_| Err("a client panicked".to_owned())))
    });
    let mut sum = 0;
    for count in counts {
        sum += count?;
    }
    Ok(f64::from(sum) / time.as_secs_f64())
}

/// A server that has just been started may not listen yet.
fn patiently<S>(connect: &impl Fn() -> io::Result<S>) -> io::Result<S> {
    let start = Instant::now();
    loop {
        match connect() {
            Err(_) if start.elapsed() < Duration::from_secs(5) => thread::sleep(Duration::from_millis(5)),
            result => return result,
        }
    }
}

/// One request and its reply.
fn job(stream: BorrowedFd<'_>, source: &Raster, replies: &mut ReplyDecoder) -> Outcome<()> {
    let head = wire::emit_request_head(HALF, source.width, source.height, source.channels);
    sys::writev_all(stream, &head, &source.samples)?;
    let mut scratch = [0; 4096];
    loop {
        let count = match replies.bulk() {
            Some(bulk) => sys::read_append(stream, bulk.samples, bulk.missing)?,
            None => {
                let count = sys::read(stream, &mut scratch)?;
                replies.push(&scratch[..count])?;
                count
            }
        };
        match replies.take() {
            Some(Reply::Image(raster)) => {
                replies.recycle(raster.samples);
                return Ok(());
            }
            Some(Reply::Error { code, reason }) => return Err(format!("{code} {reason}").into()),
            None if count == 0 => return Err("the server closed the connection".into()),
            None => {}
        }
    }
}

/// Milliseconds.
fn median(time: Duration, mut once: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    for _ in 0..3 {
        once()?;
    }
    let (start, mut samples) = (Instant::now(), Vec::new());
    while start.elapsed() < time {
        let before = Instant::now();
        once()?;
        samples.push(before.elapsed().as_secs_f64() * 1e3);
    }
    samples.sort_by(f64::total_cmp);
    Ok(samples[samples.len() / 2])
}
