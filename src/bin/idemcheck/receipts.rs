//! `idemcheck receipts`: an operator's look at a store, and the few things an operator may do to it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use idemcheck::check::verdict::format_ms;
use idemcheck::policy::{FieldSource, Policy, TtlFrom};
use idemcheck::serve::downstream::{Downstream, Found, Ledger, Outgoing};
use idemcheck::serve::front::Front;
use idemcheck::serve::proxy::Proxy;
use idemcheck::serve::request::Request;
use idemcheck::serve::server::Limits;
use idemcheck::store::{
    Audit, Draft, Expected, Key, Owner, Pages, Receipt, SharedStore, Stamp, Status, StoreError, Swap,
    Swapped, Which, Write, url,
};
use idemcheck::system::System;

use crate::exit::Exit;
use crate::input;

#[derive(clap::Args)]
pub struct Args {
    /// Where receipts are kept: sqlite:FILE, postgres://… or redis://…
    #[arg(long, value_name = "URL")]
    store: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Receipts, in the order of their keys.
    List {
        /// Which ones.
        #[arg(long, value_enum, default_value_t)]
        which: Chosen,
        /// At most this many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// As JSON Lines.
        #[arg(long)]
        json: bool,
    },
    /// One receipt, without what was asked or answered.
    Show {
        /// A key as `list` prints it, or its hash as logs have it.
        key: String,
    },
    /// Delete receipts whose TTL ran out, in batches.
    Sweep {
        /// At most this many in all.
        #[arg(long, default_value_t = 100_000)]
        limit: u64,
        /// Only those of the policy of this name; without it, those of all policies that share the store.
        #[arg(long, value_name = "NAME")]
        of: Option<String>,
    },
    /// Ask the downstream whether the effect of an unfinished claim exists, and record it if it does.
    Reconcile {
        key: String,
        /// The policy that the claim is of.
        #[arg(long, value_name = "FILE")]
        policy: PathBuf,
        /// Where to ask; without it, the ledger in the store is asked.
        #[arg(long, value_name = "URL")]
        query_url: Option<String>,
        /// Kept in the audit table.
        #[arg(long)]
        reason: String,
        /// Reconcile a claim although its lease is not over: its owner finds it gone, and looks again.
        #[arg(long)]
        force: bool,
    },
    /// Delete a receipt, so that the key can be used again, by any payload; one that can't be read, too.
    Release {
        key: String,
        /// Kept in the audit table.
        #[arg(long)]
        reason: String,
        /// Release a claim although its lease is not over, or a receipt that is final.
        #[arg(long)]
        force: bool,
    },
    /// Bind a final receipt to another payload: requests with that one get the recorded answer, those with the
    /// first one are refused. The effect stays what it was.
    Rebind {
        key: String,
        /// The policy that the receipt is of: it says what is compared.
        #[arg(long, value_name = "FILE")]
        policy: PathBuf,
        /// The body of the payload.
        #[arg(long, value_name = "FILE")]
        body: PathBuf,
        /// Its path and query, if those are compared.
        #[arg(long, value_name = "PATH")]
        target: Option<String>,
        /// Its method, if that is compared.
        #[arg(long)]
        method: Option<String>,
        /// A header, if that is compared, as `Name: value`.
        #[arg(long, value_name = "HEADER")]
        header: Vec<String>,
        /// Kept in the audit table.
        #[arg(long)]
        reason: String,
    },
    /// What operators did, newest first.
    Audit {
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Chosen {
    #[default]
    All,
    /// Not final.
    InProgress,
    /// Not final, and over the lease.
    Stuck,
}

/// One look, or one change.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        if args.store == "memory:" {
            bail!("a store in memory is gone with its process; name the store that the server was given");
        }
        let store = url::open(&args.store).await.map_err(anyhow::Error::msg)?;
        match &args.command {
            Command::List { which, limit, json } => list(&store, *which, *limit, *json).await,
            Command::Show { key } => show(&store, key).await,
            Command::Sweep { limit, of } => sweep(&store, of.as_deref(), *limit).await,
            Command::Reconcile { key, policy, query_url, reason, force } => {
                reconcile(&store, key, policy, query_url.as_deref(), reason, *force).await
            }
            Command::Release { key, reason, force } => release(&store, key, reason, *force).await,
            Command::Rebind { key, policy, body, target, method, header, reason } => {
                let payload = Payload { method: method.as_deref(), target: target.as_deref(), header, body };
                rebind(&store, key, policy, &payload, reason).await
            }
            Command::Audit { limit } => audit(&store, *limit).await,
        }
    })
}

/// Receipts that are held at a time: each may have a request and an answer in it.
const PAGE: u32 = 50;
/// Receipts that one batch deletes.
const SWEPT_AT_ONCE: u32 = 500;

