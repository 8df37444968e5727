//! The loop's part for clients: it accepts them, pumps their connections, and performs what these want.
//!
//! Rules: a client is in the queue at most once; a listener accepts a bounded number per turn.
use std::io::{self, IoSlice, Write};
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use mio::Interest;
use mio::net::TcpStream;
use scaler::sys;
use scaler::words::InWords;
use uuid::Uuid;

use super::Server;
use crate::conn::Connection;
use crate::conn::connection::Action;
use crate::conn::local_address::{ListenerRole, LocalAddress};
use crate::conn::problem::HttpProblem;
use crate::http::buf::SendBuf;
use crate::http::reply::{Extent, Frame};
use crate::log::Who;
use crate::model::error::WorkError;
use crate::model::job::WorkResult;
use crate::model::key::Key;
use crate::model::log_event::{Caller, Level};
use crate::model::work_request::WorkRequest;
use crate::net::client::{Client, Metered, Pumped, pump};
use crate::work::source::Source;
use crate::work::timers::Armed;

/// A client's timer is set at most this far ahead: an upload's deadline may be hours away, and its timer would
/// outlive it.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

impl Server {
    pub(super) fn serve_client(&mut self, key: Key) {
        let Some(client) = self.clients.get_mut(key) else { return };
        client.queued = false;
        self.pump_client(key);
        // An answer made at once leaves in the same turn.
        if self.perform_actions(key) {
            self.pump_client(key);
            if self.perform_actions(key) {
                self.queue_client(key);
            }
        }
        let Some(client) = self.clients.get_mut(key) else { return };
        if client.connection.is_closed() {
            self.close_client(key);
        } else {
            let due = client.connection.poll_timeout().map(|due| due.min(self.now.at + LOOK_AGAIN));
            self.timers.arm(&mut client.armed, due, Source::Client(key));
            let (before, since) = (client.idle_since, client.connection.idle_since());
            client.idle_since = since;
            self.crowd.note_idle(key, before, since);
            // With all places taken, a client may wait for this one's place.
            if since.is_some() && self.clients.len() >= self.kernel.acceptor.clients_max() {
                self.queue.extend(self.kernel.acceptor.handle_room().map(Source::Listener));
            }
        }
    }

