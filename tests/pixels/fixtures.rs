//! The small pictures of `tests/data/pixels` and their known values; `tests/data/make_fixtures.py` writes both.
use std::path::{Path, PathBuf};

use scaler::raster::{Channels, Raster};
use tp2::model::error::WorkError;
use tp2::model::image::{ImageInfo, PixelLimits};
use tp2::pixels::{decode, probe};

/// The limits of a server started without options.
pub(crate) const LIMITS: PixelLimits = PixelLimits { pixels_max: 100_000_000, side_max: 65_535 };

/// The expected result of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Picture,
    Undecodable,
    TooMany,
    Unknown,
}

pub(crate) struct Fixture {
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) tolerance: u8,
    /// Luma at an 8x8 grid, row by row.
    pub(crate) gray: Option<Vec<u8>>,
    /// Alpha at the same places, if the picture has any.
    pub(crate) alpha: Option<Vec<u8>>,
}

impl Fixture {
    pub(crate) fn path(&self) -> PathBuf {
        directory().join(&self.name)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path()).expect(&self.name)
    }
}

pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pixels")
}

pub(crate) fn fixtures() -> Vec<Fixture> {
    let index = std::fs::read_to_string(directory().join("index.tsv")).expect("index.tsv");
    let lines = index.lines().skip(1);
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let verdict = match fields[1] {
                "picture" => Verdict::Picture,
                "undecodable" => Verdict::Undecodable,
                "too_many" => Verdict::TooMany,
                "unknown" => Verdict::Unknown,
                other => panic!("verdict {other}"),
            };
            let number = |field: &str| field.parse().expect(line);
            Fixture {
                name: fields[0].to_owned(),
                verdict,
                width: number(fields[2]),
                height: number(fields[3]),
                tolerance: fields[4].parse().expect(line),
                gray: unhex(fields[5]),
                alpha: unhex(fields[6]),
            }
        })
        .collect()
}

fn unhex(field: &str) -> Option<Vec<u8>> {
    let (pairs, _) = field.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    (field != "-").then(|| pairs.iter().map(byte).collect())
}

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(directory().join(name)).expect(name)
}

/// ImageInfo, then decode.
pub(crate) fn read(bytes: &[u8]) -> Result<(ImageInfo, Raster), WorkError> {
    let probed = probe(bytes, &LIMITS)?;
    Ok((probed, decode(bytes, &probed, &LIMITS)?))
}

/// Luma and alpha of every pixel; alpha is 255 where the picture has none.
pub(crate) fn pixels(raster: &Raster) -> Vec<[u8; 2]> {
    match raster.channels {
        Channels::Luma => raster.samples.iter().map(|&gray| [gray, 255]).collect(),
        Channels::LumaAlpha => raster.samples.as_chunks().0.to_vec(),
    }
}

/// The largest difference of luma where pixels are visible, and of alpha.
pub(crate) fn difference(ours: &[[u8; 2]], theirs: &[[u8; 2]]) -> (u8, u8) {
    assert_eq!(ours.len(), theirs.len());
    let mut worst = (0, 0);
    for (&[gray, alpha], &[other_gray, other_alpha]) in ours.iter().zip(theirs) {
        if alpha != 0 {
            worst.0 = worst.0.max(gray.abs_diff(other_gray));
        }
        worst.1 = worst.1.max(alpha.abs_diff(other_alpha));
    }
    worst
}

/// Marsaglia's generator: the same bytes every time.
pub(crate) struct Xorshift(pub(crate) u64);

impl Xorshift {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}
