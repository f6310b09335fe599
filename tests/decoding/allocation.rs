//! How much memory decoding takes, byte for byte.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use meterbase::core::reading::{self, Format, Item, Unreadable};
use meterbase::ingest::decode::{Encoding, decode};

/// The system's allocator, which counts what each thread takes.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    static TAKEN: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    let taken = TAKEN.get() + bytes;
    TAKEN.set(taken);
    MOST.set(MOST.get().max(taken));
}

// SAFETY: all is left to the system's allocator; counting allocates nothing.
#[expect(unsafe_code, reason = "an allocator cannot be written otherwise")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // While a block is moved there are both.
        count(size.cast_signed());
        count(-layout.size().cast_signed());
        unsafe { System.realloc(block, layout, size) }
    }
}

/// The most that was taken at once by what is done, in bytes.
fn most<T>(done: impl FnOnce() -> T) -> (T, usize) {
    let before = TAKEN.get();
    MOST.set(before);
    let result = done();
    (result, (MOST.get() - before).unsigned_abs())
}

/// Reads a body, which takes no more than it asks room for, three times the body's length, and its list of items.
pub fn read(body: &[u8], format: Format) -> Result<Vec<Item>, Unreadable> {
    let now = chrono::DateTime::from_timestamp(1_795_243_200, 0).expect("a time");
    let mut room = 0;
    let mut ask = |more| {
        room += more;
        true
    };
    let (read, taken) = most(|| reading::parse_within(body, format, now, &mut ask));
    let list = size_of::<Item>() * (3 * reading::MAX_READINGS.min(body.len()));
    let most = room + 3 * body.len() + list + 64 * 1024;
    assert!(taken <= most, "{taken} bytes were taken for a body of {}, {room} asked for", body.len());
    read
}

/// Decodes as much as the limit, which takes no more than room for that twice, while it is moved to a larger place.
fn decode_within(sent: &[u8], encoding: Encoding) {
    const LIMIT: usize = 256 * 1024;
    let (decoded, taken) = most(|| decode(sent, encoding, LIMIT, |_| true));
    assert!(decoded.is_err() || decoded.is_ok_and(|decoded| decoded.len() <= LIMIT));
    assert!(taken <= 2 * LIMIT + 256 * 1024, "{taken} bytes were taken for {LIMIT}");
}

/// Panics where a target takes more memory than it may.
pub fn check(target: &str, bytes: &[u8]) {
    match target {
        "json" => drop(read(bytes, Format::Json)),
        "ndjson" => drop(read(bytes, Format::NdJson)),
        "csv" => drop(read(bytes, Format::Csv)),
        "gzip" => decode_within(bytes, Encoding::Gzip),
        "zstd" => decode_within(bytes, Encoding::Zstd),
        _ => {}
    }
}
