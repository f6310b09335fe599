//! The views of figures: of devices, groups, customers and providers, by hour, day and month.

use crate::analytics::spans::spans;
use crate::analytics::unit;
use crate::rollup::definition::Period;

/// Whose figures a view has.
struct Level {
    name: &'static str,
    /// Subject of the rollups.
    subject: &'static str,
    /// Columns that say whose figures a row has, and where they come from.
    labels: &'static [(&'static str, &'static str)],
    joins: &'static str,
    /// The provider of a row.
    provider: &'static str,
}

/// The day on which billing months of the customer `c` begin.
pub const ANCHOR: &str = include_str!("../../sql/analytics/anchor.sql");

const PERIODS: [(Period, &str, &str); 3] =
    [(Period::Hour, "hourly", "hour"), (Period::Day, "daily", "day"), (Period::Month, "monthly", "month")];

const PROVIDER: (&str, &str) = ("provider", "p.key::text");
const CUSTOMER: (&str, &str) = ("customer", "c.key::text");
const GROUP: (&str, &str) = ("device_group", "g.key::text");

const LEVELS: [Level; 4] = [
    Level { name: "provider", subject: "provider", labels: &[PROVIDER], joins: "", provider: "r.provider_id" },
    Level {
        name: "customer",
        subject: "customer",
        labels: &[PROVIDER, CUSTOMER],
        joins: "JOIN customer AS c ON c.customer_id = r.customer_id",
        provider: "c.provider_id",
    },
    Level {
        name: "group",
        subject: "group",
        labels: &[PROVIDER, CUSTOMER, GROUP],
        joins: "JOIN device_group AS g ON g.group_id = r.group_id
JOIN customer AS c ON c.customer_id = g.customer_id",
        provider: "c.provider_id",
    },
    Level {
        name: "device",
        subject: "channel",
        labels: &[PROVIDER, CUSTOMER, GROUP, ("device", "d.key::text"), ("device_kind", "d.kind")],
        joins: "JOIN channel AS ch ON ch.channel_id = r.channel_id AND ch.metric_id = r.metric_id
JOIN device AS d ON d.device_id = ch.device_id
JOIN customer AS c ON c.customer_id = r.customer_id
LEFT JOIN device_group AS g ON g.group_id = r.group_id",
        provider: "c.provider_id",
    },
];

/// The statements that make the views; `year` is the one that it is.
pub fn views(year: i32) -> Vec<String> {
    let views = LEVELS.iter().flat_map(|level| PERIODS.map(|(period, adverb, noun)| (level, period, adverb, noun)));
    let view = |(level, period, adverb, noun): (&Level, Period, &str, &str)| {
        let branches: Vec<_> = level.branches(period, year).iter().map(|of| level.branch(of, noun)).collect();
        include_str!("../../sql/analytics/usage.sql")
            .replace("{view}", &format!("{}_usage_{adverb}", level.name))
            .replace("{branches}", &branches.join("UNION ALL\n"))
    };
    views.map(view).collect()
}

impl Level {
    /// What each branch reads.
    fn branches(&self, period: Period, year: i32) -> Vec<String> {
        let (adverb, billing, time) = match period {
            Period::Hour => ("hourly", "billing_day", "r.bucket"),
            Period::Day => ("daily", "billing_day", "r.billing_day"),
            Period::Month => ("monthly", "billing_month", "r.billing_month"),
        };
        // Months of days that begin on another day than the first are put together from days.
        let has_own_months = period == Period::Month && self.name != "provider";
        let calendar = if has_own_months { format!("\n  AND ({ANCHOR}) = 1") } else { String::new() };
        let of = |adverb: &str| format!("{}_{adverb}", self.subject);
        let branch = |conditions: String| self.member(&of(adverb), time, &(conditions + &calendar));
        let mut branches: Vec<_> =
            spans(period, year).iter().map(|span| branch(span.conditions(period, billing))).collect();
        if has_own_months {
            let month = format!("date_trunc('month', (r.billing_day - (({ANCHOR}) - 1))::timestamp)::date");
            // Asked once: where no such customer is visible, no day is looked at.
            let any = include_str!("../../sql/analytics/any_anchor.sql");
            let conditions = format!("\n  AND EXISTS ({any})\n  AND ({ANCHOR}) > 1");
            branches.push(self.member(&of("daily"), &month, &conditions));
        }
        branches
    }

    fn member(&self, source: &str, time: &str, conditions: &str) -> String {
        let expressions: Vec<_> = self.labels.iter().map(|(label, from)| format!("{from} AS {label}")).collect();
        include_str!("../../sql/analytics/member.sql")
            .replace("{expressions}", &expressions.join(", "))
            .replace("{time}", time)
            .replace("{source}", source)
            .replace("{joins}", self.joins)
            .replace("{provider}", self.provider)
            .replace("{conditions}", conditions)
    }

    fn branch(&self, member: &str, period: &str) -> String {
        let labels: Vec<_> = self.labels.iter().map(|(label, _)| format!("r.{label}")).collect();
        include_str!("../../sql/analytics/branch.sql")
            .replace("{labels}", &labels.join(", "))
            .replace("{period}", period)
            .replace("{unit}", &unit("r.scale"))
            .replace("{member}", member)
    }
}