async fn list(store: &SharedStore, which: Chosen, limit: u32, json: bool) -> anyhow::Result<Exit> {
    let which = match which {
        Chosen::All => Which::All,
        Chosen::InProgress => Which::InProgress,
        Chosen::Stuck => Which::Abandoned,
    };
    let mut left = limit;
    let mut pages = Pages::new(store.as_ref(), which, limit.min(PAGE));
    let mut out = std::io::stdout().lock();
    while left > 0 {
        let Some(page) = pages.next().await? else { return Ok(Exit::Holds) };
        for (key, receipt) in page.receipts.iter().take(left as usize) {
            if json {
                writeln!(out, "{}", as_json(key, receipt, page.now))?;
            } else {
                writeln!(out, "{}", line(key, receipt, page.now))?;
            }
            left -= 1;
        }
    }
    eprintln!("{limit} shown, the limit; --limit shows more");
    Ok(Exit::Holds)
}

fn line(key: &Key, receipt: &Result<Receipt, StoreError>, now: i64) -> String {
    let receipt = match receipt {
        Ok(receipt) => receipt,
        Err(error) => return format!("{}  {}  {error}", key.hash(), key.as_str()),
    };
    let age = format_ms(now.saturating_sub(receipt.claimed_at).max(0));
    let lease = match receipt.lease_until.filter(|_| receipt.status == Status::InProgress) {
        Some(until) if until <= now => format!("  lease over for {}", format_ms(now - until)),
        Some(until) => format!("  lease for {}", format_ms(until - now)),
        None => String::new(),
    };
    let owner = if receipt.status == Status::InProgress {
        format!("  owner {}", receipt.owner)
    } else {
        String::new()
    };
    format!(
        "{}  {:<11}  token {}  age {age}{lease}{owner}  {}",
        key.hash(),
        receipt.status.name(),
        receipt.token,
        key.as_str()
    )
}

fn as_json(key: &Key, receipt: &Result<Receipt, StoreError>, now: i64) -> serde_json::Value {
    match receipt {
        Err(error) => {
            serde_json::json!({ "key": key.as_str(), "hash": key.hash(), "error": error.to_string() })
        }
        Ok(receipt) => serde_json::json!({
            "key": key.as_str(),
            "hash": key.hash(),
            "status": receipt.status.name(),
            "owner": receipt.owner.to_string(),
            "token": receipt.token,
            "revision": receipt.revision,
            "claimed_at": receipt.claimed_at,
            "lease_until": receipt.lease_until,
            "expires_at": receipt.expires_at,
            "checkpoint": receipt.checkpoint,
            "response_status": receipt.response.as_ref().map(|response| response.status),
            "response_bytes": receipt.response.as_ref().map(|response| response.body.len()),
            "now": now,
        }),
    }
}

/// A key with what is under it.
struct Named {
    key: Key,
    receipt: Result<Receipt, StoreError>,
    now: i64,
}

/// The key that the text names: as it is listed, or by the beginning of its hash.
async fn find(store: &SharedStore, text: &str) -> anyhow::Result<Named> {
    let named = Key::from_stored(text.to_owned());
    if named.parts().is_some() {
        let Some(found) = look_up(store, named).await? else { bail!("there is no receipt under {text}") };
        return Ok(found);
    }
    let mut found = Vec::new();
    let mut pages = Pages::new(store.as_ref(), Which::All, PAGE);
    while let Some(page) = pages.next().await? {
        let keys = page.receipts.into_iter().map(|(key, _)| key);
        found.extend(keys.filter(|key| !text.is_empty() && key.hash().starts_with(text)));
    }
    match found.as_slice() {
        [key] => look_up(store, key.clone()).await?.context("the receipt is gone"),
        [] => bail!("`{text}` is no key of this store, and no hash of one; `list` shows both"),
        several => bail!("{} keys have a hash that begins with `{text}`", several.len()),
    }
}

async fn look_up(store: &SharedStore, key: Key) -> anyhow::Result<Option<Named>> {
    match store.read(&key).await {
        Ok(seen) => Ok(seen.receipt.map(|receipt| Named { key, receipt: Ok(receipt), now: seen.now })),
        Err(error @ StoreError::Corrupt(_)) => Ok(Some(Named { key, receipt: Err(error), now: 0 })),
        Err(error) => Err(error.into()),
    }
}

async fn show(store: &SharedStore, text: &str) -> anyhow::Result<Exit> {
    let found = find(store, text).await?;
    println!("{:#}", as_json(&found.key, &found.receipt, found.now));
    Ok(Exit::Holds)
}

