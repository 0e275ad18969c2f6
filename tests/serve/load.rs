//! `idemcheck load` against `idemcheck serve`: what is broken is found, what is right is not accused.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::harness::{Server, durable, policy};

/// The policy with a lease that no stall outlasts.
fn patient(folder: &Path, name: &str) -> PathBuf {
    let text = std::fs::read_to_string(policy(name)).unwrap();
    let path = folder.join(format!("{name}.toml"));
    std::fs::write(&path, text.replace("lease = \"1s\"", "lease = \"1h\"")).unwrap();
    path
}

/// A policy with a `[load]` for a server there.
fn with_load(policy: &Path, address: SocketAddr, body: &str) -> PathBuf {
    let text = std::fs::read_to_string(policy).unwrap();
    let section = format!(
        "\n[load]\nurls = [\"http://{address}/pay\"]\nbody = '{body}'\nconflicting = '{{\"other\":\"{{{{key}}}}\"}}'\n\
         settle = \"100ms\"\n[load.headers]\nX-Tenant = \"acme\"\n[load.other]\nheaders = {{ X-Tenant = \"globex\" }}\n\
         [load.slow]\ntime = \"700ms\"\nheaders = {{ X-Any = \"1\" }}\n[load.effects]\n\
         url = \"http://{address}/ledger?key={{{{key}}}}\"\npointer = \"/effects\"\n\n[expect]"
    );
    let path = policy.with_extension("load.toml");
    std::fs::write(&path, text.replace("\n[expect]", &section)).unwrap();
    path
}

fn load(policy: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = assert_cmd::Command::cargo_bin("idemcheck")
        .unwrap()
        .arg("load")
        .arg(policy)
        .args(arguments)
        .timeout(Duration::from_secs(60))
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_check_before_an_act_is_found_in_one_batch() {
    let folder = tempfile::tempdir().unwrap();
    let mut stores = durable(folder.path());
    stores.push(("memory", "memory:".to_owned()));
    for (name, url) in stores {
        // In memory there is no round trip between the look and the claim.
        let server =
            Server::start(&patient(folder.path(), "naive"), &["--store", &url, "--pause", "after:look=2ms"]);
        let file = with_load(&patient(folder.path(), "naive"), server.address, "{}");
        for technique in ["h1", "h2", "barrier"] {
            let arguments = ["--technique", technique, "--bursts", "20", "--batches", "1", "--only", "P1"];
            let (code, out, err) = load(&file, &arguments);
            assert!(code == 1 && out.contains("REJECTED"), "{name}, {technique}: {out}{err}");
            assert!(!out.contains(": 0 with more than one effect"), "{name}, {technique}: {out}{err}");
        }
    }
}

#[test]
fn what_is_right_is_not_accused() {
    let folder = tempfile::tempdir().unwrap();
    for (name, url) in durable(folder.path()) {
        let server = Server::start(&patient(folder.path(), "fenced"), &["--store", &url, "--delay", "5ms"]);
        let file =
            with_load(&patient(folder.path(), "fenced"), server.address, "{\"n\":\"{{key}} {{random}}\"}");
        for technique in ["h1", "h2"] {
            let (code, out, err) =
                load(&file, &["--technique", technique, "--bursts", "40", "--batches", "2"]);
            assert!(code == 0 && out.contains("nothing found"), "{name}, {technique}: {out}{err}");
        }
    }
}

/// What only a proof can say is said nowhere.
#[test]
fn nothing_is_called_atomic() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&patient(folder.path(), "fenced"), &["--delay", "5ms"]);
    let file = with_load(&patient(folder.path(), "fenced"), server.address, "{\"n\":\"{{key}}\"}");
    let calm = |out: &str, err: &str| {
        let text = format!("{out}{err}").to_lowercase();
        for word in ["atomic", "safe", "proved", "race-free"] {
            assert!(!text.contains(word), "{word}: nobody can know that: {text}");
        }
    };
    let files: Vec<String> = ["human", "json", "junit"]
        .map(|format| format!("{format}={}", folder.path().join(format).display()))
        .into();
    let mut arguments = vec!["--bursts", "40", "--batches", "4"];
    arguments.extend(files.iter().flat_map(|file| ["--output", file]));
    let (code, out, err) = load(&file, &arguments);
    assert!(
        code == 0 && out.contains("0 of 40 bursts in 4 batches: a race is below 7.2 % a burst at 95 %"),
        "{out}{err}"
    );
    assert!(out.contains("if bursts were independent"), "{out}");
    calm(&out, &err);
    for format in ["human", "json", "junit"] {
        calm(&std::fs::read_to_string(folder.path().join(format)).unwrap(), "");
    }
    let calibration = ["--calibrate", "--bursts", "2", "--batches", "1", "--size", "5", "--seed", "7"];
    let output =
        assert_cmd::Command::cargo_bin("idemcheck").unwrap().arg("load").args(calibration).output().unwrap();
    assert!(output.status.success());
    calm(&String::from_utf8_lossy(&output.stdout), &String::from_utf8_lossy(&output.stderr));
}

