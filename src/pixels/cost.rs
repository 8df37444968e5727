//! Arithmetic for announcing what a decoder will allocate, in bytes: saturating, as the sizes are untrusted.

/// Overhead granted to every decoder: its state, tables and small buffers.
pub(super) const BASE: u64 = 256 * 1024;

/// Bytes of a picture of that size, `bytes` a pixel.
pub(super) fn area(width: u32, height: u32, bytes: u64) -> u64 {
    u64::from(width).saturating_mul(height.into()).saturating_mul(bytes)
}

/// The cost of a decoder that needs `work` bytes beside the finished raster of `raster` bytes, which may then have
/// to be turned into a second buffer of its size.
pub(super) fn turnable(raster: u64, work: u64) -> u64 {
    BASE.saturating_add(raster.saturating_add(work).max(raster.saturating_mul(2)))
}
