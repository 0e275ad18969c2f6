//! PostgreSQL and Redis when they fail: what a caller is told, and what a repeat makes of it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use idemcheck::model::{Operation, Outcome};
use idemcheck::store::postgres::{Postgres, STATEMENT_WAIT};
use idemcheck::store::redis::Redis;
use idemcheck::store::{Entry, Expected, SharedStore, Stamp, Store, StoreError, Swap, Swapped, Write};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::contract::{HOUR, claim, key, put, response};
use crate::place::{Kind, Place, connect, on, server};
use crate::races::{hold, operate};

const INSERT: Operation = Operation::Insert { recognise_own: true };
const TABLES_LOCKED: &str = "BEGIN; LOCK TABLE idemcheck_receipts IN EXCLUSIVE MODE";

fn postgres<F: Future<Output = ()>>(test: impl FnOnce(Arc<Place>) -> F) {
    on(Kind::Postgres, test);
}

/// Waits until something is so, for which nothing tells the moment.
async fn until<F: Future<Output = bool>>(mut f: impl FnMut() -> F) {
    for _ in 0..500 {
        if f().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it did not come to be");
}

/// Ends the sessions of this schema that wait for a lock; how many.
async fn cut(place: &Place, client: &tokio_postgres::Client) -> i64 {
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
               WHERE NOT l.granted AND l.relation = to_regclass('idemcheck_receipts')";
    assert!(place.url().contains("search_path"));
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// Runs an operation against a locked table and cuts its connection while it waits.
async fn cut_while<T>(place: &Place, asked: impl Future<Output = T>) -> T {
    let client = connect(&place.url()).await;
    client.batch_execute(TABLES_LOCKED).await.unwrap();
    let cutter = async {
        until(async || cut(place, &client).await > 0).await;
        client.batch_execute("ROLLBACK").await.unwrap();
    };
    tokio::join!(asked, cutter).0
}

#[test]
fn a_cut_connection_leaves_it_unknown() {
    postgres(async |place| {
        let swap = put(&key("k"), Expected::Absent, claim(1));
        let error = cut_while(&place, place.store.swap(&swap)).await.unwrap_err();
        assert!(matches!(error, StoreError::Unknown(_) | StoreError::Unreachable(_)), "{error:?}");
        assert_eq!(place.read(&key("k")).await, None);
        // The pool goes on with another connection.
        place.done(&swap).await;
    });
}

#[test]
fn a_cut_transaction_was_not_done() {
    postgres(async |place| {
        let operation = key("operation");
        let mut swap = put(&key("k"), Expected::Absent, claim(1));
        let response = response(b"{effect}");
        swap.effect =
            Some(Entry { operation: operation.clone(), fingerprint: Vec::new(), token: 0, response });
        let error = cut_while(&place, place.store.swap(&swap)).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
        assert_eq!(place.read(&key("k")).await, None);
        assert_eq!(place.store.effects(&operation).await.unwrap(), []);
        place.done(&swap).await;
        assert_eq!(place.store.effects(&operation).await.unwrap().len(), 1);
    });
}

#[test]
fn an_attempt_whose_connection_is_cut_tries_again() {
    postgres(async |place| {
        let mut hold = hold(&place.store, &key("k"));
        assert_eq!(cut_while(&place, operate(&mut hold, &INSERT)).await, Outcome::Inserted);
        assert!(hold.errors > 0);
        assert_eq!(place.read(&key("k")).await.unwrap().owner, hold.me.owner);
    });
}

/// A claim that is made over a way that swallows its answer is recognised by whoever made it. `open` opens
/// the store at an address.
pub async fn claim_again<F: Future<Output = SharedStore>>(
    place: &Place,
    url: &str,
    open: impl FnOnce(String) -> F,
) {
    let (port, swallows) = proxy(url).await;
    let store = open(url.replace(&host_of(url), &format!("127.0.0.1:{port}"))).await;
    // Statements are prepared, scripts are loaded: the next answer is that of the claim.
    operate(&mut hold(&store, &key("other")), &INSERT).await;
    swallows.store(true, Ordering::SeqCst);
    let mut hold = hold(&store, &key("k"));
    let asked = tokio::spawn(async move {
        let outcome = operate(&mut hold, &INSERT).await;
        (hold, outcome)
    });
    until(async || place.read(&key("k")).await.is_some()).await;
    let (hold, outcome) = asked.await.unwrap();
    assert_eq!(outcome, Outcome::Inserted);
    assert!(hold.errors > 0 && hold.me.owns);
    let receipt = place.read(&key("k")).await.unwrap();
    assert_eq!((receipt.owner, receipt.token), (hold.me.owner, hold.me.token));
}

#[test]
fn a_claim_whose_acknowledgement_is_lost_is_recognised() {
    postgres(async |place| {
        let open = async |url: String| Arc::new(Postgres::open(&url).await.unwrap()) as SharedStore;
        claim_again(&place, &place.url(), open).await;
    });
}

/// Where a URL leads: what comes after its last `//`.
fn host_of(url: &str) -> String {
    let place = url.rsplit_once("://").unwrap().1.split(['/', '?']).next().unwrap();
    place.rsplit('@').next().unwrap().to_owned()
}

/// Passes everything on, but for one answer each time it is told to: then it cuts the connection instead.
async fn proxy(url: &str) -> (u16, Arc<AtomicBool>) {
    let host = host_of(url);
    let swallows = Arc::new(AtomicBool::new(false));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let flag = swallows.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (host, flag) = (host.clone(), flag.clone());
            tokio::spawn(async move {
                let mut server = TcpStream::connect(host).await.unwrap();
                let (mut asked, mut answer) = (vec![0; 65536], vec![0; 65536]);
                loop {
                    tokio::select! {
                        read = client.read(&mut asked) => match read {
                            Ok(size) if size > 0 => server.write_all(&asked[..size]).await.unwrap(),
                            _ => return,
                        },
                        read = server.read(&mut answer) => match read {
                            Ok(size) if size > 0 && !flag.swap(false, Ordering::SeqCst) => {
                                client.write_all(&answer[..size]).await.unwrap();
                            }
                            _ => return,
                        },
                    }
                }
            });
        }
    });
    (port, swallows)
}

