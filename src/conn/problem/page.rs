//! An error as a page: for a browser that sent the form without JavaScript, and so navigates to the answer.
//!
//! The same words as the problem document, the style of the service's own page, a way back. Nothing that a client sent
//! is taken for markup.
use std::fmt::Write as _;

use uuid::Uuid;

use super::HttpProblem;

pub(super) const MEDIA_TYPE: &str = "text/html; charset=utf-8";

impl HttpProblem {
    pub(super) fn page(&self, id: Uuid) -> String {
        let mut page = String::from(
            "<!DOCTYPE html>\n<html lang=\"es\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n",
        );
        let (title, text) = (escaped(self.title()), escaped(&capitalized(&self.to_string())));
        // Writing to a string doesn't fail.
        let _ = write!(
            page,
            "<title>{title}</title>\n<link rel=\"icon\" href=\"/favicon.svg\" type=\"image/svg+xml\">\n\
             <link rel=\"stylesheet\" href=\"/estilo.css\">\n</head>\n<body>\n<main>\n<section class=\"card\">\n\
             <h1>{title}</h1>\n<p>{text}.</p>\n<p><a class=\"button main\" href=\"/\">Volver</a></p>\n\
             <p class=\"hint\">Error {} · petición {id}</p>\n</section>\n</main>\n</body>\n</html>\n",
            self.status()
        );
        page
    }
}

fn capitalized(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().into_iter().flat_map(char::to_uppercase).chain(rest).collect()
}

/// Text as HTML has it, also within quotes.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sent_is_no_markup() {
        let value = "<script>alert('\"&')</script>".to_owned();
        let reject = HttpProblem::Parameter { name: "fondo", value, expected: "un color", range: None };
        let page = reject.page(Uuid::nil());
        assert!(!page.contains("<script"), "{page}");
        let text = "<p>El parámetro «fondo» vale «&lt;script&gt;alert(&#39;&quot;&amp;&#39;)&lt;/script&gt;» y debe ser un color.</p>";
        assert!(page.contains(text), "{page}");
        assert!(page.contains("<html lang=\"es\">") && page.contains("href=\"/\">Volver</a>"), "{page}");
    }
}
