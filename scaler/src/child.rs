//! A child's life: confine, serve one connection's requests one after another, end.
//!
//! ```text
//! Idle --first byte--> Receive, resize, send what goes --request complete--> Reply --> Idle       end of input in Idle: done
//!   \--idle time over--> done    \--anything wrong--> ERROR, half-close, discard --> done
//! ```
//!
//! Rules: it reads 0, writes 1, logs to 2, and blocks only in read, and in write once the request is complete. Before
//! that it sends what the socket takes at once and holds the rest ([`scaling`](crate::scaling)): a client may send
//! all of its request before it reads. When a request breaks off after part of its answer was sent, no ERROR can be
//! sent: the connection is closed. From the first byte of a request to the last of its answer a job has one deadline,
//! kept by the kernel (SIGALRM, default action); the peer can't move it. SIGTERM is blocked during a job and
//! unblocked between two: that is how the parent drains without cutting an answer short, and without a signal
//! handler.
//!
//! From its first large picture on a child is nicer (nice(2)) than the others and stays so: a client that keeps
//! connections for large pictures has small ones scaled first.
//!
//! The same code serves `--stdio`: descriptors 0 and 1 need not be sockets. There is no idle limit then.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::ending;
use crate::listener::Peer;
use crate::log::{child_error, child_news};
use crate::raster::is_small;
use crate::sandbox::{self, Confinement};
use crate::scaling::{HELD, Scaling};
use crate::sys::{self, DIAGNOSTICS, INPUT, Limit, OUTPUT, Pid, SIGTERM};
use crate::wire::{self, Limits, WireError};
use crate::words::{self, InWords};

/// How long input is discarded after an ERROR, so that the peer can read it before the connection closes.
const LINGER: Duration = Duration::from_secs(2);
/// Size of the reads for heads, and for what follows them in the same read; the rest is read directly into its
/// buffer.
const SCRATCH: usize = 4 << 10;
/// Limits of a connection.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// Of the pictures.
    pub limits: Limits,
    /// From the first byte of a request to the last one of its answer. Kept in whole seconds, rounded up.
    pub deadline: Duration,
    /// How long a connection may wait for its next request; `None`: without limit.
    pub idle: Option<Duration>,
    /// The niceness of a child from its first large picture on: [`sys::nicer`].
    pub niceness_of_large: i32,
    /// Log normal events.
    pub verbose: bool,
    /// End if any step of the confinement fails.
    pub confinement_required: bool,
}

/// A new child's arguments; made by the parent.
#[derive(Debug)]
pub struct ChildContext<'a> {
    /// The accepted socket.
    pub connection: &'a OwnedFd,
    /// The write end of the log pipe.
    pub log: BorrowedFd<'a>,
    /// The parent.
    pub parent: Pid,
    /// Bytes of address space.
    pub address_space: u64,
    /// The peer.
    pub peer: Peer,
}

/// A confined child's work: takes its limits and its peer, returns its exit code.
pub type Service = fn(&SessionLimits, &Peer) -> u8;

/// A forked child, from its first instruction to its exit code.
#[must_use]
pub fn run(context: &ChildContext<'_>, session_limits: &SessionLimits, service: Service) -> u8 {
    let posture = sandbox::confine(&Confinement {
        connection: Some(context.connection),
        log: Some(context.log),
        parent: Some(context.parent),
        files: false,
        address_space: context.address_space,
        niceness_of_large: session_limits.niceness_of_large,
    });
    if session_limits.confinement_required && !posture.is_complete() {
        return ending::UNCONFINED;
    }
    service(session_limits, &context.peer)
}

/// The service: one connection's requests, one after another.
#[must_use]
pub fn serve(session_limits: &SessionLimits, peer: &Peer) -> u8 {
    Session::new(session_limits, peer, true).run()
}

/// `--stdio`: the same on descriptors 0 and 1 of this process, which is not forked and returns its exit code.
#[must_use]
pub fn run_stdio(session_limits: &SessionLimits) -> u8 {
    end_on_panic();
    sys::remove_env_var("RUST_BACKTRACE");
    let posture = sandbox::confine(&Confinement {
        connection: None,
        log: None,
        parent: None,
        files: true,
        address_space: sandbox::address_space(session_limits.limits.pixels_max),
        niceness_of_large: session_limits.niceness_of_large,
    });
    if session_limits.confinement_required && !posture.is_complete() {
        child_error(&posture.to_string());
        return ending::UNCONFINED;
    }
    Session::new(session_limits, &Peer::Stdio, false).run()
}

