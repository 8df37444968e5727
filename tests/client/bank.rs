//! A place for folders of pictures, asked by HTTP alone: [`Bank::start`] is the one line that says which server it is.
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::fake::{Answer, Asked, Fake};

/// A running bank.
pub(crate) struct Bank {
    pub(crate) port: u16,
    _server: Fake,
}

type Folders = BTreeMap<String, BTreeSet<String>>;

impl Bank {
    pub(crate) fn start() -> Self {
        let folders = Arc::<Mutex<Folders>>::default();
        let server = Fake::start(move |asked, _| serve(&mut folders.lock().unwrap(), asked));
        Self { port: server.port, _server: server }
    }

    /// The names in a folder, by the bank's own account; none if there is no such folder.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let (mut names, mut from) = (Vec::new(), String::new());
        loop {
            let target = format!("/carpetas/{}?cantidad=1000{from}", encoded(folder));
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

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The JSON at `target`, if there is anything.
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

/// The bank's interface, as much of it as the client uses; every name is listed on one page.
fn serve(folders: &mut Folders, asked: &Asked) -> Answer {
    let path = asked.target.split('?').next().unwrap();
    let parts: Vec<String> = path
        .split('/')
        .skip(1)
        .map(|part| percent_encoding::percent_decode_str(part).decode_utf8().unwrap().into_owned())
        .collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match (asked.method.as_str(), parts.as_slice()) {
        ("POST", ["carpetas", folder, "faltantes"]) => {
            let question: Value = serde_json::from_slice(&asked.body).unwrap();
            let names = question["nombres"].as_array().unwrap();
            assert!(names.len() <= 1000 && asked.body.len() <= 600 << 10);
            let stored = folders.get(*folder);
            let is_missing =
                |name: &&Value| !stored.is_some_and(|stored| stored.contains(name.as_str().unwrap()));
            let missing: Vec<_> = names.iter().filter(is_missing).collect();
            Answer::json(200, &json!({ "faltantes": missing }))
        }
        ("PUT", ["carpetas", folder, name]) => {
            let (begins, ends) = (asked.body.starts_with(b"\xff\xd8\xff"), asked.body.ends_with(b"\xff\xd9"));
            match (begins, ends) {
                (false, _) => Answer::json(415, &json!({"detail": "no es una imagen"})),
                (true, false) => Answer::json(422, &json!({"detail": "la imagen está rota"})),
                (true, true) => {
                    let new = folders.entry((*folder).to_owned()).or_default().insert((*name).to_owned());
                    let (status, result) = if new { (201, "insertada") } else { (200, "ya existe") };
                    let message = format!("imagen {name} {result}");
                    Answer::json(status, &json!({"nombre": name, "resultado": result, "mensaje": message}))
                }
            }
        }
        ("GET", ["carpetas", folder]) => {
            let names = folders.get(*folder).cloned().unwrap_or_default();
            Answer::json(200, &json!({"carpeta": folder, "imagenes": names.len(), "nombres": names}))
        }
        ("GET", ["healthz"]) => Answer::new(200, "", ""),
        _ => Answer::json(404, &json!({"detail": "no hay nada ahí"})),
    }
}
