//! How far the import of a file has come, in a file beside it: an interrupted import goes on there. Sending rows twice
//! would be harmless, but slow.

use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::client::Verdicts;

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// Hash of what was imported, and how: another file or other options begin again.
    pub of: String,
    /// Lines up to this one have their verdicts.
    pub through: u64,
    pub verdicts: Verdicts,
}

impl Resume {
    /// Where the import of a file is to begin: where it was left, if it was.
    pub fn load(path: &Path, options: &str) -> io::Result<Self> {
        let metadata = path.metadata()?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let of = format!("{} bytes of {} ms, {options}", metadata.len(), modified.as_millis());
        // A hash, for options can name a database with its password.
        let of = hex::encode(Sha256::digest(of));
        let kept = std::fs::read(place(path)).ok().and_then(|text| serde_json::from_slice::<Self>(&text).ok());
        Ok(kept.filter(|kept| kept.of == of).unwrap_or(Self { of, ..Self::default() }))
    }

    /// Replaces what was kept, in one step: a crash leaves the old or the new.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let (place, draft) = (place(path), beside(path, ".meterbase-import.new"));
        std::fs::write(&draft, serde_json::to_vec(self)?)?;
        std::fs::rename(draft, place)
    }

    /// The import is at its end.
    pub fn remove(path: &Path) -> io::Result<()> {
        match std::fs::remove_file(place(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn place(path: &Path) -> PathBuf {
    beside(path, ".meterbase-import")
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_goes_on_where_it_was_left_unless_file_or_options_changed() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.csv");
        std::fs::write(&file, "x").unwrap();
        let mut resume = Resume::load(&file, "options").unwrap();
        assert_eq!(resume.through, 0);
        resume.through = 17;
        resume.save(&file).unwrap();
        assert_eq!(Resume::load(&file, "options").unwrap(), resume);
        assert_eq!(Resume::load(&file, "others").unwrap().through, 0);
        std::fs::write(&file, "xy").unwrap();
        assert_eq!(Resume::load(&file, "options").unwrap().through, 0);
        Resume::remove(&file).unwrap();
        Resume::remove(&file).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