    fn pump_client(&mut self, key: Key) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let Client { stream, connection, readiness, .. } = client;
        let mut stream = Metered { stream, traffic: &mut self.report.metrics.traffic };
        let pumped = pump(&mut stream, readiness, connection, &mut self.kernel.scratch, self.now);
        if let Some(mut sent) = connection.poll_sent() {
            sys::discard(&mut sent);
        }
        match pumped {
            Pumped::Idle => {}
            Pumped::Again => self.queue_client(key),
            Pumped::Gone => connection.handle_gone(self.now),
        }
    }

    /// Performs a connection's actions; whether one of its requests was answered at once.
    fn perform_actions(&mut self, key: Key) -> bool {
        let mut answered = false;
        while let Some(client) = self.clients.get_mut(key) {
            match client.connection.poll_action() {
                None => break,
                Some(Action::Submit(order)) => match self.try_cached(&order) {
                    Some(outcome) => {
                        answered = true;
                        if let Some(client) = self.clients.get_mut(key) {
                            client.connection.handle_done(order.id, &outcome, self.now);
                        }
                    }
                    None => self.submit(key, *order),
                },
                Some(Action::Ask(request, ask)) => self.ask(key, request, ask),
                Some(Action::Watch(request, task)) => self.watch(key, request, task),
                Some(Action::Metrics(request, figures)) => self.measure(key, request, figures),
                Some(Action::ShutdownWrite) => {
                    // ENOTCONN: the peer is gone already, and the next read will say so.
                    let _ = client.stream.shutdown(std::net::Shutdown::Write);
                }
                Some(Action::Log(event)) => {
                    self.report.metrics.note(&event.what);
                    let fd = Some(client.stream.as_raw_fd());
                    self.report.log.write_event(Who { fd, id: event.id, caller: event.caller }, &event.what);
                }
            }
        }
        answered
    }

    pub(super) fn submit(&mut self, watcher: Key, order: WorkRequest) {
        let id = order.id;
        self.tasks.machine.note_begin(id, order.reservation.bytes(), self.now);
        match self.work.scheduler.submit(watcher, order, &self.server, &mut self.timers, self.now.at) {
            Ok(run) => {
                if let Some(client) = self.clients.get_mut(watcher) {
                    client.watching = Some(run);
                }
            }
            Err(failure) => {
                self.tasks.machine.note_end(id, Some(&failure), &self.server, self.now);
                self.tell(watcher, id, &Err(failure));
            }
        }
    }

    pub(super) fn tell(&mut self, watcher: Key, id: Uuid, outcome: &WorkResult) {
        if let Some(client) = self.clients.get_mut(watcher) {
            client.watching = None;
            client.connection.handle_done(id, outcome, self.now);
            self.queue_client(watcher);
        }
    }

    fn close_client(&mut self, key: Key) {
        let Some(mut client) = self.clients.remove(key) else { return };
        self.crowd.note_idle(key, client.idle_since, None);
        self.crowd.leave(client.address);
        if self.report.log.wants(Level::Debug) {
            // Its number is reused soon.
            let caller = Caller { address: client.connection.peer(), request_id: None };
            let who = Who { fd: Some(client.stream.as_raw_fd()), id: None, caller };
            self.report.log.write(Level::Debug, who, "Conexión cerrada.");
        }
        // The socket is closed next, so a failed deregistration has no effect.
        let _ = self.kernel.poll.registry().deregister(&mut client.stream);
        self.tasks.machine.forget(key);
        if let Some(run) = client.watching
            && let Some(id) = self.work.scheduler.forget(run)
        {
            self.tasks.machine.note_end(id, Some(&WorkError::Cancelled), &self.server, self.now);
        }
        for number in self.kernel.acceptor.handle_room() {
            self.queue.push_back(Source::Listener(number));
        }
    }

    /// Closes the client that has been idle longest between two requests, if one is idle and has sent nothing since.
    fn close_longest_idle(&mut self) -> bool {
        let Self { crowd, clients, .. } = self;
        // The loop may not have seen yet that a client has sent something.
        let is_silent = |client: &mut Client| {
            !client.readiness.read
                && client.stream.peek(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        };
        let key = crowd.idle().find(|&key| clients.get_mut(key).is_some_and(is_silent));
        let Some(key) = key else { return false };
        self.close_client(key);
        true
    }

    /// Tells a client that its address has too many connections, and closes its own. It is told before it has asked, in
    /// one write.
    fn turn_away(&mut self, mut stream: TcpStream, address: IpAddr) {
        let problem = HttpProblem::Crowded { max: self.crowd.per_address_max().unwrap_or_default() };
        let id = (self.server.ids)();
        let frame = Frame {
            id,
            date: self.now.wall,
            keep_alive: false,
            head_only: false,
            extent: Extent::Whole,
            extra: &[],
        };
        let mut answer = SendBuf::new();
        problem.reply(id, false).emit(&frame, &mut answer);
        let mut slices = [IoSlice::new(&[]); 2];
        let count = answer.io_slices(&mut slices);
        // What the kernel does not take at once is lost: a client that reads nothing must not hold a place.
        let _ = stream.write_vectored(&slices[..count]);
        self.report.metrics.note_turned_away();
        let caller = Caller { address: Some(address.to_canonical()), request_id: None };
        let who = Who { fd: Some(stream.as_raw_fd()), id: Some(id), caller };
        self.report.log.write(
            Level::Info,
            who,
            format_args!("Conexión rechazada: {} {problem}", problem.status()),
        );
    }

    /// Accepts some of the clients that wait at a listener; whether there may be more.
    pub(super) fn accept(&mut self, number: u32) -> bool {
        let mut room = self.kernel.acceptor.clients_max().saturating_sub(self.clients.len());
        if room == 0 && self.kernel.acceptor.has_waiting(number) && self.close_longest_idle() {
            room = 1;
        }
        let accepted = self.kernel.acceptor.accept(number, room, self.now.at);
        for (stream, address) in accepted.streams {
            // A proxy's connections are not counted: they carry many clients.
            let is_proxy = self.server.access.proxies.iter().any(|proxy| proxy.contains(address));
            let counted = (!is_proxy).then_some(address);
            if !self.crowd.enter(counted) {
                self.turn_away(stream, address);
                continue;
            }
            let mut stream = stream;
            let local_address = door_of(&stream, accepted.side);
            let (server, now) = (Rc::clone(&self.server), self.now);
            let registry = self.kernel.poll.registry();
            let mut registered = Ok(());
            let key = self.clients.insert_with(|key| {
                let interest = Interest::READABLE | Interest::WRITABLE;
                registered = registry.register(&mut stream, Source::Client(key).token(), interest);
                Client {
                    stream,
                    connection: Connection::new(server, local_address, now),
                    readiness: crate::net::client::Readiness::default(),
                    watching: None,
                    armed: Armed::default(),
                    queued: false,
                    address: counted,
                    idle_since: None,
                }
            });
            let Some(key) = key else {
                self.crowd.leave(counted);
                continue;
            };
            match registered {
                Ok(()) => self.queue_client(key),
                Err(error) => {
                    self.clients.remove(key);
                    self.crowd.leave(counted);
                    self.report.log.write(
                        Level::Error,
                        Who::default(),
                        format_args!("epoll: {}", InWords(&error)),
                    );
                }
            }
        }
        if let Some(error) = accepted.error {
            let text = format_args!("No se puede aceptar otra conexión: {}. Se reintenta.", InWords(&error));
            self.report.log.write(Level::Warning, Who::default(), text);
            self.kernel.acceptor.arm(&mut self.timers, number);
        }
        accepted.again
    }
}

/// The local address of an accepted connection. A broken connection has none, and needs none.
fn door_of(stream: &mio::net::TcpStream, side: ListenerRole) -> LocalAddress {
    let address = stream.local_addr().ok();
    // A client that comes over IPv4 to a dual-stack socket used an IPv4 address.
    let host = match address.map(|address| address.ip().to_canonical()) {
        Some(IpAddr::V4(ip)) => ip.to_string(),
        Some(IpAddr::V6(ip)) => format!("[{ip}]"),
        None => "localhost".to_owned(),
    };
    let peer = stream.peer_addr().ok().map(|peer| peer.ip().to_canonical());
    LocalAddress { side, host, port: address.map_or(0, |address| address.port()), peer }
}
