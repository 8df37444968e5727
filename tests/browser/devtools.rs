//! Chromium as a process, and its DevTools protocol over a pipe: JSON documents, a zero byte after each
//! (<https://chromedevtools.github.io/devtools-protocol/>).
//!
//! The browser reads from its descriptor 3 and writes to 4 (`--remote-debugging-pipe`); a shell connects our pipes to
//! them. It ends when they are closed, so it never outlives its test.
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use super::common::processes::Directory;
use super::common::tools::skip;
use super::common::wait::PATIENCE;

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

pub(crate) struct Chromium {
    child: Child,
    /// None during the drop.
    requests: Option<ChildStdin>,
    messages: Receiver<Value>,
    sent: u64,
    /// Events of the browser.
    pub(crate) events: Vec<Value>,
    _profile: Directory,
}

impl Chromium {
    /// Starts a browser with an empty profile; None, with a message, without Chromium.
    pub(crate) fn start() -> Option<Self> {
        let Some(program) = find() else {
            skip("no está chromium");
            return None;
        };
        let profile = Directory::new();
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh"]);
        command.arg(program).args(["--headless", "--remote-debugging-pipe", "--no-first-run"]);
        // Its sandbox protects against hostile pages; ours are trusted, and root can't use it.
        command.args([
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--force-color-profile=srgb",
        ]);
        command.args(["--disable-background-networking", "--disable-extensions", "--disable-sync"]);
        // Host names of other sites, for tests of cross-origin requests.
        command.arg("--host-resolver-rules=MAP *.example 127.0.0.1");
        command.arg(format!("--user-data-dir={}", profile.0.display()));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh");
        let (requests, answers) = (child.stdin.take(), child.stdout.take().unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for document in BufReader::new(answers).split(0).map_while(Result::ok) {
                // The test may have ended.
                let _ = sender.send(serde_json::from_slice(&document).expect("JSON"));
            }
        });
        Some(Self { child, requests, messages, sent: 0, events: Vec::new(), _profile: profile })
    }

    /// Sends a request to the browser or to the attached session; returns the result, or the error.
    pub(crate) fn try_call(
        &mut self,
        session: Option<&str>,
        method: &str,
        parameters: &Value,
    ) -> Result<Value, Value> {
        self.sent += 1;
        let mut request = json!({ "id": self.sent, "method": method, "params": parameters });
        if let Some(session) = session {
            request["sessionId"] = session.into();
        }
        let pipe = self.requests.as_mut().expect("a browser that has not ended");
        pipe.write_all(format!("{request}\0").as_bytes()).expect("a browser that listens");
        loop {
            let message = self.messages.recv_timeout(PATIENCE);
            let message = message.unwrap_or_else(|error| panic!("no answer to {method}: {error}"));
            if message["id"] == self.sent {
                return match &message["error"] {
                    Value::Null => Ok(message["result"].clone()),
                    error => Err(error.clone()),
                };
            }
            self.events.push(message);
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        drop(self.requests.take());
        // Its profile is removed next: the browser must not write there any more.
        let _ = self.child.wait();
    }
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates =
        NAMES.iter().flat_map(|name| std::env::split_paths(&path).map(move |place| place.join(name)));
    candidates.find(|file| file.is_file())
}
