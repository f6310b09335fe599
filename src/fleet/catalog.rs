//! The providers of the simulation: what they meter, for whom, with which models of devices.

use chrono_tz::Tz;

use crate::fleet::shape::{ALL_YEAR, HEATING, HOME, Hours, MILD, Months, OFF_PEAK, PEAK, STEADY, WORK};

/// What a metric's values are, as in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Delta,
    Register,
    Gauge,
}

#[derive(Debug)]
pub struct Metric {
    pub key: &'static str,
    pub name: &'static str,
    pub unit: &'static str,
    pub kind: Kind,
    /// Decimals; all quantities here are integers scaled by it.
    pub scale: u8,
    /// Where a register starts again at zero, scaled.
    pub rollover_at: Option<i64>,
}

#[derive(Debug)]
pub struct Customer {
    pub key: &'static str,
    pub name: &'static str,
    /// Key of the customer above it, which is listed before it.
    pub parent: Option<&'static str>,
    /// None inherits.
    pub time_zone: Option<Tz>,
}

/// When a channel reads.
#[derive(Debug, Clone, Copy)]
pub enum Rhythm {
    /// On the clock: every so many minutes from midnight UTC.
    Clock { minutes: u32 },
    /// Every so many minutes, at a second of the device's own.
    Own { minutes: u32 },
    /// About so many events a day at any time, each with an event id.
    Events { a_day: u32 },
}

/// What it reads.
#[derive(Debug, Clone, Copy)]
pub enum Amount {
    /// An amount used since the reading before: for deltas and registers.
    Used { mean: i64, hours: &'static Hours, months: &'static Months },
    /// A level that follows the sun by `swing`.
    Level { base: i64, swing: i64, noise: i64 },
}

#[derive(Debug)]
pub struct Channel {
    pub metric: &'static str,
    pub dimensions: &'static [(&'static str, &'static str)],
    pub rhythm: Rhythm,
    pub amount: Amount,
}

/// A model of device.
#[derive(Debug)]
pub struct Model {
    /// As in the API: device, gateway, integration.
    pub kind: &'static str,
    pub name: &'static str,
    /// How many of a provider's devices are of this model, in relation to the other models.
    pub weight: u64,
    pub channels: &'static [Channel],
}

#[derive(Debug)]
pub struct Provider {
    pub key: &'static str,
    pub name: &'static str,
    pub time_zone: Tz,
    /// The first one is the provider's main figure.
    pub metrics: &'static [Metric],
    pub customers: &'static [Customer],
    /// The first one is what a provider's first device is.
    pub models: &'static [Model],
}

/// All providers. Of twenty devices, nine belong to the first, eight to the second, three to the third.
pub const PROVIDERS: [&Provider; 3] = [&LUMEN, &BOREALIS, &CIRRUS];

/// An operator of a radio network for sensors, which bills messages and traffic.
const LUMEN: Provider = Provider {
    key: "lumen-iot",
    name: "Lumen IoT",
    time_zone: Tz::UTC,
    metrics: &[
        metric("messages_up", "Messages from devices", "messages", Kind::Delta, 0),
        metric("messages_down", "Messages to devices", "messages", Kind::Delta, 0),
        metric("bytes", "Traffic", "B", Kind::Delta, 0),
        metric("rssi", "Signal strength", "dBm", Kind::Gauge, 1),
    ],
    customers: &[
        customer("aquavia", "Aquavia Water", None, Some(Tz::Europe__Paris)),
        customer("aquavia-nord", "Aquavia Nord", Some("aquavia"), None),
        customer("aquavia-sud", "Aquavia Sud", Some("aquavia"), None),
        customer("aquavia-sud-port", "Aquavia Sud, harbour", Some("aquavia-sud"), None),
        customer("himal", "Himal Sensors", None, Some(Tz::Asia__Kathmandu)),
        customer("himal-pokhara", "Himal Sensors Pokhara", Some("himal"), None),
        customer("avalon", "Avalon Fisheries", None, Some(Tz::America__St_Johns)),
        customer("savaii", "Savai'i Farms", None, Some(Tz::Pacific__Apia)),
    ],
    models: &[
        Model {
            kind: "device",
            name: "sensor",
            weight: 6,
            channels: &[
                used("messages_up", &[], Rhythm::Events { a_day: 10 }, 1, WORK),
                used("bytes", &[], Rhythm::Own { minutes: 240 }, 180, WORK),
                used("messages_down", &[], Rhythm::Own { minutes: 720 }, 2, STEADY),
                level("rssi", Rhythm::Own { minutes: 240 }, -970, 25, 60),
            ],
        },
        Model {
            kind: "gateway",
            name: "gateway",
            weight: 2,
            channels: &[
                used("bytes", &[("direction", "up")], Rhythm::Own { minutes: 60 }, 48_000, WORK),
                used("bytes", &[("direction", "down")], Rhythm::Own { minutes: 60 }, 9_000, WORK),
            ],
        },
        Model {
            kind: "integration",
            name: "webhook",
            weight: 1,
            channels: &[
                used("messages_down", &[("outcome", "delivered")], Rhythm::Clock { minutes: 60 }, 35, WORK),
                used("messages_down", &[("outcome", "failed")], Rhythm::Clock { minutes: 360 }, 2, STEADY),
            ],
        },
    ],
};

