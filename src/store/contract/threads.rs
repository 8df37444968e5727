//! A store behind its threads.
use crossbeam_channel::{Receiver, unbounded};

use super::*;
use crate::model::task::TaskState;

fn start<P: Place>(place: &P) -> (Store, Receiver<StoreAnswer>) {
    let (writer, reader) = place.open(KEEP, at(0));
    let (answers, inbox) = unbounded();
    let deliver = Arc::new(move |answer| answers.send(answer).unwrap());
    (Store::start(writer, reader, deliver).unwrap(), inbox)
}

fn submission(admission: &Admission, number: u64) -> Ask {
    let (picture, reservation) = (bytes(number, 2000), admission.reservation());
    let submission = Submission {
        id: id(number),
        picture,
        transform: transform(),
        key: None,
        at: at(number),
        reservation,
    };
    Ask::Write(StoreWrite::Accept(Box::new(submission)))
}

pub(crate) fn everything_asked_is_answered<P: Place>() {
    let (place, admission) = (P::default(), Admission::new(1, 1 << 30, 1));
    let (store, inbox) = start(&place);
    for ticket in 0..1000 {
        store.ask(StoreRequest { ticket, ask: submission(&admission, ticket) });
        store.ask(StoreRequest { ticket: 1000 + ticket, ask: Ask::Read(StoreRead::Status(id(ticket))) });
    }
    let ask = Ask::Write(StoreWrite::Claim {
        crashes_max: CRASHES_MAX,
        in_work: 0,
        at: at(1),
        reservation: admission.reservation(),
    });
    store.ask(StoreRequest { ticket: 2000, ask });
    store.finish();
    let answers: Vec<StoreAnswer> = inbox.iter().collect();
    let mut tickets: Vec<u64> = answers.iter().map(|answer| answer.ticket).collect();
    let writes: Vec<u64> = tickets.iter().copied().filter(|ticket| *ticket < 1000).collect();
    assert!(writes.is_sorted());
    tickets.sort_unstable();
    assert_eq!(tickets, (0..=2000).collect::<Vec<_>>());
    assert!(answers.iter().all(|answer| answer.result.is_ok()));
    drop(answers);
    // What was in work waits again, and is no suspect.
    let (mut writer, mut reader) = place.open(KEEP, at(9));
    let Ok(StoreReply::Status(Some(status))) = reader.read(StoreRead::Status(id(0))) else { panic!() };
    assert_eq!((status.state, status.begun_at), (TaskState::Pending, None));
    let claim = StoreWrite::Claim {
        crashes_max: CRASHES_MAX,
        in_work: 0,
        at: at(10),
        reservation: admission.reservation(),
    };
    let answer = writer.write(vec![(7, claim)]).remove(0);
    let Claimed::Task(claim) = claimed(answer.result.unwrap()) else { panic!() };
    assert_eq!((claim.id, claim.suspect), (id(0), false));
}

pub(crate) fn what_was_written_is_seen_by_the_next_read<P: Place>() {
    let (place, admission) = (P::default(), Admission::new(1, 1 << 30, 1));
    let (store, inbox) = start(&place);
    for number in 1..200 {
        store.ask(StoreRequest { ticket: number, ask: submission(&admission, number) });
        assert_eq!(inbox.recv().unwrap().ticket, number);
        store.ask(StoreRequest { ticket: number, ask: Ask::Read(StoreRead::Status(id(number))) });
        let answer = inbox.recv().unwrap();
        assert!(matches!(answer.result, Ok(StoreReply::Status(Some(status))) if status.id == id(number)));
    }
    store.finish();
}
