//! The far side of `downstream.call`: a ledger in the store, a service behind us, or a service around us.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::request::Request;
use crate::policy::Policy;
use crate::store::{Entry, Key, Landing, LedgerCall, Native, Response, SharedStore};

/// What a downstream promises to say.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A call on its way.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The receipt's key: what two attempts of one operation share.
    pub operation: Key,
    pub fingerprint: Vec<u8>,
    pub request: Request,
    /// A native idempotency key goes with it.
    pub native: bool,
    /// The fencing token that goes with it; 0: none.
    pub token: u64,
    /// The token of the grant under which it is sent; 0: none.
    pub grant: u64,
    pub correlation: String,
}

impl Outgoing {
    /// The native key: derived from ours, the same on every attempt, and no secret of ours.
    pub fn native_key(&self) -> String {
        use sha2::{Digest, Sha256};
        crate::store::hex(&Sha256::digest(self.operation.as_str().as_bytes())[..16])
    }
}

/// What the caller hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Ok(Response),
    /// It says that it was not done, or that it went wrong.
    Error(Response),
    /// Nobody knows.
    Timeout,
}

/// What a look at the effect finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Applied(Response),
    Absent,
    Unknown,
}

/// Who brings the effect about.
pub trait Downstream: Send + Sync {
    fn call<'a>(&'a self, call: &'a Outgoing) -> Reply<'a, Heard>;

    fn query<'a>(&'a self, call: &'a Outgoing) -> Reply<'a, Found>;

    /// The effect as a row for the store's own transaction; none where it happens elsewhere.
    fn local(&self, _call: &Outgoing) -> Option<Entry> {
        None
    }

    /// Effects are rows in the store.
    fn is_local(&self) -> bool {
        false
    }
}

/// Effects are rows in the store: the reference endpoint's own downstream, with the native keys and the
/// fencing that the policy declares.
pub struct Ledger {
    store: SharedStore,
    native_ttl: Option<i64>,
    compares: bool,
    fencing: bool,
    /// How long a call takes before its effect, and after.
    delay: Duration,
}

impl Ledger {
    pub fn new(store: SharedStore, policy: &Policy, delay: Duration) -> Ledger {
        let downstream = policy.downstream.as_ref();
        let native = downstream.and_then(|downstream| downstream.native_key);
        Ledger {
            store,
            native_ttl: native.and_then(|native| native.ttl),
            compares: native.is_some_and(|native| native.compares == Some(true)),
            fencing: downstream.is_some_and(|downstream| downstream.fencing),
            delay,
        }
    }

    fn entry(&self, call: &Outgoing) -> Entry {
        // The number comes first, so that nothing that was sent can stand in its place.
        let body = format!("{{\"effect\":{{effect}},\"operation\":\"{}\"}}\n", call.operation.hash());
        Entry {
            operation: call.operation.clone(),
            fingerprint: call.fingerprint.clone(),
            token: if self.fencing { call.token } else { call.grant },
            response: Response {
                status: 201,
                headers: vec![("content-type".to_owned(), b"application/json".to_vec())],
                body: body.into_bytes(),
            },
        }
    }

    async fn land(&self, call: &Outgoing) -> Heard {
        tokio::time::sleep(self.delay).await;
        let native = call.native.then(|| Native {
            key: Key::new(&["native", &call.native_key()]),
            ttl: self.native_ttl,
            compares: self.compares,
        });
        let landing = LedgerCall { entry: self.entry(call), native, fencing: self.fencing };
        match self.store.land(&landing).await {
            Ok(Landing::Applied(effect) | Landing::Deduplicated(effect)) => Heard::Ok(effect.response),
            Ok(Landing::Refused) => Heard::Error(Response {
                status: 409,
                headers: vec![("content-type".to_owned(), b"application/json".to_vec())],
                body: b"{\"refused\":\"an older token, or another payload\"}\n".to_vec(),
            }),
            // It may be there all the same.
            Err(_) => Heard::Timeout,
        }
    }
}

impl Downstream for Ledger {
    fn call<'a>(&'a self, call: &'a Outgoing) -> Reply<'a, Heard> {
        Box::pin(self.land(call))
    }

    fn query<'a>(&'a self, call: &'a Outgoing) -> Reply<'a, Found> {
        Box::pin(async move {
            if self.fencing && call.token != 0 && self.store.fence(&call.operation, call.token).await.is_err()
            {
                return Found::Unknown;
            }
            match self.store.effects(&call.operation).await {
                Ok(mut effects) => match effects.pop() {
                    Some(effect) => Found::Applied(effect.response),
                    None => Found::Absent,
                },
                Err(_) => Found::Unknown,
            }
        })
    }

    fn local(&self, call: &Outgoing) -> Option<Entry> {
        Some(self.entry(call))
    }

    fn is_local(&self) -> bool {
        true
    }
}
