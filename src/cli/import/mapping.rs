//! From a file's rows to readings as `POST /v1/readings` takes them, one JSON object each. Values stay text: nothing
//! of a number is lost on the way.

use std::collections::{BTreeMap, HashSet};
use std::str::FromStr;

use serde_json::value::RawValue;

use crate::core::reading::csv;

/// A field of a reading.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    Device,
    Metric,
    At,
    Value,
    Id,
    Dimension(String),
}

/// `FIELD=COLUMN` of `--column`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    pub field: Field,
    pub column: String,
}

/// What the command line says about the columns of all files.
#[derive(Debug, Clone, Default)]
pub struct Mapping {
    /// For rows that do not say.
    pub device: Option<String>,
    pub metric: Option<String>,
    pub renamed: Vec<Renamed>,
    /// Columns to leave out.
    pub ignored: Vec<String>,
}

/// Which field each column of a CSV file is; none for one that is left out.
#[derive(Debug)]
pub struct Header(Vec<Option<Field>>);

/// Why a row is no reading, found before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    pub code: &'static str,
    pub detail: String,
}

type Object = BTreeMap<String, Box<RawValue>>;

impl FromStr for Field {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match name {
            "device" => Self::Device,
            "metric" => Self::Metric,
            "at" => Self::At,
            "value" => Self::Value,
            "id" => Self::Id,
            _ => match name.strip_prefix("dimensions.") {
                Some(dimension) if !dimension.is_empty() => Self::Dimension(dimension.to_owned()),
                _ => return Err(format!("{name:?} is not one of device, metric, at, value, id, dimensions.<name>")),
            },
        })
    }
}

impl FromStr for Renamed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (field, column) = text.split_once('=').ok_or("write FIELD=COLUMN, such as at=start")?;
        if column.is_empty() {
            return Err("the column has no name".to_owned());
        }
        Ok(Self { field: field.parse()?, column: column.to_owned() })
    }
}

impl Field {
    /// Its name in a reading; a dimension is inside `dimensions`.
    fn name(&self) -> &str {
        match self {
            Self::Device => "device",
            Self::Metric => "metric",
            Self::At => "at",
            Self::Value => "value",
            Self::Id => "id",
            Self::Dimension(name) => name,
        }
    }
}

impl Mapping {
    /// Whether readings of an NDJSON file are sent as they are.
    fn is_identity(&self) -> bool {
        self.device.is_none() && self.metric.is_none() && self.renamed.is_empty() && self.ignored.is_empty()
    }

    /// Reads a CSV file's header. Every column must be known, and every reading have its device, metric, time and value.
    pub fn header(&self, line: &str) -> Result<Header, String> {
        let names = csv::cells(line).ok_or("the quotes of the header are not those of CSV")?;
        for renamed in &self.renamed {
            if !names.iter().any(|name| *name == renamed.column) {
                return Err(format!("there is no column {:?}; there are {}", renamed.column, names.join(", ")));
            }
        }
        let fields = names.iter().map(|name| self.field(name)).collect::<Result<Vec<_>, _>>()?;
        let mut seen = HashSet::new();
        if let Some(twice) = fields.iter().flatten().find(|field| !seen.insert((*field).clone())) {
            return Err(format!("two columns are the {} of a reading", twice.name()));
        }
        let needed = [
            (Field::Device, self.device.is_some(), "--device KEY"),
            (Field::Metric, self.metric.is_some(), "--metric KEY"),
            (Field::At, false, "--column at=COLUMN"),
            (Field::Value, false, "--column value=COLUMN"),
        ];
        for (field, given, option) in needed {
            match (seen.contains(&field), given) {
                (false, false) => return Err(format!("no column is the {}: say {option}", field.name())),
                (true, true) => return Err(format!("the file has a column for it: leave {option} out")),
                _ => {}
            }
        }
        Ok(Header(fields))
    }

    fn field(&self, column: &str) -> Result<Option<Field>, String> {
        if let Some(renamed) = self.renamed.iter().find(|renamed| renamed.column == column) {
            return Ok(Some(renamed.field.clone()));
        }
        if self.ignored.iter().any(|ignored| ignored == column) {
            return Ok(None);
        }
        column.parse().map(Some).map_err(|_| {
            format!("the column {column:?} is not known: say what it is (--column at={column}), or --ignore {column}")
        })
    }

    /// A row of a CSV file as a reading.
    pub fn csv_row(&self, header: &Header, line: &str) -> Result<String, BadRow> {
        let cells = csv::cells(line).ok_or_else(|| bad_row("a quote is not closed on this line"))?;
        if cells.len() != header.0.len() {
            return Err(bad_row(format!("{} cells, the header has {}", cells.len(), header.0.len())));
        }
        let (mut reading, mut dimensions) = (Object::new(), Object::new());
        for (field, cell) in header.0.iter().zip(&cells) {
            match field {
                Some(field) if !cell.is_empty() => {
                    let object = if matches!(field, Field::Dimension(_)) { &mut dimensions } else { &mut reading };
                    object.insert(field.name().to_owned(), text(cell)?);
                }
                _ => {}
            }
        }
        self.finish(reading, dimensions)
    }

