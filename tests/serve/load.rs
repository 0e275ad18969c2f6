//! `idemcheck load` against `idemcheck serve`: what is broken is found, what is right is not accused.

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

/// The same with a `[load]` for a server.
fn with_load(folder: &Path, name: &str, server: &Server, body: &str) -> PathBuf {
    let text = std::fs::read_to_string(patient(folder, name)).unwrap();
    let address = server.address;
    let section = format!(
        "\n[load]\nurls = [\"http://{address}/pay\"]\nbody = '{body}'\nconflicting = '{{\"other\":\"{{{{key}}}}\"}}'\n\
         settle = \"100ms\"\n[load.headers]\nX-Tenant = \"acme\"\n[load.effects]\n\
         url = \"http://{address}/ledger?key={{{{key}}}}\"\npointer = \"/effects\"\n\n[expect]"
    );
    let path = folder.join(format!("{name}-load.toml"));
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
        let file = with_load(folder.path(), "naive", &server, "{}");
        for technique in ["h1", "h2"] {
            let (code, out, err) =
                load(&file, &["--technique", technique, "--bursts", "20", "--batches", "1", "--size", "20"]);
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
        let file = with_load(folder.path(), "fenced", &server, "{\"n\":\"{{key}} {{random}}\"}");
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
    let file = with_load(folder.path(), "lease", &server, "{}");
    for (arguments, says) in [
        (&["--url", "http://example.com/pay"][..], "--allow-host example.com"),
        (&["--url", "https://127.0.0.1/pay"], "no address such as"),
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
