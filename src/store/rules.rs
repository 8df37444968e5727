//! Rules common to all stores.
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use crate::model::image::Encoding;
use crate::model::task::Problem;
use crate::model::transform::{Size, Transform};

/// How long an expired task stays known as expired.
pub(super) const TOMBSTONE: Duration = Duration::from_hours(30 * 24);
/// Tasks that one sweep expires, and tombstones that it deletes.
pub(super) const PASS_MAX: usize = 500;
/// Bytes after which a sweep expires nothing further.
pub(super) const PASS_BYTES: u64 = 64 << 20;

/// A result of more bytes is large. When a large result ends and space is short, the oldest large ones expire first, so
/// that large results that follow each other expire no small ones.
pub(super) const LARGE: usize = 1 << 20;

/// The time before which things are older than this age.
pub(super) fn before(at: SystemTime, age: Duration) -> SystemTime {
    at.checked_sub(age).unwrap_or(UNIX_EPOCH)
}

/// Where a range begins, its length, and an empty buffer with room for it; None if there is no memory for it.
pub(super) fn room_for(range: &Range<u64>) -> Option<(usize, usize, Vec<u8>)> {
    let start = usize::try_from(range.start).ok()?;
    let size = usize::try_from(range.end.saturating_sub(range.start)).ok()?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).ok()?;
    Some((start, size, bytes))
}

/// What an `Idempotency-Key` stands for: everything of a request that its result depends on. SHA-256.
pub(super) fn digest(picture: &[u8], transform: &Transform) -> [u8; 32] {
    let Transform { size, encoding: Encoding { format, quality, background } } = transform;
    let mut hasher = Sha256::new();
    match size {
        // Unchanged, so that stored digests stay comparable.
        Size::Factor(factor) => hasher.update(factor.to_bits().to_be_bytes()),
        // No factor has these bits.
        Size::Within { .. } => {
            hasher.update([0xFF; 8]);
            hasher.update(size.to_string());
            hasher.update([0]);
        }
    }
    hasher.update([*quality]);
    hasher.update(background);
    hasher.update(format.extension());
    hasher.update([0]);
    hasher.update(picture);
    hasher.finalize().into()
}

/// The problem of a task that can't be read.
pub(super) fn unreadable() -> Problem {
    let detail = "lo que se guardó de la tarea está dañado".into();
    Problem { code: 500, slug: "error-interno".into(), detail }
}

/// The problem of a task that was in work during [`CRASHES_MAX`](super::CRASHES_MAX) crashes.
pub(super) fn hopeless() -> Problem {
    let detail = "la imagen hizo caer el servidor".into();
    Problem { code: 500, slug: "imagen-hizo-caer".into(), detail }
}

/// The scheme and the servers of a URI: what is before the last `@` of its authority is secret, and what follows it
/// may be.
#[cfg(any(feature = "mongodb", feature = "postgres"))]
pub(super) fn without_user(uri: &str) -> String {
    let (scheme, rest) = uri.split_once("://").unwrap_or(("mongodb", uri));
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let hosts = match rest.rsplit_once('@') {
        None => authority,
        // A password may have a slash by mistake: nothing before an @ is shown, nor anything that may be an option.
        Some((before, _)) if before.contains('?') => "…",
        Some((_, hosts)) => hosts.split(['/', '?']).next().unwrap_or_default(),
    };
    format!("{scheme}://{hosts}")
}
