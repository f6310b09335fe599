//! The command line. See `meterbase --help`.

/// Decoding, answering and COPY allocate much that is small and soon gone, on all threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    meterbase::cli::main()
}
