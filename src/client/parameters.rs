//! What is wished of a result, in the server's own terms. Pure.
//!
//! Rules: only given values are sent, so that the server's defaults hold. Values are checked, and sent as typed.
use crate::http::format::Format;

/// What is said of the result; None: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// The factor, as the server is to read it.
    pub factor: Option<String>,
    /// Most columns, 1 to 65,535; not beside a factor.
    pub width: Option<u64>,
    /// Most rows, likewise.
    pub height: Option<u64>,
    /// The format.
    pub format: Option<Format>,
    /// Quality, 1 to 100.
    pub quality: Option<u64>,
    /// Background, six hexadecimal digits.
    pub background: Option<String>,
}

impl Parameters {
    /// `route`, with what is said in its query.
    #[must_use]
    pub(super) fn target(&self, route: &str) -> String {
        let number = |value: Option<u64>| value.map(|value| value.to_string());
        let pairs = [
            ("escala", self.factor.clone()),
            ("ancho", number(self.width)),
            ("alto", number(self.height)),
            // An extension is a name that `formato` knows.
            ("formato", self.format.map(|format| format.extension().to_owned())),
            ("calidad", number(self.quality)),
            ("fondo", self.background.clone()),
        ];
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in pairs {
            if let Some(value) = value {
                query.append_pair(name, &value);
            }
        }
        let query = query.finish();
        if query.is_empty() { route.to_owned() } else { format!("{route}?{query}") }
    }

    /// The first of the options given, by its long name.
    #[must_use]
    pub(super) fn first_given(&self) -> Option<&'static str> {
        let given = [
            ("--escala", self.factor.is_some()),
            ("--ancho", self.width.is_some()),
            ("--alto", self.height.is_some()),
            ("--formato", self.format.is_some()),
            ("--calidad", self.quality.is_some()),
            ("--fondo", self.background.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_the_query_and_nothing_else() {
        assert_eq!(Parameters::default().target("/"), "/");
        let factor =
            Parameters { factor: Some("1.5".into()), format: Some(Format::Jpeg), ..Parameters::default() };
        assert_eq!(factor.target("/tareas"), "/tareas?escala=1.5&formato=jpg");
        let size = Parameters {
            width: Some(800),
            height: Some(600),
            quality: Some(7),
            background: Some("A0b1C2".into()),
            ..Parameters::default()
        };
        assert_eq!(size.target("/"), "/?ancho=800&alto=600&calidad=7&fondo=A0b1C2");
        assert_eq!((size.first_given(), Parameters::default().first_given()), (Some("--ancho"), None));
    }
}
