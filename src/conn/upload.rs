//! A body on its way in: from framing to picture.
//!
//! Bytes come as slices straight from the socket's buffer; kept bytes are charged to the reservation before they are
//! stored. There are three sinks: the body is the picture, the body is a form, or the body is discarded so that the
//! connection can be kept for the next request.
use std::time::Instant;

use uuid::Uuid;

use super::problem::HttpProblem;
use crate::http::body::{BodyDecoder, BodyEvent};
use crate::http::form::Form;
use crate::http::head::Framing;
use crate::http::image_end::ImageEnd;
use crate::http::reply::Reply;
use crate::model::admission::Reservation;
use crate::model::file::FileRequest;
use crate::model::links::LinkRequest;
use crate::model::server_state::{Figures, ServerState};
use crate::model::store::Ask;

/// A body that is being received.
#[derive(Debug)]
pub struct Upload {
    framing: Delimiter,
    sink: BodySink,
    reservation: Reservation,
    /// When the stretch began in which the peer has to show that it keeps the pace.
    since: Instant,
    /// Body bytes so far, framing not counted.
    received: u64,
    /// `received` when the stretch began. Invariant: at most `received`.
    before: u64,
    /// Body bytes that the head announced; 0 if it did not say.
    announced: u64,
}

/// Once so many bytes of a picture are there, memory for the announced length is reserved at once: growing step by step
/// would copy megabytes on the loop. Before that an announcement reserves nothing.
const BELIEVED_FROM: usize = 256 << 10;

/// How the end of the body is known.
#[derive(Debug)]
enum Delimiter {
    Http(BodyDecoder),
    /// Netcat mode: by the picture's own end, or the peer's half-close.
    Picture(ImageEnd),
}

/// Where the bytes go.
#[derive(Debug)]
pub enum BodySink {
    /// The body is the picture.
    Raw(Vec<u8>),
    /// `multipart/form-data`.
    Form(Box<Form>),
    /// Discarded: then this is done, after at most this many more bytes.
    Discard(Box<EarlyReply>, u64),
}

/// What a request gets, where that is known from its head alone.
#[derive(Debug)]
pub enum EarlyReply {
    /// This answer.
    Reply(Reply),
    /// The result of looking at a file.
    File(FileRequest),
    /// What is found out about this task.
    Task(Uuid),
    /// The result of looking at a link.
    Linked(LinkRequest),
    /// What the bank has.
    Bank(Ask),
    /// Figures of the server's own.
    Metrics(Figures),
}

/// What a slice of input led to.
#[derive(Debug)]
pub enum Progress {
    /// The body goes on.
    More,
    /// The body is complete.
    Complete,
    /// Refused; the rest of the body is still to come, if its framing holds at all.
    Refused(HttpProblem),
    /// What was known from the start can't wait for so long a body.
    TooLongToDiscard(Box<EarlyReply>),
}

/// A complete upload.
#[derive(Debug)]
pub enum Received {
    /// A picture, and the fields that came with it.
    Picture {
        /// The file.
        picture: Vec<u8>,
        /// Fields of the form.
        fields: Vec<(String, Vec<u8>)>,
        /// Holds the picture's bytes.
        reservation: Reservation,
    },
    /// Nothing was kept: this comes next.
    Discarded(Box<EarlyReply>),
}

impl Upload {
    /// The body of an HTTP request.
    #[must_use]
    pub fn http(framing: Framing, sink: BodySink, reservation: Reservation, now: Instant) -> Self {
        let announced = if let Framing::Length(length) = framing { length } else { 0 };
        let framing = Delimiter::Http(BodyDecoder::new(framing));
        Self { framing, sink, reservation, since: now, received: 0, before: 0, announced }
    }

    /// A picture that comes without HTTP.
    #[must_use]
    pub fn picture(end: ImageEnd, reservation: Reservation, now: Instant) -> Self {
        let (framing, sink) = (Delimiter::Picture(end), BodySink::Raw(Vec::new()));
        Self { framing, sink, reservation, since: now, received: 0, before: 0, announced: 0 }
    }

