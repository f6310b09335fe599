//! The committed OpenAPI document is good enough to work from. That it is the code's is tested beside the command.

use std::collections::HashSet;

use serde_json::Value;

const COMMITTED: &str = include_str!("../openapi/openapi.json");

#[test]
fn every_operation_says_what_it_does_and_what_its_parameters_mean() {
    let document: Value = serde_json::from_str(COMMITTED).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut ids = HashSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let what = format!("{method} {path}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{what} has another one's id");
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{what} has no summary");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(
                    parameter["description"].as_str().is_some(),
                    "{what}: {} has no description",
                    parameter["name"]
                );
            }
            let good = operation["responses"].as_object().unwrap().iter().find(|(status, _)| status.starts_with('2'));
            assert!(good.is_some_and(|(_, answer)| answer["description"].is_string()), "{what} has no good answer");
            if let Some(content) = operation["requestBody"]["content"].as_object() {
                assert!(!content.is_empty(), "{what} has a body of no format");
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document: Value = serde_json::from_str(COMMITTED).unwrap();
    let mut open = vec![&document];
    while let Some(value) = open.pop() {
        if let Some(reference) = value["$ref"].as_str() {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
        open.extend(value.as_object().into_iter().flat_map(|object| object.values()));
        open.extend(value.as_array().into_iter().flatten());
    }
}
