//! From samples to quantized coefficients, in plain Rust: libjpeg's accurate integer transform («islow», after
//! Loeffler, Ligtenberg and Moschytz) and its division, on two blocks side by side, as the wider path does them.
//!
//! Rows first, then columns, with 13 bits of fraction in the constants; the rows keep two bits more, and both passes
//! round half up, as `jfdctint.c` does. All kernels give the same bits; only the width of the instructions differs.
use super::tables::{Divisors, ZIGZAG};

/// Coefficients of two blocks: eight rows (vertical frequency), each with eight of the left and eight of the right one.
pub(super) type Pair = [[i16; 16]; 8];

/// The coefficients of two blocks, and a mask of each block's nonzero ones: bit k is number k in zigzag order.
pub(super) struct Coefficients {
    pub(super) pair: Pair,
    pub(super) masks: [u64; 2],
}

/// Fractions of `jfdctint.c`, times 2 to the 13.
pub(super) const F0_298: i32 = 2446;
pub(super) const F0_390: i32 = 3196;
pub(super) const F0_541: i32 = 4433;
pub(super) const F0_765: i32 = 6270;
pub(super) const F0_899: i32 = 7373;
pub(super) const F1_175: i32 = 9633;
pub(super) const F1_501: i32 = 12_299;
pub(super) const F1_847: i32 = 15_137;
pub(super) const F1_961: i32 = 16_069;
pub(super) const F2_053: i32 = 16_819;
pub(super) const F2_562: i32 = 20_995;
pub(super) const F3_072: i32 = 25_172;

/// Bits that the first pass keeps for the second.
pub(super) const KEPT: u32 = 2;
/// The level shift of T.81 A.3.1, for the only coefficient that it changes: eight samples, kept bits included.
pub(super) const LEVEL: i16 = (128 * 8) << KEPT;

/// Transforms and quantizes the two blocks whose first row begins at `at`; the next row is `stride` on.
pub(super) fn coefficients(rows: &[u8], stride: usize, at: usize, divisors: &Divisors) -> Coefficients {
    let mut samples = [[0i32; 16]; 8];
    for (y, line) in samples.iter_mut().enumerate() {
        let row = &rows[at + y * stride..][..16];
        line.iter_mut().zip(row).for_each(|(sample, &byte)| *sample = i32::from(byte));
    }
    let mut lines = pass::<true>(&transpose(&samples));
    lines[0].iter_mut().for_each(|dc| *dc -= i32::from(LEVEL));
    let lines = pass::<false>(&transpose(&lines));
    let mut pair = [[0; 16]; 8];
    for (y, line) in lines.iter().enumerate() {
        for (x, &c) in line.iter().enumerate() {
            pair[y][x] = quantize(c, divisors, 8 * y + x % 8);
        }
    }
    Coefficients { masks: [mask(&pair, 0), mask(&pair, 8)], pair }
}

/// Each of the two blocks turned over its diagonal.
fn transpose(lines: &[[i32; 16]; 8]) -> [[i32; 16]; 8] {
    let mut turned = [[0; 16]; 8];
    for (y, line) in lines.iter().enumerate() {
        for x in 0..8 {
            turned[x][y] = line[x];
            turned[x][y + 8] = line[x + 8];
        }
    }
    turned
}

/// Eight-point transforms down the lines, sixteen at once.
#[inline]
fn pass<const FIRST: bool>(x: &[[i32; 16]; 8]) -> [[i32; 16]; 8] {
    let descale = |value: i32| {
        let bits = if FIRST { 13 - KEPT } else { 13 + KEPT };
        (value + (1 << (bits - 1))) >> bits
    };
    let even = |value: i32| if FIRST { value << KEPT } else { (value + (1 << (KEPT - 1))) >> KEPT };
    let mut y = [[0; 16]; 8];
    for i in 0..16 {
        let (t0, t7) = (x[0][i] + x[7][i], x[0][i] - x[7][i]);
        let (t1, t6) = (x[1][i] + x[6][i], x[1][i] - x[6][i]);
        let (t2, t5) = (x[2][i] + x[5][i], x[2][i] - x[5][i]);
        let (t3, t4) = (x[3][i] + x[4][i], x[3][i] - x[4][i]);
        let (t10, t13, t11, t12) = (t0 + t3, t0 - t3, t1 + t2, t1 - t2);
        y[0][i] = even(t10 + t11);
        y[4][i] = even(t10 - t11);
        let z1 = (t12 + t13) * F0_541;
        y[2][i] = descale(z1 + t13 * F0_765);
        y[6][i] = descale(z1 - t12 * F1_847);
        let (z1, z2, z3, z4) = (t4 + t7, t5 + t6, t4 + t6, t5 + t7);
        let z5 = (z3 + z4) * F1_175;
        let (z1, z2) = (z1 * -F0_899, z2 * -F2_562);
        let (z3, z4) = (z3 * -F1_961 + z5, z4 * -F0_390 + z5);
        y[7][i] = descale(t4 * F0_298 + z1 + z3);
        y[5][i] = descale(t5 * F2_053 + z2 + z4);
        y[3][i] = descale(t6 * F3_072 + z2 + z3);
        y[1][i] = descale(t7 * F1_501 + z1 + z4);
    }
    y
}

/// Divides by the table's number `i` in natural order: [`Divisors`].
#[inline]
fn quantize(c: i32, divisors: &Divisors, i: usize) -> i16 {
    let magnitude = c.unsigned_abs() + u32::from(divisors.half[i]);
    let magnitude = magnitude.wrapping_mul(divisors.reciprocal[i].into()) >> 16;
    // Of 8-bit samples at most 1024.
    let magnitude = (((magnitude * u32::from(divisors.shift[i])) >> 16) & 0x7FFF) as i16;
    if c < 0 { -magnitude } else { magnitude }
}

/// Which coefficients of the block that begins at `column` are not 0, in zigzag order.
fn mask(pair: &Pair, column: usize) -> u64 {
    let mut mask = 0;
    for (k, &place) in ZIGZAG.iter().enumerate() {
        let (y, x) = (usize::from(place) / 8, usize::from(place) % 8 + column);
        mask |= u64::from(pair[y][x] != 0) << k;
    }
    mask
}
