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
        for technique in ["h1", "h2"] {
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
            assert!(!out.contains("atomic"), "nobody can know that: {out}");
        }
    }
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
