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
/// Whoever saves a file may do so in two steps: no look is taken for a change until the next one is the same.
const SETTLES: Duration = Duration::from_millis(60);
/// A look takes at most such a part of the time.
const SHARE: u32 = 10;

/// Length and time of each file that matters; none where it is not there.
type Snapshot = BTreeMap<PathBuf, Option<(u64, SystemTime)>>;

/// Checks, shows, and waits for changes until Ctrl-C. The exit code is that of the last run.
pub fn run(common: &Common, finder: Finder, options: &Options) -> anyhow::Result<Exit> {
    let mut finder = finder.keeping();
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    let mut others = Snapshot::new();
    let mut exit = Exit::NothingSelected;
    while !finder.cancel().load(Ordering::Relaxed) {
        // Taken before the files are read: what changes meanwhile is a change.
        let (walked, before) = (walked(common), states(others.keys()));
        finder.begin();
        let loaded = input::read(&common.paths, common.models.as_deref());
        let report = finder.report(&loaded, None);
        exit = Exit::of(&report);
        exit = if loaded.failed() { exit.max(Exit::CouldNotRun) } else { exit };
        exit = if loaded.selected == 0 { exit.max(Exit::NothingSelected) } else { exit };
        let now = contents(&loaded);
        // Models and members may be anywhere. What is part of the tool is no file.
        let read: Vec<PathBuf> =
            loaded.files.paths().filter(|path| path.exists()).map(Path::to_owned).collect();
        others = states(read.iter());
        others.extend(before.into_iter().filter(|(path, _)| read.contains(path)));
        show(&report, |name| said.get(name) != now.get(name), said.is_empty(), options)?;
        said = now;
        wait(common, &finder, (walked, &others));
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

/// Waits until files are not as they were, or until Ctrl-C.
fn wait(common: &Common, finder: &Finder, before: (Snapshot, &Snapshot)) {
    let (was, others) = before;
    let mut last = None;
    while !finder.cancel().load(Ordering::Relaxed) {
        let began = Instant::now();
        let now = (walked(common), states(others.keys()));
        let changed = now.0 != was || now.1 != *others;
        if changed && last.as_ref() == Some(&now) {
            return;
        }
        let pause = if changed { SETTLES } else { EVERY };
        last = Some(now);
        std::thread::sleep(pause.max(began.elapsed() * SHARE));
    }
}

/// The files below the paths.
fn walked(common: &Common) -> Snapshot {
    let mut paths = walk(&common.paths).files;
    paths.extend(common.models.iter().flat_map(|models| walk(std::slice::from_ref(models)).files));
    states(paths.iter())
}

fn states<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> Snapshot {
    let state = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    };
    paths.map(|path| (path.clone(), state(path))).collect()
}
