//! Which limit an error comes from: its name, its value, what was received, and the option that changes it.
use serde_json::{Value, json};

use super::words::{seconds, shortened};
use super::{HttpProblem, LimitsInForce};
use crate::http::limit;
use crate::model::error::WorkError;

/// The members that an error from a limit has.
pub(super) struct PassedLimit {
    pub(super) name: &'static str,
    pub(super) max: Value,
    pub(super) received: Value,
    pub(super) option: Option<&'static str>,
}

impl From<limit::Limit> for PassedLimit {
    fn from(limit: limit::Limit) -> Self {
        let limit::Limit { name, max, received } = limit;
        Self { name, max: max.into(), received: received.into(), option: None }
    }
}

impl HttpProblem {
    pub(super) fn limit(&self) -> Option<PassedLimit> {
        let limit =
            |name, max: Value, received: Value, option| Some(PassedLimit { name, max, received, option });
        match self {
            Self::Head(error) => error.limit().map(PassedLimit::from),
            Self::Body(error) => error.limit().map(PassedLimit::from),
            Self::Form(error) => error.limit().map(PassedLimit::from),
            Self::BodyTooLong { max, received } => {
                limit("cuerpo", json!(max), json!(received), Some("--max-cuerpo"))
            }
            Self::ListTooLong { max, received } => limit("lista", json!(max), json!(received), None),
            Self::QueueFull { max, in_hand, .. } => limit("cola", json!(max), json!(in_hand), Some("--cola")),
            Self::Crowded { max } => {
                limit("conexiones", json!(max), json!(max + 1), Some("--conexiones-por-ip"))
            }
            Self::MemoryFull { max, received, .. } => {
                limit("memoria", json!(max), json!(received), Some("--memoria"))
            }
            Self::Slow { time, received, .. } => {
                limit("tiempo", json!(time.as_secs()), json!(received), None)
            }
            Self::Late { deadline, took } => {
                limit("plazo", json!(deadline.as_secs()), json!(seconds(*took)), Some("--plazo"))
            }
            Self::Parameter { value, range: Some((name, bounds)), .. } => {
                limit(name, json!(bounds), json!(shortened(value)), None)
            }
            Self::Failed { failure, limits } => match failure {
                WorkError::FileTooLong { length } => {
                    limit("archivo", json!(limits.body_max), json!(length), Some("--max-cuerpo"))
                }
                WorkError::TooManyPixels { width, height } | WorkError::ResultTooLarge { width, height } => {
                    match limits.passed_by(*width, *height) {
                        Some(Passed::Side(side)) => limit("lado", json!(limits.side_max), json!(side), None),
                        Some(Passed::Pixels(pixels)) => {
                            limit("píxeles", json!(limits.pixels_max), json!(pixels), Some("--max-pixeles"))
                        }
                        None => None,
                    }
                }
                WorkError::ResultTooLong { length } => {
                    limit("resultado", json!(limits.result_max), json!(length), Some("--retencion-espacio"))
                }
                WorkError::LinksFull { max, held } => {
                    limit("enlaces", json!(max), json!(held), Some("--enlaces-espacio"))
                }
                WorkError::TooMuchMemory { needed } => {
                    limit("memoria", json!(limits.memory_max), json!(needed), Some("--memoria"))
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// The part of a size that passes a limit.
pub(super) enum Passed {
    /// Its longer side, in pixels.
    Side(u64),
    /// Its area, in pixels.
    Pixels(u64),
}

impl LimitsInForce {
    /// Which limit a size passes; None if only its format can't hold it.
    pub(super) fn passed_by(&self, width: u64, height: u64) -> Option<Passed> {
        let (side, pixels) = (width.max(height), width.saturating_mul(height));
        if side > u64::from(self.side_max) {
            Some(Passed::Side(side))
        } else {
            (pixels > self.pixels_max).then_some(Passed::Pixels(pixels))
        }
    }
}
