use std::io::Write;
use std::sync::{LazyLock, Mutex};
use std::time::Instant;
static T: LazyLock<(Instant, Mutex<std::io::BufWriter<std::fs::File>>)> = LazyLock::new(|| {
    (Instant::now(), Mutex::new(std::io::BufWriter::with_capacity(1 << 16, std::fs::File::create(format!("/tmp/tl.{}", std::process::id())).unwrap())))
});
pub fn tl(what: &str, id: u64) {
    let t = &*T;
    let now = t.0.elapsed().as_micros();
    let _ = writeln!(t.1.lock().unwrap(), "{now} {id} {what}");
}
pub static N: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
pub fn next() -> u64 { N.fetch_add(1, std::sync::atomic::Ordering::Relaxed) }
tokio::task_local! { pub static ID: u64; }
pub fn t(what: &str) { let _ = ID.try_with(|id| tl(what, *id)); }
