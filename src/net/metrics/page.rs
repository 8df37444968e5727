//! Counters and levels in Prometheus's text format, version 0.0.4.
//!
//! Each family is described first (`HELP`, `TYPE`), followed by its samples. Every label value is a word of a list in
//! this program, so none needs an escape; a test checks that of the version.
use std::fmt::{Display, Write};
use std::time::UNIX_EPOCH;

use scaler::exit_stats::Cause;

use super::{BOUNDS, Gauges, Histogram, Metrics, STAGES};
use crate::model::server_state::ServerPart;
use crate::store::StoreSizes;

struct MetricsPage(String);

type Label<'a> = (&'static str, &'a str);

impl MetricsPage {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &[Label<'_>], value: impl Display) {
        self.labelled(name, "", labels, value);
    }

    /// A family of one sample.
    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    /// The same, if there is a value.
    fn gauge_if(&mut self, name: &str, help: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.gauge(name, help, value);
        }
    }

    /// The samples of one histogram; its buckets are cumulative.
    fn histogram(&mut self, name: &str, label: Label<'_>, histogram: &Histogram) {
        let mut count = 0;
        let bounds = BOUNDS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        for (bound, of_bucket) in bounds.zip(histogram.counts) {
            count += of_bucket;
            self.labelled(name, "_bucket", &[label, ("le", &bound)], count);
        }
        self.labelled(name, "_sum", &[label], histogram.sum);
        self.labelled(name, "_count", &[label], count);
    }

    fn labelled(&mut self, name: &str, suffix: &str, labels: &[Label<'_>], value: impl Display) {
        self.line(format_args!("{name}{suffix}"));
        for (number, (label, text)) in labels.iter().enumerate() {
            let before = if number == 0 { '{' } else { ',' };
            self.line(format_args!("{before}{label}=\"{text}\""));
        }
        let after = if labels.is_empty() { "" } else { "}" };
        self.line(format_args!("{after} {value}\n"));
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String does not fail.
        let _ = self.0.write_fmt(text);
    }
}

impl Metrics {
    /// The page.
    #[must_use]
    pub fn page(&self, gauges: &Gauges) -> String {
        let mut page = MetricsPage(String::with_capacity(32 << 10));
        self.write_requests(&mut page);
        self.write_work(&mut page, gauges);
        self.write_scaler(&mut page, gauges);
        Self::write_kept(&mut page, gauges);
        write_process(&mut page, gauges);
        page.0
    }

    fn write_requests(&self, page: &mut MetricsPage) {
        let name = "http_requests_total";
        page.family(name, "counter", "Requests answered, by route (never the path), method and status.");
        for ((route, method, code), count) in &self.requests {
            let code = code.to_string();
            page.sample(name, &[("route", route), ("method", method), ("code", &code)], count);
        }
        let name = "http_request_duration_seconds";
        page.family(name, "histogram", "From the head's arrival to the last byte of the answer.");
        for (route, histogram) in &self.durations {
            page.histogram(name, ("route", route), histogram);
        }
        let name = "tp2_rejected_total";
        page.family(name, "counter", "Requests refused, by the last word of the problem's type.");
        for (reason, count) in &self.rejected {
            page.sample(name, &[("reason", reason)], count);
        }
        page.counter("tp2_received_bytes_total", "Bytes read from clients.", self.traffic.received);
        page.counter("tp2_sent_bytes_total", "Bytes written to clients.", self.traffic.sent);
        page.counter("tp2_connections_accepted_total", "Client connections taken on.", self.accepted);
        let help = "Clients turned away because of --conexiones-por-ip.";
        page.counter("tp2_connections_turned_away_total", help, self.turned_away);
    }

