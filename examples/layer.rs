//! A service with a policy before it: `cargo run --example layer`, then
//!
//! ```text
//! curl -i -X POST -H 'Idempotency-Key: "k1"' -d 10 http://127.0.0.1:3000/pay
//! curl -i -X POST -H 'Idempotency-Key: "k1"' -d 10 http://127.0.0.1:3000/pay    # replayed
//! curl -i -X POST -H 'Idempotency-Key: "k1"' -d 11 http://127.0.0.1:3000/pay    # 422
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use idemcheck::policy;
use idemcheck::serve::layer::Idempotency;
use idemcheck::store::url;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let loaded = policy::load(&[PathBuf::from("policies/write-path/atomic-receipt.toml")], None);
    let source = loaded.policies.first().ok_or("the policy does not read: see `idemcheck verify`")?;
    // `sqlite:receipts.db` or `postgres://…` outlives the process.
    let store = url::open("memory:").await?;
    let layer = Idempotency::new(&source.policy, &source.protocol, Arc::clone(&store))?;
    let app = Router::new().route("/pay", post(|amount: String| async move { format!("paid {amount}\n") }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app.layer(layer)).await?;
    Ok(())
}
