//! The command line. See `meterbase --help`.

fn main() {}
