//! The parameters of a request, from its query and its form: checked whole before any work is queued.
//!
//! The form wins over the query; an empty value means the default.
use std::sync::LazyLock;
use std::time::Duration;

use scaler::wire::{FACTOR_MAX, FACTOR_MIN, parse_factor};

use super::problem::HttpProblem;
use crate::http::accept;
use crate::http::field::Field;
use crate::http::format::Format;
use crate::model::transform::{
    Choice, RequestedTransform, SIDE_MAX, Size, parse_colour, parse_quality, parse_side,
};

/// What `formato` must be.
static FORMATS: LazyLock<String> = LazyLock::new(|| format!("uno de {}", Format::names(", ")));

/// The parameters of a request's head, as sent.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    /// The query, still percent-encoded.
    pub query: Option<Vec<u8>>,
    /// The `Accept` field, where present.
    pub accept: Option<Vec<u8>>,
}

impl Parameters {
    /// The value of `name`: the form's if it has one, else the query's; None if absent or empty.
    ///
    /// `name` has no capitals; a parameter's synonym is its name.
    fn value(&self, form: &[(String, Vec<u8>)], name: &str) -> Option<String> {
        let from_form = form.iter().find(|(field, _)| field == name);
        let value = match from_form {
            Some((_, value)) => String::from_utf8_lossy(value).into_owned(),
            None => self.data(name)?,
        };
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }
}

impl Parameters {
    /// A parameter of the query, without white space around it; None if absent or empty.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.value(&[], name)
    }

    /// A parameter of the query as it was sent, because white space may belong to it; None if absent or empty.
    #[must_use]
    pub fn data(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query.as_deref()?)
            .find(|(field, _)| {
                field == name || matches!(Field::of(field), Field::Known(known) if known == name)
            })
            .map(|(_, value)| value.into_owned())
            .filter(|value| !value.is_empty())
    }

    /// Refuses a query with a name that is nearly a parameter's.
    fn check_names(&self) -> Result<(), HttpProblem> {
        for (name, _) in form_urlencoded::parse(self.query.as_deref().unwrap_or_default()) {
            if let Field::Misspelt(meant) = Field::of(&name) {
                return Err(HttpProblem::UnknownParameter { name: name.into_owned(), meant });
            }
        }
        Ok(())
    }

    /// How long to wait for the end of a task: `espera`, in seconds.
    ///
    /// # Errors
    /// Out of range (422).
    pub fn wait(&self) -> Result<Duration, HttpProblem> {
        let Some(text) = self.value(&[], "espera") else { return Ok(Duration::ZERO) };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<u32>().ok().filter(|seconds| digits && *seconds <= WAIT_MAX) {
            Some(seconds) => Ok(Duration::from_secs(seconds.into())),
            None => Err(HttpProblem::Parameter {
                name: "espera",
                value: text,
                expected: "un número entero de 0 a 60",
                range: Some(("espera", format!("0 a {WAIT_MAX}"))),
            }),
        }
    }
}

impl RequestedTransform {
    /// Reads the parameters of a request; `form` has the form's fields.
    ///
    /// # Errors
    /// A parameter out of range (422).
    pub fn read(
        parameters: &Parameters,
        form: &[(String, Vec<u8>)],
        default_factor: f64,
    ) -> Result<Self, HttpProblem> {
        parameters.check_names()?;
        let value = |name| parameters.value(form, name);
        let side = |name| {
            let Some(text) = value(name) else { return Ok(None) };
            parse_side(&text).map(Some).ok_or(HttpProblem::Parameter {
                name,
                value: text,
                expected: "un número entero de píxeles de 1 a 65535",
                range: Some((name, format!("1 a {SIDE_MAX}"))),
            })
        };
        let size = match (value("escala"), side("ancho")?, side("alto")?) {
            (None, None, None) => Size::Factor(default_factor),
            (None, width, height) => Size::Within { width, height },
            (Some(text), None, None) => {
                Size::Factor(parse_factor(text.as_bytes()).ok_or(HttpProblem::Parameter {
                    name: "escala",
                    value: text,
                    expected: "un número decimal con punto entre 0.001 y 10, por ejemplo 0.5",
                    range: Some(("factor", format!("{FACTOR_MIN} a {FACTOR_MAX}"))),
                })?)
            }
            (Some(text), ..) => {
                return Err(HttpProblem::Parameter {
                    name: "escala",
                    value: text,
                    expected: "omitido donde se pide un tamaño con «ancho» o «alto»",
                    range: None,
                });
            }
        };
        let quality = match value("calidad") {
            None => 85,
            Some(text) => parse_quality(&text).ok_or(HttpProblem::Parameter {
                name: "calidad",
                value: text,
                expected: "un número entero de 1 a 100",
                range: Some(("calidad", "1 a 100".into())),
            })?,
        };
        let background = match value("fondo") {
            None => [255; 3],
            Some(text) => parse_colour(&text).ok_or(HttpProblem::Parameter {
                name: "fondo",
                value: text,
                expected: "un color RRGGBB en hexadecimal, por ejemplo FFFFFF",
                range: None,
            })?,
        };
        let format = match value("formato") {
            Some(text) => Choice::Named(Format::from_parameter(&text).ok_or(HttpProblem::Parameter {
                name: "formato",
                value: text,
                expected: &FORMATS,
                range: None,
            })?),
            None => match &parameters.accept {
                Some(field) if !accept::is_browser(field) => Choice::Accepted(field.clone()),
                _ => Choice::Input,
            },
        };
        Ok(Self { size, quality, background, format })
    }
}

