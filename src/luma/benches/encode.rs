//! Encoding beside libjpeg-turbo-rs, interleaved, the best of many rounds: `taskset -c 1 cargo bench -p luma --bench
//! encode [-- JPEG…]`. Without files, the photographs of the repository, tiled in mirrored copies up to the sizes of
//! halves of photographs.
#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use libjpeg_turbo_rs::{PixelFormat, Subsampling, compress_raw, decompress_to};

const ROUNDS: u32 = 40;

struct Picture {
    name: String,
    width: usize,
    height: usize,
    samples: Vec<u8>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let files: Vec<PathBuf> =
        std::env::args().skip(1).filter(|a| !a.starts_with("--")).map(PathBuf::from).collect();
    let mut pictures = Vec::new();
    if files.is_empty() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/fotos");
        for (name, width, height) in [
            ("hubble_deep_field.jpg", 1820, 1200),
            ("hubble_deep_field.jpg", 3640, 2400),
            ("rocket.jpg", 1820, 1200),
            ("rocket.jpg", 3640, 2400),
            ("rocket.jpg", 175, 209),
        ] {
            pictures.push(mirrored(&read(&folder.join(name))?, width, height));
        }
        let mut state = 1u64;
        let samples = (0..2_000_000).map(|_| {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            state.to_be_bytes()[0]
        });
        pictures.push(Picture {
            name: "noise".into(),
            width: 2000,
            height: 1000,
            samples: samples.collect(),
        });
    }
    for file in files {
        pictures.push(read(&file)?);
    }
    println!(
        "{:32} {:>7} {:>8} {:>9} {:>9} {:>6}",
        "picture, quality", "MP", "bytes", "luma ms", "other ms", "ratio"
    );
    for picture in &pictures {
        for quality in [75, 85, 95] {
            measure(picture, quality)?;
        }
    }
    Ok(())
}

fn measure(picture: &Picture, quality: u8) -> Result<(), Box<dyn Error>> {
    let Picture { name, width, height, samples } = picture;
    let (width, height) = (*width, *height);
    let ours = || luma::encode(black_box(samples), width, height, quality);
    let other = || {
        compress_raw(&[black_box(samples)], &[width], &[height], width, height, quality, Subsampling::S444)
    };
    let length = ours()?.len();
    if ours()? != other()? {
        return Err(format!("{name}: different files").into());
    }
    let mut best = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        best[0] = best[0].min(time(ours));
        best[1] = best[1].min(time(other));
    }
    let [a, b] = best.map(|time| time.as_secs_f64() * 1000.0);
    let megapixels = (width * height) as f64 / 1e6;
    println!("{:32} {megapixels:7.2} {length:8} {a:9.3} {b:9.3} {:6.2}", format!("{name} {quality}"), b / a);
    Ok(())
}

fn time<T>(work: impl Fn() -> T) -> Duration {
    let begin = Instant::now();
    black_box(work());
    begin.elapsed()
}

fn read(file: &Path) -> Result<Picture, Box<dyn Error>> {
    let image = decompress_to(&std::fs::read(file)?, PixelFormat::Grayscale)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Picture { name, width: image.width, height: image.height, samples: image.data })
}

fn mirrored(picture: &Picture, width: usize, height: usize) -> Picture {
    let place =
        |i: usize, side: usize| if (i / side).is_multiple_of(2) { i % side } else { side - 1 - i % side };
    let sample = |i: usize| {
        let (x, y) = (place(i % width, picture.width), place(i / width, picture.height));
        picture.samples[y * picture.width + x]
    };
    Picture { name: picture.name.clone(), width, height, samples: (0..width * height).map(sample).collect() }
}
