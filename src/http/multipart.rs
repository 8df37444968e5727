//! A push scanner for multipart bodies (RFC 2046, 5.1; RFC 7578): slices in, events out; it keeps one part's head.
//!
//! Plan: data goes out as slices of the input, all of it, unless its last bytes are the beginning of the delimiter `CR
//! LF -- boundary`. Then only their number is kept; if the next input goes on otherwise, the delimiter's own first
//! bytes are handed out in their place. That is enough because CR occurs in a delimiter only as its first byte: a match
//! that fails can't contain the start of another. Every byte is searched once, whatever the cuts.
//!
//! Rules: lines end in CR LF; what follows a boundary is `--`, or white space and CR LF (a boundary that goes on
//! otherwise is a fault, as RFC 2046 compares only its beginning); each part has a Content-Disposition; the body has a
//! closing boundary. Content-Transfer-Encoding (deprecated by RFC 7578, 4.7) and nested multiparts are not undone.
//!
//! ```
//! use tp2::http::multipart::{Event, Scanner};
//!
//! let mut scanner = Scanner::new(b"xyz")?;
//! let mut input = &b"--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n--xyz--"[..];
//! let mut data = Vec::new();
//! loop {
//!     let (taken, event) = scanner.scan(input)?;
//!     input = &input[taken..];
//!     match event {
//!         Event::Part(head) => assert_eq!(head.name, "a"),
//!         Event::Data(bytes) => data.extend_from_slice(bytes),
//!         Event::PartEnd => {}
//!         Event::NeedMore => break,
//!     }
//! }
//! assert_eq!(data, b"one");
//! scanner.finish()?;
//! # Ok::<(), tp2::http::multipart::MultipartError>(())
//! ```
use memchr::memmem::Finder;

mod error;
mod part;

pub use error::MultipartError;
pub use part::PartHead;

/// What [`Scanner::scan`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A part begins.
    Part(PartHead),
    /// The next bytes of the part; never empty.
    Data(&'a [u8]),
    /// The part is complete.
    PartEnd,
    /// The whole input is taken.
    NeedMore,
}

/// Finds the parts of a body that comes in pieces.
#[derive(Debug)]
pub struct Scanner {
    state: ScanState,
    /// Searches `CR LF -- boundary`, built once.
    delimiter: Finder<'static>,
    /// How many bytes of the delimiter the input so far ends with.
    /// Invariant: less than its length, and zero outside of preamble and data.
    held: usize,
    /// The head of the part that begins, as far as it has come.
    head: Vec<u8>,
    parts: usize,
    /// Bytes of the preamble, of the padding of this boundary, or of the epilogue.
    ignored: usize,
    /// Bytes looked at, to show that they are looked at once.
    #[cfg(test)]
    work: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScanState {
    Preamble,
    Boundary(BoundaryPart),
    Head,
    Data,
    /// The part's last byte is handed out; its end is to be told.
    DataOver,
    Epilogue,
}

/// What has come behind a boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BoundaryPart {
    Nothing,
    Dash,
    Padding,
    Cr,
}

impl Scanner {
    /// A scanner at the start of a body with this boundary.
    ///
    /// # Errors
    /// The boundary is empty, longer than 70 bytes (RFC 2046, 5.1.1), or no printable ASCII.
    pub fn new(boundary: &[u8]) -> Result<Self, MultipartError> {
        if boundary.len() > BOUNDARY_MAX {
            return Err(MultipartError::BoundaryTooLong { length: boundary.len() });
        }
        let printable = boundary.iter().all(|byte| matches!(byte, b' '..=b'~'));
        if boundary.is_empty() || !printable || boundary.ends_with(b" ") {
            return Err(MultipartError::Boundary);
        }
        Ok(Self {
            state: ScanState::Preamble,
            delimiter: Finder::new(&[b"\r\n--", boundary].concat()).into_owned(),
            // The first boundary may open the body: as if an empty line had preceded it.
            held: b"\r\n".len(),
            head: Vec::new(),
            parts: 0,
            ignored: 0,
            #[cfg(test)]
            work: 0,
        })
    }

