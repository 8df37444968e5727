//! Invariant: a stream of messages to or from the scaler gives the same messages and ends with the same error in
//! whatever pieces it comes, whether samples are pushed or filled in; a decoder takes no byte beyond its message; and
//! an encoded message is decoded to itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scaler::raster::Raster;
use scaler::wire::{self, Decoder, Head, Limits, Reply, ReplyDecoder, ReplyHead, RequestHead, WireError};

/// Small enough that the fuzzer reaches them.
const LIMITS: Limits = Limits { pixels_max: 200, side_max: 50 };

fuzz_target!(|data: &[u8]| {
    let Some(([seed, kind], stream)) = data.split_first_chunk() else { return };
    if kind % 2 == 0 {
        for request in same::<RequestHead>(*seed, stream) {
            assert!(request.width <= LIMITS.side_max && request.height <= LIMITS.side_max);
            judge(&request.raster);
        }
    } else {
        for reply in same::<ReplyHead>(*seed, stream) {
            let emitted = match &reply {
                Reply::Image(raster) => {
                    judge(raster);
                    let head = wire::emit_reply_head(raster.width, raster.height, raster.channels);
                    [head, raster.samples.clone()].concat()
                }
                Reply::Error { code, reason } => wire::emit_error(*code, reason),
            };
            let mut decoder = ReplyDecoder::new(LIMITS, wire::allocate);
            // Invalid UTF-8 in a reason became longer, perhaps too long for a line.
            if decoder.push(&emitted) == Ok(emitted.len()) {
                let again = decoder.take();
                assert!(again == Some(reply) || matches!(again, Some(Reply::Error { .. })));
            } else {
                assert!(matches!(reply, Reply::Error { .. }));
            }
        }
    }
});

fn judge(raster: &Raster) {
    let pixels = u64::from(raster.width) * u64::from(raster.height);
    assert!(pixels > 0 && pixels <= LIMITS.pixels_max);
    assert_eq!(raster.samples.len() as u64, pixels * raster.channels.count() as u64);
}

/// Decodes in every way, asserts that they agree, and returns the messages.
fn same<H: Head>(seed: u8, stream: &[u8]) -> Vec<H::Message>
where
    H::Message: PartialEq + std::fmt::Debug,
{
    let [whole, others @ ..] = tp2_fuzz::cuts(seed, stream).map(|pieces| decode::<H>(&pieces, false));
    for other in others {
        assert_eq!(other, whole);
    }
    assert_eq!(decode::<H>(&tp2_fuzz::cuts(seed, stream)[2], true), whole);
    whole.0
}

/// The messages, and the error that ends the stream.
fn decode<H: Head>(pieces: &[&[u8]], by_bulk: bool) -> (Vec<H::Message>, Option<WireError>) {
    let mut decoder = Decoder::<H>::new(LIMITS, wire::allocate);
    let mut messages = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let taken = match decoder.bulk() {
                Some(bulk) if by_bulk => {
                    let n = bulk.missing.min(rest.len());
                    bulk.samples.extend_from_slice(&rest[..n]);
                    n
                }
                _ => match decoder.push(rest) {
                    Ok(n) => n,
                    Err(error) => {
                        assert!((400..600).contains(&error.code()));
                        assert_eq!(decoder.push(b"ESCALAR 1\n"), Err(error));
                        return (messages, Some(error));
                    }
                },
            };
            assert!(taken > 0);
            rest = &rest[taken..];
            messages.extend(decoder.take());
        }
    }
    (messages, decoder.finish().err())
}
