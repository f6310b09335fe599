//! What the views of the schema `analytics` and their columns mean. A column of one name means the same in every view.

/// The views.
pub const VIEWS: [(&str, &str); 26] = [
    ("providers", "The providers."),
    ("customers", "The customers, each with what holds of its billing now."),
    ("customer_subtrees", "Each customer with itself and every customer below it."),
    ("calendars", "Billing calendars: stretches of time, each of days of one time zone."),
    ("device_groups", "The device groups."),
    ("devices", "The devices, with their owners of now."),
    ("assignments", "Which customer and group a device belonged to, and when."),
    ("metrics", "What is counted."),
    ("channels", "Streams of readings: a device, a metric and a set of dimensions."),
    ("readings", "Raw readings, with the owners of their instants."),
    ("quarantine", "Readings that are kept though they could not be stored yet, as they were sent."),
    ("reviews", "Readings of registers that do not follow from the reading before them."),
    ("replacements", "Meters that were replaced."),
    ("accounting", "Readings received, by UTC day and API key: received is the sum of the five verdicts after it."),
    ("provider_usage_hourly", "Figures of providers by UTC hour."),
    ("provider_usage_daily", "Figures of providers by billing day: of each customer its own day."),
    ("provider_usage_monthly", "Figures of providers by calendar month of billing days."),
    ("customer_usage_hourly", "Figures of customers, each without those below it, by UTC hour."),
    ("customer_usage_daily", "Figures of customers, each without those below it, by billing day."),
    ("customer_usage_monthly", "Figures of customers, each without those below it, by billing month of the customer."),
    ("group_usage_hourly", "Figures of device groups by UTC hour."),
    ("group_usage_daily", "Figures of device groups by billing day."),
    ("group_usage_monthly", "Figures of device groups by billing month of their customer."),
    ("device_usage_hourly", "Figures of devices under each of their owners by UTC hour."),
    ("device_usage_daily", "Figures of devices under each of their owners by billing day."),
    ("device_usage_monthly", "Figures of devices under each of their owners by billing month of the owner."),
];

/// Columns that views have: name and meaning.
const COLUMNS: &str = include_str!("../../sql/analytics/columns.txt");

/// Comments on the views and all their columns. A column without a meaning gets none, which a test finds.
pub fn comments() -> String {
    let quoted = |text: &str| text.replace('\'', "''");
    let views = VIEWS.map(|(view, about)| format!("COMMENT ON VIEW analytics.{view} IS '{}';\n", quoted(about)));
    let columns = COLUMNS.lines().filter_map(|line| line.split_once(": "));
    let columns: Vec<_> = columns.map(|(name, about)| format!("('{name}', '{}')", quoted(about))).collect();
    let columns = include_str!("../../sql/analytics/comments.sql").replace("{columns}", &columns.join(",\n        "));
    views.concat() + &columns
}