async fn sweep(store: &SharedStore, of: Option<&str>, limit: u64) -> anyhow::Result<Exit> {
    let mut swept = 0;
    while swept < limit {
        let batch = u32::try_from(limit - swept).unwrap_or(u32::MAX).min(SWEPT_AT_ONCE);
        let count = store.sweep(of, batch).await?;
        swept += count;
        if count < u64::from(batch) {
            break;
        }
    }
    println!("{swept} receipts were over their TTL and are deleted");
    Ok(Exit::Holds)
}

fn by() -> String {
    ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .unwrap_or_else(|| "unknown".to_owned())
}

fn audit_of(action: &str, reason: &str, found: &Named) -> anyhow::Result<Audit> {
    if reason.trim().is_empty() {
        bail!("the reason is blank: it is what the next one reads who looks at this key");
    }
    let before = as_json(&found.key, &found.receipt, found.now).to_string();
    Ok(Audit { action: action.to_owned(), reason: reason.trim().to_owned(), by: by(), before })
}

/// Refuses a policy that the key is not of.
fn of_policy(key: &Key, name: &str) -> anyhow::Result<()> {
    match key.parts().unwrap_or_default().first() {
        Some(first) if first == name => Ok(()),
        _ => bail!("{} is no key of the policy `{name}`", key.as_str()),
    }
}

/// Refuses what may be held, unless it is to be done all the same.
fn free(found: &Named, receipt: &Receipt) -> anyhow::Result<()> {
    let key = found.key.as_str();
    if receipt.lease_until.is_none_or(|until| until > found.now) {
        bail!("{key} may still be held: its lease is not over; --force does it all the same");
    }
    Ok(())
}

async fn release(store: &SharedStore, text: &str, reason: &str, force: bool) -> anyhow::Result<Exit> {
    let found = find(store, text).await?;
    let audit = audit_of("release", reason, &found)?;
    let expected = match &found.receipt {
        Ok(receipt) => {
            if !force && receipt.status != Status::InProgress {
                bail!(
                    "{} is final ({}): released, it would be done again; --force does it all the same",
                    found.key.as_str(),
                    receipt.status.name()
                );
            }
            if !force {
                free(&found, receipt)?;
            }
            Expected::Revision { revision: receipt.revision, alive: false }
        }
        Err(_) if force => Expected::Anything,
        Err(error) => {
            bail!(
                "{}: {error}; released, it may be done again; --force does it all the same",
                found.key.as_str()
            )
        }
    };
    let swap = Swap { audit: Some(audit), ..Swap::new(found.key, expected, Write::Delete) };
    let exit = done(store, &swap, "released").await?;
    eprintln!(
        "note: a downstream that was called under this key and deduplicates by keys of its own ([downstream] \
         native_key) still knows it: whatever is asked under the key now, another payload, too, gets the old \
         effect's answer or a refusal there, until the downstream forgets the key"
    );
    Ok(exit)
}

/// What the command line says of a payload.
struct Payload<'a> {
    method: Option<&'a str>,
    target: Option<&'a str>,
    header: &'a [String],
    body: &'a Path,
}

impl Payload<'_> {
    /// As a request with all that the policy compares.
    fn request(&self, policy: &Policy) -> anyhow::Result<Request> {
        let headers: Vec<(String, Vec<u8>)> =
            self.header.iter().map(|text| header_of(text)).collect::<Result<_, _>>()?;
        for place in policy.fingerprint_fields().unwrap_or_default() {
            match place {
                FieldSource::Method if self.method.is_none() => {
                    bail!("the policy compares the method; say which: --method POST")
                }
                FieldSource::Path | FieldSource::Query(_) if self.target.is_none() => {
                    bail!("the policy compares what stands in the URL; say it: --target '/path?query'")
                }
                FieldSource::Header(name)
                    if headers.iter().all(|(given, _)| *given != name.to_ascii_lowercase()) =>
                {
                    bail!(
                        "the policy compares the header {name}; say it, if only as empty: --header '{name}: '"
                    )
                }
                _ => {}
            }
        }
        let body =
            std::fs::read(self.body).with_context(|| format!("{} can't be read", self.body.display()))?;
        Ok(Request {
            method: self.method.unwrap_or_default().to_ascii_uppercase(),
            target: self.target.unwrap_or_default().to_owned(),
            headers,
            body: body.into(),
        })
    }
}

/// A header as it is given on the command line.
fn header_of(text: &str) -> anyhow::Result<(String, Vec<u8>)> {
    let (name, value) =
        text.split_once(':').with_context(|| format!("`{text}` is no header: write `Name: value`"))?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().as_bytes().to_vec()))
}

