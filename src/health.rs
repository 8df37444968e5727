//! `tp2 --salud`: asks a running server whether it is ready, for containers and for cron.
//!
//! One request, `GET /readyz`, over plain HTTP, with [`PATIENCE`] for all of it, because the caller wants to know now.
//! A balancer asks the same; it needs no key.
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use scaler::words::InWords;
use serde_json::Value;

/// For connection, request and answer together.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read.
const ANSWER_MAX: u64 = 64 << 10;
/// `localhost` is a name of ours wherever names are guarded.
const REQUEST: &[u8] = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Asks the server at `host`, an address without brackets or a name.
///
/// # Errors
/// It is not ready, or does not answer: one Spanish line.
pub fn ask(host: &str, port: u16) -> Result<(), String> {
    let shown = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let answer =
        exchange(host, port).map_err(|error| format!("http://{shown} no responde: {}", InWords(&error)))?;
    judge(&answer).map_err(|why| format!("http://{shown} no está listo: {why}"))
}

fn exchange(host: &str, port: u16) -> io::Result<Vec<u8>> {
    let give_up_at = Instant::now() + PATIENCE;
    let mut stream = connect((host, port).to_socket_addrs()?, give_up_at)?;
    stream.set_write_timeout(Some(left(give_up_at)?))?;
    stream.write_all(REQUEST)?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while (answer.len() as u64) < ANSWER_MAX {
        stream.set_read_timeout(Some(left(give_up_at)?))?;
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => answer.extend_from_slice(buffer.get(..n).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(answer)
}

fn connect(addresses: impl Iterator<Item = SocketAddr>, give_up_at: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::other("ese nombre no tiene direcciones");
    for address in addresses {
        match TcpStream::connect_timeout(&address, left(give_up_at)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn left(give_up_at: Instant) -> io::Result<Duration> {
    let left = give_up_at.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// What is wrong, if the answer is not 200.
fn judge(answer: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(answer);
    let status = text.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse::<u16>().ok());
    let Some(status) = status else { return Err("no contesta como un servidor HTTP".into()) };
    if status == 200 {
        return Ok(());
    }
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let problem: Option<Value> = serde_json::from_str(body).ok();
    let detail = problem.as_ref().and_then(|problem| problem.get("detail")?.as_str());
    Err(detail.map_or_else(|| status.to_string(), |detail| format!("{status}, {detail}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_200_is_ready() {
        assert_eq!(judge(b"HTTP/1.1 200 OK\r\n\r\nlisto\n"), Ok(()));
        for (answer, why) in [
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n{\"detail\":\"la cola\"}", "503, la cola"),
            ("HTTP/1.0 404 Not Found\r\n\r\n", "404"),
            ("HTTP/1.1 2", "no contesta como un servidor HTTP"),
            ("ERROR 415 x\n", "no contesta como un servidor HTTP"),
            ("", "no contesta como un servidor HTTP"),
        ] {
            assert_eq!(judge(answer.as_bytes()), Err(why.into()), "{answer}");
        }
    }
}
