use super::*;

/// Where the picture ends in `input`, offered in pieces of `step` bytes.
fn end(format: Format, input: &[u8], step: usize) -> Result<Option<usize>, Malformed> {
    let mut search = ImageEnd::new(format);
    for (n, piece) in input.chunks(step).enumerate() {
        if let Some(end) = search.push(piece)? {
            assert_eq!(search.push(b"more"), Ok(Some(0)));
            return Ok(Some(n * step + end));
        }
    }
    Ok(None)
}

/// The picture ends with its last byte, however it is cut and whatever follows; no beginning of it ends earlier.
#[track_caller]
fn ends(format: Format, picture: &[u8]) {
    let more = [picture, b"\xff\xd9;IEND\0\0\0\0 and more"].concat();
    for step in [1, 2, 3, 7, 64, more.len()] {
        assert_eq!(end(format, &more, step), Ok(Some(picture.len())), "{step} a time");
    }
    assert_eq!(end(format, picture, picture.len()), Ok(Some(picture.len())));
    for n in 0..picture.len() {
        assert_eq!(end(format, &picture[..n], n.max(1)), Ok(None), "{n} bytes");
    }
}

/// Only the connection's end will end it.
#[track_caller]
fn endless(format: Format, picture: &[u8]) {
    for step in [1, 5, picture.len()] {
        assert_eq!(end(format, &[picture, &[0; 100]].concat(), step), Ok(None));
    }
}

#[track_caller]
fn malformed(format: Format, picture: &[u8]) {
    for step in [1, picture.len()] {
        assert_eq!(end(format, picture, step), Err(Malformed), "{}", picture.escape_ascii());
    }
    // Later bytes are never taken for an end, however they are cut.
    let mut search = ImageEnd::new(format);
    let wrong = (0..picture.len()).find(|&at| search.push(&picture[at..=at]).is_err()).unwrap();
    for byte in [&picture[wrong + 1..], b"\0\0\0\0IEND\0CRC\xff\xd9", &[0; 100]].concat() {
        assert_eq!(search.push(&[byte]), Ok(None), "{}", picture.escape_ascii());
    }
}

#[test]
fn jpeg_ends_at_the_first_eoi_outside_of_segments() {
    ends(Format::Jpeg, b"\xff\xd8\xff\xd9");
    // An Exif thumbnail with an EOI of its own; stuffed bytes, restart markers, fill bytes; a second scan.
    ends(
        Format::Jpeg,
        b"\xff\xd8\xff\xe1\x00\x0bExif\0\xff\xd8\xff\xd9\xff\xff\xda\x00\x03\xd9ab\xff\x00c\xff\xd0\xff\xd7d\xff\x01\
          \xff\xff\xff\xda\x00\x02e\xff\xff\xd9",
    );
    ends(Format::Jpeg, b"\xff\xd8 garbage between segments \xff\xfe\x00\x04\xff\xd9\xff\xd9");
    malformed(Format::Jpeg, b"\xff\xd8\xff\xe0\x00\x01");
}

#[test]
fn png_ends_after_the_checksum_of_iend() {
    let signature = b"\x89PNG\r\n\x1a\n";
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        [&u32::try_from(data.len()).unwrap().to_be_bytes(), &kind[..], data, b"\0CRC"].concat()
    };
    let idat = chunk(b"IDAT", b"....\0\0\0\0IEND.IEND");
    ends(
        Format::Png,
        &[&signature[..], &chunk(b"IHDR", &[0; 13]), &idat, &idat, &chunk(b"IEND", b"")].concat(),
    );
    ends(Format::Png, &[&signature[..], &chunk(b"IEND", b"not empty")].concat());
    malformed(Format::Png, &[&signature[..], b"\x80\0\0\0IDAT"].concat());
}

#[test]
fn gif_ends_at_the_trailer() {
    let screen = b"GIF89a\x01\0\x01\0\x00\0\0";
    let with_table = [b"GIF89a\x01\0\x01\0\x81\0\0", &[b';'; 12][..]].concat();
    let image = b",\0\0\0\0\x01\0\x01\0\x00\x02\x02\x44\x01\x01;\0";
    let image_with_table = [b",\0\0\0\0\x01\0\x01\0\x80", &b";!,;;;"[..], b"\x02\x03;;;\0"].concat();
    let extension = b"!\xf9\x04\x01\x0a\x00\x00\x00";
    let comment = b"!\xfe\x03;;;\x01;\0";
    ends(Format::Gif, &[&screen[..], b";"].concat());
    ends(Format::Gif, &[&screen[..], image, b";"].concat());
    ends(
        Format::Gif,
        &[&with_table[..], extension, &image_with_table, comment, b"\0\0", extension, image, b";"].concat(),
    );
    // A block that does not exist: what came before may be a whole picture.
    endless(Format::Gif, &[&screen[..], image, b"?", b";"].concat());
}

#[test]
fn webp_ends_with_its_riff_and_the_pad_byte() {
    let riff =
        |size: u32, data: usize| [b"RIFF", &size.to_le_bytes()[..], b"WEBP", &vec![b'x'; data]].concat();
    ends(Format::WebP, &riff(30, 26));
    ends(Format::WebP, &riff(31, 28));
    malformed(Format::WebP, &riff(11, 0));
    assert_eq!(end(Format::WebP, &riff(u32::MAX, 1000), 100), Ok(None));
}

