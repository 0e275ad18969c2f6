//! What every store does the same.

use std::sync::Arc;

use idemcheck::store::{
    Audit, Draft, Effect, Entry, Expected, KEY_BYTES_MAX, Key, Landing, LedgerCall, Native, Owner, Receipt,
    Response, Seen, Stamp, Status, StoreError, Swap, Swapped, Which, Write,
};

use crate::place::{Kind, Place, on_each_store};

on_each_store!(
    a_receipt_comes_back_as_it_was_written,
    keys_of_any_text_are_told_apart,
    large_and_empty_bodies_come_back,
    absent_is_asked_for,
    a_revision_is_asked_for,
    an_expired_receipt_is_not_alive,
    nothing_is_asked_for,
    a_swap_may_write_nothing,
    tokens_rise_over_deletes_and_keys,
    an_effect_is_written_with_its_receipt,
    an_effect_goes_with_every_kind_of_write,
    a_ledger_that_grew_is_seen,
    native_keys_deduplicate,
    fences_refuse_older_tokens,
    lists_are_in_order_and_paged,
    a_long_list_is_whole,
    sweeping_is_bounded,
    a_policy_sweeps_its_own,
    what_expires_by_itself_is_gone,
    audits_are_kept_with_their_swap,
    a_spoilt_receipt_spoils_nothing_else,
    what_does_not_fit_is_refused,
    handles_share_what_is_stored,
);

pub const HOUR: i64 = 3_600_000;

pub fn key(name: &str) -> Key {
    Key::new(&["test", name])
}

pub fn owner(number: u8) -> Owner {
    Owner::from_bytes([number; 16])
}

pub fn claim(number: u8) -> Draft {
    Draft {
        status: Status::InProgress,
        owner: owner(number),
        token: None,
        fingerprint: vec![number, 0, 255],
        checkpoint: None,
        response: None,
        request: b"asked".to_vec(),
        lease: Stamp::In(HOUR),
        expiry: Stamp::Never,
        claimed_at: None,
        swept: false,
    }
}

pub fn response(body: &[u8]) -> Response {
    Response {
        status: 201,
        headers: vec![("content-type".into(), b"text/plain".to_vec())],
        body: body.to_vec(),
    }
}

pub fn put(key: &Key, expected: Expected, draft: Draft) -> Swap {
    Swap::new(key.clone(), expected, Write::Put(Box::new(draft)))
}

pub fn at(receipt: &Receipt, alive: bool) -> Expected {
    Expected::Revision { revision: receipt.revision, alive }
}

fn entry(operation: &Key, token: u64) -> Entry {
    Entry {
        operation: operation.clone(),
        fingerprint: vec![7],
        token,
        response: response(b"<{effect}{effect}>"),
    }
}

impl Place {
    pub async fn done(&self, swap: &Swap) -> (Seen, Option<Effect>) {
        match self.store.swap(swap).await.unwrap() {
            Swapped::Done { seen, effect } => (seen, effect),
            other => panic!("{other:?}"),
        }
    }

    async fn written(&self, swap: &Swap) -> Receipt {
        self.done(swap).await.0.receipt.expect("a receipt was written")
    }

    async fn conflict(&self, swap: &Swap) -> Seen {
        match self.store.swap(swap).await.unwrap() {
            Swapped::Conflict(seen) => seen,
            other => panic!("{other:?}"),
        }
    }

    pub async fn read(&self, key: &Key) -> Option<Receipt> {
        self.store.read(key).await.unwrap().receipt
    }

    async fn listed(&self, which: Which, after: Option<&Key>, limit: u32) -> Vec<Key> {
        let listed = self.store.list(which, after, limit).await.unwrap();
        listed.receipts.into_iter().map(|(key, _)| key).collect()
    }

    /// The keys of everything that is stored, in the store's own order.
    async fn in_order(&self, mut keys: Vec<Key>) -> Vec<Key> {
        keys.sort();
        if self.is_sorted() {
            return keys;
        }
        let listed = self.listed(Which::All, None, 9999).await;
        let mut sorted = listed.clone();
        sorted.sort();
        assert_eq!(sorted, keys);
        listed
    }
}

