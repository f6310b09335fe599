//! Real meters' files, where they are: `METERBASE_TEST_DATA` names their directory, else it is `../shared/data` beside
//! the project.

use std::io::Read;
use std::path::PathBuf;

use flate2::read::MultiGzDecoder;

use crate::fixtures::{counts, device, north, send_csv, verdicts};
use crate::harness::TestApp;

/// The files' directory; none where they are not.
pub fn directory() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let directory = std::env::var_os("METERBASE_TEST_DATA").map_or_else(beside, PathBuf::from).join("meters");
    directory.is_dir().then_some(directory)
}

/// The rows (instant, value) of a file, as they are written there.
pub fn rows(name: &str) -> Vec<(String, String)> {
    let path = directory().expect("checked before the test was listed").join(format!("{name}.csv.gz"));
    let mut text = String::new();
    MultiGzDecoder::new(std::fs::File::open(&path).unwrap()).read_to_string(&mut text).unwrap();
    let rows = text.lines().skip(1).filter_map(|line| line.split_once(','));
    rows.map(|(at, value)| (at.to_owned(), value.trim().to_owned())).collect()
}

fn names() -> Vec<String> {
    let entries = std::fs::read_dir(directory().expect("checked before the test was listed")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter_map(|name| name.strip_suffix(".csv.gz").map(str::to_owned)).collect()
}

pub async fn every_row_of_a_real_meter_is_stored_exactly_or_explained(app: TestApp) {
    let key = north(&app).await;
    let mut db = app.db().await;
    for name in names() {
        let rows = rows(&name);
        device(&mut db, "north", &name, &[("acme", "(,)")]).await;
        let lines: String = rows.iter().map(|(at, value)| format!("{name},energy,{at},{value}\n")).collect();
        let csv = format!("device,metric,at,value\n{lines}");
        let answer = send_csv(&app, &key, &csv).await;
        for ((_, value), verdict) in rows.iter().zip(verdicts(&answer)) {
            assert_eq!(verdict, if value == "nan" { "rejected invalid_value" } else { "stored" }, "{name}: {value}");
        }
        let [received, stored, ..] = counts(&answer);
        assert_eq!(received as usize, rows.len());
        assert_eq!(counts(&send_csv(&app, &key, &csv).await)[1..3], [0, stored], "{name}");

        // PostgreSQL's decimals round the same texts; none of them is a tie, where it would round away from zero.
        let values: Vec<&str> = rows.iter().map(|(_, value)| value.as_str()).filter(|value| *value != "nan").collect();
        let sum = "SELECT (sum(round(value::numeric, 3)) * 1000)::bigint FROM unnest($1::text[]) AS sent (value)";
        let expected: i64 = sqlx::query_scalar(sum).bind(values).fetch_one(&mut db).await.unwrap();
        let sum = "SELECT sum(value)::bigint FROM reading JOIN channel USING (channel_id) JOIN device USING (device_id)
            WHERE device.key = $1::text";
        let got: i64 = sqlx::query_scalar(sum).bind(&name).fetch_one(&mut db).await.unwrap();
        assert_eq!(got, expected, "{name}");
    }
}
