//! Receipts in one DynamoDB table; only in builds with the feature `dynamodb`.
//!
//! **DynamoDB shows nobody its clock.** Time here is the clock of whoever asks, so a lease and a TTL are judged
//! by the worker's own: a policy that is served on this store has to say so (`clock = "client"` in its
//! `[store]`, and the `clock_skew` that its machines keep to), or what the checker proved of it would be another
//! store's. `serve` refuses one that does not.
//!
//! Every write is one conditional write, or one transaction where an effect or an audit goes with it; every
//! read is strongly consistent. The SDK repeats nothing: a conditional write that is sent twice meets its own
//! first try, and only the owner id in the claim can tell whose that is.
//!
//! Numbers of grants follow the clock in microseconds, and rise under each key whatever the clocks do: a key
//! that is deleted leaves its number behind for [`KEPT_PAST_END`]. Over several keys they rise as far as the
//! clocks of the machines agree.
//!
//! What expires by itself is taken away by DynamoDB, late and by DynamoDB's own clock, so not before
//! [`KEPT_PAST_END`] after its end. Nothing here counts on that: the end is looked at in every answer.
//!
//! Lists, counts and sweeps go through the whole table, which costs reads: this is a store for receipts that
//! are asked for by their keys, and a ledger for tests. An item has at most [`ITEM_BYTES_MAX`] bytes.

mod item;
mod step;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ReturnValue,
    ReturnValuesOnConditionCheckFailure, ScalarAttributeType, Select, TableStatus, TimeToLiveSpecification,
};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use self::item::{
    Fields, Found, Item, audit_from, audit_item, effect_from, effect_item, fits, found, item, known, named,
    needed, number, receipt_from, receipt_item, seen, text, tombstone,
};
use self::step::{Condition, Step, Together, Written, cancelled_by, fault, unbuilt, undone};
use super::memory::Clock;
use super::row::signed;
use super::{
    Answer, Audited, Effect, Expected, Key, Landing, LedgerCall, Listed, Millis, Seen, Status, Store,
    StoreError, Swap, Swapped, Which, Write,
};

/// How long it may take to connect.
pub const CONNECT_WAIT: Duration = Duration::from_secs(2);
/// How long a caller waits for its answer.
pub const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// How long a table that is being made is waited for.
pub const TABLE_WAIT: Duration = Duration::from_secs(60);
/// Bytes of an item, names and values together: DynamoDB's own limit.
pub const ITEM_BYTES_MAX: usize = 400 * 1024;
/// Bytes of an item beside what was asked and what was answered: the key, names, numbers.
const ITEM_BYTES_OTHER: usize = 8 * 1024;
/// How long after its end something is kept from DynamoDB's own deleting, and the number of a key that was
/// deleted is known: more than clocks differ.
pub const KEPT_PAST_END: Duration = Duration::from_secs(24 * 60 * 60);
/// Of the items that this version writes.
const SCHEMA: i64 = 1;
/// Items that one request of a list or a sweep looks at.
const LOOKED_AT_ONCE: i32 = 256;
/// Such requests of one sweep: the next one goes on from there.
const SWEEP_REQUESTS: u32 = 16;
/// A write that meets others is sent again at most this often.
const TRIES: u32 = 16;
/// Before the second try; each further one waits a little longer.
const PAUSE: Duration = Duration::from_millis(3);

const SCHEMA_ITEM: &str = "schema";
const LANDED_ITEM: &str = "landed";
const AUDITS: &str = "audits";

/// Effects of an operation, and the highest token that was seen under it.
struct Operation {
    name: String,
    entries: u64,
    fence: u64,
    condition: Condition,
}

impl Operation {
    fn item(&self, entries: u64, fence: u64) -> Result<Item, StoreError> {
        let mut item = item(&self.name);
        item.insert("entries".to_owned(), number(signed(entries)?));
        item.insert("fence".to_owned(), number(signed(fence)?));
        Ok(item)
    }
}

/// The name of a member of a series, by its place from 1.
fn member(series: &str, place: u64) -> String {
    match series.strip_prefix("o#") {
        Some(operation) => format!("e#{operation}#{place}"),
        None => format!("a#{place}"),
    }
}

