//! Pictures that were made.
use std::time::SystemTime;

use crate::http::reply::Reply;
use crate::model::picture::{POLICY, Picture, Times};

impl Picture {
    /// An answer whose body it is, without anything about how long it is good.
    #[must_use]
    pub fn bare_reply(&self, status: u16) -> Reply {
        Reply::new(status, self.format.media_type(), self.file.clone())
            .with("X-Ancho", self.width.to_string())
            .with("X-Alto", self.height.to_string())
            .with("Content-Security-Policy", POLICY)
    }

    /// The answer that carries it. What was made of an upload is its sender's alone.
    #[must_use]
    pub fn reply(&self, times: &Times, now: SystemTime) -> Reply {
        let reply = self.bare_reply(200).with("Server-Timing", times.field());
        match &self.variant {
            Some(variant) => variant.describe(reply, now),
            None => reply.with("Vary", "Accept").with("Cache-Control", "no-store"),
        }
    }
}
