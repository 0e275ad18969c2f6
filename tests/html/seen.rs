//! The pages as a browser has them: what they look like, that they can be used, also without a mouse and by those
//! who hear them, and that nothing but themselves is asked for.

use std::fs;
use std::path::{Path, PathBuf};

use idemcheck::check::verdict::Change;
use idemcheck::report::markdown::{self, SUMMARY_BYTES};

use super::browser::Browser;
use super::by_hand::*;
use super::{ROOT, a_thousand, by_hand_files, idemcheck, written};

/// Opens pages of a folder.
struct Pages {
    browser: Browser,
    folder: tempfile::TempDir,
}

impl Pages {
    fn new() -> Option<Pages> {
        Some(Pages { browser: Browser::start()?, folder: tempfile::tempdir().unwrap() })
    }

    fn url(&self, name: &str) -> String {
        format!("file://{}", self.folder.path().join(name).display())
    }

    fn open(&mut self, name: &str, width: u32, height: u32) {
        let url = self.url(name);
        self.browser.open(&url, width, height);
    }

    fn write(&self, name: &str, text: &str) {
        let path: PathBuf = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// No error on the console, and nothing was fetched.
    fn were_quiet(&self) {
        assert_eq!(self.browser.complaints(), Vec::<String>::new());
        assert_eq!(self.browser.requests(), Vec::<String>::new());
    }
}

/// The sample, and one page of each other kind of policy.
const KINDS: [(&str, &str); 6] = [
    ("write-path/lease-12s.toml", "lease-12s"),
    ("remediation/systemd-start-limit-20.toml", "systemd-start-limit-20"),
    ("operations/payment-reconcile.toml", "payment-reconcile"),
    ("operations/order-outbox.toml", "order-outbox"),
    ("locks/lease-not-renewed.toml", "lease-not-renewed"),
    ("remediation/drain-one-node.toml", "drain-one-node"),
];

fn write_kinds(to: &Path) {
    let paths = KINDS.map(|(path, _)| format!("policies/{path}"));
    let to = to.display().to_string();
    let mut args = vec!["report"];
    args.extend(paths.iter().map(String::as_str));
    args.extend(["--to", &to]);
    let (code, _, stderr) = idemcheck(Path::new(ROOT), &args);
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn a_browser_shows_the_pages() {
    let Some(mut pages) = Pages::new() else { return };
    written(pages.folder.path());
    for (width, height) in [(1280, 900), (360, 740)] {
        for (name, what) in [
            ("index.html", "index"),
            ("policies/lease-12s.html", "lease-12s"),
            ("policies/systemd-start-limit-20.html", "systemd"),
        ] {
            for (media, scheme, kind) in
                [("screen", "light", ""), ("screen", "dark", "-dark"), ("print", "light", "-print")]
            {
                pages.browser.emulate(media, scheme);
                pages.open(name, width, height);
                assert_eq!(pages.browser.ask("document.querySelectorAll('h1').length"), 1);
                assert_eq!(pages.browser.ask("document.querySelectorAll('main').length"), 1);
                // Tables scroll by themselves, the page does not; paper does not scroll at all.
                if media == "screen" {
                    assert_eq!(
                        pages.browser.ask("document.documentElement.scrollWidth <= window.innerWidth"),
                        true,
                        "{name} is wider than {width}"
                    );
                }
                pages.browser.screenshot(&format!("{what}-{width}{kind}"));
            }
        }
    }
    pages.browser.emulate("screen", "light");
    pages.open("policies/lease-12s.html#claim-exclusive-step-4", 1280, 900);
    pages.browser.screenshot("step-1280");
    pages.browser.ask("document.getElementById('state-diagram').scrollIntoView(), 0");
    pages.browser.screenshot("machine-1280");
    pages.open("policies/systemd-start-limit-20.html#quiesces-step-30", 1280, 1400);
    pages.browser.screenshot("lasso-1280");
    pages.were_quiet();
}

/// What is closed on a screen is open on paper, and what only a screen can do is not there.
#[test]
fn paper_has_everything() {
    let Some(mut pages) = Pages::new() else { return };
    written(pages.folder.path());
    pages.browser.emulate("print", "dark");
    pages.open("policies/lease-12s.html", 1000, 1400);
    let closed = "[...document.querySelectorAll('details > :not(summary)')].filter(one => !one.checkVisibility()).length";
    assert_eq!(pages.browser.ask(closed), 0);
    assert_eq!(pages.browser.ask("document.querySelector('.controls').checkVisibility()"), false);
    // Ink on white, whatever the system prefers.
    assert_eq!(pages.browser.ask("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)");
    let wide = "[...document.querySelectorAll('svg')].filter(one => one.getBoundingClientRect().right > innerWidth).length";
    assert_eq!(pages.browser.ask(wide), 0);
    pages.were_quiet();
}

#[test]
fn filters_sift_the_index_and_stand_in_its_address() {
    let Some(mut pages) = Pages::new() else { return };
    for file in by_hand_files(&sample()) {
        pages.write(&file.path, &file.text);
    }
    pages.open("index.html", 1280, 900);
    let shown = "[...document.querySelectorAll('tbody tr')].filter(row => !row.hidden).map(row => row.cells[0].textContent).join(' ')";
    let all = "holds violated lasso unfinished expected waived expired known not-met unsure";
    assert_eq!(pages.browser.ask(shown), all);
    let set = |name: &str, value: &str| {
        let field = format!("filters.elements.{name}");
        format!(
            "{field}.value = '{value}', {field}.dispatchEvent(new Event('input', {{ bubbles: true }})), location.hash"
        )
    };
    assert_eq!(pages.browser.ask(&set("find", "SATIS shop")), "#find=SATIS+shop");
    assert_eq!(pages.browser.ask(shown), "");
    assert_eq!(pages.browser.ask("count.textContent"), "0 of 10 shown");
    pages.browser.ask("reset.click(), 0");
    assert_eq!(pages.browser.ask("new Promise(done => setTimeout(() => done(location.hash), 50))"), "");
    assert_eq!(pages.browser.ask(shown), all);
    // Of the policy as a whole; then of one property, of which a policy may say nothing.
    pages.browser.ask(&set("verdict", "waived"));
    assert_eq!(pages.browser.ask(shown), "waived");
    assert_eq!(pages.browser.ask(&set("property", "no-stuck-key")), "#property=no-stuck-key&verdict=waived");
    assert_eq!(pages.browser.ask(shown), "waived");
    pages.browser.ask(&set("verdict", ""));
    assert_eq!(pages.browser.ask(shown), "holds lasso waived expired");
    pages.browser.ask(&set("verdict", "bad"));
    assert_eq!(pages.browser.ask(shown), "lasso expired");
    pages.browser.ask(&(set("property", "single-execution") + ", " + &set("verdict", "expected")));
    assert_eq!(pages.browser.ask(shown), "expected");
    pages.browser.ask(&set("verdict", "baselined"));
    assert_eq!(pages.browser.ask(shown), "known");
    pages.browser.ask("reset.click(), linted.click(), 0");
    // The address is enough; nonsense in it does nothing.
    pages.open("index.html#property=single-execution&verdict=open", 1280, 900);
    assert_eq!(pages.browser.ask(shown), "unfinished unsure");
    pages.open("index.html#property=xyz&verdict=%3Cb%3E&find=%00", 1280, 900);
    assert_eq!(pages.browser.ask("verdict.value + property.value"), "");
    pages.were_quiet();
}

#[test]
fn a_run_is_stepped_through_by_keyboard() {
    let Some(mut pages) = Pages::new() else { return };
    written(pages.folder.path());
    pages.open("policies/lease-12s.html", 1280, 900);
    let focus = "document.getElementById('run-single-execution').focus(), 0";
    pages.browser.ask(focus);
    let mut press = |keys: &[&str]| {
        keys.iter().for_each(|key| pages.browser.press(key));
        pages.browser.ask("location.hash").as_str().unwrap().to_owned()
    };
    assert_eq!(press(&["ArrowRight", "ArrowRight", "n"]), "#single-execution-step-3");
    assert_eq!(press(&["ArrowLeft"]), "#single-execution-step-2");
    assert_eq!(press(&["End"]), "#single-execution-step-11");
    assert_eq!(press(&["n"]), "#single-execution-step-11");
    assert_eq!(press(&["Home"]), "#single-execution-step-1");
    assert_eq!(press(&["p"]), "#single-execution-step-1");
    assert_eq!(press(&["n"]), "#single-execution-step-2");
    let says = pages.browser.ask("document.querySelector('#run-single-execution .state').textContent");
    let says = says.as_str().unwrap().to_owned();
    assert!(says.contains("Step 2 of 11") && says.contains("in progress (attempt 1.1)"), "{says}");
    // Those who hear the page are told.
    let told = "document.querySelector('#run-single-execution .state').getAttribute('aria-live')";
    assert_eq!(pages.browser.ask(told), "polite");
    // Steps that change nothing are hidden, and stepped over.
    pages.browser.ask("document.querySelector('#run-single-execution .lean-switch').click(), 0");
    let rows = "[...document.querySelectorAll('#run-single-execution tr[data-step]')].filter(row => row.checkVisibility()).map(row => row.dataset.step).join(' ')";
    assert_eq!(pages.browser.ask(rows), "2 6 10 11");
    pages.browser.ask(focus);
    pages.browser.press("ArrowRight");
    assert_eq!(pages.browser.ask("location.hash"), "#single-execution-step-6");
    pages.browser.press("Home");
    assert_eq!(pages.browser.ask("location.hash"), "#single-execution-step-2");
    // A link to a step arrives there; without the run's name it is one of the first run.
    pages.open("policies/lease-12s.html#claim-exclusive-step-4", 1280, 900);
    assert_eq!(pages.browser.ask("document.querySelector('#run-claim-exclusive tr.now').dataset.step"), "4");
    pages.open("policies/lease-12s.html#step-7", 1280, 900);
    assert_eq!(pages.browser.ask("document.querySelectorAll('tr.now').length"), 1);
    assert_eq!(pages.browser.ask("document.querySelector('#run-single-execution tr.now').dataset.step"), "7");
    // A diagram that is wider than the screen keeps its arrow keys; n and p go on.
    pages.open("policies/lease-12s.html", 360, 740);
    pages.browser.ask("document.querySelector('#run-single-execution .wide').focus(), 0");
    pages.browser.press("ArrowRight");
    assert_eq!(pages.browser.ask("location.hash"), "");
    pages.browser.press("n");
    assert_eq!(pages.browser.ask("location.hash"), "#single-execution-step-1");
    pages.were_quiet();
}

/// Where the keyboard is.
const FOCUS: &str = "(() => { const is = document.activeElement; return is === document.body ? '' : \
    [...document.querySelectorAll('*')].indexOf(is) + ' ' + (is.getAttribute('aria-label') || is.labels?.[0]?.textContent || is.textContent).trim().slice(0, 40); })()";

#[test]
fn the_keyboard_goes_through_a_page_in_its_order() {
    let Some(mut pages) = Pages::new() else { return };
    written(pages.folder.path());
    for name in ["index.html", "policies/lease-12s.html"] {
        pages.open(name, 1280, 900);
        let mut before = -1;
        let mut names = Vec::new();
        for _ in 0..400 {
            pages.browser.press("Tab");
            let is = pages.browser.ask(FOCUS).as_str().unwrap().to_owned();
            let Some((place, says)) = is.split_once(' ') else { break };
            let place: i64 = place.parse().unwrap();
            if place < before {
                break;
            }
            assert!(place > before, "{name}: the keyboard stays at {says}");
            assert!(!says.is_empty(), "{name}: something without a name has the keyboard");
            let seen = "(() => { const style = getComputedStyle(document.activeElement); \
                return document.activeElement.checkVisibility() && style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2; })()";
            assert_eq!(pages.browser.ask(seen), true, "{name}: nobody sees that {says} has the keyboard");
            before = place;
            names.push(says.to_owned());
        }
        assert!(names.len() > 10, "{names:?}");
        assert_eq!(names[0], "Skip to the contents");
        // Everything that can be used can be reached.
        let usable = "[...document.querySelectorAll('a[href], button, input, select, summary, [tabindex=\"0\"]')].filter(one => one.checkVisibility()).length";
        assert_eq!(pages.browser.ask(usable), names.len(), "{names:?}");
    }
    pages.were_quiet();
}

#[test]
fn pages_pass_an_audit_of_their_accessibility() {
    let Some(mut pages) = Pages::new() else { return };
    let Some(axe) = script("IDEMCHECK_TEST_AXE") else { return };
    write_kinds(pages.folder.path());
    for file in by_hand_files(&sample()) {
        pages.write(&format!("made/{}", file.path), &file.text);
    }
    let mut names =
        vec!["index.html".to_owned(), "made/index.html".to_owned(), "made/policies/waived.html".to_owned()];
    names.extend(KINDS.map(|(_, stem)| format!("policies/{stem}.html")));
    for name in &names {
        for (scheme, width) in [("light", 1280), ("dark", 360)] {
            pages.browser.emulate("screen", scheme);
            pages.open(name, width, 800);
            // With everything open, and a step chosen.
            pages.browser.ask("document.querySelectorAll('details').forEach(one => one.open = true), 0");
            pages.browser.ask("document.querySelector('.next')?.click(), 0");
            assert_eq!(pages.browser.audit(&axe), Vec::<String>::new(), "{name}, {scheme}, {width}");
        }
    }
    // It finds what is there to be found.
    pages.write(
        "bad.html",
        "<!DOCTYPE html><title>x</title><input><p style='color:#999;background:#aaa'>words to read</p>",
    );
    pages.open("bad.html", 1280, 800);
    let found = pages.browser.audit(&axe).join("\n");
    for rule in ["label", "color-contrast", "html-has-lang", "landmark-one-main"] {
        assert!(found.contains(rule), "{found}");
    }
}

/// What a variable names the file of: axe-core, mermaid.
fn script(variable: &str) -> Option<String> {
    let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) else {
        let required = std::env::var("IDEMCHECK_TEST_SERVERS").is_ok_and(|value| value == "required");
        assert!(!required, "{variable} names no file");
        eprintln!("skipped: {variable} names no file");
        return None;
    };
    Some(fs::read_to_string(path).unwrap())
}

/// GitHub draws what stands in a comment with the same library.
#[test]
fn mermaid_draws_the_runs_of_a_comment() {
    let Some(mermaid) = script("IDEMCHECK_TEST_MERMAID") else { return };
    let Some(mut pages) = Pages::new() else { return };
    let nasty =
        "<script>document.title = 'broken'</script> a;b #1 `x` %%{init: {}}%% end\nend \"q\" l0->>l1: x {y}";
    let mut property = violated();
    for step in &mut property.counterexample.as_mut().unwrap().steps {
        (step.who, step.does, step.sees) = (nasty.to_owned(), nasty.to_owned(), nasty.to_owned());
        step.changes.push(Change { what: nasty.to_owned(), from: nasty.to_owned(), to: nasty.to_owned() });
    }
    let mut all = sample();
    all.policies.push(policy("nasty", vec![property]));
    let mut text = Vec::new();
    markdown::render(&all, SUMMARY_BYTES, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let parts = text.split("```mermaid\n").skip(1).map(|part| part.split("```").next().unwrap());
    let diagrams: Vec<&str> = parts.collect();
    assert!(diagrams.len() >= 4, "{}", diagrams.len());
    pages.write("empty.html", "<!DOCTYPE html><html lang=en><title>x</title><body>");
    pages.open("empty.html", 1280, 900);
    pages.browser.run(&mermaid);
    let draw = "(async () => { mermaid.initialize({ startOnLoad: false }); const said = []; \
        for (const [at, text] of DIAGRAMS.entries()) { \
            try { const drawn = await mermaid.render('d' + at, text); document.body.insertAdjacentHTML('beforeend', drawn.svg); } \
            catch (error) { said.push(at + ': ' + error.message); } } \
        return said; })()";
    let draw = draw.replace("DIAGRAMS", &serde_json::to_string(&diagrams).unwrap());
    assert_eq!(pages.browser.ask(&draw), serde_json::json!([]));
    assert_eq!(pages.browser.ask("document.title"), "x");
    assert_eq!(pages.browser.ask("document.querySelectorAll('body > svg').length"), diagrams.len());
}

#[test]
fn a_thousand_policies_can_be_used() {
    let Some(mut pages) = Pages::new() else { return };
    let text = a_thousand();
    pages.write("index.html", &text);
    pages.open("index.html", 1280, 900);
    let loaded = pages.browser.ask("Math.round(performance.getEntriesByType('navigation')[0].duration)");
    let sifted = pages.browser.ask(
        "(() => { const began = performance.now(), find = filters.elements.find; find.value = 'service-77-'; \
         find.dispatchEvent(new Event('input', { bubbles: true })); document.body.offsetHeight; \
         return Math.round(performance.now() - began); })()",
    );
    let nodes = pages.browser.ask("document.querySelectorAll('*').length");
    // How long is for people to read: machines differ.
    println!(
        "1,000 policies: {} bytes, {nodes} elements, {loaded} ms to load, {sifted} ms to filter",
        text.len()
    );
    assert_eq!(pages.browser.ask("count.textContent"), "4 of 1000 shown");
    assert!(nodes.as_u64().unwrap() < 60_000);
    assert_eq!(pages.browser.ask("document.documentElement.scrollWidth <= window.innerWidth"), true);
    pages.browser.screenshot("thousand-1280");
    pages.were_quiet();
}

#[test]
fn a_browser_takes_what_others_wrote_as_text() {
    let Some(mut pages) = Pages::new() else { return };
    let nasty = "<script>document.title = 'broken'</script><img src=x onerror=\"document.title='broken'\">";
    let mut property = violated();
    let run = property.counterexample.as_mut().unwrap();
    for step in &mut run.steps {
        step.sees = nasty.to_owned();
    }
    let files = by_hand_files(&report(vec![policy(nasty, vec![property, lasso()])]));
    for file in &files {
        pages.write(&file.path, &file.text);
        pages.open(&file.path, 1280, 900);
        // What the stepper says of it as well.
        pages.browser.ask("document.querySelector('.next')?.click(), 0");
        assert_ne!(pages.browser.ask("document.title"), "broken");
        assert_eq!(pages.browser.ask("document.querySelectorAll('img').length"), 0);
    }
    // A body with markup, as a race saw it.
    write_race(&pages, nasty);
    pages.open("race/policies/lease-12s.html", 1280, 900);
    assert_eq!(pages.browser.ask("document.querySelectorAll('img').length"), 0);
    assert_eq!(pages.browser.ask("document.body.textContent.includes('<img src=x')"), true);
    assert_ne!(pages.browser.ask("document.title"), "broken");
    pages.were_quiet();
}

fn write_race(pages: &Pages, body: &str) {
    let race = serde_json::json!({
        "version": 1, "policy": "lease-12s", "urls": [], "technique": "h1", "size": 20, "seed": 7, "cut_short": null,
        "batches": [], "bursts": 60, "duplicated": 3, "overlapped": 58, "simultaneous": 60, "upper_bound": 0.2,
        "requests": 1200, "answers": {"201": 57}, "verdict": "violated", "latencies": {},
        "probes": [{"probe": "P1", "title": "many at once", "properties": ["single-execution"], "outcome": "violated",
            "why": null, "requests": 1200, "history": null, "repeat": [format!("curl -d '{body}' here")],
            "findings": [{"rule": "stuck-key", "property": "no-stuck-key", "key": body, "message": body}]}],
    });
    pages.write("race.json", &race.to_string());
    let path = |name: &str| pages.folder.path().join(name).display().to_string();
    let (code, _, stderr) = idemcheck(
        Path::new(ROOT),
        &[
            "report",
            "policies/write-path/lease-12s.toml",
            "--load",
            &path("race.json"),
            "--to",
            &path("race"),
        ],
    );
    assert_eq!(code, 0, "{stderr}");
}
