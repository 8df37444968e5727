//! The transforms with AVX2: two blocks side by side, one in each half of the registers.
//!
//! Loads and stores build and split arrays lane by lane, which the compiler turns into one instruction each. So the
//! only unsafe act is a call without AVX2.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_set_epi16, _mm_setr_epi8, _mm_testz_si128, _mm256_add_epi8, _mm256_add_epi16,
    _mm256_add_epi32, _mm256_broadcastsi128_si256, _mm256_castsi256_si128, _mm256_cmpgt_epi16,
    _mm256_extract_epi64, _mm256_extracti128_si256, _mm256_hadd_epi32, _mm256_madd_epi16, _mm256_max_epi16,
    _mm256_min_epi16, _mm256_mullo_epi16, _mm256_or_si256, _mm256_packs_epi16, _mm256_packs_epi32,
    _mm256_set_m128i, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setr_epi32,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi32, _mm256_srai_epi32, _mm256_sub_epi16,
    _mm256_sub_epi32, _mm256_testz_si256, _mm256_unpackhi_epi16, _mm256_unpackhi_epi32,
    _mm256_unpackhi_epi64, _mm256_unpacklo_epi16, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64,
};

use super::fix::{
    F0_211, F0_298, F0_390, F0_509, F0_541, F0_601, F0_720, F0_765, F0_850, F0_899, F1_061, F1_175, F1_272,
    F1_306, F1_451, F1_501, F1_847, F1_961, F2_053, F2_172, F2_562, F3_072, F3_624,
};
use super::{Blocks, Kernel, OVER, portable};

/// The largest index in zigzag order whose row and column are both below 4, as are those of all before it.
const LOW: u8 = 9;

/// Two blocks, and where they go.
struct Pair<'a> {
    blocks: [&'a [i16; 64]; 2],
    places: [usize; 2],
}

/// Blocks of samples into `out`, whose rows are `stride` samples apart; not those of a single sample, nor of
/// [`Kernel::SharpQuarter`]: four additions need no vectors.
#[target_feature(enable = "avx2")]
pub(super) fn transform(kernel: Kernel, blocks: Blocks<'_>, out: &mut [u8], stride: usize) {
    let quantization = blocks.quantization;
    let mut rest = blocks.iter();
    while let Some((block_1, last_1, place_1)) = rest.next() {
        // An odd one is done twice.
        let (block_2, last_2, place_2) = rest.next().unwrap_or((block_1, last_1, place_1));
        let last = last_1.max(last_2);
        if last == 0 {
            portable::flat(kernel, block_1[0], quantization[0], &mut out[place_1..], stride);
            portable::flat(kernel, block_2[0], quantization[0], &mut out[place_2..], stride);
            continue;
        }
        let pair = Pair { blocks: [block_1, block_2], places: [place_1, place_2] };
        let done = match (kernel, last <= LOW) {
            (Kernel::Whole, true) => whole::<true>(&pair, quantization, out, stride),
            (Kernel::Whole, false) => whole::<false>(&pair, quantization, out, stride),
            (Kernel::Half, true) => half::<true>(&pair, quantization, out, stride),
            (Kernel::Half, false) => half::<false>(&pair, quantization, out, stride),
            (Kernel::SharpHalf, _) => sharp(&pair, quantization, out, stride),
            (Kernel::Quarter | Kernel::SharpQuarter | Kernel::Mean, _) => {
                quarter(&pair, quantization, out, stride)
            }
        };
        if !done {
            portable::one(kernel, block_1, quantization, &mut out[place_1..], stride);
            portable::one(kernel, block_2, quantization, &mut out[place_2..], stride);
        }
    }
}

/// A row of both blocks, dequantized.
#[inline]
#[target_feature(enable = "avx2")]
fn row(pair: &Pair<'_>, quantization: &[i16; 64], row: usize) -> __m256i {
    let rows = |block: &[i16; 64]| load(&block.as_chunks::<8>().0[row]);
    let both = _mm256_set_m128i(rows(pair.blocks[1]), rows(pair.blocks[0]));
    _mm256_mullo_epi16(both, _mm256_broadcastsi128_si256(load(&quantization.as_chunks::<8>().0[row])))
}

/// Whether 16 bits might overflow in the unchecked shift of libjpeg's kernels when only the first row is set.
#[inline]
#[target_feature(enable = "avx2")]
fn is_beyond(first: __m256i) -> bool {
    let large = _mm256_cmpgt_epi16(first, _mm256_set1_epi16(8191));
    let small = _mm256_cmpgt_epi16(_mm256_set1_epi16(-8192), first);
    let beyond = _mm256_or_si256(large, small);
    _mm256_testz_si256(beyond, beyond) == 0
}

