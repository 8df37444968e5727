//! The parent: poll, reap, accept, fork. One process, one thread, for years.
//!
//! ```text
//! Serving --SIGTERM, SIGINT, the owner gone--> Draining --no child left, or its time over--> finished
//! ```
//!
//! Rules, each with a reason:
//! - One thread, which is checked: fork copies only the calling thread, and locks of other threads would stay held.
//! - poll(2), not epoll and so not mio: epoll's registrations belong to the open file, which a child shares; poll is
//!   level-triggered and stateless. At the maximum of children a listener is not polled.
//! - No signal handler: SIGCHLD, SIGTERM and SIGINT are read from a descriptor. They coalesce, so reaping is a loop.
//! - Children are counted when forked and removed when reaped, never otherwise; only pids in the table are signalled.
//! - A client can't end this process: an error of accept or fork costs that client, or a pause, nothing more.
//! - One address has at most [`PER_ADDRESS_MAX`] children by TCP; more of its clients wait in the
//!   [lobby](crate::lobby), and in the kernel's backlog. While a client waits for a child, TCP children older than [`FIRST_BYTE`] get SIGTERM: an
//!   idle child ends at once, a busy one after its answer. So silent clients do not keep others out.
//! - The parent closes the connection as soon as the child has it: the peer must see the end when the child ends.
//!
//! What it refuses: to read a byte of a connection. What it can't do: reload its configuration (restart it); clean up
//! after SIGHUP or SIGKILL (its children end with it, the next server replaces its socket file).
//!
//! As another program's own scaler ([`Owner`]) it also ends with that program, in two ways: the kernel's PDEATHSIG,
//! and the pipe that is its standard input, which hangs up. Signals that a terminal sends to both (SIGINT, SIGHUP)
//! are left to the owner.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::child::{self, ChildContext, Service, SessionLimits};
use crate::ending::{self, Fault};
use crate::listener::{self, Listener, Peer, is_clients_doing};
use crate::lobby::{FIRST_BYTE, Lobby};
use crate::log::{Log, Relay};
use crate::resize;
use crate::sandbox;
use crate::sys::{self, Exit, INPUT, Interest, Pid, SignalFd};
use crate::throttle::{self, Throttle};
use crate::words::InWords;

pub use crate::config::{Config, Owner, StartError};

/// Time limit of the children once the owner is gone: their answers have no reader.
const ORPHAN_DRAIN: Duration = Duration::from_secs(1);
/// With all places taken, how often to check for waiting clients.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Children that serve clients of one address by TCP.
pub const PER_ADDRESS_MAX: usize = 16;

/// Serves until SIGTERM, SIGINT or the owner's end; then in order.
///
/// Only for a process of one thread that does nothing else: signals, environment and panic hook become the server's.
///
/// # Errors
/// An endpoint can't be opened, or the confinement is required and incomplete.
pub fn run(config: Config) -> Result<(), StartError> {
    run_service(config, child::serve)
}

/// The same with another service instead of [`child::serve`], behind the same confinement.
///
/// # Errors
/// As [`run`].
pub fn run_service(config: Config, service: Service) -> Result<(), StartError> {
    let mut server = Server::start(config, service)?;
    while !server.is_finished() {
        server.turn();
    }
    Ok(())
}

struct Server {
    session_limits: SessionLimits,
    service: Service,
    children_max: usize,
    children: BTreeMap<Pid, Child>,
    /// TCP clients whose address has its maximum of children.
    lobby: Lobby<(OwnedFd, Peer)>,
    /// A client waits at a listener that is not polled, because there is no child for it.
    crowded: bool,
    /// Empty while draining.
    listeners: Vec<Listener>,
    signals: SignalFd,
    relay: Relay,
    /// The write end of the children's log pipe; each child gets a copy.
    log_pipe: OwnedFd,
    log: Log,
    throttle: Throttle,
    phase: Phase,
    drain: Duration,
    owner: Option<Owner>,
    own_pid: Pid,
    address_space: u64,
}

struct Child {
    born_at: Instant,
    peer: Peer,
    /// It was told to end, because others wait.
    dismissed: bool,
}

impl Child {
    /// The address under which it counts.
    fn address(&self) -> Option<IpAddr> {
        address_of(&self.peer)
    }
}

fn address_of(peer: &Peer) -> Option<IpAddr> {
    match peer {
        Peer::Tcp(address) => Some(address.ip().to_canonical()),
        Peer::Unix(_) | Peer::Stdio => None,
    }
}

#[derive(Clone, Copy)]
enum Phase {
    Serving,
    /// At this moment the remaining children are killed.
    Draining(Instant),
    /// All are killed, and only have to be reaped.
    Killing,
}

