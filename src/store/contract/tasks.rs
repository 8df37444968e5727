//! The life of a task.
use super::*;
use crate::model::task::{Shape, TaskState};

pub(crate) fn a_submission_waits_as_it_was_handed_in<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    let picture = bytes(1, 70_001);
    let submission = desk.submission(1, picture.clone(), None);
    assert_eq!(desk.admission.bytes(), 70_001);
    assert_eq!(accepted(desk.write(submission)), Acceptance::New);
    assert_eq!(desk.admission.bytes(), 0, "what is durable is charged to nobody");
    let mut expected = Status {
        id: id(1),
        state: TaskState::Pending,
        received: 70_001,
        accepted_at: at(1),
        begun_at: None,
        ended_at: None,
        result: None,
        problem: None,
    };
    assert_eq!(desk.status(1), expected);
    assert_eq!(desk.find(2), None);
    assert_eq!(desk.file(1), None);

    let claim = desk.claim(at(9));
    assert_eq!(
        (claim.id, claim.picture, claim.transform, claim.suspect),
        (id(1), picture, transform(), false)
    );
    assert_eq!((claim.reservation.bytes(), desk.admission.bytes()), (70_001, 70_001));
    expected = Status { state: TaskState::Running, begun_at: Some(at(9)), ..expected };
    assert_eq!(desk.status(1), expected);
}

pub(crate) fn tasks_are_claimed_in_their_order<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    assert!(matches!(desk.try_claim(0, at(0)), Claimed::Nothing));
    // Neither ids nor times give the order of acceptance.
    for number in [5, 3, 9, 1] {
        desk.accept(number, None);
    }
    let order: Vec<_> = (0..4).map(|_| desk.claim(at(10)).id).collect();
    assert_eq!(order, [id(5), id(3), id(9), id(1)]);
    assert!(matches!(desk.try_claim(4, at(10)), Claimed::Nothing));
}

pub(crate) fn a_result_can_be_fetched<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    desk.finish(1, 300_000);
    let status = desk.status(1);
    assert_eq!(status.state, TaskState::Done);
    assert_eq!(status.ended_at, Some(at(1)));
    assert_eq!(status.result, Some(Shape { format: Format::Pnm, width: 40, height: 90, length: 300_000 }));
    let whole = bytes(!1, 300_000);
    assert_eq!(desk.file(1).unwrap(), whole);
    for range in [0..0, 0..1, 4095..4097, 299_999..300_000, 123_456..234_567, 300_000..300_000] {
        let reservation = desk.reservation();
        let part = whole[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()].to_vec();
        match desk.read(StoreRead::File { id: id(1), range: range.clone(), reservation }) {
            StoreReply::File(Some((bytes, reservation))) => {
                assert_eq!((bytes.to_vec(), reservation.bytes()), (part, range.end - range.start));
            }
            other => panic!("{other:?}"),
        }
    }
    #[expect(clippy::reversed_empty_ranges, reason = "whoever asks for that gets nothing")]
    for range in [0..300_001, 300_001..300_001, 0..u64::MAX, u64::MAX..u64::MAX, 5..4] {
        let reservation = desk.reservation();
        assert!(matches!(
            desk.read(StoreRead::File { id: id(1), range, reservation }),
            StoreReply::File(None)
        ));
    }
    let reservation = desk.reservation();
    assert!(matches!(
        desk.read(StoreRead::File { id: id(2), range: 0..1, reservation }),
        StoreReply::File(None)
    ));
}

pub(crate) fn a_failure_is_told<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    desk.accept(1, None);
    desk.claim(at(2));
    assert!(desk.end(1, at(3), End::Failed(problem())));
    let status = desk.status(1);
    assert_eq!((status.state, status.ended_at), (TaskState::Failed, Some(at(3))));
    assert_eq!((status.problem, status.result), (Some(problem()), None));
    assert!(matches!(desk.try_claim(0, at(4)), Claimed::Nothing));
}

