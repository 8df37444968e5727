//! Encoding and decoding again: exact for lossless formats, close for lossy ones.

use scaler::raster::{Channels, Raster};
use tp2::http::format::{Format, Sniff};
use tp2::model::error::WorkError;
use tp2::pixels::gray::{blend, luma};
use tp2::pixels::{Encoding, encode, side_max};

use crate::fixtures::{fixture, pixels, read};

fn encoding(format: Format) -> Encoding {
    Encoding { format, quality: 90, background: [10, 200, 30] }
}

fn written(raster: &Raster, format: Format) -> Raster {
    let bytes = encode(raster.clone(), &encoding(format)).unwrap();
    assert_eq!(Format::sniff(&bytes), Sniff::Picture(format));
    let (_, back) = read(&bytes).unwrap();
    assert_eq!((back.width, back.height), (raster.width, raster.height), "{format:?}");
    back
}

fn opaque() -> Raster {
    read(&fixture("png_gray.png")).unwrap().1
}

fn transparent() -> Raster {
    let raster = read(&fixture("png_gray_alpha.png")).unwrap().1;
    assert_eq!(raster.channels, Channels::LumaAlpha);
    raster
}

#[test]
fn an_opaque_picture_comes_back_the_same() {
    for format in Format::ALL {
        let (raster, back) = (opaque(), written(&opaque(), format));
        assert_eq!(back.channels, Channels::Luma, "{format:?}");
        if format == Format::Jpeg {
            let worst = raster.samples.iter().zip(&back.samples).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst.unwrap() < 24, "JPEG differs by {worst:?}");
        } else {
            assert_eq!(back.samples, raster.samples, "{format:?}");
        }
    }
}

#[test]
fn alpha_is_kept_where_the_format_has_it() {
    let raster = transparent();
    for format in [Format::Png, Format::WebP, Format::Tiff] {
        assert_eq!(written(&raster, format), raster, "{format:?}");
    }
    let back = written(&raster, Format::Gif);
    for (&[gray, alpha], &[kept, mask]) in pixels(&raster).iter().zip(&pixels(&back)) {
        assert_eq!(mask, if alpha < 128 { 0 } else { 255 });
        assert!(mask == 0 || kept.abs_diff(gray) <= 1, "{gray} became {kept}");
    }
}

#[test]
fn elsewhere_it_is_drawn_over_the_background() {
    let raster = transparent();
    let under = luma(10, 200, 30);
    let expected: Vec<u8> = pixels(&raster).iter().map(|&[gray, alpha]| blend(gray, alpha, under)).collect();
    for format in [Format::Bmp, Format::Pnm] {
        assert_eq!(written(&raster, format).samples, expected, "{format:?}");
    }
    let jpeg = written(&raster, Format::Jpeg);
    let worst = jpeg.samples.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(worst.unwrap() < 24, "JPEG differs by {worst:?}");
}

#[test]
fn small_and_thin_pictures_are_written_too() {
    for (width, height) in [(1, 1), (1, 300), (300, 1), (7, 9), (8, 8), (17, 16)] {
        for channels in [Channels::Luma, Channels::LumaAlpha] {
            let count = width as usize * height as usize * channels.count();
            let samples = (0..=255u8).cycle().take(count).collect();
            let raster = Raster { width, height, channels, samples };
            for format in Format::ALL {
                written(&raster, format);
            }
        }
    }
}

/// The JPEG encoder's SIMD kernels work on blocks and rows of blocks: all partial blocks, at the extremes of contrast
/// and quality, must be decoded correctly by a decoder that shares no code with it.
#[test]
fn every_size_of_jpeg_is_read_back() {
    let sizes = (1..=40).flat_map(|w| [1, 7, 8, 9, 33].map(|h| (w, h))).chain([(65_500, 1), (1, 65_500)]);
    for (width, height) in sizes {
        let count = width as usize * height as usize;
        let ramp: Vec<u8> = (0..200).step_by(5).cycle().take(count).collect();
        let checkers: Vec<u8> = [0, 255].into_iter().cycle().take(count).collect();
        for (quality, samples, worst) in [(100, ramp.clone(), 2), (100, checkers, 2), (75, ramp, 64)] {
            let raster = Raster { width, height, channels: Channels::Luma, samples };
            let bytes = encode(raster.clone(), &Encoding { quality, ..encoding(Format::Jpeg) }).unwrap();
            let (_, back) = read(&bytes).unwrap();
            assert_eq!((back.width, back.height), (width, height));
            let most = raster.samples.iter().zip(&back.samples).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(most <= worst, "{width}x{height} at {quality}: {most}");
        }
    }
}

#[test]
fn quality_is_that_of_libjpeg() {
    let size = |quality| encode(opaque(), &Encoding { quality, ..encoding(Format::Jpeg) }).unwrap().len();
    assert!(size(10) < size(50) && size(50) < size(85) && size(85) < size(100));
    // The first entry of the luminance table is 16 at quality 50 and 16 * 30 / 100 rounded at 85 (T.81 K.1).
    for (quality, first) in [(50, 16), (85, 5), (100, 1), (1, 255)] {
        let bytes = encode(opaque(), &Encoding { quality, ..encoding(Format::Jpeg) }).unwrap();
        let table = bytes.windows(2).position(|w| w == [0xFF, 0xDB]).unwrap();
        assert_eq!(bytes[table + 5], first, "quality {quality}");
    }
}

#[test]
fn a_side_the_format_cannot_say_is_refused() {
    let raster =
        |width| Raster { width, height: 1, channels: Channels::Luma, samples: vec![0; width as usize] };
    for (format, longest) in
        [(Format::WebP, 16_383), (Format::Jpeg, 65_535), (Format::Gif, 65_535), (Format::Bmp, 65_535)]
    {
        assert_eq!(side_max(format), longest);
        assert!(encode(raster(longest), &encoding(format)).is_ok(), "{format:?}");
        let refused = Err(WorkError::TooManyPixels { width: u64::from(longest) + 1, height: 1 });
        assert_eq!(encode(raster(longest + 1), &encoding(format)), refused, "{format:?}");
    }
    for format in [Format::Png, Format::Tiff, Format::Pnm] {
        assert!(side_max(format) > 65_535 && encode(raster(65_536), &encoding(format)).is_ok(), "{format:?}");
    }
}

#[test]
fn a_pgm_has_three_lines_and_its_samples() {
    let raster = Raster { width: 3, height: 1, channels: Channels::Luma, samples: b" \n ".to_vec() };
    assert_eq!(encode(raster, &encoding(Format::Pnm)).unwrap(), b"P5\n3 1\n255\n \n ");
}

#[test]
fn no_metadata_is_written() {
    let (_, raster) = read(&fixture("jpeg_exif_6.jpg")).unwrap();
    for format in Format::ALL {
        let bytes = encode(raster.clone(), &encoding(format)).unwrap();
        for trace in [&b"Exif"[..], b"eXIf", b"EXIF", b"ICC_PROFILE", b"iCCP", b"http://"] {
            assert!(!bytes.windows(trace.len()).any(|w| w == trace), "{format:?}: {}", trace.escape_ascii());
        }
    }
}
