//! The tables of the encoder, made at compile time except the divisors of a quality.
//!
//! Coefficients lie in natural order (row by row, T.81 A.3.3), two blocks side by side: see
//! [`Pair`](super::fdct::Pair). Zigzag order (T.81 figure A.6) is the order of the file.

/// The natural position of each coefficient in zigzag order, T.81 figure A.6.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Luminance quantization of quality 50 in natural order, T.81 table K.1.
const LUMINANCE: [u8; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, //
    12, 12, 14, 19, 26, 58, 60, 55, //
    14, 13, 16, 24, 40, 57, 69, 56, //
    14, 17, 22, 29, 51, 87, 80, 62, //
    18, 22, 37, 56, 68, 109, 103, 77, //
    24, 35, 55, 64, 81, 104, 113, 92, //
    49, 64, 78, 87, 103, 121, 120, 101, //
    72, 92, 95, 98, 112, 100, 103, 99,
];

/// The quantization table of a quality, in natural order: `jpeg_quality_scaling` and `jpeg_add_quant_table` of libjpeg
/// with `force_baseline`. A quality out of 1 to 100 is taken for the nearer end.
pub(super) fn quantization(quality: u8) -> [u8; 64] {
    let quality = u32::from(quality.clamp(1, 100));
    let scale = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    LUMINANCE.map(|step| u8::try_from(((u32::from(step) * scale + 50) / 100).clamp(1, 255)).unwrap_or(255))
}

/// What divides coefficients by a quantization table, in natural order.
///
/// The transform leaves coefficients 8 times too large, so the divisor is `8q`, and libjpeg rounds half away from 0:
/// `(|c| + 4q) / 8q`. That is `(|c| + half) * reciprocal >> 16` and then `* shift >> 16`: exact for |c| up to 8192, the
/// most that 8-bit samples give; a test proves it for each of the 255 divisors.
pub(super) struct Divisors {
    pub(super) half: [u16; 64],
    pub(super) reciprocal: [u16; 64],
    pub(super) shift: [u16; 64],
}

impl Divisors {
    pub(super) fn new(quantization: &[u8; 64]) -> Self {
        let mut divisors = Self { half: [0; 64], reciprocal: [0; 64], shift: [0; 64] };
        for (i, &step) in quantization.iter().enumerate() {
            let step = u32::from(step.max(1));
            // The least t with 2q <= 2^t: more would not fit into 16 bits, less would not be exact.
            let t = (2 * step).next_power_of_two().trailing_zeros();
            divisors.half[i] = low(4 * step);
            divisors.reciprocal[i] = low((1u32 << (16 + t)).div_ceil(8 * step));
            divisors.shift[i] = low(1 << (16 - t));
        }
        divisors
    }
}

/// Of numbers that fit: [`Divisors::new`].
fn low(value: u32) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

/// A Huffman table as a file has it, T.81 B.2.4.2: how many codes there are of each length, and their symbols.
pub(super) struct Specification {
    pub(super) counts: [u8; 16],
    pub(super) symbols: &'static [u8],
}

/// T.81 table K.3: categories of differences between DC coefficients.
pub(super) const DC: Specification = Specification {
    counts: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
    symbols: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
};

/// T.81 table K.5: runs of noughts and categories of AC coefficients.
pub(super) const AC: Specification = Specification {
    counts: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125],
    symbols: &[
        0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22,
        0x71, 0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0, 0x24, 0x33,
        0x62, 0x72, 0x82, 0x09, 0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x34,
        0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55,
        0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76,
        0x77, 0x78, 0x79, 0x7A, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96,
        0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5,
        0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4,
        0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF1,
        0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
    ],
};

/// Codes by symbol, with room for the bits that follow them (T.81 F.1.2.1.1, F.1.2.2.1): a code moved up by its
/// category and by [`LENGTH_BITS`] more, which hold the length of both.
pub(super) const LENGTH_BITS: u32 = 5;
pub(super) static DC_CODES: [u32; 16] = codes(&DC);
pub(super) static AC_CODES: [u32; 256] = codes(&AC);

/// T.81 annex C: codes of a length are consecutive, and the first of a length is twice the one after the last of the
/// length before. The low four bits of a symbol are the category in both tables.
const fn codes<const N: usize>(of: &Specification) -> [u32; N] {
    let mut codes = [0; N];
    let (mut code, mut symbol, mut length) = (0u32, 0, 1u32);
    while length <= 16 {
        let mut left = of.counts[length as usize - 1];
        while left > 0 {
            let category = (of.symbols[symbol] & 15) as u32;
            codes[of.symbols[symbol] as usize] = (code << category) << LENGTH_BITS | (length + category);
            code += 1;
            symbol += 1;
            left -= 1;
        }
        code <<= 1;
        length += 1;
    }
    codes
}

/// Category and following bits of an AC coefficient (T.81 F.1.2.2.1) by its low eleven bits: of 8-bit samples
/// none is out of -1023 to 1023. The category in the low four bits, what follows above them.
pub(super) static AMPLITUDES: [u16; 2048] = {
    let mut table = [0; 2048];
    let (mut magnitude, mut category) = (1u16, 1u16);
    while magnitude < 1024 {
        table[magnitude as usize] = magnitude << 4 | category;
        table[2048 - magnitude as usize] = (magnitude ^ ((1 << category) - 1)) << 4 | category;
        magnitude += 1;
        category += (magnitude >> category) & 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiplying_is_dividing() {
        for step in 1..=255u8 {
            let divisors = Divisors::new(&[step; 64]);
            let [half, reciprocal, shift] =
                [divisors.half[0], divisors.reciprocal[0], divisors.shift[0]].map(u32::from);
            for magnitude in 0..=8192 {
                let quotient = ((((magnitude + half) * reciprocal) >> 16) * shift) >> 16;
                let by = 8 * u32::from(step);
                assert_eq!(quotient, (magnitude + by / 2) / by, "{magnitude} / {by}");
            }
        }
    }

    #[test]
    fn amplitudes_are_those_of_the_standard() {
        for value in -1023..=1023i32 {
            let entry = u32::from(AMPLITUDES[usize::try_from(value & 2047).unwrap()]);
            let (category, low) = (entry & 15, entry >> 4);
            assert_eq!(category, 32 - value.unsigned_abs().leading_zeros());
            // T.81 F.1.2.1.1: of negative values the low bits of one less.
            let wanted = if value < 0 { value - 1 } else { value } & ((1 << category) - 1);
            assert_eq!(i32::try_from(low), Ok(wanted), "{value}");
        }
    }
}
