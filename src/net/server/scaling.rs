//! The loop's part for the scaler: it gives pictures to the connections, reads the scaler's log, and restarts the
//! scaler.
use scaler::exit_stats;
use scaler::words::InWords;

use super::Server;
use crate::log::Who;
use crate::model::key::Key;
use crate::model::log_event::Level;
use crate::net::pool::{Assigned, Served};
use crate::net::relay::Relay;
use crate::net::supervisor::Supervisor;
use crate::work::source::Source;

impl Server {
    pub(super) fn serve_upstream(&mut self, key: Key) {
        match self.scaler.pool.serve(key, self.kernel.poll.registry(), &mut self.kernel.scratch, self.now.at)
        {
            Served::Nothing => {}
            Served::Again => self.queue.push_back(Source::Upstream(key)),
            Served::Done(done) => self.handle_done(done),
        }
    }

    /// Gives waiting pictures to the scaler, and supervises it.
    pub(super) fn assign_scaler(&mut self) {
        while let Some(assigned) = self.scaler.pool.assign(self.kernel.poll.registry(), self.now.at) {
            match assigned {
                Assigned::Begun(key) => self.queue.push_back(Source::Upstream(key)),
                Assigned::Done(done) => self.handle_done(done),
            }
        }
        self.scaler.pool.keep_warm(self.kernel.poll.registry(), self.now.at);
        let away = self.scaler.pool.is_away(self.now.at);
        self.server.scaler_away.set(away);
        if away && let Some(supervisor) = &mut self.scaler.supervisor {
            supervisor.handle_unreachable(self.now.at);
        }
        let restart = self.scaler.supervisor.as_ref().and_then(Supervisor::poll_timeout);
        let due = restart.into_iter().chain(self.scaler.pool.poll_timeout()).min();
        self.timers.arm(&mut self.scaler.armed, due, Source::Scaler);
    }

    pub(super) fn relay_log(&mut self) {
        if let Some(relay) = &mut self.scaler.relay {
            relay.read(&mut self.kernel.scratch, |line| match exit_stats::parse(line) {
                Some(cause) => self.report.metrics.note_child(cause),
                None => self.report.log.write(Level::Info, Who::default(), line),
            });
        }
    }

    /// Reads the log of a scaler that was started. The last lines of the previous one are read first.
    pub(super) fn watch_scaler_log(&mut self) {
        let Some(stderr) = self.scaler.supervisor.as_mut().and_then(Supervisor::take_stderr) else { return };
        self.relay_log();
        match Relay::new(stderr, self.kernel.poll.registry()) {
            Ok(relay) => self.scaler.relay = Some(relay),
            Err(error) => self.report.log.write(Level::Error, Who::default(), InWords(&error)),
        }
    }

    pub(super) fn handle_scaler_timeout(&mut self) {
        if let Some(supervisor) = &mut self.scaler.supervisor
            && let Err(error) = supervisor.handle_timeout(self.now.at)
        {
            let text = format_args!("No se puede iniciar el escalador: {}. Se reintenta.", InWords(&error));
            self.report.log.write(Level::Error, Who::default(), text);
        }
        self.watch_scaler_log();
        self.scaler.pool.handle_timeout(self.kernel.poll.registry(), self.now.at);
    }
}