impl Server {
    fn start(config: Config, service: Service) -> Result<Self, StartError> {
        child::end_on_panic();
        // Out of memory a backtrace would open its executable, for which the filter kills.
        sys::remove_env_var("RUST_BACKTRACE");
        if sys::threads() != 1 {
            return Err(StartError::new("el servidor de escalado necesita un proceso de un solo hilo"));
        }
        // For the children, who inherit it: memory that one of them frees must be free for others.
        sys::tune_malloc();
        resize::prepare();
        sys::restore_default(sys::SIGCHLD);
        if let Some(owner) = config.owner {
            sys::set_name("tp2-scaler");
            let tied = sys::die_with_parent(sys::SIGTERM);
            if tied.is_err() || sys::parent_pid() != owner.pid.number() {
                return Err(StartError::new("el programa que lo inició ya no está"));
            }
        }
        let failed = |what: &str, error: io::Error| StartError::new(format!("{what}: {}", InWords(&error)));
        let heeded = match config.owner {
            None => &[sys::SIGCHLD, sys::SIGTERM, sys::SIGINT][..],
            Some(_) => {
                // A terminal sends these to its whole process group, and so to the owner, which handles them.
                sys::ignore_signal(sys::SIGINT);
                sys::ignore_signal(sys::SIGHUP);
                &[sys::SIGCHLD, sys::SIGTERM]
            }
        };
        let signals =
            SignalFd::new(heeded).map_err(|error| failed("no se pueden leer las señales", error))?;
        let (read_end, log_pipe) =
            sys::pipe().map_err(|error| failed("no se puede crear una tubería", error))?;
        let listeners = listener::open_all(&config.listen).map_err(StartError::new)?;

        let mut server = Self {
            session_limits: config.session_limits,
            service,
            children_max: config.children_max,
            children: BTreeMap::new(),
            lobby: Lobby::default(),
            crowded: false,
            listeners,
            signals,
            relay: Relay::new(read_end),
            log_pipe,
            log: Log::new(!config.session_limits.verbose),
            throttle: Throttle::default(),
            phase: Phase::Serving,
            drain: config.drain,
            owner: config.owner,
            own_pid: sys::own_pid(),
            address_space: sandbox::address_space(config.session_limits.limits.pixels_max),
        };
        let posture = sandbox::check_support(server.own_pid, server.address_space, &server.signals)
            .map_err(|error| failed("no se puede crear un proceso", error))?;
        if config.session_limits.confinement_required && !posture.is_complete() {
            return Err(StartError::new(format!("{posture} Se exige completo (--exigir-aislamiento).")));
        }
        for listener in &server.listeners {
            server.log.info(&format!("Iniciando el servidor de escalado en {listener}"));
        }
        // With an owner it prints no normal events; an incomplete confinement is reported to the owner in any case.
        if posture.is_complete() && server.owner.is_none() {
            server.log.info(&posture.to_string());
        } else {
            server.log.error(&posture.to_string());
        }
        Ok(server)
    }

    fn is_finished(&self) -> bool {
        !matches!(self.phase, Phase::Serving) && self.children.is_empty()
    }

    /// One round of the loop. The order matters: reap before accept, so that a place is free; relay before reap, so
    /// that a child's last words come before the line on its end.
    fn turn(&mut self) {
        let ready = self.sleep();
        self.read_signals();
        self.relay.pass_on(&mut self.log);
        self.reap();
        if ready.owner && matches!(sys::read(INPUT, &mut [0; 64]), Ok(0) | Err(_)) {
            self.begin_drain(ORPHAN_DRAIN);
        }
        for index in ready.lobby {
            self.lobby.note_spoken(index);
        }
        self.lobby.expire(Instant::now());
        self.admit_waiting();
        for index in ready.listeners {
            self.accept(index);
        }
        self.dismiss_old();
        self.kill_overdue();
    }

