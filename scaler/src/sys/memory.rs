//! Memory: fewer page faults for large buffers, and returning memory when idle.

/// Below this a huge page would be mostly empty.
const HUGE_PAGE: usize = 2 << 20;

/// An empty buffer with room for `capacity` bytes, on huge pages if it is large; `None` without memory. Page faults
/// are the hidden cost of fresh memory: 8.7 MB touched takes 4.8 ms in pages of 4 KiB, 1.6 ms in huge ones.
#[must_use]
pub fn allocate_huge(capacity: usize) -> Option<Vec<u8>> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(capacity).ok()?;
    advise_huge_pages(&buffer);
    Some(buffer)
}

/// Asks for huge pages for a buffer of 2 MiB or more. Advice only: nothing depends on it.
pub fn advise_huge_pages(buffer: &Vec<u8>) {
    if buffer.capacity() < HUGE_PAGE {
        return;
    }
    // madvise wants a page boundary: round inwards to pages of 64 KiB, the largest that Linux runs on.
    const PAGE: usize = 64 << 10;
    let start = buffer.as_ptr().addr();
    let first = start.next_multiple_of(PAGE);
    let length = (start + buffer.capacity() - first) & !(PAGE - 1);
    let first = buffer.as_ptr().wrapping_add(first - start).cast_mut();
    // SAFETY: the range lies within one live allocation, and MADV_HUGEPAGE changes nothing of its contents.
    unsafe { libc::madvise(first.cast(), length, libc::MADV_HUGEPAGE) };
}

/// Returns the memory of these bytes to the kernel, as far as they fill whole pages, which are zeros then. For the part
/// of a buffer that was used up while the rest is still needed; if the kernel refuses, nothing changes.
pub fn discard(bytes: &mut [u8]) {
    // SAFETY: sysconf takes a number and touches no memory.
    let Ok(page) = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }) else { return };
    let start = bytes.as_ptr().addr();
    let (Some(first), Some(end)) = (start.checked_next_multiple_of(page), start.checked_add(bytes.len()))
    else {
        return;
    };
    let end = end / page * page;
    if first < end {
        let at = bytes.as_mut_ptr().wrapping_add(first - start);
        // SAFETY: the pages lie within bytes that are borrowed for writing, so no other reference sees them change;
        // whatever MADV_DONTNEED leaves in them (zeros, as malloc's memory is private) are valid bytes.
        unsafe { libc::madvise(at.cast(), end - first, libc::MADV_DONTNEED) };
    }
}

/// Makes malloc take each buffer of 4 MiB and more from the kernel separately, and return it when it is freed. By
/// default glibc moves that bound up to 32 MiB with the first large buffer that is freed, and then keeps later ones
/// among small blocks that pin them. Smaller blocks stay, up to 64 MiB at the top of each heap, until [`trim_malloc`]
/// or the process's end: fresh memory costs page faults. No effect outside glibc.
///
/// Measured with `scripts/soak memoria` on 2 cores, 200 uploads of 25 MP at once and 512 MiB for them: all processes
/// together took up to 1,055 MiB with a bound of 64 MiB, 537 with 1 MiB, 555 with this one, at no measurable
/// processor time. jemalloc and mimalloc keep 80 MiB at rest where this keeps 10.
pub fn tune_malloc() {
    #[cfg(target_env = "gnu")]
    {
        const ALONE_FROM: std::ffi::c_int = 4 << 20;
        // SAFETY: mallopt takes integers.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, ALONE_FROM);
            libc::mallopt(libc::M_TRIM_THRESHOLD, 16 * ALONE_FROM);
        }
    }
}

/// Returns freed memory that malloc keeps to the kernel. No effect outside glibc.
pub fn trim_malloc() {
    #[cfg(target_env = "gnu")]
    // SAFETY: touches no memory in use, and takes malloc's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_of_every_size_are_usable() {
        for capacity in [0, 1, HUGE_PAGE - 1, HUGE_PAGE, HUGE_PAGE + 1, 3 * HUGE_PAGE + 12_345] {
            let mut buffer = allocate_huge(capacity).unwrap();
            assert!(buffer.capacity() >= capacity);
            buffer.resize(capacity, 0xa5);
            assert!(buffer.iter().all(|&byte| byte == 0xa5));
        }
        assert_eq!(allocate_huge(usize::MAX), None);
    }

    #[test]
    fn discarded_bytes_are_zeros_and_the_others_stay() {
        for (from, to) in [(0, 0), (0, 1 << 20), (1, 3 << 20), (5000, 5001), (4096, 8192), (12_345, 2 << 20)]
        {
            let mut buffer = vec![0xa5_u8; 3 << 20];
            discard(&mut buffer[from..to]);
            let (front, rest) = buffer.split_at(from);
            let (middle, back) = rest.split_at(to - from);
            assert!(front.iter().chain(back).all(|&byte| byte == 0xa5), "{from}..{to}");
            let zeros = middle.iter().filter(|&&byte| byte == 0).count();
            assert!(zeros % 4096 == 0 && (zeros > 0 || to - from < 8192), "{from}..{to}: {zeros}");
        }
    }
}
