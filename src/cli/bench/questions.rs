//! What is asked.

use crate::cli::bench::registry::Size;

/// A question, asked of another entity in every round where it is of one.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    pub name: &'static str,
    scope: Scope,
    /// The rest of the parameters.
    query: &'static str,
    /// What its 99th percentile should be at most, in milliseconds.
    pub wanted_ms: Option<f64>,
    /// It is asked in one of so many rounds.
    pub every: u32,
}

#[derive(Debug, Clone, Copy)]
enum Scope {
    Provider,
    /// The customer above all others.
    AllCustomers,
    Customer,
    Group,
    Device,
}

pub const QUESTIONS: [Question; 8] = [
    Question {
        name: "a customer's year by day",
        scope: Scope::Customer,
        query: "bucket=day&from=2025-01-01&to=2026-01-01",
        wanted_ms: Some(10.0),
        every: 1,
    },
    Question {
        name: "the provider's 13 months",
        scope: Scope::Provider,
        query: "bucket=month&from=2025-01-01&to=2026-02-01",
        wanted_ms: Some(10.0),
        every: 1,
    },
    Question {
        name: "a group's month by day",
        scope: Scope::Group,
        query: "bucket=day&from=2026-01-01&to=2026-02-01",
        wanted_ms: None,
        every: 1,
    },
    Question {
        name: "a device's month by day",
        scope: Scope::Device,
        query: "bucket=day&from=2026-01-01&to=2026-02-01",
        wanted_ms: None,
        every: 1,
    },
    Question {
        name: "a customer's month by group",
        scope: Scope::Customer,
        query: "by=group&bucket=month&from=2026-01-01&to=2026-02-01",
        wanted_ms: None,
        every: 1,
    },
    Question {
        name: "all sub-customers' month",
        scope: Scope::AllCustomers,
        query: "by=customer&bucket=month&from=2026-01-01&to=2026-02-01",
        wanted_ms: None,
        every: 4,
    },
    Question {
        name: "all sub-customers' active devices of a day",
        scope: Scope::AllCustomers,
        query: "by=customer&bucket=day&stats=active_devices&from=2026-01-15&to=2026-01-16",
        wanted_ms: Some(150.0),
        every: 4,
    },
    Question {
        name: "all sub-customers' active devices of a month",
        scope: Scope::AllCustomers,
        query: "by=customer&bucket=month&stats=active_devices&from=2026-01-01&to=2026-02-01",
        wanted_ms: Some(400.0),
        every: 4,
    },
];

/// Entities lie this far apart from round to round, so that each round finds other rows.
const STRIDE: u32 = 7919;

impl Question {
    /// The query string of a round.
    pub fn query(&self, round: u32, size: &Size) -> String {
        let one = |of: u32| round.wrapping_mul(STRIDE) % of;
        let scope = match self.scope {
            Scope::Provider => "provider".to_owned(),
            Scope::AllCustomers => "customer:all".to_owned(),
            Scope::Customer => format!("customer:c-{}", one(size.customers)),
            Scope::Group => format!("group:g-{}", one(size.groups)),
            Scope::Device => format!("device:d-{}", one(size.devices)),
        };
        format!("metric=energy&scope={scope}&{}", self.query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_ask_of_different_entities() {
        let size = Size { devices: 10, customers: 3, groups: 4 };
        assert_eq!(
            QUESTIONS[3].query(1, &size),
            "metric=energy&scope=device:d-9&bucket=day&from=2026-01-01&to=2026-02-01"
        );
        let customers: std::collections::BTreeSet<_> = (0..3).map(|round| QUESTIONS[0].query(round, &size)).collect();
        assert_eq!(customers.len(), 3);
    }
}