pub(crate) fn a_task_ends_once<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    assert!(!desk.done(1, 10), "of an unknown one");
    desk.accept(1, None);
    assert!(!desk.done(1, 10), "of one that waits");
    assert_eq!((desk.status(1).state, desk.file(1)), (TaskState::Pending, None));
    desk.claim(at(2));
    assert!(desk.done(1, 10));
    assert!(!desk.done(1, 20));
    assert!(!desk.end(1, at(9), End::Failed(problem())));
    let status = desk.status(1);
    assert_eq!((status.state, status.ended_at, status.problem), (TaskState::Done, Some(at(1)), None));
    assert_eq!(desk.file(1).unwrap(), bytes(!1, 10));
    assert!(!desk.release(1));
    assert_eq!(desk.status(1).state, TaskState::Done);
    // Of two ends in one batch the first counts.
    desk.accept(2, None);
    desk.claim(at(3));
    let fail = |number| StoreWrite::End { id: id(number), at: at(4), end: End::Failed(problem()) };
    let done = StoreWrite::End { id: id(2), at: at(5), end: End::Done(desk.picture(2, 10)) };
    let answers = desk.batch(vec![fail(2), done, fail(2)]);
    assert!(matches!(
        answers[..],
        [Ok(StoreReply::Known(true)), Ok(StoreReply::Known(false)), Ok(StoreReply::Known(false))]
    ));
    assert_eq!((desk.status(2).state, desk.file(2)), (TaskState::Failed, None));
}

pub(crate) fn a_released_task_waits_at_its_old_place<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    desk.accept(1, None);
    desk.accept(2, None);
    assert!(!desk.release(1), "it is not in work");
    desk.claim(at(3));
    assert!(desk.release(1));
    assert!(!desk.release(1));
    assert!(!desk.release(7));
    assert_eq!((desk.status(1).state, desk.status(1).begun_at), (TaskState::Pending, None));
    assert!(!desk.done(1, 10), "it waits");
    let claim = desk.claim(at(5));
    assert_eq!((claim.id, claim.picture, claim.suspect), (id(1), bytes(1, 5000), false));
    assert_eq!(desk.status(1).begun_at, Some(at(5)));
}

pub(crate) fn a_deleted_task_was_never_there<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    for number in 1..=5 {
        desk.accept(number, None);
    }
    desk.claim(at(9));
    desk.claim(at(9));
    desk.claim(at(9));
    desk.done(2, 10);
    desk.end(3, at(9), End::Failed(problem()));
    for number in 1..=4 {
        assert!(desk.delete(number));
        assert_eq!((desk.find(number), desk.file(number)), (None, None));
        assert!(!desk.delete(number));
        assert!(!desk.done(number, 10));
        assert!(!desk.release(number));
    }
    assert_eq!(desk.claim(at(9)).id, id(5));
}

pub(crate) fn a_key_stands_for_one_task<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    let key = Some(&b"\x00\xff una clave"[..]);
    assert_eq!(desk.accept(1, key), Acceptance::New);
    let again = |desk: &Desk<P>, number| desk.submission(number, bytes(1, 5000), key);
    for (number, state) in [(2, TaskState::Pending), (3, TaskState::Running), (4, TaskState::Done)] {
        if state == TaskState::Running {
            desk.claim(at(8));
        } else if state == TaskState::Done {
            desk.done(1, 10);
        }
        let submission = again(&desk, number);
        let expected = desk.status(1);
        assert_eq!(expected.state, state);
        assert_eq!(accepted(desk.write(submission)), Acceptance::Same(expected));
        assert_eq!(desk.find(number), None);
    }
    let other = desk.submission(5, bytes(1, 4999), key);
    assert_eq!(accepted(desk.write(other)), Acceptance::Different);
    let StoreWrite::Accept(mut other) = again(&desk, 6) else { panic!() };
    other.transform.encoding.background[1] ^= 1;
    assert_eq!(accepted(desk.write(StoreWrite::Accept(other))), Acceptance::Different);
    assert!(matches!(desk.try_claim(0, at(9)), Claimed::Nothing), "nothing of these was kept");
    // Another key, or none, makes another task.
    assert_eq!(desk.accept(7, Some(b"otra")), Acceptance::New);
    assert_eq!(desk.accept(8, None), Acceptance::New);
    assert_eq!(desk.accept(9, None), Acceptance::New);
    // Within one batch too.
    let twice =
        vec![desk.submission(10, bytes(3, 9), Some(b"x")), desk.submission(11, bytes(3, 9), Some(b"x"))];
    let answers = desk.batch(twice);
    assert!(matches!(&answers[..], [Ok(StoreReply::Accepted(Acceptance::New)),
        Ok(StoreReply::Accepted(Acceptance::Same(status)))] if status.id == id(10)));
    // And after a crash.
    desk.crash(at(20));
    let submission = again(&desk, 12);
    assert!(matches!(accepted(desk.write(submission)), Acceptance::Same(status) if status.id == id(1)));
}

