//! The incremental decoder of both directions: heads byte by byte, samples without a second copy.
//!
//! ```text
//! Head --(head complete, within the limits, buffer reserved)--> Samples --(last sample)--> Complete --take--> Head
//!   \--(anything wrong)--> Broken                                   an ERROR reply goes straight to Complete
//! ```
//!
//! Two ways to pass input: [`Decoder::push`] takes any slice; [`Decoder::bulk`] lends the sample buffer itself, so
//! that a large `read` can fill it. Neither goes past the end of the message. An error is permanent: after a framing
//! error the stream can't be decoded again.

use super::header::{self, Shape};
use super::{HEAD_MAX, Limits, Reply, Request, Target, WireError};
use crate::raster::{Channels, Raster};

/// Decodes whole requests. The scaler itself starts before a request is complete: [`crate::scaling`].
pub type RequestDecoder = Decoder<RequestHead>;
/// Decodes replies: the client's end.
pub type ReplyDecoder = Decoder<ReplyHead>;

/// Decodes the messages of one direction, one after another.
#[derive(Debug)]
pub struct Decoder<H: Head> {
    limits: Limits,
    /// Allocates sample buffers: an empty vector of at least that capacity, or `None` without memory.
    allocate: fn(usize) -> Option<Vec<u8>>,
    spare: Vec<u8>,
    phase: Phase<H>,
}

#[derive(Debug)]
enum Phase<H> {
    Head(HeadBytes),
    /// Invariant: `samples.capacity() >= total`.
    Samples {
        head: H,
        samples: Vec<u8>,
        total: usize,
    },
    Broken(WireError),
}

/// The sample buffer, lent with the samples received so far; append at most `missing` bytes.
#[derive(Debug)]
pub struct Bulk<'a> {
    /// Has the capacity for all missing bytes.
    pub samples: &'a mut Vec<u8>,
    /// Bytes between here and the end of the message, at least 1.
    pub missing: usize,
}

impl<H: Head> Decoder<H> {
    /// `allocate` makes the sample buffers: [`super::allocate`], or one that uses huge pages.
    #[must_use]
    pub fn new(limits: Limits, allocate: fn(usize) -> Option<Vec<u8>>) -> Self {
        Self { limits, allocate, spare: Vec::new(), phase: Phase::Head(HeadBytes::default()) }
    }

    /// Takes the bytes of this message; returns how many. It consumes nothing once the message is complete: `take` it
    /// first.
    ///
    /// # Errors
    /// The input breaks the protocol or a limit; the same error again on every later call.
    pub fn push(&mut self, input: &[u8]) -> Result<usize, WireError> {
        let in_head = match self.push_head(input) {
            Ok(consumed) => consumed,
            Err(error) => {
                self.phase = Phase::Broken(error);
                return Err(error);
            }
        };
        let rest = &input[in_head..];
        let in_samples = self.bulk().map_or(0, |bulk| {
            let count = bulk.missing.min(rest.len());
            bulk.samples.extend_from_slice(&rest[..count]);
            count
        });
        Ok(in_head + in_samples)
    }

    fn push_head(&mut self, input: &[u8]) -> Result<usize, WireError> {
        let gathered = match &mut self.phase {
            Phase::Head(gathered) => gathered,
            Phase::Samples { .. } => return Ok(0),
            Phase::Broken(error) => return Err(*error),
        };
        let (count, head) = gathered.push::<H>(input, &self.limits)?;
        if let Some(head) = head {
            let total = head.samples();
            self.phase = Phase::Samples { head, samples: self.buffer(total)?, total };
        }
        Ok(count)
    }

    fn buffer(&mut self, capacity: usize) -> Result<Vec<u8>, WireError> {
        let mut spare = std::mem::take(&mut self.spare);
        if spare.capacity() >= capacity {
            spare.clear();
            return Ok(spare);
        }
        drop(spare); // before its successor is made, so that there are never two
        (self.allocate)(capacity).filter(|buffer| buffer.capacity() >= capacity).ok_or(WireError::Memory)
    }

