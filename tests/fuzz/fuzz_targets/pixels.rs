//! Invariant: for any bytes, probe, decode and encode return; decoding's heap use stays within what the header
//! announced, and encoding's within the limit for the size; a decoded picture can be written in every format, and
//! read again at the same size.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peak_alloc::PeakAlloc;
use tp2::model::image::PixelLimits;
use tp2::pixels::{Encoding, decode, encode, encode_cost, probe};
use tp2::http::format::Format;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const LIMITS: PixelLimits = PixelLimits { pixels_max: 1 << 20, side_max: 65_535 };

fuzz_target!(|data: &[u8]| {
    let Some((choice, picture)) = data.split_last() else { return };
    let Ok(found) = probe(picture, &LIMITS) else { return };
    let (decoded, peak) = peak_of(|| decode(picture, &found, &LIMITS));
    // A block that shrinks counts twice here; the system's allocator shrinks it in place.
    let shrunk = 2 * u64::from(found.width) * u64::from(found.height);
    assert!(peak <= found.decode_cost + shrunk, "{peak} bytes for {found:?}");
    let Ok(raster) = decoded else { return };
    let (width, height) = (raster.width, raster.height);
    let format = Format::ALL[usize::from(*choice) % Format::ALL.len()];
    let encoding = Encoding { format, quality: 1 + choice % 100, background: [*choice; 3] };
    let cost = encode_cost(width, height, format);
    let (written, peak) = peak_of(|| encode(raster, &encoding));
    assert!(peak <= cost, "{peak} bytes to write {width}x{height} as {format:?}, not {cost}");
    if let Ok(file) = written {
        let again = probe(&file, &LIMITS).expect("our own file");
        assert_eq!((again.width, again.height), (width, height));
    }
});

/// What `work` returns, and the most it had on the heap at once. The fuzzer has one thread.
fn peak_of<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let result = work();
    (result, HEAP.peak_usage().saturating_sub(before) as u64)
}
