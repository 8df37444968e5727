//! The search for a head's end while it comes in, and the faults that refuse it before that.
//!
//! Every line is checked once, when its LF comes; so these functions are told how far the last call has searched. The
//! verdict does not depend on how the bytes were cut: the fault whose byte came first is reported.
use std::ops::Range;

use memchr::{memchr, memchr2, memrchr};

use super::line::{RequestLine, is_token_byte};
use super::{HeadError, HeadLimits};

/// Where the head lies in `data`: from the request line to the end of the empty line. `None`: its end has not come.
pub(super) fn find_head(
    data: &[u8],
    searched: usize,
    limits: &HeadLimits,
) -> Result<Option<Range<usize>>, HeadError> {
    let start = data.iter().take(EMPTY_MAX + 1).take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let bytes_max = if start > EMPTY_MAX { EMPTY_MAX + 1 } else { limits.bytes_max };
    let window = data.get(..bytes_max).unwrap_or(data);
    let mut from = searched;
    while let Some(at) = memchr(b'\n', window.get(from..).unwrap_or_default()) {
        let lf = from + at;
        from = lf + 1;
        let before = window.get(..lf).unwrap_or_default();
        let begin = memrchr(b'\n', before).map_or(0, |previous| previous + 1);
        let (earlier, line) = before.split_at(begin);
        let is_request_line = begin <= start && start < lf;
        if is_request_line {
            judge_beginning(before.get(start..).unwrap_or_default(), limits)?;
        }
        judge_line_end(earlier, line)?;
        match line {
            // The whole head is parsed when it is complete, and this line again: cheaper than keeping the result.
            _ if is_request_line => RequestLine::parse(line.strip_suffix(b"\r").unwrap_or(line)).map(drop)?,
            _ if lf < start => {}
            b"" | b"\r" => return Ok(Some(start..from)),
            // RFC 9112, 2.2 and 5.2.
            [b' ' | b'\t', ..] => return Err(HeadError::Folded),
            _ => {}
        }
    }
    if start > EMPTY_MAX {
        return Err(HeadError::EmptyLines);
    }
    // By then it was judged as far as it can be.
    if searched <= start.saturating_add(line_max(limits)) {
        judge_beginning(window.get(start..).unwrap_or_default(), limits)?;
    }
    if data.len() >= limits.bytes_max { Err(HeadError::TooLarge { max: limits.bytes_max }) } else { Ok(None) }
}

/// Checks the beginning of a head without the end of a line: its first byte, and the lengths of its parts.
fn judge_beginning(rest: &[u8], limits: &HeadLimits) -> Result<(), HeadError> {
    match rest.first() {
        Some(0) => return Err(HeadError::Nul),
        Some(byte) if !is_token_byte(*byte) => return Err(HeadError::NotHttp),
        _ => {}
    }
    // Looks for the end of a part, SP or that of the line, no further than the part may reach.
    let part_end = |part: &[u8], max: usize| memchr2(b' ', b'\n', part.get(..=max).unwrap_or(part));
    let Some(space) = part_end(rest, METHOD_MAX) else {
        return if rest.len() > METHOD_MAX { Err(HeadError::MethodTooLong) } else { Ok(()) };
    };
    let (line_over, target) = (rest.get(space) == Some(&b'\n'), rest.get(space + 1..).unwrap_or_default());
    if line_over || target.len() <= limits.target_max {
        return Ok(());
    }
    if part_end(target, limits.target_max).is_none() {
        return Err(HeadError::TargetTooLong { max: limits.target_max });
    }
    // No line that could still be good is longer.
    let line_max = line_max(limits);
    match rest.get(..=line_max) {
        Some(begun) if memchr(b'\n', begun).is_none() => Err(HeadError::RequestLine),
        _ => Ok(()),
    }
}

/// Every line ends like the one before it, and CR occurs at ends of lines only. `line` lacks its LF.
fn judge_line_end(earlier: &[u8], line: &[u8]) -> Result<(), HeadError> {
    let (text, crlf) = match line.split_last() {
        Some((b'\r', text)) => (text, true),
        _ => (line, false),
    };
    match memchr2(b'\r', 0, text).and_then(|at| text.get(at)) {
        Some(b'\r') => return Err(HeadError::BareCr),
        Some(_) => return Err(HeadError::Nul),
        None => {}
    }
    if !earlier.is_empty() && earlier.ends_with(b"\r\n") != crlf {
        return Err(HeadError::MixedLineEnds);
    }
    Ok(())
}

fn line_max(limits: &HeadLimits) -> usize {
    (METHOD_MAX + " ".len() + " HTTP/1.1\r".len()).saturating_add(limits.target_max)
}

/// How many bytes of empty lines may precede a request line.
const EMPTY_MAX: usize = 16;
/// The longest method that is looked at, in bytes; the longest registered one has 17.
const METHOD_MAX: usize = 64;
