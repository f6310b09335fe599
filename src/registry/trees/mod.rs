//! `/v1/tree`, `/v1/customers/{key}/tree`: the hierarchy with its groups and numbers of devices.
//!
//! Three sets are read at one instant and put together in memory. Trees may be thousands of levels deep, so nothing here
//! recurses: [`nodes`] lie in one list, each after the one above it, and the JSON is written along that list.

mod nodes;

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::core::calendar::Calendar;
use crate::core::entity::Ref;
use crate::database::SNAPSHOT;
use crate::http::access::Reader;
use crate::http::extract::{NoParameters, PathRef, Query};
use crate::http::problem::{Problem, Result};
use crate::registry::{calendars, lookup, providers};
use nodes::{Node, add};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(whole)).routes(routes!(below))
}

/// Numbers of devices in service, by kind; kinds without devices are absent.
type Numbers = BTreeMap<String, i64>;

/// A customer with all that is below it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of what is written without recursion")]
pub struct CustomerTree {
    #[schema(inline)]
    #[serde(flatten)]
    customer: Branch,
    /// The customers directly below, by key.
    #[schema(no_recursion)]
    customers: Vec<CustomerTree>,
}

/// A provider with all its customers.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of what is written without recursion")]
pub struct ProviderTree {
    #[schema(inline)]
    #[serde(flatten)]
    provider: Root,
    /// The customers at the top, by key.
    customers: Vec<CustomerTree>,
}

/// A customer in a tree, without those below it.
#[derive(Debug, Serialize, ToSchema)]
struct Branch {
    id: Uuid,
    #[schema(example = "acme-north")]
    key: String,
    #[schema(example = "Acme North")]
    name: String,
    /// Billing time zone that holds today: its own or inherited.
    #[schema(example = "Europe/Paris")]
    billing_time_zone: String,
    /// Its groups, by key.
    groups: Vec<Leaf>,
    /// Numbers of its own devices in service, by kind.
    #[schema(value_type = HashMap<String, i64>, example = json!({"device": 40, "gateway": 2}))]
    devices: Numbers,
    /// The same with all sub-customers at any depth.
    #[schema(value_type = HashMap<String, i64>, example = json!({"device": 140, "gateway": 7}))]
    subtree_devices: Numbers,
}

/// A group in a tree.
#[derive(Debug, Serialize, ToSchema)]
struct Leaf {
    id: Uuid,
    #[schema(example = "acme-roof")]
    key: String,
    #[schema(example = "Roof")]
    name: String,
    #[schema(example = "site")]
    kind: String,
    /// Numbers of the devices in service that are in it, by kind.
    #[schema(value_type = HashMap<String, i64>, example = json!({"device": 12}))]
    devices: Numbers,
}

/// The provider above the customers.
#[derive(Debug, Serialize, ToSchema)]
struct Root {
    id: Uuid,
    #[schema(example = "northwind")]
    key: String,
    #[schema(example = "Northwind Energy")]
    name: String,
    #[schema(example = "Europe/Paris")]
    time_zone: String,
    /// Numbers of all devices in service, by kind.
    #[schema(value_type = HashMap<String, i64>, example = json!({"device": 1400, "gateway": 70}))]
    subtree_devices: Numbers,
}

/// The whole hierarchy
///
/// All customers with their sub-customers to any depth, their groups, and the numbers of devices in service by kind. Who sees
/// a part of the provider gets that part.
#[utoipa::path(get, path = "/v1/tree", tag = "Registry",
    responses((status = 200, description = "The provider's tree", body = ProviderTree)))]
async fn whole(
    State(app): State<App>,
    Reader(tenant): Reader,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Response> {
    let mut db = app.query.begin_with(SNAPSHOT).await?;
    let name = tenant.key.parse::<Ref>().map_err(Problem::internal)?;
    let provider = providers::find(&mut db, &name, Some(tenant.provider_id())).await?;
    let provider = provider.ok_or_else(|| Problem::no_such("provider", &name, None))?;
    let root = tenant.subtree().map(|subtree| subtree.root);
    let calendar = match root {
        Some(customer_id) => calendars::of(&mut db, customer_id).await?,
        None => Calendar::new(calendars::zone(&provider.time_zone)?),
    };
    let nodes = nodes::read(&mut db, &tenant, root, calendar).await?;
    let mut subtree_devices = Numbers::new();
    nodes
        .iter()
        .filter(|node| node.depth == 0)
        .for_each(|node| add(&mut subtree_devices, &node.branch.subtree_devices));
    let root = Root {
        id: provider.id,
        key: provider.key,
        name: provider.name,
        time_zone: provider.time_zone,
        subtree_devices,
    };
    let mut json = open(&root)?;
    write(&mut json, &nodes)?;
    json.extend(b"]}");
    Ok(respond(json))
}

/// A customer's hierarchy
///
/// The customer with its sub-customers to any depth, their groups, and the numbers of devices in service by kind.
#[utoipa::path(get, path = "/v1/customers/{key}/tree", tag = "Registry",
    params(("key" = String, Path, description = "Key or id of the customer", example = "acme")),
    responses((status = 200, description = "The customer's tree", body = CustomerTree)))]
async fn below(
    State(app): State<App>,
    Reader(tenant): Reader,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Response> {
    let mut db = app.query.begin_with(SNAPSHOT).await?;
    let found = lookup::customers(&mut db, &tenant, &[&path.0]).await?;
    let customer_id = found.get(&path.0).ok_or_else(|| Problem::no_such("customer", &path.0, None))?;
    let calendar = calendars::of(&mut db, customer_id).await?;
    let nodes = nodes::read(&mut db, &tenant, Some(customer_id), calendar).await?;
    let mut json = Vec::new();
    write(&mut json, &nodes)?;
    Ok(respond(json))
}

fn respond(json: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}

/// Writes the nodes, each within the one above it, separated by commas.
fn write(json: &mut Vec<u8>, nodes: &[Node]) -> Result<()> {
    let mut depth_before = None;
    for node in nodes {
        if let Some(before) = depth_before {
            // Closes the node before unless this one is within it, and all between them.
            (node.depth..before + 1).for_each(|_| json.extend(b"]}"));
            if node.depth <= before {
                json.push(b',');
            }
        }
        json.extend(open(&node.branch)?);
        depth_before = Some(node.depth);
    }
    (0..depth_before.map_or(0, |before| before + 1)).for_each(|_| json.extend(b"]}"));
    Ok(())
}

/// An object of these fields, left open within its `customers`.
fn open(fields: &impl Serialize) -> Result<Vec<u8>> {
    let mut json = serde_json::to_vec(fields).map_err(Problem::internal)?;
    json.pop();
    json.extend(br#","customers":["#);
    Ok(json)
}
