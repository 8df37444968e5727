//! `tp2-scaler`.
fn main() {}
