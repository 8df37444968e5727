//! The names of the parameters of a transformation, in a form or in the query.
//!
//! Rules: names are compared without regard to case, and each has an English synonym. A name that differs by one letter
//! from a name of at least five counts as misspelt, so that `escla=0.25` is reported; other names are ignored.
//!
//! ```
//! use tp2::http::field::Field;
//!
//! assert_eq!(Field::of("Scale"), Field::Known("escala"));
//! assert_eq!(Field::of("escla"), Field::Misspelt("escala"));
//! assert_eq!(Field::of("comentario"), Field::Other);
//! ```

/// What a field's name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The parameter of this name.
    Known(&'static str),
    /// No parameter, but one letter away from this one.
    Misspelt(&'static str),
    /// No parameter.
    Other,
}

/// Name and synonym of each parameter.
const NAMES: &[[&str; 2]] = &[
    ["escala", "scale"],
    ["ancho", "width"],
    ["alto", "height"],
    ["formato", "format"],
    ["calidad", "quality"],
    ["fondo", "background"],
];

/// The shortest name that a misspelt one is compared with.
const COMPARED_FROM: usize = 5;

impl Field {
    /// Looks a name up.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let known = NAMES.iter().find(|names| names.iter().any(|known| known.eq_ignore_ascii_case(name)));
        if let Some([known, _]) = known {
            return Self::Known(known);
        }
        let name = name.to_ascii_lowercase();
        let mut compared = NAMES.iter().flatten().filter(|known| known.len() >= COMPARED_FROM);
        compared.find(|known| differs_by_one(&name, known)).map_or(Self::Other, |known| Self::Misspelt(known))
    }
}

/// Whether one letter was changed, left out or put in.
fn differs_by_one(sent: &str, known: &str) -> bool {
    let (sent, known): (Vec<char>, Vec<char>) =
        (sent.chars().take(known.len() + 2).collect(), known.chars().collect());
    let same = |(a, b): &(&char, &char)| a == b;
    let before = sent.iter().zip(&known).take_while(same).count();
    let behind = sent.iter().rev().zip(known.iter().rev()).take_while(same).count();
    let longer = sent.len().max(known.len());
    sent != known && sent.len().abs_diff(known.len()) <= 1 && before + behind + 1 >= longer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_synonyms_in_any_case() {
        for names in NAMES {
            for name in names {
                assert_eq!(Field::of(name), Field::Known(names[0]));
                assert_eq!(Field::of(&name.to_uppercase()), Field::Known(names[0]));
            }
        }
    }

    #[test]
    fn one_letter_makes_a_misspelt_name_two_make_another() {
        for (sent, known) in [
            ("escla", "escala"),
            ("escalas", "escala"),
            ("ESCALE", "escala"),
            ("esscala", "escala"),
            ("scala", "escala"),
            ("scalle", "scale"),
            ("calidat", "calidad"),
            ("fond", "fondo"),
            ("fundo", "fondo"),
            ("formatoo", "formato"),
            ("forma", "format"),
            ("quallity", "quality"),
            ("ffondo", "fondo"),
            ("anchos", "ancho"),
            ("wideth", "width"),
            ("heigt", "height"),
            ("fóndo", "fondo"),
        ] {
            assert_eq!(Field::of(sent), Field::Misspelt(known), "{sent}");
        }
        for other in
            ["", "a", "escal", "esacla", "nombre", "imagen", "fon", "escala ", "fondooo", "calidadad"]
        {
            let expected =
                if other == "escal" || other == "escala " { Field::Misspelt("escala") } else { Field::Other };
            assert_eq!(Field::of(other), expected, "{other}");
        }
    }
}