/// Two blocks of 8x8; `LOW`: rows and columns from the fifth on are 0. Returns false, with nothing done, if it can't.
#[inline]
#[target_feature(enable = "avx2")]
fn whole<const LOW: bool>(pair: &Pair<'_>, quantization: &[i16; 64], out: &mut [u8], stride: usize) -> bool {
    let mut x = [_mm256_setzero_si256(); 8];
    for (index, x) in x.iter_mut().enumerate().take(if LOW { 4 } else { 8 }) {
        *x = row(pair, quantization, index);
    }
    if is_beyond(x[0]) {
        return false;
    }
    let y = transpose(pass::<18, LOW>(transpose(pass::<11, LOW>(x))));
    for row in [0, 2, 4, 6] {
        let samples = _mm256_packs_epi16(y[row], y[row + 1]);
        let samples = _mm256_add_epi8(samples, _mm256_set1_epi8(-128));
        store(out, pair.places[0] + row * stride, _mm256_extract_epi64::<0>(samples));
        store(out, pair.places[0] + (row + 1) * stride, _mm256_extract_epi64::<1>(samples));
        store(out, pair.places[1] + row * stride, _mm256_extract_epi64::<2>(samples));
        store(out, pair.places[1] + (row + 1) * stride, _mm256_extract_epi64::<3>(samples));
    }
    true
}

/// Two blocks of 4x4.
#[inline]
#[target_feature(enable = "avx2")]
fn half<const LOW: bool>(pair: &Pair<'_>, quantization: &[i16; 64], out: &mut [u8], stride: usize) -> bool {
    let zero = _mm256_setzero_si256();
    let mut x = [zero; 8];
    for (index, x) in x.iter_mut().enumerate().filter(|&(index, _)| index < 4 || (index > 4 && !LOW)) {
        *x = row(pair, quantization, index);
    }
    if is_beyond(x[0]) {
        return false;
    }
    let low = |a, b| _mm256_unpacklo_epi16(a, b);
    let high = |a, b| _mm256_unpackhi_epi16(a, b);
    let left = four::<12, LOW>(low(zero, x[0]), low(x[1], x[3]), low(x[2], x[6]), low(x[5], x[7]));
    let right = four::<12, LOW>(high(zero, x[0]), high(x[1], x[3]), high(x[2], x[6]), high(x[5], x[7]));
    let y: [__m256i; 4] = std::array::from_fn(|row| _mm256_packs_epi32(left[row], right[row]));
    // Columns of four values, two of them in each half: 0 and 1, 2 and 3, 4 and 5, 6 and 7.
    let (a, b) = (low(y[0], y[1]), low(y[2], y[3]));
    let (c01, c23) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let (a, b) = (high(y[0], y[1]), high(y[2], y[3]));
    let (c45, c67) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let z = four::<19, LOW>(low(zero, c01), high(c01, c23), low(c23, c67), high(c45, c67));
    let (a, b) = (_mm256_packs_epi32(z[0], z[2]), _mm256_packs_epi32(z[1], z[3]));
    store_4x4(pair, (low(a, b), high(a, b)), out, stride);
    true
}

