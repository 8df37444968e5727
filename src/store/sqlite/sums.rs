//! Checksums of stored pictures: CRC-32, of each piece of [`PIECE`] bytes.
//!
//! Rules: they are made from the bytes in memory before these are written, and compared with what was read before it
//! leaves the store. Pieces let a range be checked without the rest of its file.
//!
//! CRC-32 finds every change within 32 successive bits, and any other but for one in 2^32. It is no protection from a
//! person who can write to the file and makes the checksum too. docs/benchmarks.md has what it costs, and why it is
//! this one.
use crc32fast::Hasher;

/// Bytes that one checksum is of; the last piece may be shorter.
pub(super) const PIECE: usize = 64 << 10;
/// Bytes of a checksum.
const SUM: usize = 4;

/// The checksums of a file, one after the other, big-endian.
pub(super) fn of_file(file: &[u8]) -> Vec<u8> {
    file.chunks(PIECE).flat_map(|piece| crc32fast::hash(piece).to_be_bytes()).collect()
}

/// Whether the file's piece of this number is what the checksums were made of.
pub(super) fn is_sound(sums: &[u8], number: usize, piece: &[u8]) -> bool {
    let kept = number.checked_mul(SUM).and_then(|start| sums.get(start..)?.first_chunk::<SUM>());
    kept == Some(&crc32fast::hash(piece).to_be_bytes())
}

/// The checksum of a face: of its picture's text, and its pixels behind it.
pub(super) fn of_face(image: &str, samples: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(image.as_bytes());
    hasher.update(samples);
    hasher.finalize()
}
