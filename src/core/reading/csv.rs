//! Readings from CSV (RFC 4180). A line is a row, always: a cell cannot hold a line break, so a quote that is not
//! closed spoils its own row and no other.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::field::{self, quote};
use super::{Code, Item, RawReading, Reason, Unreadable, lines};

/// Most columns of a body.
pub const MAX_COLUMNS: usize = 256;

/// Reads a header row and the rows below it, which go to `keep`.
pub fn readings(
    text: &str,
    now: DateTime<Utc>,
    keep: impl FnMut(Item) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    let mut lines = lines(text);
    // The caller has made sure that something is there.
    let (line, header) = lines.next().unwrap_or((1, ""));
    let unreadable = |why| Unreadable::Body(format!("header in line {line}: {why}"));
    let mut names = Vec::new();
    let number = split(header, MAX_COLUMNS, &mut names);
    if let Some(why) = another_dialect(header) {
        return Err(unreadable(why));
    }
    let number = number.ok_or_else(|| unreadable("the quotes are not those of CSV".to_owned()))?;
    if number > MAX_COLUMNS {
        return Err(Unreadable::TooManyColumns(number));
    }
    let columns = Columns::of(&names).map_err(unreadable)?;
    let mut cells = Vec::with_capacity(columns.number);
    lines
        .map(|(line, row)| Item { line: Some(line), reading: columns.reading(row, &mut cells, now) })
        .try_for_each(keep)
}

/// What is told about a header whose columns are separated by something else, or whose lines end in another way.
fn another_dialect(header: &str) -> Option<String> {
    let names = ["device", "metric", "at", "value"];
    let has_names = |separator| {
        let found = header.split(separator).filter(|name| names.contains(&name.trim_matches([' ', '"'])));
        found.take(2).count() == 2
    };
    let separators = [(';', "semicolons"), ('\t', "tabs"), ('|', "vertical bars")];
    if let Some((_, name)) = separators.into_iter().find(|(separator, _)| has_names(*separator)) {
        return Some(format!(
            "the columns are separated by {name}; separate them by commas, and write decimals with a point"
        ));
    }
    header.contains('\r').then(|| "lines end in CR alone; end them in LF or CRLF".to_owned())
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
    fn of(names: &[Cow<'_, str>]) -> Result<Self, String> {
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
        let number = split(row, self.number, cells).ok_or_else(|| {
            invalid(format!("row {}: a quote is not closed on this line, or not doubled within its cell", quote(row)))
        })?;
        if number != self.number {
            let hint = if number > self.number { "; a decimal has a point, not a comma" } else { "" };
            return Err(invalid(format!("{number} cells, the header has {}{hint}", self.number)));
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
    split(row, usize::MAX, &mut cells).map(|_number| cells)
}

/// Adds the cells of a row, no more than `most`, and says how many there are; none when its quotes are not those of CSV.
fn split<'a>(row: &'a str, most: usize, cells: &mut Vec<Cow<'a, str>>) -> Option<usize> {
    let (mut rest, mut number) = (row, 0);
    loop {
        number += 1;
        let is_kept = number <= most;
        let after = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = closing_quote(quoted)?;
                let cell = &quoted[..end];
                if is_kept {
                    cells.push(if cell.contains('"') { cell.replace("\"\"", "\"").into() } else { cell.into() });
                }
                &quoted[end + 1..]
            }
            None => {
                let (cell, after) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
                if cell.contains('"') {
                    return None;
                }
                if is_kept {
                    cells.push(cell.into());
                }
                after
            }
        };
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return after.is_empty().then_some(number),
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
