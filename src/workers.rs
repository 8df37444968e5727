//! Threads that turn [`Job`]s into [`Completion`]s: files, the gray step and the encoders, everything that costs time.
//!
//! Three queues: quick and long jobs whose clients wait, and tasks. N quick threads take quick jobs alone; N steady
//! threads take the rest, alternating between the two queues, so that neither starves. A small picture does not wait
//! for a large one, because the kernel shares the cores between both groups; the quick group sleeps more, so it is
//! seldom kept waiting. Threads that take all kinds have used up their share when a small picture comes, and wait with
//! it: beside four photographs of 9 MP at a time it took 2.5 ms (p99 14) with three threads of which one took quick
//! jobs alone, 1.7 ms (p99 12) with two and two.
//!
//! The steady group makes way for all others by its niceness (`--nice-grandes`), which the caller sets
//! ([`Toolbox::beginning_with`]).
//!
//! Rules: exactly one `Completion` for each `Job`, also when a decoder panics ([`CompletionGuard`] answers when it is
//! dropped unfulfilled). The clients' queues have room for the places of admission, so a job always fits. The tasks'
//! queue is unbounded: a task that was late before it began is claimed anew while its old job may still be queued,
//! without a place but with its memory, so that `--memoria` bounds it. This file knows no event loop: a closure takes
//! each `Completion`.
//!
//! A job whose answer is no longer wanted is not begun; a running one ends at its codec's next look at the flag. A
//! thread that is not back [`GRACE`] after its job's deadline is written off: another takes its place, at most
//! [`replacements_max`] times in the life of the process. If the first comes back, its answer is delivered like any
//! other (its run has ended, so it is dropped and its reservation returns) and the thread ends.
//!
//! It refuses to kill a thread: what the thread holds (locks, memory) would be lost.
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Select, Sender, bounded, unbounded};
use uuid::Uuid;

use crate::files::Library;
use crate::files::links::Links;
use crate::http::format::Format;
use crate::model::admission::Reservation;
use crate::model::error::WorkError;
use crate::model::image::{ImageInfo, PixelLimits};
use crate::model::job::{
    CLASSES, Cancel, Completion, Decoded, Job, Output, QUEUES, Queue, Work, WorkerClass,
};
use crate::model::key::Ticket;
use crate::pixels::{self, BufferPool};

/// How long after its deadline a job is waited for. Between two looks at the flag the largest picture keeps a codec
/// busy for about a second, and for several on busy cores.
pub const GRACE: Duration = Duration::from_secs(5);

/// How many threads may be written off in the life of a process with `threads` in each class. Each may still use a core
/// and memory: at worst that doubles a class. At least 4, so that a small machine survives a few bad files.
#[must_use]
pub fn replacements_max(threads: usize) -> usize {
    threads.max(4)
}

/// Where answers go; called on the workers' threads.
pub type Deliver = Arc<dyn Fn(Completion) + Send + Sync>;

/// The threads and their queues. Dropping it lets them finish what they have begun.
pub struct Workers {
    /// One for each [`Queue`], in their order.
    senders: [Sender<Job>; QUEUES],
    /// The other ends, for replacement threads.
    receivers: [Receiver<Job>; QUEUES],
    toolbox: Arc<Toolbox>,
    deliver: Deliver,
    threads: Vec<Worker>,
    /// Threads that were begun, for their names.
    begun: usize,
    replaced: usize,
    replaced_max: usize,
    worn_out: bool,
    counts: WorkerCounts,
}

struct Worker {
    class: WorkerClass,
    thread: JoinHandle<()>,
    station: Arc<Station>,
}

/// A thread that did not come back from a job in time.
#[derive(Debug, PartialEq, Eq)]
pub struct Loss {
    /// The thread's name.
    pub thread: String,
    /// The request's id, or the task's.
    pub id: Uuid,
    /// The format that was read or written, where that is known.
    pub format: Option<Format>,
    /// Another thread has taken its place. Otherwise this one is waited for still, and [`Workers::is_worn_out`].
    pub replaced: bool,
}

