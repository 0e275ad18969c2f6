//! Everything that `explain` knows: what has a name and a text, for the terminal and for `docs/`.

use idemcheck::check::properties::{self, Info};
use idemcheck::check::property::Property;
use idemcheck::diag::Code;
use idemcheck::history::Rule;
use idemcheck::lints::{LINTS, Lint};
use idemcheck::model::{OPERATIONS, OperationSpec};
use idemcheck::policy::keys::POLICY;
use idemcheck::source::keys::{Key, Kind};

use crate::concepts::{self, Page};
use crate::glossary;

/// Something that has a name and a text.
pub struct Topic {
    pub kind: &'static str,
    pub name: &'static str,
    /// Another name for it: a code has a number and a name, `respond.*` no need of its dot.
    pub alias: Option<&'static str>,
    /// One clause, for the list.
    pub brief: String,
    pub text: Text,
}

/// What is said of it, as it is kept.
pub enum Text {
    Property(&'static Info),
    Lint(&'static Lint),
    Rule(Rule),
    Operation(&'static OperationSpec),
    Prose(&'static str),
    /// Lines as they are, examples among them.
    Lines(&'static str),
    /// An idea or a format.
    Page(&'static Page),
    /// A key of a policy, in each table that has it.
    Keys(Vec<(&'static str, &'static Key)>),
}

impl Topic {
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.alias)
    }
}

/// Everything that has a name, kind by kind.
pub fn topics() -> Vec<Topic> {
    let properties = Property::ALL.map(properties::info).into_iter().map(|info| Topic {
        kind: "property",
        name: info.property.name(),
        alias: None,
        brief: info.holds_when.to_owned(),
        text: Text::Property(info),
    });
    let entries = glossary::ALL.iter().map(|entry| Topic {
        kind: entry.kind,
        name: entry.name,
        alias: entry.name.strip_suffix(".*"),
        brief: entry.brief.to_owned(),
        text: Text::Prose(entry.text),
    });
    let pages = |kind: &'static str| {
        concepts::ALL.iter().filter(move |page| page.kind == kind).map(|page| Topic {
            kind: page.kind,
            name: page.name,
            alias: None,
            brief: page.brief.to_owned(),
            text: Text::Page(page),
        })
    };
    let codes = Code::ALL.iter().map(|code| Topic {
        kind: "diagnostic",
        name: code.id(),
        alias: Some(code.name()),
        brief: format!("{}: {}", code.name(), code.description()),
        text: Text::Lines(code.explanation()),
    });
    let lints = LINTS.iter().map(|lint| Topic {
        kind: "lint",
        name: lint.name,
        alias: None,
        brief: lint.brief.to_owned(),
        text: Text::Lint(lint),
    });
    let rules = Rule::ALL.iter().map(|rule| Topic {
        kind: "rule",
        name: rule.name(),
        alias: None,
        brief: rule.brief().to_owned(),
        text: Text::Rule(*rule),
    });
    let operations = OPERATIONS.iter().map(|spec| Topic {
        kind: "operation",
        name: spec.name,
        alias: None,
        brief: spec.doc.trim_end_matches('.').to_owned(),
        text: Text::Operation(spec),
    });
    let mut topics: Vec<Topic> = properties.chain(pages("concept")).collect();
    topics.extend(lints.chain(rules).chain(operations).chain(entries).chain(pages("format")));
    for (name, places) in keys() {
        // A fault's own entry says more.
        if topics.iter().any(|topic| topic.name == name) {
            continue;
        }
        let brief = places.iter().map(|(_, key)| key.doc).next().unwrap_or_default();
        let brief = brief.trim_end_matches('.').to_owned();
        topics.push(Topic { kind: "key", name, alias: None, brief, text: Text::Keys(places) });
    }
    topics.extend(codes);
    topics
}

/// Every key of a policy with the tables that have it; the root's come first.
fn keys() -> Vec<(&'static str, Vec<(&'static str, &'static Key)>)> {
    let mut out: Vec<(&'static str, Vec<_>)> = Vec::new();
    let mut note =
        |table: &'static str, key: &'static Key| match out.iter_mut().find(|(name, _)| *name == key.name) {
            Some((_, places)) => places.push((table, key)),
            None => out.push((key.name, vec![(table, key)])),
        };
    for key in POLICY.keys {
        note("", key);
    }
    for key in POLICY.keys {
        if let Kind::Table(section) | Kind::Tables(section) | Kind::NamedTables(section) = key.kind {
            section.keys.iter().for_each(|inner| note(key.name, inner));
        }
    }
    out
}
