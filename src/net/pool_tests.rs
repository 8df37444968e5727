//! The pool against faulty scalers: real Unix sockets, a loop of a few lines, a script for each connection.
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use mio::{Events, Poll, Token};
use scaler::raster::{Channels, Raster};
use scaler::scaling::Scaling;
use scaler::wire::{self, RequestDecoder, emit_error, emit_reply_head};
use uuid::Uuid;

use super::*;
use crate::model::admission::Admission;
use crate::model::job::Cancel;
use crate::model::key::Ticket;

/// What the other end does with one connection.
#[derive(Clone, Copy, Debug)]
enum Script {
    /// Closes before it has read anything.
    Hang,
    /// Reads the picture and closes.
    ReadAndHang,
    /// Sends so many bytes of the answer and closes.
    Cut(usize),
    /// Answers correctly, again and again.
    Serve,
    /// Answers with a picture of another size.
    WrongSize,
    /// Sends an invalid answer.
    Nonsense,
    /// Refuses.
    Refuse,
    /// Answers while it reads, in small reads, and stops reading while its answer is not taken.
    Stream,
    /// Answers, and then sends more than was asked.
    Chatter,
}

/// Large enough that neither direction fits the socket's buffers.
const SIDE: u32 = 1500;
const LIMITS: Limits = Limits { pixels_max: 100_000_000, side_max: 65_535 };

fn directory() -> PathBuf {
    let path = std::env::temp_dir().join(format!("tp2-pool-{}", Uuid::new_v4().simple()));
    std::fs::create_dir(&path).unwrap();
    path
}

/// Plays one script per connection; the last one for all that follow.
fn play(path: &Path, scripts: &[Script]) {
    let listener = UnixListener::bind(path).unwrap();
    let scripts = scripts.to_vec();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (Ok(stream), script) = (stream, scripts[number.min(scripts.len() - 1)]) else { return };
            thread::spawn(move || {
                // The pool may close the connection: that is part of the script.
                let _ = act(stream, script);
            });
        }
    });
}

/// Scales as a child does: the answer begins before the request has ended.
fn scale_as_rows_come(mut stream: UnixStream) -> std::io::Result<()> {
    loop {
        let mut scaling = Scaling::new(LIMITS);
        let mut chunk = [0; 1000];
        while !scaling.is_received() {
            let n = stream.read(&mut chunk)?;
            if n == 0 {
                return Ok(());
            }
            assert_eq!(scaling.push(&chunk[..n]), Ok(n));
            while !scaling.ready().is_empty() {
                let n = stream.write(scaling.ready())?;
                scaling.sent(n).unwrap();
            }
        }
    }
}

fn act(mut stream: UnixStream, script: Script) -> std::io::Result<()> {
    if matches!(script, Script::Hang) {
        return Ok(());
    }
    if matches!(script, Script::Stream) {
        return scale_as_rows_come(stream);
    }
    loop {
        let mut decoder = RequestDecoder::new(LIMITS, wire::allocate);
        let mut chunk = [0; 1 << 16];
        let request = loop {
            if let Some(request) = decoder.take() {
                break request;
            }
            let n = stream.read(&mut chunk)?;
            if n == 0 {
                return Ok(());
            }
            decoder.push(&chunk[..n]).unwrap();
        };
        let (width, height) = (request.width, request.height);
        let mut answer = emit_reply_head(width, height, Channels::Luma);
        answer.resize(answer.len() + (width * height) as usize, 7);
        match script {
            Script::Hang | Script::ReadAndHang | Script::Stream => return Ok(()),
            Script::Cut(bytes) => return stream.write_all(&answer[..bytes]),
            Script::Serve => stream.write_all(&answer)?,
            Script::WrongSize => stream.write_all(b"OK\nP5\n1 1\n255\n.")?,
            Script::Nonsense => stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")?,
            Script::Refuse => stream.write_all(&emit_error(422, "no cabe"))?,
            Script::Chatter => {
                answer.extend(b"OK\n");
                stream.write_all(&answer)?;
            }
        }
    }
}

struct Loop {
    poll: Poll,
    pool: Pool,
    admission: Admission,
}

impl Loop {
    fn new(path: &Path, size: usize) -> Self {
        let pool = Pool::new(Destination::Unix(path.to_path_buf()), LIMITS, size, Arc::default());
        Self { poll: Poll::new().unwrap(), pool, admission: Admission::new(100, 1 << 30, 1) }
    }

    fn submit(&mut self, number: u32) -> Cancel {
        self.submit_as(number, false)
    }

    fn submit_as(&mut self, number: u32, fresh: bool) -> Cancel {
        self.submit_sized(number, fresh, SIDE)
    }

