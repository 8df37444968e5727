//! One picture as a task: handed in (`POST /tareas`), waited for (`GET /estado/<id>?espera=N`), and its result fetched
//! (`GET /tareas/<id>/imagen`).
//!
//! Rules: the id is printed as soon as it is known, so that a user who interrupts the client can ask for the result
//! later. The request has an `Idempotency-Key`, so that sending it again does not make a second task. A task is waited
//! for without limit: the server keeps its deadline.
use std::time::{Duration, Instant};

use serde_json::Value;
use uuid::Uuid;

use super::console::Unit;
use super::failure::Failure;
use super::options::Options;
use super::picture::{Source, Upload, keep, send};
use super::response::Response;
use super::save::Saver;
use super::session::{Conversation, Session};

/// Seconds for which the server is asked to hold its answer.
const HOLD: u64 = 30;
/// From one question to the next at least, for a server that does not hold its answer.
const BETWEEN: Duration = Duration::from_secs(1);

#[derive(Debug, PartialEq, Eq)]
enum Stand {
    /// Not at its end; the server's word for it.
    Open(String),
    Done,
    /// The server's words.
    Failed(String),
}

/// Hands the picture in, waits, and saves the result.
///
/// # Errors
/// [`Failure`].
pub(super) fn run(
    session: &Session<'_>,
    options: &Options,
    source: Source,
    saver: &Saver,
) -> Result<(), Failure> {
    let mut upload = Upload::new("POST", "/tareas", options, source)?;
    upload.request.fields.push(("Idempotency-Key", Uuid::new_v4().to_string()));
    let mut conversation = session.open()?;
    let response = send(&mut conversation, session.console, &mut upload.request)?;
    // 200 if the task was handed in before: the answer is its present state.
    if !matches!(response.status, 200 | 202) {
        return Err(Failure::refused(&response));
    }
    let id = response.json().and_then(|task| Uuid::parse_str(task.get("id_tarea")?.as_str()?).ok());
    let id = id.ok_or(Failure::Senseless("el id de la tarea"))?;
    session.console.line(format_args!("Tarea: {id}"));
    session.console.line(format_args!("Estado: http://{}/estado/{id}", session.server));
    saver.set_farewell(format!(
        "Interrumpido: la tarea sigue en el servidor; su resultado se pide en http://{}/tareas/{id}/imagen.",
        session.server
    ));
    let result = wait(session, &mut conversation, id)?;
    keep(session.console, options, saver, &upload, &result)
}

fn wait(session: &Session<'_>, conversation: &mut Conversation<'_>, id: Uuid) -> Result<Response, Failure> {
    let _waiting = session.console.begin(Unit::Waiting, 0);
    let mut told = String::new();
    loop {
        let asked_at = Instant::now();
        let status = conversation.fetch(format!("/estado/{id}?espera={HOLD}"))?;
        if status.status != 200 {
            return Err(Failure::refused(&status));
        }
        match status.json().as_ref().and_then(stand).ok_or(Failure::Senseless("el estado de la tarea"))? {
            Stand::Failed(detail) => return Err(Failure::Task(detail)),
            Stand::Open(word) if word != told => {
                session.console.line(format_args!("Estado de la tarea: {word}."));
                told = word;
            }
            Stand::Open(_) => {}
            Stand::Done => {
                let result = conversation.fetch(format!("/tareas/{id}/imagen"))?;
                match result.status {
                    200 => return Ok(result),
                    // Another node of the fleet may know a little later.
                    409 => {}
                    _ => return Err(Failure::refused(&result)),
                }
            }
        }
        let rest = BETWEEN.saturating_sub(asked_at.elapsed());
        // The result does not matter here: this only waits.
        let _ = session.pause.wait(rest, || {});
    }
}

/// Reads a status document; None if it is none.
fn stand(document: &Value) -> Option<Stand> {
    let word = document.get("estado")?.as_str()?;
    let detail = match document.get("detalle") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Object(problem)) => {
            problem.get("detail").and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        _ => String::new(),
    };
    Some(match word {
        "Completada" => Stand::Done,
        "Error" => Stand::Failed(detail),
        "Vencida" => Stand::Failed("venció, y su resultado ya no se guarda".into()),
        _ => Stand::Open(word.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_where_a_task_stands() {
        for (document, expected) in [
            (json!({"id_tarea": "x", "estado": "Pendiente"}), Some(Stand::Open("Pendiente".into()))),
            (json!({"estado": "En progreso"}), Some(Stand::Open("En progreso".into()))),
            (json!({"estado": "Completada", "imagen": "/tareas/x/imagen"}), Some(Stand::Done)),
            (json!({"estado": "Error", "detalle": "rota"}), Some(Stand::Failed("rota".into()))),
            (json!({"estado": "Error", "detalle": {"detail": "rota"}}), Some(Stand::Failed("rota".into()))),
            (json!({"estado": "Error"}), Some(Stand::Failed(String::new()))),
            (
                json!({"estado": "Vencida"}),
                Some(Stand::Failed("venció, y su resultado ya no se guarda".into())),
            ),
            (json!({"estado": 3}), None),
            (json!([]), None),
        ] {
            assert_eq!(stand(&document), expected, "{document}");
        }
    }
}