    /// The sample buffer, while samples are missing.
    pub fn bulk(&mut self) -> Option<Bulk<'_>> {
        match &mut self.phase {
            Phase::Samples { samples, total, .. } if samples.len() < *total => {
                let missing = *total - samples.len();
                Some(Bulk { samples, missing })
            }
            _ => None,
        }
    }

    /// The message, if it is complete; then the decoder is ready for the next one.
    pub fn take(&mut self) -> Option<H::Message> {
        if !self.is_complete() {
            return None;
        }
        match std::mem::replace(&mut self.phase, Phase::Head(HeadBytes::default())) {
            Phase::Samples { head, mut samples, total } => {
                samples.truncate(total); // no more than that was asked for in `bulk`
                Some(head.finish(samples))
            }
            Phase::Head(_) | Phase::Broken(_) => None,
        }
    }

    /// Passes in an unused buffer, for the samples of the next message. The larger one is kept.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() > self.spare.capacity() {
            self.spare = buffer;
        }
    }

    /// Size of the buffer kept for the next message.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.spare.capacity()
    }

    /// Frees that buffer.
    pub fn drop_buffers(&mut self) {
        self.spare = Vec::new();
    }

    /// The peer has closed its side.
    ///
    /// # Errors
    /// [`WireError::Truncated`] in the middle of a message; between messages the end is valid.
    pub fn finish(&self) -> Result<(), WireError> {
        if self.is_idle() || self.is_complete() { Ok(()) } else { Err(WireError::Truncated) }
    }

    /// Between messages: no byte of the next one has come.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(&self.phase, Phase::Head(gathered) if gathered.is_empty())
    }

    /// A message waits to be taken.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(&self.phase, Phase::Samples { samples, total, .. } if samples.len() >= *total)
    }

    /// The head, once it is complete and until the message is taken.
    #[must_use]
    pub fn head(&self) -> Option<&H> {
        match &self.phase {
            Phase::Samples { head, .. } => Some(head),
            Phase::Head(_) | Phase::Broken(_) => None,
        }
    }
}

/// The bytes of an incomplete head.
#[derive(Debug, Default)]
pub(crate) struct HeadBytes(
    /// Invariant: no more than [`HEAD_MAX`], and no complete head.
    Vec<u8>,
);

