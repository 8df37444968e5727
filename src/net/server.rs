//! The event loop: one thread, all sockets. Readable top to bottom, beginning with [`Server::run`].
//!
//! Rules: an event only sets readiness bits and queues its owner; [`Server::run_queue`] is the one place where a
//! connection makes progress or dies. A client that has used its budget goes to the back of the queue. The clock is
//! read once per turn. Everything that finishes elsewhere (workers, scaler) comes back as a `Completion` through one
//! channel, is looked up by its ticket, and is dropped if its run has ended. The loop blocks only in `poll`, and
//! never reads a pixel, only the header that `pixels::probe` reads.
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, unbounded};
use maintenance::Maintenance;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Waker};
use scaler::sys::{self, SignalFd};
use scaler::wire::Limits;

use super::acceptor::Acceptor;
use super::client::Client;
use super::crowd::Crowd;
use super::metrics::Metrics;
use super::notify::Notifier;
use super::outstanding::Outstanding;
use super::pool::{Destination, Pool, TCP_MAX, connections_max};
use super::relay::Relay;
use super::supervisor::Supervisor;
use crate::conn::connection::INPUT_MAX;
use crate::conn::local_address::ListenerRole;
use crate::files::Library;
use crate::files::links::Links;
use crate::key_file;
use crate::log::{Log, Who};
use crate::model::job::{Completion, WorkerClass};
use crate::model::key::Key;
use crate::model::log_event::Level;
use crate::model::now::Now;
use crate::model::server_state::ServerState;
use crate::pixels::BufferPool;
use crate::store::{self, Retention, Store, StoreAnswer, StoreSizes};
use crate::work::counts::TaskCounts;
use crate::work::scheduler::Scheduler;
use crate::work::self_test::SelfTest;
use crate::work::slab::Slab;
use crate::work::source::Source;
use crate::work::tasks::Tasks;
use crate::work::timers::{Armed, Timers};
use crate::workers::{Deliver, Toolbox, Workers};

mod clients;
mod maintenance;
mod scaling;
mod stopping;
mod taskwork;
mod try_cached;
mod working;

/// Tasks in memory per worker: while one is worked on, another is at the scaler, and others are on their way from the
/// store or back to it, which takes one disk commit each.
const TASKS_A_THREAD: usize = 4;
/// Events taken from the kernel per call.
const EVENTS_MAX: usize = 1024;

/// What [`Server::new`] needs.
pub struct ServerParts {
    /// Bound sockets, and what each is for.
    pub listeners: Vec<(std::net::TcpListener, ListenerRole)>,
    /// TERM, INT, CHLD, HUP; blocked before any thread began.
    pub signals: SignalFd,
    /// Limits and state of the service.
    pub server: ServerState,
    /// tp2's own scaler; None if the scaler runs elsewhere.
    pub supervisor: Option<Supervisor>,
    /// Where the scaler listens.
    pub scaler: Destination,
    /// The files of `-d`.
    pub library: Option<Library>,
    /// The store of tasks.
    pub store: store::Backend,
    /// The store of the bank; None: the store of tasks.
    pub bank: Option<store::Backend>,
    /// How long the results of tasks are kept.
    pub retention: Retention,
    /// The file of `--clave-archivo`.
    pub key_file: Option<PathBuf>,
    /// Worker threads.
    pub threads: usize,
    /// `--nice-grandes`.
    pub large_nice: u8,
    /// `--conexiones`.
    pub clients_max: usize,
    /// `--conexiones-por-ip`.
    pub clients_per_address: Option<usize>,
    /// `--enlaces-espacio`, bytes.
    pub links_space: u64,
    /// The log.
    pub log: Log,
    /// Notifies the service manager.
    pub notifier: Notifier,
}

/// The event loop and everything that it owns.
pub struct Server {
    kernel: Kernel,
    now: Now,
    /// Sources that have something to do now; a client at most once.
    queue: VecDeque<Source>,
    timers: Timers,
    clients: Slab<Client>,
    crowd: Crowd,
    work: WorkPart,
    tasks: TasksPart,
    scaler: ScalerPart,
    server: Rc<ServerState>,
    report: Report,
    upkeep: Upkeep,
    /// When a server that was told to stop gives up waiting.
    stop_at: Option<Instant>,
}

struct Kernel {
    poll: Poll,
    acceptor: Acceptor,
    signals: SignalFd,
    scratch: Box<[u8]>,
}

struct WorkPart {
    scheduler: Scheduler,
    workers: Workers,
    outstanding: Outstanding,
    buffers: Arc<BufferPool>,
    /// The loop reads only their size.
    links: Arc<Links>,
    /// The files of `-d`; the loop reads only their cache.
    library: Option<Arc<Library>>,
    /// The channel through which finished work comes back.
    done: Receiver<Completion>,
}

struct TasksPart {
    machine: Tasks,
    armed: Armed,
    counts: TaskCounts,
    sizes: StoreSizes,
    store: Store,
    answers: Receiver<StoreAnswer>,
}

struct ScalerPart {
    pool: Pool,
    supervisor: Option<Supervisor>,
    relay: Option<Relay>,
    armed: Armed,
}

struct Report {
    log: Log,
    metrics: Metrics,
    notifier: Notifier,
    began_at: SystemTime,
}

struct Upkeep {
    self_test: SelfTest,
    maintenance: Maintenance,
    /// Read again on SIGHUP.
    key_file: Option<PathBuf>,
}

