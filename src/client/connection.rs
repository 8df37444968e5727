//! One connection to the server, and the requests that follow each other on it.
//!
//! Rules: every wait has an end ([`CONNECT_TIME`], [`SILENCE_MAX`]). A server may answer before it has the whole body;
//! then its answer counts, not our unfinished write. After a body that was not sent whole, or an early answer, the
//! connection is not used again. One request at a time: no pipelining.
//!
//! Refuses to do: try again. The caller decides by the request and by the [`Interruption`].
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::request::ClientRequest;
use super::response::{Response, read_response};
use super::server::ServerAddress;

/// How long to wait for a connection, at each address.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long the server may be silent, or take nothing; its own limits are shorter.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// Bytes of a body between two checks whether the answer has come.
const STRETCH: usize = 256 << 10;

/// A connection on which every request so far was answered.
#[derive(Debug)]
pub(super) struct ServerConnection {
    stream: TcpStream,
    authority: String,
    credentials: Option<String>,
    answered: bool,
}

/// Why a request has no answer.
#[derive(Debug)]
pub(super) enum Interruption {
    /// Our own body can't be read.
    Body(io::Error),
    /// The connection broke, was silent too long, or speaks something else.
    Stream(io::Error),
    /// A used connection broke before a byte of the answer: most likely the server had closed it because it was idle
    /// (RFC 9112 §9.3.1), and a new one will do.
    Stale(io::Error),
}

