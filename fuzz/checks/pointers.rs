//! JSON pointers: the first line is the pointer, the rest the text; what is found is what serde_json finds.

use meterbase::core::pointer::{self, Lost, Pointer};
use serde_json::Value;

pub fn check(input: &str) {
    let (name, json) = input.split_once('\n').unwrap_or((input, ""));
    let parsed: Result<Value, _> = serde_json::from_str(json);
    if parsed.is_ok() {
        assert_eq!(pointer::check(json), Ok(()));
    }
    if pointer::check(json).is_err() {
        return;
    }
    check_elements(json, parsed.as_ref().ok());
    let Ok(place) = name.parse::<Pointer>() else { return };
    assert_eq!(place.to_string().parse(), Ok(place.clone()));
    match place.find(json) {
        Ok(Some(found)) => {
            assert!(json.contains(found));
            if let Ok(value) = &parsed {
                assert_eq!(serde_json::from_str::<Value>(found).ok().as_ref(), value.pointer(&place.to_string()));
            }
        }
        // What is null is nothing.
        Ok(None) => {
            if let Ok(value) = &parsed {
                assert!(value.pointer(&place.to_string()).is_none_or(Value::is_null), "{place} of {json}");
            }
        }
        // Of two values with one name serde_json takes the last; and it has no text with half a character in it.
        Err(Lost::Twice(name)) => assert!(json.matches('"').count() >= 4 && !name.is_empty() || json.contains("\"\"")),
        Err(Lost::Json(why)) => assert!(parsed.is_err(), "{why}: {json}"),
    }
}

fn check_elements(json: &str, parsed: Option<&Value>) {
    let mut found = Vec::new();
    let is_array = pointer::elements(json, |element| {
        found.push(element);
        Ok::<(), ()>(())
    });
    if let Some(value) = parsed {
        assert_eq!(is_array, Ok(value.is_array()));
        let again: Vec<Value> = found.iter().map(|text| serde_json::from_str(text).expect("an element")).collect();
        assert!(value.as_array().is_none_or(|array| *array == again));
    }
}