    fn sleep(&mut self) -> Ready {
        let now = Instant::now();
        let paused_until = self.throttle.paused_until(now);
        let accepting =
            paused_until.is_none() && self.children.len() < self.children_max && self.lobby.has_room();
        self.crowded = paused_until.is_none() && !accepting && self.is_awaited();
        let wake_at = match self.phase {
            Phase::Serving => paused_until.into_iter().chain(self.next_dismissal(now)).min(),
            Phase::Draining(until) => Some(until),
            Phase::Killing => None,
        };
        let owner_watched = self.owner.is_some() && matches!(self.phase, Phase::Serving);
        let mut entries = vec![
            (self.signals.as_fd(), Interest::Read),
            (self.relay.as_fd(), Interest::Read),
            (INPUT, if owner_watched { Interest::Read } else { Interest::Nothing }),
        ];
        let interest = if accepting { Interest::Read } else { Interest::Nothing };
        entries.extend(self.listeners.iter().map(|listener| (listener.as_fd(), interest)));
        let lobby_at = entries.len();
        entries.extend(self.lobby.iter().map(|waiting| {
            let interest = if waiting.spoken { Interest::Nothing } else { Interest::Read };
            (waiting.client.0.as_fd(), interest)
        }));
        match sys::poll(&entries, wake_at.map(|at| at.saturating_duration_since(now))) {
            Ok(ready) => Ready {
                owner: ready[2],
                listeners: (0..self.listeners.len()).filter(|index| ready[3 + index]).collect(),
                lobby: (lobby_at..entries.len()).filter(|&at| ready[at]).map(|at| at - lobby_at).collect(),
            },
            Err(error) => {
                // Without poll it can't wait for events: pause instead of looping at full speed.
                self.pause(&format!("No se puede esperar a nadie: {}", InWords(&error)));
                std::thread::sleep(throttle::PAUSE);
                Ready { owner: false, listeners: Vec::new(), lobby: Vec::new() }
            }
        }
    }

    fn read_signals(&mut self) {
        loop {
            match self.signals.next() {
                Ok(Some(sys::SIGTERM | sys::SIGINT)) => {
                    let orphaned = self.owner.is_some_and(|owner| sys::parent_pid() != owner.pid.number());
                    self.begin_drain(if orphaned { ORPHAN_DRAIN } else { self.drain });
                }
                Ok(Some(_)) => {} // SIGCHLD: reaping is tried on every turn
                Ok(None) => return,
                Err(error) => {
                    return self.log.error(&format!("No se pueden leer las señales: {}", InWords(&error)));
                }
            }
        }
    }

    fn reap(&mut self) {
        loop {
            match sys::reap() {
                Ok(Some((pid, exit))) => self.on_exit(pid, exit),
                Ok(None) => return,
                Err(error) => {
                    return self
                        .log
                        .error(&format!("No se sabe cómo terminan los hijos: {}", InWords(&error)));
                }
            }
        }
    }

    fn on_exit(&mut self, pid: Pid, exit: Exit) {
        let Some(child) = self.children.remove(&pid) else { return };
        let now = Instant::now();
        let age = now.duration_since(child.born_at);
        let draining = !matches!(self.phase, Phase::Serving) || child.dismissed;
        if self.owner.is_some() {
            self.log.count(ending::cause(exit, draining));
        }
        let (fault, cause) = ending::describe(exit, draining);
        let line = || format!("Hijo {} de {}: {cause}", pid.number(), child.peer);
        match fault {
            Fault::None => {}
            // The child has logged what was wrong with the request; only a deadline leaves it no time to.
            Fault::Peer if matches!(exit, Exit::Code(_)) => {}
            Fault::Peer | Fault::Outsider | Fault::Ours => self.log.error(&line()),
        }
        if self.throttle.child_ended(age, fault == Fault::Ours, now) {
            self.log.error("Los hijos mueren nada más nacer: se deja de aceptar durante 1 s.");
        }
    }