impl Workers {
    /// Starts `threads` threads of each class, over queues of `places` jobs whose clients wait, and one of tasks.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(threads: usize, places: usize, toolbox: Toolbox, deliver: Deliver) -> std::io::Result<Self> {
        // One more for the server's own picture, which holds no place.
        let (quick, quick_queue) = bounded(places + 1);
        let (long, long_queue) = bounded(places);
        let (tasks, tasks_queue) = unbounded();
        let mut workers = Self {
            senders: [quick, long, tasks],
            receivers: [quick_queue, long_queue, tasks_queue],
            toolbox: Arc::new(toolbox),
            deliver,
            threads: Vec::with_capacity(CLASSES * threads),
            begun: 0,
            replaced: 0,
            replaced_max: replacements_max(threads),
            worn_out: false,
            counts: WorkerCounts::default(),
        };
        for class in [WorkerClass::Quick, WorkerClass::Steady] {
            for _ in 0..threads {
                let worker = workers.begin(class)?;
                workers.threads.push(worker);
            }
        }
        Ok(workers)
    }

    fn begin(&mut self, class: WorkerClass) -> std::io::Result<Worker> {
        let [quick, long, tasks] = &self.receivers;
        let (kind, receivers) = match class {
            WorkerClass::Quick => ("quick", vec![quick.clone()]),
            WorkerClass::Steady => ("pixels", vec![long.clone(), tasks.clone()]),
        };
        let station = Arc::new(Station { class, counts: self.counts.clone(), state: Mutex::default() });
        let (toolbox, deliver) = (Arc::clone(&self.toolbox), Arc::clone(&self.deliver));
        let of_thread = Arc::clone(&station);
        let builder = std::thread::Builder::new().name(format!("{kind}-{}", self.begun));
        let thread = builder.spawn(move || work(receivers, &toolbox, &deliver, &of_thread))?;
        self.begun += 1;
        Ok(Worker { class, thread, station })
    }

    /// Replaces threads that are not back [`GRACE`] after the deadline of their job; reports each once.
    pub fn replace_overdue(&mut self, now: Instant) -> Vec<Loss> {
        let mut losses = Vec::new();
        for place in 0..self.threads.len() {
            let Worker { class, thread, station } = &self.threads[place];
            let is_allowed = self.replaced < self.replaced_max;
            let Some((id, format)) = station.write_off(now, is_allowed) else { continue };
            let (class, name) = (*class, thread.thread().name().unwrap_or_default().to_owned());
            // None if it is not allowed, or the system gives no more threads.
            let other = is_allowed.then(|| self.begin(class).ok()).flatten();
            losses.push(Loss { thread: name, id, format, replaced: other.is_some() });
            match other {
                Some(other) => {
                    self.replaced += 1;
                    self.threads[place] = other;
                }
                None => self.worn_out = true,
            }
        }
        losses
    }

    /// A thread hangs and could not be replaced: only a restart brings all of them back.
    #[must_use]
    pub fn is_worn_out(&self) -> bool {
        self.worn_out
    }

    /// How many threads were replaced, and how many may be.
    #[must_use]
    pub fn replaced(&self) -> (usize, usize) {
        (self.replaced, self.replaced_max)
    }

    /// How many threads that were replaced have not come back yet.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.counts.lost.load(Relaxed)
    }

    /// How many threads there are, without those that were replaced.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// How many of them have a job in hand.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.counts.busy.load(Relaxed)
    }

    /// How many jobs of each [`WorkerClass`] have finished; it stands still while the class hangs.
    #[must_use]
    pub fn finished(&self) -> [usize; CLASSES] {
        self.counts.finished.each_ref().map(|count| count.load(Relaxed))
    }

    /// Queues a job.
    pub fn submit(&self, job: Job, queue: Queue) {
        if let Err(refused) = self.senders[queue as usize].try_send(job) {
            debug_assert!(false, "a job that holds a place fits the queue");
            let job = refused.into_inner();
            drop(CompletionGuard::new(job.ticket, job.reservation, Arc::clone(&self.deliver)));
        }
    }

    /// Waits until every job that was queued is done, but for those of threads that were replaced.
    pub fn finish(self) {
        drop(self.senders);
        for Worker { thread, .. } in self.threads {
            // A worker catches its panics; there is nothing left to say about one that did not.
            let _ = thread.join();
        }
    }
}

/// Counters that all threads update.
#[derive(Clone, Default)]
struct WorkerCounts {
    busy: Arc<AtomicUsize>,
    finished: [Arc<AtomicUsize>; CLASSES],
    /// Replaced, and not back yet.
    lost: Arc<AtomicUsize>,
}