/// The store: one table, and a client that all calls share.
pub struct DynamoDb {
    client: Client,
    table: String,
    /// The last number that was given out here.
    granted: AtomicU64,
    /// Where the next sweep goes on.
    swept: Mutex<Option<String>>,
}

impl DynamoDb {
    /// Connects, and makes the table where it is missing. Credentials come from where the AWS SDK looks for
    /// them (the environment, profiles, the machine's role), and the region too where none is named: that is
    /// the SDK's reading, not this library's.
    ///
    /// # Errors
    /// DynamoDB can't be reached, refuses, or the table is another one's or of a later version.
    pub async fn open(
        table: &str,
        region: Option<&str>,
        endpoint: Option<&str>,
    ) -> Result<DynamoDb, StoreError> {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_WAIT).operation_timeout(ANSWER_WAIT);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts.build());
        if let Some(region) = region {
            loader = loader.region(Region::new(region.to_owned()));
        }
        if let Some(endpoint) = endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        let config = loader.load().await;
        if config.region().is_none() {
            let what = "no region is set: add `?region=…` to the address, or set one where AWS tools look";
            return Err(StoreError::Refused(what.to_owned()));
        }
        let store = DynamoDb {
            client: Client::new(&config),
            table: table.to_owned(),
            granted: AtomicU64::new(0),
            swept: Mutex::new(None),
        };
        // What was not answered did nothing that counts.
        store.prepare().await.map_err(undone)?;
        Ok(store)
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        match request.key("pk", text(SCHEMA_ITEM)).send().await {
            Ok(answer) => {
                if let Some(item) = answer.item() {
                    return known(item);
                }
            }
            Err(error) => {
                let missing =
                    error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception());
                // A key of another name: DescribeTable says it in our words.
                let foreign = error.code() == Some("ValidationException");
                if !missing && !foreign {
                    return Err(fault(error));
                }
                if missing {
                    self.create().await?;
                }
            }
        }
        self.await_table().await?;
        self.expire().await?;
        let mut schema = item(SCHEMA_ITEM);
        schema.insert("version".to_owned(), number(SCHEMA));
        match self.put(schema, Condition::absent()).await? {
            Written::Unmet(Some(there)) => known(&there),
            _ => Ok(()),
        }
    }

    async fn create(&self) -> Result<(), StoreError> {
        let key = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash);
        let attribute =
            AttributeDefinition::builder().attribute_name("pk").attribute_type(ScalarAttributeType::S);
        let request = self
            .client
            .create_table()
            .table_name(&self.table)
            .key_schema(key.build().map_err(unbuilt)?)
            .attribute_definitions(attribute.build().map_err(unbuilt)?)
            .billing_mode(BillingMode::PayPerRequest);
        match request.send().await {
            Ok(_) => Ok(()),
            // Somebody else is making it.
            Err(error)
                if error.as_service_error().is_some_and(|error| error.is_resource_in_use_exception()) =>
            {
                Ok(())
            }
            Err(error) => Err(fault(error)),
        }
    }

    /// Until the table can be used.
    async fn await_table(&self) -> Result<(), StoreError> {
        let began = std::time::Instant::now();
        let mut pause = Duration::from_millis(50);
        loop {
            match self.client.describe_table().table_name(&self.table).send().await {
                Ok(answer) => {
                    let table = answer.table();
                    let keys = table.map(|table| table.key_schema()).unwrap_or_default();
                    if !matches!(keys, [only] if only.attribute_name() == "pk") {
                        let what = "the table is not one of idemcheck's: its key is not `pk` alone";
                        return Err(StoreError::Refused(what.to_owned()));
                    }
                    let usable = [TableStatus::Active, TableStatus::Updating];
                    if table.and_then(|table| table.table_status()).is_some_and(|now| usable.contains(now)) {
                        return Ok(());
                    }
                }
                // A table that is being made may not show at once.
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(|error| error.is_resource_not_found_exception()) => {}
                Err(error) => return Err(fault(error)),
            }
            if began.elapsed() > TABLE_WAIT {
                let what = format!("the table is not ready after {TABLE_WAIT:?}");
                return Err(StoreError::Unreachable(what));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Has DynamoDB take away what is long over.
    async fn expire(&self) -> Result<(), StoreError> {
        let ttl = TimeToLiveSpecification::builder()
            .attribute_name("ttl")
            .enabled(true)
            .build()
            .map_err(unbuilt)?;
        let request =
            self.client.update_time_to_live().table_name(&self.table).time_to_live_specification(ttl);
        match request.send().await {
            Ok(_) => Ok(()),
            // It is so already, or somebody is at it: then that one sees to it.
            Err(error) if error.code() == Some("ValidationException") => Ok(()),
            Err(error)
                if error.as_service_error().is_some_and(|error| error.is_resource_in_use_exception()) =>
            {
                Ok(())
            }
            Err(error) => Err(fault(error)),
        }
    }

    /// A number above this one, above all that were given out here, and not behind the clock.
    fn next(&self, above: u64) -> u64 {
        let micros = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(0));
        let next = |last: u64| micros.max(last + 1);
        let last = self.granted.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |last| Some(next(last)));
        // What somebody claims to have seen moves no number but its own.
        next(last.unwrap_or_else(|last| last)).max(above.saturating_add(1))
    }

    async fn get(&self, name: &str) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        // A read that got no answer did nothing.
        let answer = request.key("pk", text(name)).send().await.map_err(|error| undone(fault(error)))?;
        Ok(answer.item)
    }

    async fn look(&self, key: &Key) -> Result<Seen, StoreError> {
        let item = self.get(&named('r', key)).await?;
        seen(item.as_ref(), now())
    }

    async fn put(&self, item: Item, condition: Condition) -> Result<Written, StoreError> {
        fits(&item)?;
        let values = condition.values();
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(condition.expression)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match request.send().await {
            Ok(_) => Ok(Written::Done),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(unmet)) => {
                    Ok(Written::Unmet(unmet.item().cloned()))
                }
                Some(PutItemError::TransactionConflictException(_)) => Ok(Written::Met),
                _ => Err(fault(error)),
            },
        }
    }

    async fn together(&self, steps: Vec<Step>) -> Result<Together, StoreError> {
        let mut request = self.client.transact_write_items();
        for step in steps {
            if let Step::Put(item, _) = &step {
                fits(item)?;
            }
            request = request.transact_items(step.in_transaction(&self.table)?);
        }
        match request.send().await {
            Ok(_) => Ok(Together::Done),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    let reasons = cancelled.cancellation_reasons();
                    Ok(Together::Undone(reasons.iter().map(cancelled_by).collect::<Result<_, _>>()?))
                }
                _ => Err(fault(error)),
            },
        }
    }

    /// The number of an effect that may be about to land. One that is drawn and not used is left out.
    async fn draw(&self) -> Result<u64, StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(LANDED_ITEM))
            .update_expression("ADD drawn :one")
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::UpdatedNew);
        let answer = request.send().await.map_err(|error| undone(fault(error)))?;
        let drawn = answer.attributes().map(|item| Fields(item).count("drawn")).transpose()?;
        needed("number", drawn)
    }

    async fn operation(&self, key: &Key) -> Result<Operation, StoreError> {
        self.series(named('o', key)).await
    }

    async fn series(&self, name: String) -> Result<Operation, StoreError> {
        let Some(item) = self.get(&name).await? else {
            return Ok(Operation { name, entries: 0, fence: 0, condition: Condition::absent() });
        };
        let fields = Fields(&item);
        let (entries, fence) = (fields.count("entries")?, fields.count("fence")?);
        let values = [(":entries", number(entries)), (":fence", number(fence))];
        let condition = Condition::new("entries = :entries AND fence = :fence", &values);
        Ok(Operation { name, entries, fence, condition })
    }

    /// What becomes of a swap whose condition was not met by this item: a conflict, or it is as expected and its
    /// number has to be above this one.
    fn refusal(&self, swap: &Swap, item: Option<&Item>) -> Result<ControlFlow<Seen, u64>, StoreError> {
        let now = now();
        match (found(item), swap.expected) {
            (Found::Absent(gone), Expected::Absent | Expected::Anything) => Ok(ControlFlow::Continue(gone)),
            (Found::Absent(_), Expected::Revision { .. }) => {
                Ok(ControlFlow::Break(Seen { receipt: None, now }))
            }
            (Found::There(Ok(receipt)), Expected::Anything) => Ok(ControlFlow::Continue(receipt.revision)),
            (Found::There(Err(_)), Expected::Anything) => {
                Ok(ControlFlow::Continue(item.map_or(Ok(0), |item| Fields(item).count("revision"))?))
            }
            (Found::There(receipt), _) => Ok(ControlFlow::Break(Seen { receipt: Some(receipt?), now })),
        }
    }

    /// A swap of nothing but the receipt.
    async fn swap_alone(&self, swap: &Swap) -> Result<Swapped, StoreError> {
        if swap.write == Write::Nothing {
            let seen = self.look(&swap.key).await?;
            let met = swap.expected.met(seen.receipt.as_ref(), seen.now);
            return Ok(if met { Swapped::Done { seen, effect: None } } else { Swapped::Conflict(seen) });
        }
        let mut above = revision_of(swap.expected);
        for tried in 0..TRIES {
            let change = Change::new(self, swap, above, None)?;
            let Some(item) = change.item else { break };
            match self.put(item, change.condition).await? {
                Written::Done => return Ok(Swapped::Done { seen: change.seen, effect: None }),
                Written::Unmet(item) => match self.refusal(swap, item.as_ref())? {
                    ControlFlow::Break(seen) => return Ok(Swapped::Conflict(seen)),
                    ControlFlow::Continue(number) => above = above.max(number),
                },
                Written::Met => pause(tried).await,
            }
        }
        Err(tired())
    }

    /// A swap with its effect, its audit, or both.
    async fn swap_whole(&self, swap: &Swap) -> Result<Swapped, StoreError> {
        let mut above = revision_of(swap.expected);
        for tried in 0..TRIES {
            let mut left = None;
            if swap.write == Write::Nothing {
                let seen = self.look(&swap.key).await?;
                if !swap.expected.met(seen.receipt.as_ref(), seen.now) {
                    return Ok(Swapped::Conflict(seen));
                }
                left = Some(seen);
            }
            let mut effect = None;
            let mut steps = Vec::new();
            if let Some(entry) = &swap.effect {
                let operation = self.operation(&entry.operation).await?;
                if swap.unchanged.is_some_and(|unchanged| unchanged != operation.entries) {
                    // The receipt is looked at first, and a ledger that has grown stays so.
                    let seen = self.look(&swap.key).await?;
                    let met = swap.expected.met(seen.receipt.as_ref(), seen.now);
                    return Ok(if met { Swapped::Changed } else { Swapped::Conflict(seen) });
                }
                let landed = entry.effect(self.draw().await?, now());
                steps.extend(landing(&operation, operation.fence, &landed)?);
                effect = Some(landed);
            }
            if let Some(audit) = &swap.audit {
                let audits = self.series(AUDITS.to_owned()).await?;
                let place = audits.entries + 1;
                let name = member(AUDITS, place);
                steps.push(Step::Put(audit_item(&name, &swap.key, audit, now()), Condition::absent()));
                let head = audits.item(place, 0)?;
                steps.push(Step::Put(head, audits.condition));
            }
            let change = Change::new(self, swap, above, effect.as_ref())?;
            let receipt = match change.item {
                Some(item) => Some(Step::Put(item, change.condition)),
                None if swap.expected == Expected::Anything => None,
                None => Some(Step::Check(named('r', &swap.key), change.condition)),
            };
            let first = receipt.is_some();
            match self.together(receipt.into_iter().chain(steps).collect()).await? {
                Together::Done => {
                    return Ok(Swapped::Done { seen: left.unwrap_or(change.seen), effect });
                }
                Together::Undone(written) => {
                    if let Some(Written::Unmet(item)) = written.into_iter().next().filter(|_| first) {
                        match self.refusal(swap, item.as_ref())? {
                            ControlFlow::Break(seen) => return Ok(Swapped::Conflict(seen)),
                            ControlFlow::Continue(number) => above = above.max(number),
                        }
                    }
                    // Otherwise a series has grown meanwhile, or another write was under way.
                    pause(tried).await;
                }
            }
        }
        Err(tired())
    }

    async fn try_land(&self, call: &LedgerCall) -> Result<Option<Landing>, StoreError> {
        let entry = &call.entry;
        let mut native_step = None;
        let mut known = None;
        if let Some(native) = &call.native {
            let name = named('n', &native.key);
            let there = self.get(&name).await?;
            let mut condition = Condition::absent();
            if let Some(there) = &there {
                let fields = Fields(there);
                let first = needed("moment", fields.number("first_at")?)?;
                let effect = needed("effect", fields.text("effect")?)?;
                if native.remembers(first, now()) {
                    known = Some(effect.clone());
                }
                let values = [(":first", number(first)), (":effect", text(&effect))];
                condition = Condition::new("first_at = :first AND effect = :effect", &values);
            }
            native_step = Some((name, condition));
        }
        // After the native key: what is known then is known still.
        let operation = self.operation(&entry.operation).await?;
        if call.fencing && entry.token != 0 && entry.token < operation.fence {
            return Ok(Some(Landing::Refused));
        }
        if let (Some(name), Some(native)) = (known, &call.native) {
            let item = self.get(&name).await?;
            let effect = effect_from(&needed("effect of that key", item)?)?;
            return Ok(Some(native.known(entry, effect)));
        }
        let effect = entry.effect(self.draw().await?, now());
        let fence = if call.fencing { operation.fence.max(entry.token) } else { operation.fence };
        let mut steps = landing(&operation, fence, &effect)?;
        if let Some((name, condition)) = native_step {
            let mut native = item(&name);
            native.insert("first_at".to_owned(), number(effect.at));
            native.insert("effect".to_owned(), text(&member(&operation.name, operation.entries + 1)));
            steps.push(Step::Put(native, condition));
        }
        match self.together(steps).await? {
            Together::Done => Ok(Some(Landing::Applied(effect))),
            Together::Undone(_) => Ok(None),
        }
    }

    async fn land_call(&self, call: &LedgerCall) -> Result<Landing, StoreError> {
        call.fits()?;
        for tried in 0..TRIES {
            if let Some(landing) = self.try_land(call).await? {
                return Ok(landing);
            }
            pause(tried).await;
        }
        Err(tired())
    }

    async fn raise(&self, key: &Key, token: u64) -> Result<(), StoreError> {
        key.fits()?;
        for tried in 0..TRIES {
            let operation = self.operation(key).await?;
            if token <= operation.fence {
                return Ok(());
            }
            let item = operation.item(operation.entries, token)?;
            if let Written::Done = self.put(item, operation.condition).await? {
                return Ok(());
            }
            pause(tried).await;
        }
        Err(tired())
    }

    /// A portion of the items that a filter lets through, and where the next one begins.
    async fn scan(
        &self,
        from: Option<String>,
        filter: &str,
        names: &[(&str, &str)],
        values: &[(&str, AttributeValue)],
    ) -> Result<(Vec<Item>, Option<String>), StoreError> {
        let mut request = self
            .client
            .scan()
            .table_name(&self.table)
            .consistent_read(true)
            .limit(LOOKED_AT_ONCE)
            .filter_expression(filter)
            .set_exclusive_start_key(from.map(|name| item(&name)));
        for (name, stands_for) in names {
            request = request.expression_attribute_names(*name, *stands_for);
        }
        for (name, value) in values {
            request = request.expression_attribute_values(*name, value.clone());
        }
        let answer = request.send().await.map_err(|error| undone(fault(error)))?;
        let more =
            answer.last_evaluated_key.as_ref().map(|key| Fields(key).text("pk")).transpose()?.flatten();
        Ok((answer.items.unwrap_or_default(), more))
    }

    async fn listed(&self, which: Which, after: Option<&Key>, limit: u32) -> Result<Listed, StoreError> {
        let now = now();
        let mut listed = Listed { receipts: Vec::new(), now };
        let receipts = "begins_with(pk, :receipts) AND attribute_not_exists(gone)";
        let claims = format!("{receipts} AND #status = :claimed");
        let filter = match which {
            Which::All => receipts.to_owned(),
            Which::InProgress => claims,
            Which::Abandoned => format!("{claims} AND lease_until <= :now"),
        };
        let mut values = vec![(":receipts", text("r#"))];
        let mut names = Vec::new();
        if which != Which::All {
            values.push((":claimed", text(Status::InProgress.name())));
            names.push(("#status", "status"));
        }
        if which == Which::Abandoned {
            values.push((":now", number(now)));
        }
        let mut from = after.map(|key| named('r', key));
        while listed.receipts.len() < limit as usize {
            let (items, more) = self.scan(from, &filter, &names, &values).await?;
            for item in items.iter().take(limit as usize - listed.receipts.len()) {
                let key = needed("key", Fields(item).text("key")?)?;
                listed.receipts.push((Key::from_stored(key), receipt_from(item)));
            }
            from = more;
            if from.is_none() {
                break;
            }
        }
        Ok(listed)
    }

    /// Goes on where the last one ended; at most [`SWEEP_REQUESTS`] portions.
    async fn swept(&self, of: Option<&str>, limit: u32) -> Result<u64, StoreError> {
        let beginning = of.map(Key::beginning).unwrap_or_default();
        let place = || self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut from = place().take();
        let mut swept = 0;
        for _ in 0..SWEEP_REQUESTS {
            if swept >= u64::from(limit) {
                break;
            }
            let now = now();
            let filter = "begins_with(pk, :receipts) AND expires_at <= :now";
            let values = [(":receipts", text("r#")), (":now", number(now))];
            let mut last = from.clone();
            let (items, more) = self.scan(from, filter, &[], &values).await?;
            from = more;
            for item in items {
                if swept >= u64::from(limit) {
                    // The next one goes on behind what this one has seen.
                    from = last;
                    break;
                }
                last = Fields(&item).text("pk")?;
                // What can't be read is for a person.
                let (Ok(receipt), Ok(Some(key))) = (receipt_from(&item), Fields(&item).text("key")) else {
                    continue;
                };
                if !key.starts_with(&beginning) {
                    continue;
                }
                let gone = tombstone(&Key::from_stored(key), self.next(receipt.revision), now)?;
                let same = [(":revision", number(receipt.revision)), (":now", number(now))];
                let condition = Condition::new("revision = :revision AND expires_at <= :now", &same);
                if let Written::Done = self.put(gone, condition).await? {
                    swept += 1;
                }
            }
            if from.is_none() {
                break;
            }
        }
        *place() = from;
        Ok(swept)
    }

    async fn count(&self) -> Result<u64, StoreError> {
        let (mut count, mut from) = (0, None);
        loop {
            let request = self
                .client
                .scan()
                .table_name(&self.table)
                .consistent_read(true)
                .select(Select::Count)
                .filter_expression("begins_with(pk, :effects)")
                .expression_attribute_values(":effects", text("e#"))
                .set_exclusive_start_key(from);
            let answer = request.send().await.map_err(|error| undone(fault(error)))?;
            count += u64::try_from(answer.count).unwrap_or(0);
            from = answer.last_evaluated_key;
            if from.is_none() {
                return Ok(count);
            }
        }
    }

    async fn effects_of(&self, key: &Key) -> Result<Vec<Effect>, StoreError> {
        let operation = self.operation(key).await?;
        let mut effects = Vec::new();
        for place in 1..=operation.entries {
            let item = self.get(&member(&operation.name, place)).await?;
            effects.push(effect_from(&needed("effect in its place", item)?)?);
        }
        Ok(effects)
    }

    async fn audits(&self, limit: u32) -> Result<Vec<Audited>, StoreError> {
        let audits = self.series(AUDITS.to_owned()).await?;
        let mut out = Vec::new();
        for place in (1..=audits.entries).rev().take(limit as usize) {
            let item = self.get(&member(AUDITS, place)).await?;
            out.push(audit_from(&needed("audit in its place", item)?)?);
        }
        Ok(out)
    }
}

