//! JPEG (ITU-T T.81): the walk to the first scan, and decoding to Y with zune-jpeg.
//!
//! YCbCr and gray pictures come out as their stored Y, no colour is ever computed. RGB, CMYK and YCCK ones are taken
//! raw and turned into gray the way Pillow does. Inks are taken for inverted (255 is none), as Adobe writes them:
//! nobody else writes any, and Pillow thinks so too.
//!
//! zune-jpeg runs in strict mode: in lenient mode it fills what is missing with gray, where every other decoder
//! says that the file is damaged. Lossless, arithmetic, hierarchical and 12-bit processes are refused by name.
//!
//! The one thing it asks of the system is huge pages below the samples: advice, on which nothing depends.

use scaler::raster::{Channels, Raster};
use scaler::sys::advise_huge_pages;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use crate::exchange::job::Failure;

use super::bytes::be16;
use super::cost;
use super::exif;
use super::gray::{cmyk_luma, luma, ycc_to_rgb};
use super::orient::Orientation;
use super::probe::{Found, undecodable};
use super::spares::Spares;

/// Segments before the first scan; the largest real files have some 300 (colour profiles and previews in pieces).
const SEGMENTS_MAX: usize = 2048;
/// Bytes skipped in search of a marker, where a segment is longer than its length says.
const STRAY_MAX: usize = 64 * 1024;
/// Scans of a progressive picture; encoders write about ten. Each is a walk over the whole picture.
const SCANS_MAX: usize = 100;

/// What the segments up to the first scan say.
struct Header<'a> {
    width: u16,
    height: u16,
    /// Identifier, horizontal and vertical sampling of each component: one, three or four of them.
    components: [(u8, u8, u8); 4],
    count: usize,
    progressive: bool,
    /// Whether the first scan holds all components, so that rows can be finished as they come.
    interleaved: bool,
    /// The transform of Adobe's APP14 segment.
    adobe: Option<u8>,
    exif: Option<&'a [u8]>,
    xmp: Option<&'a [u8]>,
    /// Bytes up to the entropy-coded data: the decoder keeps copies of some of them.
    length: usize,
}

/// How the samples of a picture become gray.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ink {
    Gray,
    Ycc,
    Rgb,
    Cmyk,
    Ycck,
}

impl Ink {
    /// Bytes of a pixel that gray is made of.
    const fn bytes(self) -> u64 {
        match self {
            Self::Gray | Self::Ycc => 1,
            Self::Rgb => 3,
            Self::Cmyk | Self::Ycck => 4,
        }
    }
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Failure> {
        let mut header = Header {
            width: 0,
            height: 0,
            components: [(0, 1, 1); 4],
            count: 0,
            progressive: false,
            interleaved: true,
            adobe: None,
            exif: None,
            xmp: None,
            length: 0,
        };
        let mut at = 2;
        for _ in 0..SEGMENTS_MAX {
            let (marker, start) = next_marker(bytes, at)?;
            match marker {
                0xD9 => return Err(undecodable("el JPEG termina antes de la imagen")),
                // TEM, RST and a second SOI have no length (T.81 B.1.1.3) and no business here; what follows them
                // is not what it seems.
                0x01 | 0xD0..=0xD8 => return Err(damaged()),
                _ => {}
            }
            let length = be16(bytes, start).ok_or_else(truncated)?;
            let end = start + usize::from(length);
            let segment =
                bytes.get(start + 2..end).ok_or_else(|| if length < 2 { damaged() } else { truncated() })?;
            match marker {
                0xC0..=0xC2 => header.frame(marker, segment)?,
                0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => return Err(unsupported_process(marker)),
                0xE1 if header.exif.is_none() && segment.starts_with(b"Exif\0\0") => {
                    header.exif = Some(segment);
                }
                0xE1 if segment.starts_with(b"http://ns.adobe.com/xap/1.0/\0") => header.xmp = Some(segment),
                0xEE if segment.starts_with(b"Adobe") => header.adobe = segment.get(11).copied(),
                0xDA => {
                    if header.count == 0 {
                        return Err(undecodable("el JPEG no tiene cabecera de imagen"));
                    }
                    header.interleaved = segment.first().is_some_and(|&n| usize::from(n) == header.count);
                    header.length = end;
                    return Ok(header);
                }
                _ => {}
            }
            at = end;
        }
        Err(undecodable("el JPEG tiene demasiados segmentos antes de la imagen"))
    }

