//! Properties of the buffers, the framing, forms, ranges and the admission counter: random cases, compared with very
//! simple models.
//!
//! The generator is a few lines of our own instead of a crate: the sequences are short and print well, so shrinking
//! is not needed, and they are the same on every machine. A failure names its seed: `seeds(7..8)` in its test repeats
//! it. `scripts/fuzz` searches for cases by itself.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on has failed")]

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;

use tp2::http::body::{BodyDecoder, BodyEvent};
use tp2::http::buf::{RecvBuf, SendBuf};
use tp2::http::head::{Framing, HeadLimits, Version, poll_head};
use tp2::http::multipart::{Event, Scanner};
use tp2::http::range::{Ranged, ranged};
use tp2::model::admission::{Admission, Reservation};

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of these numbers.
    fn within(&mut self, range: Range<usize>) -> usize {
        range.start + usize::try_from(self.next() % (range.len() as u64)).unwrap()
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.within(0..all.len())]
    }

    /// Up to `max` bytes out of these.
    fn bytes(&mut self, max: usize, alphabet: &[u8]) -> Vec<u8> {
        (0..self.within(0..max + 1)).map(|_| *self.one_of(alphabet)).collect()
    }

    /// The same bytes in pieces, some of them empty.
    fn cut<'a>(&mut self, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let most = self.within(1..40);
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(self.within(0..most + 1).min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }
}

/// Tries a property with each of these seeds; a failure prints its seed.
fn seeds(range: Range<u64>, property: impl Fn(&mut Chance) + std::panic::RefUnwindSafe) {
    for seed in range {
        if let Err(cause) = std::panic::catch_unwind(|| property(&mut Chance(seed))) {
            let text = cause.downcast_ref::<String>().map_or("it is told above", String::as_str);
            panic!("seed {seed}: {text}");
        }
    }
}

/// So many bytes, each its place.
fn numbered(count: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(count).collect()
}

#[test]
fn what_was_received_comes_out_in_order() {
    seeds(0..500, |chance| {
        let max = chance.within(1..300);
        let (mut recv, mut model) = (RecvBuf::new(max), VecDeque::new());
        let mut searched = 0;
        for _ in 0..200 {
            match chance.within(0..3) {
                0 => {
                    let bytes = numbered(chance.within(0..recv.room() + 1));
                    recv.extend(&bytes);
                    model.extend(bytes);
                }
                1 => {
                    let n = chance.within(0..recv.len() + 1);
                    recv.consume(n);
                    model.drain(..n);
                    searched = searched.max(n) - n;
                }
                _ => {
                    searched = chance.within(0..recv.len() + 1);
                    recv.mark_searched(searched);
                }
            }
            assert_eq!(recv.data(), model.make_contiguous());
            assert_eq!((recv.len(), recv.room()), (model.len(), max - model.len()));
            assert_eq!((recv.searched(), recv.is_empty()), (searched, model.is_empty()));
        }
    });
}

#[test]
fn what_is_to_be_sent_is_lent_in_order() {
    seeds(0..500, |chance| {
        let (mut send, mut model) = (SendBuf::new(), VecDeque::new());
        for _ in 0..200 {
            if chance.within(0..2) == 0 {
                let chunk = numbered(chance.within(0..50));
                model.extend(chunk.iter().copied());
                send.push(chunk);
            } else {
                let n = chance.within(0..send.len() + 1);
                send.consume(n);
                model.drain(..n);
            }
            let mut slices = vec![IoSlice::new(&[]); chance.within(1..9)];
            let filled = send.io_slices(&mut slices);
            let lent: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect();
            assert!(model.iter().take(lent.len()).eq(lent.iter()));
            assert_eq!(filled == 0, model.is_empty());
            assert_eq!(send.len(), model.len());
        }
    });
}

/// A body in chunks, with all that the grammar allows (RFC 9112 §7.1), and where its framing lies.
fn chunked(chance: &mut Chance, body: &[u8]) -> (Vec<u8>, Vec<usize>) {
    const EXTENSIONS: [&str; 6] = ["", "", "", ";a", "; a=b", ";a=\"q;\\\"\""];
    let (mut coded, mut framing) = (Vec::new(), Vec::new());
    let frame = |text: &str, coded: &mut Vec<u8>, framing: &mut Vec<usize>| {
        framing.extend(coded.len()..coded.len() + text.len());
        coded.extend_from_slice(text.as_bytes());
    };
    for piece in chance.cut(body) {
        if piece.is_empty() {
            continue;
        }
        let zeros = "0".repeat(chance.within(0..4));
        let size = if chance.within(0..2) == 0 {
            format!("{:x}", piece.len())
        } else {
            format!("{:X}", piece.len())
        };
        let extension = chance.one_of(&EXTENSIONS);
        frame(&format!("{zeros}{size}{extension}\r\n"), &mut coded, &mut framing);
        coded.extend_from_slice(piece);
        frame("\r\n", &mut coded, &mut framing);
    }
    frame(
        chance.one_of::<&str>(&["0\r\n\r\n", "00;x\r\n\r\n", "0\r\nX-A: b\r\nC:\r\n\r\n"]),
        &mut coded,
        &mut framing,
    );
    (coded, framing)
}

