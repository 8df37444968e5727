//! Files of `-d` that need no work: the loop answers them from the cache, without a place in the queue, a thread or
//! another turn. Any other request for a file is queued, if there is room.
use std::time::Instant;

use super::Server;
use crate::model::error::WorkError;
use crate::model::job::{Output, WorkOutput, WorkResult};
use crate::model::picture::Times;
use crate::model::work_request::{WorkRequest, WorkSource};

impl Server {
    /// The result of a file request that needs no queueing or is refused; None for all others.
    pub(super) fn try_cached(&mut self, order: &WorkRequest) -> Option<WorkResult> {
        let WorkSource::File(file_request) = &order.source else { return None };
        let began_at = Instant::now();
        let ending = match self.work.library.as_ref().and_then(|library| library.try_cached(file_request)) {
            Some(Output::Picture(picture)) => {
                let times = Times { open: Some(began_at.elapsed()), ..Times::default() };
                self.report.metrics.note_times(&times);
                WorkOutput::Picture(picture, times)
            }
            Some(Output::NotModified(variant)) => WorkOutput::NotModified(variant),
            _ => return self.server.overload().map(Err::<WorkOutput, WorkError>),
        };
        self.tasks.machine.note_begin(order.id, 0, self.now);
        self.tasks.machine.note_run(order.id, self.now);
        self.tasks.machine.note_end(order.id, None, &self.server, self.now);
        Some(Ok(ending))
    }
}