async fn a_receipt_comes_back_as_it_was_written(place: Arc<Place>) {
    let key = key("k");
    assert_eq!(place.read(&key).await, None);
    let draft = Draft {
        status: Status::Failed,
        owner: Owner::from_bytes(*b"\x00\xff'\"\n\r\\{}[]abcde"),
        token: Some(77),
        fingerprint: (0..=255).collect(),
        checkpoint: Some("a \"state\" – ü\n".into()),
        response: Some(Response {
            status: 599,
            headers: vec![
                ("x-any".into(), (0..=255).collect()),
                ("x-any".into(), Vec::new()),
                ("".into(), b"twice".to_vec()),
            ],
            body: vec![0, 255, 0xc3, 0x28, b'{', b'}'],
        }),
        request: vec![0xff, 0, 1],
        lease: Stamp::In(5000),
        expiry: Stamp::At(4_000_000_000_000),
        claimed_at: Some(12345),
        swept: false,
    };
    let before = place.store.read(&key).await.unwrap().now;
    let (seen, effect) = place.done(&put(&key, Expected::Absent, draft.clone())).await;
    let after = place.store.read(&key).await.unwrap();
    assert_eq!(effect, None);
    let receipt = seen.receipt.unwrap();
    assert_eq!(after.receipt.as_ref(), Some(&receipt));
    assert!(before <= seen.now && seen.now <= after.now, "{before} {} {}", seen.now, after.now);
    assert_eq!(receipt, draft.receipt(receipt.revision, seen.now));
    assert_eq!((receipt.token, receipt.claimed_at), (77, 12345));
    assert_eq!(receipt.lease_until, Some(seen.now + 5000));
    assert_eq!(receipt.expires_at, Some(4_000_000_000_000));
    let machine = idemcheck::store::memory::Clock::System.now();
    assert!((machine - after.now).abs() < 60_000, "the store's clock is {} off", machine - after.now);

    // The other way of each choice.
    let plain = Draft { claimed_at: None, token: None, lease: Stamp::At(-5), ..claim(1) };
    let (seen, _) = place.done(&put(&key, at(&receipt, false), plain)).await;
    let now = seen.receipt.unwrap();
    assert_eq!((now.checkpoint.as_ref(), now.response.as_ref()), (None, None));
    assert_eq!((now.lease_until, now.expires_at), (Some(-5), None));
    assert_eq!((now.claimed_at, now.token), (seen.now, now.revision));
    assert_eq!(place.read(&key).await, Some(now));
}

async fn keys_of_any_text_are_told_apart(place: Arc<Place>) {
    let texts =
        ["", " ", "'", "\"", "\n", "\\", "\0", "a:b", "%", "_", "ü", "u\u{308}", "日本語", "😀", "*", "{x}"];
    let mut keys: Vec<Key> = texts.iter().map(|text| key(text)).collect();
    keys.push(Key::new(&["test", "a", "b"]));
    keys.push(Key::new(&["testa", "b"]));
    for (key, number) in keys.iter().zip(1..) {
        place.written(&put(key, Expected::Absent, claim(number))).await;
    }
    for (key, number) in keys.iter().zip(1..) {
        assert_eq!(place.read(key).await.unwrap().owner, owner(number), "{key:?}");
    }
    let sorted = place.in_order(keys.clone()).await;
    assert_eq!(place.listed(Which::All, None, 100).await, sorted);
    for (page, start) in sorted.chunks(3).zip((0..).step_by(3)) {
        let after = (start > 0).then(|| &sorted[start - 1]);
        assert_eq!(place.listed(Which::All, after, 3).await, page);
    }
}

async fn large_and_empty_bodies_come_back(place: Arc<Place>) {
    let large: Vec<u8> = (0..place.large()).map(|at| (at * 7 + at / 256) as u8).collect();
    for (name, bytes) in [("large", large), ("empty", Vec::new())] {
        let key = key(name);
        let draft = Draft {
            response: Some(Response { status: 200, headers: Vec::new(), body: bytes.clone() }),
            request: bytes.clone(),
            checkpoint: Some(String::new()),
            fingerprint: Vec::new(),
            ..claim(1)
        };
        let written = place.written(&put(&key, Expected::Absent, draft.clone())).await;
        let read = place.read(&key).await.unwrap();
        assert!(read == written && read.response == draft.response && read.request == bytes, "{name}");
        assert_eq!((read.checkpoint, read.fingerprint), (draft.checkpoint, Vec::new()));
    }
}