    /// Takes input; says how many of its bytes belong to this body.
    pub fn push(&mut self, input: &[u8], server: &ServerState) -> (usize, Progress) {
        let mut used = 0;
        loop {
            let data = match &mut self.framing {
                Delimiter::Http(body) => match body.decode(&input[used..]) {
                    Ok((n, BodyEvent::Data(data))) => {
                        used += n;
                        data
                    }
                    Ok((n, BodyEvent::NeedMore)) => return (used + n, Progress::More),
                    Ok((n, BodyEvent::Done)) => return (used + n, Progress::Complete),
                    Err(error) => return (input.len(), Progress::Refused(HttpProblem::Body(error))),
                },
                Delimiter::Picture(end) => {
                    let rest = &input[used..];
                    if rest.is_empty() {
                        return (used, Progress::More);
                    }
                    match end.push(rest) {
                        Ok(Some(n)) => {
                            return match self.keep(&rest[..n], server) {
                                Progress::More => (used + n, Progress::Complete),
                                refused => (used + n, refused),
                            };
                        }
                        // Where the picture's end can't be told, its decoder or the half-close will.
                        Ok(None) | Err(_) => {
                            used = input.len();
                            rest
                        }
                    }
                }
            };
            match self.keep(data, server) {
                Progress::More => {}
                refused => return (used, refused),
            }
        }
    }

    fn keep(&mut self, data: &[u8], server: &ServerState) -> Progress {
        self.received = self.received.saturating_add(data.len() as u64);
        let body_max = server.limits.body_max;
        if self.received > body_max {
            return Progress::Refused(HttpProblem::BodyTooLong { max: body_max, received: self.received });
        }
        if let BodySink::Discard(known, left) = &mut self.sink {
            return match left.checked_sub(data.len() as u64) {
                Some(less) => {
                    *left = less;
                    Progress::More
                }
                None => {
                    let nothing = Box::new(EarlyReply::Reply(Reply::empty(500)));
                    Progress::TooLongToDiscard(std::mem::replace(known, nothing))
                }
            };
        }
        if self.reservation.charge(data.len() as u64).is_err() {
            return Progress::Refused(server.memory_full(self.received));
        }
        match &mut self.sink {
            BodySink::Raw(picture) => {
                if picture.len() >= BELIEVED_FROM && picture.capacity() - picture.len() < data.len() {
                    let rest = self.announced.min(body_max).saturating_sub(picture.len() as u64);
                    // If that memory can't be had, the buffer grows as bytes come.
                    let _ = picture.try_reserve_exact(usize::try_from(rest).unwrap_or_default());
                }
                picture.extend_from_slice(data);
            }
            BodySink::Form(form) => {
                if let Err(error) = form.push(data) {
                    return Progress::Refused(HttpProblem::Form(error));
                }
            }
            BodySink::Discard(..) => {}
        }
        Progress::More
    }

    /// The peer half-closed: a picture without HTTP ends here, a request is cut off.
    pub fn handle_eof(&mut self) -> Progress {
        match &self.framing {
            Delimiter::Picture(_) => Progress::Complete,
            Delimiter::Http(_) => Progress::Refused(HttpProblem::Truncated),
        }
    }

    /// What came, once complete.
    ///
    /// # Errors
    /// A form that is malformed, or has no picture in it.
    pub fn finish(self) -> Result<Received, HttpProblem> {
        let mut reservation = self.reservation;
        let (picture, fields) = match self.sink {
            BodySink::Discard(known, _) => return Ok(Received::Discarded(known)),
            BodySink::Raw(picture) => (picture, Vec::new()),
            BodySink::Form(form) => {
                let upload = form.finish().map_err(HttpProblem::Form)?;
                let picture = upload.picture.ok_or(HttpProblem::NoPicture(upload.names_seen))?;
                if let Some((name, meant)) = upload.misspelt {
                    return Err(HttpProblem::UnknownParameter { name, meant });
                }
                reservation.shrink_to(picture.len() as u64);
                (picture, upload.fields)
            }
        };
        Ok(Received::Picture { picture, fields, reservation })
    }

    /// When the pace is checked next. Received bytes do not move it.
    #[must_use]
    pub fn due(&self, server: &ServerState) -> Instant {
        self.since + server.limits.body_stretch
    }

    /// Ends a stretch; the next one begins if enough bytes came in it. Bytes before it do not count, so that a quick
    /// beginning does not pay for hours in which a body takes room.
    ///
    /// # Errors
    /// The peer has been too slow.
    pub fn keep_pace(&mut self, server: &ServerState, now: Instant) -> Result<(), HttpProblem> {
        let (time, rate) = (server.limits.body_stretch, server.limits.body_rate);
        let came = self.received.saturating_sub(self.before);
        if came < rate.saturating_mul(time.as_secs()) {
            return Err(HttpProblem::Slow { time, rate: Some(rate), received: came, took: now - self.since });
        }
        (self.since, self.before) = (now, self.received);
        Ok(())
    }

    /// Body bytes so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }
}
