//! Decoding never exceeds `decode_cost` on the heap, and the announced cost is not far above the real one. The same
//! for encoding and `encode_cost`.
#![expect(unsafe_code, reason = "an allocator is unsafe by its nature; this one counts and hands on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use scaler::raster::{Channels, Raster};
use tp2::http::format::Format;
use tp2::model::error::WorkError;
use tp2::pixels::{Encoding, decode, encode, encode_cost, probe, side_max};

use crate::fixtures::{LIMITS, Verdict, Xorshift, fixture, fixtures};

thread_local! {
    /// Bytes that this thread has on the heap now, and the most since it began to watch.
    static NOW: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

struct Counting;

fn count(change: i64) {
    let now = NOW.get() + change;
    NOW.set(now);
    PEAK.set(PEAK.get().max(now));
}

// SAFETY: every call is handed on to the system's allocator unchanged; counting touches two thread-local integers
// that have no destructor and allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's own contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's own contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: the caller's own contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Growing may have to copy, with both blocks there; shrinking is done in place.
        if size > layout.size() {
            count(size as i64);
            count(-(layout.size() as i64));
        } else {
            count(size as i64 - layout.size() as i64);
        }
        // SAFETY: the caller's own contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` returns, and the most it had on the heap at once.
pub(crate) fn peak<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = NOW.get();
    PEAK.set(before);
    let result = work();
    (result, u64::try_from(PEAK.get() - before).unwrap())
}

#[test]
fn no_fixture_takes_more_than_announced() {
    for fixture in fixtures() {
        let bytes = fixture.bytes();
        let (probed, probing) = peak(|| probe(&bytes, &LIMITS));
        assert!(probing < 1024, "{}: the probe allocated {probing} bytes", fixture.name);
        let Ok(probed) = probed else { continue };
        let (_, decoding) = peak(|| decode(&bytes, &probed, &LIMITS));
        let cost = probed.decode_cost;
        assert!(decoding <= cost, "{}: {decoding} bytes, {cost} announced", fixture.name);
    }
}

/// 1.5 megapixels in a format, made of a photograph's stored pixels.
fn large(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/data/fotos/hubble_deep_field.jpg", env!("CARGO_MANIFEST_DIR"));
    let photo = std::fs::read(path).unwrap();
    let probed = probe(&photo, &LIMITS).unwrap();
    let raster = decode(&photo, &probed, &LIMITS).unwrap();
    let format = match name {
        "png" => Format::Png,
        "gif" => Format::Gif,
        "webp" => Format::WebP,
        "bmp" => Format::Bmp,
        "tiff" => Format::Tiff,
        "pgm" => Format::Pnm,
        "bmp 24" => return bitmap(raster.width, raster.height),
        "pam 16" => return anymap(raster.width, raster.height),
        _ => return photo,
    };
    encode(raster, &Encoding { format, quality: 85, background: [255; 3] }).unwrap()
}

/// Three bytes a pixel, all black.
fn bitmap(width: u32, height: u32) -> Vec<u8> {
    let rows = (3 * width).next_multiple_of(4) * height;
    let mut bytes = b"BM\0\0\0\0\0\0\0\0".to_vec();
    for field in [54, 40, width, height, 24 << 16 | 1, 0, rows, 0, 0, 0, 0] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.resize(bytes.len() + rows as usize, 0);
    bytes
}

/// Eight bytes a pixel, all black and transparent.
fn anymap(width: u32, height: u32) -> Vec<u8> {
    let head =
        format!("P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH 4\nMAXVAL 65535\nTUPLTYPE RGB_ALPHA\nENDHDR\n");
    let mut bytes = head.into_bytes();
    bytes.resize(bytes.len() + 8 * width as usize * height as usize, 0);
    bytes
}

#[test]
fn the_announcement_is_not_idle() {
    for name in ["jpeg", "png", "gif", "webp", "bmp", "bmp 24", "tiff", "pgm", "pam 16"] {
        let bytes = large(name);
        let probed = probe(&bytes, &LIMITS).unwrap();
        let (raster, decoding) = peak(|| decode(&bytes, &probed, &LIMITS).unwrap());
        let (cost, size) = (probed.decode_cost, raster.samples.len() as u64);
        println!("{name}: raster {size}, peak {decoding}, announced {cost}");
        assert!(decoding <= cost, "{name}: {decoding} bytes, {cost} announced");
        // Rotation takes a second raster, which this picture does not need.
        assert!(cost <= 2 * decoding + size + 600_000, "{name}: {decoding} bytes, {cost} announced");
    }
}

