//! The search for a head's end while it comes in, and what makes it hopeless before that.
//!
//! Every line is looked at when its LF comes, and once; so these functions are told what the last call has searched.
use memchr::{memchr, memrchr};

use super::line::{METHOD_MAX, RequestLine};
use super::{HeadError, HeadLimits};

/// Goes over the lines that were finished since `searched`; returns where the empty line after the fields ends.
pub(super) fn find_end(data: &[u8], start: usize, searched: usize) -> Result<Option<usize>, HeadError> {
    let mut from = searched;
    while let Some(at) = memchr(b'\n', data.get(from..).unwrap_or_default()) {
        let lf = from + at;
        from = lf + 1;
        let before = data.get(..lf).unwrap_or_default();
        let (earlier, line) = before.split_at(memrchr(b'\n', before).map_or(0, |previous| previous + 1));
        judge_line_end(earlier, line)?;
        match line {
            b"" | b"\r" if lf >= start => return Ok(Some(from)),
            // RFC 9112, 2.2 and 5.2.
            [b' ' | b'\t', ..] => return Err(HeadError::Folded),
            _ => {}
        }
    }
    Ok(None)
}

/// Every line ends like the one before it, and CR occurs at ends of lines only. `line` lacks its LF.
fn judge_line_end(earlier: &[u8], line: &[u8]) -> Result<(), HeadError> {
    let (text, crlf) = match line.split_last() {
        Some((b'\r', text)) => (text, true),
        _ => (line, false),
    };
    match memchr::memchr2(b'\r', 0, text).and_then(|at| text.get(at)) {
        Some(b'\r') => return Err(HeadError::BareCr),
        Some(_) => return Err(HeadError::Nul),
        None => {}
    }
    if !earlier.is_empty() && earlier.ends_with(b"\r\n") != crlf {
        return Err(HeadError::MixedLineEnds);
    }
    Ok(())
}

/// Judges the request line of a head that is not complete: once when its end has just come (it lies at or after
/// `searched`), and until then by its length alone.
pub(super) fn judge_request_line(
    data: &[u8],
    start: usize,
    searched: usize,
    limits: &HeadLimits,
) -> Result<(), HeadError> {
    let rest = data.get(start..).unwrap_or_default();
    // No line that could still be good is longer; beyond it the LF is not looked for.
    let line_max = METHOD_MAX + 1 + limits.target_max + " HTTP/1.1\r\n".len();
    let begun = rest.get(..line_max).unwrap_or(rest);
    if searched > start.saturating_add(line_max) {
        return Ok(());
    }
    if let Some(lf) = memchr(b'\n', begun) {
        if start + lf >= searched {
            let line = begun.get(..lf).unwrap_or_default();
            RequestLine::parse(line.strip_suffix(b"\r").unwrap_or(line), limits.target_max)?;
        }
        return Ok(());
    }
    match memchr(b' ', begun.get(..=METHOD_MAX).unwrap_or(begun)) {
        None if begun.len() > METHOD_MAX => Err(HeadError::MethodTooLong),
        Some(space) if begun.len() - space - 1 > limits.target_max => {
            let target = begun.get(space + 1..).unwrap_or_default();
            match memchr(b' ', target) {
                Some(length) if length <= limits.target_max && begun.len() < line_max => Ok(()),
                Some(length) if length <= limits.target_max => Err(HeadError::RequestLine),
                _ => Err(HeadError::TargetTooLong { max: limits.target_max }),
            }
        }
        _ => Ok(()),
    }
}
