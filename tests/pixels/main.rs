//! The pixel layer, from outside: stored pictures, Pillow as an oracle, memory held to what the probe announced.
//!
//! - `stored`: the pictures of `tests/data/pixels` against values kept beside them; needs nothing else.
//! - `encoded`: what is written is read back the same.
//! - `memory`: the true peak of decoding against `decode_cost`, by a counting allocator.
//! - `worst`: the worst files that we know of, against bounds of time and memory.
//! - `tiff`: TIFF files that would cost more than they should.
//! - `pillow`: every pixel against Python's Pillow, both ways. Skipped, aloud, where there is none, unless `TP2_CI` is set.
//! - `reduced`: JPEGs decoded at half or a quarter against whole ones.
//! - `corpus`: a directory of other people's pictures, named by `TP2_CORPUS`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says aloud what it skips"
)]

mod corpus;
mod encoded;
mod fixtures;
mod memory;
mod pillow;
mod reduced;
mod stored;
mod tiff;
mod worst;
