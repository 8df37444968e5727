//! Invariant: field values stay within bounds: a range within the file, a path below its directory, a preference
//! within its limits, and only what the field names is acceptable.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tp2::http::format::Format;
use tp2::http::head::Method;
use tp2::http::path::beneath;
use tp2::http::prefer::Preferences;
use tp2::http::range::{Ranged, ranged};
use tp2::http::route::{Absent, Route, route, route_of_links};
use tp2::http::{accept, param};

fuzz_target!(|data: &[u8]| {
    let Some(([choice, number], value)) = data.split_first_chunk() else { return };
    match choice % 6 {
        0 => {
            let length = u64::from(*number) << (number % 57);
            if let Ranged::Part(part) = ranged(value, length) {
                assert!(part.start < part.end && part.end <= length);
                assert!(value.to_ascii_lowercase().starts_with(b"bytes"));
            }
        }
        1 => {
            if let Some(path) = beneath(value) {
                assert!(path.len() < value.len());
                assert!(path.split(|byte| *byte == b'/').all(|name| !matches!(name, b"" | b"." | b"..")));
                assert!(!path.iter().any(|byte| matches!(byte, b'\\' | 0)));
            }
        }
        2 => {
            let input = Format::ALL[usize::from(*number) % Format::ALL.len()];
            let chosen = accept::choose(value, input);
            assert!(chosen.is_some() || !value.trim_ascii().is_empty());
            // Of equally specific ranges the best counts, so an earlier one can't revoke this.
            assert!(accept::choose(&[value, b",image/png;q=1"].concat(), input).is_some());
            let _ = (accept::is_browser(value), accept::prefers_picture(value));
        }
        3 => {
            let preferences = Preferences::read(value);
            assert!(value.len() >= "wait=1".len() || preferences == Preferences::default());
        }
        4 => {
            let (first, parameters) = param::split(value);
            let mut length = first.len();
            for parameter in parameters {
                let Ok((name, value)) = parameter else { break };
                length += name.len() + value.len();
            }
            assert!(length <= value.len());
        }
        _ => {
            let files = number % 2 == 0;
            for method in
                [Method::Get, Method::Head, Method::Post, Method::Put, Method::Delete, Method::Options]
            {
                let name = method.as_str();
                if value == b"*" && name != "OPTIONS" {
                    // No head has this.
                    continue;
                }
                for found in [route(&method, value, files), route_of_links(&method, value)] {
                    match found {
                        Ok(Route::Options { allow }) => assert!(allow.contains(name) && name == "OPTIONS"),
                        Err(Absent::MethodNotAllowed { allow }) => {
                            assert!(!allow.split(", ").any(|allowed| allowed == name));
                        }
                        Ok(_) => assert_ne!(name, "OPTIONS"),
                        Err(Absent::Nameless) => assert_eq!(name, "DELETE"),
                        Err(Absent::NotFound) => {}
                    }
                }
            }
        }
    }
});
