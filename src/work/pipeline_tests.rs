//! The machine with a fake clock: every stage, every way out of it, for uploads and for files.
use bytes::Bytes;
use scaler::raster::{Channels, Raster};

use super::*;
use crate::conn::parameters::Parameters;
use crate::http::conditional::{Conditions, Selection};
use crate::http::format::Format;
use crate::model::admission::Admission;
use crate::model::file::tests::variant;
use crate::model::file::{FileVersion, Variant};
use crate::model::image::{ImageInfo, PixelLimits, Reduction};
use crate::model::links::tests::file_part;
use crate::model::server_state::Limits;
use crate::model::transform::RequestedTransform;

const KEY: Key = Key { index: 3, generation: 9 };
const DEADLINE: Duration = Duration::from_secs(30);

const LIMITS: PixelLimits = PixelLimits { pixels_max: 100, side_max: 100 };

fn loaded(version: Option<FileVersion>) -> Loaded {
    let transform =
        RequestedTransform::read(&Parameters::default(), &[], 0.5).unwrap().transform(Format::Png).unwrap();
    let info =
        ImageInfo { format: Format::Png, width: 4, height: 6, reduction: Reduction::None, decode_cost: 200 };
    Loaded::appraise(vec![1; 5], info, Brief { transform, version, product: Product::File }, &LIMITS, 0, 1000)
        .unwrap()
}

fn begin(admission: &Admission, source: WorkSource, bytes: u64, now: Instant) -> Pipeline {
    let server = ServerState::new(Limits::default(), Admission::new(1, 1 << 20, 1), Uuid::new_v4);
    let mut reservation = admission.reservation();
    reservation.charge(bytes).unwrap();
    let read_time = (bytes > 0).then_some(Duration::ZERO);
    let id = Uuid::from_u128(7);
    let request = WorkRequest { id, owner: Owner::Client, source, reservation, read_time };
    Pipeline::new(KEY, request, &server, now).unwrap()
}

/// Of an upload of five bytes that was found to be this.
fn begin_with(admission: &Admission, found: Loaded, now: Instant) -> Pipeline {
    let Brief { transform, product, .. } = found.brief;
    let source = WorkSource::Upload { picture: b"P5 1 1 255 a".to_vec(), transform, product };
    let mut run = begin(admission, source, 5, now);
    let Stage::Waiting { loaded, .. } = &mut run.stage else { panic!("{run:?}") };
    *loaded = found;
    run
}

/// Of an upload.
fn run(admission: &Admission, now: Instant) -> Pipeline {
    begin_with(admission, loaded(None), now)
}

/// Of a file.
fn file_run(admission: &Admission, now: Instant) -> Pipeline {
    let requested = RequestedTransform::read(&Parameters::default(), &[], 0.5).unwrap();
    let file_request = FileRequest { path: b"a.png".to_vec(), requested, conditions: Conditions::default() };
    begin(admission, WorkSource::File(Box::new(file_request)), 0, now)
}

fn raster(width: u32, height: u32) -> Raster {
    Raster { width, height, channels: Channels::Luma, samples: vec![0; (width * height) as usize] }
}

fn gray_of(width: u32, height: u32) -> Output {
    Output::Gray(Decoded { raster: raster(width, height), size: (width, height) })
}

/// What the decoder or the scaler would answer.
fn rasters(job: &Job) -> Output {
    if matches!(job.work, Work::Scale { .. }) { Output::Raster(raster(4, 6)) } else { gray_of(4, 6) }
}

fn job(step: Step) -> Job {
    match step {
        Step::Job(job) => *job,
        other => panic!("{other:?}"),
    }
}

fn done(job: Job, result: Result<Output, WorkError>) -> Completion {
    Completion { ticket: job.ticket, reservation: job.reservation, result, took: Duration::from_millis(4) }
}

