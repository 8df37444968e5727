//! Measures how long small pictures wait for large ones: how long they take on a quiet server, and while four connections hand in
//! large photographs as fast as they are answered.
//!
//! `bench_mixed ADDRESS SECONDS SMALL LARGE`, which `scripts/bench mixed` calls with a server of its own. Small pictures go over two
//! connections, each with one request at a time; each request's time is from its first byte sent to its answer's last byte received.
//!
//! Known limit: a client that waits for each answer asks less often while the server is slow, so long waits are counted less often than
//! clients that come unasked would meet them. It runs on the same machine, and competes with the server for its cores.
#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

const SMALL_CLIENTS: usize = 2;
const LARGE_CLIENTS: usize = 4;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, seconds, small, large] = &arguments[..] else {
        return Err("usage: bench_mixed ADDRESS SECONDS SMALL LARGE".into());
    };
    let time = Duration::from_secs_f64(seconds.parse()?);
    let (small, large) = (request(small)?, request(large)?);
    measure(address, &small, Duration::from_secs(1))?;

    println!("{:>24} {:>9} {:>9} {:>9} {:>9} {:>9}", "", "a second", "p50 ms", "p99 ms", "max ms", "p99/p50");
    print("small alone", &measure(address, &small, time)?, time);
    let (over, count) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| -> Outcome<()> {
        let photographers: Vec<_> = (0..LARGE_CLIENTS)
            .map(|_| scope.spawn(|| ask_until(address, &large, &count, || over.load(Relaxed))))
            .collect();
        // Until all of them are at work.
        thread::sleep(Duration::from_secs(1));
        let before = count.load(Relaxed);
        let mixed = measure(address, &small, time);
        let photographs = count.load(Relaxed) - before;
        over.store(true, Relaxed);
        for photographer in photographers {
            photographer.join().map_err(|_| "a client panicked")??;
        }
        print("small beside large", &mixed?, time);
        println!("{:>24} {:>9.1}", "large", photographs as f64 / time.as_secs_f64());
        Ok(())
    })
}

/// A file as the body of a request.
fn request(path: &str) -> Outcome<Vec<u8>> {
    let file = std::fs::read(path)?;
    let head = format!("POST /?escala=0.5 HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", file.len());
    Ok([head.into_bytes(), file].concat())
}

/// How long each took, in order of length.
fn measure(address: &str, request: &[u8], time: Duration) -> Outcome<Vec<Duration>> {
    let until = Instant::now() + time;
    let none = AtomicU64::new(0);
    let mut times = thread::scope(|scope| -> Outcome<Vec<Duration>> {
        let clients: Vec<_> = (0..SMALL_CLIENTS)
            .map(|_| scope.spawn(|| ask_until(address, request, &none, || Instant::now() >= until)))
            .collect();
        let mut times = Vec::new();
        for client in clients {
            times.extend(client.join().map_err(|_| "a client panicked")??);
        }
        Ok(times)
    })?;
    times.sort_unstable();
    Ok(times)
}

/// One request after the other over one connection, until it is over; each counts when it is answered.
fn ask_until(
    address: &str,
    request: &[u8],
    count: &AtomicU64,
    over: impl Fn() -> bool,
) -> Outcome<Vec<Duration>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let (mut received, mut times) = (Vec::new(), Vec::new());
    while !over() {
        let began_at = Instant::now();
        stream.write_all(request)?;
        read_answer(&mut stream, &mut received)?;
        times.push(began_at.elapsed());
        count.fetch_add(1, Relaxed);
    }
    Ok(times)
}

/// Reads a whole answer, which has to be 200.
fn read_answer(stream: &mut TcpStream, received: &mut Vec<u8>) -> Outcome<()> {
    received.clear();
    let mut buffer = [0; 64 << 10];
    let mut length = None;
    while length.is_none_or(|length| received.len() < length) {
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            return Err("closed in the middle of an answer".into());
        }
        received.extend_from_slice(&buffer[..n]);
        if length.is_none()
            && let Some(end) = memchr::memmem::find(received, b"\r\n\r\n")
        {
            let head = std::str::from_utf8(&received[..end])?;
            if !head.starts_with("HTTP/1.1 200 ") {
                return Err(head.to_owned().into());
            }
            let body =
                head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).ok_or("no length")?;
            length = Some(end + 4 + body.parse::<usize>()?);
        }
    }
    Ok(())
}

fn print(name: &str, times: &[Duration], time: Duration) {
    // What so many thousandths of them did not exceed.
    let at = |thousandths: usize| times[(times.len() - 1) * thousandths / 1000].as_secs_f64() * 1000.0;
    let rate = times.len() as f64 / time.as_secs_f64();
    let (p50, p99, max) = (at(500), at(990), at(1000));
    println!("{name:>24} {rate:>9.0} {p50:>9.2} {p99:>9.2} {max:>9.2} {:>9.2}", p99 / p50);
}