    /// A frame header (T.81 B.2.2).
    fn frame(&mut self, marker: u8, segment: &[u8]) -> Result<(), Failure> {
        let (Some(&precision), Some(height), Some(width), Some(&count)) =
            (segment.first(), be16(segment, 1), be16(segment, 3), segment.get(5))
        else {
            return Err(damaged());
        };
        if self.count != 0 {
            return Err(undecodable("el JPEG tiene más de una cabecera de imagen"));
        }
        if precision != 8 {
            return Err(Failure::Undecodable(format!(
                "el JPEG tiene muestras de {precision} bits y solo se leen las de 8"
            )));
        }
        if !matches!(count, 1 | 3 | 4) {
            return Err(Failure::Undecodable(format!(
                "el JPEG tiene {count} componentes y solo se leen 1, 3 o 4"
            )));
        }
        self.count = usize::from(count);
        let (listed, _) = segment.get(6..).unwrap_or_default().as_chunks::<3>();
        for (component, &[id, sampling, _]) in self.components.iter_mut().zip(listed) {
            *component = (id, sampling >> 4, sampling & 15);
        }
        let sound = |&(_, h, v): &(u8, u8, u8)| (1..=4).contains(&h) && (1..=4).contains(&v);
        if listed.len() < self.count || !self.sampled().iter().all(sound) {
            return Err(damaged());
        }
        (self.width, self.height, self.progressive) = (width, height, marker == 0xC2);
        Ok(())
    }

    fn sampled(&self) -> &[(u8, u8, u8)] {
        &self.components[..self.count]
    }

    fn ink(&self) -> Ink {
        let ids: [u8; 3] = std::array::from_fn(|i| self.components[i].0);
        match (self.count, self.adobe) {
            (1, _) => Ink::Gray,
            (3, Some(0)) => Ink::Rgb,
            (3, _) if ids == *b"RGB" => Ink::Rgb,
            (3, _) => Ink::Ycc,
            (_, Some(2)) => Ink::Ycck,
            _ => Ink::Cmyk,
        }
    }

    /// What zune-jpeg allocates for an output of `raw` bytes a pixel: whole planes of coefficients if rows can't be
    /// finished as they come, some rows of MCUs, copies of metadata, the output.
    fn cost(&self, raw: u64) -> u64 {
        let most = |side: fn(&(u8, u8, u8)) -> u8| self.sampled().iter().map(side).max().unwrap_or(1);
        let (h_max, v_max) = (most(|c| c.1), most(|c| c.2));
        let blocks = |pixels: u16, sampling: u8| {
            u64::from(pixels).div_ceil(8 * u64::from(sampling)) * u64::from(sampling)
        };
        let (across, down) = (blocks(self.width, h_max), blocks(self.height, v_max));
        // Each block is 64 coefficients of two bytes.
        let plane = |&(_, h, v): &(u8, u8, u8)| {
            128 * across.div_ceil(h_max.into()) * u64::from(h) * down.div_ceil(v_max.into()) * u64::from(v)
        };
        // Subsampled in height alone, a gray decode of zune-jpeg reserves twice the rows.
        let doubled = if h_max == 1 && v_max == 2 { 2 } else { 1 };
        let planes = if self.progressive || !self.interleaved {
            doubled * self.sampled().iter().map(plane).sum::<u64>()
        } else {
            0
        };
        // A row of MCUs of each component in words of two bytes: as decoded; enlarged to the common size, twice as
        // high if a colour is subsampled too; the rows above and below. One more for the enlarging itself.
        let row = |index: usize, &(_, h, v): &(u8, u8, u8)| {
            let (h, v) = (u64::from(h), u64::from(v));
            let stored = 8 * across * h / u64::from(h_max) * v;
            let tall = if index > 0 && (h, v) != (1, 1) { 2 } else { 1 };
            let enlarged = 8 * across * (u64::from(v_max) / v) * tall;
            2 * (10 * stored + 8 * enlarged + stored * u64::from(v_max) + 16 * stored * (v - 1))
        };
        let rows: u64 = self.sampled().iter().enumerate().map(|(i, c)| row(i, c)).sum::<u64>() + 128 * across;
        let raster = cost::area(self.width.into(), self.height.into(), 1);
        cost::turnable(raster, (raw - 1) * raster + planes + rows + self.length as u64)
    }
}

