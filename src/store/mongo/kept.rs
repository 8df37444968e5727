//! How the values of a task are written in documents, and read back without trusting them.
use std::time::SystemTime;

use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Document};
use uuid::Uuid;

use super::error::MongoError;
use crate::http::format::Format;
use crate::model::image::Encoding;
use crate::model::transform::{Size, Transform};

/// As documents of tasks are called.
pub(super) fn name(id: Uuid) -> String {
    id.as_hyphenated().to_string()
}

/// Milliseconds since 1970.
pub(super) fn date(at: SystemTime) -> DateTime {
    DateTime::from_system_time(at)
}

/// A count of bytes; no file has more than an i64 can hold.
pub(super) fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Bytes.
pub(super) fn binary(bytes: Vec<u8>) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes }
}

/// A document that is to be read.
pub(super) struct KeptDocument<'a>(pub(super) &'a Document);

impl<'a> KeptDocument<'a> {
    pub(super) fn text(&self, field: &str) -> Result<&'a str, MongoError> {
        self.0.get_str(field).map_err(|_| MongoError::Strange)
    }

    /// None if it has no such field.
    pub(super) fn maybe_text(&self, field: &str) -> Result<Option<&'a str>, MongoError> {
        self.has(field).then(|| self.text(field)).transpose()
    }

    /// A whole number, however it is kept: people with programs of their own write it as another type.
    pub(super) fn number<N: TryFrom<i64>>(&self, field: &str) -> Result<N, MongoError> {
        let number = match self.0.get(field) {
            Some(Bson::Int32(number)) => Some(i64::from(*number)),
            Some(Bson::Int64(number)) => Some(*number),
            _ => None,
        };
        number.and_then(|number| N::try_from(number).ok()).ok_or(MongoError::Strange)
    }

    /// None if it has no such field.
    pub(super) fn maybe_number<N: TryFrom<i64>>(&self, field: &str) -> Result<Option<N>, MongoError> {
        self.has(field).then(|| self.number(field)).transpose()
    }

    pub(super) fn time(&self, field: &str) -> Result<SystemTime, MongoError> {
        let date = self.0.get_datetime(field).map_err(|_| MongoError::Strange)?;
        // Beyond what the clock can tell.
        let is_sane = (0..=1 << 53).contains(&date.timestamp_millis());
        if is_sane { Ok(date.to_system_time()) } else { Err(MongoError::Strange) }
    }

    pub(super) fn maybe_time(&self, field: &str) -> Result<Option<SystemTime>, MongoError> {
        self.has(field).then(|| self.time(field)).transpose()
    }

    pub(super) fn id(&self, field: &str) -> Result<Uuid, MongoError> {
        Uuid::try_parse(self.text(field)?).map_err(|_| MongoError::Strange)
    }

    pub(super) fn format(&self, field: &str) -> Result<Format, MongoError> {
        Format::from_parameter(self.text(field)?).ok_or(MongoError::Strange)
    }

    pub(super) fn texts(&self, field: &str) -> Result<Vec<String>, MongoError> {
        let texts = self.0.get_array(field).map_err(|_| MongoError::Strange)?;
        texts.iter().map(|text| text.as_str().map(str::to_owned).ok_or(MongoError::Strange)).collect()
    }

    /// What is to be done with a picture: its canonical text, or what an older server wrote.
    pub(super) fn transform(&self, field: &str) -> Result<Transform, MongoError> {
        if let Ok(text) = self.0.get_str(field) {
            return Transform::parse(text).ok_or(MongoError::Strange);
        }
        let transform = KeptDocument(self.0.get_document(field).map_err(|_| MongoError::Strange)?);
        let factor = transform.0.get_f64("factor").map_err(|_| MongoError::Strange)?;
        let colour = transform.0.get_array("fondo").map_err(|_| MongoError::Strange)?;
        let part = |at| colour.get(at).and_then(Bson::as_i32).and_then(|part| u8::try_from(part).ok());
        let [Some(red), Some(green), Some(blue)] = [part(0), part(1), part(2)] else {
            return Err(MongoError::Strange);
        };
        let (format, quality) = (transform.format("formato")?, transform.number("calidad")?);
        let encoding = Encoding { format, quality, background: [red, green, blue] };
        Ok(Transform { size: Size::Factor(factor), encoding })
    }

    fn has(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }
}
