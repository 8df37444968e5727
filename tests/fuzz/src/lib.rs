//! Shared by the fuzzers: cutting an input into pieces.
//!
//! `scripts/fuzz head` runs one of them, `scripts/fuzz` all.

/// Three ways to offer the same bytes, chosen by `seed` as far as they leave a choice: whole, byte by byte, and in
/// pieces of pseudo-random sizes.
pub fn cuts(seed: u8, data: &[u8]) -> [Vec<&[u8]>; 3] {
    let mut random = u32::from(seed) << 8 | 1;
    let mut rest = data;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        // xorshift; the seed also decides how large the pieces may be.
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        let (piece, more) =
            rest.split_at((random as usize % (usize::from(seed % 61) + 2) + 1).min(rest.len()));
        pieces.push(piece);
        rest = more;
    }
    [vec![data], data.chunks(1).collect(), pieces]
}
