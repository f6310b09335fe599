//! `meterbase openapi`

use crate::app;
use crate::cli::{Failure, print_json};

pub fn run() -> Result<(), Failure> {
    print_json(&app::document())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_document_is_that_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        let document = serde_json::to_string_pretty(&app::document()).unwrap() + "\n";
        assert!(committed == document, "write it anew: meterbase openapi > openapi/openapi.json");
    }
}