async fn absent_is_asked_for(place: Arc<Place>) {
    let key = key("k");
    let first = place.written(&put(&key, Expected::Absent, claim(1))).await;
    let seen = place.conflict(&put(&key, Expected::Absent, claim(2))).await;
    assert_eq!(seen.receipt, Some(first.clone()));
    assert_eq!(place.read(&key).await, Some(first.clone()));
    let delete = Swap::new(key.clone(), Expected::Absent, Write::Delete);
    assert_eq!(place.conflict(&delete).await.receipt, Some(first.clone()));
    assert_eq!(place.read(&key).await, Some(first));
}

async fn a_revision_is_asked_for(place: Arc<Place>) {
    let key = key("k");
    let gone = Expected::Revision { revision: 1, alive: false };
    assert_eq!(place.conflict(&put(&key, gone, claim(1))).await.receipt, None);
    let first = place.written(&put(&key, Expected::Absent, claim(1))).await;
    let kept = Draft { token: Some(first.token), ..claim(1) };
    let second = place.written(&put(&key, at(&first, true), kept.clone())).await;
    assert!(second.revision > first.revision);
    assert_eq!(second.token, first.token);
    for wrong in [first.revision, second.revision + 1, 0, u64::MAX] {
        for write in [Write::Put(Box::new(kept.clone())), Write::Delete, Write::Nothing] {
            let expected = Expected::Revision { revision: wrong, alive: false };
            let seen = place.conflict(&Swap::new(key.clone(), expected, write)).await;
            assert_eq!(seen.receipt, Some(second.clone()));
        }
    }
    assert_eq!(place.read(&key).await, Some(second.clone()));
    let delete = Swap::new(key.clone(), at(&second, false), Write::Delete);
    assert_eq!(place.done(&delete).await.0.receipt, None);
    assert_eq!(place.read(&key).await, None);
    assert_eq!(place.conflict(&delete).await.receipt, None);
}

async fn an_expired_receipt_is_not_alive(place: Arc<Place>) {
    // Swept, so that Redis keeps it, too.
    let draft = || Draft { expiry: Stamp::In(HOUR), swept: true, ..claim(1) };
    for write in [Write::Put(Box::new(draft())), Write::Delete, Write::Nothing] {
        let key = key(&format!("{write:?}"));
        let first = place.written(&put(&key, Expected::Absent, draft())).await;
        let swap = |alive| Swap::new(key.clone(), at(&first, alive), write.clone());
        assert_eq!(
            place.done(&Swap { write: Write::Nothing, ..swap(true) }).await.0.receipt,
            Some(first.clone())
        );
        place.pass(2 * HOUR).await;
        // It is there still, and its end is behind.
        let seen = place.conflict(&swap(true)).await;
        assert!(seen.receipt.is_some_and(|receipt| receipt.expires_at <= Some(seen.now)));
        assert!(place.read(&key).await.is_some());
        place.done(&swap(false)).await;
    }
    // What does not end is alive.
    let key = key("endless");
    let first = place.written(&put(&key, Expected::Absent, claim(1))).await;
    place.pass(2 * HOUR).await;
    place.written(&put(&key, at(&first, true), claim(1))).await;
}

async fn nothing_is_asked_for(place: Arc<Place>) {
    let key = key("k");
    let delete = Swap::new(key.clone(), Expected::Anything, Write::Delete);
    let nothing = Swap::new(key.clone(), Expected::Anything, Write::Nothing);
    assert_eq!(place.done(&delete).await.0.receipt, None);
    assert_eq!(place.done(&nothing).await.0.receipt, None);
    let first = place.written(&put(&key, Expected::Anything, claim(1))).await;
    assert_eq!(place.done(&nothing).await.0.receipt, Some(first.clone()));
    let full = Draft { response: Some(response(b"x")), checkpoint: Some("c".into()), ..claim(2) };
    let second = place.written(&put(&key, Expected::Anything, full)).await;
    assert!(second.token > first.token && second.owner == owner(2));
    let third = place.written(&put(&key, Expected::Anything, claim(3))).await;
    assert_eq!((third.response.as_ref(), third.checkpoint.as_ref()), (None, None));
    assert_eq!(place.read(&key).await, Some(third));
    assert_eq!(place.done(&delete).await.0.receipt, None);
    assert_eq!(place.read(&key).await, None);
}

