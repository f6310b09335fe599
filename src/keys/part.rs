//! For which part of its provider a key is good.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

/// A part of a provider, as the database has it now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Part {
    #[default]
    All,
    /// A customer with all below it.
    Subtree(Subtree),
    /// What devices read while they are in a group.
    Group(i32),
    Device(i32),
    /// The device of this key once it is approved; nothing until then.
    Applicant(String),
}

/// A customer with all below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subtree {
    pub root: i32,
    /// Id of the root.
    pub id: Uuid,
    /// Their numbers, in order.
    customers: Vec<i32>,
}

impl Part {
    /// Whether it is not all of the provider.
    pub fn is_limited(&self) -> bool {
        *self != Self::All
    }
}

impl Subtree {
    pub fn customers(&self) -> &[i32] {
        &self.customers
    }

    pub fn has(&self, customer_id: i32) -> bool {
        self.customers.binary_search(&customer_id).is_ok()
    }
}

/// A part as statements tell it.
#[derive(sqlx::FromRow)]
pub struct PartRow {
    group_id: Option<i32>,
    device_id: Option<i32>,
    applicant: Option<String>,
    customer_id: Option<i32>,
    customer_uuid: Option<Uuid>,
    /// The customer and those below it.
    customers: Option<Vec<i32>>,
}

impl From<PartRow> for Part {
    fn from(row: PartRow) -> Self {
        if let Some(device) = row.applicant {
            return Self::Applicant(device);
        }
        match (row.device_id, row.group_id, row.customer_id) {
            (Some(device_id), _, _) => Self::Device(device_id),
            (_, Some(group_id), _) => Self::Group(group_id),
            (_, _, Some(root)) => {
                let mut customers = row.customers.unwrap_or_default();
                customers.sort_unstable();
                Self::Subtree(Subtree { root, id: row.customer_uuid.unwrap_or_default(), customers })
            }
            (None, None, None) => Self::All,
        }
    }
}

/// For which part of its provider each of these keys is.
pub async fn parts(db: &mut PgConnection, keys: &[i32]) -> sqlx::Result<HashMap<i32, Part>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        key_id: i32,
        #[sqlx(flatten)]
        part: PartRow,
    }
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<Row> = sqlx::query_as(include_str!("../../sql/keys/parts.sql")).bind(keys).fetch_all(db).await?;
    Ok(rows.into_iter().map(|row| (row.key_id, row.part.into())).collect())
}
