//! A server with a bank, checked only over HTTP.
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use serde_json::Value;

use super::common::processes::Directory;
use super::common::server::{Server, tp2};

pub(crate) struct Bank {
    pub(crate) port: u16,
    server: Server,
    /// The directory of its store, shared by later servers.
    directory: Directory,
}

impl Bank {
    pub(crate) fn start() -> Self {
        let directory = Directory::new();
        let server = serve(&directory, 0);
        Self { port: server.port, server, directory }
    }

    /// Kills the server (-9), and starts another on its port and its store.
    pub(crate) fn fall_and_rise(&mut self) {
        self.server.kill();
        self.server = serve(&self.directory, self.port);
    }

    /// The names in a folder, as the bank lists them; none if there is no such folder.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let (mut names, mut from) = (Vec::new(), String::new());
        loop {
            let target = format!("/carpetas/{}?cantidad=300{from}", encoded(folder));
            let Some(page) = ask(self.port, &target) else { return names };
            let more = page["nombres"].as_array().unwrap().iter();
            names.extend(more.map(|name| name.as_str().unwrap().to_owned()));
            match page["siguiente"].as_str() {
                Some(next) => from = format!("&desde={}", encoded(next)),
                None => return names,
            }
        }
    }
}

fn serve(directory: &Directory, port: u16) -> Server {
    let store = format!("sqlite:{}", directory.0.join("banco.sqlite3").display());
    let mut command = tp2();
    command.args(["-i", "127.0.0.1", "-p", &port.to_string(), "-a", &store]);
    Server::launch(command)
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The JSON at `target`, if it exists.
fn ask(port: u16, target: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    match head.split(' ').nth(1) {
        Some("200") => Some(serde_json::from_str(body).unwrap()),
        Some("404") => None,
        _ => panic!("{answer}"),
    }
}