async fn a_swap_may_write_nothing(place: Arc<Place>) {
    let key = key("k");
    let nothing = |expected| Swap::new(key.clone(), expected, Write::Nothing);
    assert_eq!(place.done(&nothing(Expected::Absent)).await.0.receipt, None);
    let first = place.written(&put(&key, Expected::Absent, claim(1))).await;
    assert_eq!(place.conflict(&nothing(Expected::Absent)).await.receipt, Some(first.clone()));
    assert_eq!(place.done(&nothing(at(&first, true))).await.0.receipt, Some(first.clone()));
    assert_eq!(place.read(&key).await, Some(first));
}

async fn tokens_rise_over_deletes_and_keys(place: Arc<Place>) {
    let (mut last, mut revisions) = (0, std::collections::BTreeSet::new());
    for round in 0..6 {
        for name in ["a", "b"] {
            let key = key(name);
            let receipt = place.written(&put(&key, Expected::Absent, claim(round))).await;
            assert!(receipt.token > last, "{} after {last}", receipt.token);
            assert_eq!(receipt.token, receipt.revision);
            let kept = Draft { token: Some(receipt.token), ..claim(round) };
            let renewed = place.written(&put(&key, at(&receipt, true), kept)).await;
            assert_eq!(renewed.token, receipt.token);
            let taken = place.written(&put(&key, at(&renewed, true), claim(round + 10))).await;
            assert!(taken.token > renewed.revision);
            last = taken.token;
            assert!([receipt, renewed, taken.clone()].iter().all(|one| revisions.insert(one.revision)));
            place.done(&Swap::new(key, at(&taken, true), Write::Delete)).await;
        }
    }
}

async fn an_effect_is_written_with_its_receipt(place: Arc<Place>) {
    let (key, operation) = (key("k"), key("operation"));
    let mut draft = claim(1);
    draft.status = Status::Succeeded;
    draft.response = Some(response(b"no {effect}: {effect}"));
    let mut swap = put(&key, Expected::Absent, draft);
    swap.effect = Some(entry(&operation, 3));
    let (seen, effect) = place.done(&swap).await;
    let (receipt, effect) = (seen.receipt.unwrap(), effect.unwrap());
    let number = effect.number;
    assert_eq!(receipt.response.as_ref().unwrap().body, format!("no {number}: {{effect}}").into_bytes());
    assert_eq!(effect, entry(&operation, 3).effect(number, effect.at));
    assert_eq!(effect.response.body, format!("<{number}{{effect}}>").into_bytes());
    assert_eq!(place.read(&key).await, Some(receipt));
    // A conflict has no effect.
    assert!(place.conflict(&swap).await.receipt.is_some());
    assert_eq!(place.store.effects(&operation).await.unwrap(), std::slice::from_ref(&effect));
    let mut next = put(&key, Expected::Anything, claim(2));
    next.effect = Some(entry(&operation, 0));
    let (_, second) = place.done(&next).await;
    let second = second.unwrap();
    assert!(second.number > number);
    assert_eq!(place.store.effects(&operation).await.unwrap(), [effect, second]);
    assert!(place.store.counted().await.unwrap() >= 2);
    assert_eq!(place.store.effects(&key).await.unwrap(), []);
}

async fn an_effect_goes_with_every_kind_of_write(place: Arc<Place>) {
    let operation = key("operation");
    let mut effects = 0;
    for expected in ["absent", "revision", "anything"] {
        for write in [Write::Put(Box::new(claim(2))), Write::Delete, Write::Nothing] {
            let key = key(&format!("{expected} {write:?}"));
            let expected = match expected {
                "absent" => Expected::Absent,
                "revision" => at(&place.written(&put(&key, Expected::Absent, claim(1))).await, true),
                _ => Expected::Anything,
            };
            let mut swap = Swap::new(key.clone(), expected, write.clone());
            swap.effect = Some(entry(&operation, 0));
            let (seen, effect) = place.done(&swap).await;
            assert!(effect.is_some());
            effects += 1;
            assert_eq!(place.read(&key).await, seen.receipt);
            let left = match (&write, expected) {
                (Write::Put(_), _) => Some(owner(2)),
                (Write::Nothing, Expected::Revision { .. }) => Some(owner(1)),
                _ => None,
            };
            assert_eq!(seen.receipt.map(|receipt| receipt.owner), left);
            // Once more: only a write that asks nothing finds what it expects.
            let there = place.read(&key).await;
            if !expected.met(there.as_ref(), seen.now) {
                assert_eq!(place.conflict(&swap).await.receipt, there);
                assert_eq!(place.read(&key).await, there);
            }
            assert_eq!(place.store.effects(&operation).await.unwrap().len(), effects);
        }
    }
}

