//! Readings from CSV (RFC 4180). A line is a row, always: a cell cannot hold a line break, so a quote that is not
//! closed spoils its own row and no other.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::field::{self, quote};
use super::{Code, Item, RawReading, Reason, Unreadable, limited, lines};

/// Reads a header row and the rows below it.
pub fn readings(text: &str, now: DateTime<Utc>) -> Result<Vec<Item>, Unreadable> {
    let mut lines = lines(text);
    // The caller has made sure that something is there.
    let (line, header) = lines.next().unwrap_or((1, ""));
    let columns = Columns::of(header).map_err(|why| Unreadable::Body(format!("header in line {line}: {why}")))?;
    let mut cells = Vec::with_capacity(columns.number);
    let rows = lines.map(|(line, row)| Item { line: Some(line), reading: columns.reading(row, &mut cells, now) });
    limited(text, rows)
}

/// Which column holds what.
struct Columns {
    /// How many there are.
    number: usize,
    device: usize,
    metric: usize,
    at: usize,
    value: usize,
    id: Option<usize>,
    dimensions: Vec<(String, usize)>,
}

impl Columns {
    fn of(header: &str) -> Result<Self, String> {
        let names = cells(header).ok_or("the quotes are not those of CSV")?;
        if names.len() == 1 && header.contains([';', '\t']) {
            return Err(
                "there is one column only; separate columns by commas, and write a point in decimals".to_owned()
            );
        }
        let (mut places, mut dimensions) = (BTreeMap::new(), Vec::new());
        for (place, name) in names.iter().enumerate() {
            if places.insert(name.as_ref(), place).is_some() {
                return Err(format!("the column {} comes twice", quote(name)));
            }
            match name.strip_prefix("dimensions.") {
                Some(dimension) if field::is_dimension_name(dimension) => {
                    dimensions.push((dimension.to_owned(), place))
                }
                None if ["device", "metric", "at", "value", "id"].contains(&name.as_ref()) => {}
                _ => return Err(format!("unknown column {}; there are {KNOWN}", quote(name))),
            }
        }
        let place = |name| places.get(name).copied().ok_or_else(|| format!("the column {name} is missing"));
        Ok(Self {
            number: names.len(),
            device: place("device")?,
            metric: place("metric")?,
            at: place("at")?,
            value: place("value")?,
            id: places.get("id").copied(),
            dimensions,
        })
    }

    /// `cells` is room for the row's cells, which is used row after row.
    fn reading<'a>(
        &self,
        row: &'a str,
        cells: &mut Vec<Cow<'a, str>>,
        now: DateTime<Utc>,
    ) -> Result<RawReading, Reason> {
        let invalid = |detail: String| Reason::new(Code::InvalidRow, detail);
        cells.clear();
        split(row, cells).ok_or_else(|| {
            invalid(format!("row {}: a quote is not closed on this line, or not doubled within its cell", quote(row)))
        })?;
        if cells.len() != self.number {
            let hint = if cells.len() > self.number { "; a decimal has a point, not a comma" } else { "" };
            return Err(invalid(format!("{} cells, the header has {}{hint}", cells.len(), self.number)));
        }
        let required = |place: usize, name| match cells[place].as_ref() {
            "" => Err(field::missing(name)),
            text => Ok(text),
        };
        let optional = |place: usize| Some(cells[place].as_ref()).filter(|text| !text.is_empty());
        let dimensions = self.dimensions.iter().filter_map(|(name, place)| Some((name, optional(*place)?)));
        Ok(RawReading {
            device: field::device(required(self.device, "device")?)?,
            metric: field::metric(required(self.metric, "metric")?)?,
            at: field::at(required(self.at, "at")?, now)?,
            value: field::value(required(self.value, "value")?)?,
            id: self.id.and_then(optional).map(field::id).transpose()?,
            dimensions: field::dimensions(dimensions.map(|(name, text)| (name.clone(), text.to_owned())).collect())?,
        })
    }
}

const KNOWN: &str = "device, metric, at, value, id and dimensions.<name>";

/// The cells of a row; none when its quotes are not those of CSV.
pub fn cells(row: &str) -> Option<Vec<Cow<'_, str>>> {
    let mut cells = Vec::new();
    split(row, &mut cells).map(|()| cells)
}

/// Adds the cells of a row.
fn split<'a>(row: &'a str, cells: &mut Vec<Cow<'a, str>>) -> Option<()> {
    let mut rest = row;
    loop {
        let after = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = closing_quote(quoted)?;
                let cell = &quoted[..end];
                cells.push(if cell.contains('"') { cell.replace("\"\"", "\"").into() } else { cell.into() });
                &quoted[end + 1..]
            }
            None => {
                let (cell, after) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
                if cell.contains('"') {
                    return None;
                }
                cells.push(cell.into());
                after
            }
        };
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return after.is_empty().then_some(()),
        }
    }
}

/// Where the quoted cell ends: at the first quote that is not doubled.
fn closing_quote(text: &str) -> Option<usize> {
    let mut quotes = text.match_indices('"').map(|(place, _)| place).peekable();
    while let Some(place) = quotes.next() {
        if quotes.next_if_eq(&(place + 1)).is_none() {
            return Some(place);
        }
    }
    None
}
