//! A receipt that is over is no result any more, and no claim that could be taken over either.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::Router;

use super::common::{Answer, Layer, Request, Settings, serve};

struct StuckAfterTtl {
    fixed: bool,
    settings: Settings,
    receipts: Mutex<HashMap<Name, Receipt>>,
}

/// Tenant and key.
type Name = (String, String);

struct Receipt {
    owner: u64,
    fingerprint: [u8; 32],
    state: State,
}

enum State {
    Running { lease: Instant },
    Finished { end: Instant, answer: Answer },
}

impl StuckAfterTtl {
    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Receipt>> {
        self.receipts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn name(&self, request: &Request) -> Name {
        (request.tenant.clone(), request.key.clone())
    }
}

impl Layer for StuckAfterTtl {
    fn claim(&self, request: &Request) -> Result<(), Answer> {
        let now = Instant::now();
        let mut receipts = self.lock();
        if let Some(receipt) = receipts.get(&self.name(request)) {
            let same = receipt.fingerprint == request.fingerprint;
            match &receipt.state {
                State::Finished { end, .. } if self.fixed && *end <= now => {}
                _ if !same => return Err(Answer::mismatch()),
                State::Finished { end, answer } if *end > now => return Err(answer.replayed()),
                State::Running { lease } if *lease <= now => {}
                // What is left is at work. Or so it was meant.
                _ => return Err(Answer::conflict()),
            }
        }
        let state = State::Running { lease: now + self.settings.lease };
        let receipt = Receipt { owner: request.owner, fingerprint: request.fingerprint, state };
        receipts.insert(self.name(request), receipt);
        Ok(())
    }

    fn complete(&self, request: &Request, effect: impl FnOnce() -> Answer) -> Answer {
        let mut receipts = self.lock();
        match receipts.get_mut(&self.name(request)) {
            // Only the present owner: a late one has no effect.
            Some(receipt) if receipt.owner == request.owner => {
                let answer = effect();
                receipt.state =
                    State::Finished { end: Instant::now() + self.settings.ttl, answer: answer.clone() };
                answer
            }
            Some(Receipt { fingerprint, state: State::Finished { end, answer }, .. })
                if *fingerprint == request.fingerprint && *end > Instant::now() =>
            {
                answer.replayed()
            }
            _ => Answer::conflict(),
        }
    }

    fn release(&self, request: &Request) {
        let mut receipts = self.lock();
        if receipts.get(&self.name(request)).is_some_and(|receipt| receipt.owner == request.owner) {
            receipts.remove(&self.name(request));
        }
    }
}

pub fn router(fixed: bool, settings: Settings) -> Router {
    serve(StuckAfterTtl { fixed, settings, receipts: Mutex::default() }, settings)
}
