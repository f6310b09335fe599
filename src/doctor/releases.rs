//! Releases of TimescaleDB that are known to give wrong results where Meterbase, or SQL on its tables, could meet them.
//! From TimescaleDB's changelog up to 2.29.2, the changes it names, and the code of the releases around them.

use crate::doctor::Finding;

/// Major, minor and patch.
type Release = (u32, u32, u32);

/// What is wrong with some releases.
struct Flaw {
    /// The first release that has it.
    from: Release,
    /// The first one that does not.
    fixed: Release,
    /// The change that mends it, by its number in TimescaleDB's repository.
    change: u32,
    /// Whether only the Community edition has it: the columnstore and continuous aggregates are there alone.
    community: bool,
    /// Only on older major versions of PostgreSQL than this.
    before_postgres: Option<u32>,
    what: &'static str,
    /// Whether figures that are stored can be wrong, not only answers to SQL.
    stored: bool,
}

impl Flaw {
    const fn of_columnstore(from: Release, fixed: Release, change: u32, what: &'static str) -> Self {
        Self { from, fixed, change, community: true, before_postgres: None, what, stored: false }
    }

    const fn of_refreshes(from: Release, fixed: Release, change: u32, what: &'static str) -> Self {
        Self { from, fixed, change, community: true, before_postgres: None, what, stored: true }
    }
}

const FLAWS: &[Flaw] = &[
    Flaw {
        before_postgres: Some(17),
        ..Flaw::of_refreshes(
            (0, 0, 0),
            (2, 25, 0),
            9120,
            "UPDATE and DELETE can miss rows of chunks that are partly in the columnstore, so a move or a correction too",
        )
    },
    Flaw::of_refreshes(
        (2, 21, 0),
        (2, 26, 3),
        9571,
        "refreshes of the same buckets at the same time, by hand or by a policy, can leave rows twice or not at all",
    ),
    Flaw::of_refreshes(
        (2, 22, 0),
        (2, 22, 1),
        8607,
        "a refresh that is broken off can leave buckets that later ones pass over",
    ),
    Flaw::of_refreshes(
        (2, 28, 0),
        (2, 29, 0),
        10221,
        "a refresh in batches, which one by hand is unless told otherwise, can pass over its last bucket",
    ),
    Flaw {
        community: false,
        ..Flaw::of_columnstore(
            (2, 25, 0),
            (2, 26, 2),
            9392,
            "a condition on the time with an expression such as now() can be left out for whole chunks",
        )
    },
    Flaw::of_columnstore(
        (2, 26, 0),
        (2, 27, 2),
        9902,
        "GROUP BY over the columnstore can group by a wrong column, and conditions with a subquery can be left out",
    ),
    Flaw::of_columnstore(
        (2, 26, 0),
        (2, 28, 3),
        10082,
        "aggregates of a function's result over the columnstore can take values for null",
    ),
    Flaw::of_columnstore(
        (0, 0, 0),
        (2, 28, 0),
        9976,
        "a date, such as billing_day, compared with a timestamptz in the columnstore is compared with its day alone",
    ),
    Flaw::of_columnstore(
        (2, 20, 0),
        (2, 29, 2),
        10423,
        "SELECT DISTINCT and count(DISTINCT ...) can leave out rows of chunks that are partly in the columnstore",
    ),
];

/// The last release for PostgreSQL 15.
const LAST_FOR_POSTGRES_15: Release = (2, 28, u32::MAX);

/// What is known to be wrong with a release of TimescaleDB, or that nothing is.
pub fn known_flaws(version: &str, community: bool, postgres: u32) -> Vec<Finding> {
    let release = release(version);
    let is_met = |flaw: &&Flaw| {
        (flaw.from..flaw.fixed).contains(&release)
            && (community || !flaw.community)
            && flaw.before_postgres.is_none_or(|major| postgres < major)
    };
    let found: Vec<_> = FLAWS.iter().filter(is_met).map(|flaw| flaw.finding(version, postgres)).collect();
    if found.is_empty() { vec![Finding::ok(CHECK, format!("none known of {version}"))] } else { found }
}

const CHECK: &str = "wrong results";

impl Flaw {
    fn finding(&self, version: &str, postgres: u32) -> Finding {
        let (major, minor, patch) = self.fixed;
        let first = if postgres == 15 && self.fixed > LAST_FOR_POSTGRES_15 {
            "upgrade to PostgreSQL 16 or later, then "
        } else {
            ""
        };
        let then = if self.stored { "; then meterbase verify shows whether figures suffered" } else { "" };
        let mend = format!(
            "{first}install TimescaleDB {major}.{minor}.{patch} or later and ALTER EXTENSION timescaledb UPDATE{then}"
        );
        Finding::warning(CHECK, format!("{version}: {} (TimescaleDB {})", self.what, self.change), mend)
    }
}

/// What is not a number counts as 0: `2.30.0-dev`.
fn release(version: &str) -> Release {
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    fn changes(version: &str, community: bool, postgres: u32) -> Vec<u32> {
        let found = known_flaws(version, community, postgres);
        let is_named = |flaw: &&Flaw| found.iter().any(|f| f.found.contains(&format!("(TimescaleDB {})", flaw.change)));
        FLAWS.iter().filter(is_named).map(|flaw| flaw.change).collect()
    }

    #[test]
    fn each_release_has_its_own_flaws() {
        assert_eq!(changes("2.19.3", true, 15), [9120, 9976]);
        assert_eq!(changes("2.19.3", true, 17), [9976]);
        assert_eq!(changes("2.19.3", false, 15), [] as [u32; 0]);
        assert_eq!(changes("2.22.0", true, 17), [9571, 8607, 9976, 10423]);
        assert_eq!(changes("2.26.1", false, 17), [9392]);
        assert_eq!(changes("2.26.3", true, 17), [9902, 10082, 9976, 10423]);
        assert_eq!(changes("2.28.3", true, 16), [10221, 10423]);
        assert_eq!(changes("2.29.2", true, 16), [] as [u32; 0]);
        assert_eq!(changes("2.30.0-dev", true, 18), [] as [u32; 0]);
    }

    #[test]
    fn the_way_out_is_one_that_there_is() {
        let mend = |version, postgres, change: &str| {
            let found = known_flaws(version, true, postgres);
            found.into_iter().find(|f| f.found.contains(change)).and_then(|f| f.mend).unwrap_or_default()
        };
        assert!(
            mend("2.28.1", 15, "10221")
                .starts_with("upgrade to PostgreSQL 16 or later, then install TimescaleDB 2.29.0")
        );
        assert!(mend("2.28.1", 16, "10221").starts_with("install TimescaleDB 2.29.0 or later"));
        assert!(mend("2.26.0", 15, "9571").starts_with("install TimescaleDB 2.26.3 or later"));
        assert!(mend("2.26.0", 15, "9571").ends_with("meterbase verify shows whether figures suffered"));
        assert_eq!(known_flaws("2.29.2", true, 16)[0].status, Status::Ok);
    }
}
