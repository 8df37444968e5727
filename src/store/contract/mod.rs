//! What every store must do, as tests over the two traits: written once, run by each store with times of its choice.
//!
//! A store gives a [`Place`] that can be opened again and again, and calls [`contract_tests!`](contract_tests) in its
//! own tests. [`Desk`] is the client of the store; a second one at the same place is the server after a crash.
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use super::{
    Acceptance, Ask, Backend, CRASHES_MAX, Claimed, End, Retention, Store, StoreAnswer, StoreError,
    StoreRead, StoreReply, StoreRequest, StoreWrite,
};
use crate::http::format::Format;
use crate::model::admission::{Admission, Reservation};
use crate::model::image::Encoding;
use crate::model::picture::Picture;
use crate::model::task::{Claim, Problem, Status, Submission};
use crate::model::transform::{Size, Transform};

pub(super) mod bank;
pub(super) mod crashes;
pub(super) mod model;
pub(super) mod retention;
pub(super) mod tasks;
pub(super) mod threads;

/// Where a store's data are; empty at first.
pub(super) trait Place: Default {
    /// Steps of a random sequence: fewer for a store behind a network.
    const STEPS: u32 = 500;
    /// More tasks than one sweep expires.
    const MANY: u64 = 1100;
    /// More faces of a folder than one request may delete.
    const FACES: u32 = 1200;

    /// Whether this machine has such a store; if not, that was printed.
    fn is_there() -> bool {
        true
    }

    /// Opens the store. What was opened before is closed or dropped by then.
    fn open(&self, retention: Retention, at: SystemTime) -> Backend;
}

/// A `#[test]` for each case, over this [`Place`].
macro_rules! contract_tests {
    ($place:ty) => {
        $crate::store::contract::contract_tests! { $place;
            tasks: a_submission_waits_as_it_was_handed_in, tasks_are_claimed_in_their_order, a_result_can_be_fetched,
                a_failure_is_told, a_task_ends_once, a_released_task_waits_at_its_old_place,
                a_deleted_task_was_never_there, a_key_stands_for_one_task, a_key_goes_with_its_task,
                a_claim_takes_no_more_than_there_is_room_for,
                a_claim_that_no_lease_could_hold_is_to_be_ended, a_range_takes_no_more_than_there_is_room_for,
                a_batch_is_answered_in_order, one_bad_request_leaves_the_others_alone, empty_files_are_files,
                tasks_are_counted_by_their_state, those_that_have_ended_are_told;
            crashes: what_was_answered_is_there_after_a_crash, a_suspect_is_alone_and_first,
                of_several_suspects_the_worst_comes_first, a_suspect_may_be_left_alone,
                the_third_crash_is_the_last, an_orderly_stop_is_no_crash, tries_are_counted_whatever_happens;
            retention: what_is_old_expires, unfinished_tasks_stay, the_oldest_make_room,
                large_results_make_room_among_themselves_first, the_newest_result_stays,
                a_smaller_space_is_swept, one_sweep_is_bounded;
            bank: a_name_is_taken_once, names_are_in_order_of_their_bytes, what_is_missing_is_told_in_order,
                folders_count_their_faces, faces_come_in_pages, what_is_removed_is_gone_and_may_come_again;
            model: any_sequence_agrees_with_the_model;
            threads: everything_asked_is_answered, what_was_written_is_seen_by_the_next_read;
        }
    };
    ($place:ty; $($module:ident: $($case:ident),+;)+) => {
        $(mod $module {
            use super::*;
            $(#[test]
            fn $case() {
                if <$place as $crate::store::contract::Place>::is_there() {
                    $crate::store::contract::$module::$case::<$place>();
                }
            })+
        })+
    };
}
pub(super) use contract_tests;

