use super::*;
use crate::http::limit::Limit;

/// A part: name, file name, data.
type Part<'a> = (&'a str, Option<&'a str>, &'a [u8]);

fn body(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file_name, data) in parts {
        body.extend_from_slice(
            format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"").as_bytes(),
        );
        if let Some(file_name) = file_name {
            body.extend_from_slice(
                format!("; filename=\"{file_name}\"\r\nContent-Type: text/plain").as_bytes(),
            );
        }
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(data);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--xyz--\r\n");
    body
}

/// Uploads whole, byte by byte, and with an epilogue; all must agree.
fn upload(parts: &[Part<'_>]) -> Result<FormUpload, FormError> {
    let body = body(parts);
    let push = |body: &[u8], step: usize| {
        let mut form = Form::new(b"multipart/form-data; boundary=xyz")?;
        body.chunks(step).try_for_each(|piece| form.push(piece))?;
        form.finish()
    };
    let whole = push(&body, body.len());
    assert_eq!(push(&body, 1), whole);
    assert_eq!(push(&[&body[..], b"epilogue"].concat(), 5), whole);
    whole
}

fn picture(parts: &[Part<'_>]) -> Option<Vec<u8>> {
    upload(parts).unwrap().picture
}

fn chosen(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(bytes.to_vec())
}

#[test]
fn the_picture_is_the_first_of_a_known_name() {
    for name in ["imagen", "image", "file", "media"] {
        assert_eq!(picture(&[(name, Some("a.png"), b"1")]), chosen(b"1"), "{name}");
        assert_eq!(picture(&[(name, None, b"1")]), chosen(b"1"), "{name} without file name");
        assert_eq!(
            picture(&[("x", Some("x.png"), b"0"), (name, Some("a.png"), b"1"), ("file", Some("b"), b"2")]),
            chosen(b"1"),
        );
    }
}

#[test]
fn else_the_first_with_a_file_name() {
    assert_eq!(
        picture(&[("t", None, b"text"), ("x", Some("a"), b"1"), ("y", Some("b"), b"2")]),
        chosen(b"1")
    );
    assert_eq!(picture(&[("Imagen", Some("a"), b"1")]), chosen(b"1"));
    assert_eq!(picture(&[("escala", Some("a"), b"1")]), chosen(b"1"));
    assert_eq!(picture(&[("", Some("a"), b"1")]), chosen(b"1"));
    assert_eq!(picture(&[("x", Some(""), b"1")]), chosen(b"1"));
}

#[test]
fn an_empty_file_input_is_absent() {
    assert_eq!(picture(&[("imagen", Some(""), b"")]), None);
    assert_eq!(picture(&[("imagen", Some(""), b""), ("x", Some("a"), b"1")]), chosen(b"1"));
    assert_eq!(picture(&[("x", Some("a"), b"1"), ("imagen", Some(""), b"")]), chosen(b"1"));
    assert_eq!(picture(&[("imagen", Some(""), b""), ("file", Some("b"), b"2")]), chosen(b"2"));
    assert_eq!(picture(&[("x", Some(""), b""), ("y", Some("b"), b"2")]), chosen(b"2"));
    // An empty file that has a name is there, and no picture.
    assert_eq!(picture(&[("imagen", Some("a"), b"")]), chosen(b""));
    assert_eq!(picture(&[]), None);
}

#[test]
fn parameters_are_kept_by_name_and_the_first_counts() {
    let upload = upload(&[
        ("fondo", None, b"FF00FF"),
        ("escala", None, b"0.5"),
        ("otra", None, b"x"),
        ("escala", None, b"2"),
        ("calidad", None, b""),
        ("imagen", Some("a"), b"1"),
        ("formato", None, b"png"),
        ("ESCALA", None, b"3"),
    ])
    .unwrap();
    let field = |name: &str, value: &[u8]| (name.to_owned(), value.to_vec());
    assert_eq!(
        upload.fields,
        [field("fondo", b"FF00FF"), field("escala", b"0.5"), field("calidad", b""), field("formato", b"png")]
    );
    assert_eq!(
        upload.names_seen,
        ["fondo", "escala", "otra", "escala", "calidad", "imagen", "formato", "ESCALA"]
    );
    assert_eq!(upload.picture, Some(b"1".to_vec()));
}

#[test]
fn long_values_are_out_of_range_and_unknown_ones_dropped() {
    let long = vec![b'1'; FIELD_MAX];
    assert_eq!(upload(&[("escala", None, &long)]).unwrap().fields[0].1, long);
    let longer = vec![b'1'; FIELD_MAX + 1];
    let error = upload(&[("escala", None, &longer)]).unwrap_err();
    assert_eq!(error, FormError::FieldTooLong { name: "escala".to_owned() });
    assert_eq!(error.status(), 422);
    let expected = Limit { name: "campo del formulario", max: 1024, received: 1025 };
    assert_eq!(error.limit(), Some(expected));
    assert!(error.to_string().contains("1025") && error.to_string().contains("1024"));
    assert_eq!(upload(&[("otra", None, &longer)]).unwrap().fields, []);
}

#[test]
fn names_that_are_remembered_are_few_and_short() {
    let name = "n".repeat(1000);
    let parts: Vec<Part<'_>> = (0..20).map(|_| (&name[..], None, &b""[..])).collect();
    let seen = upload(&parts).unwrap().names_seen;
    assert_eq!((seen.len(), seen[0].len()), (NAMES_MAX, NAME_CHARS_MAX));
}

#[test]
fn content_types() {
    for content_type in
        ["multipart/form-data; boundary=xyz", "Multipart/Form-Data;charset=utf-8;BOUNDARY=\"xyz\""]
    {
        assert!(is_form(content_type.as_bytes()));
        let mut form = Form::new(content_type.as_bytes()).unwrap();
        form.push(&body(&[("file", None, b"1")])).unwrap();
        assert_eq!(form.finish().unwrap().picture, Some(b"1".to_vec()));
    }
    for content_type in ["", "image/png", "multipart/mixed; boundary=xyz", "x; multipart/form-data"] {
        assert!(!is_form(content_type.as_bytes()), "{content_type}");
    }
    for content_type in
        ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"x"]
    {
        let error = Form::new(content_type.as_bytes()).unwrap_err();
        assert_eq!((error.clone(), error.status()), (FormError::Multipart(MultipartError::Boundary), 400));
    }
}

#[test]
fn a_form_must_end() {
    let mut form = Form::new(b"multipart/form-data; boundary=xyz").unwrap();
    form.push(b"--xyz\r\nContent-Disposition: form-data; name=file\r\n\r\nGIF").unwrap();
    assert_eq!(form.finish(), Err(FormError::Multipart(MultipartError::Truncated)));
}
