//! Every error from a limit has its members, and the same numbers in its text.
use serde_json::json;

use super::*;
use crate::http::body::BodyError;
use crate::http::buf::SendBuf;
use crate::http::multipart::MultipartError;
use crate::http::reply::{Extent, Frame};

const LIMITS: LimitsInForce = LimitsInForce {
    body_max: 1000,
    pixels_max: 100_000,
    side_max: 65_535,
    memory_max: 5000,
    result_max: 700,
};

fn failed(failure: WorkError) -> HttpProblem {
    HttpProblem::Failed { failure, limits: LIMITS }
}

fn problem(reject: &HttpProblem) -> Value {
    let date = std::time::SystemTime::UNIX_EPOCH;
    let frame = Frame {
        id: Uuid::nil(),
        date,
        keep_alive: true,
        head_only: false,
        extent: Extent::Whole,
        extra: &[],
    };
    let mut out = SendBuf::new();
    reject.reply(Uuid::nil(), false).emit(&frame, &mut out);
    let mut slices = [std::io::IoSlice::new(&[]); 8];
    let count = out.io_slices(&mut slices);
    let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
    let body = memchr::memmem::find(&bytes, b"\r\n\r\n").unwrap() + 4;
    serde_json::from_slice(&bytes[body..]).unwrap()
}

fn parameter(name: &'static str, value: &str, limit: &'static str, bounds: &str) -> HttpProblem {
    let range = Some((limit, bounds.to_owned()));
    HttpProblem::Parameter { name, value: value.to_owned(), expected: "otro", range }
}

fn slow(rate: Option<u64>) -> HttpProblem {
    HttpProblem::Slow {
        time: Duration::from_secs(10),
        rate,
        received: 77,
        took: Duration::from_millis(15_250),
    }
}

#[test]
fn an_error_from_a_limit_names_it_with_its_value_what_came_and_the_option() {
    let late = HttpProblem::Late { deadline: Duration::from_secs(1), took: Duration::from_millis(1500) };
    let field = FormError::FieldTooLong { name: "fondo".into() };
    let wide = failed(WorkError::TooManyPixels { width: 65_536, height: 1 });
    let large = failed(WorkError::ResultTooLarge { width: 1000, height: 1000 });
    let fields = HeadError::TooManyFields { max: 64, received: 70 };
    for (reject, status, limit, value, received, option) in [
        (
            HttpProblem::Head(HeadError::TargetTooLong { max: 8192 }),
            414,
            "ruta",
            json!(8192),
            json!(8193),
            "",
        ),
        (HttpProblem::Head(HeadError::TooLarge { max: 16 }), 431, "cabecera", json!(16), json!(17), ""),
        (HttpProblem::Head(fields), 431, "campos", json!(64), json!(70), ""),
        (
            HttpProblem::Body(BodyError::TrailerTooLong),
            400,
            "campos tras el cuerpo",
            json!(8192),
            json!(8193),
            "",
        ),
        (HttpProblem::Form(MultipartError::TooManyParts.into()), 400, "partes", json!(128), json!(129), ""),
        (HttpProblem::Form(field), 422, "campo del formulario", json!(1024), json!(1025), ""),
        (
            parameter("escala", "99", "factor", "0.001 a 10"),
            422,
            "factor",
            json!("0.001 a 10"),
            json!("99"),
            "",
        ),
        (parameter("calidad", "0", "calidad", "1 a 100"), 422, "calidad", json!("1 a 100"), json!("0"), ""),
        (slow(None), 408, "tiempo", json!(10), json!(77), ""),
        (slow(Some(1024)), 408, "tiempo", json!(10), json!(77), ""),
        (late, 504, "plazo", json!(1), json!(1.5), "--plazo"),
        (
            HttpProblem::QueueFull { max: 3, in_hand: 4, retry_after: 9 },
            503,
            "cola",
            json!(3),
            json!(4),
            "--cola",
        ),
        (HttpProblem::Crowded { max: 2 }, 503, "conexiones", json!(2), json!(3), "--conexiones-por-ip"),
        (
            failed(WorkError::TooMuchMemory { needed: 6000 }),
            422,
            "memoria",
            json!(5000),
            json!(6000),
            "--memoria",
        ),
        (wide, 422, "lado", json!(65_535), json!(65_536), ""),
        (large, 422, "píxeles", json!(100_000), json!(1_000_000), "--max-pixeles"),
    ] {
        let problem = problem(&reject);
        assert_eq!((&problem["status"], &problem["limite"]), (&json!(status), &json!(limit)), "{problem}");
        assert_eq!((&problem["valor"], &problem["recibido"]), (&value, &received), "{problem}");
        assert_eq!(problem["opcion"].as_str().unwrap_or_default(), option, "{problem}");
        let text = problem["detail"].as_str().unwrap();
        let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        // A parameter's expected value has words of its own.
        let has_value = matches!(reject, HttpProblem::Parameter { .. }) || text.contains(&shown(&value));
        assert!(has_value && text.contains(&shown(&received)) && text.contains(option), "{text}");
        assert!(reject.line().starts_with(&format!("ERROR {status} ")));
    }
    assert_eq!(problem(&slow(None))["segundos"], json!(15.25));
    assert_eq!(problem(&HttpProblem::Draining).get("limite"), None);
}

#[test]
fn it_is_the_result_that_is_too_large_where_the_picture_is_not() {
    let text = |failure| failed(failure).to_string();
    let result = |width, height| text(WorkError::ResultTooLarge { width, height });
    assert_eq!(result(98_302, 1), "el resultado mediría 98302x1 y cada lado puede medir hasta 65535");
    assert!(result(1000, 1000).starts_with("el resultado tendría 1000x1000 = 1000000 píxeles"));
    let source = |width, height| text(WorkError::TooManyPixels { width, height });
    assert!(source(98_302, 1).starts_with("la imagen mide 98302x1"));
    assert!(source(1000, 1000).starts_with("la imagen tiene 1000x1000"));
    // Within both limits: only the format can have refused it.
    let format = failed(WorkError::TooManyPixels { width: 16_384, height: 1 });
    assert!(format.to_string().starts_with("el formato pedido no admite una imagen de 16384x1"));
    assert_eq!(problem(&format).get("limite"), None);
}

#[test]
fn one_picture_is_no_pictures() {
    let text = |in_hand| HttpProblem::QueueFull { max: 1, in_hand, retry_after: 2 }.to_string();
    assert!(text(1).starts_with("ya hay 1 imagen en espera"), "{}", text(1));
    assert!(text(2).starts_with("ya hay 2 imágenes en espera"), "{}", text(2));
    let text = |max| HttpProblem::Crowded { max }.to_string();
    assert!(text(1).starts_with("ya hay 1 conexión desde su dirección"), "{}", text(1));
    assert!(text(2).starts_with("ya hay 2 conexiones desde su dirección"), "{}", text(2));
}

#[test]
fn a_long_value_is_shown_in_part() {
    let reject = parameter("escala", &"9".repeat(1000), "factor", "0.001 a 10");
    assert_eq!(problem(&reject)["recibido"], "9".repeat(40));
    assert!(reject.line().len() < 150);
}

#[test]
fn a_range_behind_the_end_is_told_where_the_end_is() {
    let reject = HttpProblem::Range { length: 47 };
    let reply = reject.reply(Uuid::nil(), false);
    assert_eq!((reply.status, HttpProblem::Precondition.status()), (416, 412));
    assert!(reply.fields.iter().any(|(name, value)| *name == "Content-Range" && value == "bytes */47"));
    assert!(reject.to_string().contains("47 bytes"));
}