/// From now on a panic prints one line and ends the process: unwinding would run a parent's destructors in a child.
pub fn end_on_panic() {
    std::panic::set_hook(Box::new(|info| {
        let _ = sys::write(DIAGNOSTICS, format!("{}\n", words::of_panic(info)).as_bytes());
        sys::exit_now(ending::PANIC);
    }));
}

struct Session<'a> {
    session_limits: &'a SessionLimits,
    peer: &'a Peer,
    /// A socket whose reads wake every tick, as the parent set it up.
    is_socket: bool,
    scratch: Vec<u8>,
    /// Bytes at the front of `scratch` that belong to the next request.
    left: usize,
    /// There was a job since malloc last returned its free memory.
    worked: bool,
    /// There was a large picture: it makes way for others.
    steps_back: bool,
    /// None before the first job.
    processor: Option<ProcessorTime>,
}

/// The limit on processor time as it stands, kept so that a job costs no system call for it.
#[derive(Clone, Copy)]
struct ProcessorTime {
    /// At the end of the last job; a waiting child uses next to none.
    used: Duration,
    /// Seconds.
    soft: u64,
    hard: u64,
}

enum Stop {
    /// In order.
    Done,
    /// The peer broke the protocol or a limit: it gets an ERROR.
    Refused(WireError),
    /// The connection is unusable, or the system refused.
    Broken(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Self {
        Self::Refused(error)
    }
}

impl<'a> Session<'a> {
    fn new(session_limits: &'a SessionLimits, peer: &'a Peer, is_socket: bool) -> Self {
        let scratch = vec![0; SCRATCH];
        let (left, worked, steps_back, processor) = (0, false, false, None);
        Self { session_limits, peer, is_socket, scratch, left, worked, steps_back, processor }
    }

    fn run(&mut self) -> u8 {
        loop {
            match self.serve_one() {
                Ok(()) => {}
                Err(Stop::Done) => return ending::DONE,
                Err(Stop::Refused(error)) => {
                    self.refuse(error);
                    return ending::PEER;
                }
                Err(Stop::Broken(error)) => {
                    self.tell(|| format!("Conexión con {} interrumpida: {}", self.peer, InWords(&error)));
                    return if is_peers_doing(&error) { ending::PEER } else { ending::SYSTEM };
                }
            }
        }
    }

    fn serve_one(&mut self) -> Result<(), Stop> {
        if self.left == 0 {
            self.wait_for_request()?;
        }
        self.begin_job()?;
        self.tell(|| format!("Recibiendo imagen desde: {}", self.peer));
        self.worked = true;
        let mut scaling = Scaling::new(self.session_limits.limits);
        self.receive(&mut scaling)?;
        self.answer(scaling)?;
        self.end_job()
    }

