//! What expires, and when.
use super::*;
use crate::model::task::TaskState;

const HOUR: Retention = Retention { age: Duration::from_hours(1), ..KEEP };
const DAY: u64 = 24 * 3600;

pub(crate) fn what_is_old_expires<P: Place>() {
    let mut desk = Desk::<P>::new(HOUR);
    desk.finish(1, 10);
    desk.accept(2, None);
    desk.claim(at(2));
    desk.end(2, at(2), End::Failed(problem()));
    desk.finish(3, 10);
    assert_eq!(desk.sweep(at(3600)), (0, false));
    assert_eq!(desk.sweep(at(3602)), (2, false));
    for number in 1..=2 {
        let status = desk.status(number);
        assert_eq!(status.state, TaskState::Expired);
        assert_eq!((status.accepted_at, status.ended_at), (at(number), Some(at(number))));
        assert_eq!((status.result, status.problem, status.received), (None, None, 5000));
        assert_eq!(desk.file(number), None);
        let reservation = desk.reservation();
        assert!(matches!(
            desk.read(StoreRead::File { id: id(number), range: 0..1, reservation }),
            StoreReply::File(None)
        ));
    }
    assert_eq!((desk.status(3).state, desk.file(3).unwrap().len()), (TaskState::Done, 10));
    // The tombstone is forgotten thirty days later; until then it can be deleted like any task.
    assert_eq!(desk.sweep(at(3603)), (1, false));
    assert!(desk.delete(3));
    desk.sweep(at(3601 + 30 * DAY));
    assert_eq!(desk.status(1).state, TaskState::Expired);
    desk.crash(at(4000));
    assert_eq!(desk.sweep(at(3602 + 30 * DAY)), (0, false));
    assert_eq!((desk.find(1), desk.find(2), desk.find(3)), (None, None, None));
}

pub(crate) fn unfinished_tasks_stay<P: Place>() {
    let mut desk = Desk::<P>::new(Retention { age: Duration::ZERO, bytes_max: 0 });
    desk.accept(1, None);
    desk.accept(2, None);
    desk.claim(at(3));
    assert_eq!(desk.sweep(at(999 * DAY)), (0, false));
    assert_eq!(desk.status(1).state, TaskState::Running);
    assert_eq!(desk.claim(at(4)).picture, bytes(2, 5000));
    // A clock set back expires nothing early.
    assert!(desk.done(1, 10));
    assert_eq!(desk.sweep(UNIX_EPOCH), (0, false));
    assert_eq!(desk.sweep(at(1)), (1, false));
}

pub(crate) fn the_oldest_make_room<P: Place>() {
    let mut desk = Desk::<P>::new(Retention { bytes_max: 100, ..KEEP });
    desk.finish(1, 40);
    desk.finish(2, 60);
    assert_eq!(desk.sweep(at(3)), (0, false));
    desk.accept(3, None);
    desk.claim(at(3));
    desk.end(3, at(3), End::Failed(problem()));
    desk.finish(4, 1);
    assert_eq!((desk.status(1).state, desk.file(1)), (TaskState::Expired, None));
    assert_eq!(desk.status(2).state, TaskState::Done);
    assert_eq!(desk.status(3).state, TaskState::Failed, "which holds no room");
    // Deleting makes room as well.
    assert!(desk.delete(2));
    desk.finish(5, 99);
    assert_eq!((desk.status(4).state, desk.status(5).state), (TaskState::Done, TaskState::Done));
    // The task that ended first goes first, in whatever order they were accepted.
    desk.accept(6, None);
    desk.accept(7, None);
    desk.claim(at(8));
    desk.claim(at(8));
    desk.delete(5);
    desk.done(7, 50);
    let picture = desk.picture(6, 49);
    desk.end(6, at(8), End::Done(picture));
    desk.finish(8, 1);
    let states = [4, 7, 6, 8].map(|number| desk.status(number).state);
    assert_eq!(states, [TaskState::Expired, TaskState::Done, TaskState::Done, TaskState::Done]);
    desk.finish(9, 1);
    let states = [7, 6, 8, 9].map(|number| desk.status(number).state);
    assert_eq!(states, [TaskState::Expired, TaskState::Done, TaskState::Done, TaskState::Done]);
}

