//! Writes gray JPEGs, for comparison with other encoders: of each FILE, a binary PGM of 255 grays, FOLDER/NAME.jpg.
//!
//! `cargo run --release --example write -- QUALITY FOLDER FILE...`

use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(quality), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: write QUALITY FOLDER FILE...".into());
    };
    let quality = quality.parse()?;
    for file in arguments {
        let bytes = std::fs::read(&file)?;
        let mut parts = bytes.splitn(5, u8::is_ascii_whitespace).skip(1);
        let mut number = || std::str::from_utf8(parts.next()?).ok()?.parse::<usize>().ok();
        let (Some(width), Some(height), Some(255), Some(samples)) =
            (number(), number(), number(), parts.next())
        else {
            return Err(format!("{file}: no PGM of 255 grays").into());
        };
        let name = Path::new(&file).file_name().unwrap_or_default().to_string_lossy();
        let picture = luma::encode(samples, width, height, quality)?;
        std::fs::write(PathBuf::from(&folder).join(format!("{name}.jpg")), picture)?;
    }
    Ok(())
}