pub(crate) fn a_key_goes_with_its_task<P: Place>() {
    let mut desk = Desk::<P>::new(Retention { age: Duration::from_secs(60), ..KEEP });
    let key = Some(&b"k"[..]);
    desk.accept(1, key);
    assert!(desk.delete(1));
    assert_eq!(desk.accept(2, key), Acceptance::New);
    desk.claim(at(2));
    desk.done(2, 10);
    assert_eq!(desk.accept(3, key), Acceptance::Different);
    assert_eq!(desk.sweep(at(62)), (1, false));
    assert_eq!(desk.accept(4, key), Acceptance::New);
    assert_eq!(desk.status(2).state, TaskState::Expired);
}

pub(crate) fn a_claim_takes_no_more_than_there_is_room_for<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    desk.accept(1, None);
    let narrow = Admission::new(1, 5000, 1);
    let mut taken = narrow.reservation();
    taken.charge(1).unwrap();
    let claim =
        |reservation| StoreWrite::Claim { crashes_max: CRASHES_MAX, in_work: 0, at: at(2), reservation };
    let refused = claimed(desk.write(claim(narrow.reservation())));
    assert!(matches!(refused, Claimed::NoRoom { length: 5000 }));
    assert_eq!((narrow.bytes(), desk.status(1).state), (1, TaskState::Pending));
    let exact = Admission::new(1, 5000, 1);
    let Claimed::Task(claim) = claimed(desk.write(claim(exact.reservation()))) else { panic!() };
    assert_eq!(exact.bytes(), 5000);
    drop(claim);
    assert_eq!(exact.bytes(), 0);
}

pub(crate) fn a_claim_that_no_lease_could_hold_is_to_be_ended<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    desk.accept(1, None);
    let narrow = Admission::new(1, 4999, 1);
    let told = claimed(desk.write(StoreWrite::Claim {
        crashes_max: CRASHES_MAX,
        in_work: 0,
        at: at(2),
        reservation: narrow.reservation(),
    }));
    let Claimed::TooLarge { id: large, length: 5000 } = told else { panic!("{told:?}") };
    assert_eq!((large, narrow.bytes(), desk.status(1).state), (id(1), 0, TaskState::Running));
    assert!(desk.release(1));
    assert_eq!(desk.claim(at(3)).picture.len(), 5000, "by a server that has the memory");
}

pub(crate) fn a_range_takes_no_more_than_there_is_room_for<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    desk.finish(1, 100);
    let narrow = Admission::new(1, 99, 1);
    let read = |range| StoreRead::File { id: id(1), range, reservation: narrow.reservation() };
    assert_eq!(desk.try_read(read(0..100)).unwrap_err(), StoreError::NoRoom { length: 100 });
    assert_eq!(narrow.bytes(), 0);
    assert!(matches!(desk.try_read(read(1..100)), Ok(StoreReply::File(Some(_)))));
}

pub(crate) fn a_batch_is_answered_in_order<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    let claim = |desk: &Desk<P>| StoreWrite::Claim {
        crashes_max: CRASHES_MAX,
        in_work: 0,
        at: at(5),
        reservation: desk.reservation(),
    };
    let batch = vec![
        claim(&desk),
        desk.submission(1, bytes(1, 10), None),
        desk.submission(2, bytes(2, 20), None),
        claim(&desk),
        StoreWrite::Probe,
        StoreWrite::Release { id: id(1), tried: false },
        claim(&desk),
        StoreWrite::Delete { id: id(2) },
        claim(&desk),
        StoreWrite::End { id: id(1), at: at(6), end: End::Done(desk.picture(1, 30)) },
        StoreWrite::Sweep { at: at(6) },
    ];
    let answers = desk.batch(batch);
    assert!(
        matches!(
            &answers[..],
            [
                Ok(StoreReply::Claimed(Claimed::Nothing)),
                Ok(StoreReply::Accepted(Acceptance::New)),
                Ok(StoreReply::Accepted(Acceptance::New)),
                Ok(StoreReply::Claimed(Claimed::Task(first))),
                Ok(StoreReply::Nothing),
                Ok(StoreReply::Known(true)),
                Ok(StoreReply::Claimed(Claimed::Task(again))),
                Ok(StoreReply::Known(true)),
                Ok(StoreReply::Claimed(Claimed::Nothing)),
                Ok(StoreReply::Known(true)),
                Ok(StoreReply::Swept { expired: 0, more: false }),
            ] if first.id == id(1) && again.id == id(1)
        ),
        "{answers:?}"
    );
    assert_eq!(desk.admission.bytes(), 20, "two claims of ten bytes");
    assert_eq!((desk.status(1).state, desk.find(2)), (TaskState::Done, None));
}

