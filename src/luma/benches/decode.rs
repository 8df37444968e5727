//! Time to decode JPEGs to luma, beside zune-jpeg, and beside jpeg-decoder, which can't leave out colour: best of many
//! runs, in turn, so that a busy machine slows all alike. Milliseconds, and the speed relative to zune-jpeg.
//!
//! `cargo bench -p luma --bench decode -- FILE...`; by default those of `tests/data`. Pin it: `taskset -c 0`.

use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use luma::{Decoder, Scale};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

/// Rounds a file, at least; more of small ones, up to `ENOUGH`.
const ROUNDS: u32 = 15;
const ENOUGH: Duration = Duration::from_millis(1500);

/// A decoder to be timed; it writes samples into a buffer that is kept.
type Decode = fn(&[u8], &mut Vec<u8>) -> Result<(), Box<dyn Error>>;

fn main() -> Result<(), Box<dyn Error>> {
    let files: Vec<PathBuf> =
        std::env::args().skip(1).filter(|a| !a.starts_with("--")).map(Into::into).collect();
    let files = if files.is_empty() { fixtures()? } else { files };
    let decoders: [(&str, Decode); 6] = [
        ("zune", zune),
        ("luma", luma),
        ("1/2", half),
        ("1/4", quarter),
        ("1/8", eighth),
        ("jpeg-decoder", colour),
    ];
    let mut out = std::io::stdout().lock();
    let mut product = 1.0;
    for file in &files {
        let bytes = std::fs::read(file)?;
        let best = race(&bytes, &decoders)?;
        write!(out, "{:32}", file.file_name().unwrap_or_default().to_string_lossy())?;
        for (name, time) in &best {
            write!(out, " {name} {:.3}", time * 1e3)?;
        }
        let ratio = best[0].1 / best[1].1;
        product *= ratio;
        writeln!(out, "  x{ratio:.2}")?;
    }
    writeln!(out, "geometric mean x{:.2}", f64::powf(product, 1.0 / files.len() as f64))?;
    Ok(())
}

/// The best time of each decoder, in seconds.
fn race(
    bytes: &[u8],
    decoders: &[(&'static str, Decode)],
) -> Result<Vec<(&'static str, f64)>, Box<dyn Error>> {
    let mut best: Vec<_> = decoders.iter().map(|&(name, _)| (name, f64::INFINITY)).collect();
    let mut buffer = Vec::new();
    let begin = Instant::now();
    let mut round = 0;
    while round < ROUNDS || (begin.elapsed() < ENOUGH && round < 2000) {
        round += 1;
        for (&(_, decode), (_, best)) in decoders.iter().zip(&mut best) {
            let start = Instant::now();
            decode(black_box(bytes), &mut buffer)?;
            *best = best.min(start.elapsed().as_secs_f64());
            black_box(&buffer);
        }
    }
    Ok(best)
}

fn zune(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::Luma).set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers()?;
    out.resize(decoder.output_buffer_size().ok_or("no size")?, 0);
    decoder.decode_into(out)?;
    Ok(())
}

fn colour(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
    *out = jpeg_decoder::Decoder::new(bytes).decode()?;
    Ok(())
}

fn luma(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
    scaled(bytes, out, Scale::Full)
}

fn half(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
    scaled(bytes, out, Scale::Half)
}

fn quarter(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
    scaled(bytes, out, Scale::Quarter)
}

fn eighth(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
    scaled(bytes, out, Scale::Eighth)
}

fn scaled(bytes: &[u8], out: &mut Vec<u8>, scale: Scale) -> Result<(), Box<dyn Error>> {
    let mut decoder = Decoder::new(bytes, scale)?;
    let (width, height) = decoder.size();
    let width = usize::try_from(width)?;
    out.resize(width * usize::try_from(height)?, 0);
    while let Some(rows) = decoder.next_rows()? {
        let to = out.chunks_exact_mut(width).skip(rows.first());
        to.zip(rows.plane(0)).for_each(|(to, row)| to.copy_from_slice(row));
    }
    Ok(())
}

fn fixtures() -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "jpg"));
    files.sort();
    Ok(files)
}