#[test]
fn the_whole_way() {
    let admission = Admission::new(1, 1000, 1);
    let now = Instant::now();
    let mut run = run(&admission, now);
    assert_eq!(run.waiting_since(), Some(now));
    let gray = job(run.admit(now + Duration::from_secs(1)).unwrap());
    assert!(matches!(&gray.work, Work::Gray { picture, .. } if picture.len() == 5));
    assert_eq!((admission.places(), admission.bytes()), (1, 205));

    let scale = job(run.handle_done(done(gray, Ok(gray_of(4, 6))), now));
    assert!(matches!(scale.work, Work::Scale { width: 2, height: 3, .. }));
    let encode = job(run.handle_done(done(scale, Ok(Output::Raster(raster(2, 3)))), now));
    assert!(matches!(encode.work, Work::Encode { .. }));
    let end = run.handle_done(done(encode, Ok(Output::File(Bytes::from_static(b"file")))), now);
    assert!(matches!(end, Step::Finished));

    let WorkOutput::Picture(picture, times) = run.outcome().unwrap().as_ref().unwrap() else { panic!() };
    assert_eq!((picture.width, picture.height, &picture.file[..]), (2, 3, &b"file"[..]));
    assert_eq!(times.queue, Duration::from_secs(1));
    assert_eq!(times.work(), Some(Duration::from_millis(12)));
    assert_eq!((admission.places(), admission.bytes()), (0, 4));
    assert_eq!(run.poll_timeout(), None);
    drop(run);
    assert_eq!(admission.bytes(), 0);
}

#[test]
fn waits_while_there_is_no_room() {
    let admission = Admission::new(2, 300, 1);
    let now = Instant::now();
    let (mut first, mut second) = (run(&admission, now), run(&admission, now));
    let held = job(first.admit(now).unwrap());
    assert!(matches!(second.admit(now), Err(Full)));
    assert_eq!(second.waiting_since(), Some(now));
    assert!(matches!(first.handle_done(done(held, Err(WorkError::Panicked)), now), Step::Finished));
    assert!(matches!(second.admit(now), Ok(Step::Job(_))));
}

#[test]
fn every_stage_can_fail_and_gives_everything_back() {
    for stage in 0..3 {
        let admission = Admission::new(1, 1000, 1);
        let now = Instant::now();
        let mut run = run(&admission, now);
        let mut out = job(run.admit(now).unwrap());
        for _ in 0..stage {
            let rasters = rasters(&out);
            out = job(run.handle_done(done(out, Ok(rasters)), now));
        }
        assert!(matches!(run.handle_done(done(out, Err(WorkError::ScalerLost)), now), Step::Finished));
        assert_eq!(run.outcome().unwrap().as_ref().unwrap_err(), &WorkError::ScalerLost);
        assert_eq!((admission.places(), admission.bytes()), (0, 0));
    }
}

#[test]
fn the_deadline_ends_it_and_late_answers_meet_nobody() {
    let admission = Admission::new(1, 1000, 1);
    let now = Instant::now();
    let mut run = run(&admission, now);
    let gray = job(run.admit(now).unwrap());
    let cancelled = gray.cancelled.clone();
    assert!(matches!(run.handle_timeout(now + DEADLINE - Duration::from_nanos(1)), Step::Nothing));
    assert!(!cancelled.is_set());
    assert!(matches!(run.handle_timeout(now + DEADLINE), Step::Finished));
    assert!(cancelled.is_set());
    assert_eq!(admission.places(), 1, "the work is still out");
    assert!(matches!(run.handle_done(done(gray, Ok(gray_of(4, 6))), now), Step::Nothing));
    assert_eq!((admission.places(), admission.bytes()), (0, 0));
    assert_eq!(run.outcome().unwrap().as_ref().unwrap_err(), &WorkError::Late);
}

#[test]
fn an_answer_to_another_step_is_ignored() {
    let admission = Admission::new(1, 1000, 1);
    let now = Instant::now();
    let mut run = run(&admission, now);
    let mut gray = job(run.admit(now).unwrap());
    gray.ticket.step += 1;
    assert!(matches!(run.handle_done(done(gray, Ok(gray_of(4, 6))), now), Step::Nothing));
    assert!(run.outcome().is_none());
}

/// A worker has read the file and charged its bytes.
fn opened(mut job: Job) -> Completion {
    job.reservation.charge(5).unwrap();
    done(job, Ok(Output::Loaded(Box::new(loaded(Some(variant().version))))))
}

