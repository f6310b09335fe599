//! A provider's customers as figures need them: who is below whom, and each one's billing calendar.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::core::calendar::Calendar;
use crate::core::entity::Ref;
use crate::core::period::Anchor;
use crate::http::access::Tenant;
use crate::http::problem::Result;
use crate::registry::calendars::{self, Said};

/// A provider's customers by number.
#[derive(Debug)]
pub struct Customers {
    by_id: HashMap<i32, Customer>,
    below: HashMap<Option<i32>, Vec<i32>>,
    /// Each calendar once; a customer has the place of its own.
    calendars: Vec<Arc<Calendar>>,
}

#[derive(Debug)]
pub struct Customer {
    pub customer_id: i32,
    pub key: String,
    /// On which day its billing months begin, its own or inherited.
    pub anchor: Anchor,
    uuid: Uuid,
    calendar: usize,
}

/// What a customer says itself.
#[derive(Debug, sqlx::FromRow)]
struct Row {
    customer_id: i32,
    parent_id: Option<i32>,
    uuid: Uuid,
    key: String,
    billing_anchor: Option<i64>,
    #[sqlx(flatten)]
    said: Said,
}

/// Which customers matter. Those above them are loaded too, for what is inherited.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    All,
    /// One with all that are below it.
    Below(&'a Ref),
    /// These alone.
    Alone(&'a [i32]),
    /// Those that all calendars there are come from.
    Calendars,
}

impl Customers {
    pub async fn load(db: &mut PgConnection, tenant: &Tenant, part: Part<'_>) -> Result<Self> {
        let (root, ids) = match part {
            Part::All => (None, None),
            Part::Below(root) => (Some(root), None),
            Part::Alone(ids) => (None, Some(ids)),
            Part::Calendars => (None, Some([].as_slice())),
        };
        let query = match part {
            Part::All => tenant.query_as(include_str!("../../sql/usage/customers.sql")),
            Part::Below(_) | Part::Alone(_) | Part::Calendars => tenant
                .seen_as(include_str!("../../sql/usage/customers_around.sql"))
                .bind(root.and_then(Ref::key))
                .bind(root.and_then(Ref::id))
                .bind(ids)
                .bind(matches!(part, Part::Calendars)),
        };
        let rows: Vec<Row> = query.fetch_all(db).await?;
        let top = Calendar::new(calendars::zone(&tenant.time_zone)?);
        let mut places = HashMap::from([(top.clone(), 0)]);
        let mut customers = Self { by_id: HashMap::new(), below: HashMap::new(), calendars: vec![Arc::new(top)] };
        for row in rows {
            customers.below.entry(row.parent_id).or_default().push(row.customer_id);
            let above = row.parent_id.and_then(|parent| customers.by_id.get(&parent));
            let mut calendar = above.map_or(0, |above| above.calendar);
            if let Some(own) = row.said.calendar(&customers.calendars[calendar])? {
                calendar = *places.entry(own).or_insert_with_key(|own| {
                    customers.calendars.push(Arc::new(own.clone()));
                    customers.calendars.len() - 1
                });
            }
            let anchor = row.billing_anchor.and_then(Anchor::new);
            let anchor = anchor.or(above.map(|above| above.anchor)).unwrap_or(Anchor::FIRST);
            let Row { customer_id, uuid, key, .. } = row;
            customers.by_id.insert(customer_id, Customer { customer_id, key, anchor, uuid, calendar });
        }
        Ok(customers)
    }

    pub fn find(&self, name: &Ref) -> Option<&Customer> {
        self.by_id.values().find(|c| name.key() == Some(c.key.as_str()) || name.id() == Some(c.uuid))
    }

    pub fn get(&self, id: i32) -> Option<&Customer> {
        self.by_id.get(&id)
    }

    pub fn ids(&self) -> impl Iterator<Item = i32> {
        self.by_id.keys().copied()
    }

    /// Direct sub-customers; of none: the customers at the top.
    pub fn children(&self, of: Option<i32>) -> impl Iterator<Item = &Customer> {
        self.below.get(&of).into_iter().flatten().map(|id| &self.by_id[id])
    }

    /// A customer and all below it.
    pub fn subtree(&self, root: i32) -> Vec<i32> {
        let mut found = vec![root];
        let mut next = 0;
        while let Some(id) = found.get(next).copied() {
            found.extend(self.children(Some(id)).map(|c| c.customer_id));
            next += 1;
        }
        found
    }

    /// All calendars, and of each customer the place of its own among them.
    pub fn billing(&self) -> (&[Arc<Calendar>], Vec<(i32, usize)>) {
        (&self.calendars, self.by_id.values().map(|customer| (customer.customer_id, customer.calendar)).collect())
    }

    /// Billing calendars of these customers, each once; that of the provider's time zone where there is no customer.
    pub fn calendars(&self, of: impl IntoIterator<Item = i32>) -> Vec<Arc<Calendar>> {
        let mut places: BTreeSet<_> = of.into_iter().filter_map(|id| Some(self.by_id.get(&id)?.calendar)).collect();
        if places.is_empty() {
            places.insert(0);
        }
        places.into_iter().map(|place| Arc::clone(&self.calendars[place])).collect()
    }
}