impl Server {
    /// Registers everything with a new epoll instance and starts the workers.
    ///
    /// # Errors
    /// The system gives no epoll instance or thread, or refuses a descriptor.
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
        // Unbounded, but never longer than the places of admission: only admitted work is ever delivered.
        let (deliver, done): (Deliver, _) = inbox(&waker);
        // Bounded by the number of clients and of tasks in work.
        let (tell, answers): (store::DeliverAnswer, _) = inbox(&waker);
        let limits = &parts.server.limits;
        let places = parts.server.admission.places_max();
        let now = Now { at: Instant::now(), wall: SystemTime::now() };
        let mut tasks = Tasks::new(TASKS_A_THREAD * parts.threads, parts.retention.age, now);
        let library = parts.library.map(Arc::new);
        let buffers = Arc::new(BufferPool::new(parts.server.admission.bytes_max()));
        let links = Arc::new(Links::new(parts.links_space));
        // On a thread of its own: there may be many links.
        let measured = Arc::clone(&links);
        std::thread::Builder::new().name("links".into()).spawn(move || measured.measure())?;
        let toolbox = Toolbox::new(limits.pixels, library.clone(), Arc::clone(&buffers), Arc::clone(&links));
        let niceness = sys::nicer(parts.large_nice);
        let toolbox = toolbox.beginning_with(Arc::new(move |class| {
            if class == WorkerClass::Steady {
                // A higher niceness is always allowed; without it the thread works all the same.
                let _ = sys::set_niceness(niceness);
            }
        }));
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
        let pool = Pool::new(parts.scaler, limits, scaler_connections, Arc::clone(&buffers));
        let scratch = vec![0; INPUT_MAX].into_boxed_slice();
        let (scheduler, outstanding) = (Scheduler::default(), Outstanding::default());
        let (armed, counts) = (Armed::default(), TaskCounts::new(now.at));
        Ok(Self {
            kernel: Kernel { poll, acceptor, signals: parts.signals, scratch },
            now,
            queue: VecDeque::new(),
            timers: Timers::default(),
            clients: Slab::default(),
            crowd: Crowd::new(parts.clients_per_address),
            work: WorkPart { scheduler, workers, outstanding, buffers, links, library, done },
            tasks: TasksPart { machine: tasks, armed, counts, sizes: StoreSizes::default(), store, answers },
            scaler: ScalerPart { pool, supervisor: parts.supervisor, relay: None, armed: Armed::default() },
            server: Rc::new(parts.server),
            report: Report {
                log: parts.log,
                metrics: Metrics::default(),
                notifier: parts.notifier,
                began_at: now.wall,
            },
            upkeep: Upkeep { self_test, maintenance: Maintenance::default(), key_file: parts.key_file },
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
        // Tasks that wait in the store need no event.
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
        self.tasks.store.finish();
        Ok(())
    }

    fn is_finished(&self) -> bool {
        self.stop_at.is_some_and(|at| self.clients.is_empty() || self.now.at >= at)
    }

    /// Waits for the next event or deadline; does not wait while the queue has an entry.
    fn sleep(&mut self, events: &mut Events) -> io::Result<()> {
        let deadline = self.timers.next().into_iter().chain(self.stop_at).min();
        let timeout = if self.queue.is_empty() && self.work.done.is_empty() && self.tasks.answers.is_empty() {
            deadline.map(|at| at.saturating_duration_since(Instant::now()))
        } else {
            Some(Duration::ZERO)
        };
        match self.kernel.poll.poll(events, timeout) {
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
                self.scaler.pool.mark(key, event);
                self.queue.push_back(source);
            }
            Source::Listener(_) | Source::Signals | Source::ScalerLog => self.queue.push_back(source),
            Source::Waker | Source::Run(_) | Source::Scaler | Source::Tasks | Source::Maintenance => {}
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
                    let ended = self.work.scheduler.handle_timer(key, at, &mut self.timers, self.now.at);
                    if let Some(ended) = ended {
                        self.end_run(&ended);
                    }
                }
                Source::Scaler => {
                    if self.scaler.armed.rang(at) {
                        self.handle_scaler_timeout();
                    }
                }
                Source::Listener(_) => {
                    if self.kernel.acceptor.rang(at) {
                        self.queue.extend(self.kernel.acceptor.handle_room().map(Source::Listener));
                    }
                }
                Source::Tasks => {
                    // Handled once per turn, and armed again then.
                    self.tasks.armed.rang(at);
                }
                Source::Maintenance => {
                    self.upkeep.maintenance.armed.rang(at);
                }
                Source::Waker | Source::Signals | Source::Upstream(_) | Source::ScalerLog => {}
            }
        }
        self.server.overdue.set(self.work.outstanding.is_overdue(self.now.at));
    }

    /// One turn for each entry that was queued when the round began.
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

    /// Reads the key again; if that fails, the old one stays in force.
    fn renew_key(&self) {
        let Some(path) = &self.upkeep.key_file else { return };
        match key_file::read(path) {
            Ok(key) => {
                self.server.access.key.replace(Some(key));
                self.report.log.write(Level::Info, Who::default(), "La clave se leyó de nuevo.");
            }
            Err(error) => {
                let text = format_args!("Sigue en vigor la clave anterior: {error}.");
                self.report.log.write(Level::Error, Who::default(), text);
            }
        }
    }
}

/// A channel into the loop: what is sent wakes it.
fn inbox<T: Send + 'static>(waker: &Arc<Waker>) -> (Arc<dyn Fn(T) + Send + Sync>, Receiver<T>) {
    let waker = Arc::clone(waker);
    let (sender, receiver) = unbounded();
    let deliver = move |item| {
        // Send, then wake. After the loop has ended there is no receiver.
        if sender.send(item).is_ok() {
            let _ = waker.wake();
        }
    };
    (Arc::new(deliver), receiver)
}