async fn a_ledger_that_grew_is_seen(place: Arc<Place>) {
    let (key, operation) = (key("k"), key("operation"));
    let swap = |expected, unchanged| {
        let mut swap = put(&key, expected, claim(1));
        swap.effect = Some(entry(&operation, 0));
        swap.unchanged = Some(unchanged);
        swap
    };
    assert_eq!(place.store.swap(&swap(Expected::Absent, 1)).await.unwrap(), Swapped::Changed);
    assert_eq!(place.read(&key).await, None);
    place.done(&swap(Expected::Absent, 0)).await;
    let there = place.read(&key).await;
    assert_eq!(place.store.swap(&swap(Expected::Anything, 0)).await.unwrap(), Swapped::Changed);
    assert_eq!(place.read(&key).await, there);
    // The receipt is looked at first.
    assert_eq!(place.conflict(&swap(Expected::Absent, 0)).await.receipt, there);
    place.done(&swap(Expected::Anything, 1)).await;
    assert_eq!(place.store.effects(&operation).await.unwrap().len(), 2);
}

async fn native_keys_deduplicate(place: Arc<Place>) {
    let operation = key("operation");
    let call = |name: &str, fingerprint: u8, ttl, compares| LedgerCall {
        entry: Entry { fingerprint: vec![fingerprint], ..entry(&operation, 0) },
        native: Some(Native { key: key(name), ttl, compares }),
        fencing: false,
    };
    let land = async |call: &LedgerCall| place.store.land(call).await.unwrap();
    let Landing::Applied(first) = land(&call("n", 1, Some(HOUR), true)).await else { panic!() };
    assert_eq!(first.response.body, format!("<{}{{effect}}>", first.number).into_bytes());
    assert_eq!(land(&call("n", 1, Some(HOUR), true)).await, Landing::Deduplicated(first.clone()));
    assert_eq!(land(&call("n", 2, Some(HOUR), true)).await, Landing::Refused);
    assert_eq!(land(&call("n", 2, Some(HOUR), false)).await, Landing::Deduplicated(first.clone()));
    assert!(matches!(land(&call("m", 1, None, true)).await, Landing::Applied(_)));
    let plain = LedgerCall { native: None, ..call("n", 1, None, true) };
    assert!(matches!(land(&plain).await, Landing::Applied(_)));
    place.pass(2 * HOUR).await;
    assert!(matches!(land(&call("m", 1, None, true)).await, Landing::Deduplicated(_)));
    let Landing::Applied(again) = land(&call("n", 2, Some(HOUR), true)).await else { panic!() };
    assert!(again.number > first.number);
    assert_eq!(land(&call("n", 2, Some(HOUR), true)).await, Landing::Deduplicated(again));
    assert_eq!(place.store.effects(&operation).await.unwrap().len(), 4);
}

async fn fences_refuse_older_tokens(place: Arc<Place>) {
    let call =
        |name: &str, token, fencing| LedgerCall { entry: entry(&key(name), token), native: None, fencing };
    let land = async |call: &LedgerCall| place.store.land(call).await.unwrap();
    let applied = |landing| matches!(landing, Landing::Applied(_));
    assert!(applied(land(&call("a", 5, true)).await));
    assert_eq!(land(&call("a", 4, true)).await, Landing::Refused);
    assert!(applied(land(&call("a", 5, true)).await));
    assert!(applied(land(&call("a", 4, false)).await));
    assert!(applied(land(&call("a", 0, true)).await));
    assert!(applied(land(&call("b", 1, true)).await));
    place.store.fence(&key("a"), 9).await.unwrap();
    place.store.fence(&key("a"), 7).await.unwrap();
    assert_eq!(land(&call("a", 8, true)).await, Landing::Refused);
    let Landing::Applied(effect) = land(&call("a", 9, true)).await else { panic!() };
    assert_eq!(effect.token, 9);
    assert_eq!(place.store.effects(&key("a")).await.unwrap().len(), 5);
}