#[test]
fn a_statement_that_takes_too_long_does_not_land_later() {
    postgres(async |place| {
        let client = connect(&place.url()).await;
        client.batch_execute(TABLES_LOCKED).await.unwrap();
        let begun = std::time::Instant::now();
        let swap = put(&key("k"), Expected::Absent, claim(1));
        let error = place.store.swap(&swap).await.unwrap_err();
        assert!(matches!(error, StoreError::Aborted(_)), "{error:?}");
        assert!(begun.elapsed() >= STATEMENT_WAIT);
        client.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(place.read(&key("k")).await, None);
    });
}

/// An insert that is slow between drawing its number and landing: no later grant comes and goes meanwhile.
#[test]
fn a_slow_insert_does_not_land_with_an_old_token() {
    postgres(async |place| {
        let client = connect(&place.url()).await;
        let lock: i64 =
            client.query_one("SELECT hashtext(current_schema())::bigint", &[]).await.unwrap().get(0);
        let slow = format!(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF NEW.fingerprint = '\\x0200ff' THEN PERFORM pg_advisory_xact_lock({lock}); END IF;
                 RETURN NEW; END $$;
             CREATE TRIGGER slow BEFORE INSERT ON idemcheck_receipts FOR EACH ROW EXECUTE FUNCTION slow();
             SELECT pg_advisory_lock({lock})"
        );
        client.batch_execute(&slow).await.unwrap();
        let insert = |number| {
            let (place, swap) = (place.clone(), put(&key("k"), Expected::Absent, claim(number)));
            tokio::spawn(async move { place.store.swap(&swap).await.unwrap() })
        };
        let first = insert(2);
        let waits =
            format!("SELECT count(*) FROM pg_locks WHERE NOT granted AND objid = ({lock} & 4294967295)::oid");
        until(async || client.query_one(&waits, &[]).await.unwrap().get::<_, i64>(0) > 0).await;
        let second = insert(3);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut passed = 0;
        if second.is_finished() {
            let swapped = second.await.unwrap();
            let Swapped::Done { seen, .. } = swapped else { panic!("{swapped:?}") };
            passed = seen.receipt.unwrap().token;
            place.done(&Swap::new(key("k"), Expected::Anything, Write::Delete)).await;
        }
        client.batch_execute(&format!("SELECT pg_advisory_unlock({lock})")).await.unwrap();
        let swapped = first.await.unwrap();
        let Swapped::Done { seen, .. } = swapped else { panic!("{swapped:?}") };
        let token = seen.receipt.unwrap().token;
        assert!(token > passed, "{token} after {passed}");
    });
}

