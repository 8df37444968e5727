//! The whole transform with AVX2: two blocks side by side, one in each half of the registers.
//!
//! Loads and stores are arrays put together and taken apart lane by lane, which the compiler turns into one instruction
//! each; so nothing here is unsafe but to be called without AVX2.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_set_epi16, _mm256_abs_epi16, _mm256_add_epi8, _mm256_add_epi16, _mm256_add_epi32,
    _mm256_broadcastsi128_si256, _mm256_cmpgt_epi16, _mm256_extract_epi64, _mm256_madd_epi16,
    _mm256_mullo_epi16, _mm256_or_si256, _mm256_packs_epi16, _mm256_packs_epi32, _mm256_set_m128i,
    _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_srai_epi32,
    _mm256_sub_epi16, _mm256_sub_epi32, _mm256_testz_si256, _mm256_unpackhi_epi16, _mm256_unpackhi_epi32,
    _mm256_unpackhi_epi64, _mm256_unpacklo_epi16, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64,
};

use super::fix::{
    F0_298, F0_390, F0_541, F0_765, F0_899, F1_175, F1_501, F1_847, F1_961, F2_053, F2_562, F3_072,
};
use super::{Blocks, portable};

/// The largest index in zigzag order whose row and column are both below 4, as are those of all before it.
const LOW: u8 = 9;

/// Blocks of 8x8 into `out`, whose rows are `stride` samples apart.
#[target_feature(enable = "avx2")]
pub(super) fn transform(blocks: Blocks<'_>, out: &mut [u8], stride: usize) {
    let mut rest = blocks.iter();
    while let Some((block_1, last_1, place_1)) = rest.next() {
        // An odd one is done twice.
        let (block_2, last_2, place_2) = rest.next().unwrap_or((block_1, last_1, place_1));
        let last = last_1.max(last_2);
        if last == 0 {
            portable::flat(block_1[0], blocks.quantization[0], &mut out[place_1..], stride);
            portable::flat(block_2[0], blocks.quantization[0], &mut out[place_2..], stride);
            continue;
        }
        let done = if last <= LOW {
            pair::<true>(block_1, block_2, blocks.quantization, out, [place_1, place_2], stride)
        } else {
            pair::<false>(block_1, block_2, blocks.quantization, out, [place_1, place_2], stride)
        };
        if !done {
            portable::one(block_1, blocks.quantization, last_1, &mut out[place_1..], stride);
            portable::one(block_2, blocks.quantization, last_2, &mut out[place_2..], stride);
        }
    }
}

/// Two blocks; `LOW`: rows and columns from the fifth on are 0. False, and nothing done, where 16 bits might not hold
/// what libjpeg's kernels shift up without looking.
#[inline]
#[target_feature(enable = "avx2")]
fn pair<const LOW: bool>(
    block_1: &[i16; 64],
    block_2: &[i16; 64],
    quantization: &[i16; 64],
    out: &mut [u8],
    places: [usize; 2],
    stride: usize,
) -> bool {
    let (rows_1, rows_2) = (block_1.as_chunks::<8>().0, block_2.as_chunks::<8>().0);
    let steps = quantization.as_chunks::<8>().0;
    let mut x = [_mm256_setzero_si256(); 8];
    for row in 0..if LOW { 4 } else { 8 } {
        let both = _mm256_set_m128i(load(&rows_2[row]), load(&rows_1[row]));
        x[row] = _mm256_mullo_epi16(both, _mm256_broadcastsi128_si256(load(&steps[row])));
    }
    let large = _mm256_cmpgt_epi16(_mm256_abs_epi16(x[0]), _mm256_set1_epi16(8191));
    // -32,768 is its own amount.
    let least = _mm256_cmpgt_epi16(_mm256_set1_epi16(-8191), x[0]);
    let beyond = _mm256_or_si256(large, least);
    if _mm256_testz_si256(beyond, beyond) == 0 {
        return false;
    }
    let y = transpose(pass::<18, LOW>(transpose(pass::<11, LOW>(x))));
    for row in [0, 2, 4, 6] {
        let samples = _mm256_packs_epi16(y[row], y[row + 1]);
        let samples = _mm256_add_epi8(samples, _mm256_set1_epi8(-128));
        store(out, places[0] + row * stride, _mm256_extract_epi64::<0>(samples));
        store(out, places[0] + (row + 1) * stride, _mm256_extract_epi64::<1>(samples));
        store(out, places[1] + row * stride, _mm256_extract_epi64::<2>(samples));
        store(out, places[1] + (row + 1) * stride, _mm256_extract_epi64::<3>(samples));
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
