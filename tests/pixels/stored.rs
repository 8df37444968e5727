//! The pixel layer against stored pictures: every format, variant and fault, with gray values that Pillow found.

use crate::fixtures::{LIMITS, Verdict, Xorshift, difference, fixture, fixtures, pixels, read};
use tp2::http::format::Format;
use tp2::model::error::WorkError;
use tp2::model::image::PixelLimits;
use tp2::pixels::{decode, probe};

#[test]
fn every_fixture_meets_its_verdict() {
    for fixture in fixtures() {
        let name = &fixture.name;
        match (fixture.verdict, read(&fixture.bytes())) {
            (Verdict::Picture, Ok((_, raster))) => {
                assert_eq!((raster.width, raster.height), (fixture.width, fixture.height), "{name}");
                let count = raster.width as usize * raster.height as usize * raster.channels.count();
                assert_eq!(raster.samples.len(), count, "{name}");
            }
            (Verdict::Undecodable, Err(WorkError::Undecodable(reason))) => {
                assert!(reason.len() > 15, "{name}: a reason that tells little: {reason}");
            }
            (Verdict::TooMany, Err(WorkError::TooManyPixels { .. })) => {}
            (Verdict::Unknown, Err(WorkError::UnknownFormat)) => {}
            (verdict, outcome) => panic!("{name}: {verdict:?} expected, not {outcome:?}"),
        }
    }
}

#[test]
fn gray_and_alpha_are_those_of_pillow() {
    for fixture in fixtures() {
        let Some(gray) = &fixture.gray else { continue };
        let (_, raster) = read(&fixture.bytes()).expect(&fixture.name);
        let all = pixels(&raster);
        let (width, height) = (raster.width as usize, raster.height as usize);
        let place = |n: usize, side: usize| (2 * n + 1) * side / 16;
        let ours: Vec<_> = (0..64).map(|i| all[place(i / 8, height) * width + place(i % 8, width)]).collect();
        let opaque = vec![255; 64];
        let alpha = fixture.alpha.as_ref().unwrap_or(&opaque);
        let theirs: Vec<_> = gray.iter().zip(alpha).map(|(&g, &a)| [g, a]).collect();
        let (gray, alpha) = difference(&ours, &theirs);
        assert!(gray <= fixture.tolerance && alpha <= 1, "{}: gray {gray}, alpha {alpha}", fixture.name);
    }
}

#[test]
fn turned_upright_the_eight_orientations_are_one_picture() {
    let (_, upright) = read(&fixture("png_exif_1.png")).unwrap();
    for orientation in 2..=8 {
        let (_, turned) = read(&fixture(&format!("png_exif_{orientation}.png"))).unwrap();
        assert_eq!(turned, upright, "PNG {orientation}");
    }
    let (_, upright) = read(&fixture("tiff_gray_lzw.tif")).unwrap();
    for orientation in 2..=8 {
        let (_, turned) = read(&fixture(&format!("tiff_orientation_{orientation}.tif"))).unwrap();
        assert_eq!(turned, upright, "TIFF {orientation}");
    }
    let (_, upright) = read(&fixture("jpeg_exif_1.jpg")).unwrap();
    for orientation in 2..=8 {
        let (_, turned) = read(&fixture(&format!("jpeg_exif_{orientation}.jpg"))).unwrap();
        assert_eq!((turned.width, turned.height), (upright.width, upright.height));
        let sum: u32 =
            turned.samples.iter().zip(&upright.samples).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        let mean = f64::from(sum) / upright.samples.len() as f64;
        // Compressed in other directions, they differ as two JPEGs do.
        assert!(mean < 4.0, "JPEG {orientation} differs by {mean}");
    }
}

#[test]
fn the_probe_tells_stored_sides_and_format() {
    for (name, format) in [
        ("jpeg_420.jpg", Format::Jpeg),
        ("png_rgb.png", Format::Png),
        ("gif_palette.gif", Format::Gif),
        ("bmp_24.bmp", Format::Bmp),
        ("webp_lossy.webp", Format::WebP),
        ("tiff_rgb.tif", Format::Tiff),
        ("pnm_p6.ppm", Format::Pnm),
    ] {
        let probed = probe(&fixture(name), &LIMITS).unwrap();
        assert_eq!((probed.format, probed.width, probed.height), (format, 61, 43), "{name}");
    }
    let turned = probe(&fixture("jpeg_exif_6.jpg"), &LIMITS).unwrap();
    assert_eq!((turned.width, turned.height), (43, 61), "as stored, before orientation");
}

#[test]
fn limits_are_inclusive() {
    for name in
        ["jpeg_420.jpg", "png_rgb.png", "gif_palette.gif", "bmp_24.bmp", "webp_lossy.webp", "tiff_rgb.tif"]
    {
        let bytes = fixture(name);
        let limits = |pixels_max, side_max| PixelLimits { pixels_max, side_max };
        assert!(probe(&bytes, &limits(61 * 43, 61)).is_ok(), "{name}");
        let refused = Err(WorkError::TooManyPixels { width: 61, height: 43 });
        assert_eq!(probe(&bytes, &limits(61 * 43 - 1, 61)), refused, "{name}");
        assert_eq!(probe(&bytes, &limits(61 * 43, 60)), refused, "{name}");
        let probed = probe(&bytes, &LIMITS).unwrap();
        assert!(decode(&bytes, &probed, &limits(61 * 43, 60)).is_err(), "{name}");
    }
}

#[test]
fn no_cut_and_no_flipped_byte_is_a_panic() {
    let mut random = Xorshift(0x9E37_79B9_7F4A_7C15);
    for fixture in fixtures() {
        let whole = fixture.bytes();
        for cut in (0..whole.len()).step_by(whole.len() / 40 + 1) {
            let _ = read(&whole[..cut]);
        }
        for _ in 0..if whole.is_empty() { 0 } else { 60 } {
            let mut bytes = whole.clone();
            for _ in 0..=random.below(4) {
                // Most of the decisions depend on the headers.
                let end = if random.below(2) == 0 { bytes.len() } else { bytes.len().min(200) };
                let at = random.below(end);
                bytes[at] = [0, 0xFF, 0x7F, bytes[at].wrapping_add(1)][random.below(4)];
            }
            if let Ok((_, raster)) = read(&bytes) {
                let count = raster.width as usize * raster.height as usize * raster.channels.count();
                assert_eq!(raster.samples.len(), count, "{}", fixture.name);
            }
        }
    }
}
