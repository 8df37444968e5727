//! A folder of faces, sent by the client's program.
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use tp2::http::format::Format;

use super::http::Client;
use super::pictures::picture;
use super::processes::Directory;
use super::tasks::get;

/// A directory with `img_to_learn`, which has so many faces.
pub(crate) fn folder_of(count: u32) -> Directory {
    let home = Directory::new();
    std::fs::create_dir(home.0.join("img_to_learn")).expect("a folder");
    let face = picture(Format::Jpeg, 100, 120);
    for number in 0..count {
        std::fs::write(home.0.join(format!("img_to_learn/1A5{number:04}.jpg")), &face).expect("a file");
    }
    home
}

/// `tp2-cliente`, sending it to the server at this address.
pub(crate) fn send_folder(home: &Path, address: SocketAddr) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tp2-cliente"));
    command.current_dir(home).args(["-i", "127.0.0.1", "-f", "img_to_learn", "-p"]);
    command.arg(address.port().to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn count(client: &mut Client, folder: &str) -> u64 {
    let folders = client.ask(&get("/carpetas", &[])).expect(200).json();
    let folders = folders["carpetas"].as_array().expect("a list");
    let found = folders.iter().find(|entry| entry["nombre"] == folder);
    found.map_or(0, |entry| entry["imagenes"].as_u64().expect("a number"))
}
