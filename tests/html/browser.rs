//! Chromium, driven over a pair of pipes: no port, and no client for web sockets.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

/// How long a browser may take to do one thing.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Browser {
    child: Child,
    input: ChildStdin,
    heard: Receiver<Value>,
    /// Events that nobody asked for yet.
    events: VecDeque<Value>,
    session: Option<String>,
    asked: u64,
    seen: Vec<Value>,
    // Its profile, as long as it runs.
    _profile: tempfile::TempDir,
}

impl Browser {
    /// The one that `IDEMCHECK_TEST_CHROMIUM` names. Where there is none the test says that it was skipped,
    /// or fails, if servers are required.
    pub fn start() -> Option<Browser> {
        let Some(binary) = std::env::var_os("IDEMCHECK_TEST_CHROMIUM").filter(|name| !name.is_empty()) else {
            let required = std::env::var("IDEMCHECK_TEST_SERVERS").is_ok_and(|value| value == "required");
            assert!(!required, "IDEMCHECK_TEST_CHROMIUM names no browser");
            eprintln!("skipped: IDEMCHECK_TEST_CHROMIUM names no browser");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        // It reads from 3 and writes to 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null"])
            .arg(binary)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"])
            .args(["--disable-background-networking", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (say, heard) = channel();
        let output = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else { continue };
                if say.send(message).is_err() {
                    break;
                }
            }
        });
        let input = child.stdin.take().unwrap();
        let mut browser = Browser {
            child,
            input,
            heard,
            events: VecDeque::new(),
            session: None,
            asked: 0,
            seen: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", attach);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let mut message = json!({ "id": self.asked, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.input.write_all(message.to_string().as_bytes()).unwrap();
        self.input.write_all(&[0]).unwrap();
        self.input.flush().unwrap();
        loop {
            let heard = self.heard.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{method}: no answer"));
            if heard["id"] == self.asked {
                assert!(heard.get("error").is_none(), "{method}: {heard}");
                return heard["result"].clone();
            }
            self.note(heard);
        }
    }

    fn note(&mut self, event: Value) {
        self.seen.push(event.clone());
        self.events.push_back(event);
    }

    /// Opens a page in a window of this size and waits until it is there.
    pub fn open(&mut self, url: &str, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
        // Another page first: a change of the part behind `#` alone loads nothing.
        for url in ["about:blank", url] {
            self.events.clear();
            self.call("Page.navigate", json!({ "url": url }));
            while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
                let heard = self.heard.recv_timeout(PATIENCE).expect("the page does not load");
                self.note(heard);
            }
        }
    }

    /// Shows pages as on a screen or on paper (`screen`, `print`), by day or by night (`light`, `dark`).
    pub fn emulate(&mut self, media: &str, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "media": media, "features": features }));
    }

    /// Runs a script in the page.
    pub fn run(&mut self, script: &str) {
        let result = self.call("Runtime.evaluate", json!({ "expression": script }));
        assert!(result.get("exceptionDetails").is_none(), "{result}");
    }

    /// What axe-core objects to on the page: rules, with the first place of each.
    pub fn audit(&mut self, axe: &str) -> Vec<String> {
        self.run(axe);
        let found = self.ask(
            "axe.run(document, { resultTypes: ['violations'] }).then(all => all.violations.map(one => \
             one.id + ' x ' + one.nodes.length + ': ' + one.nodes[0].html.slice(0, 200)))",
        );
        found.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    }

    /// The value of an expression in the page, or what it promises.
    pub fn ask(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let result = self.call("Runtime.evaluate", params);
        assert!(result.get("exceptionDetails").is_none(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    pub fn press(&mut self, key: &str) {
        // The browser itself acts on the key's number only.
        let number = if key == "Tab" { 9 } else { 0 };
        for kind in ["rawKeyDown", "keyUp"] {
            let event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": number });
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Keeps a picture where `IDEMCHECK_TEST_SCREENSHOTS` names a folder for them.
    pub fn screenshot(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("IDEMCHECK_TEST_SCREENSHOTS").map(PathBuf::from) else { return };
        let picture = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let bytes =
            base64::engine::general_purpose::STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
    }

    /// Errors on the console and exceptions, so far.
    pub fn complaints(&self) -> Vec<String> {
        let bad = |event: &&Value| match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => true,
            "Runtime.consoleAPICalled" => event["params"]["type"] == "error",
            "Log.entryAdded" => event["params"]["entry"]["level"] == "error",
            _ => false,
        };
        self.seen.iter().filter(bad).map(Value::to_string).collect()
    }

    /// What was asked for besides the pages themselves, so far.
    pub fn requests(&self) -> Vec<String> {
        let sent = self.seen.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        let others = sent.filter(|event| {
            let params = &event["params"];
            let url = params["request"]["url"].as_str().unwrap_or_default();
            params["type"] != "Document" && !url.starts_with("data:")
        });
        others.map(|event| event["params"]["request"]["url"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its own process only: the rest of a browser goes with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
