//! Files of `-d` that take no work: what is kept of them is answered by the loop itself, with no place of the queue, no
//! thread and no other turn. Whoever asks for anything else of a file waits in line, if the line has room.
use std::time::Instant;

use super::Server;
use crate::model::error::WorkError;
use crate::model::job::{Output, WorkOutput, WorkResult};
use crate::model::picture::Times;
use crate::model::work_request::{WorkRequest, WorkSource};

impl Server {
    /// How an order for a file ends that need not stand in line, or may not; None for all others.
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
