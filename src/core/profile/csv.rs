//! Readings from CSV: a row is a record.

use super::{Clock, Found, Sent, Target, text};
use crate::core::reading::csv::{MAX_COLUMNS, cells};
use crate::core::reading::{Code, Item, Items, Reason, Unreadable, field};

pub fn readings(
    time: Option<&(String, Clock)>,
    fields: &[(String, Target)],
    payload: &[u8],
    sent: &Sent,
    items: &mut Items<'_>,
) -> Result<(), Unreadable> {
    let mut lines = text(payload)?.lines().enumerate().map(|(place, line)| (place + 1, line));
    let mut lines = lines.by_ref().filter(|(_, line)| !line.trim_ascii().is_empty());
    let (line, header) = lines.next().ok_or_else(|| Unreadable::Body("the payload is empty".to_owned()))?;
    let columns = Columns::of(header, time, fields).map_err(|why| match why {
        Unreadable::Body(why) => Unreadable::Body(format!("header in line {line}: {why}")),
        other => other,
    })?;
    lines.try_for_each(|(line, row)| columns.row(line, row, sent, items))
}

struct Columns<'f> {
    /// How many there are.
    number: usize,
    time: Option<(usize, &'f str, Clock)>,
    /// Those of fields that may be missing and are, are left out.
    fields: Vec<(usize, &'f str, &'f Target)>,
}

impl<'f> Columns<'f> {
    fn of(header: &str, time: Option<&'f (String, Clock)>, fields: &'f [(String, Target)]) -> Result<Self, Unreadable> {
        let body = |why: String| Unreadable::Body(why);
        let names = cells(header).ok_or_else(|| body("the quotes are not those of CSV".to_owned()))?;
        if names.len() > MAX_COLUMNS {
            return Err(Unreadable::TooManyColumns(names.len()));
        }
        let place = |sought: &str| {
            let mut places = names.iter().enumerate().filter(|(_, name)| *name == sought).map(|(place, _)| place);
            match (places.next(), places.next()) {
                (_, Some(_)) => Err(body(format!("the column {} comes twice", field::quote(sought)))),
                (place, None) => Ok(place),
            }
        };
        let required = |name: &str| {
            let hint = "columns are separated by commas, and the profile names them as the header does";
            place(name)?.ok_or_else(|| body(format!("the column {} is missing; {hint}", field::quote(name))))
        };
        let time = time.map(|(name, clock)| Ok((required(name)?, name.as_str(), *clock))).transpose()?;
        let mut found = Vec::with_capacity(fields.len());
        for (name, target) in fields {
            let place = if target.optional { place(name)? } else { Some(required(name)?) };
            found.extend(place.map(|place| (place, name.as_str(), target)));
        }
        Ok(Self { number: names.len(), time, fields: found })
    }

    fn row(&self, line: usize, row: &str, sent: &Sent, items: &mut Items<'_>) -> Result<(), Unreadable> {
        let cells = match cells(row) {
            Some(cells) if cells.len() == self.number => cells,
            cells => {
                let detail = match cells {
                    Some(cells) => format!("{} cells, the header has {}", cells.len(), self.number),
                    None => format!("row {}: a quote is not closed on this line", field::quote(row)),
                };
                return items.push(Item { line: Some(line), reading: Err(Reason::new(Code::InvalidRow, detail)) });
            }
        };
        let at = self.time.map(|(place, name, clock)| match present(&cells[place]) {
            Some(text) => clock.read(text, sent.now),
            None => Err(Reason::new(Code::MissingField, format!("{name}, the time, is missing"))),
        });
        for (place, name, target) in &self.fields {
            let found = present(&cells[*place]);
            let found = found.map(|text| Found { text, unit: None, at: at.clone(), line: Some(line) });
            if let Some(item) = target.item(name, Ok(found), sent) {
                items.push(Item { line: Some(line), ..item })?;
            }
        }
        Ok(())
    }
}

/// An empty cell is none.
fn present(cell: &str) -> Option<&str> {
    Some(cell.trim_matches(' ')).filter(|text| !text.is_empty())
}
