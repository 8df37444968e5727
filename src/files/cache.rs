//! Cached results in memory; the least recently used is evicted first.
//!
//! A cached picture holds a reservation of the cache's own gate until it was evicted *and* the last answer that
//! carries it is sent: a slow client's answer still counts, and the cache never exceeds its size. When there is no
//! room, a picture is not cached; the cache never waits for room.
//!
//! The cache also remembers the format of the last few thousand files, by their version: with it a result is found
//! without reading the file. The event loop, which must not block, uses the methods ending in `_now`; they return
//! None while another thread holds the lock.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use bytes::Bytes;
use hashlink::LruCache;

use crate::http::format::Format;
use crate::model::admission::Admission;
use crate::model::file::{FileVersion, Variant};
use crate::model::picture::Picture;

/// A picture's size beside its bytes, estimated high: its entry, its reservation, its place in the table.
const ENTRY_BYTES: u64 = 512;
/// A picture takes at most this fraction (1/4) of the cache, so that one does not evict all others.
const PART: u64 = 4;
/// Files whose format is remembered, at some two hundred bytes each.
const FORMATS_MAX: usize = 4096;

#[derive(Debug)]
pub(super) struct Cache {
    admission: Admission,
    formats: Mutex<LruCache<FileVersion, Format>>,
    pictures: Mutex<LruCache<Variant, Arc<Picture>>>,
}

impl Cache {
    /// A cache of so many bytes; with 0 it stores nothing.
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            admission: Admission::new(0, bytes_max, 1),
            formats: Mutex::new(LruCache::new(FORMATS_MAX)),
            pictures: Mutex::new(LruCache::new_unbounded()),
        }
    }

    /// Remembers the format of this version of a file.
    pub(super) fn note(&self, version: FileVersion, format: Format) {
        self.formats.lock().unwrap_or_else(PoisonError::into_inner).insert(version, format);
    }

    /// The format of this version of a file, if it is remembered and the lock is free.
    pub(super) fn format_now(&self, version: &FileVersion) -> Option<Format> {
        now(&self.formats)?.get(version).copied()
    }

    /// The picture of this variant, if it is cached and the lock is free.
    pub(super) fn find_now(&self, variant: &Variant) -> Option<Arc<Picture>> {
        now(&self.pictures)?.get(variant).cloned()
    }

    /// The picture of this variant, if it is cached.
    pub(super) fn find(&self, variant: &Variant) -> Option<Arc<Picture>> {
        self.pictures().get(variant).cloned()
    }

    /// Caches a picture of this size (columns, rows); None if there is no room for it.
    pub(super) fn keep(
        &self,
        variant: Variant,
        file: &Bytes,
        (width, height): (u32, u32),
    ) -> Option<Arc<Picture>> {
        let needed = ENTRY_BYTES + file.len() as u64;
        if needed > self.admission.bytes_max() / PART {
            return None;
        }
        let mut reservation = self.admission.reservation();
        let mut pictures = self.pictures();
        while reservation.charge(needed).is_err() {
            // None left to evict: the evicted ones are still being sent.
            pictures.remove_lru()?;
        }
        let (file, format) = (file.clone(), variant.transform.encoding.format);
        let picture = Arc::new(Picture { file, format, width, height, variant: Some(variant), reservation });
        pictures.insert(variant, Arc::clone(&picture));
        Some(picture)
    }

    /// A thread that panicked with the lock held can't have left the list inconsistent: each use of it is one call.
    fn pictures(&self) -> MutexGuard<'_, LruCache<Variant, Arc<Picture>>> {
        self.pictures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lock, if it is free.
fn now<T>(lock: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match lock.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::file::tests::variant;

    const SIZE: (u32, u32) = (3, 4);

    fn numbered(number: u64) -> Variant {
        let mut variant = variant();
        variant.version.inode = number;
        variant
    }

    /// A picture that takes 1024 bytes in all.
    fn file() -> Bytes {
        Bytes::from(vec![7; 512])
    }

    #[test]
    fn what_is_kept_is_found_under_its_edition_alone() {
        let cache = Cache::new(8 << 10);
        let kept = cache.keep(numbered(1), &file(), SIZE).unwrap();
        assert_eq!((kept.width, kept.height, kept.variant), (3, 4, Some(numbered(1))));
        assert!(Arc::ptr_eq(&cache.find(&numbered(1)).unwrap(), &kept));
        assert!(cache.find(&numbered(2)).is_none());
        let mut other = numbered(1);
        other.transform.encoding.quality = 1;
        assert!(cache.find(&other).is_none());
    }

    #[test]
    fn whoever_must_not_wait_does_not() {
        let cache = Cache::new(4 << 10);
        let kept = cache.keep(numbered(1), &file(), SIZE).unwrap();
        let version = numbered(1).version;
        assert_eq!(cache.format_now(&version), None);
        cache.note(version, Format::Gif);
        assert_eq!(
            (cache.format_now(&version), cache.format_now(&numbered(2).version)),
            (Some(Format::Gif), None)
        );
        assert!(Arc::ptr_eq(&cache.find_now(&numbered(1)).unwrap(), &kept));
        assert!(cache.find_now(&numbered(2)).is_none());
        let (formats, pictures) = (cache.formats.lock().unwrap(), cache.pictures());
        assert!(cache.format_now(&version).is_none() && cache.find_now(&numbered(1)).is_none());
        drop((formats, pictures));
        for inode in 0..=FORMATS_MAX as u64 {
            cache.note(numbered(100 + inode).version, Format::Png);
        }
        assert_eq!(cache.format_now(&version), None, "of so many it was the oldest");
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let cache = Cache::new(4 << 10);
        for number in 0..4 {
            cache.keep(numbered(number), &file(), SIZE).unwrap();
        }
        cache.find(&numbered(0)).unwrap();
        cache.keep(numbered(4), &file(), SIZE).unwrap();
        let kept: Vec<u64> = (0..5).filter(|&number| cache.find(&numbered(number)).is_some()).collect();
        assert_eq!(kept, [0, 2, 3, 4]);
        assert_eq!(cache.admission.bytes(), 4 << 10);
    }

    #[test]
    fn a_picture_counts_until_it_is_sent() {
        let cache = Cache::new(4 << 10);
        let sent: Vec<_> =
            (0..4).map(|number| cache.keep(numbered(number), &file(), SIZE).unwrap()).collect();
        assert!(cache.keep(numbered(9), &file(), SIZE).is_none(), "all were given up, but none is free");
        assert_eq!(cache.admission.bytes(), 4 << 10);
        drop(sent);
        assert_eq!(cache.admission.bytes(), 0);
        assert!(cache.keep(numbered(9), &file(), SIZE).is_some());
    }

    #[test]
    fn the_same_again_takes_the_place_of_the_first() {
        let cache = Cache::new(4 << 10);
        for _ in 0..9 {
            cache.keep(numbered(1), &file(), SIZE).unwrap();
        }
        assert_eq!(cache.admission.bytes(), 1 << 10);
    }

    #[test]
    fn what_is_too_large_pushes_nothing_out() {
        let cache = Cache::new(4 << 10);
        cache.keep(numbered(1), &file(), SIZE).unwrap();
        assert!(cache.keep(numbered(2), &Bytes::from(vec![7; 513]), SIZE).is_none());
        assert!(cache.find(&numbered(1)).is_some());
        assert!(Cache::new(0).keep(numbered(1), &Bytes::new(), SIZE).is_none());
    }
}