    /// Accepts all connections that wait at one listener, as far as there are places.
    fn accept(&mut self, index: usize) {
        while self.children.len() < self.children_max && self.lobby.has_room() {
            let Some(listener) = self.listeners.get(index) else { return };
            match listener.accept() {
                Ok((connection, peer)) if let Some(address) = self.crowded_address(&peer) => {
                    self.lobby.push((connection, peer), address, Instant::now());
                }
                Ok((connection, peer)) if peer.is_welcome() => {
                    if !self.fork(&connection, peer) {
                        return;
                    }
                }
                Ok((_, peer)) => {
                    self.log.error(&format!("Conexión rechazada: {peer} no es de este usuario."));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if is_clients_doing(&error) => {}
                Err(error) => {
                    return self.pause(&format!("No se puede aceptar otra conexión: {}", InWords(&error)));
                }
            }
        }
    }

    /// The address of a client that has to wait, because its address has its maximum of children.
    fn crowded_address(&self, peer: &Peer) -> Option<IpAddr> {
        let address = address_of(peer)?;
        (self.count(address) >= PER_ADDRESS_MAX).then_some(address)
    }

    /// Children that serve clients of this address.
    fn count(&self, address: IpAddr) -> usize {
        self.children.values().filter(|child| child.address() == Some(address)).count()
    }

    /// Forks children for clients in the lobby that have sent data, as far as there are places.
    fn admit_waiting(&mut self) {
        while self.children.len() < self.children_max && self.throttle.paused_until(Instant::now()).is_none()
        {
            let children = &self.children;
            let count = |address| children.values().filter(|child| child.address() == Some(address)).count();
            let next = self.lobby.take(|address| count(address) < PER_ADDRESS_MAX);
            let Some((connection, peer)) = next else { return };
            if !self.fork(&connection, peer) {
                return;
            }
        }
    }

    /// Whether a client waits at a listener. Asked of the kernel, because a listener without a free child is not
    /// polled.
    fn is_awaited(&self) -> bool {
        let entries: Vec<_> =
            self.listeners.iter().map(|listener| (listener.as_fd(), Interest::Read)).collect();
        sys::poll(&entries, Some(Duration::ZERO)).is_ok_and(|ready| ready.contains(&true))
    }

    /// Whether a client waits for this child to end.
    fn is_in_the_way(&self, child: &Child) -> bool {
        !child.dismissed
            && child.address().is_some_and(|address| {
                self.crowded || self.lobby.iter().any(|waiting| waiting.address == address)
            })
    }

    /// When the next child may be told to end because others wait, or a client in the lobby times out; with all
    /// places taken it is also the time of the next check for waiting clients.
    fn next_dismissal(&self, now: Instant) -> Option<Instant> {
        let in_the_way = self.children.values().filter(|child| self.is_in_the_way(child));
        let dismissal = in_the_way.map(|child| child.born_at + FIRST_BYTE).min();
        let is_full = self.children.len() >= self.children_max || !self.lobby.has_room();
        let look = is_full.then_some(now + LOOK_AGAIN);
        dismissal.into_iter().chain(self.lobby.next_expiry()).chain(look).min()
    }

    fn dismiss_old(&mut self) {
        if !matches!(self.phase, Phase::Serving) {
            return;
        }
        let now = Instant::now();
        let is_old = |child: &Child| now >= child.born_at + FIRST_BYTE;
        let old: Vec<Pid> = self
            .children
            .iter()
            .filter(|(_, child)| is_old(child) && self.is_in_the_way(child))
            .map(|(pid, _)| *pid)
            .collect();
        for pid in old {
            sys::kill(pid, sys::SIGTERM);
            if let Some(child) = self.children.get_mut(&pid) {
                child.dismissed = true;
            }
        }
    }

    /// Gives the connection to a new child; false if it can't be forked.
    fn fork(&mut self, connection: &OwnedFd, peer: Peer) -> bool {
        debug_assert_eq!(sys::threads(), 1);
        let context = ChildContext {
            connection,
            log: self.log_pipe.as_fd(),
            parent: self.own_pid,
            address_space: self.address_space,
            peer,
        };
        match sys::fork_child(|| child::run(&context, &self.session_limits, self.service)) {
            Ok(pid) => {
                self.children.insert(pid, Child { born_at: Instant::now(), peer, dismissed: false });
                true
            }
            Err(error) => {
                // fork(2): EAGAIN is a limit on processes; it does not mean to wait.
                let why = match error.kind() {
                    io::ErrorKind::WouldBlock => "no caben más procesos".to_owned(),
                    _ => InWords(&error).to_string(),
                };
                self.pause(&format!("No se puede crear un proceso: {why}"));
                false
            }
        }
    }

    fn pause(&mut self, reason: &str) {
        if self.throttle.pause(Instant::now()) {
            self.log.error(&format!("{reason}; se deja de aceptar durante 1 s."));
        }
    }

    /// Accepts no more clients. Idle children end at once by SIGTERM, busy ones after their answer; a second request
    /// to stop kills them.
    fn begin_drain(&mut self, time: Duration) {
        self.listeners.clear();
        self.lobby.clear();
        match self.phase {
            Phase::Serving => {
                self.phase = Phase::Draining(Instant::now() + time);
                self.signal_children(sys::SIGTERM);
            }
            Phase::Draining(_) => self.phase = Phase::Draining(Instant::now()),
            Phase::Killing => {}
        }
    }

    fn kill_overdue(&mut self) {
        if let Phase::Draining(until) = self.phase
            && Instant::now() >= until
            && !self.children.is_empty()
        {
            self.log.error(&format!("{} hijos no terminaron a tiempo: se matan.", self.children.len()));
            self.signal_children(sys::SIGKILL);
            self.phase = Phase::Killing;
        }
    }

    fn signal_children(&self, signal: i32) {
        for &pid in self.children.keys() {
            sys::kill(pid, signal);
        }
    }
}

/// Why a sleep ended. Signals, log lines and dead children are checked in any case.
struct Ready {
    owner: bool,
    /// Indices of those with a waiting connection.
    listeners: Vec<usize>,
    /// Numbers of clients in the lobby that have sent data, or have left.
    lobby: Vec<usize>,
}
