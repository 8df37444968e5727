//! The memory that the prefix codes of a lossless picture take (RFC 9649, section 3).
//!
//! A picture may have 65,536 groups of five codes, whatever its size. The decoder makes a table of 4 KiB of each code
//! with long words, which takes twelve bytes in the file: four megabytes of file become more than a gigabyte. So the
//! codes of the stream are walked before it is decoded, and the sizes of their tables are added up.
//!
//! The walk only keeps its position: no pixel of the inner pictures (transforms, the map of groups) is stored. The
//! number of groups is the largest value that the map has a literal of, because copies and the colour cache only
//! repeat.
//!
//! Work: each transform may come once (section 4), so there are at most four inner pictures. A symbol takes at least a
//! bit, or else all following pixels take none and are skipped at once: some steps a bit of the stream, whatever sides
//! it announces. Incomplete codes are refused, as by the decoder, so that a long list of lengths has as many bits as
//! symbols.

/// Symbols of the five codes of a group (section 3.7.1), the first without its colour cache.
const ALPHABETS: [usize; 5] = [256 + 24, 256, 256, 256, 40];
/// The order in which the lengths of the length code are written (section 3.7.2.1.2).
const LENGTHS_ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// Words of a code are looked up by as many bits as the longest has, ten at most; four bytes an entry.
const TABLE_BITS: usize = 10;
/// A node for words that are longer, two of them a word.
const NODE: u64 = 16;
/// The codes themselves, of 56 bytes, in a growing vector: it holds three times its content while it moves.
const GROUP: u64 = 3 * 5 * 56;

/// Bytes that the decoder's tables will take; `None` if the stream is broken, which the decoder may find out.
///
/// `stream` begins behind the sides: with the transforms.
pub(super) fn table_bytes(stream: &[u8], mut width: u32, height: u32) -> Option<u64> {
    let mut bits = Bits { bytes: stream, value: 0, count: 0 };
    let mut seen = [false; 4];
    while bits.read(1)? == 1 {
        let transform = bits.read(2)?;
        // Section 4: each transform is allowed to be used only once.
        if std::mem::replace(seen.get_mut(transform as usize)?, true) {
            return None;
        }
        match transform {
            // Predictor and colour transform: a picture of their parameters.
            0 | 1 => {
                let scale = bits.read(3)? + 2;
                picture(&mut bits, scaled(width, scale) * scaled(height, scale))?;
            }
            // Subtract green.
            2 => {}
            // Colour indexing: a picture of the palette; small ones pack several pixels into one.
            _ => {
                let colors = bits.read(8)? + 1;
                picture(&mut bits, colors.into())?;
                let scale = match colors {
                    0..=2 => 3,
                    3..=4 => 2,
                    5..=16 => 1,
                    _ => 0,
                };
                width = width.div_ceil(1 << scale);
            }
        }
    }
    let cache = cache_symbols(&mut bits)?;
    let mut groups = 1;
    if bits.read(1)? == 1 {
        let scale = bits.read(3)? + 2;
        groups += u64::from(picture(&mut bits, scaled(width, scale) * scaled(height, scale))?);
    }
    let mut sum = 0;
    for _ in 0..groups {
        for (index, alphabet) in ALPHABETS.into_iter().enumerate() {
            sum += Code::read(&mut bits, if index == 0 { alphabet + cache } else { alphabet })?.table_bytes();
        }
        sum += GROUP;
    }
    Some(sum)
}

/// A side divided by a power of two, rounded up.
fn scaled(side: u32, scale: u32) -> u64 {
    u64::from(side).div_ceil(1 << scale)
}

/// Symbols that the colour cache adds to the first code (section 3.6.3).
fn cache_symbols(bits: &mut Bits<'_>) -> Option<usize> {
    if bits.read(1)? == 0 {
        return Some(0);
    }
    let size = bits.read(4)?;
    (1..=11).contains(&size).then_some(1 << size)
}

