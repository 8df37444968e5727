//! What a request wants done, from its parameters and its `Accept`: checked whole before any work is queued.
//!
//! The form wins over the query; an empty value means the default.
use scaler::raster::Channels;
use scaler::wire::{parse_factor, scaled_side};

use super::job::{Encoding, Failure, PixelLimits, Probe};
use super::reject::Reject;
use crate::proto::{accept, format::Format};

/// Smallest and largest factor.
pub const FACTOR_RANGE: std::ops::RangeInclusive<f64> = 0.001..=10.0;

/// A request's wish, complete and in range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// New side = old side times factor, truncated, at least 1.
    pub factor: f64,
    /// How the result is written.
    pub encoding: Encoding,
}

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
    fn value(&self, form: &[(String, Vec<u8>)], name: &str) -> Option<String> {
        let from_form = form.iter().find(|(field, _)| field == name);
        let value = match from_form {
            Some((_, value)) => String::from_utf8_lossy(value).into_owned(),
            None => form_urlencoded::parse(self.query.as_deref()?)
                .find(|(field, _)| field == name)
                .map(|(_, value)| value.into_owned())?,
        };
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }
}

impl Plan {
    /// Reads the parameters of a request whose picture has the format `input`; `form` has the form's fields.
    ///
    /// # Errors
    /// A parameter out of range (422), or no acceptable format (406).
    pub fn resolve(
        parameters: &Parameters,
        form: &[(String, Vec<u8>)],
        input: Format,
        default_factor: f64,
    ) -> Result<Self, Reject> {
        let value = |name| parameters.value(form, name);
        let factor = match value("escala") {
            None => default_factor,
            Some(text) => parse_factor(text.as_bytes()).ok_or(Reject::Parameter {
                name: "escala",
                value: text,
                expected: "un número decimal con punto entre 0.001 y 10, por ejemplo 0.5",
            })?,
        };
        let quality = match value("calidad") {
            None => 85,
            Some(text) => parse_quality(&text).ok_or(Reject::Parameter {
                name: "calidad",
                value: text,
                expected: "un número entero de 1 a 100",
            })?,
        };
        let background = match value("fondo") {
            None => [255; 3],
            Some(text) => parse_colour(&text).ok_or(Reject::Parameter {
                name: "fondo",
                value: text,
                expected: "un color RRGGBB en hexadecimal, por ejemplo FFFFFF",
            })?,
        };
        let format = match value("formato") {
            Some(text) => Format::from_parameter(&text).ok_or(Reject::Parameter {
                name: "formato",
                value: text,
                expected: "uno de jpeg, png, webp, gif, bmp, tiff, pgm",
            })?,
            None => match &parameters.accept {
                Some(field) if !accept::is_browser(field) => {
                    accept::choose(field, input).ok_or(Reject::NotAcceptable)?
                }
                _ => input,
            },
        };
        Ok(Self { factor, encoding: Encoding { format, quality, background } })
    }

    /// The size of the result for a source of this size.
    #[must_use]
    pub fn target(&self, width: u32, height: u32) -> (u32, u32) {
        (scaled_side(width, self.factor), scaled_side(height, self.factor))
    }

    /// The most bytes that the work holds at once, over all processes; checks the result's size on the way.
    ///
    /// While decoding: the file and what the decoder allocates. While scaling: the gray picture here and in the
    /// scaler's child, its half-way picture (new width, old height), and the result there and here. Two
    /// channels are assumed, since the header does not always tell whether there is transparency.
    ///
    /// # Errors
    /// [`Failure::TooManyPixels`] if the result would pass the limits.
    pub fn memory(&self, picture_bytes: usize, probe: &Probe, limits: &PixelLimits) -> Result<u64, Failure> {
        let (width, height) = self.target(probe.width, probe.height);
        limits.check(width, height)?;
        let area = |width: u32, height: u32| u64::from(width) * u64::from(height);
        let channels = if probe.format == Format::Jpeg { Channels::Luma } else { Channels::LumaAlpha };
        let decoding = picture_bytes as u64 + probe.decode_cost;
        let half_way = area(width, probe.height).max(area(probe.width, height));
        let scaling = 2 * area(probe.width, probe.height) + half_way + 2 * area(width, height);
        Ok(decoding.max(scaling * channels.count() as u64))
    }
}

