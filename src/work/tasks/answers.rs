//! What the store's answers lead to: each belongs to a ticket, and the ticket says what it was for.
use std::time::Duration;

use uuid::Uuid;

use super::ending::{Settlement, Unsettled};
use super::{Caution, Effect, InWork, MOMENT, Memory, PAUSE, Tasks};
use crate::model::error::WorkError;
use crate::model::log_event::Level;
use crate::model::now::Now;
use crate::model::server_state::ServerState;
use crate::model::store::{
    Acceptance, Claimed, End, News, StoreAnswer, StoreError, StoreRead, StoreReply, StoreWrite,
};
use crate::work::pipeline::Reached;
use crate::work::waiters::Waiter;

/// A store that failed is tried again after so long.
pub(super) const RETRY_TIME: Duration = Duration::from_secs(1);

impl Tasks {
    /// The store has answered.
    pub fn handle_answer(&mut self, answer: StoreAnswer, server: &ServerState, now: Now) {
        let now = self.steady(now);
        let Some(kind) = self.asked.remove(&answer.ticket) else { return };
        match &answer.result {
            Err(trouble) => self.note_trouble(trouble, server, now),
            // While a result finds no room, the success of something small says little.
            Ok(_) if kind.is_write() && self.unsettled.is_empty() => self.note_success(server),
            Ok(_) => {}
        }
        let waiter = kind.waiter();
        if let Err(failure) = self.take_answer(kind, answer.result.map_err(WorkError::from), server, now)
            && let Some(waiter) = waiter
        {
            self.waiters.remove(waiter.client);
            self.tell(waiter, Err(failure));
        }
    }

    /// Does what an answer leads to. An error is for the connection that asked, if one did.
    fn take_answer(
        &mut self,
        kind: TicketKind,
        result: Result<StoreReply, WorkError>,
        server: &ServerState,
        now: Now,
    ) -> Result<(), WorkError> {
        match kind {
            TicketKind::Client(waiter) => self.tell(waiter, Ok(result?)),
            TicketKind::Accept(waiter) => {
                let acceptance = result?.accepted()?;
                if acceptance == Acceptance::New {
                    self.idle = false;
                }
                self.tell(waiter, Ok(StoreReply::Accepted(acceptance)));
            }
            TicketKind::Watch { waiter, task } => {
                let status = result?.status()?;
                let is_over = status.as_ref().is_none_or(|status| status.state.is_final());
                if is_over && self.waiters.waits(waiter, task) {
                    self.waiters.remove(waiter.client);
                    self.tell(waiter, Ok(StoreReply::Status(status)));
                }
            }
            TicketKind::Delete { waiter, task } => {
                let known = result?.known()?;
                if let Some(run) = self.in_work.get(&task).and_then(|work| work.run) {
                    self.effects.push_back(Effect::Cancel(run));
                }
                if known {
                    self.tell_watchers(task, None);
                }
                self.tell(waiter, Ok(StoreReply::Known(known)));
            }
            TicketKind::RemoveFolder { waiter, folder, known: before } => {
                let StoreReply::Removed { known, more } = result? else { return Err(WorkError::Lost) };
                let known = known || before;
                if more {
                    let kind = TicketKind::RemoveFolder { waiter, folder: folder.clone(), known };
                    self.write(kind, StoreWrite::RemoveFolder { folder });
                } else {
                    // The sweeps that follow free the space of what is hidden now.
                    self.sweep_at = now.at;
                    self.tell(waiter, Ok(StoreReply::Known(known)));
                }
            }
            TicketKind::Final(task) => match result {
                Ok(reply) => self.tell_watchers(task, reply.status()?.as_ref()),
                Err(failure) => {
                    for watcher in self.waiters.take(task) {
                        self.tell(watcher, Err(failure.clone()));
                    }
                }
            },
            TicketKind::Ended => {
                for task in result?.ended()? {
                    self.read(TicketKind::Final(task), StoreRead::Status(task));
                }
            }
            TicketKind::Claim { look } => {
                let claimed = result.and_then(|reply| reply.claimed().map_err(WorkError::from));
                self.handle_claimed(claimed, look, server, now);
            }
            TicketKind::Settle(settlement) => {
                match result.and_then(|reply| reply.known().map_err(WorkError::from)) {
                    Ok(known) => self.settled(&settlement, known),
                    Err(_) => {
                        if let Some(work) = self.in_work.get_mut(&settlement.id) {
                            work.ending = false;
                        }
                        self.unsettled.push(settlement);
                        self.retry_at.get_or_insert(now.at + RETRY_TIME);
                    }
                }
            }
            TicketKind::Sweep => {
                let StoreReply::Swept { expired, more } = result? else { return Ok(()) };
                if expired > 0 {
                    let text = format!("{expired} tareas vencidas: sus resultados ya no se guardan.");
                    self.effects.push_back(Effect::Log(Level::Debug, None, text));
                }
                if more {
                    self.sweep_at = now.at;
                }
            }
            TicketKind::Probe => {}
            TicketKind::ProbeBank => {
                if result.is_ok() && server.bank_away.borrow_mut().take().is_some() {
                    let text = "El banco de imágenes funciona de nuevo.".to_owned();
                    self.effects.push_back(Effect::Log(Level::Warning, None, text));
                }
            }
        }
        Ok(())
    }