/// What a swap makes of the receipt.
struct Change {
    /// None: it stays.
    item: Option<Item>,
    condition: Condition,
    /// Once it is done.
    seen: Seen,
}

impl Change {
    fn new(store: &DynamoDb, swap: &Swap, above: u64, effect: Option<&Effect>) -> Result<Change, StoreError> {
        let (now, granted) = (now(), store.next(above));
        let (item, receipt) = match &swap.write {
            Write::Nothing => (None, None),
            Write::Delete => (Some(tombstone(&swap.key, granted, now)?), None),
            Write::Put(draft) => {
                let receipt = match effect {
                    Some(effect) => draft.numbered(effect.number).receipt(granted, now),
                    None => draft.receipt(granted, now),
                };
                (Some(receipt_item(&swap.key, &receipt, draft.swept)?), Some(receipt))
            }
        };
        // Without a write there is no number to be above anything.
        let number = if item.is_some() { granted } else { u64::MAX };
        let condition = Condition::of(swap.expected, number, now);
        Ok(Change { item, condition, seen: Seen { receipt, now } })
    }
}

/// The writes that put an effect into the ledger, if its operation is as it was.
fn landing(operation: &Operation, fence: u64, effect: &Effect) -> Result<Vec<Step>, StoreError> {
    let place = operation.entries + 1;
    let entry = effect_item(&member(&operation.name, place), effect)?;
    Ok(vec![
        Step::Put(operation.item(place, fence)?, operation.condition.clone()),
        Step::Put(entry, Condition::absent()),
    ])
}

