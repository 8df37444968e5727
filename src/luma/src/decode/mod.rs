//! The decoder: rows as they come, from one scan or from many.

mod bits;
mod block;
mod bytes;
mod codes;
mod decoder;
mod frame;
mod header;
mod idct;
mod layout;
mod plane;
mod progressive;
mod restarts;
mod rows;
mod scan;
mod sequential;
mod standard;
mod tables;
mod upsample;
mod walker;

pub use decoder::Decoder;
pub use frame::Process;
pub use header::{Color, Header, Scale};
pub use rows::{Picture, Rows, decode};

use crate::error::Error;

/// Blocks that wait for their transform.
const BATCH: usize = 64;
/// Their coefficients, and room for the dummy place.
const COEFFICIENTS: usize = BATCH * 64 + 256;
/// Bytes of that, and of what tells where they go.
const BATCH_BYTES: usize = 2 * COEFFICIENTS + 9 * BATCH;
const FIXED_BYTES: usize = bits::BITS_BYTES;
/// Bytes of the tables of a scan of four components, at most: DC, and pairs or skips.
const TABLE_BYTES: usize = 4 * ((2 << codes::DC_BITS) + (8 << codes::AC_BITS) + 4 * 1024);

/// Zeros, or the error that there is no memory.
fn buffer<T: Copy + Default>(length: usize) -> Result<Vec<T>, Error> {
    let mut buffer = list(length)?;
    buffer.resize(length, T::default());
    Ok(buffer)
}

/// An empty list with this capacity.
fn list<T>(length: usize) -> Result<Vec<T>, Error> {
    let mut list = Vec::new();
    list.try_reserve_exact(length).map_err(|_| Error::OutOfMemory)?;
    Ok(list)
}
