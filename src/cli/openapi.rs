//! `meterbase openapi`

use crate::app;
use crate::cli::{Failure, print_json};

pub fn run() -> Result<(), Failure> {
    print_json(&app::document())
}
