//! [`CODECS`]: what is done with the pixels of each format, one row a format. The other facts about formats are in the
//! table of [`http::format`](crate::http::format).
use scaler::raster::Raster;

use super::buffers::BufferPool;
use super::cost::area;
use super::encoders::{self, flatten};
use super::header::PictureHeader;
use super::orient::Orientation;
use super::{bmp, gif, jpeg, png, pnm, tiff, webp};
use crate::http::format::Format;
use crate::model::error::WorkError;
use crate::model::image::{Encoding, PixelLimits, Reduction};
use crate::model::job::Cancel;

/// Gray in the stored orientation, and that orientation.
type AsStored = Result<(Raster, Orientation), WorkError>;

pub(super) struct Codec {
    pub(super) format: Format,
    pub(super) probe: fn(&[u8], &PixelLimits) -> Result<PictureHeader, WorkError>,
    /// Decodes to gray as it is stored, and says how that is turned.
    pub(super) decode: fn(&BufferPool, &[u8], Reduction, &Cancel) -> AsStored,
    pub(super) encode: fn(Raster, &Encoding, &Cancel) -> Result<Vec<u8>, WorkError>,
    /// Bytes that `encode` allocates at most for so many columns and rows.
    pub(super) encode_cost: fn(u32, u32) -> u64,
    /// The longest side that is written, in pixels.
    pub(super) side_max: u32,
}

pub(super) fn codec(format: Format) -> &'static Codec {
    let row = &CODECS[format as usize];
    debug_assert_eq!(row.format, format, "the rows are in the order of Format");
    row
}

const UPRIGHT: Orientation = Orientation::Upright;

/// Every format, in the order of [`Format`]. Of costs: a vector that grows holds three times its content at worst, when
/// it moves to twice its size.
static CODECS: [Codec; Format::ALL.len()] = [
    Codec {
        format: Format::Jpeg,
        probe: |bytes, _| jpeg::probe(bytes),
        decode: jpeg::decode,
        encode: |raster, encoding, cancelled| {
            encoders::jpeg(&flatten(raster, encoding.background), encoding.quality, cancelled)
        },
        // Noise of black and white has two bytes a pixel. A file that outgrows its estimated room is there twice while
        // it moves. Blocks are padded at the edge.
        encode_cost: |width, height| area(width.saturating_add(8), height.saturating_add(8), 5),
        // T.81 B.2.2.
        side_max: 65_535,
    },
    Codec {
        format: Format::Png,
        probe: png::probe,
        decode: |_, bytes, _, cancelled| png::decode(bytes, cancelled),
        encode: |raster, _, cancelled| encoders::png(&raster, cancelled),
        // Two samples a pixel and a byte a row: compressed to at most 1.5 of them, which grew, then stored beside that
        // in another vector, and the file's first half a byte a sample.
        encode_cost: |width, height| area(width.saturating_add(1), height, 13),
        side_max: i32::MAX.unsigned_abs(),
    },
    Codec {
        format: Format::Gif,
        probe: |bytes, _| gif::probe(bytes),
        decode: |_, bytes, _, cancelled| gif::decode(bytes, cancelled).map(|raster| (raster, UPRIGHT)),
        encode: |raster, _, cancelled| encoders::gif(&raster, cancelled),
        // The index, codes of 12 bits in a vector that grew, and the file, which grows.
        encode_cost: |width, height| area(width, height, 8),
        // GIF89a, section 18.
        side_max: 65_535,
    },
    Codec {
        format: Format::WebP,
        probe: |bytes, _| webp::probe(bytes),
        decode: |_, bytes, _, cancelled| webp::decode(bytes, cancelled),
        encode: |raster, _, cancelled| encoders::webp(&raster, cancelled),
        // RGBA, two samples that grow in the compressed stream, and the file's first half a byte a sample.
        encode_cost: |width, height| area(width, height, 12),
        // RFC 9649, section 3.4, has one more, which libwebp does not write and our decoder takes for zero.
        side_max: 16_383,
    },
    Codec {
        format: Format::Bmp,
        probe: |bytes, _| bmp::probe(bytes),
        decode: |_, bytes, _, cancelled| bmp::decode(bytes, cancelled).map(|raster| (raster, UPRIGHT)),
        encode: |raster, encoding, cancelled| encoders::bmp(&flatten(raster, encoding.background), cancelled),
        encode_cost: |width, height| area(width.saturating_add(3), height, 1),
        // A longer one might outgrow the 32 bits of its length, and few would read it.
        side_max: 65_535,
    },
    Codec {
        format: Format::Tiff,
        probe: |bytes, _| tiff::probe(bytes),
        decode: |_, bytes, _, cancelled| tiff::decode(bytes, cancelled),
        encode: |raster, _, cancelled| encoders::tiff(&raster, cancelled),
        encode_cost: |width, height| area(width, height, 2),
        side_max: i32::MAX.unsigned_abs(),
    },
    Codec {
        format: Format::Pnm,
        probe: pnm::probe,
        decode: |_, bytes, _, cancelled| pnm::decode(bytes, cancelled).map(|raster| (raster, UPRIGHT)),
        encode: |raster, encoding, cancelled| encoders::pgm(&flatten(raster, encoding.background), cancelled),
        encode_cost: |width, height| area(width, height, 1),
        side_max: i32::MAX.unsigned_abs(),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_has_its_row() {
        for format in Format::ALL {
            assert_eq!(codec(format).format, format);
        }
    }
}