#[test]
fn a_deadlock_is_undone_and_told() {
    postgres(async |place| {
        for name in ["a", "b"] {
            place.done(&put(&key(name), Expected::Absent, claim(1))).await;
        }
        // It holds what the swap asks for last, and asks for what the swap holds.
        let client = connect(&place.url()).await;
        let row = |name: &str| {
            format!("SELECT 1 FROM idemcheck_receipts WHERE key = '{}' FOR UPDATE", key(name).as_str())
        };
        client.batch_execute(&format!("SET deadlock_timeout = '10s'; BEGIN; {}", row("a"))).await.unwrap();
        let operation = key("b");
        let mut swap = Swap::new(key("a"), Expected::Anything, Write::Delete);
        let response = response(b"x");
        swap.effect =
            Some(Entry { operation: operation.clone(), fingerprint: Vec::new(), token: 0, response });
        let other = async {
            until(async || {
                let sql = "SELECT count(*) FROM pg_locks WHERE NOT granted \
                           AND pid IN (SELECT pid FROM pg_locks \
                           WHERE relation = to_regclass('idemcheck_operations'))";
                client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0
            })
            .await;
            let sql = "INSERT INTO idemcheck_operations VALUES ($1, 0)";
            client.execute(sql, &[&operation.as_str()]).await
        };
        let (swapped, other) = tokio::join!(place.store.swap(&swap), other);
        let error = swapped.unwrap_err();
        assert!(matches!(error, StoreError::Aborted(_)), "{error:?}");
        other.unwrap();
        client.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(place.store.effects(&operation).await.unwrap(), []);
        assert!(place.read(&key("a")).await.is_some());
    });
}

#[test]
fn many_open_a_new_database_at_once() {
    postgres(async |place| {
        // As new as it gets.
        let schema = place.prefix().trim_end_matches(':').to_owned();
        place.sql(&format!("DROP SCHEMA {schema} CASCADE; CREATE SCHEMA {schema}")).await;
        let mut tasks = JoinSet::new();
        for number in 0..8 {
            let url = place.url();
            tasks.spawn(async move {
                let store = Postgres::open(&url).await.unwrap();
                store.swap(&put(&key(&number.to_string()), Expected::Absent, claim(number))).await.unwrap();
            });
        }
        tasks.join_all().await;
        let client = connect(&place.url()).await;
        let count = |sql: &'static str| async { client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) };
        assert_eq!(count("SELECT count(*) FROM idemcheck_receipts").await, 8);
        assert_eq!(count("SELECT count(*) FROM idemcheck_schema").await, 1);
    });
}

#[test]
fn a_later_schema_is_refused() {
    postgres(async |place| {
        place.sql("INSERT INTO idemcheck_schema VALUES (99)").await;
        let error = Postgres::open(&place.url()).await.err().unwrap();
        assert!(matches!(&error, StoreError::Refused(text) if text.contains("version 99")), "{error}");
    });
}

#[test]
fn a_server_that_takes_no_writes_was_not_reached() {
    postgres(async |place| {
        let url = place.url().replace("options=", "options=-cdefault_transaction_read_only%3Don%20");
        let error = Postgres::open(&url).await.err().unwrap();
        assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    });
}

fn redis<F: Future<Output = ()>>(test: impl FnOnce(Arc<Place>) -> F) {
    on(Kind::Redis, test);
}

async fn count(place: &Place, script: &str, args: &[&str]) -> i64 {
    redis::from_redis_value(place.script(script, args).await).unwrap()
}