    /// The store tells what another server has done.
    pub fn handle_news(&mut self, news: News) {
        match news {
            News::Waiting => self.look_again(),
            News::Ended(task) if self.waiters.has(task) && !self.in_work.contains_key(&task) => {
                self.read(TicketKind::Final(task), StoreRead::Status(task));
            }
            News::Ended(_) => {}
        }
    }

    fn handle_claimed(
        &mut self,
        claimed: Result<Claimed, WorkError>,
        look: u32,
        server: &ServerState,
        now: Now,
    ) {
        // An older claim does not cover suspects released since, nor tasks that came since.
        let is_current = look == self.look;
        self.claims = self.claims.saturating_sub(1);
        let Ok(claimed) = claimed else {
            self.claim_at = Some(now.at + PAUSE);
            return;
        };
        if !matches!(claimed, Claimed::Held) {
            self.moment = MOMENT;
        }
        match claimed {
            Claimed::Task(claim) => {
                if claim.suspect {
                    self.caution = Caution::Alone;
                } else if is_current {
                    self.caution = Caution::None;
                }
                let (suspect, tries) = (claim.suspect, claim.tries);
                self.in_work.insert(claim.id, InWork::new(suspect, tries, Memory::Unknown));
                self.effects.push_back(Effect::Begin(claim));
            }
            Claimed::Nothing if is_current => (self.idle, self.caution) = (true, Caution::None),
            Claimed::Nothing => {}
            Claimed::Held => {
                self.claim_at = Some(now.at + self.moment);
                self.moment = PAUSE.min(self.moment * 2);
            }
            Claimed::MustBeAlone => self.caution = Caution::Alone,
            Claimed::NoRoom { .. } => self.claim_at = Some(now.at + PAUSE),
            Claimed::TooLarge { id, length } => {
                self.in_work.insert(id, InWork::new(false, 0, Memory::Enough));
                let failure = WorkError::TooMuchMemory { needed: length };
                self.handle_end(id, &Err(failure), Reached::Nothing, server, now);
            }
            Claimed::Unreadable { id } => {
                let text = "Tarea fallida: lo que se guardó de ella no se puede leer".to_owned();
                self.effects.push_back(Effect::Log(Level::Error, Some(id), text));
                if self.waiters.has(id) {
                    self.read(TicketKind::Final(id), StoreRead::Status(id));
                }
            }
        }
    }

