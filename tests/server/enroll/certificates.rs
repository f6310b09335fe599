//! Devices with a key pair: they enroll with a request for a certificate, and connect with that.

use chrono::{DateTime, TimeDelta, Utc};
use meterbase::keys::ClientCertificate;
use nix::sys::signal::Signal;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use reqwest::{Client, Identity};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::{audited, device, north, secret, token, uses};
use crate::binary::{Serving, refused, text};
use crate::certificates::authority::{Authority, Files, builder, url};
use crate::harness::{Answer, TestApp};

/// A server that gives certificates.
struct World {
    ours: Authority,
    server: Serving,
    files: Files,
}

impl World {
    fn start(app: &TestApp) -> Self {
        let (ours, files) = (Authority::new("Meters"), Files::new());
        files.write_server(&ours.issue("server", later()));
        let (ca, key) = (files.write("ca.pem", &ours.pem()), files.write("ca-key.pem", &ours.key_pem()));
        let [ca, key] = [&ca, &key].map(|path| path.to_str().expect("a path"));
        let options = ["--tls-client-ca", ca, "--issuing-ca-cert", ca, "--issuing-ca-key", key, "--issuing-days", "30"];
        let server = Serving::start(files.serve(app, &options));
        Self { ours, server, files }
    }

    /// A client without a certificate.
    fn plain(&self) -> Client {
        builder(&self.ours).build().expect("a client")
    }

    /// A client with the certificate that was given for a key pair.
    fn client(&self, certificate: &Value, key: &KeyPair) -> Client {
        let pem = format!("{}{}", certificate.as_str().expect("a certificate"), key.serialize_pem());
        builder(&self.ours)
            .identity(Identity::from_pem(pem.as_bytes()).expect("an identity"))
            .build()
            .expect("a client")
    }

    async fn post(&self, client: &Client, path: &str, body: &Value) -> Answer {
        Answer::of(client.post(format!("{}{path}", url(&self.server))).json(body)).await
    }

    async fn standing(&self, client: &Client) -> Answer {
        Answer::of(client.get(format!("{}/v1/enroll", url(&self.server)))).await
    }

    /// `status code` of a reading.
    async fn posted(&self, client: &Client, device: &str, minute: u32) -> String {
        let at = format!("2026-03-01T00:{minute:02}:00Z");
        let body = json!([{"device": device, "metric": "energy", "at": at, "value": 1}]);
        let answer = self.post(client, "/v1/readings?receipts=all", &body).await.expect_status(200).json();
        let result = &answer["results"][0];
        [&result["status"], &result["code"]].map(|text| text.as_str().unwrap_or_default()).join(" ").trim().to_owned()
    }
}

fn later() -> DateTime<Utc> {
    Utc::now() + TimeDelta::days(300)
}

/// A key pair, and a request that would like to be somebody else.
fn request() -> (KeyPair, String) {
    let mut params = CertificateParams::new(["server".to_owned()]).expect("names");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "somebody else");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let csr = params.serialize_request(&key).expect("a request").pem().expect("PEM");
    (key, csr)
}

fn read(certificate: &Value) -> ClientCertificate {
    let der = CertificateDer::from_pem_slice(certificate.as_str().expect("a text").as_bytes()).expect("a certificate");
    ClientCertificate::read(&der).expect("a certificate")
}