#[test]
fn scripts_that_are_forgotten_are_loaded_again() {
    redis(async |place| {
        place.done(&put(&key("a"), Expected::Absent, claim(1))).await;
        let client = redis::Client::open(server(Kind::Redis).unwrap()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let _: () = redis::cmd("SCRIPT").arg("FLUSH").query_async(&mut connection).await.unwrap();
        place.done(&put(&key("b"), Expected::Absent, claim(1))).await;
        assert!(place.read(&key("a")).await.is_some());
    });
}

#[test]
fn receipts_expire_in_redis_itself_and_no_earlier() {
    redis(async |place| {
        let ttl = |name: &str| {
            let script = "return redis.call('PTTL', ARGV[1] .. 'receipt:' .. ARGV[2])";
            let name = key(name);
            let place = place.clone();
            async move { count(&place, script, &[name.as_str()]).await }
        };
        for (name, swept, expiry) in [
            ("long", false, Stamp::In(HOUR)),
            ("swept", true, Stamp::In(HOUR)),
            ("never", false, Stamp::Never),
            ("short", false, Stamp::In(40)),
        ] {
            let draft = idemcheck::store::Draft { expiry, swept, ..claim(1) };
            let (seen, _) = place.done(&put(&key(name), Expected::Absent, draft)).await;
            if name == "long" {
                let left = seen.receipt.unwrap().expires_at.unwrap()
                    - place.store.read(&key(name)).await.unwrap().now;
                assert!(left <= ttl(name).await + 1000 && ttl(name).await <= HOUR);
            }
        }
        assert_eq!((ttl("swept").await, ttl("never").await), (-1, -1));
        until(async || place.read(&key("short")).await.is_none()).await;
        // Written again without an end, it has none.
        place.done(&put(&key("long"), Expected::Anything, claim(1))).await;
        assert_eq!(ttl("long").await, -1);
    });
}

#[test]
fn indexes_hold_no_more_than_what_is_alive() {
    redis(async |place| {
        let entries = async || {
            let script = "local sum = 0 for _, index in ipairs({'keys', 'open', 'expiries', 'sweepable'}) do
                    sum = sum + redis.call('ZCARD', ARGV[1] .. index) end return sum";
            count(&place, script, &[]).await
        };
        for number in 0..50 {
            let draft = idemcheck::store::Draft { expiry: Stamp::In(HOUR), ..claim(1) };
            place.done(&put(&key(&number.to_string()), Expected::Absent, draft)).await;
        }
        assert_eq!(entries().await, 150);
        place.pass(2 * HOUR).await;
        // New receipts alone clear away what is left, some of them.
        for number in 0.. {
            let new = key(&format!("new-{number}"));
            place.done(&put(&new, Expected::Absent, claim(1))).await;
            assert!(number < 500, "{} entries are left", entries().await);
            if entries().await == 2 {
                place.done(&Swap::new(new, Expected::Anything, Write::Delete)).await;
                break;
            }
            place.done(&Swap::new(new, Expected::Anything, Write::Delete)).await;
        }
        assert_eq!(entries().await, 0);
        // An entry goes with what it is of: no write leaves one behind.
        let [open, expires, swept] = [Stamp::Never, Stamp::In(HOUR), Stamp::In(HOUR)];
        let draft = |expiry, swept| idemcheck::store::Draft { expiry, swept, ..claim(1) };
        for (first, then) in [
            (draft(open, false), draft(expires, false)),
            (draft(expires, false), draft(swept, true)),
            (draft(swept, true), draft(expires, false)),
            (draft(expires, false), draft(open, false)),
        ] {
            place.done(&put(&key("k"), Expected::Anything, first)).await;
            for status in [idemcheck::store::Status::InProgress, idemcheck::store::Status::Succeeded] {
                let then = idemcheck::store::Draft { status, ..then.clone() };
                let in_progress = i64::from(status == idemcheck::store::Status::InProgress);
                let timed = i64::from(then.expiry != Stamp::Never);
                place.done(&put(&key("k"), Expected::Anything, then)).await;
                assert_eq!(entries().await, 1 + in_progress + timed);
            }
        }
        place.done(&Swap::new(key("k"), Expected::Anything, Write::Delete)).await;
        assert_eq!(entries().await, 0);
        // Nor does a list show what is gone.
        let draft = idemcheck::store::Draft { expiry: Stamp::In(HOUR), ..claim(1) };
        place.done(&put(&key("k"), Expected::Absent, draft)).await;
        place.pass(2 * HOUR).await;
        let listed = place.store.list(idemcheck::store::Which::All, None, 99).await.unwrap();
        assert!(listed.receipts.is_empty());
    });
}

#[test]
fn a_key_of_another_type_is_corrupt() {
    redis(async |place| {
        let script = "return redis.call('HSET', ARGV[1] .. 'receipt:' .. ARGV[2], 'a', 'hash')";
        place.script(script, &[key("k").as_str()]).await;
        let expect_corrupt = |result: Result<(), StoreError>| {
            assert!(matches!(result, Err(StoreError::Corrupt(_))), "{result:?}");
        };
        expect_corrupt(place.store.read(&key("k")).await.map(drop));
        let absent = put(&key("k"), Expected::Absent, claim(1));
        expect_corrupt(place.store.swap(&absent).await.map(drop));
        place.done(&put(&key("other"), Expected::Absent, claim(1))).await;
        place.done(&Swap::new(key("k"), Expected::Anything, Write::Delete)).await;
        place.done(&absent).await;
    });
}

#[test]
fn a_claim_in_redis_whose_acknowledgement_is_lost_is_recognised() {
    redis(async |place| {
        let prefix = place.prefix();
        let open =
            async |url: String| Arc::new(Redis::with_prefix(&url, &prefix).await.unwrap()) as SharedStore;
        claim_again(&place, &server(Kind::Redis).unwrap(), open).await;
    });
}
