//! Values against schemas of docs/openapi.json (JSON Schema 2020-12).
//!
//! Only the keywords that the document uses; another one is a fault, so that a new one is not passed over. `format`,
//! `contentEncoding` and `contentMediaType` are annotations here; openapi.py checks the formats.
use std::collections::BTreeSet;

use regex_lite::Regex;
use serde_json::Value;

/// Follows `$ref` to what it names in the document.
pub(crate) fn resolve<'a>(document: &'a Value, mut part: &'a Value) -> &'a Value {
    while let Some(reference) = part.get("$ref") {
        let pointer = reference.as_str().and_then(|text| text.strip_prefix('#'));
        part = pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or_else(|| panic!("{reference}"));
    }
    part
}

/// What of `value` the schema refuses; `at` says where the value is.
pub(crate) fn faults(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (keyword, told) in schema.as_object().expect("a schema") {
        let refused = match (&**keyword, value) {
            ("description" | "default" | "format" | "contentEncoding" | "contentMediaType", _) => false,
            ("$ref", _) => {
                faults.extend(self::faults(document, resolve(document, schema), value, at));
                false
            }
            ("allOf", _) => {
                for part in told.as_array().unwrap() {
                    faults.extend(self::faults(document, part, value, at));
                }
                false
            }
            ("type", _) => match told {
                Value::Array(types) => !types.iter().any(|one| has_type(value, one)),
                one => !has_type(value, one),
            },
            ("const", _) => value != told,
            ("enum", _) => !told.as_array().unwrap().contains(value),
            ("minimum", Value::Number(number)) => number.as_f64() < told.as_f64(),
            ("maximum", Value::Number(number)) => number.as_f64() > told.as_f64(),
            ("pattern", Value::String(text)) => !Regex::new(told.as_str().unwrap()).unwrap().is_match(text),
            ("minLength", Value::String(text)) => (text.chars().count() as u64) < told.as_u64().unwrap(),
            ("maxLength", Value::String(text)) => text.chars().count() as u64 > told.as_u64().unwrap(),
            ("minItems", Value::Array(items)) => (items.len() as u64) < told.as_u64().unwrap(),
            ("maxItems", Value::Array(items)) => items.len() as u64 > told.as_u64().unwrap(),
            ("items", Value::Array(items)) => {
                for (number, item) in items.iter().enumerate() {
                    faults.extend(self::faults(document, told, item, &format!("{at}/{number}")));
                }
                false
            }
            ("required", Value::Object(members)) => {
                told.as_array().unwrap().iter().any(|name| !members.contains_key(name.as_str().unwrap()))
            }
            ("properties", Value::Object(members)) => {
                for (name, schema) in told.as_object().unwrap() {
                    if let Some(member) = members.get(name) {
                        faults.extend(self::faults(document, schema, member, &format!("{at}/{name}")));
                    }
                }
                false
            }
            ("additionalProperties", Value::Object(members)) => {
                let described = schema.get("properties").and_then(Value::as_object);
                let others =
                    members.iter().filter(|(name, _)| !described.is_some_and(|all| all.contains_key(*name)));
                match told {
                    Value::Bool(allowed) => !allowed && others.count() > 0,
                    schema => {
                        for (name, member) in others {
                            faults.extend(self::faults(document, schema, member, &format!("{at}/{name}")));
                        }
                        false
                    }
                }
            }
            ("unevaluatedProperties", Value::Object(members)) => {
                assert_eq!(*told, false, "a schema there is not read by this test");
                let described = properties(document, schema);
                members.keys().any(|name| !described.contains(&**name))
            }
            // These say nothing of a value of another type.
            ("minimum" | "maximum" | "pattern" | "minLength" | "maxLength" | "minItems" | "maxItems", _)
            | ("items", _)
            | ("required" | "properties" | "additionalProperties" | "unevaluatedProperties", _) => false,
            _ => true,
        };
        if refused {
            faults.push(format!("{at}: {keyword} {told}, but {}", excerpt(&value.to_string())));
        }
    }
    faults
}

fn has_type(value: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("type {other}"),
    }
}

/// The members that a schema describes, by itself or by the schemas it takes in.
fn properties<'a>(document: &'a Value, schema: &'a Value) -> BTreeSet<&'a str> {
    let own = schema.get("properties").and_then(Value::as_object).into_iter().flat_map(|all| all.keys());
    let mut names: BTreeSet<_> = own.map(String::as_str).collect();
    let all_of = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
    for part in all_of.chain(schema.get("$ref").map(|_| schema)) {
        names.extend(properties(document, resolve(document, part)));
    }
    names
}

pub(crate) fn excerpt(text: &str) -> String {
    text.chars().take(200).collect()
}