/// What the number of a write has to be above, as far as the caller knows.
fn revision_of(expected: Expected) -> u64 {
    match expected {
        // No item has a higher one, so that is a conflict, and not a number.
        Expected::Revision { revision, .. } if revision < i64::MAX.unsigned_abs() => revision,
        _ => 0,
    }
}

fn now() -> Millis {
    Clock::System.now()
}

/// Waits a little, not everybody the same.
async fn pause(tried: u32) {
    let mut random = [0];
    let share = getrandom::fill(&mut random).map_or(1, |()| u32::from(random[0] % 8) + 1);
    tokio::time::sleep(PAUSE * (tried + 1) * share / 4).await;
}

fn tired() -> StoreError {
    StoreError::Aborted(format!("other writes came first {TRIES} times"))
}

impl Store for DynamoDb {
    fn read<'a>(&'a self, key: &'a Key) -> Answer<'a, Seen> {
        Box::pin(self.look(key))
    }

    fn swap<'a>(&'a self, swap: &'a Swap) -> Answer<'a, Swapped> {
        Box::pin(async move {
            swap.fits()?;
            if swap.effect.is_none() && swap.audit.is_none() {
                self.swap_alone(swap).await
            } else {
                self.swap_whole(swap).await
            }
        })
    }

    fn land<'a>(&'a self, call: &'a LedgerCall) -> Answer<'a, Landing> {
        Box::pin(self.land_call(call))
    }

