//! DynamoDB: the back door that only a test may use, and what the contract of all stores does not say.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use idemcheck::store::dynamodb::ITEM_BYTES_MAX;
use idemcheck::store::url::{OpenError, open};
use idemcheck::store::{Draft, Expected, Key, Stamp, StoreError, Swap, Write};
use tokio::task::JoinSet;

use crate::contract::{HOUR, claim, key, put, response};
use crate::faults::claim_again;
use crate::place::{Kind, Place, on, server};

type Item = HashMap<String, AttributeValue>;

impl Place {
    /// Of the table of this place.
    pub fn table_url(&self) -> String {
        let url = server(Kind::DynamoDb).unwrap();
        format!("dynamodb://{}?{}", self.name, url.split_once('?').unwrap().1)
    }

    async fn client(&self) -> Client {
        let url = server(Kind::DynamoDb).unwrap();
        let endpoint = url.split("endpoint=").nth(1).unwrap();
        let http = aws_smithy_http_client::Builder::new().build_http();
        let config = aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(http);
        let config = config.endpoint_url(endpoint).region("eu-central-1").load().await;
        Client::new(&config)
    }

    pub async fn drop_table(&self) {
        self.client().await.delete_table().table_name(&self.name).send().await.unwrap();
    }

    async fn items(&self) -> Vec<Item> {
        let pages = self.client().await.scan().table_name(&self.name).consistent_read(true).into_paginator();
        pages.items().send().collect::<Result<_, _>>().await.unwrap()
    }

    async fn item(&self, key: &Key) -> Option<Item> {
        let named = AttributeValue::S(key.as_str().to_owned());
        self.items().await.into_iter().find(|item| item.get("key") == Some(&named))
    }

    async fn write(&self, item: Item) {
        self.client().await.put_item().table_name(&self.name).set_item(Some(item)).send().await.unwrap();
    }

    /// Adds to numbers of every item that has them.
    pub async fn shift(&self, names: &[&str], by: i64) {
        let client = self.client().await;
        for mut item in self.items().await {
            let before = item.clone();
            for name in names {
                if let Some(AttributeValue::N(number)) = item.get_mut(*name) {
                    *number = (number.parse::<i64>().unwrap() + by).to_string();
                }
            }
            if item != before {
                client.put_item().table_name(&self.name).set_item(Some(item)).send().await.unwrap();
            }
        }
    }

    pub async fn break_owner(&self, key: &Key) {
        let mut item = self.item(key).await.unwrap();
        item.insert("owner".to_owned(), AttributeValue::B(Blob::new([0])));
        self.write(item).await;
    }
}

fn number(item: &Item, name: &str) -> Option<i64> {
    item.get(name).map(|value| value.as_n().unwrap().parse().unwrap())
}

#[test]
fn a_claim_in_dynamodb_whose_acknowledgement_is_lost_is_recognised() {
    on(Kind::DynamoDb, async |place| {
        claim_again(&place, &place.table_url(), async |url| open(&url).await.unwrap()).await;
    });
}

#[test]
fn a_number_outlives_its_receipt() {
    on(Kind::DynamoDb, async |place| {
        let (first, _) = place.done(&put(&key("k"), Expected::Absent, claim(1))).await;
        // Somebody's clock is far ahead.
        place.shift(&["revision"], 3_600_000_000).await;
        let ahead = place.read(&key("k")).await.unwrap().revision;
        assert!(ahead > first.receipt.unwrap().revision);
        place.done(&Swap::new(key("k"), Expected::Anything, Write::Delete)).await;
        let item = place.item(&key("k")).await.unwrap();
        assert!(number(&item, "gone").unwrap() > ahead as i64 && !item.contains_key("owner"));
        // DynamoDB takes it away a day later.
        let left = number(&item, "ttl").unwrap() * 1000 - first.now;
        assert!((23 * HOUR..25 * HOUR).contains(&left), "{left}");
        let (again, _) = place.done(&put(&key("k"), Expected::Absent, claim(2))).await;
        assert!(again.receipt.unwrap().token > ahead);
    });
}

#[test]
fn only_what_expires_by_itself_is_taken_away() {
    on(Kind::DynamoDb, async |place| {
        for (name, swept, expiry, expected) in [
            ("by itself", false, Stamp::In(HOUR), Some(25 * HOUR)),
            ("swept", true, Stamp::In(HOUR), None),
            ("never", false, Stamp::Never, None),
        ] {
            let draft = Draft { expiry, swept, ..claim(1) };
            let (seen, _) = place.done(&put(&key(name), Expected::Absent, draft)).await;
            let ttl = number(&place.item(&key(name)).await.unwrap(), "ttl");
            let left = ttl.map(|seconds| seconds * 1000 - seen.now);
            let near = left.zip(expected).is_some_and(|(left, expected)| (left - expected).abs() < 2000);
            assert!(near || (left, expected) == (None, None), "{name}: {left:?}");
        }
    });
}

#[test]
fn an_item_that_is_too_large_is_refused_and_nothing_is_written() {
    on(Kind::DynamoDb, async |place| {
        let draft = |size| Draft { response: Some(response(&vec![7; size])), ..claim(1) };
        place.done(&put(&key("fits"), Expected::Absent, draft(place.store.room()))).await;
        let error = place.store.swap(&put(&key("k"), Expected::Absent, draft(ITEM_BYTES_MAX))).await;
        let Err(StoreError::Refused(text)) = error else { panic!("{error:?}") };
        assert!(text.contains(&ITEM_BYTES_MAX.to_string()), "{text}");
        assert_eq!(place.read(&key("k")).await, None);
    });
}

#[test]
fn many_open_a_new_table_at_once() {
    on(Kind::DynamoDb, async |place| {
        place.drop_table().await;
        let mut tasks = JoinSet::new();
        for number in 0..8 {
            let url = place.table_url();
            tasks.spawn(async move {
                let store = open(&url).await.unwrap();
                store.swap(&put(&key(&number.to_string()), Expected::Absent, claim(number))).await.unwrap();
            });
        }
        tasks.join_all().await;
        // Eight receipts, and the version.
        assert_eq!(place.items().await.len(), 9);
    });
}

#[test]
fn a_later_schema_is_refused() {
    on(Kind::DynamoDb, async |place: Arc<Place>| {
        let number = |text: &str| AttributeValue::N(text.to_owned());
        let name = AttributeValue::S("schema".to_owned());
        place.write(Item::from([("pk".to_owned(), name), ("version".to_owned(), number("99"))])).await;
        let Err(OpenError::Store { error: StoreError::Refused(text), .. }) = open(&place.table_url()).await
        else {
            panic!("it was opened")
        };
        assert!(text.contains("version 99"), "{text}");
    });
}

#[test]
fn a_table_that_is_gone_is_told() {
    on(Kind::DynamoDb, async |place| {
        let store = place.another().await;
        place.drop_table().await;
        let error = store.check().await.unwrap_err();
        assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
        let absent = put(&key("k"), Expected::Absent, claim(1));
        let error = store.swap(&absent).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
        // For the one who clears up.
        place.another().await;
    });
}

#[test]
fn a_server_that_is_not_there_was_not_reached() {
    on(Kind::DynamoDb, async |_| {
        let url = "dynamodb://t?region=eu-central-1&endpoint=http://127.0.0.1:1";
        let Err(OpenError::Store { error, shown }) = open(url).await else { panic!("it was opened") };
        assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
        assert_eq!(shown, url);
    });
}
