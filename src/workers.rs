//! Threads that turn [`Job`]s into [`Done`]s: files, the gray step and the encoders, everything that costs time.
//!
//! There are three queues: for quick and for long jobs whose clients wait, and for tasks. N threads take quick jobs alone, N
//! others the rest, from the two queues in turn while both have something: so neither starves, however long the other
//! is. A small picture does not wait until a large one is done, for the kernel shares the cores between the two crews; and
//! as the quick one sleeps more, it is seldom kept waiting. Threads that take all kinds have used up their share when
//! their turn comes to a small picture, and then wait with it: four photographs of 9 MP at a time beside, it took
//! 2.5 ms (p99 14) with three threads of which one took quick jobs alone, 1.7 ms (p99 12) with two and two.
//!
//! Rules: exactly one `Done` for each `Job`, also when a decoder panics ([`Promise`] answers when it is dropped
//! unfulfilled). The clients' queues have room for the places of the gate, so a job always fits. The tasks' has no bound of its
//! own: a task that was late is begun anew while its old job may still stand here, with no place but with its memory, so
//! that `--memoria` bounds it. This file knows no event loop: what happens with a `Done` is a closure. What it refuses to
//! do: to interrupt a decoder that is running; a job whose answer nobody wants any more is skipped if it has not begun.
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Select, Sender, bounded, unbounded};

use crate::exchange::gate::Lease;
use crate::exchange::job::{Cancel, Done, Failure, Job, Output, PixelLimits, Work};
use crate::files::Library;
use crate::files::links::Links;
use crate::key::Ticket;
use crate::pixels::{self, Spares};

/// Where answers go; called on the workers' threads.
pub type Deliver = Arc<dyn Fn(Done) + Send + Sync>;

/// Which queue a job stands in; the discriminant is its place among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Its client waits, and it takes little.
    Quick,
    /// Its client waits.
    Long,
    /// Nobody waits, or it holds no place of the gate.
    Task,
}

const LANES: usize = 3;

/// Threads that take from the same queues; the discriminant is its place among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crew {
    /// Takes [`Lane::Quick`].
    Quick,
    /// Takes [`Lane::Long`] and [`Lane::Task`], in turn.
    Steady,
}

/// How many [`Crew`]s there are.
pub const CREWS: usize = 2;

impl Lane {
    /// The lane of a job like this.
    #[must_use]
    pub fn of(job: &Job) -> Self {
        // What holds no place must not fill a queue of those that do, nor stand behind all of them.
        if job.durable || matches!(job.work, Work::Read(_)) {
            Self::Task
        } else if job.work.is_quick() {
            Self::Quick
        } else {
            Self::Long
        }
    }
}

/// The threads and their queues. Dropping it lets them finish what they have begun.
pub struct Workers {
    /// One for each [`Lane`], in their order.
    lanes: [Sender<Job>; LANES],
    deliver: Deliver,
    threads: Vec<JoinHandle<()>>,
    /// How many of them have a job in hand.
    busy: Arc<AtomicUsize>,
    /// Jobs that each [`Crew`] has finished.
    finished: [Arc<AtomicUsize>; CREWS],
}

impl Workers {
    /// Starts `threads` threads of each crew, over queues of `places` jobs whose clients wait, and one of tasks.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        threads: usize,
        places: usize,
        limits: PixelLimits,
        library: Option<Arc<Library>>,
        spares: Arc<Spares>,
        deliver: Deliver,
    ) -> std::io::Result<Self> {
        // One more for the server's own picture, which holds no place.
        let (quick, quick_queue) = bounded(places + 1);
        let (long, long_queue) = bounded(places);
        let (tasks, tasks_queue) = unbounded();
        let bench = Arc::new(Bench { limits, library, spares, links: Links::default() });
        let busy = Arc::default();
        let finished: [Arc<AtomicUsize>; CREWS] = Default::default();
        let begin = |name: String, crew: Crew, queues: Vec<Receiver<Job>>| {
            let (bench, deliver) = (Arc::clone(&bench), Arc::clone(&deliver));
            let counts = Counts { busy: Arc::clone(&busy), finished: Arc::clone(&finished[crew as usize]) };
            std::thread::Builder::new().name(name).spawn(move || work(queues, &bench, &deliver, &counts))
        };
        let quick_crew = (0..threads)
            .map(|number| begin(format!("quick-{number}"), Crew::Quick, vec![quick_queue.clone()]));
        let steady = [long_queue, tasks_queue];
        let steady_crew =
            (0..threads).map(|number| begin(format!("pixels-{number}"), Crew::Steady, steady.to_vec()));
        let threads = quick_crew.chain(steady_crew).collect::<std::io::Result<_>>()?;
        Ok(Self { lanes: [quick, long, tasks], deliver, threads, busy, finished })
    }

    /// How many threads there are.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// How many of them have a job in hand.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.busy.load(Relaxed)
    }

    /// How many jobs have come of each [`Crew`]: while it hangs, that stands still.
    #[must_use]
    pub fn finished(&self) -> [usize; CREWS] {
        self.finished.each_ref().map(|count| count.load(Relaxed))
    }

    /// Queues a job.
    pub fn submit(&self, job: Job, lane: Lane) {
        if let Err(refused) = self.lanes[lane as usize].try_send(job) {
            debug_assert!(false, "a job that holds a place fits the queue");
            let job = refused.into_inner();
            drop(Promise::new(job.ticket, job.lease, Arc::clone(&self.deliver)));
        }
    }

    /// Waits until every job that was queued is done.
    pub fn finish(self) {
        drop(self.lanes);
        for thread in self.threads {
            // A worker catches its panics; there is nothing left to say about one that did not.
            let _ = thread.join();
        }
    }
}

