//! The loop's part for tasks: it carries requests of connections to [`Tasks`](crate::work::tasks::Tasks), the
//! requests of those to the store, the runs and the clients, and the answers back.
use std::time::Instant;

use uuid::Uuid;

use super::{Server, Source, WorkPart};
use crate::log::Who;
use crate::model::error::WorkError;
use crate::model::job::{Brief, Product};
use crate::model::key::Key;
use crate::model::server_state::Figures;
use crate::model::store::{Ask, NEWS, StoreRead, StoreReply, StoreRequest, StoreWrite};
use crate::model::task::{Claim, Submission};
use crate::pixels;
use crate::work::counts;
use crate::work::pipeline::Reached;
use crate::work::tasks::Effect;

/// The ticket under which the store is asked for its sizes, together with each count.
const SIZES_TICKET: u64 = NEWS - 1;

impl Server {
    /// A connection asks the store. An impossible request is refused before it is stored.
    pub(super) fn ask(&mut self, client: Key, request: Uuid, ask: Ask) {
        let checked = match ask {
            Ask::Write(StoreWrite::Accept(submission)) => self.appraise(*submission),
            other => Ok(other),
        };
        match checked {
            Ok(ask) => self.tasks.machine.handle_ask(client, request, ask, self.now),
            Err(failure) => self.answer(client, request, Err(failure)),
        }
        self.perform_effects();
    }

    /// A connection waits for the end of a task.
    pub(super) fn watch(&mut self, client: Key, request: Uuid, task: Uuid) {
        self.tasks.machine.watch(client, request, task, self.now);
        self.perform_effects();
    }

    pub(super) fn measure(&mut self, client: Key, request: Uuid, figures: Figures) {
        let page = self.figures(figures);
        if let Some(found) = self.clients.get_mut(client) {
            found.connection.handle_metrics(request, page, self.now);
            self.queue_client(client);
        }
    }

    /// Reads the header of a submitted picture, in microseconds.
    fn appraise(&self, mut submission: Submission) -> Result<Ask, WorkError> {
        let (limits, memory_max) = (&self.server.limits.pixels, self.server.admission.bytes_max());
        let brief = Brief::new(submission.transform, Product::File);
        let picture = std::mem::take(&mut submission.picture);
        let loaded = pixels::appraise(picture, brief, limits, memory_max)?;
        let length = loaded.brief.least_length(loaded.info.width, loaded.info.height);
        if length > self.server.limits.result_max {
            return Err(WorkError::ResultTooLong { length });
        }
        submission.picture = loaded.picture;
        Ok(StoreWrite::Accept(Box::new(submission)).into())
    }

    pub(super) fn collect_answers(&mut self) {
        while let Ok(answer) = self.tasks.answers.try_recv() {
            if answer.ticket == counts::TICKET {
                self.tasks.counts.handle_answer(&answer, self.now.at);
                continue;
            }
            if let (NEWS, Ok(StoreReply::News(news))) = (answer.ticket, &answer.result) {
                self.tasks.machine.handle_news(*news);
                continue;
            }
            if answer.ticket == SIZES_TICKET {
                if let Ok(StoreReply::Sizes(sizes)) = answer.result {
                    self.tasks.sizes = sizes;
                }
                continue;
            }
            self.tasks.counts.note_answer(&answer);
            self.tasks.machine.handle_answer(answer, &self.server, self.now);
        }
        self.perform_effects();
    }

    /// Claims tasks while there is room.
    pub(super) fn advance_tasks(&mut self) {
        self.tasks.machine.advance(&self.server, self.now);
        self.perform_effects();
        if self.tasks.counts.begin(self.now.at) {
            self.tasks.store.ask(StoreRequest { ticket: SIZES_TICKET, ask: Ask::Read(StoreRead::Sizes) });
            self.tasks.store.ask(StoreRequest { ticket: counts::TICKET, ask: Ask::Read(StoreRead::Counts) });
        }
        let due = self
            .tasks
            .counts
            .poll_timeout()
            .into_iter()
            .fold(self.tasks.machine.poll_timeout(), Instant::min);
        self.timers.arm(&mut self.tasks.armed, Some(due), Source::Tasks);
    }

    fn perform_effects(&mut self) {
        // Handed over at once: an end and the claim behind it are one transaction.
        let mut asked = Vec::new();
        while let Some(effect) = self.tasks.machine.poll_effect() {
            match effect {
                Effect::Ask(request) => asked.push(request),
                Effect::Tell { client, request, told } => self.answer(client, request, told),
                Effect::Begin(claim) => self.begin(*claim),
                Effect::Cancel(run) => {
                    if let Some(id) = self.work.scheduler.forget(run) {
                        self.tasks.machine.handle_gone(id);
                    }
                }
                Effect::Log(level, id, text) => {
                    self.report.log.write(level, Who { id, ..Who::default() }, text);
                }
            }
        }
        self.tasks.store.ask_all(asked);
    }

    /// The server stops: a claimed task that was not begun does not count as tried. The store releases those that
    /// were begun, which counts as a try.
    pub(super) fn release_tasks(&mut self) {
        let Self { tasks, work: WorkPart { scheduler, .. }, now, .. } = self;
        tasks.machine.release(|run| scheduler.reached(run) == Some(Reached::Nothing), *now);
        self.perform_effects();
    }

    fn begin(&mut self, claim: Claim) {
        let id = claim.id;
        match self.work.scheduler.submit_task(claim, &self.server, &mut self.timers, self.now.at) {
            Ok(run) => self.tasks.machine.begun(id, run),
            Err(failure) => {
                self.tasks.machine.handle_end(id, &Err(failure), Reached::Nothing, &self.server, self.now);
            }
        }
    }

    fn answer(&mut self, client: Key, request: Uuid, told: Result<StoreReply, WorkError>) {
        if let Some(found) = self.clients.get_mut(client) {
            found.connection.handle_told(request, told, self.now);
            self.queue_client(client);
        }
    }
}
