//! The same coefficients as [`fdct`](super::fdct) by AVX2: two blocks side by side, one in each half of a register, so
//! that nothing crosses the halves.
//!
//! 16-bit lanes are enough: sums of 8-bit samples stay within -32,768 and 32,514. Products are 32 bits wide
//! (`vpmaddwd`: two products and their sum in one instruction); constants of `jfdctint.c` that multiply one sum twice
//! are added beforehand. Safe functions throughout: values go in and out by arrays, which the compiler turns into whole
//! loads and stores.
use core::arch::x86_64::*;

use super::fdct::{
    Coefficients, F0_298, F0_390, F0_541, F0_765, F0_899, F1_175, F1_501, F1_847, F1_961, F2_053, F2_562,
    F3_072, KEPT, LEVEL,
};
use super::tables::{Divisors, ZIGZAG};

/// For each quarter of the zigzag order, what `vpshufb` takes of each pair of rows (bytes of both, natural order);
/// the top bit yields 0.
static ORDER: [[[u8; 16]; 4]; 4] = {
    let mut order = [[[0x80; 16]; 4]; 4];
    let mut k = 0;
    while k < 64 {
        let place = ZIGZAG[k] as usize;
        order[k / 16][place / 16][k % 16] = ZIGZAG[k] % 16;
        k += 1;
    }
    order
};

/// Transforms and quantizes the two blocks whose first row begins at `at`; the next row is `stride` on.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn coefficients(rows: &[u8], stride: usize, at: usize, divisors: &Divisors) -> Coefficients {
    let mut x = [_mm256_setzero_si256(); 8];
    for (y, line) in x.iter_mut().enumerate() {
        *line = _mm256_cvtepu8_epi16(bytes(&rows[at + y * stride..][..16]));
    }
    let mut x = pass::<true>(transpose(x));
    x[0] = _mm256_sub_epi16(x[0], _mm256_set1_epi16(LEVEL));
    let mut x = pass::<false>(transpose(x));
    let mut pair = [[0; 16]; 8];
    for (y, line) in x.iter_mut().enumerate() {
        let at = 8 * y;
        let magnitude = _mm256_add_epi16(_mm256_abs_epi16(*line), both(&divisors.half[at..][..8]));
        let magnitude = _mm256_mulhi_epu16(magnitude, both(&divisors.reciprocal[at..][..8]));
        let magnitude = _mm256_mulhi_epu16(magnitude, both(&divisors.shift[at..][..8]));
        *line = _mm256_sign_epi16(magnitude, *line);
        pair[y] = words(*line);
    }
    Coefficients { masks: masks(x), pair }
}

/// Which coefficients are not 0, in zigzag order: packed to bytes with saturation, then reordered.
#[inline]
#[target_feature(enable = "avx2")]
fn masks(x: [__m256i; 8]) -> [u64; 2] {
    let rows = [
        _mm256_packs_epi16(x[0], x[1]),
        _mm256_packs_epi16(x[2], x[3]),
        _mm256_packs_epi16(x[4], x[5]),
        _mm256_packs_epi16(x[6], x[7]),
    ];
    let mut masks = [0; 2];
    for (quarter, order) in ORDER.iter().enumerate() {
        let mut found = _mm256_setzero_si256();
        for (&row, order) in rows.iter().zip(order) {
            let order = _mm256_broadcastsi128_si256(bytes(order));
            found = _mm256_or_si256(found, _mm256_shuffle_epi8(row, order));
        }
        let nought = _mm256_cmpeq_epi8(found, _mm256_setzero_si256());
        let found = !_mm256_movemask_epi8(nought).cast_unsigned();
        masks[0] |= u64::from(found & 0xFFFF) << (16 * quarter);
        masks[1] |= u64::from(found >> 16) << (16 * quarter);
    }
    masks
}

/// Eight-point transforms down the lines, [`fdct`](super::fdct)'s.
#[inline]
#[target_feature(enable = "avx2")]
fn pass<const FIRST: bool>(x: [__m256i; 8]) -> [__m256i; 8] {
    let (t0, t7) = (_mm256_add_epi16(x[0], x[7]), _mm256_sub_epi16(x[0], x[7]));
    let (t1, t6) = (_mm256_add_epi16(x[1], x[6]), _mm256_sub_epi16(x[1], x[6]));
    let (t2, t5) = (_mm256_add_epi16(x[2], x[5]), _mm256_sub_epi16(x[2], x[5]));
    let (t3, t4) = (_mm256_add_epi16(x[3], x[4]), _mm256_sub_epi16(x[3], x[4]));
    let (t10, t13) = (_mm256_add_epi16(t0, t3), _mm256_sub_epi16(t0, t3));
    let (t11, t12) = (_mm256_add_epi16(t1, t2), _mm256_sub_epi16(t1, t2));
    let (z3, z4) = (_mm256_add_epi16(t4, t6), _mm256_add_epi16(t5, t7));
    let round = _mm256_set1_epi32(if FIRST { 1 << (12 - KEPT) } else { 1 << (12 + KEPT) });

    let even = Halves::of(t12, t13);
    let z = Halves::of(z3, z4);
    let (z3, z4) =
        (z.times(F1_175 - F1_961, F1_175).plus(round), z.times(F1_175, F1_175 - F0_390).plus(round));
    let (outer, inner) = (Halves::of(t4, t7), Halves::of(t5, t6));
    [
        kept::<FIRST>(_mm256_add_epi16(t10, t11)),
        outer.times(-F0_899, F1_501 - F0_899).and(z4).descale::<FIRST>(),
        even.times(F0_541, F0_541 + F0_765).plus(round).descale::<FIRST>(),
        inner.times(-F2_562, F3_072 - F2_562).and(z3).descale::<FIRST>(),
        kept::<FIRST>(_mm256_sub_epi16(t10, t11)),
        inner.times(F2_053 - F2_562, -F2_562).and(z4).descale::<FIRST>(),
        even.times(F0_541 - F1_847, F0_541).plus(round).descale::<FIRST>(),
        outer.times(F0_298 - F0_899, -F0_899).and(z3).descale::<FIRST>(),
    ]
}

