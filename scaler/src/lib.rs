//! The scaler of tp2, a fork-per-connection server, and what both processes share.
//!
//! Rule: this process forks and never threads (tp2 threads, and forks only to start this one).
//!
//! Layers, from below: [`sys`] the kernel; [`raster`], [`wire`], [`resize`], [`scaling`], [`throttle`], [`exit_stats`], [`ending`],
//! [`usage`], [`words`] pure; [`options`], [`log`], [`listener`], [`sandbox`]; [`child`]; [`config`]; [`serve`].
//!
//! To read it: [`serve`] is the parent's loop, [`sandbox`] what a child gives up, [`child`] what it does then, [`wire`] the bytes
//! it speaks (`protocol.md` has them in prose), [`resize`] the work itself, [`scaling`] both put together.
#![deny(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod child;
pub mod config;
pub mod ending;
pub mod exit_stats;
pub mod listener;
pub mod lobby;
pub mod log;
pub mod options;
pub mod raster;
pub mod resize;
pub mod sandbox;
pub mod scaling;
pub mod serve;
#[expect(unsafe_code, reason = "the one place where the project talks to the kernel")]
pub mod sys;
pub mod throttle;
pub mod usage;
pub mod wire;
pub mod words;