/// The body, and how many bytes of all were taken; None if it is faulty or not complete.
fn decoded(framing: Framing, pieces: &[&[u8]]) -> Option<(Vec<u8>, usize)> {
    let (mut decoder, mut body, mut taken_in_all) = (BodyDecoder::new(framing), Vec::new(), 0);
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let (taken, event) = decoder.decode(rest).ok()?;
            rest = &rest[taken..];
            taken_in_all += taken;
            match event {
                BodyEvent::Data(data) => body.extend_from_slice(data),
                BodyEvent::NeedMore => break,
                BodyEvent::Done => return Some((body, taken_in_all)),
            }
        }
    }
    None
}

#[test]
fn chunks_give_the_body_back_and_nothing_behind_it() {
    seeds(0..2000, |chance| {
        let body = chance.bytes(200, b"abc\r\n0;");
        let (mut coded, _) = chunked(chance, &body);
        let length = coded.len();
        coded.extend(chance.bytes(50, b"GET /\r\n"));
        assert_eq!(decoded(Framing::Chunked, &chance.cut(&coded)), Some((body, length)));
    });
}

/// Changes one byte of the framing: then the body is refused, or not yet complete, or ends where it did. It never
/// ends earlier, which smuggling would need. It is the same body, unless a larger size has swallowed whole frames.
#[test]
fn a_damaged_frame_never_ends_a_body_early() {
    seeds(0..5000, |chance| {
        let body = chance.bytes(100, b"abcdefg");
        let (mut coded, framing) = chunked(chance, &body);
        let at = *chance.one_of(&framing);
        coded[at] = *chance.one_of(b"0123456789abcdefABCDEF\r\n\t ;=\"\\x\0-+_");
        if let Some((found, taken)) = decoded(Framing::Chunked, &chance.cut(&coded)) {
            assert_eq!(taken, coded.len(), "{}", coded.escape_ascii());
            assert!(found == body || found.contains(&b'\n'), "{}", coded.escape_ascii());
        }
    });
}

#[test]
fn a_head_gives_back_what_was_put_into_it() {
    const NAMES: [&str; 5] = ["X-Uno", "x_dos", "Cookie", "A", "!#$%&'*+-.^_`|~"];
    seeds(0..2000, |chance| {
        let target = [b"/".to_vec(), chance.bytes(60, b"az/%2F.-_~\xc3\xb1")].concat();
        let query = (chance.within(0..2) == 0).then(|| chance.bytes(30, b"a=&?%+/"));
        let version = chance.one_of(&["HTTP/1.1", "HTTP/1.0"]);
        let line_end = *chance.one_of(&["\r\n", "\n"]);
        let mut head = [b"POST ", &target[..]].concat();
        if let Some(query) = &query {
            head.push(b'?');
            head.extend_from_slice(query);
        }
        head.extend(format!(" {version}{line_end}host: a{line_end}").bytes());
        let mut fields = Vec::new();
        for _ in 0..chance.within(0..20) {
            let name = *chance.one_of(&NAMES);
            let value = chance.bytes(40, b"abc ,;=\"\t\xe9:");
            let blanks = chance.bytes(3, b" \t");
            head.extend([name.as_bytes(), b":", &blanks, &value, &blanks, line_end.as_bytes()].concat());
            fields.push((name, value.trim_ascii().to_vec()));
        }
        head.extend_from_slice(line_end.as_bytes());
        let behind = chance.bytes(40, b"GET /\r\n");
        head.extend_from_slice(&behind);

        let mut recv = RecvBuf::new(1 << 14);
        let mut parsed = None;
        for piece in chance.cut(&head) {
            recv.extend(piece);
            if parsed.is_none() {
                parsed =
                    poll_head(&mut recv, &HeadLimits::default()).unwrap_or_else(|error| panic!("{error}"));
            }
        }
        let parsed = parsed.unwrap_or_else(|| panic!("{}", head.escape_ascii()));
        assert_eq!(
            (parsed.path(), parsed.query(), recv.data()),
            (&target[..], query.as_deref(), &behind[..])
        );
        assert_eq!(parsed.version() == Version::Http11, *version == "HTTP/1.1");
        for name in NAMES {
            let sent = fields.iter().filter(|(other, _)| *other == name).map(|(_, value)| &value[..]);
            assert!(parsed.fields(name).eq(sent), "{}", head.escape_ascii());
        }
    });
}

