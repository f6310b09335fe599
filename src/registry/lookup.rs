//! The numbers inside the database of what a caller names by key or id. Another provider's entities are not there,
//! nor are those of customers that the caller does not see.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::core::entity::Ref;
use crate::http::access::Tenant;
use crate::http::problem::{Problem, Result};

/// A group, and whose devices it holds.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Group {
    pub group_id: i32,
    pub customer_id: i32,
}

/// What was found, by key and by id.
pub struct Found<T>(HashMap<String, T>);

#[derive(sqlx::FromRow)]
struct Named<T> {
    id: Uuid,
    key: String,
    #[sqlx(flatten)]
    entity: T,
}

#[derive(Clone, Copy, sqlx::FromRow)]
struct Customer {
    customer_id: i32,
}

#[derive(Clone, Copy, sqlx::FromRow)]
struct Profile {
    profile_id: i32,
}

impl<T: Copy> Found<T> {
    fn of(rows: Vec<Named<T>>) -> Self {
        Self(rows.into_iter().flat_map(|row| [(row.key, row.entity), (row.id.to_string(), row.entity)]).collect())
    }

    pub fn get(&self, name: &Ref) -> Option<T> {
        self.0.get(&name.to_string()).copied()
    }
}

/// The customers among these names.
pub async fn customers(db: &mut PgConnection, tenant: &Tenant, names: &[&Ref]) -> sqlx::Result<Found<i32>> {
    let (keys, ids) = split(names);
    let rows: Vec<Named<Customer>> = tenant
        .seen_as(include_str!("../../sql/registry/lookup/customers.sql"))
        .bind(keys)
        .bind(ids)
        .fetch_all(db)
        .await?;
    let number = |row: Named<Customer>| Named { id: row.id, key: row.key, entity: row.entity.customer_id };
    Ok(Found::of(rows.into_iter().map(number).collect()))
}

/// The groups among these names.
pub async fn groups(db: &mut PgConnection, tenant: &Tenant, names: &[&Ref]) -> sqlx::Result<Found<Group>> {
    let (keys, ids) = split(names);
    let rows: Vec<Named<Group>> =
        tenant.seen_as(include_str!("../../sql/registry/lookup/groups.sql")).bind(keys).bind(ids).fetch_all(db).await?;
    Ok(Found::of(rows))
}

/// The profiles among these names.
pub async fn profiles(db: &mut PgConnection, tenant: &Tenant, names: &[&Ref]) -> sqlx::Result<Found<i32>> {
    let (keys, ids) = split(names);
    let keys: Vec<String> = keys.into_iter().map(str::to_owned).collect();
    let rows: Vec<Named<Profile>> = tenant
        .query_as(include_str!("../../sql/registry/lookup/profiles.sql"))
        .bind(keys)
        .bind(ids)
        .fetch_all(db)
        .await?;
    let number = |row: Named<Profile>| Named { id: row.id, key: row.key, entity: row.entity.profile_id };
    Ok(Found::of(rows.into_iter().map(number).collect()))
}

/// The customer that the caller names at `pointer`.
pub async fn customer(db: &mut PgConnection, tenant: &Tenant, name: &Ref, pointer: &str) -> Result<i32> {
    let found = customers(db, tenant, &[name]).await?;
    found.get(name).ok_or_else(|| Problem::no_such("customer", name, Some(pointer)))
}

/// The group that the caller names at `pointer`.
pub async fn group(db: &mut PgConnection, tenant: &Tenant, name: &Ref, pointer: &str) -> Result<Group> {
    let found = groups(db, tenant, &[name]).await?;
    found.get(name).ok_or_else(|| Problem::no_such("group", name, Some(pointer)))
}

/// The device that a key names at `pointer`, for which it is to be.
pub async fn device(db: &mut PgConnection, tenant: &Tenant, name: &Ref, pointer: &str) -> Result<i32> {
    let found =
        tenant.query_as(include_str!("../../sql/registry/lookup/devices.sql")).bind(name.key().map(str::to_owned));
    let found: Option<(i32,)> = found.bind(name.id()).fetch_optional(db).await?;
    found.map(|(id,)| id).ok_or_else(|| Problem::no_such("device", name, Some(pointer)))
}

/// The profile that the caller names at `pointer`.
pub async fn profile(db: &mut PgConnection, tenant: &Tenant, name: &Ref, pointer: &str) -> Result<i32> {
    let found = profiles(db, tenant, &[name]).await?;
    found.get(name).ok_or_else(|| Problem::no_such("profile", name, Some(pointer)))
}

fn split<'a>(names: &[&'a Ref]) -> (Vec<&'a str>, Vec<Uuid>) {
    let keys = names.iter().copied().filter_map(Ref::key).collect();
    (keys, names.iter().copied().filter_map(Ref::id).collect())
}