/// The same for a store of the bank alone.
#[cfg(feature = "mongodb")]
macro_rules! bank_contract_tests {
    ($place:ty) => {
        $crate::store::contract::contract_tests! { $place;
            bank: a_name_is_taken_once, names_are_in_order_of_their_bytes, what_is_missing_is_told_in_order,
                folders_count_their_faces, faces_come_in_pages, what_is_removed_is_gone_and_may_come_again;
        }
    };
}
#[cfg(feature = "mongodb")]
pub(super) use bank_contract_tests;

pub(super) const KEEP: Retention = Retention { age: Duration::from_hours(24), bytes_max: u64::MAX };

/// A time in 2023, plus so many seconds.
pub(super) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_700_000_000_123) + Duration::from_secs(seconds)
}

pub(super) fn id(number: u64) -> Uuid {
    Uuid::from_u64_pair(number, !number)
}

pub(super) fn transform() -> Transform {
    let encoding = Encoding { format: Format::Png, quality: 7, background: [1, 130, 255] };
    Transform::new(Size::Factor(0.1), encoding)
}

/// Bytes that differ from position to position, and from seed to seed.
pub(super) fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let seed = seed.to_le_bytes();
    (0_u64..)
        .flat_map(u64::to_le_bytes)
        .zip(seed.into_iter().cycle())
        .map(|(a, b)| a ^ b)
        .take(length)
        .collect()
}

pub(super) fn problem() -> Problem {
    Problem { code: 422, slug: "imagen-ilegible".into(), detail: "no es «PNG»".into() }
}

/// A client that asks and waits for the answer.
pub(super) struct Desk<P> {
    /// None while it is being opened again. Dropped before its place, which may then check what is left.
    open: Option<Backend>,
    place: P,
    pub(super) admission: Admission,
    retention: Retention,
}

impl<P: Place> Desk<P> {
    pub(super) fn new(retention: Retention) -> Self {
        let place = P::default();
        let open = Some(place.open(retention, at(0)));
        Self { place, admission: Admission::new(8, 64 << 20, 1), retention, open }
    }

    pub(super) fn crash(&mut self, at: SystemTime) {
        self.open = None;
        self.open = Some(self.place.open(self.retention, at));
    }

    pub(super) fn restart(&mut self, at: SystemTime) {
        let (writer, _) = self.open.as_mut().unwrap();
        writer.close();
        self.crash(at);
    }

    pub(super) fn restart_with(&mut self, retention: Retention, at: SystemTime) {
        self.retention = retention;
        self.restart(at);
    }

    pub(super) fn reservation(&self) -> Reservation {
        self.admission.reservation()
    }

    pub(super) fn batch(&mut self, batch: Vec<StoreWrite>) -> Vec<Result<StoreReply, StoreError>> {
        let tickets = 100..;
        let asked = batch.len();
        let (writer, _) = self.open.as_mut().unwrap();
        let answers = writer.write(tickets.clone().zip(batch).collect());
        assert_eq!(answers.len(), asked, "{answers:?}");
        tickets
            .zip(answers)
            .map(|(expected, StoreAnswer { ticket, result })| {
                assert_eq!(ticket, expected);
                result
            })
            .collect()
    }

    pub(super) fn try_write(&mut self, write: StoreWrite) -> Result<StoreReply, StoreError> {
        self.batch(vec![write]).remove(0)
    }

    pub(super) fn write(&mut self, write: StoreWrite) -> StoreReply {
        self.try_write(write).unwrap()
    }

    pub(super) fn try_read(&mut self, read: StoreRead) -> Result<StoreReply, StoreError> {
        let (_, reader) = self.open.as_mut().unwrap();
        reader.read(read)
    }

    pub(super) fn read(&mut self, read: StoreRead) -> StoreReply {
        self.try_read(read).unwrap()
    }

    pub(super) fn submission(&self, number: u64, picture: Vec<u8>, key: Option<&[u8]>) -> StoreWrite {
        let mut reservation = self.reservation();
        reservation.charge(picture.len() as u64).unwrap();
        let key = key.map(<[u8]>::to_vec);
        StoreWrite::Accept(Box::new(Submission {
            id: id(number),
            picture,
            transform: transform(),
            key,
            at: at(number),
            reservation,
        }))
    }