async fn lists_are_in_order_and_paged(place: Arc<Place>) {
    for (name, lease, status) in [
        ("d", Stamp::In(HOUR), Status::InProgress),
        ("b", Stamp::In(9 * HOUR), Status::InProgress),
        ("a", Stamp::Never, Status::InProgress),
        ("c", Stamp::Never, Status::Succeeded),
        ("e", Stamp::In(HOUR), Status::InProgress),
    ] {
        place.written(&put(&key(name), Expected::Absent, Draft { status, lease, ..claim(1) })).await;
    }
    let order = place.in_order(["a", "b", "c", "d", "e"].map(key).to_vec()).await;
    // Those of the names that come after a key, in order.
    let of = |names: &[&str], after: Option<&Key>, limit: usize| -> Vec<Key> {
        let from = after.map_or(0, |after| order.iter().position(|key| key == after).unwrap() + 1);
        let named = |found: &&Key| names.iter().any(|name| key(name) == **found);
        order[from..].iter().filter(named).take(limit).cloned().collect()
    };
    for (which, names) in
        [(Which::All, &["a", "b", "c", "d", "e"][..]), (Which::InProgress, &["a", "b", "d", "e"])]
    {
        for after in order.iter().map(Some).chain([None]) {
            for limit in [1, 2, 9] {
                let expected = of(names, after, limit);
                assert_eq!(place.listed(which, after, limit as u32).await, expected);
            }
        }
    }
    assert_eq!(place.listed(Which::Abandoned, None, 9).await, []);
    place.pass(2 * HOUR).await;
    let abandoned = of(&["d", "e"], None, 9);
    assert_eq!(place.listed(Which::Abandoned, None, 9).await, abandoned);
    assert_eq!(place.listed(Which::Abandoned, None, 1).await, abandoned[..1]);
    assert_eq!(place.listed(Which::Abandoned, Some(&abandoned[0]), 1).await, abandoned[1..]);
    if place.is_sorted() {
        assert_eq!(place.listed(Which::All, Some(&key("bb")), 2).await, [key("c"), key("d")]);
    }
    assert_eq!(place.listed(Which::All, None, 0).await, []);
    // What is recorded, or gone, is no claim any more.
    let d = place.read(&key("d")).await.unwrap();
    place.written(&put(&key("d"), at(&d, false), Draft { status: Status::Failed, ..claim(1) })).await;
    place.done(&Swap::new(key("e"), Expected::Anything, Write::Delete)).await;
    assert_eq!(place.listed(Which::InProgress, None, 9).await, of(&["a", "b"], None, 9));
    assert_eq!(place.listed(Which::Abandoned, None, 9).await, []);
    assert_eq!(place.listed(Which::All, None, 9).await, of(&["a", "b", "c", "d"], None, 9));
    let listed = place.store.list(Which::All, None, 1).await.unwrap();
    let now = place.store.read(&key("a")).await.unwrap().now;
    assert!(listed.now <= now && now - listed.now < 60_000);
    let (first, receipt) = &listed.receipts[0];
    assert_eq!(receipt.clone().ok(), place.read(first).await);
}

async fn a_long_list_is_whole(place: Arc<Place>) {
    // Longer than any portion; one in fifty is abandoned, so that they lie far apart.
    let numbered: Vec<Key> = (0..700).map(|number| key(&format!("{number:04}"))).collect();
    for (name, number) in numbered.iter().zip(0..) {
        let lease = if number % 50 == 49 { Stamp::In(HOUR) } else { Stamp::Never };
        place.written(&put(name, Expected::Absent, Draft { lease, ..claim(1) })).await;
    }
    place.pass(2 * HOUR).await;
    let names = place.in_order(numbered.clone()).await;
    assert_eq!(place.listed(Which::All, None, 1000).await, names);
    assert_eq!(place.listed(Which::All, Some(&names[99]), 333).await, names[100..433]);
    let far = |name: &&Key| numbered.iter().skip(49).step_by(50).any(|far| far == *name);
    let abandoned: Vec<Key> = names.iter().filter(far).cloned().collect();
    assert_eq!(place.listed(Which::Abandoned, None, 1000).await, abandoned);
    assert_eq!(place.listed(Which::Abandoned, Some(&abandoned[2]), 5).await, abandoned[3..8]);
}