#[test]
fn a_form_gives_back_the_parts_it_was_made_of() {
    seeds(0..2000, |chance| {
        let boundary = [&b"x"[..], &chance.bytes(20, b"x-'")].concat();
        let delimiter = [b"\r\n--", &boundary[..]].concat();
        let mut body = chance.bytes(30, b"x ");
        let mut parts = Vec::new();
        for number in 0..chance.within(0..6) {
            // Full of possible boundaries.
            let data = [chance.bytes(80, b"\r\n-x'a"), b"a".to_vec()].concat();
            let searched = [b"\r\n\r\n", &data[..], b"\r\n"].concat();
            if memchr::memmem::find(&searched, &delimiter).is_some() {
                continue;
            }
            body.extend_from_slice(&delimiter);
            body.extend(format!("\r\nContent-Disposition: form-data; name=\"{number}\"\r\n\r\n").bytes());
            body.extend_from_slice(&data);
            parts.push((number.to_string(), data));
        }
        body.extend_from_slice(&delimiter);
        body.extend_from_slice(b"--\r\n");

        let mut scanner = Scanner::new(&boundary).unwrap();
        let mut found: Vec<(String, Vec<u8>)> = Vec::new();
        for piece in chance.cut(&body) {
            let mut rest = piece;
            loop {
                let (taken, event) = scanner.scan(rest).unwrap_or_else(|error| panic!("{error}"));
                rest = &rest[taken..];
                match event {
                    Event::Part(head) => found.push((head.name, Vec::new())),
                    Event::Data(data) => found.last_mut().unwrap().1.extend_from_slice(data),
                    Event::PartEnd => {}
                    Event::NeedMore => break,
                }
            }
        }
        scanner.finish().unwrap_or_else(|error| panic!("{error}: {}", body.escape_ascii()));
        assert_eq!(found, parts, "{}", body.escape_ascii());
    });
}

#[test]
fn a_range_is_what_its_positions_say() {
    let sizes = [0, 1, 2, 9, 10, 11, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
    seeds(0..5000, |chance| {
        let mut number =
            || if chance.within(0..2) == 0 { *chance.one_of(&sizes) } else { chance.next() % 100 };
        let (first, last, length) = (number(), number(), number());
        let within = |first: u64, last: u64| {
            if first < length { Ranged::Part(first..last.min(length - 1) + 1) } else { Ranged::Unsatisfiable }
        };
        let from_to = if first > last { Ranged::Whole } else { within(first, last) };
        assert_eq!(ranged(format!("bytes={first}-{last}").as_bytes(), length), from_to);
        assert_eq!(ranged(format!("bytes={first}-").as_bytes(), length), within(first, u64::MAX));
        let suffix = match (first, length) {
            (0, _) => Ranged::Unsatisfiable,
            (_, 0) => Ranged::Whole,
            _ => Ranged::Part(length - first.min(length)..length),
        };
        assert_eq!(ranged(format!("bytes=-{first}").as_bytes(), length), suffix);
        assert_eq!(ranged(format!("bytes={first}-{last},0-0").as_bytes(), length), Ranged::Whole);
    });
}

/// After any sequence of charging, placing, returning and dropping, the gate's counts are the sums over the live
/// leases and never exceed the limit, and refused requests have taken nothing.
#[test]
fn the_gate_counts_what_its_leases_hold() {
    seeds(0..1000, |chance| {
        let (places_max, bytes_max) = (chance.within(1..6), chance.within(1..1000) as u64);
        let admission = Admission::new(places_max, bytes_max, 1);
        let mut reservations: Vec<(Reservation, u64, bool)> = Vec::new();
        for _ in 0..200 {
            let amount = chance.next() % (bytes_max + 10);
            let held: u64 = reservations.iter().map(|(_, bytes, _)| bytes).sum();
            let placed = reservations.iter().filter(|(_, _, placed)| *placed).count();
            let which = chance.within(0..reservations.len() + 1);
            let room = bytes_max - held;
            match (chance.within(0..6), reservations.get_mut(which)) {
                (_, None) => reservations.push((admission.reservation(), 0, false)),
                (0, Some((reservation, bytes, _))) => {
                    let fits = amount <= room;
                    assert_eq!(reservation.charge(amount).is_ok(), fits);
                    *bytes += if fits { amount } else { 0 };
                }
                (1, Some((reservation, bytes, is_placed @ false))) => {
                    let fits = placed < places_max && amount.saturating_sub(*bytes) <= room;
                    assert_eq!(reservation.admit(amount).is_ok(), fits);
                    if fits {
                        (*bytes, *is_placed) = ((*bytes).max(amount), true);
                    }
                }
                (2, Some((reservation, bytes, _))) => {
                    let fits = amount.saturating_sub(*bytes) <= room;
                    assert_eq!(reservation.reserve(amount).is_ok(), fits);
                    *bytes = if fits { (*bytes).max(amount) } else { *bytes };
                }
                (3, Some((reservation, bytes, _))) => {
                    reservation.shrink_to(amount);
                    *bytes = (*bytes).min(amount);
                }
                (4, Some((reservation, _, is_placed))) => {
                    reservation.release();
                    *is_placed = false;
                }
                (_, Some(_)) => drop(reservations.swap_remove(which)),
            }
            let held: u64 = reservations.iter().map(|(_, bytes, _)| bytes).sum();
            let placed = reservations.iter().filter(|(_, _, placed)| *placed).count();
            assert_eq!((admission.bytes(), admission.places()), (held, placed));
            assert!(reservations.iter().all(|(reservation, bytes, _)| reservation.bytes() == *bytes));
        }
        reservations.clear();
        assert_eq!((admission.bytes(), admission.places()), (0, 0));
    });
}