impl ServerConnection {
    /// Connects to the first address of the server that accepts.
    ///
    /// # Errors
    /// As getaddrinfo(3), or as connect(2) at the last address.
    pub(super) fn open(server: &ServerAddress) -> io::Result<Self> {
        let mut last = io::Error::other("ese nombre no tiene direcciones");
        for address in server.destination().to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT_TIME) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(SILENCE_MAX))?;
                    stream.set_write_timeout(Some(SILENCE_MAX))?;
                    // Each request waits for the last answer, so nothing is gained by Nagle's algorithm.
                    stream.set_nodelay(true)?;
                    let (authority, credentials) = (server.authority(), server.credentials());
                    return Ok(Self { stream, authority, credentials, answered: false });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Sends the request and reads its answer; `progress` is called with the number of body bytes sent. After an error,
    /// or an answer that says so, the connection must not be used again.
    ///
    /// # Errors
    /// [`Interruption`].
    pub(super) fn exchange(
        &mut self,
        request: &mut ClientRequest,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Response, Interruption> {
        let mut answer = Counted { stream: &self.stream, bytes: 0 };
        let (received, whole) = match self.send(request, progress) {
            Err(Unsent::Body(error)) => return Err(Interruption::Body(error)),
            // A peer that takes no bytes for so long has not answered either.
            Err(Unsent::Stream(error)) if is_silence(&error) => return Err(Interruption::Stream(error)),
            Err(Unsent::Stream(error)) => (read_response(&mut answer).map_err(|_| error), false),
            Ok(whole) => (read_response(&mut answer), whole),
        };
        match received {
            Ok(mut response) => {
                response.keep_alive &= whole;
                self.answered = true;
                Ok(response)
            }
            Err(error) if self.answered && answer.bytes == 0 && !is_silence(&error) => {
                Err(Interruption::Stale(error))
            }
            Err(error) => Err(Interruption::Stream(error)),
        }
    }

    /// Head and body; false if the server answered before it had all of it.
    fn send(&self, request: &mut ClientRequest, progress: &mut dyn FnMut(u64)) -> Result<bool, Unsent> {
        let mut buffer = request.head(&self.authority, self.credentials.as_deref());
        let length = request.body.length();
        let mut reader = request.body.reader().map_err(Unsent::Body)?;
        let mut sent = 0;
        loop {
            // A small picture leaves in one piece with its head.
            let room = STRETCH.saturating_sub(buffer.len()) as u64;
            sent += reader.by_ref().take(room).read_to_end(&mut buffer).map_err(Unsent::Body)? as u64;
            if buffer.is_empty() {
                return Err(Unsent::Body(io::Error::other("el archivo cambió mientras se enviaba")));
            }
            (&self.stream).write_all(&buffer).map_err(Unsent::Stream)?;
            progress(sent);
            if sent == length {
                return Ok(true);
            }
            buffer.clear();
            if self.has_answer() {
                return Ok(false);
            }
        }
    }

    /// Whether there is something to be read: an answer, or the end of the connection.
    fn has_answer(&self) -> bool {
        let looked = self.stream.set_nonblocking(true).and_then(|()| self.stream.peek(&mut [0]));
        let restored = self.stream.set_nonblocking(false);
        restored.is_err() || !matches!(looked, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }
}

/// What kept a request from being sent.
enum Unsent {
    Body(io::Error),
    Stream(io::Error),
}

/// A time limit of the socket passed (socket(7), SO_RCVTIMEO).
fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

struct Counted<'a> {
    stream: &'a TcpStream,
    bytes: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.stream.read(buffer)?;
        self.bytes += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::request::Body;
    use std::io::BufRead;
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    /// A server that does this with its first connection.
    fn serve(serve: impl FnOnce(TcpStream) + Send + 'static) -> (ServerAddress, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || serve(listener.accept().unwrap().0));
        (ServerAddress::new("127.0.0.1".into(), port), thread)
    }

    fn upload(body: Vec<u8>) -> ClientRequest {
        ClientRequest { method: "PUT", target: "/".into(), fields: Vec::new(), body: Body::Bytes(body) }
    }

    fn read_head(stream: &TcpStream) -> Vec<String> {
        let lines = std::io::BufReader::with_capacity(1, stream).lines().map_while(Result::ok);
        lines.take_while(|line| !line.is_empty()).collect()
    }

    #[test]
    fn an_answer_before_the_body_is_taken_is_read() {
        let (server, thread) = serve(|mut stream| {
            read_head(&stream);
            stream.write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n").unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            // A server that closes gently takes all input until the client closes.
            let _ = std::io::copy(&mut stream, &mut io::sink());
        });
        let mut connection = ServerConnection::open(&server).unwrap();
        let mut sent = 0;
        let body = vec![0; 512 << 20];
        let response = connection.exchange(&mut upload(body), &mut |n| sent = n).unwrap();
        assert_eq!((response.status, response.keep_alive), (413, false));
        assert!(sent < 512 << 20, "{sent}");
        drop(connection);
        thread.join().unwrap();
    }

    #[test]
    fn requests_follow_each_other_until_the_server_closes() {
        let (server, thread) = serve(|mut stream| {
            for _ in 0..2 {
                read_head(&stream);
                let mut body = [0; 4];
                stream.read_exact(&mut body).unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n").unwrap();
                stream.write_all(&body).unwrap();
            }
        });
        let mut connection = ServerConnection::open(&server).unwrap();
        for body in [b"hola", b"chau"] {
            let response = connection.exchange(&mut upload(body.to_vec()), &mut |_| {}).unwrap();
            assert_eq!((response.body.as_slice(), response.keep_alive), (&body[..], true));
        }
        thread.join().unwrap();
        let broken = connection.exchange(&mut upload(b"nada".to_vec()), &mut |_| {});
        assert!(matches!(broken, Err(Interruption::Stale(_))), "{broken:?}");
    }

    #[test]
    fn a_first_answer_that_is_cut_is_no_stale_connection() {
        for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhola"] {
            let (server, thread) = serve(move |mut stream| {
                read_head(&stream);
                stream.read_exact(&mut [0; 4]).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            });
            let mut connection = ServerConnection::open(&server).unwrap();
            let broken = connection.exchange(&mut upload(b"hola".to_vec()), &mut |_| {});
            let Err(Interruption::Stream(error)) = broken else { panic!("{broken:?}") };
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
            thread.join().unwrap();
        }
    }

    #[test]
    fn a_file_that_shrinks_is_our_own_fault() {
        let path = std::env::temp_dir().join(format!("tp2-encoge-{}", uuid::Uuid::new_v4()));
        std::fs::write(&path, b"hola").unwrap();
        let body = Body::open(&path).unwrap();
        std::fs::write(&path, b"ho").unwrap();
        let (server, thread) = serve(|mut stream| drop(std::io::copy(&mut stream, &mut io::sink())));
        let mut connection = ServerConnection::open(&server).unwrap();
        let mut request = ClientRequest { body, ..upload(Vec::new()) };
        let broken = connection.exchange(&mut request, &mut |_| {});
        assert!(matches!(broken, Err(Interruption::Body(_))), "{broken:?}");
        drop(connection);
        thread.join().unwrap();
        std::fs::remove_file(&path).unwrap();
    }
}