/// The senders of a run find the races of a server whose windows are known, and none in its control.
#[test]
fn a_machine_is_calibrated() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calibration.json");
    let arguments = ["--calibrate", "--bursts", "20", "--batches", "4", "--seed", "7", "--format", "json"];
    let output = assert_cmd::Command::cargo_bin("idemcheck")
        .unwrap()
        .arg("load")
        .args(arguments)
        .args(["--output", &format!("json={}", file.display())])
        .timeout(Duration::from_secs(120))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let schema = std::fs::read_to_string("schemas/calibration.schema.json").unwrap();
    let schema = serde_json::from_str(&schema).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&json), "{json}");
    assert_eq!(std::fs::read(&file).unwrap(), output.stdout);
    let rows = json["rows"].as_array().unwrap();
    let of = |window: &str, jitter: u64, technique: &str| {
        let found = rows.iter().find(|row| {
            row["window"] == window && row["jitter_us"] == jitter && row["technique"] == technique
        });
        found.unwrap_or_else(|| panic!("{window}, {jitter}, {technique}")).clone()
    };
    assert_eq!(rows.len(), 32);
    for row in rows {
        let found = row["found"].as_u64().unwrap();
        let by_batch: u64 =
            row["found_by_batch"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum();
        assert_eq!((row["bursts"].as_u64(), by_batch), (Some(20), found), "{row}");
        assert_eq!(row["bursts_needed"].is_null(), found == 0, "{row}");
    }
    for technique in ["h2-single-packet", "h2-single-packet over 2 connections", "h1-last-byte", "h1-barrier"]
    {
        let control = of("none, one step", 0, technique);
        assert_eq!((control["found"].as_u64(), control["mean_effects"].as_f64()), (Some(0), Some(1.0)));
        // A window of a millisecond is hard to miss.
        let wide = of("1ms awaited", 0, technique);
        assert!(wide["found"].as_u64() >= Some(15) && wide["window_us"].as_u64() >= Some(1000), "{wide}");
    }
    // Whatever the way does, what is in one packet arrives together; what is not does not.
    let spread = |technique: &str| of("100µs awaited", 2000, technique)["spread_us"][1].as_u64().unwrap();
    assert!(spread("h1-barrier") > 2000, "{}", spread("h1-barrier"));
    assert!(spread("h2-single-packet") * 2 < spread("h1-barrier"), "{}", spread("h2-single-packet"));
    let packet = of("100µs awaited", 2000, "h2-single-packet");
    assert!(packet["found"].as_u64() >= Some(10), "{packet}");
}

