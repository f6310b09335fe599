//! Has the files of a cluster brought to disk as they grow.
//!
//! PostgreSQL makes a file longer by writing empty pages; since version 16 only where it needs few. The kernel keeps these
//! for half a minute (`vm.dirty_expire_centisecs`) and then writes all that the file has: where much is stored hundreds of
//! megabytes at once, and every commit of that moment waits for the disk behind them. Here the kernel is asked several times a second
//! to write what came to each file since; that is the same amount, and no commit notices.
//!
//! Nothing depends on it: what has to be on disk at a commit or a checkpoint, PostgreSQL brings there itself.

use std::collections::HashMap;
use std::fs::{File, read_dir};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

/// Between two passes over the files that grow.
const PAUSE: Duration = Duration::from_millis(250);

/// Between two looks at all files, at least; and as a multiple of what a look takes.
const REST: Duration = Duration::from_secs(5);
const REST_FACTOR: u32 = 100;

/// Passes after which a file that has not grown is left to the next look.
const PATIENCE: u32 = 40;

/// The files of the databases of a cluster.
#[derive(Debug)]
struct Files {
    /// The directory of the directories of databases.
    base: PathBuf,
    /// How long each was, in bytes, when it was last looked at or handed over.
    lengths: HashMap<PathBuf, u64>,
    /// Those that grow, with the number of passes since they did.
    growing: HashMap<PathBuf, u32>,
    /// When all are looked at again; none before the first time.
    next_look: Option<Instant>,
}

/// Follows the files of a cluster, whether or not it runs; never returns.
pub async fn follow(data: PathBuf) {
    let mut files = Files::of(data.join("base"));
    loop {
        tokio::time::sleep(PAUSE).await;
        let pass = tokio::task::spawn_blocking(move || {
            files.pass();
            files
        });
        match pass.await {
            Ok(same) => files = same,
            Err(error) => return tracing::error!(%error, "files are no longer brought to disk as they grow"),
        }
    }
}

impl Files {
    fn of(base: PathBuf) -> Self {
        Self { base, lengths: HashMap::new(), growing: HashMap::new(), next_look: None }
    }

    fn pass(&mut self) {
        let began = Instant::now();
        if self.next_look.is_none_or(|at| at <= began) {
            if let Err(error) = self.look() {
                tracing::debug!(%error, "the files of the cluster cannot be looked at");
            }
            self.next_look = Some(Instant::now() + REST.max(began.elapsed() * REST_FACTOR));
        }
        for (path, came) in self.grown() {
            if let Err(error) = hand_over(&path, &came) {
                tracing::debug!(%error, path = %path.display(), "a file could not be handed to the kernel");
            }
        }
    }

    /// Looks for files that are longer than they were, or new; at first only how long they are.
    fn look(&mut self) -> io::Result<()> {
        let is_first = self.next_look.is_none();
        let mut lengths = HashMap::with_capacity(self.lengths.len());
        for database in read_dir(&self.base)? {
            let database = database?;
            // What a statement has no memory for is soon gone again.
            if database.file_name().as_encoded_bytes().starts_with(b"pgsql_tmp") {
                continue;
            }
            for file in read_dir(database.path()).into_iter().flatten().flatten() {
                // It may go at any time.
                let (path, Ok(found)) = (file.path(), file.metadata()) else { continue };
                let known = self.lengths.get(&path).copied().unwrap_or(if is_first { found.len() } else { 0 });
                if known < found.len() {
                    self.growing.insert(path.clone(), 0);
                }
                lengths.insert(path, known.min(found.len()));
            }
        }
        self.lengths = lengths;
        Ok(())
    }

    /// What has come to the files that grow since the last time.
    fn grown(&mut self) -> Vec<(PathBuf, Range<u64>)> {
        let mut came = Vec::new();
        self.growing.retain(|path, passes| {
            let (Some(known), Ok(found)) = (self.lengths.get_mut(path), path.metadata()) else { return false };
            let before = std::mem::replace(known, found.len());
            if before < found.len() {
                came.push((path.clone(), before..found.len()));
                *passes = 0;
            } else {
                *passes += 1;
            }
            *passes < PATIENCE
        });
        came
    }
}

/// Has the kernel begin to write a part of a file, without waiting for it. That it may then forget these pages costs nothing:
/// PostgreSQL has them in its own memory.
fn hand_over(path: &Path, part: &Range<u64>) -> io::Result<()> {
    let file = File::open(path)?;
    let (from, length) = (part.start.cast_signed(), (part.end - part.start).cast_signed());
    Ok(posix_fadvise(&file, from, length, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn append(path: &Path, bytes: usize) {
        let mut file = File::options().create(true).append(true).open(path).unwrap();
        file.write_all(&vec![7; bytes]).unwrap();
    }

    /// A cluster with a file of 100 bytes, which was looked at.
    fn cluster() -> (tempfile::TempDir, PathBuf, Files) {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("5");
        std::fs::create_dir(&database).unwrap();
        append(&database.join("16384"), 100);
        let mut files = Files::of(directory.path().to_owned());
        files.pass();
        (directory, database, files)
    }

    #[test]
    fn what_comes_to_a_file_is_handed_over_once() {
        let (_directory, database, mut files) = cluster();
        let file = database.join("16384");
        assert_eq!(files.grown(), []);
        append(&file, 30);
        files.look().unwrap();
        assert_eq!(files.grown(), [(file.clone(), 100..130)]);
        assert_eq!(files.grown(), []);
        // From then on it is one of those that grow.
        append(&file, 5);
        assert_eq!(files.grown(), [(file.clone(), 130..135)]);
        hand_over(&file, &(130..135)).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), [7; 135]);
    }

    #[test]
    fn a_new_file_is_handed_over_whole_and_one_that_was_cut_from_its_new_end() {
        let (_directory, database, mut files) = cluster();
        let (old, new) = (database.join("16384"), database.join("16390"));
        append(&new, 20);
        files.look().unwrap();
        assert_eq!(files.grown(), [(new.clone(), 0..20)]);
        File::options().write(true).open(&old).unwrap().set_len(10).unwrap();
        files.look().unwrap();
        append(&old, 15);
        files.look().unwrap();
        assert_eq!(files.grown(), [(old, 10..25)]);
    }

    #[test]
    fn files_that_are_gone_or_rest_are_forgotten_and_temporary_ones_never_known() {
        let (directory, database, mut files) = cluster();
        let (old, new) = (database.join("16384"), database.join("16390"));
        append(&old, 1);
        append(&new, 1);
        let temporary = directory.path().join("pgsql_tmp");
        std::fs::create_dir(&temporary).unwrap();
        append(&temporary.join("pgsql_tmp1.0"), 1000);
        files.look().unwrap();
        assert_eq!((files.grown().len(), files.growing.len()), (2, 2));
        std::fs::remove_file(&new).unwrap();
        for _ in 0..PATIENCE {
            assert_eq!(files.grown(), []);
        }
        assert!(files.growing.is_empty());
        files.look().unwrap();
        assert_eq!(files.lengths, HashMap::from([(old, 101)]));
    }
}
