//! The command line. See `meterbase --help`.

fn main() -> std::process::ExitCode {
    meterbase::cli::main()
}
