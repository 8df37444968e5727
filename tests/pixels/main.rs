//! The pixel layer, from outside: stored pictures, Pillow as an oracle, memory compared with the probe's
//! announcement.
//!
//! - `stored`: the pictures of `tests/data/pixels` against values stored beside them; needs nothing else.
//! - `encoded`: encoding and decoding again.
//! - `memory`: the true peak of decoding against `decode_cost`, by a counting allocator.
//! - `worst`: the worst known files, against limits of time and memory.
//! - `tiff`: TIFF files that would cost more than they should.
//! - `pillow`: every pixel against Python's Pillow, both ways. Skipped with a message without it, unless `TP2_CI` is
//!   set.
//! - `reduced`: JPEGs decoded at half or a quarter against whole ones.
//! - `corpus`: a directory of pictures from other sources, named by `TP2_CORPUS`.
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
