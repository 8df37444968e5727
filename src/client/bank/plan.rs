//! Which names of a folder are to be sent: pure. Names in, questions for the server and the meaning of its answers out.
//!
//! Rules: the server is asked about many names at once, in batches bounded by count and by bytes; its answer counts
//! only for names that it was asked about.
use std::collections::HashSet;
use std::iter;

use serde_json::{Value, json};

/// Most names in one question.
const NAMES_MAX: usize = 1000;
/// Most bytes of one question's names, as JSON: a thousand long names in a script that JSON escapes would be 1.5 MiB.
const BYTES_MAX: usize = 512 << 10;

/// Names, divided by the server's answer; in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) missing: Vec<String>,
    pub(super) stored: Vec<String>,
}

impl Plan {
    /// Adds a batch and the answer about it; false if that is no answer.
    pub(super) fn add(&mut self, batch: &[String], answer: &Value) -> bool {
        let names = |answer: &Value| -> Option<HashSet<String>> {
            let names = answer.get("faltantes")?.as_array()?.iter();
            names.map(|name| Some(name.as_str()?.to_owned())).collect()
        };
        let Some(missing) = names(answer) else { return false };
        for name in batch {
            let side = if missing.contains(name) { &mut self.missing } else { &mut self.stored };
            side.push(name.clone());
        }
        true
    }
}

/// The names in batches, each for one question.
pub(super) fn batches(names: &[String]) -> impl Iterator<Item = &[String]> {
    let mut rest = names;
    iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |name: &&String| {
            bytes += length_as_json(name);
            bytes <= BYTES_MAX
        };
        // A name has 255 bytes at most, so the first one always fits.
        let count = rest.iter().take(NAMES_MAX).take_while(fits).count();
        let (batch, later) = rest.split_at(count);
        rest = later;
        (!batch.is_empty()).then_some(batch)
    })
}

pub(super) fn question(batch: &[String]) -> Vec<u8> {
    json!({ "nombres": batch }).to_string().into_bytes()
}

/// Quotes, escapes and a comma included.
fn length_as_json(name: &str) -> usize {
    Value::from(name).to_string().len() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
        names.into_iter().map(Into::into).collect()
    }

    #[test]
    fn batches_are_bounded_by_count_and_lose_nothing() {
        for count in [0, 1, NAMES_MAX, NAMES_MAX + 1, 2500] {
            let all = names((0..count).map(|n| format!("{n}.jpg")));
            let lengths: Vec<_> = batches(&all).map(<[String]>::len).collect();
            assert_eq!(lengths.len(), count.div_ceil(NAMES_MAX));
            assert!(lengths.iter().all(|&length| length <= NAMES_MAX));
            assert_eq!(batches(&all).flatten().collect::<Vec<_>>(), all.iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn batches_are_bounded_by_bytes() {
        // The longest names there are, of characters that JSON writes in six bytes.
        let all = names((0..NAMES_MAX).map(|_| "\u{1}".repeat(255)));
        let questions: Vec<_> = batches(&all).map(question).collect();
        assert_eq!(questions.len(), 3);
        assert!(questions.iter().all(|question| question.len() <= BYTES_MAX + 20));
        assert_eq!(batches(&all).map(<[String]>::len).sum::<usize>(), NAMES_MAX);
    }

    #[test]
    fn a_question_is_json() {
        let question = String::from_utf8(question(&names(["a\"b", "ñ"]))).unwrap();
        assert_eq!(question, r#"{"nombres":["a\"b","ñ"]}"#);
    }

    #[test]
    fn answers_divide_the_batch_and_nothing_else() {
        let mut plan = Plan::default();
        assert!(plan.add(&names(["a", "b", "c"]), &json!({"faltantes": ["c", "a", "../x"]})));
        assert!(plan.add(&names(["d", "e"]), &json!({"faltantes": []})));
        let expected = Plan { missing: names(["a", "c"]), stored: names(["b", "d", "e"]) };
        assert_eq!(plan, expected);
        for answer in [json!([]), json!({}), json!({"faltantes": "a"}), json!({"faltantes": [1]})] {
            assert!(!plan.add(&names(["f"]), &answer), "{answer}");
        }
        assert_eq!(plan, expected);
    }
}
