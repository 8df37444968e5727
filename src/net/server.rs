//! THE loop: one thread, all sockets. Readable top to bottom, beginning with [`Server::run`].
//!
//! Rules: an event only sets readiness bits and queues its owner; [`Server::run_queue`] is the one place where a
//! connection makes progress or dies. Whoever has spent its turn goes to the back of the queue. The clock is read once
//! a turn. Everything that finishes elsewhere (workers, scaler) comes back as a `Completion` through one door, is looked up
//! by its ticket, and meets nobody if its run has ended. The loop never waits but in `poll`, and never touches a pixel
//! except for the header that `pixels::probe` reads.
use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, unbounded};
use maintenance::Maintenance;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Waker};
use scaler::exit_stats;
use scaler::sys::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SignalFd};
use scaler::wire::Limits;
use scaler::words::InWords;
use uuid::Uuid;

use super::acceptor::Acceptor;
use super::client::{Client, Metered, Pumped, pump};
use super::crowd::{self, Crowd};
use super::metrics::Metrics;
use super::notify::Notifier;
use super::outstanding::Outstanding;
use super::pool::{Assigned, Destination, Pool, Served, TCP_MAX, connections_max};
use super::relay::Relay;
use super::supervisor::Supervisor;
use super::upstream::ScaleTask;
use crate::conn::Connection;
use crate::conn::connection::{Action, INPUT_MAX};
use crate::conn::local_address::{ListenerRole, LocalAddress};
use crate::files::Library;
use crate::files::links::Links;
use crate::key_file;
use crate::log::{Log, Who};
use crate::model::error::WorkError;
use crate::model::job::{Completion, Job, Queue, Work, WorkOutput, WorkResult};
use crate::model::key::Key;
use crate::model::log_event::{Caller, Level};
use crate::model::now::Now;
use crate::model::server_state::ServerState;
use crate::model::work_request::WorkRequest;
use crate::pixels::BufferPool;
use crate::store::{self, Retention, Store, StoreAnswer, StoreSizes};
use crate::work::counts::TaskCounts;
use crate::work::scheduler::{Advance, Finished, Scheduler};
use crate::work::self_test::{self, SelfTest};
use crate::work::slab::Slab;
use crate::work::source::Source;
use crate::work::tasks::Tasks;
use crate::work::timers::{Armed, Timers};
use crate::workers::{Deliver, Toolbox, Workers};

mod maintenance;
mod taskwork;
mod try_cached;

/// Tasks in memory for each worker: while one is worked on, another is at the scaler, and others are on their way from
/// the store or back to it, which takes a turn of the disk each.
const TASKS_A_THREAD: usize = 4;
/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 1024;
/// A client's deadline is looked at that often at least: an upload's may be hours ahead, and its timer would outlive it.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// A stopping server takes so many turns at a listener before it closes it; the kernel keeps no more than fit.
const ACCEPT_TURNS_MAX: u32 = 256;
/// How long a stopping server waits for answers in progress.
const STOP_TIME: Duration = Duration::from_secs(20);

/// What the loop is made of.
pub struct ServerParts {
    /// Bound sockets, and what each is for.
    pub listeners: Vec<(std::net::TcpListener, ListenerRole)>,
    /// TERM, INT, CHLD, HUP; blocked before any thread began.
    pub signals: SignalFd,
    /// Limits and state of the service.
    pub server: ServerState,
    /// The scaler of our own; None if one runs elsewhere.
    pub supervisor: Option<Supervisor>,
    /// Where the scaler listens.
    pub scaler: Destination,
    /// The files of `-d`.
    pub library: Option<Library>,
    /// What keeps tasks.
    pub store: store::Backend,
    /// What keeps the bank; None: the same.
    pub bank: Option<store::Backend>,
    /// How long the results of tasks are kept.
    pub retention: Retention,
    /// The file of `--clave-archivo`.
    pub key_file: Option<PathBuf>,
    /// Worker threads.
    pub threads: usize,
    /// `--conexiones`.
    pub clients_max: usize,
    /// `--conexiones-por-ip`.
    pub clients_per_address: Option<usize>,
    /// `--enlaces-espacio`, bytes.
    pub links_space: u64,
    /// The log.
    pub log: Log,
    /// The service manager.
    pub notifier: Notifier,
}