async fn sweeping_is_bounded(place: Arc<Place>) {
    let draft = |expiry| Draft { expiry, swept: true, ..claim(1) };
    for name in ["a", "b", "c", "d", "e"] {
        place.written(&put(&key(name), Expected::Absent, draft(Stamp::In(HOUR)))).await;
    }
    place.written(&put(&key("later"), Expected::Absent, draft(Stamp::In(9 * HOUR)))).await;
    place.written(&put(&key("never"), Expected::Absent, draft(Stamp::Never))).await;
    assert_eq!(place.store.sweep(None, 9).await, Ok(0));
    place.pass(2 * HOUR).await;
    // Over their TTL they are seen until they are swept.
    assert_eq!(place.listed(Which::All, None, 9).await.len(), 7);
    assert!(place.read(&key("a")).await.is_some());
    assert_eq!(place.store.sweep(None, 0).await, Ok(0));
    assert_eq!(place.store.sweep(None, 3).await, Ok(3));
    assert_eq!(place.listed(Which::All, None, 9).await.len(), 4);
    assert_eq!(place.store.sweep(None, 3).await, Ok(2));
    assert_eq!(place.store.sweep(None, 3).await, Ok(0));
    let left = place.in_order(vec![key("later"), key("never")]).await;
    assert_eq!(place.listed(Which::All, None, 9).await, left);
    assert_eq!(place.read(&key("a")).await, None);
}

async fn a_policy_sweeps_its_own(place: Arc<Place>) {
    let draft = |swept| Draft { expiry: Stamp::In(HOUR), swept, ..claim(1) };
    let ours = [Key::new(&["pay", "a"]), Key::new(&["pay", "b"]), Key::new(&["pay"])];
    // None of them is a key of `pay`.
    let others = ["pay2", "pa", "pay\"", "p", "\"pay", "PAY"].map(|name| Key::new(&[name, "a"]));
    let many = (0..300).map(|number| Key::new(&["many", &number.to_string()]));
    let others: Vec<Key> = others.into_iter().chain(many).collect();
    for key in others.iter().chain(&ours) {
        place.written(&put(key, Expected::Absent, draft(true))).await;
    }
    place.pass(2 * HOUR).await;
    let all = others.len() + ours.len();
    assert_eq!(place.listed(Which::All, None, 1000).await.len(), all);
    assert_eq!(place.store.sweep(Some("nobody"), 1000).await, Ok(0));
    assert_eq!(place.store.sweep(Some("pay"), 2).await, Ok(2));
    assert_eq!(place.store.sweep(Some("pay"), 1000).await, Ok(1));
    assert_eq!(place.store.sweep(Some("pay"), 1000).await, Ok(0));
    assert_eq!(place.listed(Which::All, None, 1000).await, place.in_order(others).await);
}

async fn what_expires_by_itself_is_gone(place: Arc<Place>) {
    let draft = |expiry| Draft { expiry, ..claim(1) };
    for number in 0..40 {
        let expiry = if number % 2 == 0 { Stamp::In(HOUR) } else { Stamp::In(9 * HOUR) };
        place.written(&put(&key(&format!("{number:02}")), Expected::Absent, draft(expiry))).await;
    }
    place.pass(2 * HOUR).await;
    // It is not there any more, or it is and says that it is over.
    let seen = place.store.read(&key("00")).await.unwrap();
    assert!(seen.receipt.is_none_or(|receipt| receipt.expires_at <= Some(seen.now)));
    let again = place.store.swap(&put(&key("00"), Expected::Absent, draft(Stamp::Never))).await.unwrap();
    if let Swapped::Conflict(seen) = again {
        let receipt = seen.receipt.unwrap();
        place.written(&put(&key("00"), at(&receipt, false), draft(Stamp::Never))).await;
    }
    assert_eq!(place.read(&key("00")).await.unwrap().expires_at, None);
    let mut swept = 0;
    while place.store.sweep(None, 7).await.inspect(|gone| swept += gone).unwrap() > 0 {}
    assert!(swept <= 19, "{swept}");
    let left = place.listed(Which::All, None, 99).await;
    assert_eq!(left.len(), 21);
    assert_eq!(place.listed(Which::InProgress, None, 99).await, left);
}