/// The job of a thread. The thread and [`Workers`] change it under one lock, so that both see each change.
struct Station {
    class: WorkerClass,
    counts: WorkerCounts,
    state: Mutex<InHand>,
}

#[derive(Default)]
enum InHand {
    #[default]
    Nothing,
    Job {
        id: Uuid,
        format: Option<Format>,
        overdue_at: Instant,
        /// It was reported as overdue.
        told: bool,
    },
    /// Another thread has taken this one's place.
    WrittenOff,
}

impl Station {
    fn state(&self) -> MutexGuard<'_, InHand> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread begins a job.
    fn take_up(&self, id: Uuid, format: Option<Format>, overdue_at: Instant) {
        *self.state() = InHand::Job { id, format, overdue_at, told: false };
        self.counts.busy.fetch_add(1, Relaxed);
    }

    /// The thread has done it; false if it was written off meanwhile.
    fn put_down(&self) -> bool {
        let before = std::mem::take(&mut *self.state());
        if let InHand::WrittenOff = before {
            self.counts.lost.fetch_sub(1, Relaxed);
            return false;
        }
        self.counts.busy.fetch_sub(1, Relaxed);
        self.counts.finished[self.class as usize].fetch_add(1, Relaxed);
        true
    }

    /// The thread's overdue job, if it was not reported yet. If that `is_allowed`, the thread is written off.
    fn write_off(&self, now: Instant, is_allowed: bool) -> Option<(Uuid, Option<Format>)> {
        let mut state = self.state();
        let InHand::Job { id, format, overdue_at, told } = &mut *state else { return None };
        if *told || now < *overdue_at {
            return None;
        }
        let what = (*id, *format);
        *told = true;
        if is_allowed {
            *state = InHand::WrittenOff;
            self.counts.busy.fetch_sub(1, Relaxed);
            self.counts.lost.fetch_add(1, Relaxed);
        }
        Some(what)
    }
}

/// How a picture is decoded: [`pixels::decode_from`].
pub type Decode = fn(&BufferPool, &[u8], &ImageInfo, &PixelLimits, &Cancel) -> Result<Decoded, WorkError>;

/// What each thread does first, by its class.
pub type Begin = Arc<dyn Fn(WorkerClass) + Send + Sync>;

/// What all threads work with.
pub struct Toolbox {
    limits: PixelLimits,
    /// None without `-d`.
    library: Option<Arc<Library>>,
    buffers: Arc<BufferPool>,
    links: Arc<Links>,
    decode: Decode,
    begin: Begin,
}

impl Toolbox {
    /// `library` is None without `-d`; the buffers of decoded pictures come from `buffers`.
    #[must_use]
    pub fn new(
        limits: PixelLimits,
        library: Option<Arc<Library>>,
        buffers: Arc<BufferPool>,
        links: Arc<Links>,
    ) -> Self {
        let begin: Begin = Arc::new(|_| {});
        Self { limits, library, buffers, links, decode: pixels::decode_from, begin }
    }

    /// The same, and each thread does this first.
    #[must_use]
    pub fn beginning_with(self, begin: Begin) -> Self {
        Self { begin, ..self }
    }
}

/// Waits for the next job: that of the first queue from `turn` on that has one, and the queue's number. A closed queue
/// is left out from then on; None when all are closed.
fn next(receivers: &mut Vec<Receiver<Job>>, turn: usize) -> Option<(usize, Job)> {
    let count = receivers.len();
    let waiting = (0..count).map(|step| (turn + step) % count);
    for number in waiting {
        if let Ok(job) = receivers[number].try_recv() {
            return Some((number, job));
        }
    }
    while !receivers.is_empty() {
        let mut select = Select::new();
        for queue in receivers.iter() {
            select.recv(queue);
        }
        let ready = select.select();
        let number = ready.index();
        match ready.recv(&receivers[number]) {
            Ok(job) => return Some((number, job)),
            Err(_) => drop(receivers.remove(number)),
        }
    }
    None
}