    pub(super) fn accept(&mut self, number: u64, key: Option<&[u8]>) -> Acceptance {
        let submission = self.submission(number, bytes(number, 5000), key);
        accepted(self.write(submission))
    }

    pub(super) fn try_claim(&mut self, in_work: usize, at: SystemTime) -> Claimed {
        let reservation = self.reservation();
        claimed(self.write(StoreWrite::Claim { crashes_max: CRASHES_MAX, in_work, at, reservation }))
    }

    pub(super) fn claim(&mut self, at: SystemTime) -> Claim {
        match self.try_claim(0, at) {
            Claimed::Task(claim) => *claim,
            other => panic!("{other:?}"),
        }
    }

    /// Accepts, claims and ends one task, with a result of so many bytes.
    pub(super) fn finish(&mut self, number: u64, length: usize) {
        assert_eq!(self.accept(number, None), Acceptance::New);
        assert_eq!(self.claim(at(number)).id, id(number));
        assert!(self.done(number, length));
    }

    pub(super) fn end(&mut self, number: u64, at: SystemTime, end: End) -> bool {
        known(self.write(StoreWrite::End { id: id(number), at, end }))
    }

    pub(super) fn done(&mut self, number: u64, length: usize) -> bool {
        let end = End::Done(self.picture(number, length));
        self.end(number, at(number), end)
    }

    pub(super) fn picture(&self, number: u64, length: usize) -> Arc<Picture> {
        let (format, file) = (Format::Pnm, bytes(!number, length).into());
        Arc::new(Picture {
            file,
            format,
            width: 40,
            height: 90,
            variant: None,
            reservation: self.reservation(),
        })
    }

    pub(super) fn delete(&mut self, number: u64) -> bool {
        known(self.write(StoreWrite::Delete { id: id(number) }))
    }

    pub(super) fn release(&mut self, number: u64) -> bool {
        known(self.write(StoreWrite::Release { id: id(number), tried: false }))
    }

    /// The same after a try that failed.
    pub(super) fn give_up(&mut self, number: u64) -> bool {
        known(self.write(StoreWrite::Release { id: id(number), tried: true }))
    }

    /// How many expired, and whether there may be more.
    pub(super) fn sweep(&mut self, at: SystemTime) -> (usize, bool) {
        match self.write(StoreWrite::Sweep { at }) {
            StoreReply::Swept { expired, more } => (expired, more),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn find(&mut self, number: u64) -> Option<Status> {
        match self.read(StoreRead::Status(id(number))) {
            StoreReply::Status(status) => status,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn status(&mut self, number: u64) -> Status {
        self.find(number).unwrap()
    }

    /// The whole result; None if it is gone.
    pub(super) fn file(&mut self, number: u64) -> Option<Vec<u8>> {
        let length = self.find(number)?.result?.length;
        let reservation = self.reservation();
        match self.read(StoreRead::File { id: id(number), range: 0..length, reservation }) {
            StoreReply::File(file) => file.map(|(bytes, reservation)| {
                assert_eq!((bytes.len() as u64, reservation.bytes()), (length, length));
                bytes.to_vec()
            }),
            other => panic!("{other:?}"),
        }
    }
}

pub(super) fn accepted(told: StoreReply) -> Acceptance {
    match told {
        StoreReply::Accepted(acceptance) => acceptance,
        other => panic!("{other:?}"),
    }
}

pub(super) fn claimed(told: StoreReply) -> Claimed {
    match told {
        StoreReply::Claimed(claimed) => claimed,
        other => panic!("{other:?}"),
    }
}

pub(super) fn known(told: StoreReply) -> bool {
    match told {
        StoreReply::Known(known) => known,
        other => panic!("{other:?}"),
    }
}
