//! What a caller says of an alert.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::core::entity::Ref;
use crate::core::interval::Interval;
use crate::registry::metrics::DecimalText;
use crate::usage::Stat;

use super::rule::{Bucket, Kind};

/// What makes an alert.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutAlert {
    /// Name for people, 1 to 256 characters.
    #[schema(example = "Acme uses too much", min_length = 1, max_length = 256)]
    pub name: String,
    pub kind: Kind,
    /// Whose figures: `provider`, `customer:<key>` (with all its sub-customers), `group:<key>` or `device:<key>`. The
    /// provider's when left out.
    #[schema(example = "customer:acme")]
    pub scope: Option<String>,
    /// Key or id of the metric, of all but `silence`; of `review`, all registers when left out.
    #[schema(value_type = Option<String>, example = "energy")]
    pub metric: Option<Ref>,
    /// Threshold and quota: what period each figure is of, hours in UTC, days and months of the scope's billing calendar. A quota's
    /// is `day` or `month`.
    pub bucket: Option<Bucket>,
    /// Threshold and quota: the statistic, as in usage; `sum` when left out of a quota.
    #[schema(inline)]
    pub stat: Option<Stat>,
    /// Threshold only: fires when the figure is above this number. A number or a string.
    #[schema(value_type = Option<String>, example = "100")]
    pub above: Option<DecimalText>,
    /// Threshold: fires when the figure is below this number at the end of its period. Completeness: when fewer percent of the
    /// expected readings of a finished day are there. A number or a string.
    #[schema(value_type = Option<String>)]
    pub below: Option<DecimalText>,
    /// The number that the figure has to come back to, once it fired; the one at which it fires when left out. Of a
    /// quota, a review and one device's silence there is none.
    #[schema(value_type = Option<String>, example = "90")]
    pub resolve: Option<DecimalText>,
    /// Threshold only: for how long the figure has to be beyond before it fires, such as `15m`; at once when left out.
    #[schema(value_type = Option<String>, example = "15m")]
    pub r#for: Option<Interval>,
    /// Quota only: what 100 percent are, more than 0. A number or a string.
    #[schema(value_type = Option<String>)]
    pub limit: Option<DecimalText>,
    /// Quota only: percent of the limit that are told, each once a period; 80 and 100 when left out. At most 10, from 1 to 1000.
    #[schema(value_type = Option<Vec<u32>>, example = json!([80, 100]))]
    pub steps: Option<Vec<u32>>,
    /// Silence only: for how long a device sent nothing, `1m` to `7d`.
    #[schema(value_type = Option<String>)]
    pub after: Option<Interval>,
    /// Silence of more than one device only: fires when more than this percentage of them is silent; 0 for any of them.
    #[schema(value_type = Option<String>)]
    pub share: Option<DecimalText>,
}
