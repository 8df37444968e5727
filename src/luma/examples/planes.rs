//! Decodes JPEGs to raw samples, for comparison with other decoders: the rows of each plane, one plane after the other,
//! in FOLDER/NAME.DENOMINATOR.raw; on standard output a line with the outcome of each file.
//!
//! `cargo run --release --example planes -- 1|2|4|8 FOLDER FILE...`

use std::io::Write;
use std::path::{Path, PathBuf};

use luma::Scale;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(denominator), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: planes 1|2|4|8 FOLDER FILE...".into());
    };
    let scale = match denominator.as_str() {
        "1" => Scale::Full,
        "2" => Scale::Half,
        "4" => Scale::Quarter,
        "8" => Scale::Eighth,
        _ => return Err("the denominator is 1, 2, 4 or 8".into()),
    };
    let mut out = std::io::stdout().lock();
    for file in arguments {
        let name = Path::new(&file).file_name().unwrap_or_default().to_string_lossy();
        let raw = PathBuf::from(&folder).join(format!("{name}.{denominator}.raw"));
        match luma::decode(&std::fs::read(&file)?, scale) {
            Ok(picture) => {
                std::fs::write(raw, picture.planes.concat())?;
                let (width, height, planes) = (picture.width, picture.height, picture.planes.len());
                writeln!(out, "{file}\t0\t{width}\t{height}\t{planes}\t")?;
            }
            Err(error) => {
                if raw.exists() {
                    std::fs::remove_file(raw)?;
                }
                writeln!(out, "{file}\t-1\t0\t0\t0\t{error}")?;
            }
        }
    }
    Ok(())
}
