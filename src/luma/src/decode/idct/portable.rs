//! The transforms without intrinsics: arrays of eight lanes, which compilers turn into what vectors there are.

#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]

use super::fix::{
    F0_211, F0_298, F0_390, F0_509, F0_541, F0_601, F0_720, F0_765, F0_850, F0_899, F1_061, F1_175, F1_272,
    F1_306, F1_451, F1_501, F1_847, F1_961, F2_053, F2_172, F2_562, F3_072, F3_624,
};
use super::{Blocks, Kernel, OVER};

type Rows = [[i16; 8]; 8];

/// Blocks of samples into `out`, whose rows are `stride` samples apart.
pub(super) fn transform(kernel: Kernel, blocks: Blocks<'_>, out: &mut [u8], stride: usize) {
    for (block, last, place) in blocks.iter() {
        let out = &mut out[place..];
        if kernel == Kernel::Mean {
            out[0] = mean(block[0], blocks.quantization[0]);
        } else if last == 0 {
            flat(kernel, block[0], blocks.quantization[0], out, stride);
        } else {
            one(kernel, block, blocks.quantization, out, stride);
        }
    }
}

/// One block, but for the one of a single sample.
pub(super) fn one(
    kernel: Kernel,
    block: &[i16; 64],
    quantization: &[i16; 64],
    out: &mut [u8],
    stride: usize,
) {
    match kernel {
        Kernel::Whole => whole(block, quantization, out, stride),
        Kernel::Half => half(block, quantization, out, stride),
        Kernel::SharpHalf => sharp(block, quantization, out, stride),
        Kernel::SharpQuarter => sharp_quarter(block, quantization, out, stride),
        Kernel::Quarter | Kernel::Mean => quarter(block, quantization, out, stride),
    }
}

/// A block of samples of one value, but for the one of a single sample.
#[inline(always)]
pub(super) fn flat(kernel: Kernel, dc: i16, step: i16, out: &mut [u8], stride: usize) {
    let value = dc.wrapping_mul(step);
    let value = match kernel {
        // Blocks of 2x2 are not looked at for having one row.
        Kernel::Quarter => descale::<20>(i32::from(value).wrapping_shl(17)),
        Kernel::SharpQuarter if !overshoots(&descale::<3>(value.into())) => descale::<3>(value.into()),
        _ => pack((i32::from(value.wrapping_shl(2)) + 16) >> 5),
    };
    for out in out.chunks_mut(stride).take(kernel.side()) {
        out[..kernel.side()].fill(sample(value));
    }
}

