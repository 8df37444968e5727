//! What a TIFF says of itself in numbers, in words for people: compressions and colours that are not read.

use super::fax::Fax;
use crate::model::error::WorkError;

/// How strips and tiles are compressed (tag Compression), of what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Lzw,
    Deflate,
    PackBits,
    Fax(Fax),
    /// A JPEG in every strip or tile.
    Jpeg,
}

/// What the colour samples of a pixel mean (tag PhotometricInterpretation), of what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    WhiteIsZero,
    BlackIsZero,
    Rgb,
    Palette,
    Cmyk,
    /// Luma and two chromas.
    Ycc,
}

impl Ink {
    /// Colour samples of a pixel.
    pub(super) const fn samples(self) -> u16 {
        match self {
            Self::WhiteIsZero | Self::BlackIsZero | Self::Palette => 1,
            Self::Rgb | Self::Ycc => 3,
            Self::Cmyk => 4,
        }
    }
}

/// `fax_options` is the tag T4Options: its lowest bit means two-dimensional rows.
pub(super) fn packing(compression: u64, fax_options: u64) -> Result<Packing, WorkError> {
    let name = match compression {
        1 => return Ok(Packing::Plain),
        2 => return Ok(Packing::Fax(Fax::Rle { aligned: 8 })),
        3 => return Ok(Packing::Fax(Fax::Group3 { two_dimensions: fax_options & 1 == 1 })),
        4 => return Ok(Packing::Fax(Fax::Group4)),
        5 => return Ok(Packing::Lzw),
        7 => return Ok(Packing::Jpeg),
        8 | 32_946 => return Ok(Packing::Deflate),
        32_771 => return Ok(Packing::Fax(Fax::Rle { aligned: 16 })),
        32_773 => return Ok(Packing::PackBits),
        6 => "JPEG a la antigua (de antes de 1995)",
        9 | 10 | 34_661 => "JBIG",
        32_766 => "NeXT",
        32_809 => "ThunderScan",
        32_895..=32_898 => "IT8",
        32_908 | 32_909 => "Pixar",
        32_947 => "Kodak DCS",
        33_003 | 33_004 | 33_005 | 34_712 => "JPEG 2000",
        34_676 | 34_677 => "SGILog (LogL y LogLuv)",
        34_887 => "LERC",
        34_892 => "JPEG con pérdida de DNG",
        34_925 => "LZMA",
        34_926 | 50_000 => "zstd",
        34_927 | 50_001 => "WebP",
        34_933 => "PNG",
        34_934 | 22_610 => "JPEG XR",
        50_002 | 52_546 => "JPEG XL",
        _ => {
            return Err(WorkError::Undecodable(format!(
                "el TIFF usa una compresión desconocida (la número {compression}), que no se lee"
            )));
        }
    };
    Err(WorkError::Undecodable(format!("el TIFF usa la compresión {name}, que no se lee")))
}

pub(super) fn ink(photometric: u64) -> Result<Ink, WorkError> {
    let name = match photometric {
        0 => return Ok(Ink::WhiteIsZero),
        1 => return Ok(Ink::BlackIsZero),
        2 => return Ok(Ink::Rgb),
        3 => return Ok(Ink::Palette),
        5 => return Ok(Ink::Cmyk),
        6 => return Ok(Ink::Ycc),
        4 => "de una máscara de transparencia",
        8..=10 => "Lab",
        32_803 => "de un sensor sin revelar (CFA)",
        32_844 => "LogL",
        32_845 => "LogLuv",
        34_892 => "de un sensor sin convertir (LinearRaw)",
        51_177 => "de un mapa de profundidad",
        _ => {
            return Err(WorkError::Undecodable(format!(
                "el TIFF usa un espacio de color desconocido (el número {photometric}), que no se lee"
            )));
        }
    };
    Err(WorkError::Undecodable(format!("el TIFF usa el espacio de color {name}, que no se lee")))
}
