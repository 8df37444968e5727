//! The wire formats: bytes in, values out. Pure: std, bytes, httparse, memchr, uuid.
pub mod format;
