//! DynamoDB shows nobody its clock: what that means for what is served on it.

use crate::harness::{Server, durable, fresh, policy};

/// DynamoDB, where the tests have it.
fn url() -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    durable(folder.path()).into_iter().find(|(name, _)| *name == "dynamodb").map(|(_, url)| url)
}

#[test]
fn a_policy_that_counts_on_the_stores_clock_is_refused() {
    let Some(url) = url() else { return };
    let output = assert_cmd::Command::cargo_bin("idemcheck")
        .unwrap()
        .arg("serve")
        .arg(policy("lease"))
        .args(["--store", &url, "--listen", "127.0.0.1:0"])
        .timeout(std::time::Duration::from_secs(60))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("no clock of its own") && told.contains("clock = \"client\""), "{told}");
}

#[test]
fn limits_are_what_an_item_holds() {
    let Some(url) = url() else { return };
    let server = Server::start(&policy("lease"), &["--store", &url]);
    server.until_logged("bodies of up to 98 KiB and answers of up to 196 KiB");
    let fits = server.post(&fresh("fits"), &"x".repeat(98 << 10));
    assert_eq!(fits.status, 201, "{fits:?}");
    let long = server.post(&fresh("long"), &"x".repeat(99 << 10));
    assert_eq!(long.status, 413, "{long:?}");
}
