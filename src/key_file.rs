//! The file of `--clave-archivo`: the key that `tp2` asks for and `tp2-cliente` sends.
//!
//! It is read when the program starts and, by `tp2`, again on SIGHUP. Only a regular file is opened, and no more than a
//! key's length of it is read: nothing here waits. A key is never shown, neither here nor in a complaint.
use std::fs::File;
use std::io::Read;
use std::path::Path;

use scaler::words::InWords;

use crate::http::access::AccessKey;

/// Longest file, in bytes: what fits into a request's head.
const BYTES_MAX: u64 = 4096;

/// The key in this file.
///
/// # Errors
/// One Spanish line with the file's name.
pub fn read(path: &Path) -> Result<AccessKey, String> {
    let failed = |why: &str| format!("no se puede usar la clave de «{}»: {why}", path.display());
    let in_words = |error: std::io::Error| failed(&InWords(&error).to_string());
    // A FIFO would block.
    if !std::fs::metadata(path).map_err(in_words)?.is_file() {
        return Err(failed("no es un archivo"));
    }
    let mut text = Vec::new();
    File::open(path).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut text)).map_err(in_words)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(failed("es demasiado larga"));
    }
    AccessKey::of_file(&text).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_line_of_a_regular_file() {
        let directory = std::env::temp_dir().join(format!("tp2-clave-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&directory).unwrap();
        let path = directory.join("clave");
        let told = |path: &Path| read(path).unwrap_err();
        assert!(told(&path).starts_with(&format!("no se puede usar la clave de «{}»: ", path.display())));
        assert!(told(&directory).ends_with("no es un archivo"));
        std::fs::write(&path, "secreto-corto\n").unwrap();
        assert!(
            told(&path).ends_with("debe tener al menos 16 caracteres") && !told(&path).contains("secreto")
        );
        std::fs::write(&path, vec![b'x'; 5000]).unwrap();
        assert!(told(&path).ends_with("es demasiado larga"));
        std::fs::write(&path, "0123456789abcdef\n").unwrap();
        assert_eq!(read(&path).unwrap().credentials(), "Bearer 0123456789abcdef");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