#[test]
fn a_bomb_costs_nothing() {
    for bomb in fixtures().into_iter().filter(|f| f.verdict != Verdict::Picture) {
        let bytes = bomb.bytes();
        let (outcome, allocated) = peak(|| {
            let probed = probe(&bytes, &LIMITS)?;
            decode(&bytes, &probed, &LIMITS).map(drop)
        });
        assert!(outcome.is_err(), "{}", bomb.name);
        // A file of 800 bytes that announces 81 million pixels is detected after its canvas was allocated, not
        // before.
        let promise = bomb.name == "gif_empty_promise.gif";
        assert!(promise || allocated < 2_000_000, "{}: {allocated} bytes", bomb.name);
    }
    let endless = fixture("jpeg_too_many_comments.jpg");
    assert!(matches!(probe(&endless, &LIMITS), Err(WorkError::Undecodable(_))));
}

/// Data that a decoder might collect before the picture.
#[test]
fn metadata_costs_nothing() {
    let gif = fixture("gif_comment.gif");
    let extensions = 13 + (3 << ((gif[10] & 7) + 1));
    let profile = [&b"\x21\xFF\x0BICCRGBG1012"[..], &[255; 256 * 8192], b"\0"].concat();
    let bytes = [&gif[..extensions], &profile, &gif[extensions..]].concat();
    let probed = probe(&bytes, &LIMITS).unwrap();
    let (raster, decoding) = peak(|| decode(&bytes, &probed, &LIMITS).unwrap());
    assert!(decoding <= probed.decode_cost, "{decoding} bytes, {} announced", probed.decode_cost);
    assert_eq!(raster, decode(&gif, &probe(&gif, &LIMITS).unwrap(), &LIMITS).unwrap());
}

#[test]
fn no_encoder_takes_more_than_announced() {
    let mut random = Xorshift(0x9E37_79B9_7F4A_7C15);
    let noise: Vec<u8> = (0..2 * 1024 * 1024).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
    // Opaque, so that a GIF has as many indices as can be.
    let opaque: Vec<u8> =
        noise.iter().enumerate().map(|(i, &v)| if i % 2 == 0 { v } else { v | 128 }).collect();
    // The longest JPEGs are of black and white noise; they are longer than their beginning suggests.
    let mut steep: Vec<u8> = noise.iter().map(|&v| if v < 128 { 0 } else { 255 }).collect();
    steep.iter_mut().take(16 * 1024).for_each(|v| *v &= 31);
    // Sizes for which buffers that grow by doubling have just grown.
    let sizes =
        [(1, 1), (1, 65_535), (16_383, 1), (1300, 3), (997, 597), (1024, 513), (1024, 569), (1024, 1024)];
    for format in Format::ALL {
        let mut closest = f64::INFINITY;
        for (width, height) in sizes.into_iter().filter(|&(w, h)| w.max(h) <= side_max(format)) {
            for (channels, samples) in [
                (Channels::Luma, &noise),
                (Channels::Luma, &steep),
                (Channels::LumaAlpha, &noise),
                (Channels::LumaAlpha, &opaque),
            ] {
                let samples = samples[..width as usize * height as usize * channels.count()].to_vec();
                let raster = Raster { width, height, channels, samples };
                let encoding = Encoding { format, quality: 100, background: [255; 3] };
                let (file, encoding) = peak(|| encode(raster, &encoding));
                let cost = encode_cost(width, height, format);
                assert!(
                    file.is_ok() && encoding <= cost,
                    "{format:?} {width}x{height}: {encoding} of {cost}"
                );
                closest = closest.min(cost as f64 / encoding as f64);
            }
        }
        println!("{format:?}: {closest:.2} times what it took");
        assert!(closest < 2.0, "{format:?}: {closest} times what it took");
    }
}
