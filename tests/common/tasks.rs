//! Tasks as a client sees them: submitted, queried, awaited, fetched.
use std::path::PathBuf;

use serde_json::Value;

use super::http::{Client, Response, post, request};
use super::processes::Directory;
use super::server::{Server, tp2};

/// A store that outlives the servers that work on it.
pub(crate) struct Store(Directory);

impl Store {
    pub(crate) fn new() -> Self {
        Self(Directory::new())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.0.join("tareas.sqlite3")
    }

    /// For `-a`.
    pub(crate) fn uri(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }

    /// A server that works on it.
    pub(crate) fn serve(&self, arguments: &[&str]) -> Server {
        let mut command = tp2();
        command.args(["-i", "127.0.0.1", "-p", "0", "-a", &self.uri()]).args(arguments);
        Server::launch(command)
    }

    /// SQLite's own integrity errors, and the number of tasks in the file by state.
    pub(crate) fn inspect(&self) -> (String, Vec<(String, u64)>) {
        let conn = rusqlite::Connection::open(self.path()).unwrap();
        let check = conn.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
        let mut counts =
            conn.prepare("SELECT estado, count(*) FROM tareas GROUP BY estado ORDER BY estado").unwrap();
        let counts = counts.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        (check, counts.map(Result::unwrap).collect())
    }
}

/// The bytes of a GET.
pub(crate) fn get(target: &str, fields: &[&str]) -> Vec<u8> {
    request("GET", target, fields, b"")
}

impl Client {
    /// Submits a picture; returns its id.
    pub(crate) fn hand_in(&mut self, picture: &[u8]) -> String {
        self.ask(&post("/tareas", picture)).expect(202).task()
    }

    pub(crate) fn status(&mut self, id: &str) -> Value {
        self.ask(&get(&format!("/estado/{id}"), &[])).expect(200).json()
    }

    /// Waits for a task's end; returns its state.
    pub(crate) fn ended(&mut self, id: &str) -> Value {
        let give_up_at = std::time::Instant::now() + super::wait::PATIENCE;
        loop {
            let status = self.ask(&get(&format!("/estado/{id}?espera=20"), &[])).expect(200).json();
            let word = status["estado"].as_str().expect("a state");
            if !matches!(word, "Pendiente" | "En progreso") {
                return status;
            }
            assert!(std::time::Instant::now() < give_up_at, "{status}");
        }
    }

    /// The result of a task that must succeed.
    pub(crate) fn result(&mut self, id: &str) -> Vec<u8> {
        let status = self.ended(id);
        assert_eq!(status["estado"], "Completada", "{status}");
        self.ask(&get(&format!("/tareas/{id}/imagen"), &[])).expect(200).body
    }

    pub(crate) fn delete(&mut self, id: &str) -> Response {
        self.ask(&request("DELETE", &format!("/tareas/{id}"), &[], b""))
    }
}

impl Response {
    pub(crate) fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{text}"))
    }

    /// The id in a document about a task, which must match the head.
    pub(crate) fn task(&self) -> String {
        let id = self.json()["id_tarea"].as_str().expect("an id").to_owned();
        assert_eq!(self.field("location"), Some(&*format!("/estado/{id}")));
        assert_eq!(self.id(), id);
        id
    }
}
