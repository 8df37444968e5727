//! Invariant: a picture ends at the same byte, or is found malformed, in whatever pieces it comes; no byte after its
//! end belongs to it; and the sniffer never revokes its verdict on a beginning.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tp2::http::format::{Format, Sniff};
use tp2::http::image_end::{ImageEnd, Malformed};

fuzz_target!(|data: &[u8]| {
    let Some((seed, picture)) = data.split_first() else { return };
    let mut verdict = Sniff::NeedMore;
    for n in 0..=picture.len().min(32) {
        let now = Format::sniff(&picture[..n]);
        assert!(verdict == Sniff::NeedMore || now == verdict);
        verdict = now;
    }
    assert!(picture.len() < 18 || verdict != Sniff::NeedMore);
    let format = match verdict {
        Sniff::Picture(format) => format,
        _ => Format::ALL[usize::from(*seed) % Format::ALL.len()],
    };
    let [whole, others @ ..] = tp2_fuzz::cuts(*seed, picture).map(|pieces| end(format, &pieces));
    for other in others {
        assert_eq!(other, whole);
    }
});

fn end(format: Format, pieces: &[&[u8]]) -> Result<Option<usize>, Malformed> {
    let mut search = ImageEnd::new(format);
    let mut before = 0;
    for piece in pieces {
        if let Some(n) = search.push(piece)? {
            assert!(n <= piece.len());
            assert_eq!(search.push(b"\xff\xd9"), Ok(Some(0)));
            return Ok(Some(before + n));
        }
        before += piece.len();
    }
    Ok(None)
}