fn work(mut receivers: Vec<Receiver<Job>>, toolbox: &Toolbox, deliver: &Deliver, station: &Station) {
    (toolbox.begin)(station.class);
    let mut turn = 0;
    while let Some((number, job)) = next(&mut receivers, turn) {
        turn = number + 1;
        let Job { ticket, id, due, reservation, cancelled, work, .. } = job;
        let mut guard = CompletionGuard::new(ticket, reservation, Arc::clone(deliver));
        if !cancelled.begin() {
            guard.fulfil(Err(WorkError::Cancelled), Duration::ZERO);
            continue;
        }
        let began_at = Instant::now();
        let blame = if matches!(work, Work::Gray { .. }) { WorkError::Panicked } else { WorkError::Lost };
        // The self-test's picture may have queued for longer than others may.
        station.take_up(id, work.format(), due.max(began_at) + GRACE);
        let perform = AssertUnwindSafe(|| toolbox.perform(work, &cancelled, guard.reservation()));
        let result = catch_unwind(perform).unwrap_or(Err(blame));
        let stays = station.put_down();
        guard.fulfil(result, began_at.elapsed());
        if !stays {
            return;
        }
    }
}

impl Toolbox {
    /// Does the work; bytes that are read are charged to the job's reservation.
    fn perform(
        &self,
        work: Work,
        cancelled: &Cancel,
        reservation: Option<&mut Reservation>,
    ) -> Result<Output, WorkError> {
        match work {
            Work::Open(file_request) => match (&self.library, reservation) {
                (Some(library), Some(reservation)) => library.fetch(&file_request, reservation),
                // Without a library no file is asked for, and a job has its reservation until it is answered.
                _ => Err(WorkError::Lost),
            },
            Work::Gray { picture, info } => {
                (self.decode)(&self.buffers, &picture, &info, &self.limits, cancelled).map(Output::Gray)
            }
            Work::Encode { raster, encoding, keep } => {
                let size = (raster.width, raster.height);
                let file = pixels::encode_until(raster, &encoding, cancelled)?;
                match (&self.library, keep) {
                    (Some(library), Some(variant)) => Ok(library.keep(variant, file, size)),
                    _ => Ok(Output::File(Bytes::from(file))),
                }
            }
            Work::Face(raster) => pixels::face_image(raster).map(Output::Face),
            Work::Link(file) => self.links.keep(&file, SystemTime::now()).map(Output::Linked),
            Work::Read(link_request) => match reservation {
                Some(reservation) => self.links.fetch(&link_request, reservation),
                None => Err(WorkError::Lost),
            },
            // Scaling is the other process's work; the loop sends none here.
            Work::Scale { .. } => Err(WorkError::Lost),
        }
    }
}

/// Answers the job when dropped unfulfilled: the work was lost.
struct CompletionGuard {
    /// None once fulfilled.
    due: Option<(Ticket, Reservation)>,
    deliver: Deliver,
}

impl CompletionGuard {
    fn new(ticket: Ticket, reservation: Reservation, deliver: Deliver) -> Self {
        Self { due: Some((ticket, reservation)), deliver }
    }

    fn reservation(&mut self) -> Option<&mut Reservation> {
        self.due.as_mut().map(|(_, reservation)| reservation)
    }

    fn fulfil(mut self, result: Result<Output, WorkError>, took: Duration) {
        if let Some((ticket, reservation)) = self.due.take() {
            (self.deliver)(Completion { ticket, reservation, result, took });
        }
    }
}

