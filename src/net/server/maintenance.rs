//! The loop's periodic work: self-test pictures, stuck threads, the service manager's watchdog, returning memory to
//! the system, and the figures.
use std::time::{Duration, Instant};

use bytes::Bytes;
use scaler::sys;

use super::{Server, Source};
use crate::log::Who;
use crate::model::job::Completion;
use crate::model::log_event::Level;
use crate::model::server_state::{Figures, ServerPart};
use crate::net::metrics::{Gauges, Process};
use crate::work::self_test::Sign;
use crate::work::timers::Armed;
use crate::workers::{GRACE, Loss};

/// While jobs are at the workers, the loop checks this often whether one is overdue.
const LOOK_TIME: Duration = Duration::from_secs(1);
/// A connection to the scaler that was unused for so long is closed.
const CONNECTION_REST: Duration = Duration::from_secs(10);
/// Idle for so long, the server returns the allocator's free memory.
const TRIM_AFTER: Duration = Duration::from_secs(1);
/// Under load, memory is returned once less than half of the peak is held, if the peak was at least this. Small
/// blocks freed among others would stay where they are, and later ones would be added on top. Not sooner than
/// [`TRIM_AFTER`] since the last time: returned memory has to be faulted in again.
const HIGH_WATER: u64 = 16 << 20;

/// Deadline of the first self-test picture from tp2's own scaler, or of a connection to one elsewhere; a missed
/// deadline is logged.
const FIRST_TRY: Duration = Duration::from_millis(900);

#[derive(Debug, Default)]
pub(super) struct Maintenance {
    pub(super) armed: Armed,
    alive_at: Option<Instant>,
    /// When to check for overdue threads; None while no job is out.
    look_at: Option<Instant>,
    /// When to return memory; None if nothing was done since the last time.
    trim_at: Option<Instant>,
    /// The most bytes that pictures held since then.
    high_water: u64,
    trimmed_at: Option<Instant>,
    first_try: FirstTry,
}

/// What is known of the scaler since the server began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum FirstTry {
    /// Nothing has been sent to it.
    #[default]
    Unsent,
    /// No result so far; logged at this moment.
    Pending(Instant),
    /// There is a connection to a scaler elsewhere.
    Connected,
    /// The failure was logged.
    Failed,
    /// A picture has come back.
    Passed,
}

impl Maintenance {
    /// Whether memory is to be returned now that pictures hold so many bytes.
    fn wants_trim(&mut self, held: u64, now: Instant) -> bool {
        self.high_water = self.high_water.max(held);
        let rests = held == 0 && self.trim_at.is_some_and(|at| now >= at);
        let trims = rests || self.fallen_at(held, now).is_some_and(|at| now >= at);
        if held > 0 {
            self.trim_at = Some(now + TRIM_AFTER);
        } else if trims {
            self.trim_at = None;
        }
        if trims {
            (self.high_water, self.trimmed_at) = (held, Some(now));
        }
        trims
    }

    /// When memory is to be returned because less is held than at the peak.
    fn fallen_at(&self, held: u64, now: Instant) -> Option<Instant> {
        let has_fallen = self.high_water >= HIGH_WATER && held < self.high_water / 2;
        has_fallen.then(|| self.trimmed_at.map_or(now, |at| at + TRIM_AFTER))
    }
}

impl Server {
    pub(super) fn announce(&mut self) {
        self.report.notifier.ready();
        self.upkeep.maintenance.alive_at =
            self.report.notifier.watchdog_interval().map(|interval| self.now.at + interval);
        self.upkeep.maintenance.first_try = FirstTry::Pending(self.now.at + FIRST_TRY);
    }