    /// A line of an NDJSON file as a reading.
    pub fn json_line(&self, line: &str) -> Result<String, BadRow> {
        if self.is_identity() {
            return Ok(line.to_owned());
        }
        let invalid = |error: serde_json::Error| BadRow { code: "invalid_json", detail: error.to_string() };
        let mut reading: Object = serde_json::from_str(line).map_err(invalid)?;
        let mut dimensions = match reading.remove("dimensions") {
            Some(dimensions) => serde_json::from_str(dimensions.get()).map_err(invalid)?,
            None => Object::new(),
        };
        for ignored in &self.ignored {
            reading.remove(ignored);
        }
        // All are taken out before the first is put in: two fields can change places.
        let renamed: Vec<_> = self.renamed.iter().map(|renamed| (renamed, reading.remove(&renamed.column))).collect();
        for (Renamed { field, .. }, value) in renamed {
            let Some(value) = value else { continue };
            let object = if matches!(field, Field::Dimension(_)) { &mut dimensions } else { &mut reading };
            if object.insert(field.name().to_owned(), value).is_some() {
                return Err(bad_row(format!("two fields are the {} of the reading", field.name())));
            }
        }
        self.finish(reading, dimensions)
    }

    fn finish(&self, mut reading: Object, dimensions: Object) -> Result<String, BadRow> {
        for (name, value) in [("device", &self.device), ("metric", &self.metric)] {
            if let (Some(value), false) = (value, reading.contains_key(name)) {
                reading.insert(name.to_owned(), text(value)?);
            }
        }
        if !dimensions.is_empty() {
            let dimensions = serde_json::value::to_raw_value(&dimensions).map_err(bad_row)?;
            reading.insert("dimensions".to_owned(), dimensions);
        }
        serde_json::to_string(&reading).map_err(bad_row)
    }
}

fn bad_row(detail: impl ToString) -> BadRow {
    BadRow { code: "invalid_row", detail: detail.to_string() }
}

fn text(text: &str) -> Result<Box<RawValue>, BadRow> {
    serde_json::value::to_raw_value(text).map_err(bad_row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_one_meter() -> Mapping {
        Mapping {
            device: Some("meter-1".to_owned()),
            metric: Some("energy".to_owned()),
            renamed: vec!["at=start".parse().unwrap()],
            ignored: vec!["end".to_owned()],
        }
    }

    #[test]
    fn columns_become_fields_and_values_stay_text() {
        let mapping = of_one_meter();
        let header = mapping.header("start,end,value,dimensions.tariff").unwrap();
        let row = mapping.csv_row(&header, "2026-11-01T00:00:00Z,x,0.028999999999999998,\"a \"\"b\"\"\"").unwrap();
        let expected = concat!(
            r#"{"at":"2026-11-01T00:00:00Z","device":"meter-1","dimensions":{"tariff":"a \"b\""},"#,
            r#""metric":"energy","value":"0.028999999999999998"}"#
        );
        assert_eq!(row, expected);
        assert_eq!(mapping.csv_row(&header, "a,b,c").unwrap_err().detail, "3 cells, the header has 4");
    }

    #[test]
    fn a_header_must_be_understood_whole() {
        let mapping = of_one_meter();
        assert!(mapping.header("start,value,colour").unwrap_err().contains("--ignore colour"));
        assert!(mapping.header("begin,value").unwrap_err().contains("no column \"start\""));
        assert!(mapping.header("start,value,device").unwrap_err().contains("leave --device KEY out"));
        assert!(mapping.header("start,at,value").unwrap_err().contains("two columns"));
        assert!(Mapping::default().header("device,at,value").unwrap_err().contains("--metric"));
    }

    #[test]
    fn json_lines_are_renamed_without_touching_numbers() {
        let mut mapping = of_one_meter();
        mapping.renamed.push("dimensions.phase=leg".parse().unwrap());
        let line = mapping.json_line(r#"{"start":"t","value":1.10,"leg":"L1","end":3,"device":"other"}"#).unwrap();
        let expected = r#"{"at":"t","device":"other","dimensions":{"phase":"L1"},"metric":"energy","value":1.10}"#;
        assert_eq!(line, expected);
        assert_eq!(mapping.json_line("{").unwrap_err().code, "invalid_json");
        assert_eq!(Mapping::default().json_line("not json").unwrap(), "not json");
    }
}