fn with(mut body: Value, fields: Value) -> Value {
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

pub async fn a_device_with_a_key_pair_has_a_certificate_in_place_of_a_key(app: TestApp) {
    let key = north(&app).await;
    let world = World::start(&app);
    let (token, id) = token(&app, &key, json!({})).await;
    let (pair, csr) = request();
    let body = with(device(&token, "S-1"), json!({"csr": csr}));
    let plain = world.plain();
    let first = world.post(&plain, "/v1/enroll", &body).await.expect_status(202).json();
    assert_eq!((&first["key"], &first["device"]), (&Value::Null, &json!("S-1")));
    // Nothing but the key is the device's choice.
    let given = read(&first["certificate"]);
    let enrollment = app.get(&key, "/v1/enrollments").await.expect_status(200).json()["items"][0].clone();
    assert_eq!(given.subject, format!("CN={}", enrollment["key_id"].as_str().unwrap()));
    assert!((given.until - Utc::now() - TimeDelta::days(30)).abs() < TimeDelta::hours(1), "{}", given.until);
    // To repeat it with the same key pair changes nothing; nobody else can.
    let again = world.post(&plain, "/v1/enroll", &body).await.expect_status(202).json();
    assert_eq!(again, first);
    let other = request().1;
    for foreign in [json!({"csr": other}), json!({"csr": null, "secret": secret("a")}), json!({"csr": null})] {
        let refused = world.post(&plain, "/v1/enroll", &with(body.clone(), foreign)).await.expect_status(403);
        assert_eq!(refused.problem(), "enrollment_refused");
    }
    assert_eq!(uses(&app, &key, &id).await, 1);

    // It holds the device's key, before it is approved and after.
    let meter = world.client(&first["certificate"], &pair);
    world.standing(&meter).await.expect_status(202);
    assert_eq!(world.posted(&meter, "S-1", 1).await, "quarantined device_unapproved");
    let path = format!("/v1/enrollments/{}/approve", enrollment["id"].as_str().unwrap());
    app.call(&key, reqwest::Method::POST, &path, None).await.expect_status(200);
    world.standing(&meter).await.expect_status(200);
    assert_eq!(world.posted(&meter, "S-1", 2).await, "stored");
    assert_eq!(world.posted(&meter, "m2", 2).await, "quarantined unknown_device");
    world.standing(&world.plain()).await.expect_status(401);
    let again = world.post(&plain, "/v1/enroll", &body).await.expect_status(200).json();
    assert_eq!(again["certificate"], first["certificate"]);
    assert_eq!(audited(&app, &key, "key.certify").await.len(), 1);
    assert_eq!(world.server.end(Signal::SIGTERM), Some(0));
}

pub async fn a_certificate_is_followed_by_others_until_its_key_is_revoked(app: TestApp) {
    let key = north(&app).await;
    let world = World::start(&app);
    let (token, _) = token(&app, &key, json!({"approval": false})).await;
    let (pair, csr) = request();
    let body = with(device(&token, "S-1"), json!({"csr": csr}));
    let first = world.post(&world.plain(), "/v1/enroll", &body).await.expect_status(201).json();
    let meter = world.client(&first["certificate"], &pair);
    let path = "/v1/device/certificate";
    // With the same key pair it is the same one until two thirds of its time are over.
    let same = world.post(&meter, path, &json!({"csr": csr})).await.expect_status(200).json();
    assert_eq!(same["certificate"], first["certificate"]);
    let old =
        "UPDATE issued_certificate SET issued_at = now() - interval '21 days', expires_at = now() + interval '9 days'";
    sqlx::query(old).execute(&mut app.db().await).await.unwrap();
    let second = world.post(&meter, path, &json!({"csr": csr})).await.expect_status(200).json();
    assert_ne!(second["certificate"], first["certificate"]);
    // Another key pair is certified too, and the ones before go on.
    let (next, csr) = request();
    let third = world.post(&meter, path, &json!({"csr": csr})).await.expect_status(200).json();
    assert_eq!(read(&third["certificate"]).subject, read(&first["certificate"]).subject);
    let clients = [meter, world.client(&second["certificate"], &pair), world.client(&third["certificate"], &next)];
    for (minute, client) in (1..).zip(&clients) {
        assert_eq!(world.posted(client, "S-1", minute).await, "stored");
    }
    // Of many the last three are good.
    world.post(&clients[2], path, &json!({"csr": request().1})).await.expect_status(200);
    world.standing(&clients[0]).await.expect_status(401);
    world.standing(&clients[1]).await.expect_status(200);
    assert_eq!(audited(&app, &key, "key.certify").await.len(), 4);
    // Who did not enroll has no certificate.
    let made = app.post(&key, "/v1/keys", json!({"scope": "ingest"})).await.expect_status(201).json();
    let request = world.plain().post(format!("{}{path}", url(&world.server))).json(&json!({"csr": csr}));
    Answer::of(request.bearer_auth(made["key"].as_str().unwrap())).await.expect_status(404);

    let enrollment = app.get(&key, "/v1/enrollments").await.expect_status(200).json()["items"][0].clone();
    app.delete(&key, &format!("/v1/keys/{}", enrollment["key_id"].as_str().unwrap())).await.expect_status(204);
    for client in &clients {
        world.standing(client).await.expect_status(401);
    }
    world.post(&world.plain(), "/v1/enroll", &body).await.expect_status(403);
}

pub async fn what_cannot_be_certified_is_explained(app: TestApp) {
    let key = north(&app).await;
    let world = World::start(&app);
    let (token, id) = token(&app, &key, json!({})).await;
    let body = |fields: Value| with(device(&token, "S-1"), fields);
    let plain = world.plain();
    let good = request().1;
    for (wrong, place) in [
        (body(json!({"csr": "none"})), "-----BEGIN CERTIFICATE REQUEST-----"),
        (body(json!({"csr": "x".repeat(9000)})), "longer than 8192"),
        (body(json!({"csr": good, "secret": secret("a")})), "needs no secret"),
    ] {
        let answer = world.post(&plain, "/v1/enroll", &wrong).await.expect_status(422);
        assert!(answer.text.contains("/csr") && answer.text.contains(place), "{}", answer.text);
    }
    // A server without an authority says so, and nothing has happened.
    let answer = Answer::of(app.client.post(format!("{}/v1/enroll", app.base)).json(&body(json!({"csr": good})))).await;
    assert_eq!(answer.expect_status(409).problem(), "no_issuing_authority");
    assert_eq!(uses(&app, &key, &id).await, 0);

    let files = &world.files;
    let (ca, leaf) = (files.path("ca.pem"), files.path("cert.pem"));
    let start = |cert: &std::path::Path, key: &str| {
        let key = files.path(key);
        let [ca, cert, key] = [ca.as_path(), cert, key.as_path()].map(|path| path.to_str().expect("a path"));
        let options = ["--tls-client-ca", ca, "--issuing-ca-cert", cert, "--issuing-ca-key", key];
        let output = files.serve(&app, &options).output().expect("the binary");
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr)
    };
    assert!(start(&ca, "key.pem").contains("is not the key of --issuing-ca-cert"));
    assert!(start(&ca, "ca.pem").contains("no private key in PKCS #8"));
    assert!(start(&leaf, "key.pem").contains("not an authority's"));
    assert!(start(&files.path("none.pem"), "key.pem").contains("--issuing-ca-cert"));
    refused(&["serve", "--issuing-ca-key", "key.pem"], 2, "--issuing-ca-cert");
}
