//! The scaler of tp2, and what both processes share.
//!
//! [`raster`] the picture, [`wire`] the protocol, [`sys`] the kernel.
#![deny(unsafe_code)]

pub mod raster;
#[expect(unsafe_code, reason = "the one place where the project talks to the kernel")]
pub mod sys;
pub mod wire;
