//! Files that are not meant to be read: each is refused quickly, with its place, and without a panic.

use std::path::Path;
use std::time::{Duration, Instant};

use idemcheck::policy::{Loaded, load, load_texts};
use idemcheck::source::open::FILE_BYTES_MAX;

use super::support::{MODEL, POLICY, folder, lines, load_folder, policy_and_model, with};

fn quickly(what: &str, run: impl FnOnce() -> Loaded) -> Vec<String> {
    let start = Instant::now();
    let loaded = run();
    let text = idemcheck::diag::render_all(&loaded.diagnostics, &loaded.files, false);
    assert!(start.elapsed() < Duration::from_secs(5), "{what}: {:?}", start.elapsed());
    assert!(text.len() < 4_000_000, "{what}: {} bytes of diagnostics", text.len());
    lines(&loaded)
}

fn as_both(text: &str) -> Loaded {
    load_texts((Path::new("p.toml"), text), (Path::new("m.toml"), text))
}

#[test]
fn huge_files_are_not_read() {
    let scratch = folder(&[("a.toml", "")]);
    let path = scratch.path().join("a.toml");
    std::fs::File::options()
        .write(true)
        .open(&path)
        .and_then(|file| file.set_len(100 << 20))
        .expect("a sparse file");
    assert_eq!(quickly("100 MB", || load_folder(scratch.path())), ["IDM004 a.toml"]);
    let file = std::fs::File::options().write(true).open(&path).expect("the file");
    file.set_len(FILE_BYTES_MAX).expect("a sparse file");
    // NUL bytes are no TOML, but they are read.
    assert!(
        quickly("1 MiB of NUL", || load_folder(scratch.path())).iter().all(|line| line.starts_with("IDM008"))
    );
}

#[test]
fn deep_nesting_never_reaches_the_parser() {
    let texts = [
        format!("policy = {}", "[".repeat(1_000_000)),
        format!("policy = {}", "{a=".repeat(300_000)),
        format!("{}policy = 1", "a.".repeat(100_000)),
        format!("[{}policy]", "a.".repeat(100_000)),
        format!("x = {{ {}policy = 1 }}", "a.".repeat(100_000)),
        "[a]\n".repeat(200_000),
        "[[a]]\n".repeat(100_000),
    ];
    for text in &texts {
        let found = quickly(&text[..20], || as_both(text));
        assert_eq!(found.iter().filter(|line| line.starts_with("IDM007")).count(), 2, "{found:?}");
    }
}

#[test]
fn large_files_take_no_quadratic_time() {
    let texts = [
        (0..60_000).map(|n| format!("key{n} = 1\n")).collect::<String>(),
        (0..60_000).map(|n| format!("a = {n}\n")).collect(),
        (0..60_000).map(|n| format!("a.b{n} = {n}\n")).collect(),
        "]\n".repeat(400_000),
        "= = =\n".repeat(150_000),
        "\"".repeat(1_000_000),
        "'''".repeat(300_000),
        "a = [".to_owned() + &"1,".repeat(400_000) + "]",
        "from = [".to_owned() + &"\"x\",".repeat(200_000) + "]",
        format!("{POLICY}\n[operation.x]\nidentity = [{}]\n", "\"x\", ".repeat(150_000)),
        format!("policy = \"{}\"", "a".repeat(1_000_000)),
        format!("policy = {}", "9".repeat(1_000_000)),
        (0..30).map(|n| format!("[choice.c{n}]\n")).collect::<String>() + &"x".repeat(900_000),
        with(MODEL, "reject = ", &(0..40_000).map(|n| format!("o{n} = \"poll\"\n")).collect::<String>()),
        with(POLICY, "identity = [\"tenant\", \"order_id\"]", &{
            let names: Vec<String> = (0..60_000).map(|n| format!("\"f{n}\"")).collect();
            format!("identity = [{}]", names.join(", "))
        }),
        with(
            POLICY,
            "[waits]",
            &("[waits]\n".to_owned() + &(0..40_000).map(|n| format!("w{n} = \"1s\"\n")).collect::<String>()),
        ),
    ];
    for text in &texts {
        let found = quickly(&text[..20], || as_both(text));
        assert!(!found.is_empty());
    }
}

#[test]
fn bytes_that_are_no_text_are_located() {
    let scratch = folder(&[]);
    std::fs::write(scratch.path().join("a.toml"), b"policy = \"a\"\nmodel = \"\xff\xfe\"\n").expect("a file");
    assert_eq!(lines(&load_folder(scratch.path())), ["IDM005 a.toml 2:10"]);
}

#[test]
fn marks_and_line_ends_of_other_systems_are_read() {
    let text = format!("\u{feff}{}", POLICY.replace('\n', "\r\n"));
    let loaded = policy_and_model(&text, &MODEL.replace('\n', "\r\n"));
    assert_eq!(lines(&loaded), [""; 0]);
    assert_eq!(loaded.policies.len(), 1);
    let wrong = with(&text, "requests = 2", "requests = 9");
    assert_eq!(lines(&policy_and_model(&wrong, MODEL)), ["IDM016 p.toml 16:12"]);
    assert!(
        lines(&policy_and_model("policy = \"a\u{0}b\"", MODEL)).contains(&"IDM008 p.toml 1:12".to_owned())
    );
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_to_files_and_not_into_folders() {
        let scratch = folder(&[("p/a.toml", POLICY), ("m.toml", MODEL)]);
        symlink("../m.toml", scratch.path().join("p/m.toml")).expect("a link");
        symlink(".", scratch.path().join("p/loop")).expect("a link");
        symlink("..", scratch.path().join("p/up.toml")).expect("a link");
        symlink("self.toml", scratch.path().join("p/self.toml")).expect("a link");
        symlink("nowhere", scratch.path().join("p/zz.toml")).expect("a link");
        let loaded = load_folder(&scratch.path().join("p"));
        assert_eq!(lines(&loaded), ["IDM002 self.toml", "IDM001 zz.toml"]);
        assert_eq!(loaded.policies.len(), 1);
    }

    #[test]
    fn pipes_and_devices_are_refused_unopened() {
        let scratch = folder(&[]);
        let pipe = scratch.path().join("pipe.toml");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        if made.is_ok_and(|status| status.success()) {
            assert_eq!(quickly("a pipe", || load_folder(scratch.path())), ["IDM003 pipe.toml"]);
        }
        assert_eq!(quickly("a device", || load(&["/dev/zero".into()], None)), ["IDM003 zero"]);
    }

    #[test]
    fn deep_folders_are_not_entered() {
        let scratch = folder(&[]);
        let path = (0..40).fold(scratch.path().to_owned(), |path, _| path.join("d"));
        std::fs::create_dir_all(path).expect("folders");
        assert_eq!(lines(&load_folder(scratch.path())), ["IDM007 d"]);
    }
}
