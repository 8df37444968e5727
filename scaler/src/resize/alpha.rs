//! Gray with alpha: split and premultiplied before the passes, divided and joined after them. So invisible pixels do
//! not affect visible ones.
//!
//! Loops of fixed length, which the compiler vectorises for the caller's target features.

const PIXELS: usize = 32;

/// Splits pixels of gray and alpha into two rows, the gray times the alpha.
#[inline(always)]
pub(super) fn split(pixels: &[u8], gray: &mut [u8], alpha: &mut [u8]) {
    let (blocks, rest) = pixels.as_chunks::<{ 2 * PIXELS }>();
    let (grays, gray) = gray.split_at_mut((PIXELS * blocks.len()).min(gray.len()));
    let (alphas, alpha) = alpha.split_at_mut((PIXELS * blocks.len()).min(alpha.len()));
    let places = grays.as_chunks_mut::<PIXELS>().0.iter_mut().zip(alphas.as_chunks_mut::<PIXELS>().0);
    for (block, (gray, alpha)) in blocks.iter().zip(places) {
        for pixel in 0..PIXELS {
            gray[pixel] = product(block[2 * pixel], block[2 * pixel + 1]);
            alpha[pixel] = block[2 * pixel + 1];
        }
    }
    for ((&[value, opacity], gray), alpha) in rest.as_chunks::<2>().0.iter().zip(gray).zip(alpha) {
        (*gray, *alpha) = (product(value, opacity), opacity);
    }
}

/// The inverse.
#[inline(always)]
pub(super) fn join(gray: &[u8], alpha: &[u8], pixels: &mut [u8]) {
    let (blocks, rest) = pixels.as_chunks_mut::<{ 2 * PIXELS }>();
    let (grays, gray) = gray.split_at((PIXELS * blocks.len()).min(gray.len()));
    let (alphas, alpha) = alpha.split_at((PIXELS * blocks.len()).min(alpha.len()));
    let sources = grays.as_chunks::<PIXELS>().0.iter().zip(alphas.as_chunks::<PIXELS>().0);
    for (block, (gray, alpha)) in blocks.iter_mut().zip(sources) {
        for pixel in 0..PIXELS {
            block[2 * pixel] = quotient(gray[pixel], alpha[pixel]);
            block[2 * pixel + 1] = alpha[pixel];
        }
    }
    for ((pixel, &value), &opacity) in rest.as_chunks_mut::<2>().0.iter_mut().zip(gray).zip(alpha) {
        *pixel = [quotient(value, opacity), opacity];
    }
}

/// a * b / 255, rounded: exact for all bytes.
#[inline(always)]
fn product(value: u8, opacity: u8) -> u8 {
    let product = u16::from(value) * u16::from(opacity) + 128;
    ((product + (product >> 8)) >> 8).to_le_bytes()[0]
}

/// a * 255 / b, by the reciprocal in parts of 256; 0 under an alpha of 0. No quotient of 255 * 256 lies within 1/255
/// of the middle of two whole numbers, so single precision rounds correctly.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "at most 65280")]
fn quotient(value: u8, opacity: u8) -> u8 {
    let reciprocal = (65280.0 / f32::from(opacity.max(1)) + 0.5) as i32;
    let quotient = (i32::from(value) * reciprocal + 128) >> 8;
    let seen = if opacity == 0 { 0 } else { 255 };
    quotient.min(seen).to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_as_pixels() {
        let pixels: Vec<u8> = (0..2 * 75_u32).map(|at| ((at * 37) >> 1).to_le_bytes()[0]).collect();
        let (mut gray, mut alpha) = (vec![0; 80], vec![0; 75]);
        split(&pixels, &mut gray, &mut alpha);
        let mut again = vec![0; 150];
        join(&gray, &alpha, &mut again);
        for (at, pixel) in pixels.chunks(2).enumerate() {
            let (mut one, mut opacity, mut both) = ([0], [0], [0; 2]);
            split(pixel, &mut one, &mut opacity);
            assert_eq!((gray[at], alpha[at]), (one[0], opacity[0]));
            join(&one, &opacity, &mut both);
            assert_eq!(again[2 * at..][..2], both);
        }
    }

    #[test]
    fn reciprocals_are_rounded() {
        for opacity in 1..=255_u8 {
            let exact = ((255 << 9) / i32::from(opacity) + 1) >> 1;
            let product = quotient(1, opacity);
            assert_eq!(i32::from(product), ((exact + 128) >> 8).min(255), "{opacity}");
            assert_eq!(f64::from((65280.0 / f32::from(opacity) + 0.5).floor()), f64::from(exact));
        }
    }

    #[test]
    fn multiplying_rounds_and_dividing_undoes_it_where_alpha_is_full() {
        for value in 0..=255 {
            for opacity in 0..=255 {
                let (mut gray, mut alpha) = ([0], [0]);
                split(&[value, opacity], &mut gray, &mut alpha);
                let exact = f64::from(value) * f64::from(opacity) / 255.0;
                assert_eq!((f64::from(gray[0]), alpha[0]), (exact.round(), opacity));
                let mut pixel = [0; 2];
                join(&gray, &alpha, &mut pixel);
                assert_eq!(pixel[1], opacity);
                if opacity == 255 {
                    assert_eq!(pixel[0], value);
                }
                let exact = if opacity == 0 { 0.0 } else { f64::from(gray[0]) * 255.0 / f64::from(opacity) };
                assert!((f64::from(pixel[0]) - exact).abs() <= 1.0, "{gray:?} under {opacity}: {pixel:?}");
            }
        }
    }
}
