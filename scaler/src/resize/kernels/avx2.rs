//! AVX2 kernels: 16 products of 16 bits at a time (`vpmaddwd`), added in pairs.
//!
//! Safe except where there is no AVX2: only `sys::vector` calls them. Loads and stores are made of safe numbers,
//! which the compiler turns into single instructions. No closures: a closure has the features of the enclosing
//! function, but functions that it is passed to have not, so that it can't be inlined there. If a slice is too short
//! the row is left unchanged: plans and rows agree, so this only avoids a panic.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_cvtsi32_si128, _mm_cvtsi128_si64, _mm_packs_epi32, _mm_packus_epi16,
    _mm_set_epi64x, _mm_unpacklo_epi8, _mm256_add_epi8, _mm256_add_epi32, _mm256_and_si256,
    _mm256_castsi256_si128, _mm256_cmpgt_epi32, _mm256_cvtepi32_ps, _mm256_cvtepu8_epi16, _mm256_cvtps_epi32,
    _mm256_div_ps, _mm256_extract_epi64, _mm256_extracti128_si256, _mm256_madd_epi16, _mm256_min_epu16,
    _mm256_movemask_epi8, _mm256_mulhrs_epi16, _mm256_or_si256, _mm256_packs_epi32, _mm256_packus_epi16,
    _mm256_packus_epi32, _mm256_permute2x128_si256, _mm256_set_epi64x, _mm256_set_m128i, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_sll_epi32, _mm256_slli_epi16, _mm256_slli_epi32, _mm256_sra_epi32, _mm256_srai_epi32,
    _mm256_unpackhi_epi8, _mm256_unpackhi_epi16, _mm256_unpackhi_epi32, _mm256_unpackhi_epi64,
    _mm256_unpacklo_epi8, _mm256_unpacklo_epi16, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64,
};

use std::ops::Range;

use super::{BLOCK, GROUP, portable};
use crate::resize::across::{EVEN_MAX, LOW, Layout, Narrow, Plan, TAPS, Vector, Wide};
use crate::resize::alpha;
use crate::resize::down::{ROWS_MAX, SUMMED};
use crate::resize::weights::{HALF, POINT};

/// Vectors of 32 bits for a block of samples.
const QUARTERS: usize = BLOCK / 8;

#[target_feature(enable = "avx2")]
pub(crate) fn across(plan: &Plan, source: [&[u8]; GROUP], result: [&mut [u8]; GROUP]) {
    let Some(source) = evened(source) else { return };
    match &plan.layout {
        Some(Layout::Narrow(narrow)) => across_narrow(narrow, source, result),
        Some(Layout::Wide(wide)) => match wide.even {
            2 => across_wide::<2>(wide, source, result),
            3 => across_wide::<3>(wide, source, result),
            4 => across_wide::<4>(wide, source, result),
            _ => across_wide::<0>(wide, source, result),
        },
        None => portable::across(plan, source, result),
    }
}

/// The rows, cut to the shortest. The compiler then knows that all are of one length: one check of a position is enough
/// for four.
#[inline]
fn evened([a, b, c, d]: [&[u8]; GROUP]) -> Option<[&[u8]; GROUP]> {
    let length = a.len().min(b.len()).min(c.len().min(d.len()));
    Some([a.get(..length)?, b.get(..length)?, c.get(..length)?, d.get(..length)?])
}

/// Bytes of a row from a column's first sample on: all taps of four columns, and what a load reads beyond them.
const WINDOW: usize = 48;

