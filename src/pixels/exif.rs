//! The only metadata that is used: the orientation, by EXIF (CIPA DC-008, tag 274), or by XMP (`tiff:Orientation`) if
//! EXIF has none. That is Pillow's order.
//!
//! EXIF is a TIFF structure. A broken one is no reason to refuse a picture: everything odd means "as stored".
//!
//! Work: some entries of one directory, and one search through the XMP packet for a word.

use memchr::memmem;

use super::bytes::Endian;
use super::orient::Orientation;

/// TIFF 6.0, section 8: Orientation.
const ORIENTATION: u16 = 274;
/// Entries of the first directory that are looked at; cameras write about a dozen.
const ENTRIES_MAX: u16 = 256;
/// What JPEG puts before EXIF; some programs put it elsewhere, and twice.
const PREFIX: &[u8] = b"Exif\0\0";

/// The orientation that an EXIF block names, or else an XMP packet.
pub(super) fn orientation(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> Orientation {
    match exif.and_then(entry) {
        // An invalid value counts as a value too.
        Some((endian, entry)) => Orientation::from_entry(endian, entry),
        None => xmp.and_then(of_xmp),
    }
    .unwrap_or_default()
}

/// The directory entry of the orientation, if it has a value.
fn entry(block: &[u8]) -> Option<(Endian, &[u8])> {
    let tiff = (0..2).fold(block, |rest, _| rest.strip_prefix(PREFIX).unwrap_or(rest));
    let endian = Endian::of_tiff(tiff)?;
    let directory = usize::try_from(endian.u32(tiff, 4)?).ok()?;
    let count = endian.u16(tiff, directory)?.min(ENTRIES_MAX);
    let (entries, _) = tiff.get(directory.checked_add(2)?..)?.as_chunks::<12>();
    let mut entries = entries.iter().take(count.into());
    let entry = entries.find(|entry| endian.u16(*entry, 0) == Some(ORIENTATION))?;
    (endian.u32(entry, 4)? != 0).then_some((endian, entry))
}

/// The first `tiff:Orientation` that has a digit, as an attribute or an element.
fn of_xmp(packet: &[u8]) -> Option<Orientation> {
    const NAME: &[u8] = b"tiff:Orientation";
    let digit = memmem::find_iter(packet, NAME).find_map(|at| {
        let value = packet.get(at + NAME.len()..)?;
        let value = value.strip_prefix(b"=\"").or_else(|| value.strip_prefix(b">"))?;
        value.first().filter(|byte| byte.is_ascii_digit())
    })?;
    Orientation::from_tag(u32::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block of one entry, whose value begins with those bytes.
    fn block(kind: u16, count: u32, value: &[u8]) -> Vec<u8> {
        let mut bytes = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01".to_vec();
        bytes.extend(ORIENTATION.to_be_bytes());
        bytes.extend(kind.to_be_bytes());
        bytes.extend(count.to_be_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len() + 8 - value.len(), 0);
        bytes
    }

    fn of_exif(block: &[u8]) -> Orientation {
        orientation(Some(block), None)
    }

    #[test]
    fn finds_the_tag_behind_any_number_of_prefixes() {
        let bytes = block(3, 1, &[0, 6]);
        assert_eq!(of_exif(&bytes), Orientation::TurnRight);
        assert_eq!(of_exif(&bytes[6..]), Orientation::TurnRight);
        assert_eq!(of_exif(&[PREFIX, &bytes].concat()), Orientation::TurnRight);
    }

    #[test]
    fn integers_of_every_type_are_read() {
        for (kind, value) in
            [(1, &[6][..]), (3, &[0, 6]), (4, &[0, 0, 0, 6]), (6, &[6]), (8, &[0, 6]), (9, &[0, 0, 0, 6])]
        {
            assert_eq!(of_exif(&block(kind, 1, value)), Orientation::TurnRight, "{kind}");
        }
    }

    #[test]
    fn a_broken_tag_means_as_stored() {
        for (kind, count, value) in [
            (3, 1, &[0, 0][..]),
            (3, 1, &[0, 9]),
            (3, 0, &[0, 6]),
            (9, 1, &[0xFF, 0xFF, 0xFF, 0xFA]),
            (2, 1, &[0, 6]),
            (12, 1, &[0, 6]),
        ] {
            assert_eq!(of_exif(&block(kind, count, value)), Orientation::Upright, "{kind} {value:?}");
        }
    }

    #[test]
    fn xmp_counts_where_exif_does_not_say() {
        let attribute = b"<rdf:Description tiff:Orientation=\"8\"/>";
        let element = b"tiff:Orientation tiff:Orientation>8</tiff:Orientation>";
        let (right, odd) = (block(3, 1, &[0, 6]), block(3, 1, &[0, 9]));
        let of = |exif, xmp| orientation(exif, Some(xmp));
        for xmp in [&attribute[..], element] {
            assert_eq!(of(None, xmp), Orientation::TurnLeft);
            assert_eq!(of(Some(&b"Exif\0\0"[..]), xmp), Orientation::TurnLeft);
            assert_eq!(of(Some(&right), xmp), Orientation::TurnRight);
            assert_eq!(of(Some(&odd), xmp), Orientation::Upright);
        }
        for odd in [&b""[..], b"tiff:Orientation", b"tiff:Orientation=\"", b"tiff:Orientation>0<"] {
            assert_eq!(of(None, odd), Orientation::Upright);
        }
    }

    #[test]
    fn every_cut_is_survived() {
        let bytes = block(3, 1, &[0, 6]);
        for end in 0..bytes.len() {
            let _ = of_exif(&bytes[..end]);
        }
        assert_eq!(of_exif(b"Exif\0\0II*\0\xff\xff\xff\xff"), Orientation::Upright);
    }
}