/// The event loop and everything that it owns.
pub struct Server {
    poll: Poll,
    now: Now,
    /// Who has something to do now; a client at most once.
    queue: VecDeque<Source>,
    timers: Timers,
    acceptor: Acceptor,
    clients: Slab<Client>,
    crowd: Crowd,
    scheduler: Scheduler,
    workers: Workers,
    /// What the workers have.
    outstanding: Outstanding,
    /// Buffers of pictures that are done.
    buffers: Arc<BufferPool>,
    /// Of which the loop tells only how much there is.
    links: Arc<Links>,
    /// The files of `-d`, at which the loop only glances.
    library: Option<Arc<Library>>,
    /// The one door through which finished work comes back.
    done: Receiver<Completion>,
    tasks: Tasks,
    tasks_armed: Armed,
    counts: TaskCounts,
    /// As the store told them last.
    store_sizes: StoreSizes,
    store: Store,
    /// What the store has answered.
    answers: Receiver<StoreAnswer>,
    pool: Pool,
    supervisor: Option<Supervisor>,
    relay: Option<Relay>,
    scaler_armed: Armed,
    signals: SignalFd,
    server: Rc<ServerState>,
    key_file: Option<PathBuf>,
    log: Log,
    metrics: Metrics,
    self_test: SelfTest,
    notifier: Notifier,
    maintenance: Maintenance,
    began_at: SystemTime,
    scratch: Box<[u8]>,
    /// When a server that was told to stop gives up waiting.
    stop_at: Option<Instant>,
}