#[target_feature(enable = "avx2")]
fn across_narrow(plan: &Narrow, source: [&[u8]; GROUP], result: [&mut [u8]; GROUP]) {
    let zero = _mm256_setzero_si256();
    for (index, (group, weights)) in plan.groups.iter().zip(plan.weights.chunks_exact(plan.pairs)).enumerate()
    {
        let (near, far) = (windows(source, group.bases[0]), windows(source, group.bases[1]));
        let (Some(near), Some(far)) = (near, far) else { return };
        let (mut high, mut low) = ([zero; GROUP], [zero; GROUP]);
        let gather = load_32(&group.gather);
        if group.halving {
            for (pair, weights) in weights.iter().enumerate() {
                let [upper, lower] = [load_32(&weights[0]), load_32(&weights[1])];
                for row in 0..GROUP {
                    let taps = _mm256_cvtepu8_epi16(load_pair(near[row], pair));
                    high[row] = _mm256_add_epi32(high[row], _mm256_madd_epi16(taps, upper));
                    low[row] = _mm256_add_epi32(low[row], _mm256_madd_epi16(taps, lower));
                }
            }
        } else if plan.compact {
            let mut samples = [zero; GROUP];
            for row in 0..GROUP {
                samples[row] = _mm256_set_m128i(load_pair(far[row], 0), load_pair(near[row], 0));
            }
            let mut gather = gather;
            for weights in weights {
                let [upper, lower] = [load_32(&weights[0]), load_32(&weights[1])];
                for row in 0..GROUP {
                    let taps = _mm256_shuffle_epi8(samples[row], gather);
                    high[row] = _mm256_add_epi32(high[row], _mm256_madd_epi16(taps, upper));
                    low[row] = _mm256_add_epi32(low[row], _mm256_madd_epi16(taps, lower));
                }
                gather = _mm256_add_epi8(gather, _mm256_set1_epi8(2));
            }
        } else {
            for (pair, weights) in weights.iter().enumerate() {
                let [upper, lower] = [load_32(&weights[0]), load_32(&weights[1])];
                for row in 0..GROUP {
                    let samples = _mm256_set_m128i(load_pair(far[row], pair), load_pair(near[row], pair));
                    let taps = _mm256_shuffle_epi8(samples, gather);
                    high[row] = _mm256_add_epi32(high[row], _mm256_madd_epi16(taps, upper));
                    low[row] = _mm256_add_epi32(low[row], _mm256_madd_epi16(taps, lower));
                }
            }
        }
        for row in 0..GROUP {
            let sums = step(whole(high[row], low[row], _mm256_set1_epi32(HALF)));
            let words = _mm_packs_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
            let samples = _mm_cvtsi128_si64(_mm_packus_epi16(words, words)).to_le_bytes();
            if let Some(place) = result[row].get_mut(8 * index..).and_then(<[u8]>::first_chunk_mut) {
                *place = samples;
            }
        }
    }
}

