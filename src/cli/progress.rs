//! Progress of long work on standard error: a bar for people, a line now and then for logs.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::say;

/// A bar or lines; it ends when it is dropped.
pub struct Progress {
    bar: ProgressBar,
    what: &'static str,
    /// When the last line was written; none where there is a bar.
    last_line: Option<Mutex<Instant>>,
}

/// Time between two lines.
const EVERY: Duration = Duration::from_secs(10);

impl Progress {
    /// `total` in the unit of `what`; 0 where it is not known.
    pub fn new(what: &'static str, total: u64, style: Unit) -> Self {
        if !std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden()).with_message(what);
            return Self { bar, what, last_line: Some(Mutex::new(Instant::now())) };
        }
        let template = match (style, total) {
            (_, 0) => "{msg} {spinner} {elapsed}",
            (Unit::Number, _) => "{msg} {bar:30} {human_pos} of {human_len}, {per_sec}, {eta} left",
            (Unit::Bytes, _) => "{msg} {bar:30} {bytes} of {total_bytes}, {eta} left",
        };
        let bar = ProgressBar::new(total).with_message(what);
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, what, last_line: None }
    }

    pub fn at(&self, position: u64) {
        self.bar.set_position(position);
        let Some(Ok(mut last)) = self.last_line.as_ref().map(Mutex::lock) else { return };
        if last.elapsed() >= EVERY {
            *last = Instant::now();
            match self.bar.length() {
                Some(total) if total > 0 => say(&format!("{}: {position} of {total}", self.bar.message())),
                _ => say(&format!("{}: {position}", self.bar.message())),
            }
        }
    }

    /// Shows where the work is, beside the bar or in the next line.
    pub fn note(&self, place: &str) {
        self.bar.set_message(format!("{} (at {place})", self.what));
    }

    /// Writes a line without tearing the bar.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| say(line));
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Number,
    Bytes,
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