/// The next marker from `at` on, and where what follows it starts.
fn next_marker(bytes: &[u8], at: usize) -> Result<(u8, usize), Failure> {
    let rest = bytes.get(at..).ok_or_else(truncated)?;
    let mut prefixed = false;
    for (offset, &byte) in rest.iter().take(STRAY_MAX).enumerate() {
        match byte {
            0xFF => prefixed = true,
            0 => prefixed = false,
            marker if prefixed => return Ok((marker, at + offset + 1)),
            _ => {}
        }
    }
    Err(if rest.len() < STRAY_MAX { truncated() } else { damaged() })
}

fn unsupported_process(marker: u8) -> Failure {
    undecodable(match marker {
        0xC3 => "el JPEG está comprimido sin pérdida y esa variante no se lee",
        0xC9..=0xCB => "el JPEG usa codificación aritmética y esa variante no se lee",
        _ => "el JPEG es jerárquico y esa variante no se lee",
    })
}

fn truncated() -> Failure {
    undecodable("el JPEG está incompleto")
}

fn damaged() -> Failure {
    undecodable("el JPEG está dañado")
}

pub(super) fn probe(bytes: &[u8]) -> Result<Found, Failure> {
    let header = Header::read(bytes)?;
    let cost = header.cost(header.ink().bytes());
    Ok(Found { width: header.width.into(), height: header.height.into(), cost })
}

pub(super) fn decode(spares: &Spares, bytes: &[u8]) -> Result<(Raster, Orientation), Failure> {
    let header = Header::read(bytes)?;
    let ink = header.ink();
    // Input and output alike: the samples as they are stored.
    let space = match ink {
        Ink::Gray | Ink::Ycc => ColorSpace::Luma,
        Ink::Rgb => ColorSpace::RGB,
        Ink::Cmyk => ColorSpace::CMYK,
        Ink::Ycck => ColorSpace::YCCK,
    };
    let samples = stored(spares, bytes, &header, space)?;
    let (width, height) = (u32::from(header.width), u32::from(header.height));
    let pixels = width as usize * height as usize;
    let samples = to_gray(samples, pixels, ink)?;
    let orientation = exif::orientation(header.exif, header.xmp);
    Ok((Raster { width, height, channels: Channels::Luma, samples }, orientation))
}

/// What the head of a JPEG inside another file says.
pub(super) struct Inside {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) components: usize,
    /// Upper bound in bytes of what [`decode_inside`] allocates.
    pub(super) cost: u64,
}

/// The samples of a JPEG inside another file: rows from top to bottom, components side by side, as they are stored.
#[derive(Default)]
pub(super) struct Stored {
    pub(super) width: u32,
    pub(super) components: usize,
    pub(super) samples: Vec<u8>,
}

/// The head of a JPEG inside another file, of which all components are wanted, or the first of luma and chroma alone.
pub(super) fn probe_inside(bytes: &[u8], luma_alone: bool) -> Result<Inside, Failure> {
    let header = Header::read(bytes)?;
    if header.width == 0 || header.height == 0 {
        return Err(damaged());
    }
    Ok(Inside {
        width: header.width.into(),
        height: header.height.into(),
        components: header.count,
        cost: header.cost(if luma_alone { 1 } else { header.count as u64 }),
    })
}