    /// Reads on in the body: returns how many bytes of `input` it took, and what they were. Call it again with the rest
    /// until it says [`Event::NeedMore`].
    ///
    /// # Errors
    /// The body is malformed, or passes a limit.
    pub fn scan<'a>(&'a mut self, input: &'a [u8]) -> Result<(usize, Event<'a>), MultipartError> {
        let mut taken = 0;
        loop {
            let rest = input.get(taken..).unwrap_or_default();
            match self.state {
                ScanState::DataOver => {
                    self.state = ScanState::Boundary(BoundaryPart::Nothing);
                    return Ok((taken, Event::PartEnd));
                }
                _ if rest.is_empty() => return Ok((taken, Event::NeedMore)),
                ScanState::Preamble | ScanState::Data if self.held > 0 => {
                    let held = self.held;
                    taken += self.match_on(rest);
                    match self.state {
                        // It was no delimiter: the held bytes are data, or belong to the preamble.
                        ScanState::Data if self.held == 0 => {
                            let prefix = self.delimiter.needle().get(..held).unwrap_or_default();
                            return Ok((taken, Event::Data(prefix)));
                        }
                        ScanState::Preamble if self.held == 0 => {
                            self.ignore(held, PREAMBLE_MAX, MultipartError::PreambleTooLong)?;
                        }
                        _ => {}
                    }
                }
                ScanState::Preamble => {
                    let (found, through) = self.search(rest);
                    taken += through;
                    self.ignore(found, PREAMBLE_MAX, MultipartError::PreambleTooLong)?;
                }
                ScanState::Data => {
                    let (found, through) = self.search(rest);
                    taken += through;
                    if found > 0 {
                        return Ok((taken, Event::Data(rest.get(..found).unwrap_or_default())));
                    }
                }
                ScanState::Boundary(part) => {
                    self.step(part, rest.first().copied().unwrap_or_default())?;
                    taken += 1;
                }
                ScanState::Head => {
                    let (through, head) = self.read_head(rest)?;
                    taken += through;
                    if let Some(head) = head {
                        self.state = ScanState::Data;
                        return Ok((taken, Event::Part(head)));
                    }
                }
                ScanState::Epilogue => {
                    taken = input.len();
                    self.ignore(rest.len(), EPILOGUE_MAX, MultipartError::EpilogueTooLong)?;
                }
            }
        }
    }

    /// Ends the body.
    ///
    /// # Errors
    /// Its closing boundary has not come.
    pub fn finish(self) -> Result<(), MultipartError> {
        if self.state == ScanState::Epilogue { Ok(()) } else { Err(MultipartError::Truncated) }
    }

    /// Goes on with a delimiter that began in an earlier input. Returns how many bytes of `rest` belong to it; if it is
    /// none, zero, and no bytes are held any more.
    fn match_on(&mut self, rest: &[u8]) -> usize {
        let n = rest.len().min(self.delimiter.needle().len() - self.held);
        self.count(n);
        let wanted = self.delimiter.needle().get(self.held..).unwrap_or_default();
        if rest.get(..n) != wanted.get(..n) {
            self.held = 0;
            return 0;
        }
        if n == wanted.len() {
            self.delimited();
        } else {
            self.held += n;
        }
        n
    }

    /// Searches the delimiter in `rest`. Returns how many bytes come before it, or before a possible beginning of it,
    /// and how many are used in all.
    fn search(&mut self, rest: &[u8]) -> (usize, usize) {
        let length = self.delimiter.needle().len();
        if let Some(found) = self.delimiter.find(rest) {
            self.count(found + length);
            self.delimited();
            return (found, found + length);
        }
        self.count(rest.len());
        // The delimiter's only CR is its first byte: no CR but the last one can begin it here.
        let tail_start = rest.len().saturating_sub(length - 1);
        let tail = rest.get(tail_start..).unwrap_or_default();
        let begun = memchr::memrchr(b'\r', tail).and_then(|at| tail.get(at..)).unwrap_or_default();
        self.held = if self.delimiter.needle().starts_with(begun) { begun.len() } else { 0 };
        (rest.len() - self.held, rest.len())
    }

    /// A whole delimiter has come.
    fn delimited(&mut self) {
        self.held = 0;
        self.state = match self.state {
            ScanState::Data => ScanState::DataOver,
            _ => ScanState::Boundary(BoundaryPart::Nothing),
        };
    }

    fn step(&mut self, part: BoundaryPart, byte: u8) -> Result<(), MultipartError> {
        use BoundaryPart as Part;
        if part == Part::Nothing {
            self.ignored = 0;
        }
        self.state = match (part, byte) {
            (Part::Nothing, b'-') => ScanState::Boundary(Part::Dash),
            (Part::Dash, b'-') => ScanState::Epilogue,
            (Part::Nothing | Part::Padding, b' ' | b'\t') => {
                self.ignore(1, PADDING_MAX, MultipartError::Delimiter)?;
                ScanState::Boundary(Part::Padding)
            }
            (Part::Nothing | Part::Padding, b'\r') => ScanState::Boundary(Part::Cr),
            (Part::Cr, b'\n') => {
                self.parts += 1;
                if self.parts > PARTS_MAX {
                    return Err(MultipartError::TooManyParts);
                }
                self.head.clear();
                ScanState::Head
            }
            _ => return Err(MultipartError::Delimiter),
        };
        Ok(())
    }

    /// Takes in bytes of a part's head. Returns how many of `rest` belong to it, and the head once it is complete.
    fn read_head(&mut self, rest: &[u8]) -> Result<(usize, Option<PartHead>), MultipartError> {
        let before = self.head.len();
        let room = HEAD_MAX - before;
        self.head.extend_from_slice(rest.get(..room).unwrap_or(rest));
        // The empty line at once: no field at all.
        if self.head.starts_with(b"\r\n") {
            return Err(MultipartError::Disposition);
        }
        // The empty line may begin in what came earlier.
        let from = before.saturating_sub(EMPTY_LINE.len() - 1);
        let found = memchr::memmem::find(self.head.get(from..).unwrap_or_default(), EMPTY_LINE);
        self.count(found.map_or(self.head.len() - before, |at| from + at + EMPTY_LINE.len() - before));
        match found {
            Some(at) => {
                let end = from + at + EMPTY_LINE.len();
                let head = PartHead::parse(self.head.get(..end).unwrap_or_default())?;
                Ok((end - before, Some(head)))
            }
            None if self.head.len() == HEAD_MAX => Err(MultipartError::HeadTooLong),
            None => Ok((rest.len(), None)),
        }
    }

    /// Notes for the tests that `n` bytes were looked at.
    #[cfg_attr(not(test), expect(unused_variables, clippy::unused_self, reason = "only the tests count"))]
    fn count(&mut self, n: usize) {
        #[cfg(test)]
        {
            self.work += n;
        }
    }

    fn ignore(&mut self, n: usize, max: usize, error: MultipartError) -> Result<(), MultipartError> {
        self.ignored += n;
        if self.ignored > max { Err(error) } else { Ok(()) }
    }
}

/// RFC 2046, 5.1.1.
const BOUNDARY_MAX: usize = 70;
const PARTS_MAX: usize = 128;
/// Bytes of one part's head, its empty line included.
const HEAD_MAX: usize = 8 * 1024;
/// Bytes before the first boundary, and two for the line end that [`Scanner::new`] supposes.
const PREAMBLE_MAX: usize = 64 * 1024;
const EPILOGUE_MAX: usize = 64 * 1024;
/// White space behind one boundary, in bytes.
const PADDING_MAX: usize = 256;
const EMPTY_LINE: &[u8] = b"\r\n\r\n";

#[cfg(test)]
mod tests;
