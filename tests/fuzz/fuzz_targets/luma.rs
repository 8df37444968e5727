//! Invariant: for any bytes, luma returns; its heap use stays within what the header announced; each band costs a
//! call, and there are no more calls than rows and scans; samples are the same whole and band by band, at each scale;
//! where libjpeg-turbo-rs reads the picture too, it has the same luma; and luma writes the same bytes as
//! libjpeg-turbo-rs.
//!
//! Not compared: progressive pictures with missing scans, which libjpeg smooths; sequential ones with a repeated
//! component, of which libjpeg mixes both and luma takes the first; and those with a quantization table behind the
//! first scan, which libjpeg-turbo-rs, unlike libjpeg, also applies to earlier scans.
//!
//! libjpeg-turbo-rs and not zune-jpeg, whose samples sometimes differ by one, and by more at rare samplings.
#![no_main]

use libfuzzer_sys::fuzz_target;
use libjpeg_turbo_rs::{PixelFormat, Subsampling, compress_raw, decompress_to};
use luma::{Decoder, Header, Picture, Scale};
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const PIXELS_MAX: u64 = 1 << 18;
/// The most scans that luma reads, and the calls that begin and end one.
const CALLS_PER_SCAN: u64 = 3;
const SCANS_MAX: u64 = 101;

fuzz_target!(|data: &[u8]| {
    let Ok(header) = Header::read(data) else { return };
    let pixels = u64::from(header.width()) * u64::from(header.height());
    if pixels > PIXELS_MAX {
        return;
    }
    for scale in [Scale::Full, Scale::Half, Scale::HalfSharp, Scale::Quarter, Scale::QuarterSharp, Scale::Eighth] {
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        let whole = luma::decode(data, scale);
        let peak = HEAP.peak_usage().saturating_sub(before) as u64;
        let (width, height) = header.size(scale);
        let planes = header.color().planes() as u64 * u64::from(width) * u64::from(height);
        let most = header.memory(scale) + planes;
        assert!(peak <= most, "{peak} bytes, {most} announced: {header:?}");
        assert_eq!(whole.as_ref().ok().map(|picture| &picture.planes), bands(data, scale).as_ref());
        if let (Scale::Full, Ok(picture)) = (scale, whole)
            && picture.planes.len() == 1
        {
            compare(data, &picture);
        }
    }
});

/// All planes, from bands.
fn bands(data: &[u8], scale: Scale) -> Option<Vec<Vec<u8>>> {
    let mut decoder = Decoder::new(data, scale).ok()?;
    let mut planes = vec![Vec::new(); decoder.header().color().planes()];
    // A row of MCUs is eight lines at least, in each scan.
    let mut left = (u64::from(decoder.header().height()).div_ceil(8) + CALLS_PER_SCAN) * SCANS_MAX;
    while let Some(rows) = decoder.next_rows().ok()? {
        left = left.checked_sub(1).expect("no endless picture");
        for (plane, samples) in planes.iter_mut().enumerate() {
            rows.plane(plane).for_each(|row| samples.extend_from_slice(row));
        }
    }
    Some(planes)
}

/// Reads the picture with the other decoder, and writes it with both encoders.
fn compare(data: &[u8], picture: &Picture) {
    let (width, height, samples) = (picture.width as usize, picture.height as usize, &picture.planes[0]);
    if is_whole(data)
        && let Ok(other) = decompress_to(data, PixelFormat::Grayscale)
    {
        assert_eq!((width, height), (other.width, other.height));
        assert!(*samples == other.data, "another luma");
    }
    let quality = data.last().map_or(1, |&byte| 1 + byte % 100);
    let ours = luma::encode(samples, width, height, quality);
    let other = compress_raw(&[samples], &[width], &[height], width, height, quality, Subsampling::S444);
    assert!(ours.ok() == other.ok(), "another file at quality {quality}");
}

/// Whether all coefficients of the first component were sent, each bit once (T.81 B.2.3, G.1.1.1), with the
/// quantization table of the first scan.
fn is_whole(data: &[u8]) -> bool {
    let (mut first, mut left, mut scans) = (None, [0u8; 64], 0);
    let (mut progressive, mut scanned) = (false, false);
    let mut at = 2;
    while let Some(&[mark, marker, high, low]) = data.get(at..).and_then(|rest| rest.first_chunk()) {
        if mark != 0xFF || matches!(marker, 0 | 0xD0..=0xD9 | 0xFF) {
            at += if mark == 0xFF && marker != 0xFF { 2 } else { 1 };
            continue;
        }
        let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
        let segment = data.get(at + 4..end).unwrap_or_default();
        match (marker, segment) {
            (0xC0..=0xC2, [_, _, _, _, _, _, id, ..]) => {
                (first, left, progressive) = (Some(*id), [255; 64], marker == 0xC2);
            }
            (0xDB, _) if scanned => return false,
            (0xDA, [count, parameters @ ..]) => {
                scanned = true;
                let (components, band) = parameters.split_at((2 * usize::from(*count)).min(parameters.len()));
                let here = components.chunks(2).any(|component| Some(component[0]) == first);
                scans += usize::from(here);
                if let (true, [start @ 0..64, end @ 0..64, approximation, ..]) = (here, band) {
                    let (start, end) = (usize::from(*start), usize::from(*end));
                    left.get_mut(start..=end).unwrap_or_default().fill(approximation & 15);
                }
            }
            _ => {}
        }
        at = end;
    }
    if progressive { left == [0; 64] } else { scans == 1 }
}
