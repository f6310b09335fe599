//! `/v1/device/certificate`, and certificates of devices that enroll with a request for one.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::enroll::ask::enrolled_as;
use crate::http::access::{Sender, Tenant};
use crate::http::extract::{Body, NoParameters, Query};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::keys::{Authority, CertificateRequest};
use crate::registry::audit::{self, Action};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(post))
}

/// What a device wants certified, and who does it.
pub struct Asked<'a> {
    authority: &'a Authority,
    request: CertificateRequest,
}

/// A device's next certificate.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PostCertificate {
    /// Certificate signing request in PEM form (PKCS #10), of the key that the device has or of another one.
    #[schema(
        example = "-----BEGIN CERTIFICATE REQUEST-----\nMIH...\n-----END CERTIFICATE REQUEST-----\n",
        max_length = 8192
    )]
    csr: String,
}

/// A certificate of a device.
#[derive(Debug, Serialize, ToSchema)]
struct DeviceCertificate {
    /// In PEM form.
    #[schema(example = "-----BEGIN CERTIFICATE-----\nMIIB...\n-----END CERTIFICATE-----\n")]
    certificate: String,
    /// Until when it is good. The device should ask for the next one when a third of its time is left.
    expires_at: DateTime<Utc>,
}

/// The key, and its last certificate for a public key.
#[derive(sqlx::FromRow)]
struct Certified {
    /// Of the API key.
    id: Uuid,
    pem: Option<String>,
    issued_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
}

/// Give a device its next certificate
///
/// For a device that enrolled, with its certificate or its key, before the one that it has ends. Whoever connects with the
/// certificate, over TLS and without `Authorization`, holds the device's key. The request may be of the same key pair or of
/// another one; to repeat it is harmless: while more than a third of its time is left, the same certificate is the answer. The
/// last three are good until they end, all of them no longer than the device's API key.
#[utoipa::path(post, path = "/v1/device/certificate", tag = "Devices", request_body = PostCertificate,
    responses(
        (status = 200, description = "The certificate", body = DeviceCertificate),
        (status = 409, description = "`no_issuing_authority`: this server gives no certificates",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn post(
    State(app): State<App>,
    Sender(tenant): Sender,
    Query(NoParameters {}): Query<NoParameters>,
    Body(body): Body<PostCertificate>,
) -> Result<Json<DeviceCertificate>> {
    let asked = asked(&app, &body.csr)?;
    let mut db = app.query.begin().await?;
    let (key_id, device) = enrolled_as(&mut db, &tenant).await?;
    let (certificate, expires_at) = asked.certify(&mut db, &tenant, key_id, &device).await?;
    db.commit().await?;
    Ok(Json(DeviceCertificate { certificate, expires_at }))
}

/// Reads what a device wants certified.
pub fn asked<'a>(app: &'a App, csr: &str) -> Result<Asked<'a>> {
    let authority = app.issuer.as_deref().filter(|authority| authority.is_good(Utc::now()));
    let authority = authority.ok_or_else(|| {
        Problem::new(
            Code::NoIssuingAuthority,
            "this server gives no certificates; enroll without `csr`, with a `secret`",
        )
    })?;
    let request = CertificateRequest::read(csr).map_err(|why| Problem::field("/csr", why.to_string()))?;
    Ok(Asked { authority, request })
}

impl Asked<'_> {
    /// Whether the API key got a certificate for this public key before.
    pub async fn is_known(&self, db: &mut PgConnection, key_id: i32) -> Result<bool> {
        Ok(self.certified(db, key_id).await?.pem.is_some())
    }

    /// A certificate with which its device holds an API key: the one that it has, while more than a third of its time is left, or
    /// another; and its end.
    pub async fn certify(
        &self,
        db: &mut PgConnection,
        tenant: &Tenant,
        key_id: i32,
        device: &str,
    ) -> Result<(String, DateTime<Utc>)> {
        let now = Utc::now();
        let before = self.certified(db, key_id).await?;
        if let (Some(pem), Some(issued_at), Some(expires_at)) = (before.pem, before.issued_at, before.expires_at)
            && (expires_at - now) * 3 > expires_at - issued_at
        {
            return Ok((pem, expires_at));
        }
        let names = [tenant.key.as_str(), device];
        let issued = self.authority.issue(&self.request, before.id, names, now).map_err(Problem::internal)?;
        sqlx::query(include_str!("../../sql/keys/certify.sql"))
            .bind(key_id)
            .bind(issued.fingerprint.as_slice())
            .bind(self.request.public_key.as_slice())
            .bind(&issued.pem)
            .bind(now)
            .bind(issued.expires_at)
            .execute(&mut *db)
            .await?;
        let after = json!({
            "device": device,
            "certificate_fingerprint": hex::encode(issued.fingerprint),
            "expires_at": issued.expires_at,
        });
        let entry = audit::Entry { entity: &before.id.to_string(), before: None, after: Some(after) };
        audit::write(db, &tenant.by, Action::KeyCertify, &[entry]).await?;
        Ok((issued.pem, issued.expires_at))
    }

    async fn certified(&self, db: &mut PgConnection, key_id: i32) -> sqlx::Result<Certified> {
        sqlx::query_as(include_str!("../../sql/keys/certified.sql"))
            .bind(key_id)
            .bind(self.request.public_key.as_slice())
            .fetch_one(db)
            .await
    }
}