impl Drop for CompletionGuard {
    fn drop(&mut self) {
        if let Some((ticket, reservation)) = self.due.take() {
            (self.deliver)(Completion {
                ticket,
                reservation,
                result: Err(WorkError::Lost),
                took: Duration::ZERO,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::http::format::Format;
    use crate::model::admission::Admission;
    use crate::model::image::{Encoding, ImageInfo, Reduction};
    use crate::model::job::{Cancel, Decoded, Owner};
    use crate::model::key::Key;
    use scaler::raster::{Channels, Raster};

    const LIMITS: PixelLimits = PixelLimits { pixels_max: 1 << 20, side_max: 65_535 };

    fn start(threads: usize) -> (Workers, Receiver<Completion>) {
        let (answers, inbox) = bounded(64);
        let deliver: Deliver = Arc::new(move |done| answers.send(done).unwrap());
        (Workers::start(threads, 64, toolbox(), deliver).unwrap(), inbox)
    }

    fn toolbox() -> Toolbox {
        Toolbox::new(LIMITS, None, Arc::default(), Arc::new(Links::new(u64::MAX)))
    }

    fn job(admission: &Admission, step: u32, work: Work) -> Job {
        let mut reservation = admission.reservation();
        reservation.admit(10).unwrap();
        let ticket = Ticket { run: Key { index: 0, generation: 0 }, step };
        let (id, due) = (Uuid::from_u128(step.into()), Instant::now() + Duration::from_secs(30));
        Job { ticket, id, due, reservation, cancelled: Cancel::default(), owner: Owner::Client, work }
    }

    fn encode() -> Work {
        let raster = Raster { width: 2, height: 1, channels: Channels::Luma, samples: vec![9, 200] };
        let encoding = Encoding { format: Format::Pnm, quality: 85, background: [255; 3] };
        Work::Encode { raster, encoding, keep: None }
    }

    #[test]
    fn each_job_is_answered_once_with_its_lease() {
        let admission = Admission::new(64, 1000, 1);
        let (workers, inbox) = start(4);
        for step in 0..32 {
            submit(&workers, job(&admission, step, encode()));
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
        assert_eq!(admission.places(), 0);
        workers.finish();
        assert!(inbox.try_recv().is_err());
    }

    /// As if it were long, or a task: for the steady workers.
    fn submit(workers: &Workers, job: Job) {
        let queue = if job.owner == Owner::Task { Queue::Task } else { Queue::Long };
        workers.submit(job, queue);
    }

    /// A thread in each class, and both wait for a nod after each of their answers.
    fn start_nodding() -> (Workers, Receiver<Completion>, Sender<()>) {
        let ((answers, inbox), (nods, nod)) = (unbounded(), unbounded());
        let deliver: Deliver = Arc::new(move |done| {
            answers.send(done).unwrap();
            // The test that would nod may be over.
            let _ = nod.recv();
        });
        (Workers::start(1, 64, toolbox(), deliver).unwrap(), inbox, nods)
    }

    #[test]
    fn clients_and_tasks_take_turns() {
        let admission = Admission::new(64, 1000, 1);
        let (workers, inbox, nods) = start_nodding();
        let task = |step| Job { owner: Owner::Task, ..job(&admission, step, encode()) };
        let next = || inbox.recv_timeout(Duration::from_secs(10)).unwrap().ticket.step;
        submit(&workers, job(&admission, 0, encode()));
        assert_eq!(next(), 0);
        for step in [1, 2, 3, 4] {
            submit(&workers, job(&admission, step, encode()));
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
    fn each_thread_begins_with_what_its_class_is_to_do() {
        let (tell, told) = unbounded();
        let begin: Begin = Arc::new(move |class| tell.send(class).unwrap());
        let (answers, _inbox) = unbounded();
        let deliver: Deliver = Arc::new(move |done| answers.send(done).unwrap());
        let workers = Workers::start(2, 64, toolbox().beginning_with(begin), deliver).unwrap();
        let begun: Vec<WorkerClass> =
            (0..4).map(|_| told.recv_timeout(Duration::from_secs(10)).unwrap()).collect();
        assert_eq!(begun.iter().filter(|class| **class == WorkerClass::Steady).count(), 2);
        workers.finish();
        assert!(told.try_recv().is_err());
    }

    #[test]
    fn neither_crew_waits_for_the_other() {
        let admission = Admission::new(64, 1000, 1);
        let (workers, inbox, nods) = start_nodding();
        let next = || inbox.recv_timeout(Duration::from_secs(10)).unwrap().ticket.step;
        let quick = |step| {
            let job = job(&admission, step, encode());
            assert_eq!(Queue::of(&job), Queue::Quick);
            workers.submit(job, Queue::Quick);
        };
        submit(&workers, job(&admission, 0, encode()));
        assert_eq!(next(), 0);
        // The steady one is held up from here on.
        submit(&workers, job(&admission, 1, encode()));
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
        let admission = Admission::new(64, 1000, 1);
        let decoding = |format, width, height, length, decode_cost| {
            let info = ImageInfo { format, width, height, reduction: Reduction::None, decode_cost };
            job(&admission, 1, Work::Gray { picture: vec![0; length], info })
        };
        let gray = |width, height| decoding(Format::Png, width, height, 0, 1);
        assert_eq!(Queue::of(&gray(1024, 1024)), Queue::Quick);
        assert_eq!(Queue::of(&gray(1025, 1024)), Queue::Long);
        assert_eq!(Queue::of(&gray(u32::MAX, u32::MAX)), Queue::Long);
        // Few pixels, and all the same much to do.
        for (format, length, memory, queue) in [
            (Format::Jpeg, 2 << 20, 24 << 20, Queue::Quick),
            (Format::Jpeg, (2 << 20) + 1, 1, Queue::Long),
            (Format::Tiff, 1, (24 << 20) + 1, Queue::Long),
            (Format::Pnm, 8 << 20, 1, Queue::Quick),
            (Format::Bmp, 10 << 20, 1, Queue::Long),
        ] {
            assert_eq!(
                Queue::of(&decoding(format, 1, 1, length, memory)),
                queue,
                "{format:?} {length} {memory}"
            );
        }
        for (length, queue) in [(0, Queue::Quick), (1 << 20, Queue::Quick), ((1 << 20) + 1, Queue::Long)] {
            assert_eq!(Queue::of(&job(&admission, 1, Work::Link(vec![0; length].into()))), queue);
        }
        assert_eq!(Queue::of(&Job { owner: Owner::Task, ..gray(1, 1) }), Queue::Task);
    }

    #[test]
    fn any_number_of_tasks_fits_the_queue() {
        let admission = Admission::new(1000, 10_000, 1);
        let (workers, inbox, nods) = start_nodding();
        for step in 0..1000 {
            submit(&workers, Job { owner: Owner::Task, ..job(&admission, step, encode()) });
        }
        drop(nods);
        workers.finish();
        assert!(inbox.try_iter().map(|done| done.ticket.step).eq(0..1000));
    }

    #[test]
    fn a_cancelled_job_is_answered_without_work() {
        let admission = Admission::new(64, 1000, 1);
        let (workers, inbox) = start(1);
        let job = job(&admission, 1, encode());
        job.cancelled.set();
        submit(&workers, job);
        let done = inbox.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(done.result.unwrap_err(), WorkError::Cancelled);
    }

    #[test]
    fn a_panic_is_an_answer_and_the_thread_lives() {
        let admission = Admission::new(64, 1000, 1);
        let (workers, inbox) = start(1);
        // A raster that lies about its size: our own invariant broken, as a bug would.
        let raster = Raster { width: 50, height: 50, channels: Channels::Luma, samples: vec![1] };
        let encoding = Encoding { format: Format::Png, quality: 85, background: [255; 3] };
        submit(&workers, job(&admission, 1, Work::Encode { raster, encoding, keep: None }));
        submit(&workers, job(&admission, 2, encode()));
        let first = inbox.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(first.result.is_err(), "{first:?}");
        let second = inbox.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(second.result.is_ok());
        drop((first, second));
        assert_eq!(admission.places(), 0);
    }

    /// Set: the decoder of [`hang`] with this number comes back.
    static RELEASED: [AtomicBool; 8] = [const { AtomicBool::new(false) }; 8];

    /// Ignores the flag, and returns when it is released; its picture is its number.
    fn hang(
        _: &BufferPool,
        picture: &[u8],
        _: &ImageInfo,
        _: &PixelLimits,
        _: &Cancel,
    ) -> Result<Decoded, WorkError> {
        while !RELEASED[usize::from(picture[0])].load(Relaxed) {
            std::thread::yield_now();
        }
        Err(WorkError::Cancelled)
    }

    fn hanging(admission: &Admission, number: u8) -> Job {
        let info = ImageInfo {
            format: Format::Tiff,
            width: 1,
            height: 1,
            reduction: Reduction::None,
            decode_cost: 1,
        };
        job(admission, number.into(), Work::Gray { picture: vec![number], info })
    }

    /// Until the workers are so busy.
    fn wait_until(condition: impl Fn() -> bool) {
        let until = Instant::now() + Duration::from_secs(10);
        while !condition() {
            assert!(Instant::now() < until);
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_thread_that_does_not_come_back_is_replaced_and_its_answer_comes_once() {
        let admission = Admission::new(64, 1000, 1);
        let (answers, inbox) = bounded(64);
        let deliver: Deliver = Arc::new(move |done| answers.send(done).unwrap());
        let mut workers = Workers::start(1, 64, Toolbox { decode: hang, ..toolbox() }, deliver).unwrap();
        let hangs = hanging(&admission, 0);
        let (due, flag) = (hangs.due, hangs.cancelled.clone());
        submit(&workers, hangs);
        submit(&workers, job(&admission, 1, encode()));
        wait_until(|| workers.busy() == 1);
        flag.set();
        assert!(flag.has_begun());
        assert_eq!(workers.replace_overdue(due + GRACE - Duration::from_millis(1)), []);
        let losses = workers.replace_overdue(due + GRACE);
        let thread = "pixels-1".to_owned();
        assert_eq!(losses, [Loss { thread, id: Uuid::nil(), format: Some(Format::Tiff), replaced: true }]);
        assert_eq!(workers.replace_overdue(due + GRACE * 9), [], "it is told once");
        // Another does what stood behind it.
        assert_eq!(inbox.recv_timeout(Duration::from_secs(10)).unwrap().ticket.step, 1);
        wait_until(|| workers.busy() == 0);
        assert_eq!((workers.replaced(), workers.lost(), workers.threads()), ((1, 4), 1, 2));
        assert_eq!(admission.places(), 1, "what it holds is not given back before");
        assert!(inbox.try_recv().is_err());
        RELEASED[0].store(true, Relaxed);
        let late = inbox.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!((late.ticket.step, late.result.unwrap_err()), (0, WorkError::Cancelled));
        drop(late.reservation);
        assert_eq!((admission.places(), workers.lost(), workers.finished()), (0, 0, [0, 1]));
        workers.finish();
        assert!(inbox.try_recv().is_err(), "one answer for each");
    }

    #[test]
    fn so_many_are_replaced_and_no_more() {
        let admission = Admission::new(64, 1000, 1);
        let (answers, inbox) = bounded(64);
        let deliver: Deliver = Arc::new(move |done| answers.send(done).unwrap());
        let mut workers = Workers::start(1, 64, Toolbox { decode: hang, ..toolbox() }, deliver).unwrap();
        assert_eq!([1, 4, 5, 64].map(replacements_max), [4, 4, 5, 64]);
        for number in 1..=5 {
            let hangs = hanging(&admission, number);
            let overdue_at = hangs.due + GRACE;
            submit(&workers, hangs);
            wait_until(|| workers.busy() == 1);
            let losses = workers.replace_overdue(overdue_at);
            assert_eq!(losses.iter().map(|loss| loss.replaced).collect::<Vec<_>>(), [number < 5]);
            assert_eq!(workers.is_worn_out(), number == 5);
        }
        assert_eq!((workers.replaced(), workers.lost(), workers.busy()), ((4, 4), 4, 1));
        assert_eq!(workers.replace_overdue(Instant::now() + GRACE * 99), []);
        RELEASED[1..=5].iter().for_each(|flag| flag.store(true, Relaxed));
        let mut steps: Vec<u32> =
            (1..=5).map(|_| inbox.recv_timeout(Duration::from_secs(10)).unwrap().ticket.step).collect();
        steps.sort_unstable();
        assert_eq!(steps, [1, 2, 3, 4, 5]);
        assert!(workers.is_worn_out(), "for good");
        workers.finish();
    }

    #[test]
    fn a_job_that_begins_and_one_that_is_given_up_agree_on_which_was_first() {
        for _ in 0..2000 {
            let flag = Cancel::default();
            let worker = flag.clone();
            let began = std::thread::scope(|scope| {
                let began = scope.spawn(move || worker.begin());
                flag.set();
                let said = flag.has_begun();
                (began.join().unwrap(), said)
            });
            assert_eq!(began.0, began.1);
        }
    }

    #[test]
    fn a_lost_promise_answers() {
        let admission = Admission::new(1, 100, 1);
        let (answers, inbox) = bounded(1);
        let Job { ticket, reservation, .. } = job(&admission, 3, encode());
        drop(CompletionGuard::new(ticket, reservation, Arc::new(move |done| answers.send(done).unwrap())));
        let done = inbox.recv().unwrap();
        assert_eq!(done.result.unwrap_err(), WorkError::Lost);
        assert_eq!(done.ticket, ticket);
    }

    #[test]
    fn garbage_is_a_failure() {
        let admission = Admission::new(1, 100, 1);
        let (workers, inbox) = start(1);
        let info = ImageInfo {
            format: Format::Png,
            width: 4,
            height: 4,
            reduction: Reduction::None,
            decode_cost: 1 << 20,
        };
        submit(&workers, job(&admission, 1, Work::Gray { picture: b"\x89PNG\r\n\x1a\nxxx".to_vec(), info }));
        let done = inbox.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(matches!(done.result, Err(WorkError::Undecodable(_))), "{done:?}");
    }
}
