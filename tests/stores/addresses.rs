//! Addresses of stores: what opens, and what is said of the rest.

use idemcheck::store::url::{OpenError, open};

use crate::place::runtime;

fn refused(url: &str) -> String {
    match runtime().block_on(open(url)) {
        Ok(_) => panic!("{url} was opened"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn memory_and_a_file_are_opened() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        open("memory:").await.unwrap().check().await.unwrap();
        let path = folder.path().join("a file.db");
        open(&format!("sqlite:{}", path.display())).await.unwrap().check().await.unwrap();
        open(&format!("sqlite://{}", path.display())).await.unwrap().check().await.unwrap();
        assert!(path.exists());
    });
}

#[test]
fn a_wrong_address_is_told_what_to_be() {
    for (url, told) in [
        ("", "`memory:`"),
        ("memory", "`memory:`"),
        ("memory:x", "write `memory:`"),
        ("sqlite:", "`sqlite:receipts.db`"),
        ("sqlite::memory:", "write `memory:`"),
        ("sqlite://receipts.db", "`sqlite:PATH`"),
        ("sqlite:receipts.db?mode=ro", "no parameters"),
        ("postgres:h/d", "`postgres://USER@HOST/DATABASE`"),
        ("postgres://u:s3cret@127.0.0.1:1/d?sslmode=require", "`sslmode=disable`"),
        ("postgres://u:s3cret@127.0.0.1:1/d?sslmode=verify-full", "`sslmode=disable`"),
        ("postgres://u:s3cret@127.0.0.1:1/d?nonsense=1", "nonsense"),
        ("postgres://u:s3cret@127.0.0.1:bad/d", "port"),
        ("rediss://u:s3cret@127.0.0.1:1", "`redis://`"),
        ("redis:127.0.0.1", "`redis://HOST`"),
        ("mysql://u:s3cret@h/d", "`postgres://USER@HOST/DATABASE`"),
        ("dynamodb:t", "`dynamodb://TABLE?region=REGION`"),
        ("dynamodb://", "the name of a table"),
        ("dynamodb://a/b", "the name of a table"),
        ("dynamodb://u:s3cret@t?region=r", "credentials are no part"),
        ("dynamodb://t?secret_access_key=s3cret", "`region` and `endpoint`"),
        #[cfg(not(feature = "dynamodb"))]
        ("dynamodb://t?region=r", "`cargo build --release --features dynamodb`"),
        ("s3cret:x", "`memory:`"),
    ] {
        let text = refused(url);
        assert!(text.contains(told), "{url}: {text}");
        assert!(!text.contains("s3cret"), "{url}: {text}");
    }
}

#[test]
fn a_server_that_is_not_there_is_named_without_its_password() {
    for (url, shown) in [
        ("postgres://u:s3cret@127.0.0.1:1/d", "postgres://u:***@127.0.0.1:1/d: "),
        ("redis://u:s3cret@127.0.0.1:1", "redis://u:***@127.0.0.1:1: "),
    ] {
        let text = refused(url);
        assert!(text.starts_with(shown), "{text}");
        assert!(text.contains("could not be reached"), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    std::fs::write(&path, "this is no database, and long enough to be looked at as one".repeat(50)).unwrap();
    let error = runtime().block_on(open(&format!("sqlite:{}", path.display()))).err().unwrap();
    assert!(matches!(error, OpenError::Store { .. }), "{error}");
    let folder = format!("sqlite:{}", folder.path().display());
    assert!(refused(&folder).contains("could not be reached"));
}
