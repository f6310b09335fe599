//! Pages for people, and what browsers are told about all answers.

use serde_json::Value;

use crate::harness::{Answer, TestApp};

async fn get(app: &TestApp, path: &str) -> Answer {
    Answer::of(app.client.get(format!("{}{path}", app.base))).await
}

pub async fn the_dashboard_is_made_of_files_that_say_what_they_are(app: TestApp) {
    let start = get(&app, "/").await.expect_status(200);
    assert_eq!(start.headers["content-type"], "text/html; charset=utf-8");
    // Everything that it names is there, and of this server.
    let mut files: Vec<String> =
        start.text.split('"').filter(|part| part.starts_with("/dashboard/")).map(str::to_owned).collect();
    assert!(files.len() > 2, "{files:?}");
    let mut at = 0;
    while at < files.len() {
        let path = files[at].clone();
        let file = get(&app, &path).await.expect_status(200);
        let kind = match path.rsplit_once('.').expect("an end").1 {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            other => panic!("{path}: {other}"),
        };
        assert_eq!(file.headers["content-type"], kind, "{path}");
        assert_eq!(file.headers["cache-control"], "no-cache");
        let tag = file.headers["etag"].to_str().expect("a tag").to_owned();
        let again = app.client.get(format!("{}{path}", app.base)).header("if-none-match", &tag);
        assert_eq!(Answer::of(again).await.expect_status(304).text, "");
        // Modules that it imports, by paths beside it.
        for line in file.text.lines().filter(|line| path.ends_with(".js") && line.contains("from ")) {
            let name = line.rsplit("from ").next().and_then(|rest| rest.split(['\'', '"']).nth(1));
            let Some(name) = name.filter(|name| name.starts_with('.')) else { continue };
            let base = reqwest::Url::parse(&format!("{}{path}", app.base)).expect("an address");
            let found = base.join(name).expect("an address").path().to_owned();
            if !files.contains(&found) {
                files.push(found);
            }
        }
        at += 1;
    }
    assert!(files.len() > 5, "{files:?}");
    for none in ["/dashboard/", "/dashboard/none.js", "/dashboard/../Cargo.toml", "/dashboard/%2e%2e/Cargo.toml"] {
        get(&app, none).await.expect_status(404);
    }
}

pub async fn browsers_are_told_what_pages_may_not_do(app: TestApp) {
    let policy = |answer: &Answer| answer.headers["content-security-policy"].to_str().expect("text").to_owned();
    let pages = ["/", "/dashboard/app.js", "/docs/", "/docs/swagger-ui-bundle.js", "/problems/", "/problems/not_found"];
    for path in pages {
        let page = get(&app, path).await.expect_status(200);
        let policy = policy(&page);
        assert!(
            policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe-eval") && !policy.contains("http"), "{path}: {policy}");
        assert_eq!(policy.contains("'unsafe-inline'"), path.starts_with("/docs"), "{path}: {policy}");
        assert_eq!(page.headers["cross-origin-opener-policy"], "same-origin", "{path}");
        assert!(page.headers["permissions-policy"].to_str().expect("text").contains("camera=()"), "{path}");
    }
    assert_eq!(
        policy(&get(&app, "/").await),
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    for path in ["/", "/docs/", "/problems/", "/healthz", "/openapi.json", "/v1/tree", "/none"] {
        let answer = get(&app, path).await;
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer", "{path}");
        assert!(policy(&answer).contains("default-src 'none'"), "{path}");
        assert!(!answer.headers.contains_key("strict-transport-security"), "{path}");
    }
    // Problem pages have nothing in them that their policy forbids.
    let page = get(&app, "/problems/not_found").await.text;
    assert!(!page.contains("<style") && !page.contains("style=") && !page.contains("<script"), "{page}");
    let style = get(&app, "/problems/page.css").await.expect_status(200);
    assert_eq!(style.headers["content-type"], "text/css; charset=utf-8");
}

pub async fn the_document_says_that_a_session_is_as_good_as_a_key(app: TestApp) {
    let document: Value = get(&app, "/openapi.json").await.expect_status(200).json();
    assert_eq!(document["components"]["securitySchemes"]["session"]["in"], "cookie");
    let security = &document["paths"]["/v1/tree"]["get"]["security"];
    assert_eq!(security, &serde_json::json!([{"key": []}, {"session": []}]));
}