#[test]
fn a_file_goes_the_whole_way() {
    let admission = Admission::new(1, 1000, 1);
    let now = Instant::now();
    let mut run = file_run(&admission, now);
    let open = job(run.admit(now + Duration::from_secs(1)).unwrap());
    assert!(matches!(&open.work, Work::Open(file_request) if file_request.path == b"a.png"));
    assert_eq!(
        (admission.places(), admission.bytes()),
        (1, 0),
        "nothing is charged before its length is known"
    );

    let read_at = now + Duration::from_secs(2);
    assert!(matches!(run.handle_done(opened(open), read_at), Step::Waiting));
    assert_eq!((admission.places(), admission.bytes()), (0, 5), "nobody holds a place and waits");
    assert_eq!(run.waiting_since(), Some(read_at));

    let gray = job(run.admit(now + Duration::from_secs(4)).unwrap());
    assert!(matches!(&gray.work, Work::Gray { picture, .. } if picture.len() == 5));
    assert_eq!((admission.places(), admission.bytes()), (1, 205));
    let scale = job(run.handle_done(done(gray, Ok(gray_of(4, 6))), now));
    let encode = job(run.handle_done(done(scale, Ok(Output::Raster(raster(2, 3)))), now));
    let Work::Encode { keep: Some(keep), .. } = encode.work else { panic!() };
    assert_eq!(keep.version, variant().version);
    let end = run.handle_done(done(encode, Ok(Output::File(Bytes::from_static(b"file")))), now);
    assert!(matches!(end, Step::Finished));
    let WorkOutput::Picture(picture, times) = run.outcome().unwrap().as_ref().unwrap() else { panic!() };
    assert_eq!(picture.variant, Some(keep));
    assert_eq!((times.read, times.open), (None, Some(Duration::from_millis(4))));
    // The first line, the look but for its own time, the second line.
    assert_eq!(times.queue, Duration::from_secs(1 + 1 + 2) - Duration::from_millis(4));
    assert_eq!((admission.places(), admission.bytes()), (0, 4));
}

fn kept(variant: Variant) -> Arc<Picture> {
    let reservation = Admission::new(0, 100, 1).reservation();
    let file = Bytes::from_static(b"kept");
    Arc::new(Picture { file, format: Format::Png, width: 2, height: 3, variant: Some(variant), reservation })
}

#[test]
fn a_result_that_is_kept_ends_it_before_or_after_the_work() {
    let admission = Admission::new(1, 1000, 1);
    let now = Instant::now();
    let mut run = file_run(&admission, now);
    let open = job(run.admit(now).unwrap());
    let end = run.handle_done(done(open, Ok(Output::Picture(kept(variant())))), now);
    assert!(matches!(end, Step::Finished));
    let WorkOutput::Picture(picture, times) = run.outcome().unwrap().as_ref().unwrap() else { panic!() };
    assert_eq!((&picture.file[..], times.work(), times.decode), (&b"kept"[..], None, None));
    assert_eq!((admission.places(), admission.bytes()), (0, 0));

    let mut run = file_run(&admission, now);
    let open = job(run.admit(now).unwrap());
    assert!(matches!(run.handle_done(opened(open), now), Step::Waiting));
    let gray = job(run.admit(now).unwrap());
    let scale = job(run.handle_done(done(gray, Ok(gray_of(4, 6))), now));
    let encode = job(run.handle_done(done(scale, Ok(Output::Raster(raster(2, 3)))), now));
    let end = run.handle_done(done(encode, Ok(Output::Picture(kept(variant())))), now);
    assert!(matches!(end, Step::Finished));
    let WorkOutput::Picture(_, times) = run.outcome().unwrap().as_ref().unwrap() else { panic!() };
    assert_eq!(times.work(), Some(Duration::from_millis(12)));
    assert_eq!((admission.places(), admission.bytes()), (0, 0), "it has a reservation of its own");
}

#[test]
fn what_the_client_has_already_ends_it() {
    let admission = Admission::new(1, 1000, 1);
    let now = Instant::now();
    let mut run = file_run(&admission, now);
    let open = job(run.admit(now).unwrap());
    assert!(matches!(run.handle_done(done(open, Ok(Output::NotModified(variant()))), now), Step::Finished));
    assert!(matches!(run.outcome(), Some(Ok(WorkOutput::NotModified(same))) if *same == variant()));
    assert_eq!((admission.places(), admission.bytes()), (0, 0));
}

/// A file's run after this many steps, and the job that is out; None while it waits in line.
fn advanced(admission: &Admission, steps: usize, now: Instant) -> (Pipeline, Option<Job>) {
    let mut run = file_run(admission, now);
    let mut out = None;
    for step in 0..steps {
        out = match step {
            0 => Some(job(run.admit(now).unwrap())),
            1 => {
                assert!(matches!(run.handle_done(opened(out.unwrap()), now), Step::Waiting));
                None
            }
            2 => Some(job(run.admit(now).unwrap())),
            _ => {
                let out = out.unwrap();
                let rasters = rasters(&out);
                Some(job(run.handle_done(done(out, Ok(rasters)), now)))
            }
        };
    }
    (run, out)
}