pub(crate) fn one_bad_request_leaves_the_others_alone<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    let batch = vec![
        desk.submission(1, bytes(1, 10), None),
        desk.submission(1, bytes(7, 10), Some(b"k")),
        desk.submission(2, bytes(2, 10), Some(b"k")),
    ];
    let answers = desk.batch(batch);
    assert!(
        matches!(
            &answers[..],
            [
                Ok(StoreReply::Accepted(Acceptance::New)),
                Err(StoreError::Damaged(_) | StoreError::Broken(_)),
                Ok(StoreReply::Accepted(Acceptance::New))
            ]
        ),
        "{answers:?}"
    );
    assert_eq!(desk.admission.bytes(), 0);
    assert_eq!(desk.claim(at(3)).picture, bytes(1, 10));
    assert_eq!(desk.claim(at(3)).picture, bytes(2, 10));
    assert!(matches!(desk.try_claim(2, at(3)), Claimed::Nothing));
}

pub(crate) fn empty_files_are_files<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    let submission = desk.submission(1, Vec::new(), None);
    desk.write(submission);
    assert_eq!(desk.claim(at(1)).picture, b"");
    assert!(desk.done(1, 0));
    assert_eq!(desk.file(1).unwrap(), b"");
}

pub(crate) fn tasks_are_counted_by_their_state<P: Place>() {
    let mut desk = Desk::<P>::new(Retention { age: Duration::from_secs(50), ..KEEP });
    let counts = |desk: &mut Desk<P>| match desk.read(StoreRead::Counts) {
        StoreReply::Counts(counts) => counts.map(|(state, count)| (state.word(), count)),
        other => panic!("{other:?}"),
    };
    let expected = |numbers: [u64; 5]| {
        let words = ["Pendiente", "En progreso", "Completada", "Error", "Vencida"];
        std::array::from_fn(|at| (words[at], numbers[at]))
    };
    assert_eq!(counts(&mut desk), expected([0; 5]));
    desk.finish(1, 10);
    desk.finish(60, 10);
    desk.accept(61, None);
    desk.claim(at(61));
    assert!(desk.end(61, at(61), End::Failed(problem())));
    desk.accept(62, None);
    desk.claim(at(62));
    desk.accept(63, None);
    desk.accept(64, None);
    assert_eq!(counts(&mut desk), expected([2, 1, 2, 1, 0]));
    desk.sweep(at(52));
    desk.delete(63);
    assert_eq!(counts(&mut desk), expected([1, 1, 1, 1, 1]));
}

pub(crate) fn those_that_have_ended_are_told<P: Place>() {
    let mut desk = Desk::<P>::new(Retention { age: Duration::from_secs(50), ..KEEP });
    desk.finish(1, 10);
    desk.sweep(at(52));
    desk.finish(60, 10);
    for number in [61, 62, 63] {
        desk.accept(number, None);
    }
    desk.claim(at(61));
    desk.end(61, at(61), End::Failed(problem()));
    desk.claim(at(62));
    let ids = [64, 63, 62, 61, 60, 1].map(id).to_vec();
    let StoreReply::Ended(mut ended) = desk.read(StoreRead::Ended(ids)) else { panic!() };
    ended.sort_unstable();
    let mut expected = [1, 60, 61].map(id).to_vec();
    expected.sort_unstable();
    assert_eq!(ended, expected);
    assert!(matches!(desk.read(StoreRead::Ended(Vec::new())), StoreReply::Ended(none) if none.is_empty()));
}