/// Stores two blocks of 4x4: columns 0 and 1 of each, then 2 and 3, interleaved.
#[inline]
#[target_feature(enable = "avx2")]
fn store_4x4(pair: &Pair<'_>, (a, b): (__m256i, __m256i), out: &mut [u8], stride: usize) {
    let samples = _mm256_packs_epi16(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let samples = _mm256_add_epi8(samples, _mm256_set1_epi8(-128));
    let rows = [
        (_mm256_extract_epi64::<0>(samples), _mm256_extract_epi64::<1>(samples)),
        (_mm256_extract_epi64::<2>(samples), _mm256_extract_epi64::<3>(samples)),
    ];
    for ((upper, lower), place) in rows.into_iter().zip(pair.places) {
        for (index, rows) in [upper, lower].into_iter().enumerate() {
            let rows = rows.to_le_bytes();
            let at = place + 2 * index * stride;
            out[at..at + 4].copy_from_slice(&rows[..4]);
            out[at + stride..at + stride + 4].copy_from_slice(&rows[4..]);
        }
    }
}

/// Two blocks of 4x4 from their lowest frequencies, or means of 2x2 where that overshoots.
#[inline]
#[target_feature(enable = "avx2")]
fn sharp(pair: &Pair<'_>, quantization: &[i16; 64], out: &mut [u8], stride: usize) -> bool {
    let zero = _mm256_setzero_si256();
    let [x0, x1, x2, x3] = [0, 1, 2, 3].map(|index| row(pair, quantization, index));
    if is_beyond(x0) {
        return false;
    }
    let low = |a, b| _mm256_unpacklo_epi16(a, b);
    let high = |a, b| _mm256_unpackhi_epi16(a, b);
    let y = low_4::<11>(low(zero, x0), low(zero, x2), low(x1, x3));
    // Rows 0 and 1, 2 and 3, four columns each: column 0 of both, column 2, columns 1 and 3 of one row, of the other.
    let order =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 8, 9, 4, 5, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
    let a = _mm256_shuffle_epi8(_mm256_packs_epi32(y[0], y[1]), order);
    let b = _mm256_shuffle_epi8(_mm256_packs_epi32(y[2], y[3]), order);
    let c02 = _mm256_unpacklo_epi32(a, b);
    let z = low_4::<18>(low(zero, c02), high(zero, c02), _mm256_unpackhi_epi64(a, b));
    let (a, b) = (_mm256_packs_epi32(z[0], z[2]), _mm256_packs_epi32(z[1], z[3]));
    let above = _mm256_cmpgt_epi16(_mm256_max_epi16(a, b), _mm256_set1_epi16(127 + OVER));
    let below = _mm256_cmpgt_epi16(_mm256_set1_epi16(-128 - OVER), _mm256_min_epi16(a, b));
    let beyond = _mm256_or_si256(above, below);
    store_4x4(pair, (low(a, b), high(a, b)), out, stride);
    if _mm256_testz_si256(beyond, beyond) == 0 {
        let halves = [_mm256_castsi256_si128(beyond), _mm256_extracti128_si256::<1>(beyond)];
        return sharp_edges(
            pair,
            quantization,
            halves.map(|half| _mm_testz_si128(half, half) == 0),
            out,
            stride,
        );
    }
    true
}

/// Means of 2x2 in place of those blocks that overshoot.
#[cold]
#[target_feature(enable = "avx2")]
fn sharp_edges(
    pair: &Pair<'_>,
    quantization: &[i16; 64],
    overshoots: [bool; 2],
    out: &mut [u8],
    stride: usize,
) -> bool {
    let mut samples = [0; 128];
    if !whole::<false>(&Pair { blocks: pair.blocks, places: [0, 64] }, quantization, &mut samples, 8) {
        return false;
    }
    for ((samples, place), _) in
        samples.as_chunks().0.iter().zip(pair.places).zip(overshoots).filter(|(_, overshoots)| *overshoots)
    {
        portable::means(samples, &mut out[place..], stride);
    }
    true
}

/// Four outputs of one pass over the four lowest frequencies: 0 and 2 in the upper 16 of 32 bits; 1, 3 interleaved.
#[inline]
#[target_feature(enable = "avx2")]
fn low_4<const BITS: i32>(x0: __m256i, x2: __m256i, x13: __m256i) -> [__m256i; 4] {
    let weigh = |pair, a, b| _mm256_madd_epi16(pair, factors(a, b));
    let (x0, x2) = (_mm256_srai_epi32::<3>(x0), _mm256_srai_epi32::<3>(x2));
    let t0 = _mm256_add_epi32(x0, _mm256_set1_epi32(1 << (BITS - 1)));
    let (t10, t12) = (_mm256_add_epi32(t0, x2), _mm256_sub_epi32(t0, x2));
    let (outer, inner) = (weigh(x13, F1_306, F0_541), weigh(x13, F0_541, -F1_306));
    let down = |value| _mm256_srai_epi32::<BITS>(value);
    [
        down(_mm256_add_epi32(t10, outer)),
        down(_mm256_add_epi32(t12, inner)),
        down(_mm256_sub_epi32(t12, inner)),
        down(_mm256_sub_epi32(t10, outer)),
    ]
}

/// Four outputs of one pass; what goes in is interleaved: 0 below row 0, rows 1 and 3, 2 and 6, 5 and 7. `LOW`: the
/// last three are 0.
#[inline]
#[target_feature(enable = "avx2")]
fn four<const BITS: i32, const LOW: bool>(
    x0: __m256i,
    x13: __m256i,
    x26: __m256i,
    x57: __m256i,
) -> [__m256i; 4] {
    let weigh = |pair, a, b| _mm256_madd_epi16(pair, factors(a, b));
    let round = _mm256_set1_epi32(1 << (BITS - 1));
    // 14 bits up is 2 bits down from the upper half.
    let t0 = _mm256_add_epi32(_mm256_srai_epi32::<2>(x0), round);
    let t2 = weigh(x26, F1_847, -F0_765);
    let (mut outer, mut inner) = (weigh(x13, F2_562, F0_899), weigh(x13, F1_061, -F2_172));
    if !LOW {
        outer = _mm256_add_epi32(outer, weigh(x57, -F0_601, -F0_509));
        inner = _mm256_add_epi32(inner, weigh(x57, F1_451, -F0_211));
    }
    let (t10, t12) = (_mm256_add_epi32(t0, t2), _mm256_sub_epi32(t0, t2));
    let down = |value| _mm256_srai_epi32::<BITS>(value);
    [
        down(_mm256_add_epi32(t10, outer)),
        down(_mm256_add_epi32(t12, inner)),
        down(_mm256_sub_epi32(t12, inner)),
        down(_mm256_sub_epi32(t10, outer)),
    ]
}

/// Two blocks of 2x2.
#[inline]
#[target_feature(enable = "avx2")]
fn quarter(pair: &Pair<'_>, quantization: &[i16; 64], out: &mut [u8], stride: usize) -> bool {
    let zero = _mm256_setzero_si256();
    let [x0, x1, x3, x5, x7] = [0, 1, 3, 5, 7].map(|index| row(pair, quantization, index));
    let weigh = |pair, a, b| _mm256_madd_epi16(pair, factors(a, b));
    let round = _mm256_set1_epi32(1 << 12);
    // Half of the columns: the upper row, and the lower one. 15 bits up is 1 bit down from the upper half.
    macro_rules! columns {
        ($interleave:ident) => {{
            let even = _mm256_add_epi32(_mm256_srai_epi32::<1>($interleave(zero, x0)), round);
            let odd = _mm256_add_epi32(
                weigh($interleave(x1, x3), F3_624, -F1_272),
                weigh($interleave(x5, x7), F0_850, -F0_720),
            );
            let down = |value| _mm256_srai_epi32::<13>(value);
            [down(_mm256_add_epi32(even, odd)), down(_mm256_sub_epi32(even, odd))]
        }};
    }
    let (left, right) = (columns!(_mm256_unpacklo_epi16), columns!(_mm256_unpackhi_epi16));
    let weights = {
        let (a, b) = (F3_624 << 16, (-F1_272) << 16);
        let (c, d) = (F0_850 << 16, (-F0_720) << 16);
        _mm256_setr_epi32(a, b, c, d, a, b, c, d)
    };
    let odd: [__m256i; 2] =
        std::array::from_fn(|row| _mm256_madd_epi16(_mm256_packs_epi32(left[row], right[row]), weights));
    let odd = _mm256_hadd_epi32(odd[0], odd[1]);
    let odd = _mm256_hadd_epi32(odd, odd);
    // The first column stays in 32 bits.
    let even = _mm256_slli_epi32::<15>(_mm256_unpacklo_epi32(left[0], left[1]));
    let even = _mm256_add_epi32(even, _mm256_set1_epi32(1 << 19));
    let down = |value| _mm256_srai_epi32::<20>(value);
    let columns = _mm256_packs_epi32(down(_mm256_add_epi32(even, odd)), down(_mm256_sub_epi32(even, odd)));
    let samples = _mm256_add_epi8(_mm256_packs_epi16(columns, columns), _mm256_set1_epi8(-128));
    let both = [_mm256_extract_epi64::<0>(samples), _mm256_extract_epi64::<2>(samples)];
    for (columns, place) in both.into_iter().zip(pair.places) {
        let [upper_0, lower_0, _, _, upper_1, lower_1, _, _] = columns.to_le_bytes();
        out[place..place + 2].copy_from_slice(&[upper_0, upper_1]);
        out[place + stride..place + stride + 2].copy_from_slice(&[lower_0, lower_1]);
    }
    true
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(row: &[i16; 8]) -> __m128i {
    _mm_set_epi16(row[7], row[6], row[5], row[4], row[3], row[2], row[1], row[0])
}

#[inline(always)]
fn store(out: &mut [u8], at: usize, samples: i64) {
    out[at..at + 8].copy_from_slice(&samples.to_le_bytes());
}

/// Factors of two neighbours.
#[inline]
#[target_feature(enable = "avx2")]
fn factors(a: i32, b: i32) -> __m256i {
    _mm256_set1_epi32(a & 0xFFFF | b << 16)
}

/// One pass down the columns; `LOW`: the last four rows are 0.
#[inline]
#[target_feature(enable = "avx2")]
fn pass<const BITS: i32, const LOW: bool>(x: [__m256i; 8]) -> [__m256i; 8] {
    // Half of the columns, in 32 bits.
    macro_rules! columns {
        ($interleave:ident) => {{
            let zero = _mm256_setzero_si256();
            let weigh = |pair, a, b| _mm256_madd_epi16(pair, factors(a, b));
            // The value of the first row stands in the upper half of 32 bits: 13 bits up is 3 bits down.
            let up = |value| _mm256_srai_epi32::<3>($interleave(zero, value));
            let (t0, t1, t2, t3, odd);
            if LOW {
                let x2 = $interleave(x[2], zero);
                t0 = up(x[0]);
                t1 = t0;
                t2 = weigh(x2, F0_541, 0);
                t3 = weigh(x2, F0_541 + F0_765, 0);
                let x31 = $interleave(x[3], x[1]);
                odd = [
                    weigh(x31, F1_175, F1_501 - F0_899 + F1_175 - F0_390),
                    weigh(x31, F3_072 - F2_562 + F1_175 - F1_961, F1_175),
                    weigh(x31, F1_175 - F2_562, F1_175 - F0_390),
                    weigh(x31, F1_175 - F1_961, F1_175 - F0_899),
                ];
            } else {
                let x26 = $interleave(x[2], x[6]);
                t0 = up(_mm256_add_epi16(x[0], x[4]));
                t1 = up(_mm256_sub_epi16(x[0], x[4]));
                t2 = weigh(x26, F0_541, F0_541 - F1_847);
                t3 = weigh(x26, F0_541 + F0_765, F0_541);
                let (x71, x53) = ($interleave(x[7], x[1]), $interleave(x[5], x[3]));
                let z34 = $interleave(_mm256_add_epi16(x[7], x[3]), _mm256_add_epi16(x[5], x[1]));
                let z3 = weigh(z34, F1_175 - F1_961, F1_175);
                let z4 = weigh(z34, F1_175, F1_175 - F0_390);
                odd = [
                    _mm256_add_epi32(weigh(x71, -F0_899, F1_501 - F0_899), z4),
                    _mm256_add_epi32(weigh(x53, -F2_562, F3_072 - F2_562), z3),
                    _mm256_add_epi32(weigh(x53, F2_053 - F2_562, -F2_562), z4),
                    _mm256_add_epi32(weigh(x71, F0_298 - F0_899, -F0_899), z3),
                ];
            }
            let round = _mm256_set1_epi32(1 << (BITS - 1));
            let (t0, t1) = (_mm256_add_epi32(t0, round), _mm256_add_epi32(t1, round));
            let even = [
                _mm256_add_epi32(t0, t3),
                _mm256_add_epi32(t1, t2),
                _mm256_sub_epi32(t1, t2),
                _mm256_sub_epi32(t0, t3),
            ];
            let plus = |row: usize| _mm256_srai_epi32::<BITS>(_mm256_add_epi32(even[row], odd[row]));
            let minus = |row: usize| _mm256_srai_epi32::<BITS>(_mm256_sub_epi32(even[row], odd[row]));
            [plus(0), plus(1), plus(2), plus(3), minus(3), minus(2), minus(1), minus(0)]
        }};
    }
    let (low, high) = (columns!(_mm256_unpacklo_epi16), columns!(_mm256_unpackhi_epi16));
    let mut rows = [_mm256_setzero_si256(); 8];
    for (row, out) in rows.iter_mut().enumerate() {
        *out = _mm256_packs_epi32(low[row], high[row]);
    }
    rows
}

/// Rows become columns, in each half.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose(x: [__m256i; 8]) -> [__m256i; 8] {
    let lo16 = |a: usize, b: usize| _mm256_unpacklo_epi16(x[a], x[b]);
    let hi16 = |a: usize, b: usize| _mm256_unpackhi_epi16(x[a], x[b]);
    let y = [lo16(0, 1), hi16(0, 1), lo16(2, 3), hi16(2, 3), lo16(4, 5), hi16(4, 5), lo16(6, 7), hi16(6, 7)];
    let lo32 = |a: usize, b: usize| _mm256_unpacklo_epi32(y[a], y[b]);
    let hi32 = |a: usize, b: usize| _mm256_unpackhi_epi32(y[a], y[b]);
    let z = [lo32(0, 2), hi32(0, 2), lo32(1, 3), hi32(1, 3), lo32(4, 6), hi32(4, 6), lo32(5, 7), hi32(5, 7)];
    let lo64 = |a: usize, b: usize| _mm256_unpacklo_epi64(z[a], z[b]);
    let hi64 = |a: usize, b: usize| _mm256_unpackhi_epi64(z[a], z[b]);
    [lo64(0, 4), hi64(0, 4), lo64(1, 5), hi64(1, 5), lo64(2, 6), hi64(2, 6), lo64(3, 7), hi64(3, 7)]
}
