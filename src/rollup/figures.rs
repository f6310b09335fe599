//! What every rollup says.

/// The columns after the keys, with their types and meanings. Values and sums are scaled integers, like readings.
pub const FIGURES: [(&str, &str, &str); 9] = [
    ("count", "bigint", "Number of readings."),
    ("increment_sum", "numeric", "Sum of the increments: what was used, scaled by the metric's scale."),
    ("value_sum", "numeric", "Sum of the values, scaled by the metric's scale."),
    ("value_min", "bigint", "Lowest value."),
    ("value_max", "bigint", "Highest value."),
    ("first_ts", "timestamptz", "Instant of the first reading."),
    ("first_value", "bigint", "Value of the first reading; of several at that instant, the lowest."),
    ("last_ts", "timestamptz", "Instant of the last reading."),
    ("last_value", "bigint", "Value of the last reading; of several at that instant, the highest."),
];

/// [`FIGURES`] as columns of a table.
pub fn figure_columns() -> String {
    FIGURES.map(|(column, of_type, _)| format!("{column} {of_type} NOT NULL")).join(",\n    ")
}
