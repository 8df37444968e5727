//! Pictures made of files: what a cache may do with them.
use std::time::SystemTime;

use crate::http::reply::Reply;
use crate::model::file::Variant;

/// Clients need not ask again for a minute (a page of thumbnails does not); after that a 304 costs a look at the file.
const CACHE_CONTROL: &str = "public, max-age=60";

impl Variant {
    /// The answer to a client that has it already (RFC 9110 §15.4.5).
    #[must_use]
    pub fn not_modified(&self, now: SystemTime) -> Reply {
        self.describe(Reply::empty(304), now)
    }

    /// Adds the fields by which a client can keep the answer and ask whether it is still good.
    #[must_use]
    pub fn describe(&self, reply: Reply, now: SystemTime) -> Reply {
        reply
            .with("ETag", self.etag())
            .with("Last-Modified", self.version.last_modified(now))
            .with("Cache-Control", CACHE_CONTROL)
            .with("Vary", "Accept")
    }
}