/// Walks over an inner picture of so many pixels; returns the largest red and green, as one number, of its literals.
fn picture(bits: &mut Bits<'_>, count: u64) -> Option<u32> {
    let cache = cache_symbols(bits)?;
    let mut codes: [Code; 5] = Default::default();
    for (index, (code, alphabet)) in codes.iter_mut().zip(ALPHABETS).enumerate() {
        *code = Code::read(bits, if index == 0 { alphabet + cache } else { alphabet })?;
    }
    pixels(bits, &codes, count)
}

/// The same behind the codes.
fn pixels(bits: &mut Bits<'_>, codes: &[Code; 5], count: u64) -> Option<u32> {
    let [green, red, blue, alpha, distance] = codes;
    // A code of one symbol takes no bits.
    match green.only() {
        Some(literal @ 0..256) => {
            if let (Some(red), Some(_), Some(_)) = (red.only(), blue.only(), alpha.only()) {
                return Some(u32::from(red) << 8 | u32::from(literal));
            }
        }
        // Nothing but copies: there is nothing to be copied.
        Some(256..280) => return None,
        // Nothing but the colour cache, which holds zeros.
        Some(_) => return Some(0),
        None => {}
    }
    let (mut largest, mut walked) = (0, 0);
    while walked < count {
        match green.symbol(bits)? {
            literal @ 0..256 => {
                let red = red.symbol(bits)?;
                blue.symbol(bits)?;
                alpha.symbol(bits)?;
                largest = largest.max(u32::from(red) << 8 | u32::from(literal));
                walked += 1;
            }
            // A copy: its length, then the distance, each a symbol and extra bits (section 3.6.2.2).
            length @ 256..280 => {
                walked += extra(bits, length - 256)?;
                let distance = distance.symbol(bits)?;
                extra(bits, distance)?;
            }
            _ => walked += 1,
        }
    }
    Some(largest)
}

/// The value of a length or distance symbol.
fn extra(bits: &mut Bits<'_>, symbol: u16) -> Option<u64> {
    if symbol < 4 {
        return Some(u64::from(symbol) + 1);
    }
    let count = u32::from(symbol - 2) >> 1;
    let offset = u64::from(2 + (symbol & 1)) << count;
    Some(offset + u64::from(bits.read(count)?) + 1)
}

/// A canonical prefix code: how many words of each length there are, and the symbols in the order of their words.
#[derive(Default)]
struct Code {
    counts: [u16; 16],
    symbols: Vec<u16>,
}

impl Code {
    /// Section 3.7.2.1.
    fn read(bits: &mut Bits<'_>, alphabet: usize) -> Option<Self> {
        if bits.read(1)? == 1 {
            let two = bits.read(1)? == 1;
            let width = if bits.read(1)? == 1 { 8 } else { 1 };
            let mut symbols = vec![bits.symbol(width, alphabet)?];
            if two {
                symbols.push(bits.symbol(8, alphabet)?);
            }
            let mut counts = [0; 16];
            counts[usize::from(two)] = 1 + u16::from(two);
            return Some(Self { counts, symbols });
        }
        let mut lengths = [0; 19];
        let written = bits.read(4)? as usize + 4;
        for &index in LENGTHS_ORDER.iter().take(written) {
            lengths[index] = u8::try_from(bits.read(3)?).ok()?;
        }
        let length_code = Self::of_lengths(&lengths)?;
        let mut left = if bits.read(1)? == 1 {
            let width = 2 + 2 * bits.read(3)?;
            bits.read(width)? + 2
        } else {
            u32::MAX
        };
        let mut lengths = Vec::with_capacity(alphabet);
        let mut previous = 8;
        while lengths.len() < alphabet && left > 0 {
            left -= 1;
            let (length, times) = match length_code.symbol(bits)? {
                16 => (previous, bits.read(2)? + 3),
                17 => (0, bits.read(3)? + 3),
                18 => (0, bits.read(7)? + 11),
                length => (u8::try_from(length).ok()?, 1),
            };
            if length != 0 {
                previous = length;
            }
            lengths.resize(lengths.len() + times as usize, length);
        }
        (lengths.len() <= alphabet).then(|| Self::of_lengths(&lengths)).flatten()
    }