#[test]
fn what_is_not_to_be_raced_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&patient(folder.path(), "lease"), &[]);
    let file = with_load(&patient(folder.path(), "lease"), server.address, "{}");
    for (arguments, says) in [
        (&["--url", "http://example.com/pay"][..], "--allow-host example.com"),
        (&["--url", "ftp://127.0.0.1/pay"], "no address such as"),
        (&["--only", "P14"], "`P14` is no probe; they are P1 to P13"),
        (&["--store-proxy", "0.0.0.0:1=127.0.0.1:2"], "it listens on this machine only"),
        (&["--ca", "/dev/null"], "has no certificate"),
        (&["--command", "sleep 9"], "already: what --command starts would not be tested"),
        (&["--command", "false --port {{port}}", "--url", "http://127.0.0.1:1/pay"], "ended: exit status: 1"),
        (&["--url", "http://127.0.0.1:1/pay"], "refused"),
        (&["--power", "0.95", "--p-min", "0.00001"], "are the most of one run"),
        (&["--calibrate"], "cannot be used with"),
        (&["--size", "1000"], "1000 is not in 2..=100"),
    ] {
        let (code, out, err) = load(&file, arguments);
        assert!(code == 2 && err.contains(says) && out.is_empty(), "{arguments:?}: {out}{err}");
    }
    let (code, _, err) = load(&policy("lease"), &[]);
    assert!(code == 2 && err.contains("no [load] section"), "{err}");
    // A counter that counts nothing is no counter.
    let text =
        std::fs::read_to_string(&file).unwrap().replace("pointer = \"/effects\"", "pointer = \"/none\"");
    std::fs::write(&file, text).unwrap();
    let (code, _, err) = load(&file, &["--bursts", "2"]);
    assert!(code == 2 && err.contains("nothing at /none"), "{err}");
}

/// P9 asks as somebody else wherever the scope of a key may stand; who looks for it elsewhere is found.
#[test]
fn somebody_else_may_stand_anywhere_in_a_request() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(policy("fenced")).unwrap().replace("lease = \"1s\"", "lease = \"1h\"");
    for place in ["query:tenant", "json:/tenant", "path"] {
        let file = folder.path().join("placed.toml");
        std::fs::write(&file, text.replace("header:X-Tenant", place)).unwrap();
        let right = Server::start(&file, &["--delay", "5ms"]);
        // The same operation, whoever asks: neither scope nor payload is looked at.
        let blind = text.replace("[\"method\", \"path\", \"body\"]", "[\"method\"]");
        std::fs::write(&file, blind).unwrap();
        let wrong = Server::start(&file, &["--delay", "5ms"]);
        for (server, found) in [(right, 0), (wrong, 1)] {
            let (path, body) = match place {
                "query:tenant" => ("pay?tenant={{tenant}}", "{}"),
                "path" => ("{{tenant}}/pay", "{}"),
                _ => ("pay", "{\"tenant\":\"{{tenant}}\"}"),
            };
            let address = server.address;
            // All effects are counted: what is new is somebody else's.
            let section = format!(
                "\n[load]\nurls = [\"http://{address}/{path}\"]\nbody = '{body}'\nsettle = \"100ms\"\n\
                 [load.headers]\nX-Tenant = \"one\"\n[load.values]\ntenant = \"acme\"\n\
                 [load.other.values]\ntenant = \"globex\"\n\
                 [load.effects]\nurl = \"http://{address}/ledger\"\npointer = \"/effects\"\n\n[expect]"
            );
            std::fs::write(&file, text.replace("\n[expect]", &section)).unwrap();
            let (code, out, err) = load(&file, &["--only", "P9", "--technique", "h1"]);
            assert_eq!(code, found, "{place}: {out}{err}");
        }
    }
}

/// Where nobody listens; the ports were free a moment ago.
fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    let listeners = [(); N].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}

/// Two processes on one store, started, killed and frozen by `load`.
fn crashed(name: &str, pause: &str) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = free_addresses();
    let store = folder.path().join("receipts.db");
    let plain = folder.path().join(format!("{name}.toml"));
    std::fs::copy(policy(name), &plain).unwrap();
    let command = format!(
        "{} serve {} --listen 127.0.0.1:{{{{port}}}} --store sqlite:{} --pause {pause}",
        env!("CARGO_BIN_EXE_idemcheck"),
        plain.display(),
        store.display()
    );
    let urls = [first, second].map(|address| format!("http://{address}/pay"));
    let file = with_load(&plain, first, "{}");
    load(
        &file,
        &["--command", &command, "--url", &urls[0], "--url", &urls[1], "--only", "P7", "--rounds", "1"],
    )
}

