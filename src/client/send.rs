//! One conversation: connect, send the picture, read the answer, save it.
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::options::Options;
use super::response::{Response, read_response};
use crate::proto::format::{Format, Sniff};
use scaler::words::InWords;

/// How long to wait for a connection.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long the server may be silent; its own limits are shorter.
const ANSWER_TIME: Duration = Duration::from_secs(120);

/// Why there is no result.
#[derive(Debug)]
pub enum SendError {
    /// The picture can't be read.
    Read(PathBuf, io::Error),
    /// The name does not resolve, or nobody answers.
    Connect(io::Error),
    /// The conversation broke.
    Broken(io::Error),
    /// The server's answer is no picture: its status and its words.
    Refused(u16, String),
    /// The result can't be written.
    Write(PathBuf, io::Error),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "no se puede leer {}: {}", path.display(), InWords(error)),
            Self::Connect(error) => write!(f, "no se puede conectar al servidor: {}", InWords(error)),
            Self::Broken(error) => write!(f, "la conversación con el servidor falló: {}", InWords(error)),
            Self::Refused(status, detail) => write!(f, "el servidor respondió {status}: {detail}"),
            Self::Write(path, error) => {
                write!(f, "no se puede guardar {}: {}", path.display(), InWords(error))
            }
        }
    }
}

/// What the user is told on the way.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// About to connect.
    Connecting(&'a str, u16),
    /// Connected.
    Connected,
    /// About to send so many bytes.
    Sending(usize),
    /// Everything is sent.
    Sent,
    /// The result is saved.
    Saved(&'a Path),
}

impl fmt::Display for Progress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting(host, port) if host.contains(':') => {
                write!(f, "Conectando al servidor en [{host}]:{port}...")
            }
            Self::Connecting(host, port) => write!(f, "Conectando al servidor en {host}:{port}..."),
            Self::Connected => write!(f, "Conexión establecida."),
            Self::Sending(bytes) => write!(f, "Enviando imagen de tamaño {bytes} bytes..."),
            Self::Sent => write!(f, "Imagen enviada, esperando respuesta del servidor..."),
            Self::Saved(path) => write!(f, "Imagen escalada recibida y guardada como {}.", path.display()),
        }
    }
}

/// Sends the picture and saves the result; `tell` hears of each step.
///
/// # Errors
/// [`SendError`].
pub fn send(options: &Options, mut tell: impl FnMut(Progress<'_>)) -> Result<PathBuf, SendError> {
    let picture = fs::read(&options.path).map_err(|error| SendError::Read(options.path.clone(), error))?;
    let host = options.host.trim_start_matches('[').trim_end_matches(']');
    tell(Progress::Connecting(host, options.port));
    let mut stream = connect(host, options.port).map_err(SendError::Connect)?;
    tell(Progress::Connected);
    tell(Progress::Sending(picture.len()));
    let response = converse(&mut stream, options, host, &picture, &mut tell).map_err(SendError::Broken)?;
    if response.status != 200 {
        return Err(SendError::Refused(response.status, detail(&response)));
    }
    let path = options.output.clone().unwrap_or_else(|| default_output(&response));
    save(&path, &response.body).map_err(|error| SendError::Write(path.clone(), error))?;
    tell(Progress::Saved(&path));
    Ok(path)
}

/// Each address of the name in turn.
fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::other("ese nombre no tiene direcciones");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIME) {
            Ok(stream) => {
                stream.set_read_timeout(Some(ANSWER_TIME))?;
                stream.set_write_timeout(Some(ANSWER_TIME))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A server that refuses may answer before it has read everything, and close: its answer counts, not our failed write.
fn converse(
    stream: &mut TcpStream,
    options: &Options,
    host: &str,
    picture: &[u8],
    tell: &mut impl FnMut(Progress<'_>),
) -> io::Result<Response> {
    let written = stream.write_all(head(options, host, picture.len()).as_bytes());
    match written.and_then(|()| stream.write_all(picture)) {
        Ok(()) => tell(Progress::Sent),
        Err(error) => return read_response(stream).map_err(|_| error),
    }
    read_response(stream)
}

fn head(options: &Options, host: &str, length: usize) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(factor) = &options.factor {
        query.append_pair("escala", factor);
    }
    if let Some(format) = options.format {
        // An extension is a name that `formato` knows.
        query.append_pair("formato", format.extension());
    }
    let query = query.finish();
    let target = if query.is_empty() { "/".to_owned() } else { format!("/?{query}") };
    let bracketed = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    format!(
        "PUT {target} HTTP/1.1\r\nHost: {bracketed}:{}\r\nUser-Agent: tp2-cliente/{}\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n",
        options.port,
        env!("CARGO_PKG_VERSION"),
    )
}

/// The server's words: the `detail` of its problem document.
fn detail(response: &Response) -> String {
    serde_json::from_slice::<Value>(&response.body)
        .ok()
        .and_then(|problem| problem.get("detail")?.as_str().map(str::to_owned))
        .unwrap_or_else(|| String::from_utf8_lossy(&response.body).trim().to_owned())
}

/// `imagen_procesada` with the extension of what the result really is.
fn default_output(response: &Response) -> PathBuf {
    let extension = match Format::sniff(&response.body) {
        Sniff::Picture(format) => format.extension(),
        Sniff::Unknown | Sniff::NeedMore => "bin",
    };
    format!("imagen_procesada.{extension}").into()
}

/// Written aside and renamed: the name holds the whole result or what it held before.
fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}.tmp", std::process::id()));
    let written = fs::write(&aside, bytes).and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&aside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_can_not_be_reached_is_told_in_spanish() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        for (host, port, why) in [
            ("no-existe.invalid", 1, "ese nombre no se encuentra"),
            ("127.0.0.1", closed, "nadie escucha en esa dirección y ese puerto"),
        ] {
            let error = SendError::Connect(connect(host, port).unwrap_err());
            assert_eq!(error.to_string(), format!("no se puede conectar al servidor: {why}"));
        }
    }
}
