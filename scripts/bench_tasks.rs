//! Measures how many pictures a second tp2 accepts as tasks, and how many it completes meanwhile and afterwards.
//!
//! `scripts/bench tareas [SECONDS]`, which builds the server first: 64 connections, each handing in a picture of 20 KB
//! as soon as the last one was accepted (10 s), then the wait until all are completed.
//!
//! What is measured: a server of its own with the defaults, on a store in the directory of temporary files. Commits are
//! the flushes that the store's disk has done by then (/sys/dev/block/*/stat), those of other programs included.
#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use scaler::raster::{Channels, Raster};
use scaler::sys;
use tp2::http::format::Format;
use tp2::model::image::Encoding;
use tp2::pixels;

const CONNECTIONS: usize = 64;
/// Bytes of a picture, about.
const LENGTH: usize = 20_000;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let time = std::env::args().nth(1).map_or(Ok(10.0), |text| text.parse())?;
    let directory = std::env::temp_dir().join(format!("tp2-bench-{}", std::process::id()));
    fs::create_dir(&directory)?;
    let outcome = measure(&directory, Duration::from_secs_f64(time));
    fs::remove_dir_all(&directory)?;
    outcome
}

fn measure(directory: &Path, time: Duration) -> Outcome<()> {
    let picture = picture()?;
    let request = post("/tareas", &picture);
    let (server, address) = Running::start(directory)?;
    let (flushes, began_at) = (flushes(directory)?, Instant::now());
    let accepted: u32 = thread::scope(|scope| {
        let clients: Vec<_> =
            (0..CONNECTIONS).map(|_| scope.spawn(|| hand_in(&address, &request, began_at + time))).collect();
        clients
            .into_iter()
            .map(|client| client.join().unwrap_or_else(|_| Err("a client panicked".into())))
            .sum::<Result<u32, String>>()
    })?;
    let took = began_at.elapsed();
    let commits = self::flushes(directory)? - flushes;
    let meanwhile = server.completed(directory)?;
    while server.completed(directory)? < accepted {
        thread::sleep(Duration::from_millis(20));
    }
    let whole = began_at.elapsed();

    let each_second = |count: u32, time: Duration| f64::from(count) / time.as_secs_f64();
    println!("{CONNECTIONS} connections, pictures of {} bytes, {:.1} s", picture.len(), took.as_secs_f64());
    println!("{:>24} {:>8.0} a second", "accepted", each_second(accepted, took));
    println!("{:>24} {:>8.0} a second", "completed meanwhile", each_second(meanwhile, took));
    let rest = (accepted - meanwhile, whole - took);
    println!(
        "{:>24} {:>8.0} a second, {} in {:.1} s",
        "completed afterwards",
        each_second(rest.0, rest.1),
        rest.0,
        rest.1.as_secs_f64()
    );
    println!(
        "{:>24} {:>8.0} a second, {:.1} accepted and completed for each",
        "commits",
        each_second(commits, took),
        f64::from(accepted + meanwhile) / f64::from(commits.max(1))
    );
    Ok(())
}

/// Something like a photograph, of about so many bytes.
fn picture() -> Outcome<Vec<u8>> {
    let mut grain = 1_u32;
    let mut samples = Vec::new();
    let (width, height) = (320, 240);
    for y in 0..height {
        for x in 0..width {
            grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            samples.push(((x / 3 + y / 2 + (grain >> 28)) & 0xff).to_le_bytes()[0]);
        }
    }
    let encoding = Encoding { format: Format::Jpeg, quality: 85, background: [255; 3] };
    let raster = Raster { width, height, channels: Channels::Luma, samples };
    let mut file = pixels::encode(raster, &encoding).map_err(|failure| failure.to_string())?;
    // What a phone appends: the picture stays as it is, and the file is as long as it should be.
    file.resize(file.len().max(LENGTH), 0);
    Ok(file)
}

fn post(target: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Hands in until `until`; how many were accepted.
fn hand_in(address: &str, request: &[u8], until: Instant) -> Result<u32, String> {
    let ask = || -> Outcome<u32> {
        let mut stream = BufReader::new(TcpStream::connect(address)?);
        stream.get_ref().set_nodelay(true)?;
        let mut count = 0;
        while Instant::now() < until {
            stream.get_mut().write_all(request)?;
            let status = answer(&mut stream)?;
            if status != 202 {
                return Err(format!("answered {status}").into());
            }
            count += 1;
        }
        Ok(count)
    };
    ask().map_err(|error| error.to_string())
}

/// Reads an answer; its status.
fn answer(stream: &mut BufReader<TcpStream>) -> Outcome<u16> {
    let (mut status, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        match (line.trim_end().split_once(' '), status) {
            (Some((_, rest)), None) => status = Some(rest.get(..3).ok_or("no status")?.parse()?),
            (Some(("Content-Length:", value)), _) => length = value.parse()?,
            (Some(_), _) => {}
            (None, _) => break,
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(status.ok_or("no answer")?)
}

/// A server, ended with this value.
struct Running(Child);

impl Running {
    /// The server beside this program's directory, and where it listens.
    fn start(directory: &Path) -> Outcome<(Self, String)> {
        let program: PathBuf = std::env::current_exe()?.with_file_name("../tp2");
        let mut command = Command::new(program);
        command.args(["-i", "127.0.0.1", "-p", "0", "-q", "-a"]);
        command.arg(format!("sqlite:{}", directory.join("tp2.sqlite3").display()));
        let mut server = Self(command.stdout(Stdio::piped()).spawn()?);
        let stdout = server.0.stdout.take().ok_or("no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim_end().rsplit('/').next().ok_or("no address")?.to_owned();
        Ok((server, address))
    }

    /// Tasks that have ended well.
    fn completed(&self, directory: &Path) -> Outcome<u32> {
        let conn = rusqlite::Connection::open(directory.join("tp2.sqlite3"))?;
        Ok(conn.query_row("SELECT count(*) FROM task WHERE state = 2", (), |row| row.get(0))?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(sys::Pid::from_number) {
            sys::kill(pid, sys::SIGTERM);
        }
        let _ = self.0.wait();
    }
}

/// How often the disk that this directory is on was told to keep what it has.
fn flushes(directory: &Path) -> Outcome<u32> {
    let device = fs::metadata(directory)?.dev();
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xf_ff00));
    let stat = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).unwrap_or_default();
    // Documentation/block/stat.rst: the sixteenth.
    Ok(stat.split_whitespace().nth(15).map_or(Ok(0), str::parse)?)
}
