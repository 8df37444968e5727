//! The encoder's bytes against those of libjpeg-turbo-rs, which are libjpeg-turbo's. `LUMA_ALL=1` tries each quality on
//! each size from 1x1 to 64x64.
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "what fails here is a failed test")]

use libjpeg_turbo_rs::{PixelFormat, Subsampling, compress_raw, decompress_to};

fn reference(samples: &[u8], width: usize, height: usize, quality: u8) -> Vec<u8> {
    compress_raw(&[samples], &[width], &[height], width, height, quality, Subsampling::S444).unwrap()
}

fn check(name: &str, samples: &[u8], width: usize, height: usize, quality: u8) {
    let file = luma::encode(samples, width, height, quality).unwrap();
    assert!(file == reference(samples, width, height, quality), "{name} {width}x{height} quality {quality}");
}

struct Xorshift(u64);

impl Xorshift {
    fn byte(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.to_be_bytes()[0]
    }
}

/// Pictures of each kind, by name.
fn pictures(width: usize, height: usize) -> Vec<(&'static str, Vec<u8>)> {
    let mut random = Xorshift(0x9E37_79B9_7F4A_7C15);
    let mut picture = |at: fn(usize, usize, u8) -> usize| -> Vec<u8> {
        (0..width * height).map(|i| at(i % width, i / width, random.byte()).min(255) as u8).collect()
    };
    vec![
        ("noise", picture(|_, _, noise| noise.into())),
        ("black and white noise", picture(|_, _, noise| if noise < 128 { 0 } else { 255 })),
        ("gradient", picture(|x, y, _| (3 * x + 2 * y) % 256)),
        ("steep gradient", picture(|x, y, _| (31 * x + 7 * y) % 256)),
        ("faint noise", picture(|_, _, noise| 126 + usize::from(noise) % 5)),
        ("sparse dots", picture(|x, y, noise| if noise < 3 { 255 } else { (x + y) / 4 })),
        ("stripes", picture(|x, _, _| 255 * (x % 2))),
        ("chequers", picture(|x, y, _| 255 * ((x + y) % 2))),
        ("black", picture(|_, _, _| 0)),
        ("white", picture(|_, _, _| 255)),
    ]
}

#[test]
fn every_size() {
    let all = std::env::var_os("LUMA_ALL").is_some();
    for width in 1..=64 {
        for height in 1..=64 {
            for (i, (name, samples)) in pictures(width, height).into_iter().enumerate() {
                if all {
                    (1..=100).for_each(|quality| check(name, &samples, width, height, quality));
                } else if (width + height + i) % 5 == 0 {
                    let quality = (7 * width + 13 * height + 29 * i) % 100 + 1;
                    check(name, &samples, width, height, quality as u8);
                }
            }
        }
    }
}

#[test]
fn every_quality() {
    for quality in 0..=101 {
        for (name, samples) in pictures(75, 43) {
            check(name, &samples, 75, 43, quality);
        }
    }
}

/// Blocks of two of the base functions, at the steepest: they have the largest coefficients there are.
#[test]
fn extreme_blocks() {
    let cosine = |x: usize, u: usize| ((2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0).cos();
    let mut samples = vec![0; 512 * 512];
    for (i, sample) in samples.iter_mut().enumerate() {
        let (x, y) = (i % 512, i / 512);
        let (u, v) = (x / 8 % 8, y / 8 % 8);
        let value = cosine(x % 8, u) * cosine(y % 8, v);
        let turned = (x / 64 + y / 64) % 2 == 0;
        *sample = if (value > 0.0) == turned { 255 } else { 0 };
    }
    for quality in [1, 25, 50, 90, 100] {
        check("base functions", &samples, 512, 512, quality);
    }
}

/// More than the buffer of bits holds in one row of blocks, and files that outgrow the room that was reckoned.
#[test]
fn large_pictures() {
    for (width, height) in [(8191, 17), (1031, 1009), (17, 8191)] {
        let mut pictures = pictures(width, height);
        // Flat above, noise below, and the other way round.
        let noise = pictures[0].1.clone();
        let half = width * (height / 2);
        let mut below = vec![99; noise.len()];
        below[half..].copy_from_slice(&noise[half..]);
        let mut above = noise;
        above[half..].fill(99);
        pictures.extend([("noise below", below), ("noise above", above)]);
        for (name, samples) in pictures {
            for quality in [30, 85, 100] {
                check(name, &samples, width, height, quality);
            }
        }
    }
}

/// A photograph, and its upper half at other sides than multiples of eight.
#[test]
fn photographs() {
    for name in ["rocket.jpg", "hubble_deep_field.jpg"] {
        let path = format!("{}/../../tests/data/fotos/{name}", env!("CARGO_MANIFEST_DIR"));
        let image = decompress_to(&std::fs::read(path).unwrap(), PixelFormat::Grayscale).unwrap();
        let (width, height, samples) = (image.width, image.height, image.data);
        for quality in [1, 10, 40, 75, 85, 90, 95, 100] {
            check(name, &samples, width, height, quality);
            let odd = height / 2 + 3;
            check(name, &samples[..width * odd], width, odd, quality);
        }
    }
}
