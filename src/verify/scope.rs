//! Whose figures are compared.

use sqlx::PgConnection;

/// What is named on the command line, by the provider's own keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    Customer(String),
    Group(String),
    Device(String),
}

/// The numbers behind it. What is not there narrows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    pub provider: Option<i32>,
    pub customers: Option<Vec<i32>>,
    pub groups: Option<Vec<i32>>,
    pub channels: Option<Vec<i32>>,
    /// In words, such as `customer acme`; empty for everything.
    pub words: String,
}

#[derive(Debug, thiserror::Error)]
pub enum NotFound {
    #[error("there is no {0}")]
    Nothing(String),
    #[error("several providers have a {0}: name one with --provider")]
    Several(String),
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
}

impl Scope {
    /// Looks up what was named. A customer is meant with its sub-customers and the groups of all of them.
    pub async fn find(db: &mut PgConnection, provider: Option<&str>, named: Option<&Named>) -> Result<Self, NotFound> {
        let mut scope = Self::default();
        if let Some(key) = provider {
            let found = sqlx::query_scalar(include_str!("../../sql/verify/scope/provider.sql")).bind(key);
            let words = format!("provider {key}");
            scope.provider = Some(found.fetch_optional(&mut *db).await?.ok_or(NotFound::Nothing(words.clone()))?);
            scope.words = words;
        }
        let Some(named) = named else { return Ok(scope) };
        let (words, sql, key) = match named {
            Named::Customer(key) => ("customer", include_str!("../../sql/verify/scope/customer.sql"), key),
            Named::Group(key) => ("group", include_str!("../../sql/verify/scope/group.sql"), key),
            Named::Device(key) => ("device", include_str!("../../sql/verify/scope/device.sql"), key),
        };
        let words = format!("{words} {key}");
        let found = sqlx::query(sql).bind(key).bind(scope.provider).fetch_all(db).await?;
        let row = match found.as_slice() {
            [] => return Err(NotFound::Nothing(words)),
            [row] => row,
            _ => return Err(NotFound::Several(words)),
        };
        let ids = |place: usize| sqlx::Row::try_get::<Vec<i32>, _>(row, place).map(Some);
        scope.provider = Some(sqlx::Row::try_get(row, 0)?);
        match named {
            Named::Customer(_) => (scope.customers, scope.groups) = (ids(1)?, ids(2)?),
            Named::Group(_) => scope.groups = ids(1)?,
            Named::Device(_) => scope.channels = ids(1)?,
        }
        scope.words = words;
        Ok(scope)
    }

    /// Whether the rollups of a subject have rows that lie wholly within the scope.
    pub fn holds(&self, subject: &str) -> bool {
        match subject {
            "channel" => true,
            "customer" => self.channels.is_none() && (self.customers.is_some() || self.groups.is_none()),
            "group" => self.channels.is_none(),
            _ => self.channels.is_none() && self.customers.is_none() && self.groups.is_none(),
        }
    }
}
