//! The transforms without intrinsics: arrays of eight lanes, which compilers turn into what vectors there are.

#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]

use super::Blocks;
use super::fix::{
    F0_211, F0_298, F0_390, F0_509, F0_541, F0_601, F0_720, F0_765, F0_850, F0_899, F1_061, F1_175, F1_272,
    F1_451, F1_501, F1_847, F1_961, F2_053, F2_172, F2_562, F3_072, F3_624,
};

/// Eight rows of eight values.
type Rows = [[i16; 8]; 8];

/// Blocks of `side` (8, 4, 2 or 1) samples into `out`, whose rows are `stride` samples apart.
pub(super) fn transform(side: usize, blocks: Blocks<'_>, out: &mut [u8], stride: usize) {
    match side {
        8 => whole(blocks, out, stride),
        4 => half(blocks, out, stride),
        2 => quarter(blocks, out, stride),
        _ => eighth(blocks, out),
    }
}

/// To 16 bits with saturation, as vectors pack.
#[inline(always)]
fn pack(value: i32) -> i16 {
    value.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// A sample from a value around 0.
#[inline(always)]
fn sample(value: i16) -> u8 {
    (value.clamp(-128, 127) + 128) as u8
}

#[inline(always)]
fn madd(a: i16, factor_a: i32, b: i16, factor_b: i32) -> i32 {
    (i32::from(a) * factor_a).wrapping_add(i32::from(b) * factor_b)
}

#[inline(always)]
fn descale<const BITS: u32>(value: i32) -> i16 {
    pack(value.wrapping_add(1 << (BITS - 1)) >> BITS)
}

/// The block dequantized.
#[inline(always)]
fn dequantize(block: &[i16; 64], quantization: &[i16; 64]) -> Rows {
    let mut rows = [[0; 8]; 8];
    let stored = block.as_chunks::<8>().0.iter().zip(quantization.as_chunks::<8>().0);
    for (row, (block, steps)) in rows.iter_mut().zip(stored) {
        for lane in 0..8 {
            row[lane] = block[lane].wrapping_mul(steps[lane]);
        }
    }
    rows
}

#[inline(always)]
fn transpose<const W: usize, const H: usize>(rows: &[[i16; W]; H]) -> [[i16; H]; W] {
    std::array::from_fn(|x| std::array::from_fn(|y| rows[y][x]))
}

/// One pass down the columns.
#[inline(always)]
fn pass<const BITS: u32>(rows: &Rows) -> Rows {
    let mut out = [[0; 8]; 8];
    for lane in 0..8 {
        let x: [i16; 8] = std::array::from_fn(|row| rows[row][lane]);
        // The even part.
        let t3 = madd(x[2], F0_541 + F0_765, x[6], F0_541);
        let t2 = madd(x[2], F0_541, x[6], F0_541 - F1_847);
        let t0 = i32::from(x[0].wrapping_add(x[4])) << 13;
        let t1 = i32::from(x[0].wrapping_sub(x[4])) << 13;
        let even = [t0.wrapping_add(t3), t1.wrapping_add(t2), t1.wrapping_sub(t2), t0.wrapping_sub(t3)];
        // The odd part.
        let (z3, z4) = (x[7].wrapping_add(x[3]), x[5].wrapping_add(x[1]));
        let (z3, z4) = (madd(z3, F1_175 - F1_961, z4, F1_175), madd(z3, F1_175, z4, F1_175 - F0_390));
        let odd = [
            madd(x[7], -F0_899, x[1], F1_501 - F0_899).wrapping_add(z4),
            madd(x[5], -F2_562, x[3], F3_072 - F2_562).wrapping_add(z3),
            madd(x[5], F2_053 - F2_562, x[3], -F2_562).wrapping_add(z4),
            madd(x[7], F0_298 - F0_899, x[1], -F0_899).wrapping_add(z3),
        ];
        for (row, (even, odd)) in even.into_iter().zip(odd).enumerate() {
            out[row][lane] = descale::<BITS>(even.wrapping_add(odd));
            out[7 - row][lane] = descale::<BITS>(even.wrapping_sub(odd));
        }
    }
    out
}

/// Where all rows of coefficients but the first are 0, libjpeg's kernels take the first as it is, in 16 bits.
fn first_row_alone(row: [i16; 8]) -> [i16; 8] {
    row.map(|value| value.wrapping_shl(2))
}

/// Blocks of 8x8.
fn whole(blocks: Blocks<'_>, out: &mut [u8], stride: usize) {
    for (block, last, place) in blocks.iter() {
        one(block, blocks.quantization, last, &mut out[place..], stride);
    }
}

/// One block of 8x8.
#[inline(always)]
pub(super) fn one(block: &[i16; 64], quantization: &[i16; 64], last: u8, out: &mut [u8], stride: usize) {
    if last == 0 {
        flat(block[0], quantization[0], out, stride);
        return;
    }
    let rows = dequantize(block, quantization);
    let first = if block[8..].iter().all(|&value| value == 0) {
        [first_row_alone(rows[0]); 8]
    } else {
        pass::<11>(&rows)
    };
    let rows = transpose(&pass::<18>(&transpose(&first)));
    for (row, out) in rows.iter().zip(out.chunks_mut(stride)) {
        out[..8].copy_from_slice(&row.map(sample));
    }
}

/// A block of one value.
#[inline(always)]
pub(super) fn flat(dc: i16, step: i16, out: &mut [u8], stride: usize) {
    let value = dc.wrapping_mul(step).wrapping_shl(2);
    let value = sample(((i32::from(value) + 16) >> 5) as i16);
    for out in out.chunks_mut(stride).take(8) {
        out[..8].fill(value);
    }
}

/// Blocks of 4x4, from all coefficients but those of the fifth row and column.
fn half(blocks: Blocks<'_>, out: &mut [u8], stride: usize) {
    for (block, _, place) in blocks.iter() {
        let rows = dequantize(block, blocks.quantization);
        let alone = block.as_chunks::<8>().0.iter().enumerate();
        let alone = alone.filter(|&(row, _)| row != 0 && row != 4).all(|(_, row)| *row == [0; 8]);
        let first: [[i16; 8]; 4] = if alone { [first_row_alone(rows[0]); 4] } else { pass_4::<12, 8>(&rows) };
        let columns: [[i16; 4]; 4] = pass_4::<19, 4>(&transpose(&first));
        for (row, out) in transpose(&columns).iter().zip(out[place..].chunks_mut(stride)) {
            out[..4].copy_from_slice(&row.map(sample));
        }
    }
}

#[inline(always)]
fn pass_4<const BITS: u32, const LANES: usize>(rows: &[[i16; LANES]; 8]) -> [[i16; LANES]; 4] {
    let mut out = [[0; LANES]; 4];
    for lane in 0..LANES {
        let x: [i16; 8] = std::array::from_fn(|row| rows[row][lane]);
        let t0 = i32::from(x[0]) << 14;
        let t2 = madd(x[2], F1_847, x[6], -F0_765);
        let outer = madd(x[1], F2_562, x[3], F0_899).wrapping_add(madd(x[5], -F0_601, x[7], -F0_509));
        let inner = madd(x[1], F1_061, x[3], -F2_172).wrapping_add(madd(x[5], F1_451, x[7], -F0_211));
        let (t10, t12) = (t0.wrapping_add(t2), t0.wrapping_sub(t2));
        out[0][lane] = descale::<BITS>(t10.wrapping_add(outer));
        out[1][lane] = descale::<BITS>(t12.wrapping_add(inner));
        out[2][lane] = descale::<BITS>(t12.wrapping_sub(inner));
        out[3][lane] = descale::<BITS>(t10.wrapping_sub(outer));
    }
    out
}

/// Blocks of 2x2, from the first and the odd rows and columns.
fn quarter(blocks: Blocks<'_>, out: &mut [u8], stride: usize) {
    for (block, _, place) in blocks.iter() {
        let rows = dequantize(block, blocks.quantization);
        let odd =
            |x: [i16; 4]| madd(x[0], F3_624, x[1], -F1_272).wrapping_add(madd(x[2], F0_850, x[3], -F0_720));
        let descale_1 = |value: i32| value.wrapping_add(1 << 12) >> 13;
        let column = |lane: usize| {
            let even = i32::from(rows[0][lane]) << 15;
            let odd = odd([rows[1][lane], rows[3][lane], rows[5][lane], rows[7][lane]]);
            [descale_1(even.wrapping_add(odd)), descale_1(even.wrapping_sub(odd))]
        };
        let (first, others) = (column(0), [1, 3, 5, 7].map(column));
        for (row, out) in out[place..].chunks_mut(stride).take(2).enumerate() {
            // The first column stays in 32 bits.
            let even = first[row].wrapping_shl(15);
            let odd = odd(others.map(|column| pack(column[row])));
            out[0] = sample(descale::<20>(even.wrapping_add(odd)));
            out[1] = sample(descale::<20>(even.wrapping_sub(odd)));
        }
    }
}

/// Single samples. Beyond what a picture has, the table that libjpeg clamps with repeats.
fn eighth(blocks: Blocks<'_>, out: &mut [u8]) {
    let step = i32::from(blocks.quantization[0]);
    for (block, _, place) in blocks.iter() {
        let value = (i32::from(block[0]) * step + 4) >> 3;
        // Ten bits, signed.
        let value = (value << 22) >> 22;
        out[place] = (value + 128).clamp(0, 255) as u8;
    }
}
