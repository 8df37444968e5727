//! Rows of a subsampled component enlarged to the picture's, as libjpeg-turbo does it by default (its jdsample.c).

#![expect(clippy::cast_possible_truncation, reason = "means of bytes")]
//!
//! Where the ratio is 2:1, a triangle filter: 3/4 of the nearer sample plus 1/4 of the further one, with halves rounded
//! up and down in turn; the first and last samples of a row stand alone. Elsewhere each sample is repeated.

/// Across only: each sample of `row` becomes two of `out`. At least two samples.
pub(super) fn fancy_h2v1(row: &[u8], out: &mut [u8]) {
    let (pairs, _) = out.as_chunks_mut::<2>();
    let last = row.len().saturating_sub(1);
    for (three, pair) in row.windows(3).zip(pairs.iter_mut().skip(1)) {
        let &[left, here, right] = three else { continue };
        let here = 3 * u16::from(here);
        *pair = [((here + u16::from(left) + 1) >> 2) as u8, ((here + u16::from(right) + 2) >> 2) as u8];
    }
    if let (&[first, second, ..], Some(pair)) = (row, pairs.first_mut()) {
        *pair = [first, ((3 * u16::from(first) + u16::from(second) + 2) >> 2) as u8];
    }
    if let (&[.., before, here], Some(pair)) = (row, pairs.get_mut(last)) {
        *pair = [((3 * u16::from(here) + u16::from(before) + 1) >> 2) as u8, here];
    }
}

/// Down only: `near` is the row that holds the wanted one, `far` the one above or below; `lower`: the lower half.
pub(super) fn fancy_h1v2(near: &[u8], far: &[u8], lower: bool, out: &mut [u8]) {
    let bias = if lower { 2 } else { 1 };
    for ((out, &near), &far) in out.iter_mut().zip(near).zip(far) {
        *out = ((3 * u16::from(near) + u16::from(far) + bias) >> 2) as u8;
    }
}

/// Both ways: `near` and `far` as above. At least two samples. `sums` is room for a row of them.
pub(super) fn fancy_h2v2(near: &[u8], far: &[u8], sums: &mut [u16], out: &mut [u8]) {
    for ((sum, &near), &far) in sums.iter_mut().zip(near).zip(far) {
        *sum = 3 * u16::from(near) + u16::from(far);
    }
    let sums = &sums[..near.len().min(sums.len())];
    let (pairs, _) = out.as_chunks_mut::<2>();
    let last = sums.len().saturating_sub(1);
    for (three, pair) in sums.windows(3).zip(pairs.iter_mut().skip(1)) {
        let &[left, here, right] = three else { continue };
        *pair = [((3 * here + left + 8) >> 4) as u8, ((3 * here + right + 7) >> 4) as u8];
    }
    if let (&[first, second, ..], Some(pair)) = (sums, pairs.first_mut()) {
        *pair = [((4 * first + 8) >> 4) as u8, ((3 * first + second + 7) >> 4) as u8];
    }
    if let (&[.., before, here], Some(pair)) = (sums, pairs.get_mut(last)) {
        *pair = [((3 * here + before + 8) >> 4) as u8, ((4 * here + 7) >> 4) as u8];
    }
}

/// Each sample `factor` times.
pub(super) fn repeat(row: &[u8], factor: usize, out: &mut [u8]) {
    match factor {
        1 => {
            for (out, &sample) in out.iter_mut().zip(row) {
                *out = sample;
            }
        }
        2 => {
            for (pair, &sample) in out.as_chunks_mut::<2>().0.iter_mut().zip(row) {
                *pair = [sample; 2];
            }
        }
        _ => {
            for (group, &sample) in out.chunks_exact_mut(factor).zip(row) {
                group.fill(sample);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_triangle_filter_gives_the_samples_worked_out_by_hand() {
        let mut out = [0; 6];
        fancy_h2v1(&[10, 20, 40], &mut out);
        assert_eq!(out, [10, 13, 17, 25, 35, 40]);
        let mut out = [0; 2];
        fancy_h1v2(&[10, 20], &[20, 40], false, &mut out);
        assert_eq!(out, [12, 25]);
        fancy_h1v2(&[10, 21], &[20, 40], true, &mut out);
        assert_eq!(out, [13, 26]);
        let mut out = [0; 6];
        fancy_h2v2(&[10, 20, 40], &[10, 20, 40], &mut [0; 3], &mut out);
        assert_eq!(out, [10, 12, 18, 25, 35, 40]);
    }

    #[test]
    fn repeated_samples_fill_their_groups() {
        let mut out = [0; 6];
        repeat(&[1, 2], 3, &mut out);
        assert_eq!(out, [1, 1, 1, 2, 2, 2]);
        repeat(&[1, 2, 3], 2, &mut out);
        assert_eq!(out, [1, 1, 2, 2, 3, 3]);
    }
}
