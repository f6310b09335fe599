//! How `simulate` and `demo` show what smart meters did.

use comfy_table::{CellAlignment, Table, TableComponent, presets};

use crate::cli::say;
use crate::simulation::meters::{DayFigure, MetersReport};

/// What the meters did, in words.
pub fn summary(report: &MetersReport) -> String {
    let MetersReport { waited, verdicts, intervals: [first, then], .. } = report;
    let wrong = match report.wrong().count() {
        0 => "each is exactly what the meters used".to_owned(),
        wrong => format!("{wrong} ARE WRONG"),
    };
    format!(
        "{} enrolled with a token and were told to wait for approval; {waited} readings of the telegrams that they posted \
         meanwhile waited in quarantine.\n\
         Once approved they were told to report every {} minutes. That was changed to {} while they waited for a change: all \
         had heard of it {:.1} s later, and acknowledged it.\n\
         Of {} readings of telegrams {} were new, {} known before. {} daily figures compared: {wrong}.",
        report.meters.join(", "),
        first / 60,
        then / 60,
        report.heard_after_seconds,
        verdicts.received,
        verdicts.received - verdicts.duplicates,
        verdicts.duplicates,
        report.figures(),
    )
}

/// Says loudly what is wrong.
pub fn complain(report: &MetersReport) {
    for (day, figure) in report.wrong() {
        let [served, used] = [&figure.served, &figure.used].map(side);
        say(&format!("WRONG: {} {} {}: served {served}, used {used}", day.meter, day.day, figure.metric));
    }
}

fn side(of: &Option<(String, u64)>) -> String {
    of.as_ref().map_or_else(|| "nothing".to_owned(), |(sum, readings)| format!("{sum} of {readings} readings"))
}

/// Every day of every meter, served and used.
pub fn table(report: &MetersReport) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_style(TableComponent::HeaderLines, '─');
    table.set_style(TableComponent::MiddleHeaderIntersections, '─');
    table.set_header([
        "meter",
        "",
        "day",
        "low, kWh: served",
        "used",
        "normal: served",
        "used",
        "gas, m3: served",
        "used",
        "",
    ]);
    for column in 3..=8 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for day in &report.days {
        let sum = |side: &Option<(String, u64)>| side.as_ref().map_or("-", |(sum, _)| sum).to_owned();
        let is_right = day.figures.iter().all(|DayFigure { served, used, .. }| served == used);
        let mut cells = vec![day.meter.clone(), day.standard.clone(), day.day.to_string()];
        cells.extend(day.figures.iter().flat_map(|figure| [sum(&figure.served), sum(&figure.used)]));
        cells.push(if is_right { "✓" } else { "✗ WRONG" }.to_owned());
        table.add_row(cells);
    }
    format!("Smart meters by day, over the changes of clocks\n{table}")
}
