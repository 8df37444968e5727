//! WebP, BMP and Netpbm: the header says how many bytes the picture has.
use super::{EndStep, Malformed};

/// A picture whose end follows from its header.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    kind: SizeHeader,
    /// The header as far as it has come.
    header: Vec<u8>,
    /// Netpbm: within a comment, which is not kept.
    comment: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SizeHeader {
    Riff,
    Bmp,
    Pnm,
}

impl Measured {
    pub(super) fn new(kind: SizeHeader) -> Self {
        Self { kind, header: Vec::new(), comment: false }
    }

    pub(super) fn step(&mut self, byte: u8) -> Result<EndStep, Malformed> {
        match self.kind {
            SizeHeader::Riff => {
                self.header.push(byte);
                riff(&self.header)
            }
            SizeHeader::Bmp => {
                self.header.push(byte);
                bmp(&self.header).unwrap_or(Ok(EndStep::Next))
            }
            SizeHeader::Pnm => self.push_pnm(byte),
        }
    }

    /// Takes in one byte of a Netpbm header, comments left out, and asks after each gap whether it is whole.
    fn push_pnm(&mut self, byte: u8) -> Result<EndStep, Malformed> {
        if self.comment {
            self.comment = !matches!(byte, b'\n' | b'\r');
            // In a PAM header the line's end still counts; elsewhere it is one more gap.
            if self.comment {
                return Ok(EndStep::Next);
            }
        } else if byte == b'#' {
            self.comment = true;
            return Ok(EndStep::Next);
        }
        self.header.push(byte);
        if self.header.len() > PNM_HEADER_MAX {
            return Ok(EndStep::Unknown);
        }
        if !is_space(byte) {
            return Ok(EndStep::Next);
        }
        match self.header.get(..2) {
            Some(b"P4" | b"P5" | b"P6") => pnm(&self.header),
            Some(b"P7") => pam(&self.header),
            Some(_) => Ok(EndStep::Unknown),
            None => Ok(EndStep::Next),
        }
    }
}

/// RIFF: four bytes of name, the size of what follows, and a pad byte if that is odd.
fn riff(header: &[u8]) -> Result<EndStep, Malformed> {
    match u32_at(header, 4).map(u64::from) {
        None => Ok(EndStep::Next),
        // At least `WEBP` and the header of one chunk.
        Some(size) if size < 12 => Err(Malformed),
        Some(size) => Ok(EndStep::EndAfter(size + size % 2)),
    }
}

/// BMP: where the rows begin, and how many bytes they are. The file size in the header is often wrong. `None`: the
/// header is incomplete.
fn bmp(header: &[u8]) -> Option<Result<EndStep, Malformed>> {
    let offset = u64::from(u32_at(header, 10)?);
    let (width, height, bits, compression, image_size) = match u32_at(header, 14)? {
        12 => (u32::from(u16_at(header, 18)?), u32::from(u16_at(header, 20)?), u16_at(header, 24)?, 0, 0),
        dib => {
            // A negative height means rows from the top.
            let height = u32_at(header, 22)?.cast_signed().unsigned_abs();
            let bits = u16_at(header, 28)?;
            // The OS/2 header of 16 bytes ends before the compression.
            let coding = if dib == 16 { (0, 0) } else { (u32_at(header, 30)?, u32_at(header, 34)?) };
            (u32_at(header, 18)?, height, bits, coding.0, coding.1)
        }
    };
    if width == 0 || height == 0 || width > i32::MAX.unsigned_abs() {
        return Some(Err(Malformed));
    }
    let rows = match compression {
        // BI_RGB, BI_BITFIELDS, BI_ALPHABITFIELDS: rows of whole 32-bit words.
        0 | 3 | 6 => {
            let row = (u64::from(width) * u64::from(bits)).div_ceil(32) * 4;
            let Some(rows) = row.checked_mul(u64::from(height)) else { return Some(Err(Malformed)) };
            rows
        }
        _ if image_size > 0 => u64::from(image_size),
        _ => return Some(Ok(EndStep::Unknown)),
    };
    // Rows that begin within the header are nonsense that some decoders mend.
    let gap = offset.checked_sub(header.len() as u64);
    Some(Ok(gap.map_or(EndStep::Unknown, |gap| EndStep::EndAfter(gap.saturating_add(rows)))))
}

/// PBM, PGM or PPM: magic, width, height, for the latter two maxval, one white space, the raster.
fn pnm(header: &[u8]) -> Result<EndStep, Malformed> {
    let mut words = header.split(|byte| is_space(*byte)).filter(|word| !word.is_empty());
    let magic = words.next().unwrap_or_default();
    let mut numbers = words.map(number);
    let bitmap = magic == b"P4";
    let (Some(width), Some(height), Some(max)) =
        (numbers.next(), numbers.next(), if bitmap { Some(Ok(1)) } else { numbers.next() })
    else {
        return Ok(EndStep::Next);
    };
    let samples = if magic == b"P6" { 3 } else { 1 };
    let row = if bitmap { width?.div_ceil(8) } else { width? * samples * sample_bytes(max?) };
    raster(row, height?)
}

/// PAM: lines of a keyword and a value, up to ENDHDR.
fn pam(header: &[u8]) -> Result<EndStep, Malformed> {
    let Some(lines) = header.strip_suffix(b"\n") else { return Ok(EndStep::Next) };
    let lines = || lines.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    if lines().next_back() != Some(b"ENDHDR") {
        return Ok(EndStep::Next);
    }
    let value = |keyword: &[u8]| {
        let line = lines().find_map(|line| {
            line.strip_prefix(keyword).filter(|rest| rest.first().is_some_and(|byte| is_space(*byte)))
        });
        line.map_or(Err(Malformed), |rest| number(rest.trim_ascii()))
    };
    let row = value(b"WIDTH")? * value(b"DEPTH")?;
    raster(row * sample_bytes(value(b"MAXVAL")?), value(b"HEIGHT")?)
}

fn raster(row: u64, rows: u64) -> Result<EndStep, Malformed> {
    if row == 0 || rows == 0 { Err(Malformed) } else { Ok(EndStep::EndAfter(row * rows)) }
}

/// C's isspace, which Netpbm means: Rust's knows no vertical tab.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn sample_bytes(max: u64) -> u64 {
    if max > 255 { 2 } else { 1 }
}

/// A decimal number small enough that no product of a header's numbers overflows.
fn number(digits: &[u8]) -> Result<u64, Malformed> {
    if digits.is_empty() || digits.len() > NUMBER_DIGITS_MAX || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed);
    }
    Ok(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_le_bytes(*four))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|two| u16::from_le_bytes(*two))
}

/// Width, depth and height multiply to less than 2^63 with six digits each, and two bytes a sample.
const NUMBER_DIGITS_MAX: usize = 6;
/// Longest Netpbm header without its comments; anything longer is something else.
const PNM_HEADER_MAX: usize = 1024;