async fn rebind(
    store: &SharedStore,
    text: &str,
    policy: &Path,
    payload: &Payload<'_>,
    reason: &str,
) -> anyhow::Result<Exit> {
    let Some(source) = input::one("rebind", policy, None)? else { return Ok(Exit::CouldNotRun) };
    let found = find(store, text).await?;
    of_policy(&found.key, &source.policy.name)?;
    let receipt = found.receipt.clone()?;
    let audit = audit_of("rebind", reason, &found)?;
    let fingerprint =
        Front::fingerprint(&source.policy, &payload.request(&source.policy)?).map_err(anyhow::Error::msg)?;
    if fingerprint.is_empty() {
        bail!(
            "the policy compares no payloads: [key] has no `fingerprint`, so any payload is answered under it"
        );
    }
    if fingerprint == receipt.fingerprint {
        bail!("{} is bound to this payload already", found.key.as_str());
    }
    if receipt.status == Status::InProgress {
        bail!(
            "{} is not final: what was asked with the first payload may still be done; reconcile or release it",
            found.key.as_str()
        );
    }
    let swept = System::new(&source.policy, &source.protocol)?.is_swept();
    let draft = Draft { fingerprint, ..receipt.draft(swept) };
    let expected = Expected::Revision { revision: receipt.revision, alive: true };
    let swap = Swap { audit: Some(audit), ..Swap::new(found.key, expected, Write::Put(Box::new(draft))) };
    done(store, &swap, "rebound").await
}

async fn done(store: &SharedStore, swap: &Swap, what: &str) -> anyhow::Result<Exit> {
    match store.swap(swap).await? {
        Swapped::Done { .. } => {
            println!("{what} {}", swap.key.as_str());
            Ok(Exit::Holds)
        }
        Swapped::Conflict(_) | Swapped::Changed => {
            bail!("the receipt changed while it was looked at; nothing was done")
        }
    }
}

async fn reconcile(
    store: &SharedStore,
    text: &str,
    policy: &Path,
    query_url: Option<&str>,
    reason: &str,
    force: bool,
) -> anyhow::Result<Exit> {
    let Some(source) = input::one("reconcile", policy, None)? else { return Ok(Exit::CouldNotRun) };
    let policy = &source.policy;
    let found = find(store, text).await?;
    of_policy(&found.key, &policy.name)?;
    let receipt = found.receipt.clone()?;
    let key = found.key.clone();
    if receipt.status != Status::InProgress {
        bail!("{} is final ({}): there is nothing to reconcile", key.as_str(), receipt.status.name());
    }
    let audit = audit_of("reconcile", reason, &found)?;
    if !force {
        free(&found, &receipt)?;
    }
    let downstream: Arc<dyn Downstream> = match query_url {
        // Only asked, never called: the host alone matters.
        Some(query) => Arc::new(
            Proxy::new(query, Some(query), policy, Limits::default().response).map_err(anyhow::Error::msg)?,
        ),
        None => Arc::new(Ledger::new(store.clone(), policy, Duration::ZERO)),
    };
    let question = Outgoing {
        operation: key.clone(),
        fingerprint: receipt.fingerprint.clone(),
        request: Request::default(),
        native: false,
        token: 0,
        grant: receipt.token,
        correlation: "reconcile".to_owned(),
    };
    let response = match downstream.query(&question).await {
        Found::Applied(response) => response,
        Found::Absent => {
            println!("the effect of {} does not exist; nothing was changed", key.as_str());
            println!("`idemcheck receipts release` frees the key, once no call can still be on its way");
            return Ok(Exit::Holds);
        }
        Found::Unknown => bail!("the downstream does not say; nothing was changed"),
    };
    let kept = receipt.draft(System::new(policy, &source.protocol)?.is_swept());
    let store_of = policy.store.clone().unwrap_or_default();
    let draft = Draft {
        status: Status::Succeeded,
        // Who held it finds it gone, and answers what is recorded.
        owner: Owner::random()?,
        checkpoint: None,
        response: Some(response),
        request: Vec::new(),
        lease: Stamp::Never,
        expiry: match store_of.ttl_from {
            TtlFrom::Record => Stamp::from_in(store_of.ttl),
            TtlFrom::Claim => kept.expiry,
        },
        ..kept
    };
    let expected = Expected::Revision { revision: receipt.revision, alive: true };
    let swap = Swap { audit: Some(audit), ..Swap::new(key, expected, Write::Put(Box::new(draft))) };
    done(store, &swap, "recorded as succeeded:").await
}

async fn audit(store: &SharedStore, limit: u32) -> anyhow::Result<Exit> {
    for row in store.audited(limit).await? {
        let at = jiff::Timestamp::from_millisecond(row.at)
            .map_or_else(|_| row.at.to_string(), |at| at.to_string());
        let audit = &row.audit;
        println!("{at}  {}  {} by {}: {}", row.key.as_str(), audit.action, audit.by, audit.reason);
    }
    Ok(Exit::Holds)
}
