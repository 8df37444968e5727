//! The JSON of `GET /panel.json`: the figures and defaults that the page shows, in half a kB.
//!
//! `[now, max]` for what has a limit, `[seconds, times]` for each stage that was used since the start.
//! [`page`](super::page) has the full figures.
use serde_json::{Map, json};

use super::{Gauges, Metrics, STAGES};
use crate::model::server_state::Limits;

impl Metrics {
    /// The document, in one line.
    #[must_use]
    pub fn panel(&self, gauges: &Gauges, limits: &Limits) -> String {
        let stages: Map<_, _> = STAGES
            .iter()
            .zip(&self.stages)
            .map(|(stage, histogram)| {
                ((*stage).to_owned(), histogram.sum, histogram.counts.iter().sum::<u64>())
            })
            .filter(|(.., times)| *times > 0)
            .map(|(stage, sum, times)| (stage, json!([sum, times])))
            .collect();
        let panel = json!({
            "escala": limits.factor,
            "max_cuerpo": limits.body_max,
            "listo": gauges.ready,
            "cola": [gauges.places.0, gauges.places.1],
            "hilos": [gauges.workers.0, gauges.workers.1],
            "conexiones": [gauges.connections.0, gauges.connections.1],
            "memoria": gauges.process.resident,
            "etapas": stages,
        });
        format!("{panel}\n")
    }
}
