//! `verify --watch`: again, whenever a file changes, as much as the change is about.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use idemcheck::check::verdict::Report;
use idemcheck::diff;
use idemcheck::policy::load::Loaded;
use idemcheck::report::human::{self, Options};
use idemcheck::source::walk::walk;

use crate::exit::Exit;
use crate::search::{Common, Finder};
use crate::{input, output};

/// Between two looks at the files; longer where a look takes long.
const EVERY: Duration = Duration::from_millis(250);
/// A look takes at most such a part of the time.
const SHARE: u32 = 10;

/// Length and time of each file that matters; none where it is not there.
type Snapshot = BTreeMap<PathBuf, Option<(u64, SystemTime)>>;

/// Checks, shows, and waits for changes until Ctrl-C. The exit code is that of the last run.
pub fn run(common: &Common, finder: Finder, options: &Options) -> anyhow::Result<Exit> {
    let mut finder = finder.keeping();
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    let mut others: Vec<PathBuf> = Vec::new();
    let mut exit = Exit::NothingSelected;
    while !finder.cancel().load(Ordering::Relaxed) {
        // Taken before the files are read: what changes meanwhile is a change.
        let before = look(common, &others);
        finder.begin();
        let loaded = input::read(&common.paths, common.models.as_deref());
        let report = finder.report(&loaded, None);
        exit = Exit::of(&report);
        exit = if loaded.failed() { exit.max(Exit::CouldNotRun) } else { exit };
        exit = if loaded.selected == 0 { exit.max(Exit::NothingSelected) } else { exit };
        let now = contents(&loaded);
        show(&report, |name| said.get(name) != now.get(name), said.is_empty(), options)?;
        said = now;
        // Models and members may be anywhere.
        others = loaded.files.paths().map(Path::to_owned).filter(|path| path.exists()).collect();
        let mut known = look(common, &others);
        known.retain(|path, _| !before.contains_key(path));
        known.extend(before);
        while !finder.cancel().load(Ordering::Relaxed) {
            let began = Instant::now();
            if look(common, &others) != known {
                break;
            }
            std::thread::sleep(EVERY.max(began.elapsed() * SHARE));
        }
    }
    Ok(exit)
}

/// What each policy says, with its model and members, by its name.
fn contents(loaded: &Loaded) -> BTreeMap<String, String> {
    let content = |source| diff::content(loaded, source);
    loaded.policies.iter().map(|source| (source.policy.name.clone(), content(source))).collect()
}

/// Shows the policies that say something else than before, and what it all comes to.
fn show(
    report: &Report,
    changed: impl Fn(&str) -> bool,
    first: bool,
    options: &Options,
) -> anyhow::Result<()> {
    let policies: Vec<_> = report.policies.iter().filter(|result| changed(&result.policy)).cloned().collect();
    let part = Report::new(policies, report.failures.clone(), report.unread(), report.seconds);
    output::to_stdout(|out| {
        human::render(&part, options, out)?;
        if !first {
            let counts: Vec<String> =
                report.summary.iter().map(|(what, count)| format!("{count} {what}")).collect();
            writeln!(out, "all {}: {}", report.policies.len(), counts.join(", "))?;
        }
        writeln!(out, "waiting for changes; Ctrl-C ends")
    })
}

fn look(common: &Common, others: &[PathBuf]) -> Snapshot {
    let mut paths = walk(&common.paths).files;
    paths.extend(common.models.iter().flat_map(|models| walk(std::slice::from_ref(models)).files));
    paths.extend(others.iter().cloned());
    let state = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    };
    paths.into_iter().map(|path| (path.clone(), state(&path))).collect()
}
