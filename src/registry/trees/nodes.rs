//! The nodes of a tree in one list, each after the one above it: no recursion, however deep the tree is.

use std::collections::HashMap;
use std::rc::Rc;

use chrono::Utc;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::core::calendar::Calendar;
use crate::http::access::Tenant;
use crate::http::problem::Result;
use crate::registry::calendars::Said;
use crate::registry::trees::{Branch, Leaf, Numbers};

/// A customer at its place in the list of nodes.
pub struct Node {
    pub branch: Branch,
    /// Levels between it and the top of the tree.
    pub depth: usize,
    /// Place of the node above it.
    above: Option<usize>,
    calendar: Rc<Calendar>,
}

#[derive(sqlx::FromRow)]
struct CustomerRow {
    customer_id: i32,
    parent_id: Option<i32>,
    id: Uuid,
    key: String,
    name: String,
    #[sqlx(flatten)]
    said: Said,
}

#[derive(sqlx::FromRow)]
struct GroupRow {
    group_id: i32,
    customer_id: i32,
    id: Uuid,
    key: String,
    name: String,
    kind: String,
}

#[derive(sqlx::FromRow)]
struct DevicesRow {
    customer_id: i32,
    group_id: Option<i32>,
    kind: String,
    number: i64,
}

/// The nodes of a tree, each after the one above it, siblings by key. `calendar` is what the top inherits or has.
pub async fn read(
    db: &mut PgConnection,
    tenant: &Tenant,
    customer_id: Option<i32>,
    calendar: Calendar,
) -> Result<Vec<Node>> {
    let customers: Vec<CustomerRow> = sqlx::query_as(include_str!("../../../sql/registry/trees/customers.sql"))
        .bind(tenant.provider_id())
        .bind(customer_id)
        .fetch_all(&mut *db)
        .await?;
    let groups: Vec<GroupRow> = sqlx::query_as(include_str!("../../../sql/registry/trees/groups.sql"))
        .bind(tenant.provider_id())
        .bind(customer_id)
        .fetch_all(&mut *db)
        .await?;
    let devices: Vec<DevicesRow> = sqlx::query_as(include_str!("../../../sql/registry/trees/devices.sql"))
        .bind(tenant.provider_id())
        .bind(customer_id)
        .fetch_all(db)
        .await?;
    let (mut of_customer, mut of_group) = number(devices);
    let mut nodes = arrange(customers, calendar, |id| of_customer.remove(&id).unwrap_or_default())?;
    let places: HashMap<i32, usize> = nodes.iter().enumerate().map(|(place, (id, _))| (*id, place)).collect();
    for group in groups {
        let devices = of_group.remove(&group.group_id).unwrap_or_default();
        let leaf = Leaf { id: group.id, key: group.key, name: group.name, kind: group.kind, devices };
        if let Some(place) = places.get(&group.customer_id) {
            nodes[*place].1.branch.groups.push(leaf);
        }
    }
    let mut nodes: Vec<Node> = nodes.into_iter().map(|(_, node)| node).collect();
    add_up(&mut nodes);
    Ok(nodes)
}

/// Numbers of devices by customer and by group.
fn number(rows: Vec<DevicesRow>) -> (HashMap<i32, Numbers>, HashMap<i32, Numbers>) {
    let (mut of_customer, mut of_group) = (HashMap::<_, Numbers>::new(), HashMap::<_, Numbers>::new());
    for row in rows {
        if let Some(group_id) = row.group_id {
            *of_group.entry(group_id).or_default().entry(row.kind.clone()).or_default() += row.number;
        }
        *of_customer.entry(row.customer_id).or_default().entry(row.kind).or_default() += row.number;
    }
    (of_customer, of_group)
}

/// Puts each customer after the one above it; the rows come by key, and siblings stay so.
fn arrange(
    rows: Vec<CustomerRow>,
    calendar: Calendar,
    mut devices: impl FnMut(i32) -> Numbers,
) -> Result<Vec<(i32, Node)>> {
    let (top, now) = (Rc::new(calendar), Utc::now());
    let there: HashMap<i32, usize> = rows.iter().enumerate().map(|(row, c)| (c.customer_id, row)).collect();
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); rows.len()];
    // What is still to be placed, the next one last: row, place of the node above.
    let mut waiting: Vec<(usize, Option<usize>)> = Vec::new();
    for (row, customer) in rows.iter().enumerate().rev() {
        match customer.parent_id.and_then(|parent| there.get(&parent)) {
            Some(parent) => below[*parent].push(row),
            None => waiting.push((row, None)),
        }
    }
    let mut rows: Vec<Option<CustomerRow>> = rows.into_iter().map(Some).collect();
    let mut nodes: Vec<(i32, Node)> = Vec::with_capacity(rows.len());
    while let Some((row, above)) = waiting.pop() {
        let Some(customer) = rows[row].take() else { continue };
        let upper = above.map(|above| &nodes[above].1);
        let inherited = upper.map_or(&top, |upper| &upper.calendar);
        let calendar = customer.said.calendar(inherited)?.map_or_else(|| Rc::clone(inherited), Rc::new);
        let depth = upper.map_or(0, |upper| upper.depth + 1);
        let branch = Branch {
            id: customer.id,
            key: customer.key,
            name: customer.name,
            billing_time_zone: calendar.zone_at(now).name().to_owned(),
            groups: Vec::new(),
            devices: devices(customer.customer_id),
            subtree_devices: Numbers::new(),
        };
        let place = nodes.len();
        nodes.push((customer.customer_id, Node { branch, depth, above, calendar }));
        waiting.extend(below[row].iter().map(|row| (*row, Some(place))));
    }
    Ok(nodes)
}

/// Sums the numbers of devices upwards: from the last node on, whatever is below a node has been added to it already.
fn add_up(nodes: &mut [Node]) {
    for place in (0..nodes.len()).rev() {
        let (before, rest) = nodes.split_at_mut(place);
        let node = &mut rest[0];
        add(&mut node.branch.subtree_devices, &node.branch.devices);
        if let Some(above) = node.above {
            add(&mut before[above].branch.subtree_devices, &node.branch.subtree_devices);
        }
    }
}

/// Adds numbers of devices kind by kind.
pub fn add(sum: &mut Numbers, more: &Numbers) {
    for (kind, number) in more {
        *sum.entry(kind.clone()).or_default() += number;
    }
}
