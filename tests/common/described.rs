//! Every answer that a test reads is one that docs/openapi.json describes: its status is described for the request's
//! operation, its media type for that status, its fields and its JSON are as their schemas say.
//!
//! Where the request is unknown (it was malformed, cut short, or sent by another end of the connection) or names nothing,
//! the answer has to be one that some operation describes for its status. What the document says in words alone stands
//! here: `OPTIONS` is 204 with `Allow`, and another method than those of a path 405.
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::asked::Asking;
use super::http::Response;
use super::schema::{excerpt, faults, resolve};

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../docs/openapi.json")).expect("JSON"));

/// Asserts that the answer is described. `head_only`: it is to HEAD, and its body was not sent.
pub(crate) fn assert_described(asking: Option<&Asking>, response: &Response, head_only: bool) {
    let told = undescribed(asking, response, head_only);
    let body = excerpt(&String::from_utf8_lossy(&response.body));
    assert!(
        told.is_empty(),
        "{asking:?} {}: not as in docs/openapi.json: {told:#?}\n{body}",
        response.status
    );
}

/// What is wrong with the answer; nothing if one description fits.
fn undescribed(asking: Option<&Asking>, response: &Response, head_only: bool) -> Vec<String> {
    let described = descriptions(asking, response.status);
    let mut told = vec![format!("{} descriptions of that status", described.len())];
    for one in &described {
        let found = answer_faults(resolve(&DOCUMENT, one), response, head_only);
        if found.is_empty() {
            return found;
        }
        told.extend(found);
    }
    told
}

/// What is described of such an answer to such a request.
fn descriptions(asking: Option<&Asking>, status: u16) -> Vec<Value> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let responses =
        |operation: &Value| operation.get("responses").and_then(|all| all.get(status.to_string())).cloned();
    let known = asking.filter(|asking| !matches!(status, 405) && asking.method != "OPTIONS");
    if let Some(asking) = known {
        let method = if asking.method == "HEAD" { "get" } else { &asking.method.to_lowercase() };
        let mut items = items(&asking.path);
        // A file of -d may be in folders.
        if items.is_empty() && method == "get" {
            items.push(&paths["/{nombre}"]);
        }
        let operations: Vec<_> = items.into_iter().filter_map(|item| item.get(method)).collect();
        if !operations.is_empty() {
            return operations.into_iter().filter_map(responses).collect();
        }
    }
    match (asking.map(|asking| &*asking.method), status) {
        (_, 405) => return vec![json!({"$ref": "#/components/responses/OtroMetodo"})],
        (Some("OPTIONS"), 204) => {
            let allow =
                json!({"required": true, "schema": {"type": "string", "pattern": "^[A-Z, ]*OPTIONS$"}});
            return vec![json!({"headers": {"Allow": allow}})];
        }
        _ => {}
    }
    let operations = paths.values().flat_map(|item| item.as_object().unwrap().values());
    let mut all: Vec<_> = operations.filter_map(responses).collect();
    all.dedup();
    all
}

/// The items of the document whose path this is, those that name more of it first.
fn items(path: &str) -> Vec<&'static Value> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let trimmed = path.strip_suffix('/').filter(|rest| rest.starts_with('/')).unwrap_or(path);
    let matches = |template: &str| {
        let (mut described, mut asked) = (template.split('/'), trimmed.split('/'));
        loop {
            match (described.next(), asked.next()) {
                (None, None) => return true,
                (Some(name), Some(segment)) if name.starts_with('{') && !segment.is_empty() => {}
                (Some(name), Some(segment)) if name == segment => {}
                _ => return false,
            }
        }
    };
    let mut found: Vec<_> = paths.iter().filter(|(template, _)| matches(template)).collect();
    found.sort_by_key(|(template, _)| template.matches('{').count());
    // Names to look for are described beside the face of that name, everything else of a path once.
    if !trimmed.ends_with("/faltantes") {
        found.truncate(1);
    }
    found.into_iter().map(|(_, item)| item).collect()
}

fn answer_faults(described: &Value, response: &Response, head_only: bool) -> Vec<String> {
    let mut told = Vec::new();
    for (name, header) in described.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let header = resolve(&DOCUMENT, header);
        match response.field(&name.to_ascii_lowercase()) {
            Some(value) => told.extend(faults(&DOCUMENT, &header["schema"], &Value::from(value), name)),
            None if header["required"] == true => told.push(format!("{name} is missing")),
            None => {}
        }
    }
    let Some(contents) = described.get("content").and_then(Value::as_object) else {
        if !response.body.is_empty() {
            told.push(format!("{} bytes where none are described", response.body.len()));
        }
        return told;
    };
    let media_type = response.field("content-type").unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default();
    let Some(content) = contents.get(media_type) else {
        told.push(format!("media type {media_type:?}"));
        return told;
    };
    if head_only || !(media_type.ends_with("json") || media_type.starts_with("text/")) {
        return told;
    }
    let text = String::from_utf8_lossy(&response.body);
    let value = if media_type.ends_with("json") {
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    } else {
        Value::from(&*text)
    };
    told.extend(faults(&DOCUMENT, &content["schema"], &value, ""));
    if media_type == "application/problem+json" && value["status"] != response.status {
        told.push(format!("the document tells of {}", value["status"]));
    }
    told
}

#[test]
fn what_is_not_described_is_found() {
    let id = "X-Tarea: 34d6916e-49b8-40f5-9940-a2c1a2e0082c";
    let json = "Content-Type: application/json";
    let folders = r#"{"carpetas":[{"nombre":"a","imagenes":1}]}"#;
    let get = |path: &str| Asking { method: "GET".into(), path: path.into() };
    let problem = |status: u16| {
        format!(r#"{{"type":"urn:tp2:error:x","title":"a","status":{status},"detail":"b","id_tarea":"c"}}"#)
    };
    let kind = "Content-Type: application/problem+json";
    for (asking, status, fields, body, is_described) in [
        (Some(get("/carpetas/")), 200, [id, json], folders.to_owned(), true),
        (Some(get("/carpetas")), 200, [id, "Content-Type: text/plain"], folders.into(), false),
        (Some(get("/carpetas")), 200, ["X-Tarea: 7", json], folders.into(), false),
        (Some(get("/carpetas")), 200, [id, json], r#"{"carpetas":[{"nombre":"a"}]}"#.into(), false),
        (Some(get("/carpetas")), 200, [id, json], r#"{"carpetas":[],"otra":1}"#.into(), false),
        (
            Some(get("/carpetas")),
            200,
            [id, json],
            r#"{"carpetas":[{"nombre":"a","imagenes":-1}]}"#.into(),
            false,
        ),
        (Some(get("/carpetas")), 201, [id, json], folders.into(), false),
        (Some(get("/carpetas/a/b")), 200, [id, json], folders.into(), false),
        (Some(get("/nada/de/nada")), 404, [id, kind], problem(404), true),
        (Some(get("/nada/de/nada")), 404, [id, kind], problem(405), false),
        (Some(get("/estado/x")), 404, [id, kind], problem(404), false),
        (None, 400, [id, kind], problem(400), true),
        (None, 418, [id, kind], problem(418), false),
        (Some(get("/tareas")), 405, [id, kind], problem(405), false),
    ] {
        let response = Response::made(status, &fields, body.as_bytes());
        let told = undescribed(asking.as_ref(), &response, false);
        assert_eq!(told.is_empty(), is_described, "{asking:?} {status} {fields:?} {body} {told:?}");
    }
}
