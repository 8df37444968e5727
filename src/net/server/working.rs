//! The loop's part for work: it sends jobs to workers and scaler, collects completions, and reports the ends of runs.
use super::Server;
use crate::model::job::{Completion, Job, Owner, Queue, Work, WorkOutput};
use crate::net::upstream::ScaleTask;
use crate::work::scheduler::{Advance, Finished};
use crate::work::self_test::SelfTest;

impl Server {
    pub(super) fn collect_done(&mut self) {
        while let Ok(done) = self.work.done.try_recv() {
            self.handle_done(done);
        }
        self.upkeep.self_test.note_work(self.work.workers.finished(), self.now.at);
    }

    pub(super) fn handle_done(&mut self, done: Completion) {
        if SelfTest::owns(done.ticket.run) {
            return self.handle_own(done);
        }
        self.work.outstanding.note_done(done.ticket);
        match self.work.scheduler.handle_done(done, &self.server.admission, self.now.at) {
            Some(Advance::Job(job)) => self.dispatch(job),
            Some(Advance::Ended(ended)) => self.end_run(&ended),
            None => {}
        }
    }

    pub(super) fn dispatch(&mut self, job: Job) {
        match job.work {
            Work::Open(_)
            | Work::Gray { .. }
            | Work::Encode { .. }
            | Work::Face(_)
            | Work::Link(_)
            | Work::Read(_) => {
                // The self-test judges its own.
                if job.owner != Owner::Server {
                    self.work.outstanding.note_job(job.ticket, job.due);
                }
                let queue = Queue::of(&job);
                self.work.workers.submit(job, queue);
            }
            Work::Scale { raster, width, height } => {
                let Job { ticket, reservation, cancelled, owner, .. } = job;
                let (fresh, breaks, began_at) = (owner == Owner::Server, 0, None);
                let task = ScaleTask {
                    ticket,
                    reservation,
                    cancelled,
                    raster,
                    width,
                    height,
                    fresh,
                    breaks,
                    began_at,
                };
                self.scaler.pool.submit(task);
            }
        }
    }

    /// Admits waiting runs while there are places and memory.
    pub(super) fn admit_runs(&mut self) {
        while let Some(job) = self.work.scheduler.admit(&self.server.admission, self.now.at) {
            match self.work.scheduler.id(job.ticket.run) {
                Some(id) if job.owner == Owner::Task => self.tasks.machine.admitted(id),
                Some(id) => self.tasks.machine.note_run(id, self.now),
                None => {}
            }
            self.dispatch(job);
        }
        while let Some(ended) = self.work.scheduler.send_back() {
            self.end_run(&ended);
        }
    }

    /// A run has ended: its client is told, and a scaler connection that still has it is closed.
    pub(super) fn end_run(&mut self, ended: &Finished) {
        match &ended.outcome {
            Ok(WorkOutput::Picture(_, times) | WorkOutput::Face(_, times) | WorkOutput::Link(_, times)) => {
                self.report.metrics.note_times(times);
                if let Some(work) = times.work() {
                    self.server.admission.observe(work);
                }
            }
            Ok(WorkOutput::NotModified(_) | WorkOutput::Excerpt(_)) => {}
            // The error is logged with the line about the answer; a client that has left gets none.
            Err(_) => self.scaler.pool.abandon(ended.run, self.kernel.poll.registry()),
        }
        if ended.owner == Owner::Task {
            self.tasks.machine.handle_end(ended.id, &ended.outcome, ended.reached, &self.server, self.now);
        } else {
            self.tasks.machine.note_end(ended.id, ended.outcome.as_ref().err(), &self.server, self.now);
        }
        if let Some(watcher) = ended.watcher {
            self.tell(watcher, ended.id, &ended.outcome);
        }
    }
}
