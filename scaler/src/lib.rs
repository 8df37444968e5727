//! The scaler of tp2, and what both processes share.
pub mod raster;
