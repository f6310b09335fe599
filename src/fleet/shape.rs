//! How use varies over a day and over a year, in percent of the average.

/// Percent by local hour of the day.
pub type Hours = [i64; 24];

/// Percent by month of the year.
pub type Months = [i64; 12];

/// Always the same.
pub const STEADY: &Hours = &[100; 24];
pub const ALL_YEAR: &Months = &[100; 12];

/// Households: a morning peak and a larger one in the evening.
pub const HOME: &Hours =
    &[40, 30, 30, 30, 35, 60, 120, 170, 150, 110, 90, 90, 110, 100, 80, 80, 90, 120, 180, 220, 210, 160, 100, 55];

/// Offices and machines: working hours.
pub const WORK: &Hours =
    &[20, 20, 20, 20, 25, 40, 80, 150, 200, 220, 220, 210, 180, 210, 220, 210, 190, 150, 90, 50, 35, 30, 20, 20];

/// What a peak-tariff register counts of a household's day: nothing at night.
pub const PEAK: &Hours =
    &[0, 0, 0, 0, 0, 0, 120, 170, 150, 110, 90, 90, 110, 100, 80, 80, 90, 120, 180, 220, 210, 160, 0, 0];

/// What the off-peak register counts: the rest.
pub const OFF_PEAK: &Hours = &[140, 130, 130, 120, 120, 90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 160, 150];

/// The sun's way: a level's swing above and below its base.
pub const SUN: &Hours =
    &[-60, -70, -80, -90, -100, -90, -70, -40, -10, 20, 50, 70, 90, 100, 100, 90, 70, 50, 20, 0, -20, -30, -40, -50];

/// Heating in the north.
pub const HEATING: &Months = &[240, 220, 170, 100, 40, 15, 10, 10, 35, 90, 160, 210];

/// Electricity and water: less spread over the year.
pub const MILD: &Months = &[120, 115, 105, 95, 90, 90, 95, 95, 90, 95, 105, 115];