/// `EVEN` vectors of weights per column; 0 if columns differ.
#[target_feature(enable = "avx2")]
fn across_wide<const EVEN: usize>(wide: &Wide, source: [&[u8]; GROUP], result: [&mut [u8]; GROUP]) {
    let shift = _mm_cvtsi32_si128(wide.point.cast_signed());
    let half = _mm256_set1_epi32(1 << (wide.point - 1));
    let fraction = _mm256_set1_epi32((1 << wide.point) - 1);
    let doubt = _mm256_set1_epi32(wide.doubt);
    let twice = _mm256_add_epi32(doubt, doubt);
    let mut at = 0;
    let [a, b, c, d] = result;
    let places = twos(a).iter_mut().zip(twos(b)).zip(twos(c).iter_mut().zip(twos(d)));
    for (columns, ((a, b), (c, d))) in wide.columns.iter().zip(places) {
        let span = at..at + (columns[0].1 + columns[1].1) as usize;
        at = span.end;
        let [(first, count), (second, _)] = *columns;
        let Some(weights) = wide.weights.get(span.clone()) else { return };
        let Some((near, far)) = weights.split_at_checked(count as usize) else { return };
        let sums = if EVEN > 0 {
            let (Some(near), Some(far)) = (near.first_chunk(), far.first_chunk()) else { return };
            let (Some(first), Some(second)) = (windows(source, first), windows(source, second)) else {
                return;
            };
            together(even_sums::<EVEN>(first, near), even_sums::<EVEN>(second, far))
        } else {
            together(lanes_sums(source, first, near), lanes_sums(source, second, far))
        };
        let near = _mm256_add_epi32(sums, half);
        // Within `doubt` of a step, on either side of it: the exact sum may lie on the other one.
        let beyond = _mm256_and_si256(_mm256_add_epi32(near, doubt), fraction);
        let mut steps = _mm256_sra_epi32(near, shift);
        let sure = _mm256_movemask_epi8(_mm256_cmpgt_epi32(beyond, twice));
        if sure != -1 {
            steps = exact_steps(wide, source, columns, span, (sums, sure));
        }
        let words = _mm256_packs_epi32(steps, steps);
        let words = _mm256_packus_epi16(words, words);
        let both = _mm_unpacklo_epi8(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
        let all = _mm_cvtsi128_si64(both).to_le_bytes();
        for (place, samples) in [a, b, c, d].into_iter().zip(all.as_chunks::<2>().0) {
            *place = *samples;
        }
    }
}

/// Corrects `sums` by what rounding took away, in the columns that are not `sure`. A separate function, so that the
/// loop stays small.
#[cold]
#[inline(never)]
#[target_feature(enable = "avx2")]
fn exact_steps(
    wide: &Wide,
    source: [&[u8]; GROUP],
    [(first, count), (second, _)]: &[(u32, u32); 2],
    span: Range<usize>,
    (sums, sure): (__m256i, i32),
) -> __m256i {
    let rests = wide.rests.get(span).unwrap_or_default();
    let (near, far) = rests.split_at((*count as usize).min(rests.len()));
    let mut rests = [_mm256_setzero_si256(); 2];
    if sure & 0xffff != 0xffff {
        rests[0] = lanes_sums(source, *first, near);
    }
    if sure >> 16 != -1 {
        rests[1] = lanes_sums(source, *second, far);
    }
    let rests = together(rests[0], rests[1]);
    let cut = _mm_cvtsi32_si128(POINT.cast_signed() - wide.point.cast_signed());
    let exact = _mm256_add_epi32(_mm256_sll_epi32(sums, cut), rests);
    step(_mm256_add_epi32(exact, _mm256_set1_epi32(HALF)))
}

/// The sums of two columns whose halves lie in the halves of a vector: the first column, then the second.
#[inline]
#[target_feature(enable = "avx2")]
fn together(first: __m256i, second: __m256i) -> __m256i {
    let near = _mm256_permute2x128_si256::<0x20>(first, second);
    _mm256_add_epi32(near, _mm256_permute2x128_si256::<0x31>(first, second))
}

/// The weighted sums of four rows, halves of them in each half of the vector.
#[inline]
#[target_feature(enable = "avx2")]
fn even_sums<const EVEN: usize>(rows: [&[u8; TAPS * EVEN_MAX]; GROUP], weights: &[Vector; EVEN]) -> __m256i {
    let mut sums = [_mm256_setzero_si256(); GROUP];
    for step in 0..EVEN.min(EVEN_MAX) {
        let weights = load_32(&weights[step]);
        for row in 0..GROUP {
            let taps: &[u8; TAPS] = rows[row][TAPS * step..].first_chunk().unwrap_or(&[0; TAPS]);
            let taps = _mm256_cvtepu8_epi16(load_16(taps));
            sums[row] = _mm256_add_epi32(sums[row], _mm256_madd_epi16(taps, weights));
        }
    }
    rows_sums(sums)
}

/// Adds the lanes of each row within halves: four sums in each half. (`vphaddd` does it as well, but takes longer.)
#[inline]
#[target_feature(enable = "avx2")]
fn rows_sums([a, b, c, d]: [__m256i; GROUP]) -> __m256i {
    let near = _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let far = _mm256_add_epi32(_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
    _mm256_add_epi32(_mm256_unpacklo_epi64(near, far), _mm256_unpackhi_epi64(near, far))
}

/// The same for any number of vectors.
#[inline]
#[target_feature(enable = "avx2")]
fn lanes_sums(source: [&[u8]; GROUP], first: u32, weights: &[Vector]) -> __m256i {
    let first = first as usize;
    let span = first..first + TAPS * weights.len();
    let [a, b, c, d] = source;
    let taps = steps(a, &span).iter().zip(steps(b, &span)).zip(steps(c, &span).iter().zip(steps(d, &span)));
    let mut sums = [_mm256_setzero_si256(); GROUP];
    for (weights, ((a, b), (c, d))) in weights.iter().zip(taps) {
        let (weights, rows) = (load_32(weights), [a, b, c, d]);
        for row in 0..GROUP {
            let taps = _mm256_cvtepu8_epi16(load_16(rows[row]));
            sums[row] = _mm256_add_epi32(sums[row], _mm256_madd_epi16(taps, weights));
        }
    }
    rows_sums(sums)
}

#[target_feature(enable = "avx2")]
pub(crate) fn down(rows: &[&[u8]], weights: &[i32], result: &mut [u8]) {
    if rows.len() <= SUMMED {
        down_pairs::<{ SUMMED.div_ceil(2) }>(rows, weights, result);
    } else {
        down_pairs::<{ ROWS_MAX.div_ceil(2) }>(rows, weights, result);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn down_pairs<const MAX: usize>(rows: &[&[u8]], weights: &[i32], result: &mut [u8]) {
    let pairs = Pairs::<MAX>::new(rows, weights);
    for (block, place) in result.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
        *place = samples_of(pairs.sums(block, [_mm256_set1_epi32(HALF); QUARTERS]));
    }
}

#[target_feature(enable = "avx2")]
pub(crate) fn add(rows: &[&[u8]], weights: &[i32], sums: &mut [i32]) {
    let pairs = Pairs::<{ SUMMED.div_ceil(2) }>::new(rows, weights);
    for (block, places) in sums.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
        let before = load_sums(places);
        let after = pairs.sums(block, before);
        for (places, sums) in places.as_chunks_mut::<8>().0.iter_mut().zip(after) {
            store_8(sums, places);
        }
    }
}

#[target_feature(enable = "avx2")]
pub(crate) fn finish(sums: &[i32], result: &mut [u8]) {
    for (sums, place) in sums.as_chunks::<BLOCK>().0.iter().zip(result.as_chunks_mut::<BLOCK>().0) {
        *place = samples_of(load_sums(sums));
    }
}

/// Rows in pairs, as they are multiplied; an odd last one is paired with itself, with a weight of 0.
struct Pairs<'a, const MAX: usize> {
    count: usize,
    rows: [[&'a [[u8; BLOCK]]; 2]; MAX],
    /// Upper and lower halves.
    weights: [[__m256i; 2]; MAX],
}

impl<'a, const MAX: usize> Pairs<'a, MAX> {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(rows: &[&'a [u8]], weights: &[i32]) -> Self {
        let zero = _mm256_setzero_si256();
        let mut pairs = Self { count: 0, rows: [[&[]; 2]; MAX], weights: [[zero; 2]; MAX] };
        for (rows, weights) in rows.chunks(2).zip(weights.chunks(2)).take(MAX) {
            let ([first, .., last] | [first @ last]) = rows else { break };
            pairs.rows[pairs.count] = [first.as_chunks().0, last.as_chunks().0];
            let second = weights.get(1).copied().unwrap_or(0);
            let first = weights.first().copied().unwrap_or(0);
            let upper = first >> LOW & 0xffff | second >> LOW << 16;
            let lower = first & ((1 << LOW) - 1) | (second & ((1 << LOW) - 1)) << 16;
            pairs.weights[pairs.count] = [_mm256_set1_epi32(upper), _mm256_set1_epi32(lower)];
            pairs.count += 1;
        }
        pairs
    }

    /// `before` plus the sums of a block of samples. The order is that of unpacking within lanes, which packing
    /// undoes.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn sums(&self, block: usize, before: [__m256i; QUARTERS]) -> [__m256i; QUARTERS] {
        let zero = _mm256_setzero_si256();
        let (mut high, mut low) = ([zero; QUARTERS], [zero; QUARTERS]);
        for (rows, weights) in self.rows.iter().zip(&self.weights).take(self.count) {
            let (Some(a), Some(b)) = (rows[0].get(block), rows[1].get(block)) else { break };
            let [a, b] = [load_32(a), load_32(b)];
            let [near, far] = [_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b)];
            let taps = [
                _mm256_unpacklo_epi8(near, zero),
                _mm256_unpackhi_epi8(near, zero),
                _mm256_unpacklo_epi8(far, zero),
                _mm256_unpackhi_epi8(far, zero),
            ];
            for quarter in 0..QUARTERS {
                high[quarter] = _mm256_add_epi32(high[quarter], _mm256_madd_epi16(taps[quarter], weights[0]));
                low[quarter] = _mm256_add_epi32(low[quarter], _mm256_madd_epi16(taps[quarter], weights[1]));
            }
        }
        let mut sums = before;
        for quarter in 0..QUARTERS {
            sums[quarter] = whole(high[quarter], low[quarter], before[quarter]);
        }
        sums
    }
}

/// Both halves put together, and `more`.
#[inline]
#[target_feature(enable = "avx2")]
fn whole(high: __m256i, low: __m256i, more: __m256i) -> __m256i {
    _mm256_add_epi32(_mm256_slli_epi32::<{ LOW.cast_signed() }>(high), _mm256_add_epi32(low, more))
}

/// Shifts to the binary point.
#[inline]
#[target_feature(enable = "avx2")]
fn step(sums: __m256i) -> __m256i {
    _mm256_srai_epi32::<{ POINT.cast_signed() }>(sums)
}

#[inline]
#[target_feature(enable = "avx2")]
fn samples_of(sums: [__m256i; QUARTERS]) -> [u8; BLOCK] {
    let near = _mm256_packs_epi32(step(sums[0]), step(sums[1]));
    let far = _mm256_packs_epi32(step(sums[2]), step(sums[3]));
    let samples = _mm256_packus_epi16(near, far);
    bytes_of(samples)
}

#[inline]
#[target_feature(enable = "avx2")]
fn bytes_of(vector: __m256i) -> [u8; 32] {
    let mut bytes = [0; 32];
    let quarters = [
        _mm256_extract_epi64::<0>(vector),
        _mm256_extract_epi64::<1>(vector),
        _mm256_extract_epi64::<2>(vector),
        _mm256_extract_epi64::<3>(vector),
    ];
    for (place, quarter) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(quarters) {
        *place = quarter.to_le_bytes();
    }
    bytes
}

#[inline]
fn windows<const BYTES: usize>(rows: [&[u8]; GROUP], at: u32) -> Option<[&[u8; BYTES]; GROUP]> {
    let [a, b, c, d] = rows;
    Some([window(a, at)?, window(b, at)?, window(c, at)?, window(d, at)?])
}

#[inline]
fn twos(row: &mut [u8]) -> &mut [[u8; 2]] {
    row.as_chunks_mut().0
}

#[inline]
fn steps<'a>(row: &'a [u8], span: &Range<usize>) -> &'a [[u8; TAPS]] {
    row.get(span.clone()).unwrap_or_default().as_chunks().0
}

