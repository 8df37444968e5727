//! A browser tab: open a page, choose files, click, press keys, take a screenshot, and read the browser's errors.
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::common::processes::Directory;
use super::common::wait::until;
use super::devtools::Chromium;

/// A window's size in CSS pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Touch instead of a mouse, a narrow viewport instead of a window.
    pub(crate) telephone: bool,
    /// Dark mode.
    pub(crate) dark: bool,
    /// Forced colours.
    pub(crate) forced: bool,
}

pub(crate) const DESKTOP: Window =
    Window { width: 1280, height: 800, telephone: false, dark: false, forced: false };
pub(crate) const TELEPHONE: Window = Window { width: 390, height: 844, telephone: true, ..DESKTOP };

/// A browser with one tab.
pub(crate) struct Browser {
    chromium: Chromium,
    session: String,
    /// Directory of the files to choose.
    files: Directory,
}

impl Browser {
    /// With a desktop window; None, with a message, without Chromium.
    pub(crate) fn start() -> Option<Self> {
        let mut chromium = Chromium::start()?;
        let files = Directory::new();
        let downloads = json!({ "behavior": "allow", "downloadPath": files.0.join("descargas") });
        chromium.try_call(None, "Browser.setDownloadBehavior", &downloads).expect("a place for downloads");
        let mut browser = Self { chromium, session: String::new(), files };
        browser.open_tab();
        Some(browser)
    }

