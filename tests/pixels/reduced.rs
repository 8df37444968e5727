//! JPEGs decoded at half or a quarter: the results equal those of full decoding, within the tolerances for
//! photographs (a mean of 0.35 levels, 12 at most), and have the same size, also for pictures that have to be
//! rotated.

use scaler::raster::Raster;
use tp2::http::format::Format;
use tp2::model::image::{PixelLimits, Reduction};
use tp2::model::job::{Cancel, Decoded};
use tp2::pixels::{BufferPool, Encoding, decode_from, encode, probe, reduce};

const PHOTOGRAPHS: [&str; 5] = [
    "fotos/astronaut.png",
    "fotos/chelsea.png",
    "fotos/coffee.png",
    "fotos/hubble_deep_field.jpg",
    "fotos/rocket.jpg",
];

const LIMITS: PixelLimits = PixelLimits { pixels_max: 100_000_000, side_max: 65_535 };

fn file(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn decoded(bytes: &[u8], reduction: Reduction) -> Decoded {
    let mut probed = probe(bytes, &LIMITS).unwrap();
    reduce(&mut probed, bytes, reduction).unwrap();
    assert_eq!(probed.reduction, reduction);
    decode_from(&BufferPool::default(), bytes, &probed, &LIMITS, &Cancel::default()).unwrap()
}

fn resized(raster: &Raster, (width, height): (u32, u32)) -> Vec<u8> {
    scaler::resize::resize(raster, width, height).unwrap().samples
}

/// The picture without its last rows and columns, so that each side can be divided by eight.
fn cut_to_eights(bytes: &[u8]) -> Vec<u8> {
    let raster = decoded(bytes, Reduction::None).raster;
    let (width, height) = (raster.width & !7, raster.height & !7);
    let rows = raster.samples.chunks(raster.width as usize).take(height as usize);
    let samples = rows.flat_map(|row| &row[..width as usize]).copied().collect();
    let encoding = Encoding { format: Format::Jpeg, quality: 90, background: [0; 3] };
    encode(Raster { width, height, samples, ..raster }, &encoding).unwrap()
}

#[test]
fn small_results_of_reduced_pictures_are_those_of_whole_ones() {
    let mut compared = [0; 2];
    for name in PHOTOGRAPHS {
        let bytes = cut_to_eights(&file(name));
        let whole = decoded(&bytes, Reduction::None);
        let (width, height) = whole.size;
        for thousandths in [250, 240, 200, 190, 150, 125, 100, 84, 83, 60, 33, 10] {
            let target = (width * thousandths / 1000, height * thousandths / 1000);
            let reduction = Reduction::for_target((width, height), target);
            assert_ne!(reduction, Reduction::None, "{name} {thousandths}");
            compared[usize::from(reduction == Reduction::Quarter)] += 1;
            let reduced = decoded(&bytes, reduction);
            assert_eq!(reduced.size, (width, height));
            assert_eq!((reduced.raster.width, reduced.raster.height), reduction.size(width, height));
            let pairs = resized(&reduced.raster, target).into_iter().zip(resized(&whole.raster, target));
            let differences: Vec<u32> = pairs.map(|(a, b)| a.abs_diff(b).into()).collect();
            let most = differences.iter().max().copied().unwrap_or(0);
            let mean = f64::from(differences.iter().sum::<u32>()) / differences.len() as f64;
            assert!(mean <= 0.35 && most <= 12, "{name} {thousandths}: mean {mean}, most {most}");
        }
    }
    assert!(compared.iter().all(|&count| count > 4), "{compared:?}");
}

#[test]
fn a_reduced_picture_is_turned_as_a_whole_one() {
    for number in 1..=8 {
        let bytes = file(&format!("pixels/jpeg_exif_{number}.jpg"));
        let whole = decoded(&bytes, Reduction::None);
        assert_eq!((whole.raster.width, whole.raster.height), whole.size);
        for reduction in [Reduction::Half, Reduction::Quarter] {
            let reduced = decoded(&bytes, reduction);
            assert_eq!(reduced.size, whole.size, "{number}");
            let sides = (reduced.raster.width, reduced.raster.height);
            assert_eq!(sides, reduction.size(whole.size.0, whole.size.1), "{number}");
        }
    }
}
