//! The head of a lossy frame (RFC 6386, section 9), as far as the sizes of its partitions.
//!
//! The decoder allocates a partition by the size that the frame claims, up to 16 MiB each, before it checks that the
//! bytes exist. Here that is checked first.

use crate::pixels::bytes::le16;

/// Frame tag, start code and sides: what comes before the first partition (section 9.1).
const HEAD: usize = 10;

pub(super) fn sides(frame: &[u8]) -> Option<(u32, u32)> {
    match frame.get(..HEAD)? {
        [tag, _, _, 0x9D, 0x01, 0x2A, ..] if tag & 1 == 0 => {
            let side = |at| le16(frame, at).map(|bits| u32::from(bits & 0x3FFF));
            Some((side(6)?, side(8)?))
        }
        _ => None,
    }
}

/// Whether every partition ends before the frame does.
pub(super) fn is_whole(frame: &[u8]) -> bool {
    partitions_end(frame).is_some_and(|end| end <= frame.len())
}

fn partitions_end(frame: &[u8]) -> Option<usize> {
    let [low, middle, high] = *frame.first_chunk()?;
    let first = (u32::from_le_bytes([low, middle, high, 0]) >> 5) as usize;
    let mut bits = BoolDecoder::new(frame.get(HEAD..HEAD.checked_add(first)?)?);
    let count = 1 << partition_bits(&mut bits);
    // All sizes but the last one's follow the first partition, three bytes each (section 9.5).
    let sizes = frame.get(HEAD + first..)?.get(..3 * (count - 1))?;
    let (sizes, _) = sizes.as_chunks::<3>();
    let claimed: usize = sizes.iter().map(|&[a, b, c]| u32::from_le_bytes([a, b, c, 0]) as usize).sum();
    (HEAD + first + 3 * (count - 1)).checked_add(claimed)
}

/// The logarithm of the number of partitions, which stands behind everything that is read here (section 9.2 to 9.5).
fn partition_bits(bits: &mut BoolDecoder<'_>) -> u32 {
    // Colour space and clamping.
    bits.literal(2);
    // Segments: whether the map, and whether quantizers and filter levels change.
    if bits.flag() {
        let (map, levels) = (bits.flag(), bits.flag());
        if levels {
            bits.literal(1);
            for width in [7, 7, 7, 7, 6, 6, 6, 6] {
                bits.optional(width + 1);
            }
        }
        if map {
            for _ in 0..3 {
                bits.optional(8);
            }
        }
    }
    // Filter type, level and sharpness.
    bits.literal(1 + 6 + 3);
    // Adjustments of the filter, and whether they change.
    if bits.flag() && bits.flag() {
        for _ in 0..8 {
            bits.optional(7);
        }
    }
    bits.literal(2)
}

/// The boolean decoder (section 7), for bits of even probability only. Past its end it reads zeros, as the real one.
struct BoolDecoder<'a> {
    bytes: std::slice::Iter<'a, u8>,
    /// The bits that are compared, most significant byte first.
    value: u32,
    range: u32,
    /// Shifts until another byte is due.
    due: u32,
}

impl<'a> BoolDecoder<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let mut decoder = Self { bytes: bytes.iter(), value: 0, range: 255, due: 8 };
        decoder.value = decoder.byte() << 8 | decoder.byte();
        decoder
    }

    fn byte(&mut self) -> u32 {
        self.bytes.next().copied().map_or(0, u32::from)
    }

    fn flag(&mut self) -> bool {
        let split = 1 + ((self.range - 1) >> 1);
        let set = self.value >= split << 8;
        if set {
            self.range -= split;
            self.value -= split << 8;
        } else {
            self.range = split;
        }
        while self.range < 128 {
            self.range <<= 1;
            self.value <<= 1;
            self.due -= 1;
            if self.due == 0 {
                self.due = 8;
                self.value |= self.byte();
            }
        }
        set
    }

    fn literal(&mut self, width: u32) -> u32 {
        (0..width).fold(0, |value, _| value << 1 | u32::from(self.flag()))
    }

    /// A value of that width behind a flag that says whether it is there.
    fn optional(&mut self, width: u32) {
        if self.flag() {
            self.literal(width);
        }
    }
}