#[inline]
fn window<const BYTES: usize>(row: &[u8], at: u32) -> Option<&[u8; BYTES]> {
    row.get(at as usize..)?.first_chunk()
}

/// Two taps of four columns, and what is between them.
#[inline]
#[target_feature(enable = "avx2")]
fn load_pair(window: &[u8; WINDOW], pair: usize) -> __m128i {
    // There are 16 pairs at most: this tells the compiler.
    let at = (2 * pair) & 31;
    load_16(window[at..].first_chunk().unwrap_or(&[0; 16]))
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_16(bytes: &[u8; 16]) -> __m128i {
    let [near, far] = halves(bytes);
    _mm_set_epi64x(far, near)
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_32(bytes: &[u8; 32]) -> __m256i {
    let [near, far] = [bytes.first_chunk().unwrap_or(&[0; 16]), bytes.last_chunk().unwrap_or(&[0; 16])];
    _mm256_set_m128i(load_16(far), load_16(near))
}

#[inline]
fn halves(bytes: &[u8; 16]) -> [i64; 2] {
    let all = u128::from_le_bytes(*bytes);
    #[expect(clippy::cast_possible_truncation, reason = "one half at a time")]
    [all as i64, (all >> 64) as i64]
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_sums(sums: &[i32; BLOCK]) -> [__m256i; QUARTERS] {
    let mut all = [_mm256_setzero_si256(); QUARTERS];
    for (quarter, sums) in all.iter_mut().zip(sums.as_chunks::<8>().0) {
        *quarter = _mm256_set_epi64x(
            two(sums[6], sums[7]),
            two(sums[4], sums[5]),
            two(sums[2], sums[3]),
            two(sums[0], sums[1]),
        );
    }
    all
}

#[inline]
fn two(near: i32, far: i32) -> i64 {
    i64::from(far) << 32 | i64::from(near.cast_unsigned())
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_8(sums: __m256i, places: &mut [i32; 8]) {
    let quarters = [
        _mm256_extract_epi64::<0>(sums),
        _mm256_extract_epi64::<1>(sums),
        _mm256_extract_epi64::<2>(sums),
        _mm256_extract_epi64::<3>(sums),
    ];
    for (places, quarter) in places.as_chunks_mut::<2>().0.iter_mut().zip(quarters) {
        #[expect(clippy::cast_possible_truncation, reason = "one half at a time")]
        {
            *places = [quarter as i32, (quarter >> 32) as i32];
        }
    }
}

/// [`alpha::split`].
#[target_feature(enable = "avx2")]
pub(crate) fn split(pixels: &[u8], gray: &mut [u8], opacity: &mut [u8]) {
    alpha::split(pixels, gray, opacity);
}

/// [`alpha::join`].
#[target_feature(enable = "avx2")]
pub(crate) fn join(gray: &[u8], opacity: &[u8], pixels: &mut [u8]) {
    let zero = _mm256_setzero_si256();
    let (blocks, rest) = pixels.as_chunks_mut::<32>();
    let whole = 16 * blocks.len();
    let (Some((grays, gray)), Some((opacities, opacity))) =
        (gray.split_at_checked(whole), opacity.split_at_checked(whole))
    else {
        return;
    };
    let sources = grays.as_chunks().0.iter().zip(opacities.as_chunks().0);
    for (place, (grays, opacities)) in blocks.iter_mut().zip(sources) {
        let gray = _mm256_cvtepu8_epi16(load_16(grays));
        let opacity = _mm256_cvtepu8_epi16(load_16(opacities));
        // 255 / 0 becomes the least number of 32 bits, and by packing 0.
        let near = reciprocals(_mm256_unpacklo_epi16(opacity, zero));
        let far = reciprocals(_mm256_unpackhi_epi16(opacity, zero));
        let reciprocals = _mm256_packus_epi32(near, far);
        // 255 / 1 is negative here, and so are its products, which are large as unsigned numbers.
        let quotients = _mm256_mulhrs_epi16(_mm256_slli_epi16::<7>(gray), reciprocals);
        let quotients = _mm256_min_epu16(quotients, _mm256_set1_epi16(255));
        *place = bytes_of(_mm256_or_si256(quotients, _mm256_slli_epi16::<8>(opacity)));
    }
    alpha::join(gray, opacity, rest);
}

/// 255 divided by each, in parts of 256.
#[inline]
#[target_feature(enable = "avx2")]
fn reciprocals(opacities: __m256i) -> __m256i {
    _mm256_cvtps_epi32(_mm256_div_ps(_mm256_set1_ps(65280.0), _mm256_cvtepi32_ps(opacities)))
}