    fn submit_sized(&mut self, number: u32, fresh: bool, side: u32) -> Cancel {
        let samples = vec![3; (side * side) as usize];
        let raster = Raster { width: side, height: side, channels: Channels::Luma, samples };
        let cancelled = Cancel::default();
        self.pool.submit(ScaleTask {
            ticket: Ticket { run: Key { index: number, generation: 0 }, step: 2 },
            reservation: self.admission.reservation(),
            cancelled: cancelled.clone(),
            raster,
            width: side / 2,
            height: side / 2,
            fresh,
            breaks: 0,
            began_at: None,
        });
        cancelled
    }

    /// Puts the next task on a connection; that connection, and the task's number.
    fn begin(&mut self) -> Option<(Key, u32)> {
        let Some(Assigned::Begun(key)) = self.pool.assign(self.poll.registry(), Instant::now()) else {
            return None;
        };
        let task = self.pool.upstreams.get_mut(key).and_then(|upstream| upstream.task());
        task.map(|task| (key, task.ticket.run.index))
    }

    /// Turns until so many tasks are done.
    fn run(&mut self, count: usize) -> Vec<Completion> {
        let mut done = Vec::new();
        let mut queue = Vec::new();
        let mut scratch = vec![0; 1 << 16];
        let mut events = Events::with_capacity(64);
        let give_up_at = Instant::now() + Duration::from_secs(30);
        while done.len() < count {
            let now = Instant::now();
            assert!(now < give_up_at, "only {} of {count}", done.len());
            for key in std::mem::take(&mut queue) {
                match self.pool.serve(key, self.poll.registry(), &mut scratch, now) {
                    Served::Nothing => {}
                    Served::Again => queue.push(key),
                    Served::Done(one) => done.push(one),
                }
            }
            self.pool.handle_timeout(self.poll.registry(), now);
            self.pool.keep_warm(self.poll.registry(), now);
            while let Some(assigned) = self.pool.assign(self.poll.registry(), now) {
                match assigned {
                    Assigned::Begun(key) => queue.push(key),
                    Assigned::Done(one) => done.push(one),
                }
            }
            let pause = if queue.is_empty() { Duration::from_millis(5) } else { Duration::ZERO };
            self.poll.poll(&mut events, Some(pause)).unwrap();
            for event in &events {
                let Token(_) = event.token();
                if let Some(Source::Upstream(key)) = Source::from_token(event.token()) {
                    self.pool.mark(key, event);
                    queue.push(key);
                }
            }
        }
        done
    }
}

/// One task over these scripts.
fn outcome(scripts: &[Script]) -> Result<Output, WorkError> {
    let path = directory();
    play(&path.join("s"), scripts);
    let mut turning = Loop::new(&path.join("s"), 2);
    turning.submit(0);
    let done = turning.run(1).remove(0);
    std::fs::remove_dir_all(&path).unwrap();
    done.result
}

fn is_right(result: &Result<Output, WorkError>) -> bool {
    matches!(result, Ok(Output::Raster(raster))
        if (raster.width, raster.height) == (SIDE / 2, SIDE / 2) && raster.samples.iter().all(|&sample| sample == 7))
}

#[test]
fn a_connection_that_breaks_at_any_moment_costs_a_retry() {
    for scripts in [
        &[Script::Serve][..],
        &[Script::Hang, Script::Serve],
        &[Script::ReadAndHang, Script::Serve],
        &[Script::Cut(1), Script::Cut(5), Script::Cut(100_000), Script::Serve],
        &[Script::Hang, Script::ReadAndHang, Script::Hang, Script::Cut(2), Script::Hang, Script::Serve],
    ] {
        let result = outcome(scripts);
        assert!(is_right(&result), "{scripts:?}: {:?}", result.err());
    }
}

/// Neither direction fits the socket's buffers: without reading the answer while the picture is sent, both ends would
/// block for ever.
#[test]
fn an_answer_that_begins_before_the_picture_has_ended_is_read() {
    let path = directory();
    play(&path.join("s"), &[Script::Stream]);
    let mut turning = Loop::new(&path.join("s"), 2);
    turning.submit_sized(0, false, 3001);
    turning.submit_sized(1, false, 40);
    let done = turning.run(2);
    std::fs::remove_dir_all(&path).unwrap();
    for side in [1500, 20] {
        let is_it =
            |raster: &Raster| raster.width == side && raster.samples.iter().all(|&sample| sample == 3);
        assert!(done.iter().any(|one| matches!(&one.result, Ok(Output::Raster(raster)) if is_it(raster))));
    }
}