/// The samples of a JPEG inside another file, whatever it says about its colours.
pub(super) fn decode_inside(bytes: &[u8], luma_alone: bool) -> Result<Stored, Failure> {
    let header = Header::read(bytes)?;
    // Input and output alike, but for luma alone.
    let (space, components) = match header.ink() {
        Ink::Gray => (ColorSpace::Luma, 1),
        Ink::Ycc if luma_alone => (ColorSpace::Luma, 1),
        _ if luma_alone => return Err(undecodable("el JPEG no es de luma y croma")),
        Ink::Ycc => (ColorSpace::YCbCr, 3),
        Ink::Rgb => (ColorSpace::RGB, 3),
        Ink::Cmyk => (ColorSpace::CMYK, 4),
        Ink::Ycck => (ColorSpace::YCCK, 4),
    };
    let samples = stored(&Spares::default(), bytes, &header, space)?;
    let pixels = usize::from(header.width) * usize::from(header.height);
    if samples.len() != pixels * components {
        return Err(damaged());
    }
    Ok(Stored { width: header.width.into(), components, samples })
}

/// The samples in a colour space of which the decoder makes no other.
fn stored(spares: &Spares, bytes: &[u8], header: &Header, space: ColorSpace) -> Result<Vec<u8>, Failure> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(SCANS_MAX)
        .jpeg_set_out_colorspace(ColorSpace::Luma);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| refusal(&e))?;
    // Between broken segments it may have found another picture than the walk did: one with another cost.
    let sides = (usize::from(header.width), usize::from(header.height));
    let components = decoder.info().map(|info| usize::from(info.components));
    if decoder.dimensions() != Some(sides) || components != Some(header.count) {
        return Err(damaged());
    }
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    let mut samples = zeroed(spares, decoder.output_buffer_size().ok_or_else(damaged)?);
    decoder.decode_into(&mut samples).map_err(|e| refusal(&e))?;
    Ok(samples)
}

/// A buffer of our own: that of the decoder would come in pages of 4 KiB, each with a fault. Zeroed also if it was used
/// before, so that no bug of the decoder can show somebody another's picture.
fn zeroed(spares: &Spares, length: usize) -> Vec<u8> {
    let mut buffer = spares.take(length);
    if buffer.capacity() < length {
        buffer = vec![0; length];
        advise_huge_pages(&buffer);
    } else {
        buffer.resize(length, 0);
    }
    buffer
}

/// Gray where the stored samples lie.
fn to_gray(mut samples: Vec<u8>, pixels: usize, ink: Ink) -> Result<Vec<u8>, Failure> {
    let bytes = match ink {
        Ink::Gray | Ink::Ycc => 1,
        Ink::Rgb => 3,
        Ink::Cmyk | Ink::Ycck => 4,
    };
    if samples.len() != pixels * bytes {
        return Err(damaged());
    }
    if bytes == 1 {
        return Ok(samples);
    }
    for i in 0..pixels {
        let at = bytes * i;
        let (a, b, c) = (samples[at], samples[at + 1], samples[at + 2]);
        samples[i] = match ink {
            Ink::Cmyk => cmyk_luma(!a, !b, !c, !samples[at + 3]),
            Ink::Ycck => {
                let [r, g, b] = ycc_to_rgb(a, b, c);
                cmyk_luma(r, g, b, !samples[at + 3])
            }
            _ => luma(a, b, c),
        };
    }
    samples.truncate(pixels);
    samples.shrink_to_fit();
    Ok(samples)
}

fn refusal(error: &DecodeErrors) -> Failure {
    match error {
        DecodeErrors::ExhaustedData | DecodeErrors::IoErrors(_) => truncated(),
        DecodeErrors::FormatStatic("Premature end of buffer") => truncated(),
        _ => damaged(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_buffer_shows_nothing_of_what_it_held() {
        let spares = Spares::new(u64::MAX);
        let used = vec![200; 5 << 20];
        let address = used.as_ptr();
        spares.give(used);
        let samples = zeroed(&spares, (5 << 20) - 100);
        assert_eq!((samples.as_ptr(), samples.len()), (address, (5 << 20) - 100));
        assert!(samples.iter().all(|&sample| sample == 0));
        assert_eq!(zeroed(&spares, 7), [0; 7]);
    }
}