    /// Opens a new tab, on a desktop and in Spanish, and switches to it; returns the previous session.
    pub(crate) fn open_tab(&mut self) -> String {
        let mut call = |method: &str, parameters: Value| {
            let result = self.chromium.try_call(None, method, &parameters);
            result.unwrap_or_else(|error| panic!("{method}: {error}"))
        };
        let target = call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = call("Target.attachToTarget", attach)["sessionId"].as_str().unwrap().to_owned();
        let before = std::mem::replace(&mut self.session, session);
        for domain in ["Page", "Runtime", "Log", "Network", "DOM", "Audits"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
        self.prefer("es");
        self.resize(DESKTOP);
        before
    }

    /// Closes the tab; the caller has to switch to another one.
    pub(crate) fn close_tab(&mut self) {
        let info = self.call("Target.getTargetInfo", json!({}));
        let target = json!({ "targetId": info["targetInfo"]["targetId"] });
        self.chromium.try_call(None, "Target.closeTarget", &target).expect("a tab to close");
    }

    /// Accepts the browser's next dialog of this kind.
    pub(crate) fn accept_dialog(&mut self, kind: &str) {
        let session = self.session.clone();
        until(kind, || {
            let answer = json!({ "accept": true });
            self.chromium.try_call(Some(&session), "Page.handleJavaScriptDialog", &answer).ok()
        });
        let put = |event: &Value| event["params"]["type"] == kind;
        assert!(self.chromium.events.iter().any(put), "another question was put");
    }

    /// Switches to the tab of this session; returns the previous session.
    pub(crate) fn turn_to(&mut self, session: String) -> String {
        std::mem::replace(&mut self.session, session)
    }

    /// Sets the language, from the next page on.
    pub(crate) fn prefer(&mut self, language: &str) {
        let version = self.chromium.try_call(None, "Browser.getVersion", &json!({})).expect("a version");
        let agent = json!({ "userAgent": version["userAgent"], "acceptLanguage": language });
        self.call("Network.setUserAgentOverride", agent);
    }

    /// A downloaded file, once it is complete.
    pub(crate) fn download(&self, name: &str) -> PathBuf {
        let path = self.files.0.join("descargas").join(name);
        until(name, || path.exists().then(|| path.clone()))
    }

    /// A protocol request about the tab.
    pub(crate) fn call(&mut self, method: &str, parameters: Value) -> Value {
        let result = self.chromium.try_call(Some(&self.session), method, &parameters);
        result.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    pub(crate) fn resize(&mut self, window: Window) {
        let Window { width, height, telephone, dark, forced } = window;
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": telephone });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        self.call("Emulation.setTouchEmulationEnabled", json!({ "enabled": telephone }));
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
            { "name": "forced-colors", "value": if forced { "active" } else { "none" } },
        ]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Disables scripts, from the next page on.
    pub(crate) fn forbid_scripts(&mut self) {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    }

    /// Opens a page, and waits until it is loaded.
    pub(crate) fn open(&mut self, port: u16, path: &str) {
        let url = self.start_opening(port, path);
        self.wait_for(&format!("location.href === '{url}' && document.readyState === 'complete'"));
    }

    /// Opens a page without waiting until it is loaded.
    pub(crate) fn start_opening(&mut self, port: u16, path: &str) -> String {
        self.navigate(format!("http://127.0.0.1:{port}{path}"))
    }

    /// Opens a page of any host: names that end in `.example` are this machine.
    pub(crate) fn open_url(&mut self, url: &str) {
        let url = self.navigate(url.to_owned());
        self.wait_for(&format!("location.href === '{url}' && document.readyState === 'complete'"));
    }

    fn navigate(&mut self, url: String) -> String {
        let answer = self.call("Page.navigate", json!({ "url": url }));
        assert_eq!(answer["errorText"], Value::Null, "{url}");
        url
    }

    /// Answers, instead of the server, the next request that the browser has paused (`Fetch.enable`).
    pub(crate) fn answer(&mut self, status: u16, body: &str) {
        let request = until("a request to answer", || {
            self.value("0");
            let stopped = |event: &Value| event["method"] == "Fetch.requestPaused";
            let at = self.chromium.events.iter().position(stopped)?;
            Some(self.chromium.events.remove(at)["params"]["requestId"].clone())
        });
        let body = STANDARD.encode(body);
        let answer = json!({ "requestId": request, "responseCode": status, "body": body });
        self.call("Fetch.fulfillRequest", answer);
    }

    /// The value of an expression, or of its promise.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        self.try_value(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    pub(crate) fn text(&mut self, expression: &str) -> String {
        let value = self.value(expression);
        value.as_str().unwrap_or_else(|| panic!("{expression}: {value}")).to_owned()
    }

    fn try_value(&mut self, expression: &str) -> Result<Value, Value> {
        let parameters = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true });
        let answer = self.chromium.try_call(Some(&self.session), "Runtime.evaluate", &parameters)?;
        match &answer["exceptionDetails"] {
            Value::Null => Ok(answer["result"]["value"].clone()),
            exception => Err(exception.clone()),
        }
    }

    /// Waits until an expression is true. Between two pages there is nothing to evaluate.
    pub(crate) fn wait_for(&mut self, expression: &str) {
        until(expression, || match self.try_value(expression) {
            Ok(value) => (value == true).then_some(()),
            Err(_) => None,
        });
    }

    /// Presses a button of a row (the first row is 1), in the row itself or in its menu.
    pub(crate) fn act(&mut self, row: usize, action: &str) {
        let row = format!("#lista > li:nth-child({row})");
        let mark = format!(
            "(() => {{ const row = document.querySelector('{row}');
                const find = () => [...row.querySelectorAll('button')].find((one) => one.textContent.startsWith('{action}'));
                if (!find()) row.querySelector('[aria-expanded=false]').click();
                document.querySelectorAll('[data-press]').forEach((one) => delete one.dataset.press);
                find().dataset.press = '';
                return true; }})()"
        );
        self.wait_for(&mark);
        self.click(&format!("{row} [data-press]"));
    }

    /// Waits until the text of this element contains `text`.
    pub(crate) fn wait_text(&mut self, selector: &str, text: &str) {
        let (selector, text) = (Value::from(selector), Value::from(text));
        self.wait_for(&format!("(document.querySelector({selector})?.textContent ?? '').includes({text})"));
    }

    /// Makes a file to choose, with these bytes.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.files.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Chooses files, as in the browser's dialog.
    pub(crate) fn choose(&mut self, selector: &str, files: &[&Path]) {
        let expression = format!("document.querySelector({})", Value::from(selector));
        let found = self.call("Runtime.evaluate", json!({ "expression": expression }));
        let object = &found["result"]["objectId"];
        self.call("DOM.setFileInputFiles", json!({ "objectId": object, "files": files }));
    }

    /// Drops files on an element.
    pub(crate) fn drop_files(&mut self, selector: &str, files: &[&Path]) {
        let (x, y) = self.middle(selector);
        let data = json!({ "items": [], "files": files, "dragOperationsMask": 1 });
        for kind in ["dragEnter", "dragOver", "drop"] {
            self.call("Input.dispatchDragEvent", json!({ "type": kind, "x": x, "y": y, "data": data }));
        }
    }

    /// Clicks in the middle of an element.
    pub(crate) fn click(&mut self, selector: &str) {
        let (x, y) = self.middle(selector);
        for kind in ["mousePressed", "mouseReleased"] {
            self.mouse(kind, x, y);
        }
    }

    /// A mouse event of the left button.
    pub(crate) fn mouse(&mut self, kind: &str, x: f64, y: f64) {
        let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1 });
        self.call("Input.dispatchMouseEvent", event);
    }

    /// The middle of an element, once nothing covers it and it has stopped moving.
    fn middle(&mut self, selector: &str) -> (f64, f64) {
        let look = format!(
            "(() => {{ const element = document.querySelector({});
                element.scrollIntoView({{ block: 'center' }});
                const {{ x, y, width, height }} = element.getBoundingClientRect();
                const place = [x + width / 2, y + height / 2];
                return element.contains(document.elementFromPoint(...place)) ? place : null; }})()",
            Value::from(selector)
        );
        let mut before = Value::Null;
        let place = until(selector, || {
            let place = self.value(&look);
            let rests = place != Value::Null && place == before;
            before = place.clone();
            rests.then_some(place)
        });
        (place[0].as_f64().expect("a place"), place[1].as_f64().expect("a place"))
    }

    /// Presses a key: `Tab`, `Enter`, `ArrowRight`, …
    pub(crate) fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Home" => (36, ""),
            "ArrowLeft" => (37, ""),
            "ArrowRight" => (39, ""),
            _ => panic!("{key}: what number has it?"),
        };
        let press = json!({ "type": "keyDown", "key": key, "code": key, "text": text,
            "windowsVirtualKeyCode": code });
        self.call("Input.dispatchKeyEvent", press);
        let release = json!({ "type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": code });
        self.call("Input.dispatchKeyEvent", release);
    }

    /// Takes a screenshot of the whole page.
    pub(crate) fn screenshot(&mut self, name: &str) {
        let picture = self.call("Page.captureScreenshot", json!({ "captureBeyondViewport": true }));
        let bytes = STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pagina");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(format!("{name}.png")), bytes).unwrap();
    }

    /// Status and media type of the last document that was loaded.
    pub(crate) fn document(&mut self) -> (u64, String) {
        let mut answers = self.chromium.events.iter().rev();
        let answer = answers.find(|event| {
            event["method"] == "Network.responseReceived" && event["params"]["type"] == "Document"
        });
        let response = &answer.expect("a document")["params"]["response"];
        (response["status"].as_u64().unwrap(), response["mimeType"].as_str().unwrap().to_owned())
    }

    /// Fails on any browser error: an exception, an error in the console, a violation of the policy. Failed requests
    /// are such errors too; errors whose text contains one of `expected` are ignored.
    pub(crate) fn assert_content(&mut self, expected: &[&str]) {
        // After its answer all earlier events have arrived.
        self.value("0");
        let complaints: Vec<String> = self.chromium.events.iter().filter_map(complaint).collect();
        // A server may have no figures, and a browser may ask for an icon at any time, also from a server that is
        // being killed.
        let is_expected = |text: &String| {
            let ours = ["/panel.json\"", "/favicon."].iter().chain(expected);
            ours.into_iter().any(|part| text.contains(part))
        };
        let unexpected: Vec<_> = complaints.iter().filter(|text| !is_expected(text)).collect();
        assert!(unexpected.is_empty(), "{unexpected:#?}");
    }
}

/// The error in an event, if it is one.
fn complaint(event: &Value) -> Option<String> {
    let parameters = &event["params"];
    let is_bad = |level: &Value| matches!(level.as_str(), Some("error" | "warning" | "assert"));
    match event["method"].as_str()? {
        "Runtime.exceptionThrown" => Some(parameters["exceptionDetails"].to_string()),
        "Runtime.consoleAPICalled" if is_bad(&parameters["type"]) => Some(parameters["args"].to_string()),
        "Log.entryAdded" if is_bad(&parameters["entry"]["level"]) => Some(parameters["entry"].to_string()),
        "Audits.issueAdded" => Some(parameters["issue"].to_string()),
        _ => None,
    }
}