#[test]
fn the_buffer_of_a_picture_that_was_scaled_is_kept() {
    let path = directory();
    play(&path.join("s"), &[Script::Serve]);
    let mut turning = Loop::new(&path.join("s"), 2);
    turning.pool.buffers = Arc::new(BufferPool::new(u64::MAX));
    // More than 4 MiB.
    turning.submit_sized(0, false, 2100);
    let done = turning.run(1).remove(0);
    std::fs::remove_dir_all(&path).unwrap();
    assert!(done.result.is_ok());
    assert!(turning.pool.buffers.take(2100 * 2100).capacity() >= 2100 * 2100);
}

#[test]
fn the_sixth_break_is_the_end() {
    assert_eq!(outcome(&[Script::ReadAndHang]).unwrap_err(), WorkError::ScalerLost);
}

#[test]
fn nonsense_is_not_asked_again_and_a_refusal_is_passed_on() {
    assert_eq!(outcome(&[Script::Nonsense, Script::Serve]).unwrap_err(), WorkError::ScalerLost);
    assert_eq!(outcome(&[Script::WrongSize, Script::Serve]).unwrap_err(), WorkError::ScalerLost);
    let refused = WorkError::ScalerRefused { code: 422, reason: "no cabe".into() };
    assert_eq!(outcome(&[Script::Refuse]).unwrap_err(), refused);
}

/// Two connections, and two large pictures before two that are small.
fn both_kinds(path: &Path) -> Loop {
    play(path, &[Script::Serve]);
    let mut turning = Loop::new(path, 2);
    for (number, side) in [(0, SIDE), (1, SIDE), (2, 10), (3, 10)] {
        turning.submit_sized(number, false, side);
    }
    turning
}

#[test]
fn large_pictures_have_all_connections_but_one_and_take_each_others_place() {
    let path = directory();
    let mut turning = both_kinds(&path.join("s"));
    let (large, run) = turning.begin().unwrap();
    assert_eq!(run, 0);
    assert_eq!(turning.begin().unwrap().1, 2);
    assert_eq!(turning.begin(), None);
    turning.pool.close(large, turning.poll.registry());
    assert_eq!(turning.begin().unwrap().1, 1, "before the other small one");
    std::fs::remove_dir_all(&path).unwrap();
}

#[test]
fn small_pictures_get_no_connection_that_carried_a_large_one() {
    let path = directory();
    play(&path.join("s"), &[Script::Serve]);
    let mut turning = Loop::new(&path.join("s"), 2);
    let (small, large) = (40, SIDE);
    // The picture's side, then how many connections there are, and how many of them carried a large one.
    for (number, (side, expected)) in
        [(large, (1, 1)), (small, (2, 1)), (small, (2, 1)), (large, (2, 1))].into_iter().enumerate()
    {
        turning.submit_sized(u32::try_from(number).unwrap(), false, side);
        assert!(turning.run(1).remove(0).result.is_ok());
        let of_large = turning.pool.upstreams.iter().filter(|(_, upstream)| upstream.is_large()).count();
        assert_eq!((turning.pool.upstreams.len(), of_large), expected, "picture {number}");
    }
    // Where there is no room, a large one takes any, and a small one closes an idle one of the large.
    let mut turning = Loop::new(&path.join("s"), 1);
    for (number, side) in [small, large, small].into_iter().enumerate() {
        turning.submit_sized(u32::try_from(number).unwrap(), false, side);
        assert!(turning.run(1).remove(0).result.is_ok());
        let kinds: Vec<bool> =
            turning.pool.upstreams.iter().map(|(_, upstream)| upstream.is_large()).collect();
        assert_eq!(kinds, [side == large], "picture {number}");
    }
    std::fs::remove_dir_all(&path).unwrap();
}

#[test]
fn a_large_picture_that_nobody_wants_leaves_while_it_waits() {
    let path = directory();
    let mut turning = both_kinds(&path.join("s"));
    let unwanted = turning.submit(4);
    while turning.begin().is_some() {}
    unwanted.set();
    let assigned = turning.pool.assign(turning.poll.registry(), Instant::now());
    let Some(Assigned::Done(done)) = assigned else { panic!() };
    assert_eq!((done.ticket.run.index, done.result.unwrap_err()), (4, WorkError::Cancelled));
    std::fs::remove_dir_all(&path).unwrap();
}

#[test]
fn many_tasks_share_few_connections_and_keep_apart() {
    let path = directory();
    play(&path.join("s"), &[Script::Serve]);
    let mut turning = Loop::new(&path.join("s"), 3);
    for number in 0..20 {
        turning.submit(number);
    }
    let done = turning.run(20);
    assert!(done.iter().all(|done| is_right(&done.result)));
    let mut runs: Vec<u32> = done.iter().map(|done| done.ticket.run.index).collect();
    runs.sort_unstable();
    assert_eq!(runs, (0..20).collect::<Vec<_>>());
    assert!(turning.pool.upstreams.len() <= 3);
    std::fs::remove_dir_all(&path).unwrap();
}

