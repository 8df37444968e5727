//! What is left when a server crashes, and when it stops.
use super::*;
use crate::model::task::TaskState;

pub(crate) fn what_was_answered_is_there_after_a_crash<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    desk.accept(1, None);
    desk.accept(2, None);
    desk.accept(3, None);
    desk.claim(at(4));
    desk.claim(at(4));
    desk.done(1, 50);
    desk.end(2, at(6), End::Failed(problem()));
    let before: Vec<_> = (1..=3).map(|number| desk.status(number)).collect();
    desk.crash(at(9));
    let after: Vec<_> = (1..=3).map(|number| desk.status(number)).collect();
    assert_eq!(before, after);
    assert_eq!(desk.file(1).unwrap(), bytes(!1, 50));
    let claim = desk.claim(at(10));
    assert_eq!((claim.id, claim.picture, claim.suspect), (id(3), bytes(3, 5000), false));
}

pub(crate) fn a_suspect_is_alone_and_first<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    for number in 1..=4 {
        desk.accept(number, None);
    }
    desk.claim(at(5));
    assert_eq!(desk.claim(at(5)).id, id(2));
    assert!(desk.release(1));
    desk.crash(at(6));
    assert_eq!((desk.status(2).state, desk.status(2).begun_at), (TaskState::Pending, None));
    for in_work in [1, 7] {
        assert!(matches!(desk.try_claim(in_work, at(7)), Claimed::MustBeAlone));
    }
    let claim = desk.claim(at(7));
    assert_eq!((claim.id, claim.suspect), (id(2), true));
    assert!(desk.done(2, 10));
    for number in [1, 3, 4] {
        let claim = desk.claim(at(8));
        assert_eq!((claim.id, claim.suspect), (id(number), false));
    }
}

pub(crate) fn a_suspect_may_be_left_alone<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    desk.accept(1, None);
    desk.accept(2, None);
    assert_eq!(desk.claim(at(3)).id, id(1));
    desk.crash(at(4));
    assert_eq!(desk.claim(at(5)).id, id(1));
    desk.crash(at(6));
    let claim = |crashes_max, in_work, desk: &mut Desk<P>| {
        let reservation = desk.reservation();
        claimed(desk.write(StoreWrite::Claim { crashes_max, in_work, at: at(7), reservation }))
    };
    let Claimed::Task(innocent) = claim(1, 3, &mut desk) else { panic!() };
    assert_eq!((innocent.id, innocent.suspect), (id(2), false));
    assert!(matches!(claim(1, 0, &mut desk), Claimed::Nothing));
    assert!(matches!(claim(2, 1, &mut desk), Claimed::MustBeAlone));
    let Claimed::Task(suspect) = claim(2, 0, &mut desk) else { panic!() };
    assert_eq!((suspect.id, suspect.suspect), (id(1), true));
}

pub(crate) fn the_third_crash_is_the_last<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    desk.accept(1, Some(b"k"));
    desk.accept(2, None);
    for crash in 1..CRASHES_MAX {
        assert_eq!(desk.claim(at(5)).id, id(1));
        desk.crash(at(u64::from(10 * crash)));
        assert_eq!(desk.status(1).state, TaskState::Pending);
        // A crash without the task in work does not count for it; an orderly stop never counts.
        desk.crash(at(6));
        desk.claim(at(6));
        desk.restart(at(7));
    }
    assert_eq!(desk.claim(at(8)).id, id(1));
    desk.crash(at(99));
    let status = desk.status(1);
    assert_eq!((status.state, status.ended_at), (TaskState::Failed, Some(at(99))));
    let detail = "la imagen hizo caer el servidor".to_owned();
    assert_eq!(status.problem, Some(Problem { code: 500, slug: "imagen-hizo-caer".into(), detail }));
    let claim = desk.claim(at(100));
    assert_eq!((claim.id, claim.suspect), (id(2), false));
    assert_eq!(desk.accept(3, Some(b"k")), Acceptance::Different);
}

pub(crate) fn an_orderly_stop_is_no_crash<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    desk.accept(1, None);
    for turn in 0..CRASHES_MAX + 2 {
        let claim = desk.claim(at(u64::from(turn)));
        assert_eq!((claim.id, claim.suspect), (id(1), false));
        desk.restart(at(50));
        assert_eq!(desk.status(1).state, TaskState::Pending);
    }
}

pub(crate) fn tries_are_counted_whatever_happens<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    desk.accept(1, None);
    desk.accept(2, None);
    let tries = |desk: &mut Desk<P>, suspect| {
        let claim = desk.claim(at(5));
        assert_eq!((claim.id, claim.suspect), (id(1), suspect));
        claim.tries
    };
    assert_eq!(tries(&mut desk, false), 0);
    assert!(desk.release(1), "it had not begun");
    assert_eq!(tries(&mut desk, false), 0);
    assert!(desk.give_up(1));
    assert_eq!(tries(&mut desk, false), 1);
    desk.restart(at(6));
    assert_eq!(tries(&mut desk, false), 2);
    desk.crash(at(7));
    assert_eq!(tries(&mut desk, true), 3);
    assert!(desk.give_up(1));
    desk.crash(at(8));
    assert_eq!(tries(&mut desk, true), 4);
    // A waiting task was not tried.
    assert!(desk.done(1, 10));
    assert_eq!((desk.claim(at(9)).id, desk.give_up(1)), (id(2), false));
}

pub(crate) fn of_several_suspects_the_worst_comes_first<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    desk.accept(1, None);
    assert_eq!(desk.claim(at(2)).id, id(1));
    desk.accept(2, None);
    assert_eq!(desk.claim(at(2)).id, id(2));
    // Once together, and then the younger alone.
    desk.crash(at(3));
    assert_eq!(desk.claim(at(4)).id, id(1));
    assert_eq!(desk.claim(at(4)).id, id(2));
    assert!(desk.release(1));
    desk.crash(at(5));
    assert_eq!(desk.claim(at(6)).id, id(2));
    assert_eq!(desk.claim(at(6)).id, id(1));
}
