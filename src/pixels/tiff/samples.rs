//! From a decompressed row of a strip or tile to gray: any depth to one byte a sample, then the meaning of the samples.
//!
//! Samples above 8 bits are cut to their highest eight, signed ones to their positive half; those below are spread over
//! the whole range, indices of a palette excepted. Only the samples that count are touched, so the work is at most a
//! constant for each pixel.

use crate::pixels::gray::{cmyk_luma, luma, saturate};

use super::directory::{Alpha, Directory, Ink};

/// Writes those samples of a stored row that count as one byte each, at the places of its plane in `spread`; `line` is
/// the wanted row of luma, where several are stored together. Planes have `directory.used()` places a pixel.
pub(super) fn spread(directory: &Directory, stored: &[u8], plane: usize, line: usize, spread: &mut [u8]) {
    let used = usize::from(directory.used());
    let (h, v) = (directory.subsampling.0 as usize, directory.subsampling.1 as usize);
    if (h, v) != (1, 1) {
        for (x, pixel) in spread.chunks_exact_mut(used).enumerate() {
            pixel[0] = stored[x / h * (h * v + 2) + line * h + x % h];
        }
        return;
    }
    // How many samples of a stored pixel count, and how many it has.
    let (count, samples) =
        if directory.planar { (1, 1) } else { (used, usize::from(directory.samples_in_plane())) };
    let bits = usize::from(directory.bits);
    let half = |high: u8| if directory.signed { high.cast_signed().max(0).unsigned_abs() << 1 } else { high };
    if bits.is_multiple_of(8) {
        let bytes = bits / 8;
        let high = if directory.is_little() { bytes - 1 } else { 0 };
        for (pixel, stored) in spread.chunks_exact_mut(used).zip(stored.chunks_exact(samples * bytes)) {
            for (out, sample) in pixel[plane..plane + count].iter_mut().zip(stored.chunks_exact(bytes)) {
                *out = half(sample[high]);
            }
        }
        return;
    }
    if bits == 1 && samples == 1 && directory.ink != Ink::Palette {
        // Scanned pages are large, and mostly of one colour.
        for (pixels, byte) in spread.chunks_mut(8).zip(stored) {
            for (out, shift) in pixels.iter_mut().zip((0..8).rev()) {
                *out = (byte >> shift & 1).wrapping_neg();
            }
        }
        return;
    }
    let mask = (1u32 << bits) - 1;
    let is_index = directory.ink == Ink::Palette;
    let to_byte = |value: u32| match bits {
        9.. => half(saturate(u64::from(value >> (bits - 8)))),
        _ if is_index => saturate(value.into()),
        _ => saturate(u64::from((value * 255 + mask / 2) / mask)),
    };
    // What each value of few bits is in a byte, so that there is no division for each pixel.
    let table: [u8; 128] =
        std::array::from_fn(|value| if bits < 8 { to_byte(saturate(value as u64).into()) } else { 0 });
    for (x, pixel) in spread.chunks_exact_mut(used).enumerate() {
        for (i, out) in pixel[plane..plane + count].iter_mut().enumerate() {
            let at = (x * samples + i) * bits;
            let byte = |i: usize| u32::from(stored.get(at / 8 + i).copied().unwrap_or(0));
            *out = if bits < 8 {
                let value = (byte(0) << 8 | byte(1)) >> (16 - bits - at % 8) & mask;
                table[value as usize % 128]
            } else {
                to_byte((byte(0) << 16 | byte(1) << 8 | byte(2)) >> (24 - bits - at % 8) & mask)
            };
        }
    }
}

/// One row of gray, with alpha if any, from pixels of `samples` bytes. `grays` maps the first sample.
pub(super) fn to_gray(
    directory: &Directory,
    grays: Option<&[u8; 256]>,
    row: &[u8],
    samples: usize,
    out: &mut [u8],
) {
    let alpha = usize::from(directory.used()) - 1;
    let pixels = row.chunks_exact(samples);
    let gray = |pixel: &[u8]| match (grays, directory.ink) {
        (Some(grays), _) => grays[usize::from(pixel[0])],
        (None, Ink::Rgb) => luma(pixel[0], pixel[1], pixel[2]),
        (None, Ink::Cmyk) => cmyk_luma(pixel[0], pixel[1], pixel[2], pixel[3]),
        (None, _) => pixel[0],
    };
    match directory.alpha {
        Alpha::None if samples == 1 && grays.is_none() => out.copy_from_slice(row),
        Alpha::None => {
            for (out, pixel) in out.iter_mut().zip(pixels) {
                *out = gray(pixel);
            }
        }
        Alpha::Unassociated => {
            for (out, pixel) in out.as_chunks_mut().0.iter_mut().zip(pixels) {
                *out = [gray(pixel), pixel[alpha]];
            }
        }
        Alpha::Associated => {
            for (out, pixel) in out.as_chunks_mut().0.iter_mut().zip(pixels) {
                let mut colors = [0; 4];
                for (color, &stored) in colors.iter_mut().zip(&pixel[..alpha]) {
                    *color = divide(stored, pixel[alpha]);
                }
                *out = [gray(&colors), pixel[alpha]];
            }
        }
    }
}

/// A color that was multiplied by its alpha, as it was before.
fn divide(color: u8, alpha: u8) -> u8 {
    (u64::from(color) * 255).checked_div(alpha.into()).map_or(0, saturate)
}
