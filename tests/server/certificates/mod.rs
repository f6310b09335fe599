//! Certificates: the server's, and those of devices that stand for a key.

pub mod authority;

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use nix::sys::signal::{Signal, kill};
use reqwest::Client;
use reqwest::tls::Version;
use serde_json::{Value, json};

use crate::binary::{Patience, Serving, refused, text};
use crate::fixtures::{counts, verdicts};
use crate::harness::{Answer, TestApp};
use crate::keys::world;
use authority::{Authority, Files, builder, of_version, url};

/// Posts a reading of a device, which is new each time, without a key.
async fn send(client: &Client, server: &Serving, device: &str, minute: u32) -> reqwest::Result<Answer> {
    let body = format!("device,metric,at,value\n{device},energy,2026-03-16T01:{minute:02}:00Z,1000\n");
    let request = client.post(format!("{}/v1/readings", url(server))).header("content-type", "text/csv").body(body);
    let answer = request.send().await?;
    Ok(Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), text: answer.text().await? })
}

async fn stored(client: &Client, server: &Serving, device: &str, minute: u32) -> bool {
    let answer = send(client, server, device, minute).await.expect("an answer").expect_status(200).json();
    counts(&answer)[1] == 1
}

pub async fn a_certificate_stands_for_the_key_that_names_it(app: TestApp) {
    let all = world::north(&app).await;
    let (ours, theirs, files) = (Authority::new("Meters"), Authority::new("Others"), Files::new());
    let later = Utc::now() + TimeDelta::days(300);
    files.write_server(&ours.issue("server", later));
    let ca = files.write("ca.pem", &ours.pem());
    let server = Serving::start(files.serve(&app, &["--tls-client-ca", ca.to_str().expect("a path")]));

    let meter = ours.issue("in-acme", later);
    let client = meter.client(&ours);
    let answer = send(&client, &server, "in-acme", 1).await.expect("an answer").expect_status(401);
    assert!(answer.json()["detail"].as_str().expect("why").contains("has no key"));
    let body = json!({"scope": "ingest", "device": "in-acme", "certificate_fingerprint": meter.fingerprint()});
    let made = app.post(&all, "/v1/keys", body.clone()).await.expect_status(201).json();
    assert_eq!(made["key"], Value::Null);
    assert_eq!(made["certificate_fingerprint"], meter.fingerprint().replace(':', "").to_lowercase());
    // It is good for its device alone.
    assert!(stored(&client, &server, "in-acme", 1).await);
    let other = send(&client, &server, "foreign", 1).await.expect("an answer").expect_status(200).json();
    assert_eq!(verdicts(&other), ["quarantined unknown_device"]);
    let list = client.get(format!("{}/v1/devices", url(&server))).send().await.expect("an answer");
    assert_eq!(list.status(), 403);
    // What is asked with a key is the key's.
    let with_key =
        client.get(format!("{}/v1/devices", url(&server))).bearer_auth(&all).send().await.expect("an answer");
    assert_eq!(with_key.status(), 200);
    // Callers without a certificate send keys as ever.
    let plain = builder(&ours).build().expect("a client");
    send(&plain, &server, "in-acme", 2).await.expect("an answer").expect_status(401);
    let answer = plain.get(format!("{}/v1/devices", url(&server))).bearer_auth(&all).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    // One that the authority did not give, or that has ended, gets no connection.
    let expired = ours.issue("in-acme", Utc::now() - TimeDelta::days(2)).client(&ours);
    for client in [theirs.issue("in-acme", later).client(&ours), expired] {
        assert!(send(&client, &server, "in-acme", 3).await.is_err());
    }
    // Nobody else takes it, and revoking the key ends it on connections that are open.
    assert_eq!(app.post(&all, "/v1/keys", body.clone()).await.expect_status(409).problem(), "certificate_taken");
    let path = format!("/v1/keys/{}", made["id"].as_str().expect("an id"));
    assert_eq!(
        app.post(&all, &format!("{path}/rotate"), json!({})).await.expect_status(409).problem(),
        "key_without_text"
    );
    app.delete(&all, &path).await.expect_status(204);
    send(&client, &server, "in-acme", 4).await.expect("an answer").expect_status(401);
    app.post(&all, "/v1/keys", body).await.expect_status(201);
    assert!(stored(&client, &server, "in-acme", 4).await);
    assert_eq!(server.end(Signal::SIGTERM), Some(0));
}