#[test]
fn what_a_crash_or_a_stall_does_is_found() {
    // Killed between its effect and its record, it has the effect again.
    let (code, out, err) = crashed("naive", "before:record=700ms");
    assert!(code == 1 && out.contains("second-effect"), "{out}{err}");
    // Frozen before its effect, nothing keeps it from having it when another has taken over.
    let (code, out, err) = crashed("lease", "before:call=700ms");
    assert!(code == 1 && out.contains("second-effect"), "{out}{err}");
    for pause in ["before:call=700ms", "before:record=700ms"] {
        let (code, out, err) = crashed("fenced", pause);
        assert!(code == 0 && out.contains("P7  nothing found"), "{pause}: {out}{err}");
    }
}

#[test]
fn an_interrupted_run_says_so_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let [address] = free_addresses();
    let plain = patient(folder.path(), "fenced");
    let file = with_load(&plain, address, "{}");
    let serve = format!(
        "{} serve {} --listen 127.0.0.1:{{{{port}}}} --delay 5ms",
        env!("CARGO_BIN_EXE_idemcheck"),
        plain.display()
    );
    let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_idemcheck"))
        .arg("load")
        .arg(file)
        .args(["--command", &serve, "--bursts", "50000", "--batches", "1000", "--timeout", "5m"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut progress = std::io::BufReader::new(run.stderr.take().unwrap());
    // In the middle of its bursts; warnings come first.
    let mut line = String::new();
    while !line.starts_with("batch 1 ") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut progress, &mut line).unwrap() > 0, "it ended");
    }
    let done = std::process::Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap();
    assert!(done.success());
    let drained = std::thread::spawn(move || std::io::copy(&mut progress, &mut std::io::sink()));
    let output = run.wait_with_output().unwrap();
    drained.join().unwrap().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{out}");
    assert!(out.contains("cut short: it was interrupted") && out.contains("inconclusive"), "{out}");
    assert!(std::net::TcpStream::connect(address).is_err(), "the service is still there");
}

/// TLS before a server that has none.
struct Tls {
    address: SocketAddr,
    certificate: PathBuf,
    _runtime: tokio::runtime::Runtime,
}

impl Tls {
    fn before(server: SocketAddr, folder: &Path) -> Tls {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = folder.join("certificate.pem");
        std::fs::write(&certificate, own.cert.pem()).unwrap();
        let key = own.signing_key.serialize_der().try_into().unwrap();
        let mut config =
            rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![own.cert.der().clone()], key)
                .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("localhost:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut client) = acceptor.accept(client).await else { return };
                    let mut server = tokio::net::TcpStream::connect(server).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Tls { address, certificate, _runtime: runtime }
    }
}

#[test]
fn a_service_behind_tls_is_raced_by_whoever_trusts_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&patient(folder.path(), "fenced"), &["--delay", "5ms"]);
    let tls = Tls::before(server.address, folder.path());
    let file = with_load(&patient(folder.path(), "fenced"), server.address, "{}");
    let url = format!("https://localhost:{}/pay", tls.address.port());
    for technique in ["h1", "h2"] {
        let arguments = ["--url", &url, "--technique", technique, "--bursts", "20", "--batches", "2"];
        let (code, out, err) = load(&file, &arguments);
        assert!(code == 2 && err.contains("certificate"), "nobody vouches for it: {out}{err}");
        let trusting = arguments.into_iter().chain(["--ca", tls.certificate.to_str().unwrap()]);
        let (code, out, err) = load(&file, &trusting.collect::<Vec<_>>());
        assert!(code == 0 && out.contains("20 bursts of 20"), "{out}{err}");
        assert!(out.contains("P10 skipped"), "what is encrypted can't be broken at a message: {out}{err}");
    }
}