fn parse_quality(text: &str) -> Option<u8> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|quality| digits && (1..=100).contains(quality))
}

/// `RRGGBB`, with or without `#`.
fn parse_colour(text: &str) -> Option<[u8; 3]> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
    Some([red, green, blue])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Parameters {
        Parameters { query: Some(text.into()), ..Parameters::default() }
    }

    #[test]
    fn defaults() {
        let plan = Plan::resolve(&Parameters::default(), &[], Format::Gif, 0.5).unwrap();
        assert_eq!(plan.factor, 0.5);
        assert_eq!(plan.encoding, Encoding { format: Format::Gif, quality: 85, background: [255; 3] });
        assert_eq!(
            Plan::resolve(&query("escala=&calidad=&formato=&fondo="), &[], Format::Gif, 0.5).unwrap(),
            plan
        );
    }

    #[test]
    fn the_form_wins_over_the_query() {
        let parameters = query("escala=0.25&calidad=10&fondo=%23102030");
        let form = [("escala".into(), b" 2 ".to_vec()), ("calidad".into(), b"".to_vec())];
        let plan = Plan::resolve(&parameters, &form, Format::Png, 0.5).unwrap();
        assert_eq!((plan.factor, plan.encoding.quality), (2.0, 85));
        assert_eq!(plan.encoding.background, [16, 32, 48]);
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
            match Plan::resolve(&query(text), &[], Format::Png, 0.5) {
                Err(Reject::Parameter { name: refused, .. }) => assert_eq!(refused, name, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_format_follows_parameter_then_accept_then_input() {
        let choose = |formato: &str, accept: Option<&str>| {
            let mut parameters = query(formato);
            parameters.accept = accept.map(|field| field.as_bytes().to_vec());
            Plan::resolve(&parameters, &[], Format::Gif, 0.5).map(|plan| plan.encoding.format)
        };
        assert_eq!(choose("formato=PGM", Some("image/png")).unwrap(), Format::Pnm);
        assert_eq!(choose("", Some("image/png")).unwrap(), Format::Png);
        assert_eq!(choose("", Some("text/html, image/png")).unwrap(), Format::Gif);
        assert_eq!(choose("", None).unwrap(), Format::Gif);
        assert!(matches!(choose("", Some("text/plain")), Err(Reject::NotAcceptable)));
        assert_eq!(choose("formato=bmp", Some("text/plain")).unwrap(), Format::Bmp);
    }

    #[test]
    fn sizes_are_truncated_and_never_zero() {
        let plan = Plan::resolve(&Parameters::default(), &[], Format::Png, 0.5).unwrap();
        assert_eq!(plan.target(451, 300), (225, 150));
        assert_eq!(plan.target(1, 3), (1, 1));
    }

    #[test]
    fn the_result_is_bounded_too() {
        let limits = PixelLimits { pixels_max: 1000, side_max: 100 };
        let probe = |width, height| Probe { format: Format::Jpeg, width, height, decode_cost: 7 };
        let plan = Plan::resolve(&query("escala=10"), &[], Format::Jpeg, 0.5).unwrap();
        assert_eq!(plan.memory(5, &probe(3, 3), &limits), Ok(2 * 9 + 90 + 2 * 900));
        assert!(matches!(plan.memory(5, &probe(4, 4), &limits), Err(Failure::TooManyPixels { .. })));
        assert!(matches!(plan.memory(5, &probe(11, 1), &limits), Err(Failure::TooManyPixels { .. })));
    }
}
