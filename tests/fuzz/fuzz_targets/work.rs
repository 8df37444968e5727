//! Invariant: for any bytes, the processor time for probe, decode and encode together is at most a constant, plus a
//! fixed time for each byte of the file and each pixel of the picture.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use scaler::sys::thread_cpu_time;
use tp2::model::image::PixelLimits;
use tp2::pixels::{Encoding, decode, encode, probe};
use tp2::http::format::Format;

const LIMITS: PixelLimits = PixelLimits { pixels_max: 1 << 20, side_max: 65_535 };

/// The service's own limit is 0.4 s, 1 µs per byte and 30 ns per pixel. With every check on and a counter at every
/// edge the code is about ten times slower.
const ALWAYS: Duration = Duration::from_millis(500);
const A_BYTE: Duration = Duration::from_micros(10);
const A_PIXEL: Duration = Duration::from_nanos(300);

fuzz_target!(|data: &[u8]| {
    let Some((choice, picture)) = data.split_last() else { return };
    let began_at = thread_cpu_time();
    let pixels = work(picture, *choice);
    let took = thread_cpu_time() - began_at;
    let length = u32::try_from(picture.len()).unwrap_or(u32::MAX);
    let most = ALWAYS + A_BYTE * length + A_PIXEL * pixels;
    assert!(took <= most, "{took:?} for {length} bytes and {pixels} pixels, not {most:?}");
});

/// All steps of a picture except the scaler; its pixels, if its header was accepted.
fn work(picture: &[u8], choice: u8) -> u32 {
    let Ok(found) = probe(picture, &LIMITS) else { return 0 };
    if let Ok(raster) = decode(picture, &found, &LIMITS) {
        let format = Format::ALL[usize::from(choice) % Format::ALL.len()];
        let encoding = Encoding { format, quality: 1 + choice % 100, background: [choice; 3] };
        let _ = encode(raster, &encoding);
    }
    found.width.saturating_mul(found.height)
}