    fn of_lengths(lengths: &[u8]) -> Option<Self> {
        let mut counts = [0; 16];
        for &length in lengths.iter().filter(|&&length| length != 0) {
            counts[usize::from(length)] += 1;
        }
        let mut symbols: Vec<(u8, u16)> = (0..)
            .zip(lengths)
            .filter(|(_, length)| **length != 0)
            .map(|(symbol, &length)| (length, symbol))
            .collect();
        symbols.sort_unstable();
        // Every word has a meaning (section 3.7.2.1.2).
        let words: u32 =
            (1..).zip(&counts[1..]).map(|(length, &count)| u32::from(count) << (15 - length)).sum();
        if symbols.len() > 1 && words != 1 << 15 {
            return None;
        }
        // A single symbol needs no bits, whatever its length.
        if symbols.len() == 1 {
            counts = [0; 16];
            counts[0] = 1;
        }
        (!symbols.is_empty())
            .then(|| Self { counts, symbols: symbols.into_iter().map(|(_, symbol)| symbol).collect() })
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Option<u16> {
        let (mut word, mut first, mut index) = (0, 0, 0);
        for count in self.counts.map(u32::from) {
            if word < first + count {
                return self.symbols.get((index + word - first) as usize).copied();
            }
            index += count;
            first = (first + count) << 1;
            word = word << 1 | bits.read(1)?;
        }
        None
    }

    /// The symbol of a code that has no other.
    fn only(&self) -> Option<u16> {
        self.symbols.first().copied().filter(|_| self.counts[0] == 1)
    }

    /// What the decoder allocates for it.
    fn table_bytes(&self) -> u64 {
        let longest = self.counts.iter().rposition(|&count| count != 0).unwrap_or(0);
        if longest == 0 {
            return 0;
        }
        let long: u64 = self.counts.iter().skip(TABLE_BITS + 1).copied().map(u64::from).sum();
        (4 << longest.min(TABLE_BITS)) + 4 * NODE * long.max(1)
    }
}

/// Bits of a stream, the lowest of a byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    value: u64,
    count: u32,
}