    fn wait_for_request(&mut self) -> Result<(), Stop> {
        let since = Instant::now();
        loop {
            match sys::read(INPUT, &mut self.scratch) {
                Ok(0) => return Err(Stop::Done),
                Ok(count) => {
                    self.left = count;
                    return Ok(());
                }
                Err(error) if self.is_tick(&error) => {
                    // The time of a waiting child is not counted.
                    if std::mem::take(&mut self.worked) {
                        sys::trim_malloc();
                    }
                    if self.session_limits.idle.is_some_and(|idle| since.elapsed() >= idle) {
                        return Err(Stop::Done);
                    }
                }
                // The peer left between two requests.
                Err(error) if is_peers_doing(&error) => return Err(Stop::Done),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn begin_job(&mut self) -> Result<(), Stop> {
        sys::block_signal(SIGTERM)?;
        sys::alarm(Some(self.session_limits.deadline));
        let mut processor = match self.processor {
            Some(processor) => processor,
            None => {
                let (soft, hard) = sys::limits(Limit::Cpu)?;
                ProcessorTime { used: sys::cpu_time(), soft, hard }
            }
        };
        // The limit counts the whole process: move it ahead by one job. A deadline of wall time also bounds processor
        // time.
        let soft = ((processor.used + self.session_limits.deadline).as_secs() + 1).min(processor.hard);
        if soft != processor.soft {
            sys::set_limits(Limit::Cpu, soft, processor.hard)?;
            processor.soft = soft;
        }
        self.processor = Some(processor);
        Ok(())
    }

    fn end_job(&mut self) -> Result<(), Stop> {
        sys::alarm(None);
        sys::unblock_signal(SIGTERM)?;
        let used = sys::cpu_time();
        if let Some(processor) = &mut self.processor {
            processor.used = used;
        }
        // End between two requests rather than be killed within one.
        if used > sandbox::CPU_MAX / 2 { Err(Stop::Done) } else { Ok(()) }
    }

    /// Reads the request, and sends what of the answer goes without waiting.
    fn receive(&mut self, scaling: &mut Scaling) -> Result<(), Stop> {
        let mut begun = false;
        loop {
            match self.receive_more(scaling) {
                Ok(()) if scaling.is_received() => return Ok(()),
                Ok(()) => {}
                // In the middle of an answer no ERROR can be sent.
                Err(Stop::Refused(error)) if begun => {
                    let kind = io::ErrorKind::UnexpectedEof;
                    return Err(Stop::Broken(io::Error::new(kind, error.to_string())));
                }
                Err(stop) => return Err(stop),
            }
            if self.is_socket && scaling.ready().len() >= HELD {
                match sys::send_now(OUTPUT, scaling.ready()) {
                    Ok(count) => {
                        begun = true;
                        scaling.sent(count)?;
                    }
                    Err(error) if self.is_tick(&error) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }

    /// Uses the rest of the last read, and then reads more.
    fn receive_more(&mut self, scaling: &mut Scaling) -> Result<(), Stop> {
        let is_known = scaling.head().is_some();
        if let Some(space) = scaling.space()? {
            let count = sys::read(INPUT, space);
            let count = self.input(count)?;
            scaling.filled(count)?;
        } else {
            if self.left == 0 {
                let count = sys::read(INPUT, &mut self.scratch);
                self.left = self.input(count)?;
            }
            let consumed = scaling.push(&self.scratch[..self.left])?;
            self.scratch.copy_within(consumed..self.left, 0);
            self.left -= consumed;
        }
        if let Some(head) = scaling.head().filter(|_| !is_known) {
            let (width, height) = head.source();
            let is_small = is_small(width, height) && is_small(head.width, head.height);
            if !is_small && !std::mem::replace(&mut self.steps_back, true) {
                // A higher niceness is always allowed; if it is not, the picture is scaled all the same.
                let _ = sys::set_niceness(self.session_limits.niceness_of_large);
            }
            self.tell(|| format!("Tamaño de la imagen a recibir: {} bytes.", head.image_bytes));
        }
        Ok(())
    }

    /// Checks a read in the middle of a request; a tick is ignored: the kernel keeps the deadline.
    fn input(&self, count: io::Result<usize>) -> Result<usize, Stop> {
        match count {
            Ok(0) => Err(Stop::Refused(WireError::Truncated)),
            Err(error) if self.is_tick(&error) => Ok(0),
            count => Ok(count?),
        }
    }

    /// Sends the rest of the answer to a complete request.
    fn answer(&self, mut scaling: Scaling) -> Result<(), Stop> {
        if let Some(head) = scaling.head() {
            let (width, height) = head.source();
            self.tell(|| format!("Recibido {} bytes de imagen.", head.image_bytes));
            self.tell(|| format!("Imagen recibida con dimensiones originales: {width}x{height}"));
            self.tell(|| format!("Imagen escalada a {}x{}.", head.width, head.height));
        }
        while !scaling.ready().is_empty() {
            sys::write_all(OUTPUT, scaling.ready())?;
            scaling.sent(scaling.ready().len())?;
        }
        self.tell(|| "Escalado completado, imagen escalada enviada al cliente.".to_owned());
        Ok(())
    }

    /// Sends the reason, then waits until the peer had the chance to read it: closing with input unread would reset
    /// the connection, and the answer would be lost.
    fn refuse(&mut self, error: WireError) {
        self.tell(|| format!("Petición de {} rechazada: {} {error}", self.peer, error.code()));
        let written = sys::write_all(OUTPUT, &wire::emit_error(error.code(), &error.to_string()));
        if written.is_err() || !self.is_socket || sys::shutdown_write(OUTPUT).is_err() {
            return;
        }
        // The job is over; the alarm stays as a backup for the clock checked here.
        sys::alarm(Some(2 * LINGER));
        let since = Instant::now();
        while since.elapsed() < LINGER {
            match sys::read(INPUT, &mut self.scratch) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if self.is_tick(&error) => {}
                Err(_) => return,
            }
        }
    }

    fn is_tick(&self, error: &io::Error) -> bool {
        self.is_socket && error.kind() == io::ErrorKind::WouldBlock
    }

    fn tell(&self, text: impl FnOnce() -> String) {
        if self.session_limits.verbose {
            child_news(&text());
        }
    }
}

fn is_peers_doing(error: &io::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut, UnexpectedEof,
    };
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | TimedOut | UnexpectedEof
    )
}