/// What a thread tells of itself.
struct Counts {
    busy: Arc<AtomicUsize>,
    finished: Arc<AtomicUsize>,
}

/// What all threads work with.
struct Bench {
    limits: PixelLimits,
    /// None without `-d`.
    library: Option<Arc<Library>>,
    /// Where the buffers of decoded pictures come from.
    spares: Arc<Spares>,
    links: Links,
}

/// The next job, waited for if there is none: that of the first queue from `turn` on that has one, and that queue's number.
/// A queue that has come to its end is left out from then on; None when all have.
fn next(queues: &mut Vec<Receiver<Job>>, turn: usize) -> Option<(usize, Job)> {
    let count = queues.len();
    let waiting = (0..count).map(|step| (turn + step) % count);
    for number in waiting {
        if let Ok(job) = queues[number].try_recv() {
            return Some((number, job));
        }
    }
    while !queues.is_empty() {
        let mut select = Select::new();
        for queue in queues.iter() {
            select.recv(queue);
        }
        let ready = select.select();
        let number = ready.index();
        match ready.recv(&queues[number]) {
            Ok(job) => return Some((number, job)),
            Err(_) => drop(queues.remove(number)),
        }
    }
    None
}

fn work(mut queues: Vec<Receiver<Job>>, bench: &Bench, deliver: &Deliver, counts: &Counts) {
    let mut turn = 0;
    while let Some((number, job)) = next(&mut queues, turn) {
        turn = number + 1;
        let Job { ticket, lease, cancelled, work, .. } = job;
        let mut promise = Promise::new(ticket, lease, Arc::clone(deliver));
        if cancelled.is_set() {
            promise.fulfil(Err(Failure::Cancelled), Duration::ZERO);
            continue;
        }
        let began_at = Instant::now();
        let blame = if matches!(work, Work::Gray { .. }) { Failure::Panicked } else { Failure::Lost };
        let perform = AssertUnwindSafe(|| bench.perform(work, &cancelled, promise.lease()));
        counts.busy.fetch_add(1, Relaxed);
        let result = catch_unwind(perform).unwrap_or(Err(blame));
        counts.busy.fetch_sub(1, Relaxed);
        counts.finished.fetch_add(1, Relaxed);
        promise.fulfil(result, began_at.elapsed());
    }
}

impl Bench {
    /// Does the work; the job's lease is there to be charged for what is read.
    fn perform(&self, work: Work, cancelled: &Cancel, lease: Option<&mut Lease>) -> Result<Output, Failure> {
        match work {
            Work::Open(wanted) => match (&self.library, lease) {
                (Some(library), Some(lease)) => library.fetch(&wanted, lease),
                // Without a library no file is asked for, and a job has its lease until it is answered.
                _ => Err(Failure::Lost),
            },
            Work::Gray { picture, probe } => {
                pixels::decode_from(&self.spares, &picture, &probe, &self.limits, cancelled)
                    .map(Output::Raster)
            }
            Work::Encode { raster, encoding, keep } => {
                let size = (raster.width, raster.height);
                let file = pixels::encode(raster, &encoding)?;
                match (&self.library, keep) {
                    (Some(library), Some(edition)) => Ok(library.keep(edition, file, size)),
                    _ => Ok(Output::File(Bytes::from(file))),
                }
            }
            Work::Face(raster) => pixels::likeness(raster).map(Output::Face),
            Work::Link(file) => self.links.keep(&file, SystemTime::now()).map(Output::Linked),
            Work::Read(sought) => match lease {
                Some(lease) => self.links.fetch(&sought, lease),
                None => Err(Failure::Lost),
            },
            // Scaling is the other process's work; the loop sends none here.
            Work::Scale { .. } => Err(Failure::Lost),
        }
    }
}

/// The duty to answer a job: dropped unfulfilled, it answers that the work was lost.
struct Promise {
    /// None once fulfilled.
    due: Option<(Ticket, Lease)>,
    deliver: Deliver,
}

