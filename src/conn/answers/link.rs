//! Links, and the stored files that they lead to.
use std::time::SystemTime;

use crate::conn::problem::HttpProblem;
use crate::http::conditional::Selection;
use crate::http::reply::Reply;
use crate::model::links::{FilePart, Link};
use crate::model::picture::{POLICY, Times};

/// A name is never given to another picture, but the folder's owner may remove the file.
const CACHE_CONTROL: &str = "public, max-age=3600";

impl Link {
    /// The answer that carries it (RFC 9110 §15.3.2).
    #[must_use]
    pub fn reply(&self, url: &str, times: &Times) -> Reply {
        Reply::text(201, Self::line(url))
            .with("Location", url.to_owned())
            .with("X-Ancho", self.width.to_string())
            .with("X-Alto", self.height.to_string())
            .with("Cache-Control", "no-store")
            .with("Server-Timing", times.field())
    }
}

impl FilePart {
    /// The answer that carries it.
    ///
    /// # Errors
    /// What the client asks for is not there (412, 416).
    pub fn reply(&self, now: SystemTime) -> Result<Reply, HttpProblem> {
        let length = self.version.length;
        let file = || {
            Reply::new(200, self.media_type, self.body.clone())
                .with("Accept-Ranges", "bytes")
                .with("Content-Security-Policy", POLICY)
        };
        let reply = match &self.selection {
            Selection::Whole => file().of_length(length),
            Selection::Part(part) => file().into_part(part, length),
            Selection::NotModified => Reply::empty(304),
            Selection::Failed => return Err(HttpProblem::Precondition),
            Selection::Unsatisfiable => return Err(HttpProblem::Range { length }),
        };
        Ok(reply
            .with("ETag", self.version.etag())
            .with("Last-Modified", self.version.last_modified(now))
            .with("Cache-Control", CACHE_CONTROL))
    }
}