/// Longest wait for a task to end.
pub const WAIT_MAX: u32 = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::format::Format;
    use crate::model::error::WorkError;
    use crate::model::image::{Encoding, ImageInfo, PixelLimits, Reduction};
    use crate::model::transform::{RequestedTransform, Size, Transform, needed};

    fn query(text: &str) -> Parameters {
        Parameters { query: Some(text.into()), ..Parameters::default() }
    }

    fn transform(parameters: &Parameters, form: &[(String, Vec<u8>)], input: Format) -> Transform {
        RequestedTransform::read(parameters, form, 0.5).unwrap().transform(input).unwrap()
    }

    #[test]
    fn defaults() {
        let encoding = Encoding { format: Format::Gif, quality: 85, background: [255; 3] };
        let expected = Transform::new(Size::Factor(0.5), encoding);
        assert_eq!(transform(&Parameters::default(), &[], Format::Gif), expected);
        assert_eq!(transform(&query("escala=&calidad=&formato=&fondo="), &[], Format::Gif), expected);
    }

    #[test]
    fn the_form_wins_over_the_query() {
        let parameters = query("escala=0.25&calidad=10&fondo=%23102030");
        let form = [("escala".into(), b" 2 ".to_vec()), ("calidad".into(), b"".to_vec())];
        let transform = transform(&parameters, &form, Format::Png);
        assert_eq!((transform.size, transform.encoding.quality), (Size::Factor(2.0), 85));
        assert_eq!(transform.encoding.background, [16, 32, 48]);
    }

    #[test]
    fn refuses_what_is_out_of_range() {
        for (text, name) in [
            ("escala=0", "escala"),
            ("escala=0.0009", "escala"),
            ("escala=10.001", "escala"),
            ("escala=-1", "escala"),
            ("escala=1e1", "escala"),
            ("escala=inf", "escala"),
            ("escala=NaN", "escala"),
            ("escala=0,5", "escala"),
            ("escala=0x1", "escala"),
            ("calidad=0", "calidad"),
            ("calidad=101", "calidad"),
            ("calidad=%2B5", "calidad"),
            ("calidad=8.5", "calidad"),
            ("fondo=fff", "fondo"),
            ("fondo=%2B12345", "fondo"),
            ("formato=heic", "formato"),
        ] {
            match RequestedTransform::read(&query(text), &[], 0.5) {
                Err(HttpProblem::Parameter { name: refused, .. }) => assert_eq!(refused, name, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_format_follows_parameter_then_accept_then_input() {
        let choose = |formato: &str, accept: Option<&str>| {
            let mut parameters = query(formato);
            parameters.accept = accept.map(|field| field.as_bytes().to_vec());
            let requested = RequestedTransform::read(&parameters, &[], 0.5).unwrap();
            requested.transform(Format::Gif).map(|transform| transform.encoding.format)
        };
        assert_eq!(choose("formato=PGM", Some("image/png")).unwrap(), Format::Pnm);
        assert_eq!(choose("", Some("image/png")).unwrap(), Format::Png);
        assert_eq!(choose("", Some("text/html, image/png")).unwrap(), Format::Gif);
        assert_eq!(choose("", None).unwrap(), Format::Gif);
        assert_eq!(choose("", Some("text/plain")), None);
        assert_eq!(choose("formato=bmp", Some("text/plain")).unwrap(), Format::Bmp);
    }

    #[test]
    fn a_link_is_a_jpeg_whatever_else_would_do() {
        let mut parameters = query("formato=png&calidad=9&escala=2&fondo=000000");
        parameters.accept = Some(b"text/plain".to_vec());
        let transform = RequestedTransform::read(&parameters, &[], 0.5).unwrap().resolve_for_link();
        let encoding = Encoding { format: Format::Jpeg, quality: 9, background: [0; 3] };
        assert_eq!(transform, Transform::new(Size::Factor(2.0), encoding));
    }

    #[test]
    fn sizes_are_truncated_and_never_zero() {
        let transform = transform(&Parameters::default(), &[], Format::Png);
        assert_eq!(transform.target(451, 300), (225, 150));
        assert_eq!(transform.target(1, 3), (1, 1));
    }

    #[test]
    fn a_size_is_the_largest_of_the_shape_that_fits_and_never_larger_than_the_picture() {
        for (text, (width, height), expected) in [
            ("ancho=800", (3648, 2736), (800, 600)),
            ("alto=600", (3648, 2736), (800, 600)),
            ("ancho=800&alto=800", (3648, 2736), (800, 600)),
            ("width=800&height=100", (3648, 2736), (133, 100)),
            ("ancho=5000", (3648, 2736), (3648, 2736)),
            ("ancho=5000&alto=1368", (3648, 2736), (1824, 1368)),
            // Half up: 2.5 rows are three, and 1.5 columns two.
            ("ancho=5", (10, 5), (5, 3)),
            ("alto=1", (3, 2), (2, 1)),
            ("ancho=1", (1000, 1), (1, 1)),
            ("alto=1", (1, 65_535), (1, 1)),
            ("ancho=65535&alto=65535", (65_535, 65_535), (65_535, 65_535)),
            // 2736 * 801 / 3648 = 600.75.
            ("ancho=801", (3648, 2736), (801, 601)),
        ] {
            let transform = transform(&query(text), &[], Format::Png);
            assert_eq!(transform.target(width, height), expected, "{text} {width}x{height}");
        }
    }

    #[test]
    fn a_size_and_a_factor_exclude_each_other_and_sides_are_pixels() {
        for (text, refused) in [
            ("escala=0.5&ancho=10", "escala"),
            ("scale=0.5&height=10", "escala"),
            ("ancho=0", "ancho"),
            ("ancho=65536", "ancho"),
            ("ancho=%2B5", "ancho"),
            ("ancho=5.5", "ancho"),
            ("alto=-1", "alto"),
            ("alto=10px", "alto"),
        ] {
            match RequestedTransform::read(&query(text), &[], 0.5) {
                Err(HttpProblem::Parameter { name, .. }) => assert_eq!(name, refused, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        let empty = transform(&query("escala=&ancho=7&alto="), &[], Format::Png);
        assert_eq!(empty.size, Size::Within { width: Some(7), height: None });
    }

    #[test]
    fn a_plan_is_its_text() {
        for text in [
            "escala=0.5&formato=jpeg&calidad=85&fondo=FFFFFF",
            "escala=0.29000000000000004&formato=pgm&calidad=1&fondo=0A0B0C",
            "ancho=800&formato=png&calidad=85&fondo=FFFFFF",
            "alto=600&formato=webp&calidad=100&fondo=000000",
            "ancho=800&alto=600&formato=tiff&calidad=85&fondo=FFFFFF",
        ] {
            assert_eq!(Transform::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "escala=0.5",
            "formato=jpeg&calidad=85&fondo=FFFFFF",
            "escala=0.5&ancho=8&formato=jpeg&calidad=85&fondo=FFFFFF",
            "escala=0.5&escala=0.5&formato=jpeg&calidad=85&fondo=FFFFFF",
            "escala=11&formato=jpeg&calidad=85&fondo=FFFFFF",
            "escala=0.5&formato=jpeg&calidad=85&fondo=FFFFFF&x=1",
            "escala=0.5&formato=jpeg&calidad=101&fondo=FFFFFF",
        ] {
            assert_eq!(Transform::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_result_is_bounded_too() {
        let limits = PixelLimits { pixels_max: 1000, side_max: 100 };
        let info = |width, height| ImageInfo {
            format: Format::Jpeg,
            width,
            height,
            reduction: Reduction::None,
            decode_cost: 7,
        };
        let transform = transform(&query("escala=10"), &[], Format::Jpeg);
        let memory = |width, height, max| {
            needed(5, &info(width, height), transform.target(width, height), &limits, 40, max)
        };
        let bytes = 2 * 9 + 90 + 2 * 900;
        assert_eq!(memory(3, 3, bytes), Ok(bytes));
        assert_eq!(memory(3, 3, bytes - 1), Err(WorkError::TooMuchMemory { needed: bytes }));
        assert!(matches!(memory(4, 4, u64::MAX), Err(WorkError::ResultTooLarge { width: 40, height: 40 })));
        assert!(matches!(memory(11, 1, u64::MAX), Err(WorkError::ResultTooLarge { width: 110, height: 10 })));
    }
}
