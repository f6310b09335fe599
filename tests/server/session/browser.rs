//! A browser: it keeps a cookie, and sends it with what it asks.

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::harness::{Answer, TestApp};

pub struct Browser {
    client: Client,
    base: String,
    /// The attributes of the cookie that it was given.
    pub attributes: Vec<String>,
    cookie: String,
}

impl Browser {
    /// One that has signed in.
    pub async fn signed_in(app: &TestApp, key: &str) -> Self {
        let (client, base) = (app.client.clone(), app.base.clone());
        let answer = sign_in(&client, &base, key).await.expect_status(201);
        Self::with(client, base, &answer)
    }

    /// One that keeps the cookie of an answer.
    pub fn with(client: Client, base: String, answer: &Answer) -> Self {
        let cookie = answer.headers["set-cookie"].to_str().expect("a header of text").to_owned();
        let mut parts = cookie.split("; ").map(str::to_owned);
        let cookie = parts.next().expect("a cookie");
        Self { client, base, attributes: parts.collect(), cookie }
    }

    /// The secret of its cookie.
    pub fn value(&self) -> &str {
        self.cookie.split_once('=').expect("a cookie").1
    }

    /// A request as any page could make it.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).header("cookie", &self.cookie)
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    /// A change by a page of the server.
    pub async fn change(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.request(method, path).header("x-meterbase-request", "1");
        Answer::of(if let Some(body) = body { request.json(&body) } else { request }).await
    }
}

pub async fn sign_in(client: &Client, base: &str, key: &str) -> Answer {
    Answer::of(client.post(format!("{base}/v1/session")).json(&json!({"key": key}))).await
}
