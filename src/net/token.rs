//! The token that epoll keeps for an event: its owner.
use mio::Token;

use crate::model::key::Key;
use crate::work::source::Source;

impl Source {
    /// Kind in the top byte, key below.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "usize has 64 bits wherever this runs")]
    pub fn token(self) -> Token {
        const { assert!(usize::BITS == 64) };
        let number = |index| Key { index, generation: 0 };
        let (kind, key) = match self {
            Self::Waker => (0, number(0)),
            Self::Signals => (1, number(0)),
            Self::Listener(index) => (2, number(index)),
            Self::Client(key) => (3, key),
            Self::Upstream(key) => (4, key),
            Self::Run(key) => (5, key),
            Self::Scaler => (6, number(0)),
            Self::ScalerLog => (7, number(0)),
            Self::Tasks => (8, number(0)),
            Self::Maintenance => (9, number(0)),
        };
        Token((kind << 56 | key.to_u64()) as usize)
    }

    /// The inverse of [`Source::token`]; None for an unknown token.
    #[must_use]
    pub fn from_token(token: Token) -> Option<Self> {
        let word = token.0 as u64;
        let key = Key::from_u64(word);
        Some(match word >> 56 {
            0 => Self::Waker,
            1 => Self::Signals,
            2 => Self::Listener(key.index),
            3 => Self::Client(key),
            4 => Self::Upstream(key),
            5 => Self::Run(key),
            6 => Self::Scaler,
            7 => Self::ScalerLog,
            8 => Self::Tasks,
            9 => Self::Maintenance,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::model::key::Key;
    use crate::work::source::Source;
    use mio::Token;

    #[test]
    fn survives_the_cookie() {
        let key = Key { index: Key::INDEX_MAX, generation: u32::MAX };
        for source in [
            Source::Waker,
            Source::Signals,
            Source::Listener(7),
            Source::Client(key),
            Source::Upstream(key),
            Source::Run(key),
            Source::Scaler,
            Source::ScalerLog,
            Source::Tasks,
            Source::Maintenance,
        ] {
            assert_eq!(Source::from_token(source.token()), Some(source));
        }
        assert_eq!(Source::from_token(Token(usize::MAX)), None);
    }
}
