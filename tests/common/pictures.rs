//! Pictures to send, and a look at those that come back.
use scaler::raster::{Channels, Raster};
use tp2::http::format::Format;
use tp2::model::image::{Encoding, PixelLimits};
use tp2::pixels::{decode, encode, probe};

const LIMITS: PixelLimits = PixelLimits { pixels_max: 100_000_000, side_max: 65_535 };

/// One of the photographs in tests/data/fotos.
pub(crate) fn photo(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/data/fotos/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A picture that falls off to the lower right.
pub(crate) fn slope(width: u32, height: u32) -> Raster {
    let row = |y: u32| (0..width).map(move |x| u8::try_from((x * 3 + y * 5) % 256).unwrap());
    let samples = (0..height).flat_map(row).collect();
    Raster { width, height, channels: Channels::Luma, samples }
}

/// The same as a file.
pub(crate) fn picture(format: Format, width: u32, height: u32) -> Vec<u8> {
    let encoding = Encoding { format, quality: 90, background: [255; 3] };
    encode(slope(width, height), &encoding).unwrap()
}

/// The same as a PGM of any size, without an encoder.
pub(crate) fn pgm(width: u32, height: u32) -> Vec<u8> {
    let mut file = format!("P5\n{width} {height}\n255\n").into_bytes();
    file.extend(slope(width, height).samples);
    file
}

/// Decodes a file whole.
pub(crate) fn decoded(file: &[u8]) -> (Format, Raster) {
    let probed = probe(file, &LIMITS).unwrap_or_else(|failure| panic!("{failure}: {} bytes", file.len()));
    (probed.format, decode(file, &probed, &LIMITS).unwrap())
}

/// Format, columns, rows of a file that decodes whole.
pub(crate) fn size_of(file: &[u8]) -> (Format, u32, u32) {
    let (format, raster) = decoded(file);
    (format, raster.width, raster.height)
}