    pub(super) fn keep_up(&mut self) {
        let now = self.now.at;
        if self.stop_at.is_none() {
            let sign = self.upkeep.self_test.handle_timeout(&self.server, now);
            self.heed(sign);
        }
        if self.stop_at.is_none()
            && matches!(self.upkeep.maintenance.first_try, FirstTry::Pending(due) if now >= due)
        {
            if self.scaler.supervisor.is_none() && self.scaler.pool.is_connected(now) {
                self.upkeep.maintenance.first_try = FirstTry::Connected;
                let text = format_args!("Hay conexión con {}.", self.scaler_name());
                self.report.log.write(Level::Info, Who::default(), text);
            } else if self.scaler.supervisor.is_none() {
                self.first_try_failed(Level::Warning, "no hay conexión");
            } else if self.upkeep.self_test.is_at_scaler() {
                self.first_try_failed(Level::Warning, "una imagen de prueba no ha vuelto aún");
            } else {
                // It waits for a worker, so the scaler was not tested yet.
                self.upkeep.maintenance.first_try = FirstTry::Pending(now + FIRST_TRY);
            }
        }
        self.look_after_workers();
        if let Some(interval) = self.report.notifier.watchdog_interval()
            && self.upkeep.maintenance.alive_at.is_some_and(|at| now >= at)
        {
            // Without worker threads the server is useless: the manager restarts the process.
            if !self.server.worn_out.get() {
                self.report.notifier.alive();
            }
            self.upkeep.maintenance.alive_at = Some(now + interval);
        }
        let held = self.server.admission.bytes();
        if self.upkeep.maintenance.wants_trim(held, now) {
            // On the loop: it takes 1 ms as a rule and up to 20 beside photographs of 24 MP, yet with a thread of its
            // own for it `/healthz` took as long (p99 9 ms either way).
            self.work.buffers.clear();
            sys::trim_malloc();
        }
        let trim_at = self
            .upkeep
            .maintenance
            .trim_at
            .into_iter()
            .chain(self.upkeep.maintenance.fallen_at(held, now))
            .min();
        let probe_at = self.stop_at.is_none().then(|| self.upkeep.self_test.poll_timeout());
        let first_at = match self.upkeep.maintenance.first_try {
            FirstTry::Pending(due) => Some(due),
            FirstTry::Unsent | FirstTry::Connected | FirstTry::Failed | FirstTry::Passed => None,
        };
        let due =
            [probe_at, self.upkeep.maintenance.alive_at, self.upkeep.maintenance.look_at, trim_at, first_at]
                .into_iter()
                .flatten()
                .min();
        self.timers.arm(&mut self.upkeep.maintenance.armed, due, Source::Maintenance);
    }

    fn look_after_workers(&mut self) {
        let now = self.now.at;
        if self.work.outstanding.next_due().is_none() && self.work.workers.busy() == 0 {
            self.upkeep.maintenance.look_at = None;
            return;
        }
        if self.upkeep.maintenance.look_at.is_some_and(|at| now < at) {
            return;
        }
        self.upkeep.maintenance.look_at = Some(now + LOOK_TIME);
        for Loss { thread, id, format, replaced } in self.work.workers.replace_overdue(now) {
            let file = format.map_or_else(String::new, |format| format!(" ({})", format.name()));
            let (number, max) = self.work.workers.replaced();
            let text = if replaced {
                format!(
                    "El hilo {thread} no volvió {} s después de --plazo con esta imagen{file}; otro toma su lugar \
                     ({number} de {max}).",
                    GRACE.as_secs()
                )
            } else {
                format!(
                    "El hilo {thread} no volvió {} s después de --plazo con esta imagen{file}, y ya no se reemplaza \
                     ninguno ({number} de {max}): el servidor debe iniciarse de nuevo.",
                    GRACE.as_secs()
                )
            };
            self.report.log.write(Level::Error, Who { id: Some(id), ..Who::default() }, text);
        }
        self.server.worn_out.set(self.work.workers.is_worn_out());
    }

    /// The job of a self-test picture has come back.
    pub(super) fn handle_own(&mut self, done: Completion) {
        let failure = done.result.as_ref().err().map(ToString::to_string);
        let sign = self.upkeep.self_test.handle_done(done, self.now.at);
        if let Some(failure) = failure
            && matches!(self.upkeep.maintenance.first_try, FirstTry::Pending(_) | FirstTry::Connected)
        {
            self.first_try_failed(Level::Error, &failure);
        }
        self.heed(sign);
    }

    /// The scaler, or the way to it, does not work: logged at the start, before the first client meets it.
    fn first_try_failed(&mut self, level: Level, why: &str) {
        self.upkeep.maintenance.first_try = FirstTry::Failed;
        let text = format_args!("No responde {}: {why}. Se sigue intentando.", self.scaler_name());
        self.report.log.write(level, Who::default(), text);
    }

    fn first_try_passed(&mut self) {
        if std::mem::replace(&mut self.upkeep.maintenance.first_try, FirstTry::Passed) != FirstTry::Passed {
            let text = format_args!("Responde {}.", self.scaler_name());
            self.report.log.write(Level::Info, Who::default(), text);
        }
    }