    fn write_work(&self, page: &mut MetricsPage, gauges: &Gauges) {
        let name = "tp2_stage_seconds";
        page.family(name, "histogram", "Where the time of a picture goes.");
        for (stage, histogram) in STAGES.iter().zip(&self.stages) {
            page.histogram(name, ("stage", stage), histogram);
        }
        for (name, help, (used, max)) in [
            ("tp2_connections", "Client connections", wide(gauges.connections)),
            ("tp2_queue_places", "Pictures waiting or in work for clients that wait", wide(gauges.places)),
            ("tp2_memory_bytes", "Memory charged to uploads and pictures", gauges.memory),
        ] {
            page.gauge(name, &format!("{help}."), used);
            page.gauge(&format!("{name}_max"), &format!("{help}, at most."), max);
        }
        page.gauge("tp2_workers", "Worker threads, those for quick jobs among them.", gauges.workers.1);
        page.gauge("tp2_workers_busy", "Worker threads with a job in hand.", gauges.workers.0);
        let (replaced, replaced_max) = gauges.workers_replaced;
        let help = "Worker threads that did not come back after --plazo and were replaced.";
        page.counter("tp2_workers_replaced_total", help, replaced);
        page.gauge("tp2_workers_replaced_max", "The same, at most.", replaced_max);
        let help = "Worker threads that were replaced and have not come back yet.";
        page.gauge("tp2_workers_lost", help, gauges.workers_lost);
        page.gauge("tp2_tasks_in_work", "Tasks in this process's memory.", gauges.tasks_in_work);
        if let Some(counts) = gauges.tasks {
            page.family("tp2_tasks", "gauge", "Tasks in the store by state, counted lately.");
            for (state, count) in counts {
                page.sample("tp2_tasks", &[("state", state.word())], count);
            }
        }
        page.gauge("tp2_ready", "1 if /readyz answers 200.", u8::from(gauges.ready));
        let name = "tp2_probes_missed_total";
        page.family(
            name,
            "counter",
            "Pictures of its own that did not come back in time, by where they stuck.",
        );
        for part in ServerPart::ALL {
            page.sample(name, &[("part", part.word())], self.probes_missed[part as usize]);
        }
    }

    fn write_kept(page: &mut MetricsPage, gauges: &Gauges) {
        let StoreSizes { results, faces, disk } = gauges.store;
        page.gauge_if("tp2_results_bytes", "Results of tasks that are kept.", results);
        page.gauge_if("tp2_bank_faces", "Faces in all folders of the bank.", faces);
        page.gauge_if("tp2_store_disk_bytes", "The store's file and its log.", disk);
        page.gauge_if("tp2_links_bytes", "Pictures in the folder of links.", gauges.links.0);
        page.gauge("tp2_links_bytes_max", "Pictures in the folder of links, at most.", gauges.links.1);
    }

    fn write_scaler(&self, page: &mut MetricsPage, gauges: &Gauges) {
        let help = "Open connections to the scaler.";
        page.gauge("tp2_scaler_connections", help, gauges.scaler_connections);
        page.gauge("tp2_scaler_waiting", "Pictures that wait for one.", gauges.scaler_waiting);
        if gauges.scaler_is_own {
            let name = "tp2_scaler_children_total";
            page.family(name, "counter", "Children of the own scaler that have ended, by cause.");
            for cause in Cause::ALL {
                page.sample(name, &[("cause", cause.word())], self.children[cause as usize]);
            }
            page.counter("tp2_scaler_ends_total", "Ends of the own scaler itself.", self.scaler_ends);
        }
    }
}