impl HeadBytes {
    /// Takes the bytes of the head: how many, and the head if it is complete.
    pub(crate) fn push<H: Head>(
        &mut self,
        input: &[u8],
        limits: &Limits,
    ) -> Result<(usize, Option<H>), WireError> {
        let Self(gathered) = self;
        let before = gathered.len();
        let count = input.len().min(HEAD_MAX - before);
        gathered.extend_from_slice(&input[..count]);
        match H::parse(gathered, limits)? {
            Some((head, length)) => Ok((length - before, Some(head))),
            None if gathered.len() == HEAD_MAX => Err(WireError::HeadTooLong),
            None => Ok((count, None)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What precedes the samples, and the message that both make.
pub trait Head: Sized {
    /// The whole message.
    type Message;

    /// The head and its length in bytes; `None` while it is incomplete.
    ///
    /// # Errors
    /// The bytes can't become a head, or exceed a limit.
    fn parse(bytes: &[u8], limits: &Limits) -> Result<Option<(Self, usize)>, WireError>;

    /// Bytes of samples that follow.
    fn samples(&self) -> usize;

    /// The message; `samples` has exactly [`Head::samples`] bytes.
    fn finish(self, samples: Vec<u8>) -> Self::Message;
}

/// A request line and its image's header, both within the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead {
    shape: Shape,
    samples: usize,
    /// Bytes of the image as it travels, its header included.
    pub image_bytes: usize,
    /// Columns of the result.
    pub width: u32,
    /// Rows of the result.
    pub height: u32,
}

impl RequestHead {
    /// Columns and rows of the source.
    #[must_use]
    pub const fn source(&self) -> (u32, u32) {
        (self.shape.width, self.shape.height)
    }

    /// Of source and result.
    #[must_use]
    pub const fn channels(&self) -> Channels {
        self.shape.channels
    }
}

impl Head for RequestHead {
    type Message = Request;

    fn parse(bytes: &[u8], limits: &Limits) -> Result<Option<(Self, usize)>, WireError> {
        const VERB: &[u8] = b"ESCALAR ";
        let known = bytes.len().min(VERB.len());
        if bytes[..known] != VERB[..known] {
            return Err(WireError::Line);
        }
        let Some(end) = line_end(bytes, WireError::Line)? else { return Ok(None) };
        let target = Target::parse(&bytes[VERB.len()..end])?;
        let Some((shape, header)) = header::parse(&bytes[end + 1..])? else { return Ok(None) };
        limits.check(shape.width, shape.height)?;
        let (width, height) = target.apply(shape.width, shape.height);
        limits.check(width, height)?;
        let samples = shape.samples()?;
        let head = Self { shape, samples, image_bytes: header + samples, width, height };
        Ok(Some((head, end + 1 + header)))
    }

    fn samples(&self) -> usize {
        self.samples
    }

    fn finish(self, samples: Vec<u8>) -> Request {
        Request { raster: raster(self.shape, samples), width: self.width, height: self.height }
    }
}

/// A reply line, with its image's header if it is a good one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyHead(Result<(Shape, usize), (u16, String)>);

impl Head for ReplyHead {
    type Message = Reply;

    fn parse(bytes: &[u8], limits: &Limits) -> Result<Option<(Self, usize)>, WireError> {
        let Some(end) = line_end(bytes, WireError::ReplyLine)? else { return Ok(None) };
        let (line, length) = (&bytes[..end], end + 1);
        if line == b"OK" {
            let Some((shape, header)) = header::parse(&bytes[length..])? else { return Ok(None) };
            limits.check(shape.width, shape.height)?;
            return Ok(Some((Self(Ok((shape, shape.samples()?))), length + header)));
        }
        let refused = line.strip_prefix(b"ERROR ").and_then(|rest| {
            let (code, reason) = rest.split_at_checked(3)?;
            let code = header::number(code).and_then(|code| u16::try_from(code).ok())?;
            Some((code, String::from_utf8_lossy(reason.strip_prefix(b" ")?).into_owned()))
        });
        let refused = refused.filter(|(code, _)| (400..600).contains(code)).ok_or(WireError::ReplyLine)?;
        Ok(Some((Self(Err(refused)), length)))
    }

    fn samples(&self) -> usize {
        self.0.as_ref().map_or(0, |&(_, samples)| samples)
    }

    fn finish(self, samples: Vec<u8>) -> Reply {
        match self.0 {
            Ok((shape, _)) => Reply::Image(raster(shape, samples)),
            Err((code, reason)) => Reply::Error { code, reason },
        }
    }
}

/// Longest first line: that of an error, with its reason.
const LINE_MAX: usize = 512;

/// Where the first line ends; `None` while it is incomplete.
fn line_end(bytes: &[u8], too_long: WireError) -> Result<Option<usize>, WireError> {
    match bytes.iter().take(LINE_MAX).position(|&byte| byte == b'\n') {
        Some(end) => Ok(Some(end)),
        None if bytes.len() < LINE_MAX => Ok(None),
        None => Err(too_long),
    }
}

fn raster(Shape { width, height, channels }: Shape, samples: Vec<u8>) -> Raster {
    Raster { width, height, channels, samples }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{self, WireError};

    const LIMITS: Limits = Limits { pixels_max: 100, side_max: 50 };

    /// Runs `bytes` through a fresh decoder in pieces of `step` bytes, the samples by `bulk` if requested: the
    /// messages, the bytes left over after the last one, and the error that ended it.
    fn decode<H: Head>(
        mut bytes: &[u8],
        step: usize,
        by_bulk: bool,
    ) -> (Vec<H::Message>, usize, Option<WireError>) {
        let mut decoder = Decoder::<H>::new(LIMITS, wire::allocate);
        let mut messages = Vec::new();
        while !bytes.is_empty() {
            let piece = &bytes[..step.min(bytes.len())];
            let consumed = match decoder.bulk() {
                Some(bulk) if by_bulk => {
                    let count = bulk.missing.min(piece.len());
                    bulk.samples.extend_from_slice(&piece[..count]);
                    count
                }
                _ => match decoder.push(piece) {
                    Ok(consumed) => consumed,
                    Err(error) => {
                        assert_eq!(decoder.push(b"ESCALAR 1\n"), Err(error), "an error sticks");
                        assert_eq!(decoder.finish(), Err(WireError::Truncated));
                        return (messages, bytes.len(), Some(error));
                    }
                },
            };
            bytes = &bytes[consumed..];
            messages.extend(decoder.take());
        }
        (messages, bytes.len(), decoder.finish().err())
    }

    fn every_way<H: Head>(bytes: &[u8]) -> (Vec<H::Message>, Option<WireError>)
    where
        H::Message: PartialEq + std::fmt::Debug,
    {
        let (whole, _, error) = decode::<H>(bytes, usize::MAX, false);
        for step in 1..=bytes.len() {
            for by_bulk in [false, true] {
                let (messages, _, other) = decode::<H>(bytes, step, by_bulk);
                assert_eq!((&messages, other), (&whole, error), "in pieces of {step}");
            }
        }
        (whole, error)
    }

    fn request(width: u32, height: u32, samples: &[u8], to: (u32, u32)) -> Request {
        let raster = Raster { width, height, channels: Channels::Luma, samples: samples.to_vec() };
        Request { raster, width: to.0, height: to.1 }
    }

    #[test]
    fn requests_follow_each_other_however_they_are_cut() {
        let bytes = b"ESCALAR 0.5\nP5\n2 2\n255\n\n\n\n\nESCALAR 3x4\nP5#\n1 1 255\nEESCALAR 1\nP7\nWIDTH 1\nHEIGHT 1\n\
            DEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\nPP";
        let (messages, error) = every_way::<RequestHead>(bytes);
        assert_eq!(error, None);
        let alpha = Raster { width: 1, height: 1, channels: Channels::LumaAlpha, samples: b"PP".to_vec() };
        let expected = [
            request(2, 2, b"\n\n\n\n", (1, 1)),
            request(1, 1, b"E", (3, 4)),
            Request { raster: alpha, width: 1, height: 1 },
        ];
        assert_eq!(messages, expected);
    }

    #[test]
    fn replies_follow_each_other_however_they_are_cut() {
        let bytes = "OK\nP5\n1 2\n255\nabERROR 422 el factor debe ser mayor\nOK\nP5\n1 1\n255\nc".as_bytes();
        let (messages, error) = every_way::<ReplyHead>(bytes);
        assert_eq!(error, None);
        let image = |height, samples: &[u8]| {
            Reply::Image(Raster { width: 1, height, channels: Channels::Luma, samples: samples.to_vec() })
        };
        let refused = Reply::Error { code: 422, reason: "el factor debe ser mayor".to_owned() };
        assert_eq!(messages, [image(2, b"ab"), refused, image(1, b"c")]);
    }

    #[test]
    fn every_cut_short_request_is_truncated() {
        let bytes = b"ESCALAR 0.5\nP5\n2 2\n255\nabcd";
        for cut in 1..bytes.len() {
            assert_eq!(
                decode::<RequestHead>(&bytes[..cut], usize::MAX, false).2,
                Some(WireError::Truncated),
                "{cut}"
            );
        }
        assert_eq!(decode::<RequestHead>(b"", 1, false), (vec![], 0, None));
    }

    #[test]
    fn requests_that_are_refused() {
        let image = "P5\n2 2\n255\nabcd";
        for (line, error) in [
            ("ESCALA 0.5\n", WireError::Line),
            ("escalar 0.5\n", WireError::Line),
            ("\n", WireError::Line),
            ("GET / HTTP/1.1\r\n", WireError::Line),
            ("ESCALAR 0.5\r\n", WireError::Factor),
            ("ESCALAR \n", WireError::Factor),
            ("ESCALAR  0.5\n", WireError::Factor),
            ("ESCALAR -1\n", WireError::Factor),
            ("ESCALAR 0\n", WireError::Factor),
            ("ESCALAR 1e1\n", WireError::Factor),
            ("ESCALAR 0x0\n", WireError::Size),
            ("ESCALAR 51x1\n", WireError::SideTooLong { width: 51, height: 1, side_max: 50 }),
            ("ESCALAR 11x10\n", WireError::TooManyPixels { width: 11, height: 10, pixels_max: 100 }),
        ] {
            let (messages, found) = every_way::<RequestHead>(format!("{line}{image}").as_bytes());
            assert_eq!((messages, found), (vec![], Some(error)), "{line:?}");
        }
        for (image, error) in [
            ("P6\n2 2\n255\n", WireError::NotAnImage),
            ("\u{0}", WireError::NotAnImage),
            ("P5\n2 2\n15\n", WireError::Unsupported),
            ("P5\n51 1\n255\n", WireError::SideTooLong { width: 51, height: 1, side_max: 50 }),
            ("P5\n11 10\n255\n", WireError::TooManyPixels { width: 11, height: 10, pixels_max: 100 }),
            (
                "P5\n99999999999 99999999999\n255\n",
                WireError::SideTooLong { width: u32::MAX, height: u32::MAX, side_max: 50 },
            ),
            ("P5\n6 6\n255\n", WireError::TooManyPixels { width: 12, height: 12, pixels_max: 100 }),
        ] {
            let (messages, found) = every_way::<RequestHead>(format!("ESCALAR 2\n{image}").as_bytes());
            assert_eq!((messages, found), (vec![], Some(error)), "{image:?}");
        }
    }

    #[test]
    fn replies_that_are_refused() {
        for reply in [
            "",
            "ok",
            "OK ",
            "OKP5",
            "ERROR",
            "ERROR ",
            "ERROR 42 x",
            "ERROR 200 bien",
            "ERROR 4222 x",
            "ERROR 422",
        ] {
            let (messages, found) = every_way::<ReplyHead>(format!("{reply}\n").as_bytes());
            assert_eq!((messages, found), (vec![], Some(WireError::ReplyLine)), "{reply:?}");
        }
    }

    #[test]
    fn endless_heads_are_refused_at_the_bound() {
        let line = [b"ESCALAR ".as_slice(), &[b'1'; 600]].concat();
        assert_eq!(decode::<RequestHead>(&line, 1, false).2, Some(WireError::Line));
        let comment = [b"ESCALAR 1\nP5 #".as_slice(), &[b'c'; 2 * HEAD_MAX]].concat();
        let (_, left, error) = decode::<RequestHead>(&comment, 1, false);
        assert_eq!(error, Some(WireError::HeadTooLong));
        assert_eq!(comment.len() - left, HEAD_MAX - 1, "refused at the byte that passes");
        assert_eq!(decode::<RequestHead>(&comment, usize::MAX, false).2, Some(WireError::HeadTooLong));
    }

    #[test]
    fn nothing_is_reserved_before_the_limits_agree() {
        let never = |_| unreachable!("a buffer was asked for");
        let mut decoder = RequestDecoder::new(LIMITS, never);
        assert!(decoder.push(b"ESCALAR 1\nP5\n50 50\n255\n").is_err());
        let mut decoder = RequestDecoder::new(LIMITS, never);
        assert!(decoder.push(b"ESCALAR 10\nP5\n8 8\n255\n").is_err());
    }

    #[test]
    fn without_memory_there_is_an_error_and_no_panic() {
        let mut decoder = RequestDecoder::new(LIMITS, |_| None);
        assert_eq!(decoder.push(b"ESCALAR 1\nP5\n8 8\n255\n"), Err(WireError::Memory));
        let huge = Limits { pixels_max: u64::MAX, side_max: u32::MAX };
        let mut decoder = RequestDecoder::new(huge, wire::allocate);
        let error = decoder.push(b"ESCALAR 1x1\nP5\n4294967295 4294967295\n255\n");
        assert_eq!(error, Err(WireError::Memory));
    }

    #[test]
    fn a_recycled_buffer_is_used_again() {
        let mut decoder =
            RequestDecoder::new(LIMITS, |capacity| (capacity == 9).then(|| Vec::with_capacity(9)));
        decoder.push(b"ESCALAR 1\nP5\n3 3\n255\n123456789").unwrap();
        let first = decoder.take().unwrap().raster.samples;
        let address = first.as_ptr();
        decoder.recycle(first);
        decoder.push(b"ESCALAR 1\nP5\n2 1\n255\nab").unwrap();
        let second = decoder.take().unwrap().raster.samples;
        assert_eq!((second.as_ptr(), second.as_slice()), (address, b"ab".as_slice()));
    }

    #[test]
    fn the_larger_buffer_is_kept_until_it_is_shed() {
        let mut decoder = RequestDecoder::new(LIMITS, wire::allocate);
        for (recycled, kept) in [(9, 9), (20, 20), (9, 20)] {
            decoder.recycle(Vec::with_capacity(recycled));
            assert_eq!(decoder.kept(), kept);
        }
        decoder.drop_buffers();
        assert_eq!(decoder.kept(), 0);
    }

    #[test]
    fn heads_are_emitted_as_they_are_parsed() {
        for channels in [Channels::Luma, Channels::LumaAlpha] {
            let samples = vec![7; 6 * channels.count()];
            let raster = Raster { width: 3, height: 2, channels, samples };
            let head = wire::emit_request_head(Target::Factor(1.5), 3, 2, channels);
            let mut requests = RequestDecoder::new(LIMITS, wire::allocate);
            assert_eq!(requests.push(&head), Ok(head.len()));
            assert_eq!(requests.push(&raster.samples), Ok(raster.samples.len()));
            assert_eq!(requests.take(), Some(Request { raster: raster.clone(), width: 4, height: 3 }));

            let head = wire::emit_reply_head(3, 2, channels);
            let mut replies = ReplyDecoder::new(LIMITS, wire::allocate);
            assert_eq!(replies.push(&head), Ok(head.len()));
            assert_eq!(replies.push(&raster.samples), Ok(raster.samples.len()));
            assert_eq!(replies.take(), Some(Reply::Image(raster)));
        }
    }
}
