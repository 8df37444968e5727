//! `tp2`.
fn main() {}