async fn audits_are_kept_with_their_swap(place: Arc<Place>) {
    let key = key("k");
    let audit = |reason: &str| Audit {
        action: "release".into(),
        reason: reason.into(),
        by: "somebody ü".into(),
        before: "{\"a\": \"b\"}\n".into(),
    };
    let with = |expected, write, reason| {
        let mut swap = Swap::new(key.clone(), expected, write);
        swap.audit = Some(audit(reason));
        swap
    };
    assert_eq!(place.store.audited(9).await.unwrap(), []);
    let receipt = place.written(&with(Expected::Absent, Write::Put(Box::new(claim(1))), "one")).await;
    place.conflict(&with(Expected::Absent, Write::Delete, "not")).await;
    place.done(&with(at(&receipt, true), Write::Nothing, "two")).await;
    let (seen, _) = place.done(&with(Expected::Anything, Write::Delete, "three")).await;
    assert_eq!(place.read(&key).await, None);
    let audited = place.store.audited(9).await.unwrap();
    let reasons: Vec<&str> = audited.iter().map(|row| row.audit.reason.as_str()).collect();
    assert_eq!(reasons, ["three", "two", "one"]);
    assert_eq!((&audited[0].key, &audited[0].audit), (&key, &audit("three")));
    assert!((seen.now - audited[0].at).abs() < 60_000);
    assert_eq!(place.store.audited(2).await.unwrap(), audited[..2]);
    assert_eq!(place.store.audited(0).await.unwrap(), []);
}

async fn a_spoilt_receipt_spoils_nothing_else(place: Arc<Place>) {
    if place.kind == Kind::Memory {
        return;
    }
    for name in ["a", "b", "c"] {
        place.written(&put(&key(name), Expected::Absent, claim(1))).await;
    }
    let b = key("b");
    place.spoil(&b).await;
    assert!(matches!(place.store.read(&b).await, Err(StoreError::Corrupt(_))));
    let insert = place.store.swap(&put(&b, Expected::Absent, claim(2))).await;
    assert!(matches!(insert, Err(StoreError::Corrupt(_))), "{insert:?}");
    let listed = place.store.list(Which::InProgress, None, 9).await.unwrap();
    let mut shown: Vec<_> =
        listed.receipts.iter().map(|(key, receipt)| (key.clone(), receipt.is_ok())).collect();
    shown.sort();
    assert_eq!(shown, [(key("a"), true), (b.clone(), false), (key("c"), true)]);
    let spoilt = listed.receipts.iter().find(|(key, _)| *key == b).unwrap();
    assert!(matches!(spoilt.1, Err(StoreError::Corrupt(_))));
    assert!(place.read(&key("a")).await.is_some());
    place.written(&put(&key("d"), Expected::Absent, claim(1))).await;
    // An operator gets rid of it.
    place.done(&Swap::new(b.clone(), Expected::Anything, Write::Delete)).await;
    assert_eq!(place.read(&b).await, None);
    place.written(&put(&b, Expected::Absent, claim(2))).await;
}

async fn what_does_not_fit_is_refused(place: Arc<Place>) {
    let longest = Key::from_stored("ü".repeat(KEY_BYTES_MAX / 2));
    place.written(&put(&longest, Expected::Absent, claim(1))).await;
    assert_eq!(place.listed(Which::All, None, 9).await, [longest]);
    let long = Key::from_stored("k".repeat(KEY_BYTES_MAX + 1));
    let refused = |result: StoreError| matches!(result, StoreError::Refused(_));
    assert!(refused(place.store.swap(&put(&long, Expected::Absent, claim(1))).await.unwrap_err()));
    assert!(refused(place.store.fence(&long, 1).await.unwrap_err()));
    let call = LedgerCall { entry: entry(&long, 1), native: None, fencing: false };
    assert!(refused(place.store.land(&call).await.unwrap_err()));
    // No moment is too far.
    let far = Draft { lease: Stamp::In(i64::MAX), expiry: Stamp::At(i64::MAX), ..claim(1) };
    let receipt = place.written(&put(&key("far"), Expected::Absent, far)).await;
    assert_eq!(place.read(&key("far")).await, Some(receipt.clone()));
    place.written(&put(&key("far"), at(&receipt, true), claim(2))).await;
    place.store.check().await.unwrap();
}

async fn handles_share_what_is_stored(place: Arc<Place>) {
    let other = place.another().await;
    let first = place.written(&put(&key("k"), Expected::Absent, claim(1))).await;
    assert_eq!(other.read(&key("k")).await.unwrap().receipt, Some(first.clone()));
    let swapped = other.swap(&put(&key("k"), at(&first, true), claim(2))).await.unwrap();
    let Swapped::Done { seen, .. } = swapped else { panic!("{swapped:?}") };
    assert_eq!(place.read(&key("k")).await, seen.receipt);
    assert!(seen.receipt.unwrap().token > first.token);
}
