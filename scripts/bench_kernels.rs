//! Measures what a photograph costs at least: decoding, resampling and encoding, called one after the other in one process, with
//! the buffers and the allocator that the servers have.
//!
//! `bench_kernels SECONDS PROCESSES PHOTO…`, which `scripts/bench profile` calls. For each photograph, for so long: a line of the file's
//! name and the means in milliseconds of processor time, in all and for the three steps. PROCESSES: how many do the same at once, as a
//! server's threads do, which share caches and memory; the line is the first one's.
#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

use std::error::Error;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use scaler::resize::resize;
use scaler::sys;
use tp2::http::format::Format;
use tp2::model::image::{Encoding, PixelLimits};
use tp2::pixels::{decode, encode, probe};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [seconds, processes, photos @ ..] = &arguments[..] else {
        return Err("usage: bench_kernels SECONDS PROCESSES PHOTO…".into());
    };
    let time = Duration::from_secs_f64(seconds.parse()?);
    sys::tune_malloc();
    for photo in photos {
        let others =
            (1..processes.parse()?).map(|_| Other::start(seconds, photo)).collect::<Outcome<Vec<_>>>()?;
        let steps = measure(Path::new(photo), time)?;
        drop(others);
        let [decode, scale, encode] = steps.map(|step| step.as_secs_f64() * 1000.0);
        println!("{photo} {:.3} {decode:.3} {scale:.3} {encode:.3}", decode + scale + encode);
    }
    Ok(())
}

/// The means of the three steps over as many photographs as the time allows; the first of them warms the buffers.
fn measure(photo: &Path, time: Duration) -> Outcome<[Duration; 3]> {
    let file = std::fs::read(photo)?;
    let limits = PixelLimits { pixels_max: 100_000_000, side_max: 65_535 };
    let encoding = Encoding { format: Format::Jpeg, quality: 85, background: [255; 3] };
    let (mut sums, mut count) = ([Duration::ZERO; 3], 0);
    let mut began_at = None;
    while began_at.is_none_or(|at: Instant| at.elapsed() < time) {
        let start = sys::cpu_time();
        let probe = probe(&file, &limits).map_err(|failure| failure.to_string())?;
        let gray = decode(&file, &probe, &limits).map_err(|failure| failure.to_string())?;
        let decoded = sys::cpu_time();
        let (width, height) = ((gray.width / 2).max(1), (gray.height / 2).max(1));
        let half = resize(&gray, width, height).map_err(|error| error.to_string())?;
        let scaled = sys::cpu_time();
        encode(half, &encoding).map_err(|failure| failure.to_string())?;
        let encoded = sys::cpu_time();
        if began_at.is_some() {
            let steps = [decoded - start, scaled - decoded, encoded - scaled];
            sums.iter_mut().zip(steps).for_each(|(sum, step)| *sum += step);
            count += 1;
        }
        began_at.get_or_insert_with(Instant::now);
    }
    Ok(sums.map(|sum| sum / count.max(1)))
}

/// A process that does the same for longer; ended with this value.
struct Other(Child);

impl Other {
    fn start(seconds: &str, photo: &str) -> Outcome<Self> {
        let longer = (seconds.parse::<f64>()? * 10.0 + 10.0).to_string();
        let mut command = Command::new(std::env::current_exe()?);
        Ok(Self(command.args([longer.as_str(), "1", photo]).stdout(Stdio::null()).spawn()?))
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