impl Promise {
    fn new(ticket: Ticket, lease: Lease, deliver: Deliver) -> Self {
        Self { due: Some((ticket, lease)), deliver }
    }

    fn lease(&mut self) -> Option<&mut Lease> {
        self.due.as_mut().map(|(_, lease)| lease)
    }

    fn fulfil(mut self, result: Result<Output, Failure>, took: Duration) {
        if let Some((ticket, lease)) = self.due.take() {
            (self.deliver)(Done { ticket, lease, result, took });
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some((ticket, lease)) = self.due.take() {
            (self.deliver)(Done { ticket, lease, result: Err(Failure::Lost), took: Duration::ZERO });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::gate::Gate;
    use crate::exchange::job::{Cancel, Encoding, Probe};
    use crate::key::Key;
    use crate::proto::format::Format;
    use scaler::raster::{Channels, Raster};

    const LIMITS: PixelLimits = PixelLimits { pixels_max: 1 << 20, side_max: 65_535 };

    fn start(threads: usize) -> (Workers, Receiver<Done>) {
        let (answers, inbox) = bounded(64);
        let deliver: Deliver = Arc::new(move |done| answers.send(done).unwrap());
        (Workers::start(threads, 64, LIMITS, None, Arc::default(), deliver).unwrap(), inbox)
    }

    fn job(gate: &Gate, step: u32, work: Work) -> Job {
        let mut lease = gate.lease();
        lease.enter(10).unwrap();
        let ticket = Ticket { run: Key { index: 0, generation: 0 }, step };
        Job { ticket, lease, cancelled: Cancel::default(), durable: false, work }
    }

    fn encode() -> Work {
        let raster = Raster { width: 2, height: 1, channels: Channels::Luma, samples: vec![9, 200] };
        let encoding = Encoding { format: Format::Pnm, quality: 85, background: [255; 3] };
        Work::Encode { raster, encoding, keep: None }
    }

    #[test]
    fn each_job_is_answered_once_with_its_lease() {
        let gate = Gate::new(64, 1000, 1);
        let (workers, inbox) = start(4);
        for step in 0..32 {
            submit(&workers, job(&gate, step, encode()));
        }
        let mut steps: Vec<u32> = (0..32)
            .map(|_| {
                let done = inbox.recv_timeout(Duration::from_secs(10)).unwrap();
                assert!(matches!(&done.result, Ok(Output::File(file)) if file.ends_with(&[9, 200])));
                done.ticket.step
            })
            .collect();
        steps.sort_unstable();
        assert_eq!(steps, (0..32).collect::<Vec<_>>());
        assert_eq!(gate.places(), 0);
        workers.finish();
        assert!(inbox.try_recv().is_err());
    }

    /// As if it were long, or a task: for the steady crew.
    fn submit(workers: &Workers, job: Job) {
        let lane = if job.durable { Lane::Task } else { Lane::Long };
        workers.submit(job, lane);
    }

    /// A thread in each crew, and both wait for a nod after each of their answers.
    fn start_nodding() -> (Workers, Receiver<Done>, Sender<()>) {
        let ((answers, inbox), (nods, nod)) = (unbounded(), unbounded());
        let deliver: Deliver = Arc::new(move |done| {
            answers.send(done).unwrap();
            // The test that would nod may be over.
            let _ = nod.recv();
        });
        (Workers::start(1, 64, LIMITS, None, Arc::default(), deliver).unwrap(), inbox, nods)
    }

    #[test]
    fn clients_and_tasks_take_turns() {
        let gate = Gate::new(64, 1000, 1);
        let (workers, inbox, nods) = start_nodding();
        let task = |step| Job { durable: true, ..job(&gate, step, encode()) };
        let next = || inbox.recv_timeout(Duration::from_secs(10)).unwrap().ticket.step;
        submit(&workers, job(&gate, 0, encode()));
        assert_eq!(next(), 0);
        for step in [1, 2, 3, 4] {
            submit(&workers, job(&gate, step, encode()));
        }
        for step in [11, 12] {
            submit(&workers, task(step));
        }
        for expected in [11, 1, 12, 2, 3, 4] {
            nods.send(()).unwrap();
            assert_eq!(next(), expected);
        }
        submit(&workers, task(13));
        submit(&workers, task(14));
        drop(nods);
        assert_eq!([next(), next()], [13, 14]);
        workers.finish();
    }

    #[test]
    fn neither_crew_waits_for_the_other() {
        let gate = Gate::new(64, 1000, 1);
        let (workers, inbox, nods) = start_nodding();
        let next = || inbox.recv_timeout(Duration::from_secs(10)).unwrap().ticket.step;
        let quick = |step| {
            let job = job(&gate, step, encode());
            assert_eq!(Lane::of(&job), Lane::Quick);
            workers.submit(job, Lane::Quick);
        };
        submit(&workers, job(&gate, 0, encode()));
        assert_eq!(next(), 0);
        // The steady one is held up from here on.
        submit(&workers, job(&gate, 1, encode()));
        quick(2);
        assert_eq!(next(), 2);
        // And so is the quick one, until the first nod, which either may take.
        quick(3);
        assert_eq!(workers.finished(), [1, 1]);
        nods.send(()).unwrap();
        let first = next();
        assert!([1, 3].contains(&first));
        drop(nods);
        assert_eq!(next(), 4 - first);
        workers.finish();
    }

    #[test]
    fn lanes_go_by_who_waits_and_how_long_it_takes() {
        let gate = Gate::new(64, 1000, 1);
        let decoding = |format, width, height, length, decode_cost| {
            let probe = Probe { format, width, height, decode_cost };
            job(&gate, 1, Work::Gray { picture: vec![0; length], probe })
        };
        let gray = |width, height| decoding(Format::Png, width, height, 0, 1);
        assert_eq!(Lane::of(&gray(1024, 1024)), Lane::Quick);
        assert_eq!(Lane::of(&gray(1025, 1024)), Lane::Long);
        assert_eq!(Lane::of(&gray(u32::MAX, u32::MAX)), Lane::Long);
        // Few pixels, and all the same much to do.
        for (format, length, memory, lane) in [
            (Format::Jpeg, 2 << 20, 24 << 20, Lane::Quick),
            (Format::Jpeg, (2 << 20) + 1, 1, Lane::Long),
            (Format::Tiff, 1, (24 << 20) + 1, Lane::Long),
            (Format::Pnm, 8 << 20, 1, Lane::Quick),
            (Format::Bmp, 10 << 20, 1, Lane::Long),
        ] {
            assert_eq!(
                Lane::of(&decoding(format, 1, 1, length, memory)),
                lane,
                "{format:?} {length} {memory}"
            );
        }
        assert_eq!(Lane::of(&job(&gate, 1, Work::Link(Bytes::new()))), Lane::Long);
        assert_eq!(Lane::of(&Job { durable: true, ..gray(1, 1) }), Lane::Task);
    }

    #[test]
    fn any_number_of_tasks_fits_the_queue() {
        let gate = Gate::new(1000, 10_000, 1);
        let (workers, inbox, nods) = start_nodding();
        for step in 0..1000 {
            submit(&workers, Job { durable: true, ..job(&gate, step, encode()) });
        }
        drop(nods);
        workers.finish();
        assert!(inbox.try_iter().map(|done| done.ticket.step).eq(0..1000));
    }

    #[test]
    fn a_cancelled_job_is_answered_without_work() {
        let gate = Gate::new(64, 1000, 1);
        let (workers, inbox) = start(1);
        let job = job(&gate, 1, encode());
        job.cancelled.set();
        submit(&workers, job);
        let done = inbox.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(done.result.unwrap_err(), Failure::Cancelled);
    }

    #[test]
    fn a_panic_is_an_answer_and_the_thread_lives() {
        let gate = Gate::new(64, 1000, 1);
        let (workers, inbox) = start(1);
        // A raster that lies about its size: our own invariant broken, as a bug would.
        let raster = Raster { width: 50, height: 50, channels: Channels::Luma, samples: vec![1] };
        let encoding = Encoding { format: Format::Png, quality: 85, background: [255; 3] };
        submit(&workers, job(&gate, 1, Work::Encode { raster, encoding, keep: None }));
        submit(&workers, job(&gate, 2, encode()));
        let first = inbox.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(first.result.is_err(), "{first:?}");
        let second = inbox.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(second.result.is_ok());
        drop((first, second));
        assert_eq!(gate.places(), 0);
    }

    #[test]
    fn a_lost_promise_answers() {
        let gate = Gate::new(1, 100, 1);
        let (answers, inbox) = bounded(1);
        let Job { ticket, lease, .. } = job(&gate, 3, encode());
        drop(Promise::new(ticket, lease, Arc::new(move |done| answers.send(done).unwrap())));
        let done = inbox.recv().unwrap();
        assert_eq!(done.result.unwrap_err(), Failure::Lost);
        assert_eq!(done.ticket, ticket);
    }

    #[test]
    fn garbage_is_a_failure() {
        let gate = Gate::new(1, 100, 1);
        let (workers, inbox) = start(1);
        let probe = Probe { format: Format::Png, width: 4, height: 4, decode_cost: 1 << 20 };
        submit(&workers, job(&gate, 1, Work::Gray { picture: b"\x89PNG\r\n\x1a\nxxx".to_vec(), probe }));
        let done = inbox.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(matches!(done.result, Err(Failure::Undecodable(_))), "{done:?}");
    }
}