pub(crate) fn large_results_make_room_among_themselves_first<P: Place>() {
    let mut desk = Desk::<P>::new(Retention { bytes_max: 5 << 20, ..KEEP });
    let kept = |desk: &mut Desk<P>| -> Vec<u64> {
        (1..=12).filter(|&number| desk.find(number).is_some_and(|it| it.state == TaskState::Done)).collect()
    };
    for number in 1..=3 {
        desk.finish(number, 1000);
    }
    for number in 4..=9 {
        desk.finish(number, 2 << 20);
    }
    assert_eq!(kept(&mut desk), [1, 2, 3, 8, 9]);
    // Small ones go when a small one is the newest, and the oldest of all first.
    desk.finish(10, 700_000);
    desk.finish(11, 700_000);
    assert_eq!(kept(&mut desk), [9, 10, 11]);
    // Where large ones alone leave no room, small ones go as well.
    desk.finish(12, 5 << 20);
    assert_eq!(kept(&mut desk), [12]);
}

pub(crate) fn the_newest_result_stays<P: Place>() {
    let mut desk = Desk::<P>::new(Retention { bytes_max: 100, ..KEEP });
    desk.finish(1, 40);
    desk.finish(2, 101);
    assert_eq!(desk.status(1).state, TaskState::Expired);
    assert_eq!(desk.sweep(at(3)), (0, false));
    assert_eq!(desk.file(2).unwrap().len(), 101);
    desk.finish(3, 1);
    assert_eq!((desk.status(2).state, desk.status(3).state), (TaskState::Expired, TaskState::Done));
}

pub(crate) fn a_smaller_space_is_swept<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    for number in 1..=4 {
        desk.finish(number, 10);
    }
    desk.restart_with(Retention { bytes_max: 20, ..KEEP }, at(5));
    assert_eq!(desk.sweep(at(6)), (2, false));
    let states = [1, 2, 3, 4].map(|number| desk.status(number).state);
    assert_eq!(states, [TaskState::Expired, TaskState::Expired, TaskState::Done, TaskState::Done]);
    // The newest is the one that ended last.
    for number in [5, 6] {
        desk.accept(number, None);
        desk.claim(at(7));
    }
    desk.done(6, 10);
    let picture = desk.picture(5, 10);
    desk.end(5, at(8), End::Done(picture));
    desk.restart_with(Retention { bytes_max: 0, ..KEEP }, at(9));
    assert_eq!(desk.sweep(at(9)), (1, false));
    assert_eq!((desk.status(6).state, desk.status(5).state), (TaskState::Expired, TaskState::Done));
}

pub(crate) fn one_sweep_is_bounded<P: Place>() {
    let mut desk = Desk::<P>::new(HOUR);
    let tasks = 1..=P::MANY;
    let batch = tasks.clone().map(|number| desk.submission(number, bytes(number, 10), None)).collect();
    desk.batch(batch);
    let reservation = || desk.admission.reservation();
    let claims = tasks
        .clone()
        .map(|_| StoreWrite::Claim {
            crashes_max: CRASHES_MAX,
            in_work: 0,
            at: at(2),
            reservation: reservation(),
        })
        .collect();
    desk.batch(claims);
    let end = |number| End::Done(desk.picture(number, 10));
    let ends =
        tasks.clone().map(|number| StoreWrite::End { id: id(number), at: at(3), end: end(number) }).collect();
    desk.batch(ends);
    let mut left = usize::try_from(P::MANY).unwrap();
    loop {
        let (expired, more) = desk.sweep(at(3700));
        assert!(expired <= 1000, "{expired} at once");
        left -= expired;
        if !more {
            break;
        }
    }
    assert_eq!(left, 0);
    assert!(tasks.clone().all(|number| desk.status(number).state == TaskState::Expired));
    while desk.sweep(at(3700 + 30 * DAY)).1 {}
    assert!(tasks.clone().all(|number| desk.find(number).is_none()));
}
