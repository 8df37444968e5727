//! The page and its files as answers: clients keep them, revalidate each time, and get them again when they change,
//! which is with the program alone. So a new program never meets an old script.
use crate::http::conditional::Conditions;
use crate::http::reply::Reply;
use crate::page::Asset;

/// What the page may do. Script and style come only from the program's own files, and no text is taken for markup:
/// clients choose the names of files and folders.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// The answer to a GET or HEAD.
#[must_use]
pub fn reply(asset: &Asset, conditions: &Conditions) -> Reply {
    let etag = asset.etag();
    // RFC 9110 §13.1.3: a date says nothing about what has none.
    let conditions = Conditions { if_modified_since: None, ..conditions.clone() };
    let reply = if conditions.not_modified(&etag, std::time::SystemTime::UNIX_EPOCH) {
        Reply::empty(304)
    } else {
        Reply::new(200, asset.media_type, asset.text)
    };
    reply.with("ETag", etag).with("Cache-Control", "no-cache").with("Content-Security-Policy", POLICY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::PAGE;

    fn asked_with(tag: Option<&str>) -> Reply {
        let date = Some(b"Thu, 01 Jan 2099 00:00:00 GMT".to_vec());
        let if_none_match = tag.map(|tag| tag.as_bytes().to_vec());
        reply(&PAGE, &Conditions { if_none_match, if_modified_since: date, ..Conditions::default() })
    }

    #[test]
    fn whoever_has_it_is_told_so() {
        let fresh = asked_with(None);
        assert_eq!((fresh.status, &fresh.body[..]), (200, PAGE.text.as_bytes()));
        let field = |reply: &Reply, name| reply.fields.iter().find(|(field, _)| *field == name).cloned();
        let tag = field(&fresh, "ETag").unwrap().1;
        let same = asked_with(Some(&tag));
        assert_eq!((same.status, same.body.len()), (304, 0));
        for name in ["ETag", "Cache-Control", "Content-Security-Policy"] {
            assert_eq!(field(&same, name), field(&fresh, name));
        }
        assert_eq!(asked_with(Some("\"x\"")).status, 200);
    }

    #[test]
    fn nothing_inline_is_allowed() {
        assert!(!POLICY.contains("unsafe") && POLICY.starts_with("default-src 'none'"));
    }
}
