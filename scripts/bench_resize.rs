//! Measures the resampling next to two calls of `fast_image_resize`: milliseconds a picture, factor by factor.
//!
//! `cargo run --release --example bench_resize [ROUNDS [COLUMNSxROWS [FACTOR…]]]`: 15 rounds, 3640x2400, and factors from 0.01 to 10.
//!
//! What is measured: wall time of both, alternating within each round, the best of all rounds, gray and gray with alpha; by `taskset -c 0`
//! on one processor. Both get the picture as a child of the scaler gets it from its socket: copied, whole into a buffer for the one, through the rows of
//! the work for ours. The rows of ours are copied together.
#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]
#![expect(clippy::unwrap_used, reason = "a benchmark may end by a panic")]

use std::error::Error;
use std::time::{Duration, Instant};

use scaler::raster::{Channels, Raster};
use scaler::resize::Resizer;
use scaler::sys;
use scaler::wire::scaled_side;

#[path = "../tests/common/twice.rs"]
mod twice;

const FACTORS: [f64; 24] = [
    0.01, 0.02, 0.05, 0.08, 0.1, 0.12, 0.15, 0.18, 0.2, 0.22, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.77, 0.9, 1.1,
    1.5, 2.0, 3.0, 5.0, 10.0,
];
/// Pixels of a result, at most: as in the scaler.
const PIXELS_MAX: u64 = 100_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let rounds: u32 = arguments.next().map_or(Ok(15), |text| text.parse())?;
    let size = arguments.next().unwrap_or_else(|| "3640x2400".to_owned());
    let (width, height) = size.split_once('x').ok_or("COLUMNSxROWS")?;
    let size = (width.parse()?, height.parse()?);
    let mut factors = arguments.map(|text| text.parse()).collect::<Result<Vec<f64>, _>>()?;
    if factors.is_empty() {
        factors.extend(FACTORS);
    }
    sys::tune_malloc();
    println!("ms a picture of {}x{}, best of {rounds}", size.0, size.1);
    println!("{:>8} {:>11} {:>18} {:>8} {:>8}", "channels", "factor", "fast_image_resize", "ours", "times");
    for channels in [Channels::Luma, Channels::LumaAlpha] {
        for &factor in &factors {
            let to = (scaled_side(size.0, factor), scaled_side(size.1, factor));
            if to != size && u64::from(to.0) * u64::from(to.1) <= PIXELS_MAX {
                let [theirs, ours] = measure(&picture(size, channels), to, rounds);
                let [theirs, ours] = [theirs, ours].map(|time| time.as_secs_f64() * 1e3);
                let times = theirs / ours;
                println!("{:>8} {factor:>11} {theirs:>18.3} {ours:>8.3} {times:>8.2}", channels.count());
            }
        }
    }
    Ok(())
}

fn measure(source: &Raster, to: (u32, u32), rounds: u32) -> [Duration; 2] {
    let mut twice = twice::Twice::new();
    let length = to.0 as usize * to.1 as usize * source.channels.count();
    let [mut theirs, mut ours] = [sys::allocate_huge(length).unwrap(), sys::allocate_huge(length).unwrap()];
    let mut best = [Duration::MAX; 2];
    let mut read = source.clone();
    for _ in 0..=rounds {
        let start = Instant::now();
        read.samples.copy_from_slice(&source.samples);
        twice.resize(&mut read, to, &mut theirs);
        best[0] = best[0].min(start.elapsed());

        let start = Instant::now();
        let mut resizer = Resizer::new((source.width, source.height), to, source.channels).unwrap();
        ours.clear();
        let mut rest = source.samples.as_slice();
        while resizer.rows_left() > 0 {
            rest = &rest[resizer.push(rest)..];
            while let Some(row) = resizer.next_row() {
                ours.extend_from_slice(row);
            }
        }
        best[1] = best[1].min(start.elapsed());
    }
    let off = theirs.iter().zip(&ours).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(off <= Some(2) || source.channels == Channels::LumaAlpha, "off by {off:?}");
    best
}

/// Something like a photograph: smooth, with grain.
fn picture((width, height): (u32, u32), channels: Channels) -> Raster {
    let mut grain = 1_u32;
    let mut sample = |x: u32, y: u32| {
        grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((x / 9 + y / 7 + (grain >> 28)) & 0xff).to_le_bytes()[0]
    };
    let count = u32::from(channels.count().to_le_bytes()[0]);
    let mut samples = sys::allocate_huge(width as usize * height as usize * channels.count()).unwrap();
    for y in 0..height {
        samples.extend((0..width * count).map(|x| sample(x, y)));
    }
    Raster { width, height, channels, samples }
}
