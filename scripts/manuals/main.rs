//! Writes the pages of the manual and the completions of shells, from the tables of options: `cargo run --example manuals`.
use std::io;
use std::path::Path;

mod pages;

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (path, text) in pages::all() {
        let path = root.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}
