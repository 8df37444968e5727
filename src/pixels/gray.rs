//! Luma of colours, in the arithmetic that Pillow uses, so that both agree to the last bit.
//!
//! ITU-R BT.601: Y = 0.299 R + 0.587 G + 0.114 B, here in 16-bit fixed point with rounding.

use scaler::raster::Channels;

/// Rec. 601 luma of an RGB colour, each 0 to 255.
#[must_use]
pub const fn luma(r: u8, g: u8, b: u8) -> u8 {
    let sum = 19_595 * r as u32 + 38_470 * g as u32 + 7_471 * b as u32 + 0x8000;
    // The weights add up to 65,536.
    byte(sum >> 16)
}

/// `a * b / 255`, rounded: Pillow's MULDIV255.
#[must_use]
pub const fn scale(a: u8, b: u8) -> u8 {
    let product = a as u32 * b as u32 + 128;
    byte(((product >> 8) + product) >> 8)
}

/// `over` drawn on an opaque `under` with that alpha (255 covers all of it).
#[must_use]
pub const fn blend(over: u8, alpha: u8, under: u8) -> u8 {
    let sum = over as u32 * alpha as u32 + under as u32 * (255 - alpha as u32) + 128;
    byte(((sum >> 8) + sum) >> 8)
}

/// Luma of an amount of ink (0 is none), turned into RGB the way Pillow does: each ink dims what black leaves.
#[must_use]
pub const fn cmyk_luma(c: u8, m: u8, y: u8, k: u8) -> u8 {
    let light = 255 - k;
    luma(
        light.saturating_sub(scale(c, light)),
        light.saturating_sub(scale(m, light)),
        light.saturating_sub(scale(y, light)),
    )
}

/// RGB of a JPEG's YCbCr (ITU-T T.871, section 7), rounded and clamped.
#[must_use]
pub fn ycc_to_rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    // 1.402, 0.714136, 0.344136 and 1.772 in 16-bit fixed point.
    let r = y + ((91_881 * cr + 0x8000) >> 16);
    let g = y + ((-22_554 * cb - 46_802 * cr + 0x8000) >> 16);
    let b = y + ((116_130 * cb + 0x8000) >> 16);
    [clamp(r), clamp(g), clamp(b)]
}

fn clamp(value: i32) -> u8 {
    byte(value.max(0).unsigned_abs().min(255))
}

/// A value that the caller's arithmetic keeps within 0..=255.
#[expect(clippy::cast_possible_truncation, reason = "callers pass at most 255, asserted in tests")]
pub(super) const fn byte(value: u32) -> u8 {
    debug_assert!(value <= 255);
    value as u8
}

/// A value of any width, cut to what a byte can say.
pub(super) fn saturate(value: u64) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

/// What the bytes of an interleaved 8-bit row mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// One byte a pixel.
    Gray,
    /// Gray, then alpha.
    GrayAlpha,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha.
    Rgba,
}

impl Layout {
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::GrayAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }

    /// The channels that remain in gray.
    pub(super) const fn channels(self) -> Channels {
        match self {
            Self::Gray | Self::Rgb => Channels::Luma,
            Self::GrayAlpha | Self::Rgba => Channels::LumaAlpha,
        }
    }
}

/// Turns a row into gray; `gray` holds as many pixels as `row`, in `layout.channels()`.
pub(super) fn row_to_gray(layout: Layout, row: &[u8], gray: &mut [u8]) {
    match layout {
        Layout::Gray | Layout::GrayAlpha => gray.copy_from_slice(row),
        Layout::Rgb => {
            for ([r, g, b], out) in row.as_chunks().0.iter().zip(gray) {
                *out = luma(*r, *g, *b);
            }
        }
        Layout::Rgba => {
            for ([r, g, b, a], out) in row.as_chunks().0.iter().zip(gray.as_chunks_mut().0) {
                *out = [luma(*r, *g, *b), *a];
            }
        }
    }
}

/// Turns a whole picture into gray where it lies: the buffer shrinks, nothing is allocated.
pub(super) fn to_gray_in_place(layout: Layout, samples: &mut Vec<u8>) {
    let pixels = samples.len() / layout.bytes();
    match layout {
        Layout::Gray | Layout::GrayAlpha => return,
        Layout::Rgb => {
            for i in 0..pixels {
                samples[i] = luma(samples[3 * i], samples[3 * i + 1], samples[3 * i + 2]);
            }
        }
        Layout::Rgba => {
            for i in 0..pixels {
                let y = luma(samples[4 * i], samples[4 * i + 1], samples[4 * i + 2]);
                let alpha = samples[4 * i + 3];
                samples[2 * i] = y;
                samples[2 * i + 1] = alpha;
            }
        }
    }
    samples.truncate(pixels * layout.channels().count());
    samples.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_are_those_of_rec_601() {
        assert_eq!(luma(255, 0, 0), 76);
        assert_eq!(luma(0, 255, 0), 150);
        assert_eq!(luma(0, 0, 255), 29);
        for v in 0..=255 {
            assert_eq!(luma(v, v, v), v);
        }
    }

    #[test]
    fn scale_rounds_to_the_nearest() {
        for a in 0..=255u8 {
            for b in 0..=255u8 {
                let exact = (f64::from(a) * f64::from(b) / 255.0).round();
                assert_eq!(f64::from(scale(a, b)), exact, "{a} * {b}");
            }
        }
    }

    #[test]
    fn blend_ends_at_its_ends() {
        for v in 0..=255u8 {
            assert_eq!(blend(v, 255, 7), v);
            assert_eq!(blend(v, 0, 7), 7);
            assert_eq!(blend(v, v, v), v);
        }
    }

    #[test]
    fn no_ink_is_white_and_black_ink_is_black() {
        assert_eq!(cmyk_luma(0, 0, 0, 0), 255);
        assert_eq!(cmyk_luma(9, 99, 199, 255), 0);
        assert_eq!(cmyk_luma(255, 255, 255, 0), 0);
    }

    #[test]
    fn in_place_agrees_with_by_row() {
        let rgb: Vec<u8> = (0..=254).collect();
        let mut by_row = vec![0; 85];
        row_to_gray(Layout::Rgb, &rgb, &mut by_row);
        let mut in_place = rgb.clone();
        to_gray_in_place(Layout::Rgb, &mut in_place);
        assert_eq!(in_place, by_row);

        let rgba: Vec<u8> = (0..=255).collect();
        let mut by_row = vec![0; 128];
        row_to_gray(Layout::Rgba, &rgba, &mut by_row);
        let mut in_place = rgba;
        to_gray_in_place(Layout::Rgba, &mut in_place);
        assert_eq!(in_place, by_row);
    }
}
