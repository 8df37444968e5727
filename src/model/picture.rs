//! The result of a run: a picture, and how long it took to make.
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::admission::Reservation;
use super::file::Variant;
use crate::http::format::Format;

/// What a browser may do with a picture that it shows by itself: nothing but style it.
pub const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// The result of a run.
#[derive(Debug)]
pub struct Picture {
    /// The file.
    pub file: Bytes,
    /// Its format.
    pub format: Format,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Of which file it was made, and how; None for an upload.
    pub variant: Option<Variant>,
    /// Holds the file's bytes until the last holder drops the picture.
    pub reservation: Reservation,
}

/// What the bytes of an answer are charged to while they wait to be sent.
#[derive(Debug, Default)]
pub enum Held {
    /// There are none to speak of.
    #[default]
    Nothing,
    /// The picture's own reservation, which others may hold as well.
    Picture(Arc<Picture>),
    /// A reservation that others may hold as well.
    Shared(Arc<Reservation>),
    /// A reservation of this answer's own.
    Bytes(Reservation),
}

impl Held {
    /// The reservation, if nothing else holds it any more; a picture's bytes are the answer's alone then.
    pub fn sole(&mut self) -> Option<&mut Reservation> {
        match self {
            Self::Nothing => None,
            Self::Picture(picture) => {
                let picture = Arc::get_mut(picture)?;
                picture.file = Bytes::new();
                Some(&mut picture.reservation)
            }
            Self::Shared(reservation) => Arc::get_mut(reservation),
            Self::Bytes(reservation) => Some(reservation),
        }
    }
}

/// Where the time of a run went; None for a step that it did not take.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// From the request's head to the last byte of its body.
    pub read: Option<Duration>,
    /// Looking at a file, and reading it if that was not all.
    pub open: Option<Duration>,
    /// Waiting for a turn, over all steps.
    pub queue: Duration,
    /// Decoding to gray.
    pub decode: Option<Duration>,
    /// Scaling, both ways over the socket included.
    pub scale: Option<Duration>,
    /// Writing the file.
    pub encode: Option<Duration>,
    /// Storing it for good.
    pub keep: Option<Duration>,
}

impl Times {
    /// Decoding, scaling, encoding; None if the picture did not have to be made.
    #[must_use]
    pub fn work(&self) -> Option<Duration> {
        Some(self.decode? + self.scale? + self.encode?)
    }

    /// The value of `Server-Timing`, in milliseconds (W3C Server Timing, section 3).
    #[must_use]
    pub fn field(&self) -> String {
        let steps = [
            ("read", self.read),
            ("queue", Some(self.queue)),
            ("open", self.open),
            ("decode", self.decode),
            ("scale", self.scale),
            ("encode", self.encode),
            ("keep", self.keep),
        ];
        let taken = steps.into_iter().filter_map(|(name, time)| Some((name, time?)));
        let figures = taken.map(|(name, time)| format!("{name};dur={:.1}", time.as_secs_f64() * 1000.0));
        figures.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_steps_that_were_taken_are_told() {
        let times = Times { queue: Duration::from_micros(1250), ..Times::default() };
        assert_eq!((times.field().as_str(), times.work()), ("queue;dur=1.2", None));
        let step = Some(Duration::from_millis(2));
        let times = Times { read: step, decode: step, scale: step, encode: step, ..times };
        assert_eq!(
            times.field(),
            "read;dur=2.0, queue;dur=1.2, decode;dur=2.0, scale;dur=2.0, encode;dur=2.0"
        );
        assert_eq!(times.work(), Some(Duration::from_millis(6)));
    }
}