impl Bits<'_> {
    /// At most 32 of them.
    fn read(&mut self, width: u32) -> Option<u32> {
        while self.count < width {
            let (&byte, rest) = self.bytes.split_first()?;
            self.value |= u64::from(byte) << self.count;
            self.count += 8;
            self.bytes = rest;
        }
        let value = self.value & ((1 << width) - 1);
        self.value >>= width;
        self.count -= width;
        u32::try_from(value).ok()
    }

    /// A symbol written as it is, which must be one of the alphabet.
    fn symbol(&mut self, width: u32, alphabet: usize) -> Option<u16> {
        let symbol = u16::try_from(self.read(width)?).ok()?;
        (usize::from(symbol) < alphabet).then_some(symbol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes what [`Bits`] reads.
    #[derive(Default)]
    struct Writer {
        bytes: Vec<u8>,
        count: usize,
    }

    impl Writer {
        fn write(&mut self, width: usize, value: usize) -> &mut Self {
            for i in 0..width {
                if self.count.is_multiple_of(8) {
                    self.bytes.push(0);
                }
                *self.bytes.last_mut().unwrap() |= u8::from(value >> i & 1 == 1) << (self.count % 8);
                self.count += 1;
            }
            self
        }

        /// A code of one symbol, of eight bits.
        fn single(&mut self, symbol: usize) -> &mut Self {
            self.write(1, 1).write(1, 0).write(1, 1).write(8, symbol)
        }

        /// A code whose longest word has ten bits: of lengths 1, 2, … 9, 10, 10.
        fn long(&mut self) -> &mut Self {
            // The code of the lengths: four words of three bits and eight of four make it complete.
            let (short, rest) = ([0, 1, 2, 18], [3, 4, 5, 6, 7, 8, 9, 10]);
            self.write(1, 0).write(4, 18 - 4);
            for index in LENGTHS_ORDER.into_iter().take(18) {
                let length = if short.contains(&index) { 3 } else { 4 * usize::from(rest.contains(&index)) };
                self.write(3, length);
            }
            // Eleven symbols follow, and then none.
            self.write(1, 1).write(3, 1).write(4, 11 - 2);
            for length in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10] {
                let (width, word) = match short.iter().position(|&s| s == length) {
                    Some(place) => (3, place),
                    None => (4, 8 + rest.iter().position(|&r| r == length).unwrap()),
                };
                // Words of prefix codes are written from their highest bit on.
                for i in (0..width).rev() {
                    self.write(1, word >> i & 1);
                }
            }
            self
        }
    }

    #[test]
    fn a_plain_picture_takes_next_to_nothing() {
        let mut bits = Writer::default();
        // No transform, no cache, no groups, five codes of one symbol.
        bits.write(3, 0);
        for _ in 0..5 {
            bits.single(7);
        }
        assert_eq!(table_bytes(&bits.bytes, 100, 100), Some(GROUP));
    }

    /// A picture inside whose pixels take no bits.
    fn inner(bits: &mut Writer) {
        bits.write(1, 0);
        for _ in 0..5 {
            bits.single(0);
        }
    }

    #[test]
    fn a_transform_comes_once() {
        for kind in 0..4 {
            let stream = |times: usize| {
                let mut bits = Writer::default();
                for _ in 0..times {
                    bits.write(1, 1).write(2, kind);
                    if kind != 2 {
                        bits.write(if kind == 3 { 8 } else { 3 }, 0);
                        inner(&mut bits);
                    }
                }
                bits.write(2, 0);
                inner(&mut bits);
                bits.bytes
            };
            assert_eq!(table_bytes(&stream(1), 16_384, 16_384), Some(GROUP), "{kind}");
            assert_eq!(table_bytes(&stream(2), 16_384, 16_384), None, "{kind}");
        }
    }

    /// Sixteen million pixels that take no bits are passed over, or refused, at once: a walk over them would show.
    #[test]
    fn pixels_without_bits_are_not_walked() {
        let mut bits = Writer::default();
        bits.write(2, 0).write(1, 1).write(3, 0).write(1, 0);
        bits.single(2);
        for symbol in [1, 0, 0, 0] {
            bits.single(symbol);
        }
        for _ in 0..0x103 * 5 {
            bits.single(0);
        }
        assert_eq!(table_bytes(&bits.bytes, 16_384, 16_384), Some(0x103 * GROUP));

        let only = |symbol| {
            let mut lengths = [0; ALPHABETS[0] + 2];
            lengths[symbol] = 1;
            Code::of_lengths(&lengths).unwrap()
        };
        let walked = |green| {
            let codes = [only(green), only(0), only(0), only(0), only(0)];
            pixels(&mut Bits { bytes: b"", value: 0, count: 0 }, &codes, 1 << 40)
        };
        // A literal, a copy of nothing, an entry of the colour cache.
        assert_eq!([5, 256, 279, 280].map(walked), [Some(5), None, None, Some(0)]);
    }

    #[test]
    fn incomplete_codes_are_refused() {
        for (lengths, sound) in [
            (&[1, 1][..], true),
            (&[0, 3], true),
            (&[2, 2, 2, 2], true),
            (&[1, 2], false),
            (&[1, 1, 1], false),
            (&[], false),
        ] {
            assert_eq!(Code::of_lengths(lengths).is_some(), sound, "{lengths:?}");
        }
    }

    #[test]
    fn groups_are_counted_and_their_tables_added_up() {
        let mut bits = Writer::default();
        // No transform, no cache, groups: a map of one pixel, without a cache, whose literal says group 0x0103.
        bits.write(2, 0).write(1, 1).write(3, 0).write(1, 0);
        for symbol in [3, 1, 0, 0, 0] {
            bits.single(symbol);
        }
        for _ in 0..0x104 {
            bits.long();
            for _ in 0..4 {
                bits.single(0);
            }
        }
        let one = 4 * 1024 + 4 * NODE + GROUP;
        assert_eq!(table_bytes(&bits.bytes, 4, 4), Some(0x104 * one));
        // Cut anywhere it is refused.
        for end in (0..bits.bytes.len()).step_by(97) {
            assert_eq!(table_bytes(&bits.bytes[..end], 4, 4), None, "{end}");
        }
    }
}
