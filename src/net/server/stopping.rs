//! Signals: reopens the log, notes a dead scaler, and stops the server in order.
use std::time::Duration;

use scaler::sys::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};

use super::Server;
use crate::log::Who;
use crate::model::key::Key;
use crate::model::log_event::Level;

/// Turns that a stopping server takes at a listener before closing it; the backlog holds no more.
const ACCEPT_TURNS_MAX: u32 = 256;
/// How long a stopping server waits for answers in progress.
const STOP_TIME: Duration = Duration::from_secs(20);

impl Server {
    pub(super) fn handle_signals(&mut self) {
        // A signalfd that can't be read is no reason to stop serving.
        while let Ok(Some(signal)) = self.kernel.signals.next() {
            match signal {
                SIGTERM | SIGINT => self.stop(),
                SIGHUP => {
                    self.report.log.reopen();
                    self.renew_key();
                }
                SIGCHLD => {
                    if let Some(supervisor) = &mut self.scaler.supervisor
                        && let Some(death) = supervisor.handle_sigchld(self.now.at)
                        && self.stop_at.is_none()
                    {
                        self.report.metrics.note_scaler_end();
                        self.report.log.write(Level::Warning, Who::default(), death);
                    }
                }
                _ => {}
            }
        }
    }

    /// First signal: no new connections, pending answers are finished. Second signal: stop now. Connections already
    /// in the kernel's backlog are accepted and served.
    fn stop(&mut self) {
        if self.stop_at.is_some() {
            self.stop_at = Some(self.now.at);
            return;
        }
        self.report.log.write(Level::Info, Who::default(), "Deteniendo el servidor.");
        self.report.notifier.stopping();
        self.server.draining.set(true);
        self.stop_at = Some(self.now.at + STOP_TIME);
        for number in self.kernel.acceptor.numbers() {
            // Bounded: clients may connect faster than they are accepted.
            let mut turns = ACCEPT_TURNS_MAX;
            while self.accept(number) && turns > 0 {
                turns -= 1;
            }
        }
        self.kernel.acceptor.close(self.kernel.poll.registry());
        let keys: Vec<Key> = self.clients.iter().map(|(key, _)| key).collect();
        for key in keys {
            if let Some(client) = self.clients.get_mut(key) {
                client.connection.handle_drain(self.now);
                self.queue_client(key);
            }
        }
    }
}