/// A bitmap: where its rows begin, a DIB header of this size, width, height, bits, compression, image size, rows.
fn bitmap(
    offset: u32,
    dib: u32,
    width: i32,
    height: i32,
    bits: u16,
    coding: (u32, u32),
    rows: usize,
) -> Vec<u8> {
    let mut bytes = b"BM\xde\xad\xbe\xef\0\0\0\0".to_vec();
    bytes.extend(offset.to_le_bytes());
    bytes.extend(dib.to_le_bytes());
    if dib == 12 {
        bytes.extend(u16::try_from(width).unwrap().to_le_bytes());
        bytes.extend(u16::try_from(height).unwrap().to_le_bytes());
    } else {
        bytes.extend(width.to_le_bytes());
        bytes.extend(height.to_le_bytes());
    }
    bytes.extend([1, 0]);
    bytes.extend(bits.to_le_bytes());
    if dib > 16 {
        bytes.extend(coding.0.to_le_bytes());
        bytes.extend(coding.1.to_le_bytes());
    }
    bytes.resize(bytes.len().max(offset as usize), 0);
    bytes.resize(offset as usize + rows, 0xee);
    bytes
}

#[test]
fn bmp_ends_with_its_rows_whatever_its_file_size_says() {
    ends(Format::Bmp, &bitmap(54, 40, 3, 2, 24, (0, 0), 24));
    ends(Format::Bmp, &bitmap(54, 40, 3, -2, 32, (3, 0), 24));
    ends(Format::Bmp, &bitmap(1078, 40, 5, 4, 8, (0, 0), 32));
    ends(Format::Bmp, &bitmap(62, 108, 33, 1, 1, (0, 0), 8));
    ends(Format::Bmp, &bitmap(26, 12, 1, 1, 24, (0, 0), 4));
    ends(Format::Bmp, &bitmap(30, 16, 1, 1, 24, (0, 0), 4));
    ends(Format::Bmp, &bitmap(138, 124, 9, 1, 8, (1, 13), 13));
    endless(Format::Bmp, &bitmap(54, 40, 9, 9, 8, (1, 0), 13));
    endless(Format::Bmp, &bitmap(20, 40, 1, 1, 24, (0, 0), 50));
    malformed(Format::Bmp, &bitmap(54, 40, 0, 1, 24, (0, 0), 0));
    malformed(Format::Bmp, &bitmap(54, 40, 1, 0, 24, (0, 0), 0));
    malformed(Format::Bmp, &bitmap(54, 40, -1, 1, 24, (0, 0), 0));
    malformed(Format::Bmp, &bitmap(54, 40, i32::MAX, i32::MIN, u16::MAX, (0, 0), 0));
    let mut far = bitmap(54, 40, 1, 1, 24, (1, u32::MAX), 100);
    far[10..14].fill(0xff);
    assert_eq!(end(Format::Bmp, &far, 100), Ok(None));
}

#[test]
fn binary_netpbm_ends_with_its_raster() {
    ends(Format::Pnm, b"P5\n3 2\n255\n123456");
    ends(Format::Pnm, b"P5 3 2 256 112233445566");
    ends(Format::Pnm, b"P6\n2 1\n255\nrgbrgb");
    ends(Format::Pnm, b"P6\n1 1\n65535\nrrggbb");
    ends(Format::Pnm, b"P4\n9 2\nabcd");
    ends(Format::Pnm, b"P5#made by\n#somebody 9 9\n 3\t2 #x\r\n255\n\n\n#456");
    ends(
        Format::Pnm,
        b"P7\nWIDTH 2\n# comment\nHEIGHT 1\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\nagag",
    );
    ends(Format::Pnm, b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 999\nENDHDR\ngg");
    ends(Format::Pnm, b"P5\x0b3 2\x0c255\x0b123456");
    ends(Format::Pnm, b"P7\r\nDEPTH\t2\r\nHEIGHT  1\nWIDTHS 9\n WIDTH 3\nMAXVAL 1\n ENDHDR \nagagag");
    endless(Format::Pnm, b"P1\n3 2\n101 010\n");
    endless(Format::Pnm, b"P2\n3 2\n255\n1 2 3 4 5 6\n");
    endless(Format::Pnm, b"P3\n1 1\n255\n1 2 3\n");
    endless(Format::Pnm, &[b"P7\n", &b"TUPLTYPE RGB\n".repeat(100)[..]].concat());
    for broken in
        ["P5\n0 2\n255\n", "P5\n3 0\n255\n", "P5\n-3 2\n255\n", "P5\n3 x\n255\n", "P6\n1234567 1\n255\n"]
    {
        malformed(Format::Pnm, broken.as_bytes());
    }
    malformed(Format::Pnm, b"P7\nWIDTH 2\nHEIGHT 1\nMAXVAL 255\nENDHDR\n");
}

#[test]
fn tiff_never_ends() {
    endless(Format::Tiff, b"II*\0\x08\0\0\0");
}