    fn scaler_name(&self) -> String {
        match &self.scaler.supervisor {
            Some(_) => "el escalador propio".to_owned(),
            None => format!("el escalador de {}", self.scaler.pool.destination()),
        }
    }

    fn heed(&mut self, sign: Sign) {
        match sign {
            Sign::Nothing => {}
            Sign::Job(job) => self.dispatch(*job),
            Sign::Well(before) => {
                self.server.stuck.set(None);
                self.first_try_passed();
                if let Some(part) = before {
                    let text = format_args!("{} de nuevo.", subject(part));
                    self.report.log.write(Level::Warning, Who::default(), text);
                }
                let before = self.now.at.checked_sub(CONNECTION_REST).unwrap_or(self.now.at);
                self.scaler.pool.retire_idle(before, self.kernel.poll.registry());
            }
            Sign::Stuck { part, news, hopeless } => {
                self.server.stuck.set(Some(part));
                self.report.metrics.note_missed(part);
                if news {
                    let text = format_args!(
                        "No {}: una imagen de prueba no ha vuelto.",
                        subject(part).to_lowercase()
                    );
                    self.report.log.write(Level::Error, Who::default(), text);
                }
                if part == ServerPart::Scaler {
                    self.scaler.pool.abandon(self.upkeep.self_test.key(), self.kernel.poll.registry());
                }
                if hopeless && let Some(supervisor) = &mut self.scaler.supervisor {
                    supervisor.handle_unreachable(self.now.at);
                }
            }
        }
    }

    pub(super) fn figures(&self, wanted: Figures) -> Bytes {
        let admission = &self.server.admission;
        let (scaler_connections, scaler_waiting) = self.scaler.pool.load();
        let gauges = Gauges {
            connections: (self.clients.len(), self.kernel.acceptor.clients_max()),
            places: (admission.places(), admission.places_max()),
            memory: (admission.bytes(), admission.bytes_max()),
            workers: (self.work.workers.busy(), self.work.workers.threads()),
            workers_replaced: self.work.workers.replaced(),
            workers_lost: self.work.workers.lost(),
            scaler_connections,
            scaler_waiting,
            scaler_is_own: self.scaler.supervisor.is_some(),
            tasks_in_work: self.tasks.machine.in_work(),
            tasks: self.tasks.counts.counts(),
            store: self.tasks.sizes,
            links: self.work.links.space(),
            ready: self.server.unready().is_none(),
            log_lines_lost: self.report.log.lines_lost(),
            process: Process::look(self.report.began_at),
        };
        match wanted {
            Figures::Prometheus => self.report.metrics.page(&gauges),
            Figures::Panel => self.report.metrics.panel(&gauges, &self.server.limits),
        }
        .into()
    }
}

fn subject(part: ServerPart) -> &'static str {
    match part {
        ServerPart::Workers => "Responden los hilos de trabajo",
        ServerPart::Scaler => "Responde el escalador",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_at_rest_and_when_the_tide_falls() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut maintenance = Maintenance::default();
        assert!(!maintenance.wants_trim(0, start), "nothing was done");
        assert!(!maintenance.wants_trim(10, at(0)) && !maintenance.wants_trim(0, at(999)));
        assert!(maintenance.wants_trim(0, at(1000)));
        assert!(!maintenance.wants_trim(0, at(5000)), "once");
        let steps = [
            (5000, HIGH_WATER, false),
            (5000, HIGH_WATER / 2, false),
            (5000, HIGH_WATER / 2 - 1, true),
            (5100, HIGH_WATER, false),
            (5200, 1, false),
            (5999, 1, false),
            (6000, 1, true),
            (9000, HIGH_WATER - 1, false),
            (9000, 1, false),
        ];
        for (number, (time, held, trims)) in steps.into_iter().enumerate() {
            assert_eq!(maintenance.wants_trim(held, at(time)), trims, "step {number}");
        }
        assert!(!maintenance.wants_trim(0, at(9999)) && maintenance.wants_trim(0, at(10_000)));
        assert!(!maintenance.wants_trim(HIGH_WATER, at(10_100)) && !maintenance.wants_trim(1, at(10_200)));
        assert_eq!(maintenance.fallen_at(1, at(10_200)), Some(at(11_000)));
    }
}