#[test]
fn every_stage_of_a_file_can_fail_be_cancelled_or_be_too_late() {
    // Named, Open, Waiting, Gray, Scale, Encode.
    for steps in 0..6 {
        let now = Instant::now();
        let admission = Admission::new(1, 1000, 1);
        let (mut run, out) = advanced(&admission, steps, now);
        if let Some(out) = out {
            assert!(matches!(run.handle_done(done(out, Err(WorkError::NoFile)), now), Step::Finished));
            assert_eq!(run.outcome().unwrap().as_ref().unwrap_err(), &WorkError::NoFile);
        }
        drop(run);
        assert_eq!((admission.places(), admission.bytes()), (0, 0), "failed after {steps}");

        let (mut run, out) = advanced(&admission, steps, now);
        run.cancel();
        if let Some(out) = out {
            assert!(out.cancelled.is_set());
            // An answer that would have led on leads to the end.
            let output = if steps == 1 { opened(out).result } else { Ok(gray_of(4, 6)) };
            let ticket = Ticket { run: KEY, step: run.step };
            let late = Completion {
                ticket,
                reservation: admission.reservation(),
                result: output,
                took: Duration::ZERO,
            };
            assert!(matches!(run.handle_done(late, now), Step::Finished));
            assert_eq!(run.outcome().unwrap().as_ref().unwrap_err(), &WorkError::Cancelled);
        }
        drop(run);
        assert_eq!((admission.places(), admission.bytes()), (0, 0), "cancelled after {steps}");

        let (mut run, out) = advanced(&admission, steps, now);
        assert_eq!(run.poll_timeout(), Some(now + DEADLINE), "the same in every stage");
        assert!(matches!(run.handle_timeout(now + DEADLINE), Step::Finished));
        assert_eq!(run.outcome().unwrap().as_ref().unwrap_err(), &WorkError::Late);
        if let Some(out) = out {
            assert!(matches!(run.handle_done(opened(out), now), Step::Nothing));
        }
        assert_eq!((admission.places(), admission.bytes()), (0, 0), "late after {steps}");
    }
}

#[test]
fn a_file_that_was_read_waits_for_memory_without_a_place() {
    let admission = Admission::new(1, 300, 1);
    let now = Instant::now();
    let mut run = file_run(&admission, now);
    let open = job(run.admit(now).unwrap());
    assert!(matches!(run.handle_done(opened(open), now), Step::Waiting));
    let mut other = admission.reservation();
    other.charge(200).unwrap();
    assert!(matches!(run.admit(now), Err(Full)));
    other.admit(0).unwrap();
    drop(other);
    assert!(matches!(run.admit(now), Ok(Step::Job(_))));
}

/// A run that is to end in a link, with Encode out.
fn encoding_for_link(admission: &Admission, now: Instant) -> (Pipeline, Job) {
    let mut to_link = loaded(None);
    to_link.brief.product = Product::Link;
    let mut run = begin_with(admission, to_link, now);
    let gray = job(run.admit(now).unwrap());
    let scale = job(run.handle_done(done(gray, Ok(gray_of(4, 6))), now));
    let encode = job(run.handle_done(done(scale, Ok(Output::Raster(raster(2, 3)))), now));
    (run, encode)
}

#[test]
fn a_link_is_kept_after_it_was_made() {
    let admission = Admission::new(1, 1000, 1);
    let now = Instant::now();
    let (mut run, encode) = encoding_for_link(&admission, now);
    let keep = job(run.handle_done(done(encode, Ok(Output::File(Bytes::from_static(b"file")))), now));
    assert!(matches!(&keep.work, Work::Link(file) if &file[..] == b"file"));
    assert_eq!((admission.places(), admission.bytes()), (1, 4), "it holds its place until it is on the disk");
    let end = run.handle_done(done(keep, Ok(Output::Linked("a.jpg".into()))), now);
    assert!(matches!(end, Step::Finished));
    let WorkOutput::Link(link, times) = run.outcome().unwrap().as_ref().unwrap() else { panic!() };
    assert_eq!(*link, Link { name: "a.jpg".into(), width: 2, height: 3 });
    assert_eq!((times.work(), times.keep), (Some(Duration::from_millis(12)), Some(Duration::from_millis(4))));
    assert_eq!((admission.places(), admission.bytes()), (0, 0));
}

