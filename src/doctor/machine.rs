//! The machine that an embedded database is on.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

use crate::doctor::Finding;
use crate::embedded::ELSEWHERE;

const GIB: u64 = 1024 * 1024 * 1024;

/// Free space below which it is time to act, and below which PostgreSQL may stop at any moment.
const LOW: u64 = 10 * GIB;
const TOO_LOW: u64 = GIB;

pub fn disk(directory: &Path) -> Finding {
    match statvfs(directory) {
        Ok(disk) => {
            let free = disk.blocks_available() * disk.fragment_size();
            judge_disk(free, directory)
        }
        Err(error) => Finding::warning("disk", format!("{}: {error}", directory.display()), "look at it by hand"),
    }
}

fn judge_disk(free: u64, directory: &Path) -> Finding {
    let found = format!("{}.{} GiB free at {}", free / GIB, free % GIB * 10 / GIB, directory.display());
    let mend = "make room there, or keep raw readings for a shorter time";
    match free {
        LOW.. => Finding::ok("disk", found),
        TOO_LOW.. => Finding::warning("disk", found, mend),
        _ => Finding::problem("disk", found, mend),
    }
}

/// Databases that were put elsewhere and whose data directory has gone since.
pub fn orphans() -> Option<Finding> {
    let entries = fs::read_dir(ELSEWHERE).into_iter().flatten();
    let clusters = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let orphans: Vec<PathBuf> = clusters.filter(|cluster| is_orphan(cluster)).collect();
    let names: Vec<_> = orphans.iter().map(|path| path.display().to_string()).collect();
    (!names.is_empty()).then(|| {
        let found = format!("no data directory links to {} any more", names.join(", "));
        Finding::warning("leftovers", found, "remove them, if nothing in them is needed")
    })
}

fn is_orphan(cluster: &Path) -> bool {
    let note = fs::read_to_string(cluster.join("data-directory"));
    note.is_ok_and(|data_dir| {
        let link = Path::new(&data_dir).join("cluster");
        fs::read_link(link).map_or(true, |target| target != cluster)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    #[test]
    fn space_runs_out_in_steps() {
        let status = |free| judge_disk(free, Path::new("/")).status;
        assert_eq!(status(20 * GIB), Status::Ok);
        assert_eq!(status(2 * GIB), Status::Warning);
        assert_eq!(status(GIB / 2), Status::Problem);
        assert_eq!(judge_disk(3 * GIB / 2, Path::new("/d")).found, "1.5 GiB free at /d");
    }
}