    fn fence<'a>(&'a self, operation: &'a Key, token: u64) -> Answer<'a, ()> {
        Box::pin(self.raise(operation, token))
    }

    fn effects<'a>(&'a self, operation: &'a Key) -> Answer<'a, Vec<Effect>> {
        Box::pin(self.effects_of(operation))
    }

    fn counted(&self) -> Answer<'_, u64> {
        Box::pin(self.count())
    }

    fn list<'a>(&'a self, which: Which, after: Option<&'a Key>, limit: u32) -> Answer<'a, Listed> {
        Box::pin(self.listed(which, after, limit))
    }

    fn sweep<'a>(&'a self, of: Option<&'a str>, limit: u32) -> Answer<'a, u64> {
        Box::pin(self.swept(of, limit))
    }

    fn audited(&self, limit: u32) -> Answer<'_, Vec<Audited>> {
        Box::pin(self.audits(limit))
    }

    fn check(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            match self.get(SCHEMA_ITEM).await? {
                Some(item) => known(&item),
                None => Err(StoreError::Refused("its items are gone".to_owned())),
            }
        })
    }

    fn is_for_lookups(&self) -> bool {
        true
    }

    fn keeps_time(&self) -> bool {
        false
    }

    fn room(&self) -> usize {
        ITEM_BYTES_MAX - ITEM_BYTES_OTHER
    }
}