/// A single sample. Beyond what a picture has, the table that libjpeg clamps with repeats every ten bits.
fn mean(dc: i16, step: i16) -> u8 {
    let value = (i32::from(dc) * i32::from(step) + 4) >> 3;
    let value = (value << 22) >> 22;
    (value + 128).clamp(0, 255) as u8
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

fn whole(block: &[i16; 64], quantization: &[i16; 64], out: &mut [u8], stride: usize) {
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

/// A block of 4x4, from all coefficients but those of the fifth row and column.
fn half(block: &[i16; 64], quantization: &[i16; 64], out: &mut [u8], stride: usize) {
    let rows = dequantize(block, quantization);
    let alone = block.as_chunks::<8>().0.iter().enumerate();
    let alone = alone.filter(|&(row, _)| row != 0 && row != 4).all(|(_, row)| *row == [0; 8]);
    let first: [[i16; 8]; 4] = if alone { [first_row_alone(rows[0]); 4] } else { pass_4::<12, 8>(&rows) };
    let columns: [[i16; 4]; 4] = pass_4::<19, 4>(&transpose(&first));
    for (row, out) in transpose(&columns).iter().zip(out.chunks_mut(stride)) {
        out[..4].copy_from_slice(&row.map(sample));
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

/// A block of 4x4, from the 4x4 lowest frequencies (the IJG's jidctint.c, jpeg_idct_4x4), unless that overshoots.
fn sharp(block: &[i16; 64], quantization: &[i16; 64], out: &mut [u8], stride: usize) {
    let rows = dequantize(block, quantization);
    let alone = block.as_chunks::<8>().0[1..4].iter().all(|row| row[..4] == [0; 4]);
    let first = if alone { [first_row_alone(rows[0]); 4] } else { low_4::<11, 8>(&rows) };
    let first = first.map(|row| [row[0], row[1], row[2], row[3]]);
    let samples = transpose(&low_4::<18, 4>(&transpose(&first)));
    if samples.iter().flatten().any(overshoots) {
        let mut samples = [0; 64];
        whole(block, quantization, &mut samples, 8);
        means(&samples, out, stride);
        return;
    }
    for (row, out) in samples.iter().zip(out.chunks_mut(stride)) {
        out[..4].copy_from_slice(&row.map(sample));
    }
}

/// Means of 2x2 of a block's 8x8 samples, halves rounded up.
pub(super) fn means(samples: &[u8; 64], out: &mut [u8], stride: usize) {
    for (two, out) in samples.as_chunks::<16>().0.iter().zip(out.chunks_mut(stride)) {
        for (x, out) in out.iter_mut().enumerate().take(4) {
            let at = |index: usize| u16::from(two[2 * x + index]);
            *out = ((at(0) + at(1) + at(8) + at(9) + 2) >> 2) as u8;
        }
    }
}

/// A block of 2x2, from the 2x2 lowest frequencies (the IJG's jidctint.c, jpeg_idct_2x2), unless that overshoots.
fn sharp_quarter(block: &[i16; 64], quantization: &[i16; 64], out: &mut [u8], stride: usize) {
    let [a, b, c, d] = [0, 1, 8, 9].map(|at| i32::from(block[at].wrapping_mul(quantization[at])));
    let samples = [a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d].map(descale::<3>);
    let (upper, lower) = out.split_at_mut(stride);
    if samples.iter().any(overshoots) {
        let (mut samples, mut halves) = ([0; 64], [0; 16]);
        whole(block, quantization, &mut samples, 8);
        means(&samples, &mut halves, 4);
        let mean = |at: usize| {
            (([0, 1, 4, 5].map(|next| u16::from(halves[at + next])).iter().sum::<u16>() + 2) >> 2) as u8
        };
        upper[..2].copy_from_slice(&[mean(0), mean(2)]);
        lower[..2].copy_from_slice(&[mean(8), mean(10)]);
        return;
    }
    upper[..2].copy_from_slice(&[sample(samples[0]), sample(samples[1])]);
    lower[..2].copy_from_slice(&[sample(samples[2]), sample(samples[3])]);
}

fn overshoots(value: &i16) -> bool {
    !(-128 - OVER..=127 + OVER).contains(value)
}

#[inline(always)]
fn low_4<const BITS: u32, const LANES: usize>(rows: &[[i16; LANES]]) -> [[i16; LANES]; 4] {
    let mut out = [[0; LANES]; 4];
    for lane in 0..LANES {
        let x: [i16; 4] = std::array::from_fn(|row| rows[row][lane]);
        let (t0, t2) = (i32::from(x[0]) << 13, i32::from(x[2]) << 13);
        let outer = madd(x[1], F1_306, x[3], F0_541);
        let inner = madd(x[1], F0_541, x[3], -F1_306);
        let (t10, t12) = (t0.wrapping_add(t2), t0.wrapping_sub(t2));
        out[0][lane] = descale::<BITS>(t10.wrapping_add(outer));
        out[1][lane] = descale::<BITS>(t12.wrapping_add(inner));
        out[2][lane] = descale::<BITS>(t12.wrapping_sub(inner));
        out[3][lane] = descale::<BITS>(t10.wrapping_sub(outer));
    }
    out
}

/// A block of 2x2, from the first and the odd rows and columns.
fn quarter(block: &[i16; 64], quantization: &[i16; 64], out: &mut [u8], stride: usize) {
    let rows = dequantize(block, quantization);
    let odd = |x: [i16; 4]| madd(x[0], F3_624, x[1], -F1_272).wrapping_add(madd(x[2], F0_850, x[3], -F0_720));
    let down = |value: i32| value.wrapping_add(1 << 12) >> 13;
    let column = |lane: usize| {
        let even = i32::from(rows[0][lane]) << 15;
        let odd = odd([rows[1][lane], rows[3][lane], rows[5][lane], rows[7][lane]]);
        [down(even.wrapping_add(odd)), down(even.wrapping_sub(odd))]
    };
    let (first, others) = (column(0), [1, 3, 5, 7].map(column));
    for (row, out) in out.chunks_mut(stride).take(2).enumerate() {
        // The first column stays in 32 bits.
        let even = first[row].wrapping_shl(15);
        let odd = odd(others.map(|column| pack(column[row])));
        out[0] = sample(descale::<20>(even.wrapping_add(odd)));
        out[1] = sample(descale::<20>(even.wrapping_sub(odd)));
    }
}
