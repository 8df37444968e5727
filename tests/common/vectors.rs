//! The vectors of `protocol.md`: parses blocks of lines that begin with a mark, and their escapes.

/// The project's protocols.
pub(crate) const PROTOCOL: &str = include_str!("../../protocol.md");

/// The blocks with this opening fence: the number of that line in `protocol.md`, and their lines.
pub(crate) fn blocks(fence: &str) -> Vec<(usize, Vec<&'static str>)> {
    let mut lines = PROTOCOL.lines().enumerate();
    let mut blocks = Vec::new();
    while let Some((number, _)) = lines.find(|(_, line)| *line == fence) {
        let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
        blocks.push((number + 1, inside.collect()));
    }
    blocks
}

/// Appends the bytes that a line's text stands for: `\n`, `\\`, `\xHH`; `{n}` repeats the byte before it.
pub(crate) fn unescape(text: &str, bytes: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'\\', [b'n', tail @ ..]) => {
                bytes.push(b'\n');
                tail
            }
            (b'\\', [b'\\', tail @ ..]) => {
                bytes.push(b'\\');
                tail
            }
            (b'\\', [b'x', high, low, tail @ ..]) => {
                let digits = [*high, *low];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                tail
            }
            (b'{', tail) => {
                let end = tail.iter().position(|&byte| byte == b'}').expect("a closing brace");
                let count: usize = std::str::from_utf8(&tail[..end]).unwrap().parse().unwrap();
                let last = *bytes.last().expect("a byte to repeat");
                bytes.extend(std::iter::repeat_n(last, count - 1));
                &tail[end + 1..]
            }
            (byte, tail) => {
                bytes.push(*byte);
                tail
            }
        };
    }
}
