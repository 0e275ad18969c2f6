//! What people already run, as policies: unit files, health checks, autoscalers, leader leases.
//!
//! Each kind reads one file as the real system does, with its defaults, and writes a policy in which
//! every value says where it comes from. What can't be said in a policy is rounded in the direction
//! that allows the remediation more, and noted; nothing is dropped in silence.

mod alertmanager;
mod autoscaler;
mod control_plane;
mod fleet;
mod json;
mod karpenter;
mod kube;
mod kured;
mod machine_health_check;
mod node_health_check;
mod nomad;
mod orchestrator;
mod page;
mod patroni;
mod probes;
mod spans;
mod systemd;
mod tree;
mod yaml;

use std::path::{Path, PathBuf};

pub use page::Page;

use crate::diag::{Code, Diagnostic};
use crate::source::suggest::{closest, list, short};
use crate::source::{FileId, Files, duration, open::open};
use page::From;

/// Drop-ins of one unit.
const PARTS_MAX: usize = 100;

/// One kind of file that can be imported.
pub struct Kind {
    pub name: &'static str,
    /// Which file it reads.
    pub reads: &'static str,
    /// Where its defaults and its semantics are from.
    pub source: &'static str,
    /// What no such file says.
    pub assumes: &'static [Assumption],
    read: fn(&Import<'_>, &mut Page) -> Result<(), Fault>,
}

/// A value that has to come from somebody who knows the surroundings.
pub struct Assumption {
    pub name: &'static str,
    pub takes: Takes,
    /// The value where nobody gives one.
    pub default: &'static str,
    /// What it is about.
    pub about: &'static str,
}

/// What an assumption may be.
#[derive(Clone, Copy)]
pub enum Takes {
    Span,
    Count(u32, u32),
    Word(&'static [&'static str]),
    /// The name of something in the file.
    Name,
}

impl Takes {
    fn check(self, value: &str) -> Result<(), String> {
        match self {
            Takes::Span => match duration::parse(value) {
                Ok(_) => Ok(()),
                Err(_) => Err("a duration such as 250ms, 30s or 1h30m".to_owned()),
            },
            Takes::Count(least, most) => match value.parse::<u32>() {
                Ok(number) if (least..=most).contains(&number) => Ok(()),
                _ => Err(format!("a number from {least} to {most}")),
            },
            Takes::Word(words) if words.contains(&value) => Ok(()),
            Takes::Word(words) => Err(format!("one of {}", list(words.iter().copied()))),
            Takes::Name => Ok(()),
        }
    }
}

const fn assume(name: &'static str, takes: Takes, default: &'static str, about: &'static str) -> Assumption {
    Assumption { name, takes, default, about }
}

/// What the fault is that calls for the remedy.
const FAULTS: Takes =
    Takes::Word(&["curable", "transient", "persistent", "recurring", "flapping", "apparent"]);

/// How long a worker stalls: of all kinds alike.
const PAUSE: Assumption =
    assume("pause", Takes::Span, "0s", "how long the controller stalls between two steps, at most");

/// Every kind, in the order in which they are listed.
pub const KINDS: &[Kind] = &[
    systemd::KIND,
    kured::KIND,
    machine_health_check::KIND,
    control_plane::KIND,
    node_health_check::KIND,
    patroni::KIND,
    nomad::KIND,
    karpenter::KIND,
    orchestrator::KIND,
    alertmanager::KIND,
    autoscaler::KIND,
    probes::KIND,
];

impl Kind {
    pub fn named(name: &str) -> Option<&'static Kind> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// Checks `NAME=VALUE`.
    pub fn assumption(&self, given: &str) -> Result<(&'static str, String), String> {
        let names = || self.assumes.iter().map(|assumption| assumption.name);
        let Some((name, value)) = given.split_once('=') else {
            return Err(format!("`{}` is not NAME=VALUE", short(given)));
        };
        let Some(assumption) = self.assumes.iter().find(|assumption| assumption.name == name) else {
            let near =
                closest(name, names()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            let all = list(names());
            let name = short(name);
            return Err(format!("{} has no assumption `{name}`, but {all}{near}", self.name));
        };
        match assumption.takes.check(value) {
            Ok(()) => Ok((assumption.name, value.to_owned())),
            Err(wanted) => Err(format!("{name} = `{}` is not {wanted}", short(value))),
        }
    }
}

/// Why a file can't be imported.
#[derive(Debug)]
pub struct Fault {
    /// An index into the files that were read.
    part: usize,
    place: tree::Place,
    message: String,
    help: Option<String>,
}

impl Fault {
    /// In the file itself.
    fn at(place: tree::Place, message: impl Into<String>) -> Fault {
        Fault { part: 0, place, message: message.into(), help: None }
    }

