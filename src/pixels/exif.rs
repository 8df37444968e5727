//! The one thing we want from EXIF: which way up the picture is (CIPA DC-008, tag 274).
//!
//! EXIF is a TIFF structure. A broken one is no reason to refuse a picture: everything odd means "as stored".

use super::bytes::Endian;
use super::orient::Orientation;

/// TIFF 6.0, section 8: Orientation.
const ORIENTATION: u16 = 274;
/// Entries of the first directory that are looked at; cameras write about a dozen.
const ENTRIES_MAX: u16 = 256;

/// The orientation an EXIF block names; `block` may begin with the `Exif\0\0` that JPEG puts before it.
pub(super) fn orientation(block: &[u8]) -> Orientation {
    let tiff = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    find(tiff).unwrap_or(Orientation::Upright)
}

fn find(tiff: &[u8]) -> Option<Orientation> {
    let endian = Endian::of_tiff(tiff)?;
    let directory = usize::try_from(endian.u32(tiff, 4)?).ok()?;
    let count = endian.u16(tiff, directory)?.min(ENTRIES_MAX);
    for index in 0..usize::from(count) {
        let entry = tiff.get(directory.checked_add(2 + 12 * index)?..)?;
        if endian.u16(entry, 0)? == ORIENTATION {
            return Orientation::from_entry(endian, entry);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(kind: u16, value: u16) -> Vec<u8> {
        let mut bytes = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01".to_vec();
        bytes.extend(ORIENTATION.to_be_bytes());
        bytes.extend(kind.to_be_bytes());
        bytes.extend(1u32.to_be_bytes());
        bytes.extend(value.to_be_bytes());
        bytes.extend([0; 6]);
        bytes
    }

    #[test]
    fn finds_the_tag_with_and_without_the_jpeg_prefix() {
        let bytes = block(3, 6);
        assert_eq!(orientation(&bytes), Orientation::TurnRight);
        assert_eq!(orientation(&bytes[6..]), Orientation::TurnRight);
    }

    #[test]
    fn a_broken_tag_means_as_stored() {
        for (kind, value) in [(3, 0), (3, 9), (2, 6), (12, 6)] {
            assert_eq!(orientation(&block(kind, value)), Orientation::Upright, "{kind} {value}");
        }
    }

    #[test]
    fn every_cut_is_survived() {
        let bytes = block(3, 6);
        for end in 0..bytes.len() {
            let _ = orientation(&bytes[..end]);
        }
        assert_eq!(orientation(b"Exif\0\0II*\0\xff\xff\xff\xff"), Orientation::Upright);
    }
}