    /// The store has learnt how work came out; not `known`: the task was deleted meanwhile.
    fn settled(&mut self, settled: &Unsettled, known: bool) {
        let id = settled.id;
        let suspect = self.in_work.remove(&id).is_some_and(|work| work.suspect);
        let Settlement::End(end) = &settled.what else {
            if suspect {
                self.caution = Caution::Alone;
            }
            self.idle = false;
            return;
        };
        if let End::Done(picture) = end
            && known
        {
            let text = format!(
                "Tarea completada: {}x{}, {} bytes",
                picture.width,
                picture.height,
                picture.file.len()
            );
            self.effects.push_back(Effect::Log(Level::Info, Some(id), text));
        }
        if self.waiters.has(id) {
            self.read(TicketKind::Final(id), StoreRead::Status(id));
        }
    }

    fn note_trouble(&mut self, trouble: &StoreError, server: &ServerState, now: Now) {
        if let StoreError::Bank(of_bank) = trouble {
            if matches!(**of_bank, StoreError::NoRoom { .. } | StoreError::Damaged(_)) {
                return;
            }
            let before = server.bank_away.borrow_mut().replace(trouble.clone().into());
            if before.is_none() {
                self.effects.push_back(Effect::Log(Level::Error, None, format!("{trouble}. Se reintenta.")));
            }
            self.retry_at.get_or_insert(now.at + RETRY_TIME);
            return;
        }
        if let StoreError::Damaged(_) = trouble {
            self.effects.push_back(Effect::Log(Level::Error, None, format!("{trouble}.")));
        }
        if matches!(trouble, StoreError::NoRoom { .. } | StoreError::Damaged(_)) {
            return;
        }
        if server.store_away.borrow().is_none() {
            self.effects.push_back(Effect::Log(Level::Error, None, format!("{trouble}. Se reintenta.")));
        }
        *server.store_away.borrow_mut() = Some(trouble.clone().into());
        self.retry_at.get_or_insert(now.at + RETRY_TIME);
    }

    fn note_success(&mut self, server: &ServerState) {
        if server.store_away.borrow_mut().take().is_some() {
            let text = "El almacén funciona de nuevo.".to_owned();
            self.effects.push_back(Effect::Log(Level::Warning, None, text));
        }
    }
}

#[derive(Debug)]
pub(super) enum TicketKind {
    /// A connection's request that affects nothing else.
    Client(Waiter),
    /// A connection's submission.
    Accept(Waiter),
    /// A connection waits for the end of this task.
    Watch {
        waiter: Waiter,
        task: Uuid,
    },
    /// A connection wants this folder deleted; parts of it may be gone already.
    RemoveFolder {
        waiter: Waiter,
        folder: String,
        known: bool,
    },
    /// A connection wants this task forgotten.
    Delete {
        waiter: Waiter,
        task: Uuid,
    },
    /// A task has ended and is waited for.
    Final(Uuid),
    /// Tasks that are waited for may have ended elsewhere.
    Ended,
    Claim {
        look: u32,
    },
    Settle(Unsettled),
    Sweep,
    Probe,
    ProbeBank,
}

impl TicketKind {
    /// Whether a change is asked for, whose success says that the store can be written to.
    fn is_write(&self) -> bool {
        match self {
            Self::Client(_) | Self::Watch { .. } | Self::Final(_) | Self::Ended | Self::ProbeBank => false,
            Self::Accept(_)
            | Self::Delete { .. }
            | Self::RemoveFolder { .. }
            | Self::Claim { .. }
            | Self::Settle(_)
            | Self::Sweep
            | Self::Probe => true,
        }
    }

    fn waiter(&self) -> Option<Waiter> {
        match self {
            Self::Client(waiter)
            | Self::Accept(waiter)
            | Self::Watch { waiter, .. }
            | Self::RemoveFolder { waiter, .. }
            | Self::Delete { waiter, .. } => Some(*waiter),
            _ => None,
        }
    }
}