fn write_process(page: &mut MetricsPage, gauges: &Gauges) {
    let help = "Log lines that nobody read in time.";
    page.counter("tp2_log_lines_lost_total", help, gauges.log_lines_lost);
    let process = &gauges.process;
    let began_at = process.began_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    page.gauge("process_start_time_seconds", "When the server began, Unix time.", began_at);
    let cpu = process.cpu.as_secs_f64();
    page.counter("process_cpu_seconds_total", "Processor time of tp2, without its scaler.", cpu);
    page.gauge_if("process_open_fds", "Open descriptors.", process.open_fds);
    page.gauge_if("process_max_fds", "Most descriptors.", process.max_fds);
    page.gauge_if("process_resident_memory_bytes", "Memory of tp2, without its scaler.", process.resident);
    page.gauge_if("process_virtual_memory_bytes", "Address space.", process.virtual_memory);
    page.gauge_if("process_threads", "Threads.", process.threads);
    page.family("tp2_build_info", "gauge", "Always 1.");
    page.sample("tp2_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
}

fn wide((used, max): (usize, usize)) -> (u64, u64) {
    (used as u64, max as u64)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::model::log_event::{EventKind, MetricLabels};
    use crate::model::task::TaskState;
    use crate::net::metrics::Process;

    fn gauges() -> Gauges {
        let counts =
            [TaskState::Pending, TaskState::Running, TaskState::Done, TaskState::Failed, TaskState::Expired];
        Gauges {
            connections: (1, 10),
            places: (2, 32),
            memory: (3, 4096),
            workers: (1, 2),
            workers_replaced: (3, 4),
            workers_lost: 1,
            scaler_connections: 3,
            scaler_waiting: 0,
            scaler_is_own: true,
            tasks_in_work: 4,
            tasks: Some(counts.map(|state| (state, 7))),
            store: StoreSizes { results: Some(8), faces: None, disk: Some(9) },
            links: (None, 10),
            ready: true,
            log_lines_lost: 0,
            process: Process::look(SystemTime::now()),
        }
    }

    #[test]
    fn what_is_kept_is_told_as_far_as_it_is_known() {
        let page = Metrics::default().page(&gauges());
        for line in ["\ntp2_results_bytes 8\n", "\ntp2_store_disk_bytes 9\n", "\ntp2_links_bytes_max 10\n"] {
            assert!(page.contains(line), "{line}");
        }
        assert!(!page.contains("tp2_bank_faces") && !page.contains("tp2_links_bytes "));
    }

    fn answered(status: u16, refused: Option<&'static str>) -> EventKind {
        let took = Duration::from_millis(20);
        EventKind::Answered {
            shown: "POST /\"{}\\\n".into(),
            status,
            received: 1,
            sent: 2,
            took,
            writing: took,
            labels: MetricLabels { route: "process", method: "POST", refused },
            cut: None,
            is_health_check: false,
            note: None,
        }
    }

    #[test]
    fn answers_are_counted_by_what_they_are() {
        let mut metrics = Metrics::default();
        metrics.note(&EventKind::Connected);
        for what in [answered(200, None), answered(200, None), answered(503, Some("cola-llena"))] {
            metrics.note(&what);
        }
        metrics.note_child(Cause::Memory);
        metrics.traffic.sent = 99;
        let page = metrics.page(&gauges());
        for line in [
            "http_requests_total{route=\"process\",method=\"POST\",code=\"200\"} 2",
            "http_requests_total{route=\"process\",method=\"POST\",code=\"503\"} 1",
            "tp2_rejected_total{reason=\"cola-llena\"} 1",
            "http_request_duration_seconds_bucket{route=\"process\",le=\"0.01\"} 0",
            "http_request_duration_seconds_bucket{route=\"process\",le=\"0.025\"} 3",
            "http_request_duration_seconds_bucket{route=\"process\",le=\"+Inf\"} 3",
            "http_request_duration_seconds_count{route=\"process\"} 3",
            "tp2_stage_seconds_count{stage=\"write\"} 3",
            "tp2_stage_seconds_count{stage=\"decode\"} 0",
            "tp2_scaler_children_total{cause=\"memory\"} 1",
            "tp2_queue_places 2",
            "tp2_queue_places_max 32",
            "tp2_tasks{state=\"En progreso\"} 7",
            "tp2_sent_bytes_total 99",
            "tp2_connections_accepted_total 1",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }

    /// Every line has the format's syntax, and every family is described once, before its samples.
    #[test]
    fn the_page_is_well_formed() {
        let mut metrics = Metrics::default();
        metrics.note(&answered(200, None));
        let page = metrics.page(&gauges());
        assert!(page.ends_with('\n'));
        let mut families: Vec<&str> = Vec::new();
        for line in page.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let name = rest.split(' ').next().unwrap();
                assert!(!families.contains(&name), "{name} twice");
                families.push(name);
            } else if !line.starts_with("# HELP ") {
                let (name, value) = line.rsplit_once(' ').unwrap();
                assert!(value.parse::<f64>().unwrap().is_finite(), "{line}");
                let bare = name.split('{').next().unwrap();
                assert!(bare.starts_with(families.last().unwrap()), "{line}");
                assert!(!name.contains('\\') && name.matches('"').count() % 2 == 0, "{line}");
            }
        }
        assert!(families.len() > 30, "{families:?}");
    }

    #[test]
    fn what_is_not_known_is_not_told() {
        let mut gauges = gauges();
        (gauges.tasks, gauges.scaler_is_own, gauges.process.resident) = (None, false, None);
        let page = Metrics::default().page(&gauges);
        for name in ["tp2_tasks{", "tp2_scaler_children_total", "process_resident_memory_bytes"] {
            assert!(!page.contains(name), "{name}");
        }
    }
}