#[test]
fn a_link_that_is_not_kept_ends_in_failure() {
    let now = Instant::now();
    for failure in [WorkError::FolderFull("ENOSPC".into()), WorkError::FolderUnusable("EACCES".into())] {
        let admission = Admission::new(1, 1000, 1);
        let (mut run, encode) = encoding_for_link(&admission, now);
        let keep = job(run.handle_done(done(encode, Ok(Output::File(Bytes::from_static(b"file")))), now));
        assert!(matches!(run.handle_done(done(keep, Err(failure.clone())), now), Step::Finished));
        assert_eq!(run.outcome().unwrap().as_ref().unwrap_err(), &failure);
        assert_eq!((admission.places(), admission.bytes()), (0, 0));
    }
    // The client has left: the result is not stored.
    let admission = Admission::new(1, 1000, 1);
    let (mut run, encode) = encoding_for_link(&admission, now);
    run.cancel();
    let end = run.handle_done(done(encode, Ok(Output::File(Bytes::from_static(b"file")))), now);
    assert!(matches!(end, Step::Finished));
    assert_eq!(run.outcome().unwrap().as_ref().unwrap_err(), &WorkError::Cancelled);
    // Too late: it may have been stored, under a name that was never told.
    let (mut run, encode) = encoding_for_link(&admission, now);
    let keep = job(run.handle_done(done(encode, Ok(Output::File(Bytes::from_static(b"file")))), now));
    assert!(matches!(run.handle_timeout(now + DEADLINE), Step::Finished));
    assert!(matches!(run.handle_done(done(keep, Ok(Output::Linked("a.jpg".into()))), now), Step::Nothing));
    assert_eq!((admission.places(), admission.bytes()), (0, 0));
}

#[test]
fn a_link_is_read_in_one_step_and_its_bytes_stay_charged() {
    let admission = Admission::new(1, 1000, 1);
    let now = Instant::now();
    let link_request =
        LinkRequest { name: b"a.jpg".to_vec(), conditions: Conditions::default(), head_only: false };
    let mut run = begin(&admission, WorkSource::Linked(Box::new(link_request)), 0, now);
    assert_eq!(run.waiting_since(), Some(now));
    let mut read = job(run.admit(now).unwrap());
    assert!(matches!(&read.work, Work::Read(link_request) if link_request.name == b"a.jpg"));
    assert_eq!((run.waiting_since(), admission.places()), (None, 0));
    read.reservation.charge(10).unwrap();
    let file_part = file_part(Selection::Whole, b"0123456789");
    assert!(matches!(
        run.handle_done(done(read, Ok(Output::Excerpt(Box::new(file_part)))), now),
        Step::Finished
    ));
    let Ok(WorkOutput::Excerpt(file_part)) = run.outcome().unwrap() else { panic!() };
    assert_eq!((&file_part.body[..], admission.places(), admission.bytes()), (&b"0123456789"[..], 0, 10));
    drop(run);
    assert_eq!(admission.bytes(), 0);
}

#[test]
fn how_far_a_run_has_come_is_known_at_its_end() {
    let admission = Admission::new(1, 1000, 1);
    let now = Instant::now();
    for (begins, decoded, reached) in
        [(false, false, Reached::Nothing), (true, false, Reached::Worker), (true, true, Reached::Scaler)]
    {
        let mut run = run(&admission, now);
        let gray = job(run.admit(now).unwrap());
        let flag = gray.cancelled.clone();
        assert_eq!((gray.id, gray.due), (Uuid::from_u128(7), now + DEADLINE));
        if begins {
            assert!(flag.begin());
        }
        if decoded {
            job(run.handle_done(done(gray, Ok(gray_of(4, 6))), now));
        }
        assert!(matches!(run.handle_timeout(now + DEADLINE), Step::Finished));
        assert!(flag.is_set(), "the deadline reaches the decoder");
        assert!(!flag.begin() && run.reached() == reached, "{reached:?}");
    }
    // The last step waits for a worker, or has one.
    for (begins, reached) in [(false, Reached::Between), (true, Reached::Worker)] {
        let mut run = run(&admission, now);
        let gray = job(run.admit(now).unwrap());
        assert!(gray.cancelled.begin());
        let scale = job(run.handle_done(done(gray, Ok(gray_of(4, 6))), now));
        let encode = job(run.handle_done(done(scale, Ok(Output::Raster(raster(4, 6)))), now));
        assert!(!begins || encode.cancelled.begin());
        assert!(matches!(run.handle_timeout(now + DEADLINE), Step::Finished));
        assert_eq!(run.reached(), reached);
    }
}
