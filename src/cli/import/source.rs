//! A file's lines in batches, read on a thread of their own.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::cli::import::mapping::{Header, Mapping};

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A header row, then one reading a line
    Csv,
    /// One JSON object a line
    Ndjson,
}

/// Lines that are sent together.
#[derive(Debug, Default)]
pub struct Batch {
    /// NDJSON.
    pub body: String,
    /// The file's line of each reading in the body, from 1.
    pub lines: Vec<u64>,
    /// Rows that are no readings.
    pub bad: Vec<Refused>,
    /// The last line that is in it.
    pub through: u64,
}

/// A row that is not in the figures.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Refused {
    pub line: u64,
    pub status: String,
    pub code: String,
    pub detail: String,
}

#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("{0}: {1}")]
    Read(PathBuf, io::Error),
    #[error("{0}: {1}")]
    Header(PathBuf, String),
    #[error("{0}: cannot tell whether it is CSV or NDJSON; say --format")]
    Format(PathBuf),
}

/// Longest line in bytes: a reading has less than one hundredth of that.
const MAX_LINE: u64 = 1024 * 1024;

/// Most bytes of a batch, a fourth of what the API takes.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// What to read, and how.
pub struct Source {
    /// `-` is standard input.
    pub path: PathBuf,
    pub format: Option<Format>,
    pub mapping: Mapping,
    /// Lines up to this one were sent before.
    pub skip: u64,
    /// Most readings of a batch.
    pub size: usize,
    /// How far the file is read, in bytes as they are on disk.
    pub position: Arc<AtomicU64>,
}

pub fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

impl Source {
    /// Sends batches until the file ends or nobody takes them any more.
    pub fn read(self, batches: &mpsc::Sender<Result<Batch, SourceError>>) {
        if let Err(error) = self.read_all(batches) {
            // Without a receiver there is nobody to tell.
            let _ = batches.blocking_send(Err(error));
        }
    }

    fn read_all(self, batches: &mpsc::Sender<Result<Batch, SourceError>>) -> Result<(), SourceError> {
        let failed = |error| SourceError::Read(self.path.clone(), error);
        let format = self.format()?;
        let mut lines = Lines { reader: self.open().map_err(failed)?, number: 0 };
        let (mut header, mut batch): (Option<Header>, Batch) = (None, Batch::default());
        while let Some(line) = lines.next().map_err(failed)? {
            let number = lines.number;
            let line = match line {
                Line::Text(line) if line.trim_ascii().is_empty() => continue,
                Line::Text(line) => Ok(line),
                Line::TooLong => Err(format!("longer than {MAX_LINE} bytes")),
                Line::NotUtf8 => Err("not valid UTF-8".to_owned()),
            };
            if format == Format::Csv && header.is_none() {
                let named = line.and_then(|line| self.mapping.header(&line));
                header = Some(named.map_err(|why| SourceError::Header(self.path.clone(), why))?);
                continue;
            }
            if number <= self.skip {
                continue;
            }
            batch.add(number, line, |line| match &header {
                Some(header) => self.mapping.csv_row(header, line),
                None => self.mapping.json_line(line),
            });
            let full = batch.lines.len() + batch.bad.len() >= self.size || batch.body.len() >= MAX_BODY;
            if full && batches.blocking_send(Ok(std::mem::take(&mut batch))).is_err() {
                return Ok(());
            }
        }
        if batch.through > 0 {
            let _ = batches.blocking_send(Ok(batch));
        }
        Ok(())
    }

    /// By the name, whatever it is compressed with.
    fn format(&self) -> Result<Format, SourceError> {
        let name = self.path.to_string_lossy().to_ascii_lowercase();
        let name = name.trim_end_matches(".gz").trim_end_matches(".zst");
        match self.format {
            Some(format) => Ok(format),
            None if name.ends_with(".csv") => Ok(Format::Csv),
            None if [".ndjson", ".jsonl"].iter().any(|ending| name.ends_with(ending)) => Ok(Format::Ndjson),
            None => Err(SourceError::Format(self.path.clone())),
        }
    }

    /// The file's text. What it is compressed with shows in its first bytes.
    fn open(&self) -> io::Result<Box<dyn BufRead>> {
        let file: Box<dyn Read> =
            if is_stdin(&self.path) { Box::new(io::stdin()) } else { Box::new(File::open(&self.path)?) };
        let mut file = BufReader::new(Counted { file, position: self.position.clone() });
        let start = file.fill_buf()?;
        if start.starts_with(&[0x1f, 0x8b]) {
            Ok(Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(file))))
        } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Ok(Box::new(BufReader::new(zstd::Decoder::with_buffer(file)?)))
        } else {
            Ok(Box::new(file))
        }
    }
}

impl Batch {
    fn add(
        &mut self,
        number: u64,
        line: Result<String, String>,
        reading: impl Fn(&str) -> Result<String, super::mapping::BadRow>,
    ) {
        self.through = number;
        let mut refuse = |code: &str, detail: String| {
            self.bad.push(Refused { line: number, status: "rejected".to_owned(), code: code.to_owned(), detail });
        };
        match line {
            Err(why) => refuse("invalid_row", why),
            Ok(line) => match reading(&line) {
                Err(why) => refuse(why.code, why.detail),
                Ok(reading) => {
                    self.body.push_str(&reading);
                    self.body.push('\n');
                    self.lines.push(number);
                }
            },
        }
    }
}

/// Lines with their numbers.
struct Lines<R> {
    reader: R,
    number: u64,
}

enum Line {
    Text(String),
    TooLong,
    NotUtf8,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> io::Result<Option<Line>> {
        let mut line = Vec::new();
        if self.reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if !line.ends_with(b"\n") && line.len() as u64 == MAX_LINE {
            self.reader.skip_until(b'\n')?;
            return Ok(Some(Line::TooLong));
        }
        let line = String::from_utf8(line).map(|line| line.trim_end_matches(['\n', '\r']).to_owned());
        let line = if self.number == 1 { line.map(|l| l.trim_start_matches('\u{feff}').to_owned()) } else { line };
        Ok(Some(line.map_or(Line::NotUtf8, Line::Text)))
    }
}

/// Counts the bytes that were read.
struct Counted {
    file: Box<dyn Read>,
    position: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.position.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<Option<String>> {
        let mut lines = Lines { reader: text, number: 0 };
        let next = || lines.next().unwrap();
        let text = |line| match line {
            Line::Text(text) => Some(text),
            Line::TooLong | Line::NotUtf8 => None,
        };
        std::iter::from_fn(next).map(text).collect()
    }

    #[test]
    fn lines_end_in_any_way_and_a_bad_one_spoils_no_other() {
        assert_eq!(lines("\u{feff}a\r\nb\n\nc".as_bytes()), ["a", "b", "", "c"].map(|l| Some(l.to_owned())));
        assert_eq!(lines(b"a\n\xff\nb\n"), [Some("a".to_owned()), None, Some("b".to_owned())]);
        let long = [vec![b'x'; MAX_LINE as usize + 5], b"\nb".to_vec()].concat();
        assert_eq!(lines(&long), [None, Some("b".to_owned())]);
    }
}
