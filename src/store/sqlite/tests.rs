//! What is SQLite's own; what every store must do is in [`crate::store::contract`].
use std::fs;
use std::time::SystemTime;

use super::*;
use crate::store::contract::{Place, contract_tests};

/// A directory for one test.
struct Directory(PathBuf);

impl Default for Directory {
    fn default() -> Self {
        let directory = std::env::temp_dir().join(format!("tp2-store-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir(&directory).unwrap();
        Self(directory)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Directory {
    fn file(&self) -> PathBuf {
        self.0.join("tp2.sqlite3")
    }
}

impl Place for Directory {
    fn open(&self, retention: Retention, at: SystemTime) -> Backend {
        open(&self.file(), retention, at).unwrap()
    }
}

mod contract {
    use super::Directory;

    super::contract_tests!(Directory);
}