impl Server {
    /// Registers everything with a new epoll and starts the workers.
    ///
    /// # Errors
    /// The system gives no epoll, no thread, or refuses a descriptor.
    pub fn new(parts: ServerParts) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), Source::Waker.token())?);
        let signal_token = Source::Signals.token();
        poll.registry().register(
            &mut SourceFd(&parts.signals.as_raw_fd()),
            signal_token,
            Interest::READABLE,
        )?;
        let acceptor = Acceptor::new(parts.listeners, poll.registry(), parts.clients_max)?;
        // Unbounded, yet never longer than the places of admission: only leased work is ever delivered.
        let (deliver, done): (Deliver, _) = inbox(&waker);
        // As long as there are clients, and tasks in work.
        let (tell, answers): (store::DeliverAnswer, _) = inbox(&waker);
        let limits = &parts.server.limits;
        let places = parts.server.admission.places_max();
        let now = Now { at: Instant::now(), wall: SystemTime::now() };
        let mut tasks = Tasks::new(TASKS_A_THREAD * parts.threads, parts.retention.age, now);
        let library = parts.library.map(Arc::new);
        let buffers = Arc::new(BufferPool::new(parts.server.admission.bytes_max()));
        let links = Arc::new(Links::new(parts.links_space));
        // Beside everything else: there may be many of them.
        let measured = Arc::clone(&links);
        std::thread::Builder::new().name("links".into()).spawn(move || measured.measure())?;
        let toolbox = Toolbox::new(limits.pixels, library.clone(), Arc::clone(&buffers), Arc::clone(&links));
        let workers = Workers::start(parts.threads, places, toolbox, deliver)?;
        let (writer, reader) = parts.store;
        let mut store = Store::start(writer, reader, tell)?;
        if let Some(bank) = parts.bank {
            store.keep_bank_in(bank)?;
        }
        if store.is_shared() {
            tasks.share(now);
        }
        let scaler_connections = match parts.scaler {
            Destination::Tcp(_) => connections_max(parts.threads).min(TCP_MAX),
            Destination::Unix(_) => connections_max(parts.threads),
        };
        let limits = Limits { pixels_max: limits.pixels.pixels_max, side_max: limits.pixels.side_max };
        let self_test = SelfTest::new(now.at);
        let self_test = if parts.supervisor.is_some() { self_test } else { self_test.later(now.at) };
        Ok(Self {
            poll,
            now,
            queue: VecDeque::new(),
            timers: Timers::default(),
            acceptor,
            clients: Slab::default(),
            crowd: Crowd::new(parts.clients_per_address),
            scheduler: Scheduler::default(),
            workers,
            outstanding: Outstanding::default(),
            library,
            done,
            tasks,
            tasks_armed: Armed::default(),
            counts: TaskCounts::new(now.at),
            store_sizes: StoreSizes::default(),
            links,
            store,
            answers,
            pool: Pool::new(parts.scaler, limits, scaler_connections, Arc::clone(&buffers)),
            buffers,
            relay: None,
            supervisor: parts.supervisor,
            scaler_armed: Armed::default(),
            signals: parts.signals,
            server: Rc::new(parts.server),
            key_file: parts.key_file,
            log: parts.log,
            metrics: Metrics::default(),
            self_test,
            notifier: parts.notifier,
            maintenance: Maintenance::default(),
            began_at: now.wall,
            scratch: vec![0; INPUT_MAX].into_boxed_slice(),
            stop_at: None,
        })
    }

    /// Serves until told to stop.
    ///
    /// # Errors
    /// epoll itself fails.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        self.watch_scaler_log();
        // What waits in the store needs no event to be taken up.
        self.advance_tasks();
        self.announce();
        self.keep_up();
        while !self.is_finished() {
            self.sleep(&mut events)?;
            self.now = Now { at: Instant::now(), wall: SystemTime::now() };
            for event in &events {
                self.mark(event);
            }
            self.collect_done();
            self.collect_answers();
            self.fire_timers();
            self.run_queue();
            self.assign_scaler();
            self.admit_runs();
            self.advance_tasks();
            self.keep_up();
        }
        self.release_tasks();
        self.store.finish();
        Ok(())
    }

    fn is_finished(&self) -> bool {
        self.stop_at.is_some_and(|at| self.clients.is_empty() || self.now.at >= at)
    }

    /// Until the next event or deadline; not at all while somebody has something to do.
    fn sleep(&mut self, events: &mut Events) -> io::Result<()> {
        let deadline = self.timers.next().into_iter().chain(self.stop_at).min();
        let timeout = if self.queue.is_empty() && self.done.is_empty() && self.answers.is_empty() {
            deadline.map(|at| at.saturating_duration_since(Instant::now()))
        } else {
            Some(Duration::ZERO)
        };
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            result => result,
        }
    }

    /// Sets readiness bits and queues their owner; nothing else.
    fn mark(&mut self, event: &mio::event::Event) {
        let Some(source) = Source::from_token(event.token()) else { return };
        match source {
            Source::Client(key) => {
                let Some(client) = self.clients.get_mut(key) else { return };
                client.readiness.mark(event);
                self.queue_client(key);
            }
            Source::Upstream(key) => {
                self.pool.mark(key, event);
                self.queue.push_back(source);
            }
            Source::Listener(_) | Source::Signals | Source::ScalerLog => self.queue.push_back(source),
            Source::Waker | Source::Run(_) | Source::Scaler | Source::Tasks | Source::Maintenance => {}
        }
    }

    /// Finished work, from wherever.
    fn collect_done(&mut self) {
        while let Ok(done) = self.done.try_recv() {
            self.handle_done(done);
        }
        self.self_test.note_work(self.workers.finished(), self.now.at);
    }

    fn handle_done(&mut self, done: Completion) {
        if done.ticket.run == self_test::KEY {
            return self.handle_own(done);
        }
        self.outstanding.note_done(done.ticket);
        match self.scheduler.handle_done(done, &self.server.admission, self.now.at) {
            Some(Advance::Job(job)) => self.dispatch(job),
            Some(Advance::Ended(ended)) => self.end_run(&ended),
            None => {}
        }
    }

    fn dispatch(&mut self, job: Job) {
        match job.work {
            Work::Open(_)
            | Work::Gray { .. }
            | Work::Encode { .. }
            | Work::Face(_)
            | Work::Link(_)
            | Work::Read(_) => {
                // Of the server's own picture there is a verdict of its own.
                if job.ticket.run != self_test::KEY {
                    self.outstanding.note_job(job.ticket, job.due);
                }
                let queue = Queue::of(&job);
                self.workers.submit(job, queue);
            }
            Work::Scale { raster, width, height } => {
                let Job { ticket, reservation, cancelled, .. } = job;
                let (fresh, breaks, began_at) = (ticket.run == self_test::KEY, 0, None);
                let task = ScaleTask {
                    ticket,
                    reservation,
                    cancelled,
                    raster,
                    width,
                    height,
                    fresh,
                    breaks,
                    began_at,
                };
                self.pool.submit(task);
            }
        }
    }

    fn fire_timers(&mut self) {
        while let Some((at, source)) = self.timers.pop(self.now.at) {
            match source {
                Source::Client(key) => {
                    let Some(client) = self.clients.get_mut(key) else { continue };
                    if client.armed.rang(at) {
                        client.connection.handle_timeout(self.now);
                        self.queue_client(key);
                    }
                }
                Source::Run(key) => {
                    let ended = self.scheduler.handle_timer(key, at, &mut self.timers, self.now.at);
                    if let Some(ended) = ended {
                        self.end_run(&ended);
                    }
                }
                Source::Scaler => {
                    if self.scaler_armed.rang(at) {
                        self.handle_scaler_timeout();
                    }
                }
                Source::Listener(_) => {
                    if self.acceptor.rang(at) {
                        self.queue.extend(self.acceptor.handle_room().map(Source::Listener));
                    }
                }
                Source::Tasks => {
                    // Seen to once a turn, and armed again then.
                    self.tasks_armed.rang(at);
                }
                Source::Maintenance => {
                    self.maintenance.armed.rang(at);
                }
                Source::Waker | Source::Signals | Source::Upstream(_) | Source::ScalerLog => {}
            }
        }
        self.server.overdue.set(self.outstanding.is_overdue(self.now.at));
    }

    /// One turn for each that was queued when the round began.
    fn run_queue(&mut self) {
        for _ in 0..self.queue.len() {
            match self.queue.pop_front() {
                Some(Source::Client(key)) => self.serve_client(key),
                Some(Source::Upstream(key)) => self.serve_upstream(key),
                Some(Source::Listener(number)) => {
                    if self.accept(number) {
                        self.queue.push_back(Source::Listener(number));
                    }
                }
                Some(Source::Signals) => self.handle_signals(),
                Some(Source::ScalerLog) => self.relay_log(),
                Some(
                    Source::Waker | Source::Run(_) | Source::Scaler | Source::Tasks | Source::Maintenance,
                )
                | None => {}
            }
        }
    }

    fn queue_client(&mut self, key: Key) {
        if let Some(client) = self.clients.get_mut(key)
            && !std::mem::replace(&mut client.queued, true)
        {
            self.queue.push_back(Source::Client(key));
        }
    }

    fn serve_client(&mut self, key: Key) {
        let Some(client) = self.clients.get_mut(key) else { return };
        client.queued = false;
        self.pump_client(key);
        // What was answered on the spot leaves in the same turn.
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
            // With all places taken somebody may wait for this one's.
            if since.is_some() && self.clients.len() >= self.acceptor.clients_max() {
                self.queue.extend(self.acceptor.handle_room().map(Source::Listener));
            }
        }
    }

    fn pump_client(&mut self, key: Key) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let Client { stream, connection, readiness, .. } = client;
        let mut stream = Metered { stream, traffic: &mut self.metrics.traffic };
        match pump(&mut stream, readiness, connection, &mut self.scratch, self.now) {
            Pumped::Idle => {}
            Pumped::Again => self.queue_client(key),
            Pumped::Gone => connection.handle_gone(self.now),
        }
    }

    /// Does what a connection wants done; whether one of its requests was answered on the spot.
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
                    self.metrics.note(&event.what);
                    let fd = Some(client.stream.as_raw_fd());
                    self.log.write_event(Who { fd, id: event.id, caller: event.caller }, &event.what);
                }
            }
        }
        answered
    }

    fn submit(&mut self, watcher: Key, order: WorkRequest) {
        let id = order.id;
        self.tasks.note_begin(id, order.reservation.bytes(), self.now);
        match self.scheduler.submit(watcher, order, &self.server, &mut self.timers, self.now.at) {
            Ok(run) => {
                if let Some(client) = self.clients.get_mut(watcher) {
                    client.watching = Some(run);
                }
            }
            Err(failure) => {
                self.tasks.note_end(id, Some(&failure), &self.server, self.now);
                self.tell(watcher, id, &Err(failure));
            }
        }
    }

    /// Lets waiting runs in while there are places and memory.
    fn admit_runs(&mut self) {
        while let Some(job) = self.scheduler.admit(&self.server.admission, self.now.at) {
            match self.scheduler.id(job.ticket.run) {
                Some(id) if job.durable => self.tasks.admitted(id),
                Some(id) => self.tasks.note_run(id, self.now),
                None => {}
            }
            self.dispatch(job);
        }
        while let Some(ended) = self.scheduler.send_back() {
            self.end_run(&ended);
        }
    }

    /// A run has ended: its client is told, and a scaler connection that still has it is let go.
    fn end_run(&mut self, ended: &Finished) {
        match &ended.outcome {
            Ok(WorkOutput::Picture(_, times) | WorkOutput::Face(_, times) | WorkOutput::Link(_, times)) => {
                self.metrics.note_times(times);
                if let Some(work) = times.work() {
                    self.server.admission.observe(work);
                }
            }
            Ok(WorkOutput::NotModified(_) | WorkOutput::Excerpt(_)) => {}
            // What went wrong is told with the line about the answer; a client that has left gets none.
            Err(_) => self.pool.abandon(ended.run, self.poll.registry()),
        }
        if ended.durable {
            self.tasks.handle_end(ended.id, &ended.outcome, ended.reached, &self.server, self.now);
        } else {
            self.tasks.note_end(ended.id, ended.outcome.as_ref().err(), &self.server, self.now);
        }
        if let Some(watcher) = ended.watcher {
            self.tell(watcher, ended.id, &ended.outcome);
        }
    }

    fn tell(&mut self, watcher: Key, id: Uuid, outcome: &WorkResult) {
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
        if self.log.wants(Level::Debug) {
            // Its number will soon be another's.
            let caller = Caller { address: client.connection.peer(), request_id: None };
            let who = Who { fd: Some(client.stream.as_raw_fd()), id: None, caller };
            self.log.write(Level::Debug, who, "Conexión cerrada.");
        }
        // It is closed right after: that it was not registered any more would change nothing.
        let _ = self.poll.registry().deregister(&mut client.stream);
        self.tasks.forget(key);
        if let Some(run) = client.watching
            && let Some(id) = self.scheduler.forget(run)
        {
            self.tasks.note_end(id, Some(&WorkError::Cancelled), &self.server, self.now);
        }
        for number in self.acceptor.handle_room() {
            self.queue.push_back(Source::Listener(number));
        }
    }

    /// Closes the client that has been idle longest between two requests, if there is one of which nothing has come since.
    fn close_longest_idle(&mut self) -> bool {
        let Self { crowd, clients, .. } = self;
        // Of one that has sent something the loop may not know yet.
        let is_silent = |client: &mut Client| {
            !client.readiness.read
                && client.stream.peek(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        };
        let key = crowd.idle().find(|&key| clients.get_mut(key).is_some_and(is_silent));
        let Some(key) = key else { return false };
        self.close_client(key);
        true
    }

    /// Takes some of those who wait at a listener; says whether there may be more.
    fn accept(&mut self, number: u32) -> bool {
        let mut room = self.acceptor.clients_max().saturating_sub(self.clients.len());
        if room == 0 && self.acceptor.has_waiting(number) && self.close_longest_idle() {
            room = 1;
        }
        let accepted = self.acceptor.accept(number, room, self.now.at);
        for (mut stream, address) in accepted.streams {
            // A proxy's connection is no client's: of those it has many.
            let is_proxy = self.server.access.proxies.iter().any(|proxy| proxy.contains(address));
            let counted = (!is_proxy).then_some(address);
            if !self.crowd.enter(counted) {
                self.metrics.note_turned_away();
                // As far as it can be told at once: it is closed right after.
                let _ = stream.write(crowd::TOO_MANY);
                continue;
            }
            let local_address = door_of(&stream, accepted.side);
            let (server, now) = (Rc::clone(&self.server), self.now);
            let registry = self.poll.registry();
            let mut registered = Ok(());
            let key = self.clients.insert_with(|key| {
                let interest = Interest::READABLE | Interest::WRITABLE;
                registered = registry.register(&mut stream, Source::Client(key).token(), interest);
                Client {
                    stream,
                    connection: Connection::new(server, local_address, now),
                    readiness: super::client::Readiness::default(),
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
                    self.log.write(Level::Error, Who::default(), format_args!("epoll: {}", InWords(&error)));
                }
            }
        }
        if let Some(error) = accepted.error {
            let text = format_args!("No se puede aceptar otra conexión: {}. Se reintenta.", InWords(&error));
            self.log.write(Level::Warning, Who::default(), text);
            self.acceptor.arm(&mut self.timers, number);
        }
        accepted.again
    }

    fn serve_upstream(&mut self, key: Key) {
        match self.pool.serve(key, self.poll.registry(), &mut self.scratch, self.now.at) {
            Served::Nothing => {}
            Served::Again => self.queue.push_back(Source::Upstream(key)),
            Served::Done(done) => self.handle_done(done),
        }
    }

    /// Gives waiting pictures to the scaler, and keeps an eye on it.
    fn assign_scaler(&mut self) {
        while let Some(assigned) = self.pool.assign(self.poll.registry(), self.now.at) {
            match assigned {
                Assigned::Begun(key) => self.queue.push_back(Source::Upstream(key)),
                Assigned::Done(done) => self.handle_done(done),
            }
        }
        self.pool.keep_warm(self.poll.registry(), self.now.at);
        let away = self.pool.is_away(self.now.at);
        self.server.scaler_away.set(away);
        if away && let Some(supervisor) = &mut self.supervisor {
            supervisor.handle_unreachable(self.now.at);
        }
        let restart = self.supervisor.as_ref().and_then(Supervisor::poll_timeout);
        let due = restart.into_iter().chain(self.pool.poll_timeout()).min();
        self.timers.arm(&mut self.scaler_armed, due, Source::Scaler);
    }

    /// The scaler's words, in the log like any other.
    fn relay_log(&mut self) {
        if let Some(relay) = &mut self.relay {
            relay.read(&mut self.scratch, |line| match exit_stats::parse(line) {
                Some(cause) => self.metrics.note_child(cause),
                None => self.log.write(Level::Info, Who::default(), line),
            });
        }
    }

    /// A scaler was started: what it says is listened to. The last words of the one before it are read first.
    fn watch_scaler_log(&mut self) {
        let Some(stderr) = self.supervisor.as_mut().and_then(Supervisor::take_stderr) else { return };
        self.relay_log();
        match Relay::new(stderr, self.poll.registry()) {
            Ok(relay) => self.relay = Some(relay),
            Err(error) => self.log.write(Level::Error, Who::default(), InWords(&error)),
        }
    }

    fn handle_scaler_timeout(&mut self) {
        if let Some(supervisor) = &mut self.supervisor
            && let Err(error) = supervisor.handle_timeout(self.now.at)
        {
            let text = format_args!("No se puede iniciar el escalador: {}. Se reintenta.", InWords(&error));
            self.log.write(Level::Error, Who::default(), text);
        }
        self.watch_scaler_log();
        self.pool.handle_timeout(self.poll.registry(), self.now.at);
    }

    fn handle_signals(&mut self) {
        // A signalfd that can't be read is no reason to stop serving.
        while let Ok(Some(signal)) = self.signals.next() {
            match signal {
                SIGTERM | SIGINT => self.stop(),
                SIGHUP => {
                    self.log.reopen();
                    self.renew_key();
                }
                SIGCHLD => {
                    if let Some(supervisor) = &mut self.supervisor
                        && let Some(death) = supervisor.handle_sigchld(self.now.at)
                        && self.stop_at.is_none()
                    {
                        self.metrics.note_scaler_end();
                        self.log.write(Level::Warning, Who::default(), death);
                    }
                }
                _ => {}
            }
        }
    }

    /// Reads the key again; one that can't be read leaves the old one in force.
    fn renew_key(&self) {
        let Some(path) = &self.key_file else { return };
        match key_file::read(path) {
            Ok(key) => {
                self.server.access.key.replace(Some(key));
                self.log.write(Level::Info, Who::default(), "La clave se leyó de nuevo.");
            }
            Err(error) => {
                let text = format_args!("Sigue en vigor la clave anterior: {error}.");
                self.log.write(Level::Error, Who::default(), text);
            }
        }
    }

    /// First signal: no new connections, answers in progress are finished. Second: now. Those whom the kernel has let in
    /// already are clients like the others.
    fn stop(&mut self) {
        if self.stop_at.is_some() {
            self.stop_at = Some(self.now.at);
            return;
        }
        self.log.write(Level::Info, Who::default(), "Deteniendo el servidor.");
        self.notifier.stopping();
        self.server.draining.set(true);
        self.stop_at = Some(self.now.at + STOP_TIME);
        for number in self.acceptor.numbers() {
            // Bounded: they may come faster than they are taken.
            let mut turns = ACCEPT_TURNS_MAX;
            while self.accept(number) && turns > 0 {
                turns -= 1;
            }
        }
        self.acceptor.close(self.poll.registry());
        let keys: Vec<Key> = self.clients.iter().map(|(key, _)| key).collect();
        for key in keys {
            if let Some(client) = self.clients.get_mut(key) {
                client.connection.handle_drain(self.now);
                self.queue_client(key);
            }
        }
    }
}

/// A channel into the loop: what is sent wakes it.
fn inbox<T: Send + 'static>(waker: &Arc<Waker>) -> (Arc<dyn Fn(T) + Send + Sync>, Receiver<T>) {
    let waker = Arc::clone(waker);
    let (sender, receiver) = unbounded();
    let deliver = move |item| {
        // Send, then wake; once the loop has ended there is nobody to tell.
        if sender.send(item).is_ok() {
            let _ = waker.wake();
        }
    };
    (Arc::new(deliver), receiver)
}

/// Where a connection was accepted. One that is broken already has no address, and needs none.
fn door_of(stream: &mio::net::TcpStream, side: ListenerRole) -> LocalAddress {
    let address = stream.local_addr().ok();
    // What comes over IPv4 to a socket of both families has an address of IPv4 to its client.
    let host = match address.map(|address| address.ip().to_canonical()) {
        Some(IpAddr::V4(ip)) => ip.to_string(),
        Some(IpAddr::V6(ip)) => format!("[{ip}]"),
        None => "localhost".to_owned(),
    };
    let peer = stream.peer_addr().ok().map(|peer| peer.ip().to_canonical());
    LocalAddress { side, host, port: address.map_or(0, |address| address.port()), peer }
}