pub async fn a_subject_stands_for_a_key_as_its_certificates_are_renewed(app: TestApp) {
    let all = world::north(&app).await;
    let (ours, files, later) = (Authority::new("Meters"), Files::new(), Utc::now() + TimeDelta::days(300));
    files.write_server(&ours.issue("server", later));
    let ca = files.write("ca.pem", &ours.pem());
    let options = ["--tls-client-ca", ca.to_str().expect("a path"), "--tls-client-required"];
    let server = Serving::start(files.serve(&app, &options));

    let body = json!({"scope": "ingest", "device": "in-sub", "certificate_subject": "CN=in-sub,O=Northwind"});
    app.post(&all, "/v1/keys", body.clone()).await.expect_status(403);
    let made = app.post(&app.admin, "/v1/keys?provider=north", body).await.expect_status(201).json();
    assert_eq!(made["certificate_subject"], "CN=in-sub,O=Northwind");
    for minute in [1, 2] {
        assert!(stored(&ours.issue("in-sub", later).client(&ours), &server, "in-sub", minute).await);
    }
    send(&ours.issue("in-sub,O=Northwind", later).client(&ours), &server, "in-sub", 3)
        .await
        .expect("an answer")
        .expect_status(401);
    // A key for the very certificate comes before.
    let other = ours.issue("in-sub", later);
    let body = json!({"scope": "ingest", "device": "in-acme", "certificate_fingerprint": other.fingerprint()});
    app.post(&all, "/v1/keys", body).await.expect_status(201);
    assert!(stored(&other.client(&ours), &server, "in-acme", 4).await);
    // Without a certificate there is no connection here.
    let plain = builder(&ours).build().expect("a client");
    assert!(send(&plain, &server, "in-sub", 5).await.is_err());
}

pub async fn keys_of_certificates_are_checked(app: TestApp) {
    let all = world::north(&app).await;
    let refused = async |key: &str, body: Value, status: u16, place: &str| {
        let answer = app.post(key, "/v1/keys?provider=north", body).await.expect_status(status);
        assert!(answer.text.contains(place), "{}", answer.text);
    };
    let good = "c3".repeat(32);
    refused(&all, json!({"scope": "ingest", "certificate_fingerprint": "00:11"}), 422, "/certificate_fingerprint")
        .await;
    refused(&all, json!({"scope": "read", "certificate_fingerprint": good}), 422, "/certificate_fingerprint").await;
    let admin = &app.admin;
    refused(admin, json!({"scope": "ingest", "certificate_subject": "in-acme"}), 422, "/certificate_subject").await;
    let both = json!({"scope": "ingest", "certificate_subject": "CN=a", "certificate_fingerprint": good});
    refused(admin, both, 422, "/certificate_subject").await;
    // What is another provider's is not told apart from one's own: a certificate is taken, whoever has it.
    let other = app.provider("south", "UTC").await;
    let body = json!({"scope": "ingest", "certificate_fingerprint": good});
    app.post(&all, "/v1/keys", body.clone()).await.expect_status(201);
    let mine = app.post(&all, "/v1/keys", body.clone()).await.expect_status(409).json();
    let theirs = app.post(&other, "/v1/keys", body).await.expect_status(409).json();
    assert_eq!(mine["detail"], theirs["detail"]);
}

pub async fn certificates_are_read_again_and_both_versions_of_tls_are_spoken(app: TestApp) {
    let (before, after, files) = (Authority::new("Before"), Authority::new("After"), Files::new());
    let later = Utc::now() + TimeDelta::days(300);
    files.write_server(&before.issue("server", later));
    let server = Serving::start(files.serve(&app, &[]));
    let healthz = async |client: Client| client.get(format!("{}/healthz", url(&server))).send().await.map(drop);
    for version in [Version::TLS_1_2, Version::TLS_1_3] {
        healthz(of_version(&before, version)).await.expect("an answer");
    }
    assert!(healthz(builder(&after).build().expect("a client")).await.is_err());
    // What cannot be used changes nothing.
    files.write("cert.pem", "no certificate");
    kill(server.pid(), Signal::SIGHUP).expect("a running server");
    healthz(builder(&before).build().expect("a client")).await.expect("an answer");
    files.write_server(&after.issue("server", later));
    kill(server.pid(), Signal::SIGHUP).expect("a running server");
    let mut patience = Patience::for_("the new certificate");
    while healthz(builder(&after).build().expect("a client")).await.is_err() {
        patience.poll().await;
    }
    assert!(healthz(builder(&before).build().expect("a client")).await.is_err());
}

pub async fn plain_http_is_spoken_beside_tls_on_this_machine_alone(app: TestApp) {
    let (ours, files) = (Authority::new("Ours"), Files::new());
    files.write_server(&ours.issue("server", Utc::now() + TimeDelta::days(300)));
    let free =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").to_string();
    let server = Serving::start(files.serve(&app, &["--listen-http", &free]));
    let answer = reqwest::get(format!("http://{free}/healthz")).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let secure = builder(&ours).build().expect("a client");
    assert_eq!(secure.get(format!("{}/healthz", url(&server))).send().await.expect("an answer").status(), 200);
    assert_eq!(server.end(Signal::SIGTERM), Some(0));
    let closed = Client::builder().connect_timeout(Duration::from_secs(5)).build().expect("a client");
    assert!(closed.get(format!("http://{free}/healthz")).send().await.is_err());

    let output = files.serve(&app, &["--listen-http", "0.0.0.0:0"]).output().expect("the binary");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("--listen-http 0.0.0.0:0: plain HTTP is spoken on a loopback address alone"));
    refused(&["serve", "--listen-http", "127.0.0.1:0"], 2, "--tls-cert");
    let output = files.serve(&app, &["--tls-client-ca", "none.pem"]).output().expect("the binary");
    assert!(text(&output.stderr).contains("--tls-client-ca none.pem"), "{}", text(&output.stderr));
}