    /// The file as a whole.
    fn new(message: impl Into<String>) -> Fault {
        Fault::at(None, message)
    }

    fn in_part(mut self, part: usize) -> Fault {
        self.part = part;
        self
    }

    fn help(mut self, help: impl Into<String>) -> Fault {
        self.help = Some(help.into());
        self
    }
}

/// What a kind reads from.
struct Import<'a> {
    kind: &'static Kind,
    /// The file, and its drop-ins.
    parts: Vec<(&'a Path, &'a str)>,
    given: &'a [(&'static str, String)],
}

impl<'a> Import<'a> {
    fn text(&self) -> &'a str {
        self.parts[0].1
    }

    /// The name of the file without its folder.
    fn file_name(&self) -> String {
        self.parts[0].0.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// A value that somebody assumes, and the comment that says so.
    fn assumed(&self, name: &str) -> (String, From) {
        let known = self.kind.assumes.iter().find(|assumption| assumption.name == name);
        let assumption = known.expect("a kind asks for its own assumptions only");
        let given = self.given.iter().rev().find(|(given, _)| *given == name);
        let value = given.map_or(assumption.default, |(_, value)| value.as_str()).to_owned();
        (value, From::Assumed { name: assumption.name, about: assumption.about, given: given.is_some() })
    }

    fn span(&self, name: &str) -> (i64, From) {
        let (value, from) = self.assumed(name);
        (duration::parse(&value).expect("checked when it was given"), from)
    }

    fn count(&self, name: &str) -> (u32, From) {
        let (value, from) = self.assumed(name);
        (value.parse().expect("checked when it was given"), from)
    }

    fn was_given(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name)
    }
}

/// The policy that a file amounts to. `files` has what was read afterwards, for the diagnostics.
pub fn import(
    kind: &'static Kind,
    path: &Path,
    given: &[(&'static str, String)],
    files: &mut Files,
) -> Result<Page, Vec<Diagnostic>> {
    let (file, result) = open(path, files);
    let mut wrong: Vec<Diagnostic> = result.err().into_iter().collect();
    let mut ids = vec![file];
    if kind.name == systemd::KIND.name && wrong.is_empty() {
        for path in drop_ins(path, file, &mut wrong) {
            let (file, result) = open(&path, files);
            wrong.extend(result.err());
            ids.push(file);
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let parts =
        ids.iter().map(|id| (files.path(*id), files.text(*id).trim_start_matches('\u{feff}'))).collect();
    let import = Import { kind, parts, given };
    let mut page = Page::new(&import.file_name(), kind.source);
    match (kind.read)(&import, &mut page) {
        Ok(()) => Ok(page),
        Err(fault) => Err(vec![diagnostic(fault, &ids, files)]),
    }
}

fn diagnostic(fault: Fault, ids: &[FileId], files: &Files) -> Diagnostic {
    let file = ids[fault.part.min(ids.len() - 1)];
    let mut diagnostic = Diagnostic::new(Code::ImportRefused, file, fault.message);
    if let Some((line, column)) = fault.place {
        let whole = files.get(file).lines(line, line);
        let text = files.get(file).slice(whole).trim_end();
        let skipped: usize = text.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
        let start = whole.start + skipped;
        let end = (whole.start + text.len()).max(start);
        // A long line is shown by its beginning.
        diagnostic = diagnostic.at(start..end.min(start + 80), "");
    }
    match fault.help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// `FILE.d/*.conf`, sorted by name, as systemd reads what is beside a unit.
fn drop_ins(path: &Path, file: FileId, wrong: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
    let mut folder = path.as_os_str().to_owned();
    folder.push(".d");
    let Ok(entries) = std::fs::read_dir(&folder) else { return Vec::new() };
    let is_conf = |path: &PathBuf| path.extension().is_some_and(|end| end == "conf");
    let mut paths: Vec<PathBuf> =
        entries.take(10 * PARTS_MAX).filter_map(|entry| Some(entry.ok()?.path())).filter(is_conf).collect();
    if paths.len() > PARTS_MAX {
        let message = format!("more than {PARTS_MAX} drop-ins, the most that are read");
        wrong.push(Diagnostic::new(Code::ImportRefused, file, message));
        paths.truncate(0);
    }
    paths.sort();
    paths
}