#[test]
fn what_comes_unasked_ends_the_connection_and_no_task() {
    let path = directory();
    play(&path.join("s"), &[Script::Chatter]);
    let mut turning = Loop::new(&path.join("s"), 1);
    turning.submit(0);
    turning.submit(1);
    let done = turning.run(2);
    assert!(done.iter().all(|done| is_right(&done.result) || done.result.is_err()), "never wrong bytes");
    std::fs::remove_dir_all(&path).unwrap();
}

#[test]
fn a_scaler_that_is_late_is_waited_for_and_one_that_stays_away_is_not() {
    let path = directory();
    let socket = path.join("s");
    let mut turning = Loop::new(&socket, 2);
    turning.submit(0);
    let now = Instant::now();
    assert!(turning.pool.assign(turning.poll.registry(), now).is_none());
    assert!(turning.pool.poll_timeout().is_some(), "the next attempt is a timer");
    assert!(!turning.pool.is_away(now));
    let later = now + AWAY_AFTER;
    assert!(turning.pool.is_away(later));
    let Some(Assigned::Done(done)) = turning.pool.assign(turning.poll.registry(), later) else { panic!() };
    assert_eq!(done.result.unwrap_err(), WorkError::ScalerAway);

    play(&socket, &[Script::Serve]);
    turning.submit(1);
    assert!(is_right(&turning.run(1).remove(0).result));
    assert!(turning.pool.outage.is_none(), "and it is known to be back");
    std::fs::remove_dir_all(&path).unwrap();
}

#[test]
fn a_cancelled_task_is_not_begun_and_an_abandoned_one_is_let_go() {
    let path = directory();
    play(&path.join("s"), &[Script::Serve]);
    let mut turning = Loop::new(&path.join("s"), 1);
    turning.submit(0).set();
    assert_eq!(turning.run(1).remove(0).result.unwrap_err(), WorkError::Cancelled);

    turning.submit(1);
    let now = Instant::now();
    assert!(matches!(turning.pool.assign(turning.poll.registry(), now), Some(Assigned::Begun(_))));
    turning.pool.abandon(Key { index: 1, generation: 0 }, turning.poll.registry());
    assert!(turning.pool.upstreams.is_empty());
    turning.submit(2);
    assert!(is_right(&turning.run(1).remove(0).result));
    std::fs::remove_dir_all(&path).unwrap();
}

#[test]
fn who_is_to_have_a_connection_of_its_own_waits_for_no_other() {
    let path = directory();
    play(&path.join("s"), &[Script::Serve, Script::ReadAndHang, Script::Serve]);
    let mut turning = Loop::new(&path.join("s"), 1);
    turning.submit(0);
    let now = Instant::now();
    assert!(matches!(turning.pool.assign(turning.poll.registry(), now), Some(Assigned::Begun(_))));
    turning.submit(1);
    turning.submit_as(2, true);
    // The one connection is taken; this one breaks, and another is opened for the same.
    let done = turning.run(3);
    assert!(done.iter().all(|done| is_right(&done.result)));
    assert_eq!(turning.pool.upstreams.len(), 2);
    std::fs::remove_dir_all(&path).unwrap();
}

#[test]
fn idle_connections_are_retired_but_for_the_youngest() {
    let path = directory();
    play(&path.join("s"), &[Script::Serve]);
    let mut turning = Loop::new(&path.join("s"), 4);
    (0..9).for_each(|number| drop(turning.submit(number)));
    turning.run(9);
    assert_eq!(turning.pool.idle.len(), 3);
    let began_at = Instant::now();
    turning.pool.retire_idle(began_at - Duration::from_secs(60), turning.poll.registry());
    assert_eq!(turning.pool.idle.len(), 3, "none was idle for so long");
    let youngest = *turning.pool.idle.last().unwrap();
    turning.pool.retire_idle(began_at, turning.poll.registry());
    assert_eq!((turning.pool.idle.as_slice(), turning.pool.upstreams.len()), (&[youngest][..], 1));
    turning.submit(10);
    assert!(is_right(&turning.run(1).remove(0).result));
    std::fs::remove_dir_all(&path).unwrap();
}

#[test]
fn one_that_has_no_connection_yet_is_let_go_as_well() {
    let path = directory();
    let mut turning = Loop::new(&path.join("s"), 1);
    turning.submit_as(4, true);
    assert!(turning.pool.assign(turning.poll.registry(), Instant::now()).is_none());
    assert_eq!(turning.pool.load(), (0, 1));
    turning.pool.abandon(Key { index: 4, generation: 0 }, turning.poll.registry());
    assert_eq!(turning.pool.load(), (0, 0));
    std::fs::remove_dir_all(&path).unwrap();
}