/// A supplier of electricity, water and gas.
const BOREALIS: Provider = Provider {
    key: "borealis-energy",
    name: "Borealis Energy",
    time_zone: Tz::Europe__Paris,
    metrics: &[
        metric("electricity", "Electricity", "kWh", Kind::Register, 3),
        // Five digits before the point, then the meter starts again.
        Metric { rollover_at: Some(100_000_000), ..metric("water", "Water", "m3", Kind::Register, 3) },
        metric("gas", "Gas", "m3", Kind::Delta, 2),
        metric("temperature", "Temperature", "°C", Kind::Gauge, 1),
    ],
    customers: &[
        customer("lutece", "Lutèce Housing", None, None),
        customer("lutece-bastille", "Lutèce Bastille", Some("lutece"), None),
        customer("lutece-bastille-12", "Bastille 12", Some("lutece-bastille"), None),
        customer("lutece-belleville", "Lutèce Belleville", Some("lutece"), None),
        customer("signal-hill", "Signal Hill Homes", None, Some(Tz::America__St_Johns)),
        customer("patan", "Patan Palace", None, Some(Tz::Asia__Kathmandu)),
    ],
    models: &[
        Model {
            kind: "device",
            name: "electricity meter",
            weight: 4,
            channels: &[
                seasonal("electricity", &[("tariff", "peak")], Rhythm::Clock { minutes: 60 }, 420, PEAK, MILD),
                seasonal("electricity", &[("tariff", "off_peak")], Rhythm::Clock { minutes: 60 }, 310, OFF_PEAK, MILD),
            ],
        },
        Model {
            kind: "device",
            name: "water meter",
            weight: 2,
            channels: &[seasonal("water", &[], Rhythm::Clock { minutes: 180 }, 45, HOME, MILD)],
        },
        Model {
            kind: "device",
            name: "gas meter",
            weight: 1,
            channels: &[seasonal("gas", &[], Rhythm::Own { minutes: 720 }, 160, HOME, HEATING)],
        },
        Model {
            kind: "gateway",
            name: "concentrator",
            weight: 1,
            channels: &[level("temperature", Rhythm::Clock { minutes: 30 }, 215, 45, 12)],
        },
    ],
};

/// A cloud whose tenants pay for calls and traffic.
const CIRRUS: Provider = Provider {
    key: "cirrus-cloud",
    name: "Cirrus Cloud",
    time_zone: Tz::UTC,
    metrics: &[
        metric("api_calls", "API calls", "calls", Kind::Delta, 0),
        metric("egress", "Traffic out", "GB", Kind::Delta, 6),
        metric("storage", "Storage in use", "GB", Kind::Gauge, 3),
    ],
    customers: &[
        customer("tidal", "Tidal Studios", None, Some(Tz::Pacific__Apia)),
        // Bills in another zone than the customer above it.
        customer("tidal-labs", "Tidal Labs", Some("tidal"), Some(Tz::UTC)),
        customer("meridian", "Meridian Maps", None, None),
    ],
    models: &[
        Model {
            kind: "integration",
            name: "workload",
            weight: 3,
            channels: &[
                used("api_calls", &[("region", "eu")], Rhythm::Clock { minutes: 60 }, 5_200, WORK),
                used("api_calls", &[("region", "ap")], Rhythm::Clock { minutes: 60 }, 1_900, HOME),
                used("egress", &[], Rhythm::Events { a_day: 8 }, 734_210, HOME),
            ],
        },
        Model {
            kind: "device",
            name: "volume",
            weight: 1,
            channels: &[level("storage", Rhythm::Clock { minutes: 120 }, 812_500, 9_000, 40_000)],
        },
    ],
};

const fn metric(key: &'static str, name: &'static str, unit: &'static str, kind: Kind, scale: u8) -> Metric {
    Metric { key, name, unit, kind, scale, rollover_at: None }
}

const fn customer(
    key: &'static str,
    name: &'static str,
    parent: Option<&'static str>,
    time_zone: Option<Tz>,
) -> Customer {
    Customer { key, name, parent, time_zone }
}

type Dimensions = &'static [(&'static str, &'static str)];

const fn used(
    metric: &'static str,
    dimensions: Dimensions,
    rhythm: Rhythm,
    mean: i64,
    hours: &'static Hours,
) -> Channel {
    seasonal(metric, dimensions, rhythm, mean, hours, ALL_YEAR)
}

const fn seasonal(
    metric: &'static str,
    dimensions: Dimensions,
    rhythm: Rhythm,
    mean: i64,
    hours: &'static Hours,
    months: &'static Months,
) -> Channel {
    Channel { metric, dimensions, rhythm, amount: Amount::Used { mean, hours, months } }
}

const fn level(metric: &'static str, rhythm: Rhythm, base: i64, swing: i64, noise: i64) -> Channel {
    Channel { metric, dimensions: &[], rhythm, amount: Amount::Level { base, swing, noise } }
}