/// Sums that are not multiplied: they gain the kept bits, or lose them.
#[inline]
#[target_feature(enable = "avx2")]
fn kept<const FIRST: bool>(sum: __m256i) -> __m256i {
    if FIRST {
        _mm256_slli_epi16::<{ KEPT as i32 }>(sum)
    } else {
        _mm256_srai_epi16::<{ KEPT as i32 }>(_mm256_add_epi16(sum, _mm256_set1_epi16(1 << (KEPT - 1))))
    }
}

/// 32-bit lanes of a register of 16-bit ones, or pairs of such lanes: the lower and the upper four of each block.
#[derive(Clone, Copy)]
struct Halves(__m256i, __m256i);

impl Halves {
    /// Pairs of lanes of two registers.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn of(a: __m256i, b: __m256i) -> Self {
        Self(_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b))
    }

    /// `a * first + b * second` of each pair.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn times(self, first: i32, second: i32) -> Self {
        let factors = _mm256_set1_epi32((first & 0xFFFF) | second << 16);
        Self(_mm256_madd_epi16(self.0, factors), _mm256_madd_epi16(self.1, factors))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn plus(self, value: __m256i) -> Self {
        self.and(Self(value, value))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn and(self, other: Self) -> Self {
        Self(_mm256_add_epi32(self.0, other.0), _mm256_add_epi32(self.1, other.1))
    }

    /// Back to 16 bits, without the fraction; rounding was added before.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn descale<const FIRST: bool>(self) -> __m256i {
        if FIRST {
            _mm256_packs_epi32(
                _mm256_srai_epi32::<{ 13 - KEPT as i32 }>(self.0),
                _mm256_srai_epi32::<{ 13 - KEPT as i32 }>(self.1),
            )
        } else {
            _mm256_packs_epi32(
                _mm256_srai_epi32::<{ 13 + KEPT as i32 }>(self.0),
                _mm256_srai_epi32::<{ 13 + KEPT as i32 }>(self.1),
            )
        }
    }
}

/// Each of the two blocks turned over its diagonal.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose(x: [__m256i; 8]) -> [__m256i; 8] {
    let (a0, a1) = (_mm256_unpacklo_epi16(x[0], x[1]), _mm256_unpackhi_epi16(x[0], x[1]));
    let (a2, a3) = (_mm256_unpacklo_epi16(x[2], x[3]), _mm256_unpackhi_epi16(x[2], x[3]));
    let (a4, a5) = (_mm256_unpacklo_epi16(x[4], x[5]), _mm256_unpackhi_epi16(x[4], x[5]));
    let (a6, a7) = (_mm256_unpacklo_epi16(x[6], x[7]), _mm256_unpackhi_epi16(x[6], x[7]));
    let (b0, b1) = (_mm256_unpacklo_epi32(a0, a2), _mm256_unpackhi_epi32(a0, a2));
    let (b2, b3) = (_mm256_unpacklo_epi32(a1, a3), _mm256_unpackhi_epi32(a1, a3));
    let (b4, b5) = (_mm256_unpacklo_epi32(a4, a6), _mm256_unpackhi_epi32(a4, a6));
    let (b6, b7) = (_mm256_unpacklo_epi32(a5, a7), _mm256_unpackhi_epi32(a5, a7));
    [
        _mm256_unpacklo_epi64(b0, b4),
        _mm256_unpackhi_epi64(b0, b4),
        _mm256_unpacklo_epi64(b1, b5),
        _mm256_unpackhi_epi64(b1, b5),
        _mm256_unpacklo_epi64(b2, b6),
        _mm256_unpackhi_epi64(b2, b6),
        _mm256_unpacklo_epi64(b3, b7),
        _mm256_unpackhi_epi64(b3, b7),
    ]
}

#[inline]
#[target_feature(enable = "avx2")]
fn bytes(from: &[u8]) -> __m128i {
    let mut all = [0; 16];
    all.copy_from_slice(from);
    let all = i128::from_le_bytes(all);
    #[expect(clippy::cast_possible_truncation, reason = "its two halves")]
    let halves = ((all >> 64) as i64, all as i64);
    _mm_set_epi64x(halves.0, halves.1)
}

/// Eight numbers, for either block.
#[inline]
#[target_feature(enable = "avx2")]
fn both(from: &[u16]) -> __m256i {
    let mut all = [0; 8];
    all.copy_from_slice(from);
    let [a, b, c, d, e, f, g, h] = all.map(u16::cast_signed);
    _mm256_broadcastsi128_si256(_mm_setr_epi16(a, b, c, d, e, f, g, h))
}

#[inline]
#[target_feature(enable = "avx2")]
fn words(line: __m256i) -> [i16; 16] {
    let quarters = [
        _mm256_extract_epi64::<0>(line),
        _mm256_extract_epi64::<1>(line),
        _mm256_extract_epi64::<2>(line),
        _mm256_extract_epi64::<3>(line),
    ];
    let mut lanes = [0; 16];
    for (lanes, quarter) in lanes.as_chunks_mut::<4>().0.iter_mut().zip(quarters) {
        #[expect(clippy::cast_possible_truncation, reason = "its four quarters")]
        let words = [quarter as i16, (quarter >> 16) as i16, (quarter >> 32) as i16, (quarter >> 48) as i16];
        *lanes = words;
    }
    lanes
}
