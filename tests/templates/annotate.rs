//! What a template says beside what its author wrote: the meaning of each key that is set, and, commented out,
//! every further key and section that the policy could have without a complaint.
//!
//! `## ` begins an explanation, `#` without a space a key. Both are made here and may be made again; a comment
//! of the author has one `#` and a space.

use idemcheck::policy::keys::POLICY;
use idemcheck::source::keys::{Key, Kind, Section};

use super::section_of;

const WIDTH: usize = 108;
const LEGEND: &str = "What follows two # explains the key below it. A key behind one # is at an example value: take \
                      the # away to declare it. `idemcheck explain KEY` says more.";

/// The text with its annotations made anew. `sound` says whether a policy has nothing to complain of.
pub fn annotated(text: &str, sound: &dyn Fn(&str) -> bool) -> String {
    let hand: Vec<&str> = text.lines().filter(|line| !is_made(line)).collect();
    let hand = hand.join("\n").trim_end().to_owned() + "\n";
    assert!(sound(&hand), "a template is not sound by itself");
    let mut out = String::new();
    let mut blocks = blocks(&hand);
    let root = blocks.remove(0);
    // The schema and the author's introduction, then what the marks mean.
    let (intro, keys): (Vec<&str>, Vec<&str>) = root.iter().partition(|line| line.starts_with('#'));
    out.push_str(&(intro.join("\n") + "\n"));
    explain(LEGEND, &mut out);
    out.push('\n');
    let set = explained(&keys, &POLICY, &mut out);
    for key in POLICY.keys.iter().filter(|key| !set.contains(&key.name) && !is_table(key)) {
        offer(key, "", &hand, sound, &mut out);
    }
    for block in &blocks {
        out.push('\n');
        let at = block.iter().position(|line| line.starts_with('[')).expect("a header");
        let header = block[at];
        let (key, section) = section_of(header).expect("a table of policies");
        for line in &block[..at] {
            out.push_str(&format!("{line}\n"));
        }
        explain(key.doc, &mut out);
        out.push_str(&format!("{header}\n"));
        match section {
            Some(section) => {
                let set = explained(&block[at + 1..], section, &mut out);
                let further: Vec<&Key> = section.keys.iter().filter(|key| !set.contains(&key.name)).collect();
                for key in further.iter().filter(|key| !is_table(key)) {
                    offer(key, header, &hand, sound, &mut out);
                }
                for key in further.iter().filter(|key| is_table(key)) {
                    offer(key, "", &hand, sound, &mut out);
                }
            }
            None => block[at + 1..].iter().for_each(|line| out.push_str(&format!("{line}\n"))),
        }
    }
    let there = |key: &Key| blocks.iter().flatten().any(|line| header_is(line, key.name));
    for key in POLICY.keys.iter().filter(|key| is_table(key) && !there(key)) {
        section(key, &hand, sound, &mut out);
    }
    out
}

fn header_is(line: &str, name: &str) -> bool {
    line.strip_prefix('[').is_some_and(|rest| {
        let rest = rest.trim_start_matches('[');
        rest.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', ']']))
    })
}

/// Lines that were made here.
fn is_made(line: &str) -> bool {
    line.starts_with("## ")
        || line
            .strip_prefix('#')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '['))
}

/// Keys before the first header, then a block for each header with the comments above it.
fn blocks(text: &str) -> Vec<Vec<&str>> {
    let mut blocks = vec![Vec::new()];
    let mut comments = Vec::new();
    for line in text.lines() {
        if line.starts_with('[') {
            let mut block = std::mem::take(&mut comments);
            block.push(line);
            blocks.push(block);
        } else if line.starts_with('#') && blocks.len() > 1 {
            comments.push(line);
        } else if !line.is_empty() {
            let block = blocks.last_mut().expect("one at least");
            block.append(&mut comments);
            block.push(line);
        }
    }
    blocks
}

fn is_table(key: &Key) -> bool {
    matches!(key.kind, Kind::Table(_) | Kind::Tables(_) | Kind::Map(..) | Kind::Named | Kind::NamedTables(_))
}

/// Writes lines with what their keys mean above each; gives the keys.
fn explained(lines: &[&str], section: &Section, out: &mut String) -> Vec<&'static str> {
    let mut set = Vec::new();
    for line in lines {
        let name = line.split('=').next().unwrap_or_default().trim();
        if let Some(key) = section.key(name).filter(|_| !line.starts_with('#')) {
            explain(&meaning(key), out);
            set.push(key.name);
        }
        out.push_str(&format!("{line}\n"));
    }
    set
}

fn meaning(key: &Key) -> String {
    let doc = key.doc.trim_end_matches('.');
    let words = match key.kind {
        Kind::OneOf(words) if words().len() <= 8 => format!(" One of {}.", words().join(", ")),
        _ => String::new(),
    };
    let default = match (key.required, key.default) {
        (true, _) => " Required.".to_owned(),
        (false, "") => String::new(),
        (false, default) => format!(" Default: {default}."),
    };
    format!("{doc}.{words}{default}")
}

/// Adds a key, commented out, where the policy could have it: below a header, or at the end.
fn offer(key: &Key, header: &str, hand: &str, sound: &dyn Fn(&str) -> bool, out: &mut String) {
    let with = match (header, key.example.contains('[') && is_table(key)) {
        ("", false) => format!("{}\n{hand}", key.example),
        ("", true) => format!("{hand}\n{}\n", key.example),
        (header, _) => hand.replacen(&format!("\n{header}\n"), &format!("\n{header}\n{}\n", key.example), 1),
    };
    assert_ne!(with, hand);
    if sound(&with) {
        explain(&meaning(key), out);
        commented(key.example, out);
    }
}

/// Adds a section that the policy does not have, if it could: header, what it needs, and every key of its own.
fn section(key: &'static Key, hand: &str, sound: &dyn Fn(&str) -> bool, out: &mut String) {
    let base = base(key);
    let (Kind::Table(section) | Kind::Tables(section) | Kind::NamedTables(section)) = key.kind else {
        if sound(&format!("{hand}\n{base}\n")) && base.contains(" = ") {
            out.push('\n');
            explain(key.doc, out);
            commented(base, out);
        }
        return;
    };
    if !sound(&format!("{hand}\n{base}\n")) {
        return;
    }
    out.push('\n');
    explain(key.doc, out);
    // Tables of its own come last, as in every file.
    let (own, below) =
        base.split_once("\n[").map_or((base, None), |(own, rest)| (own, Some(format!("[{rest}"))));
    let mut lines = own.lines();
    commented(lines.next().unwrap_or_default(), out);
    let mut set = Vec::new();
    for line in lines {
        let name = line.split('=').next().unwrap_or_default().trim();
        if let Some(key) = section.key(name) {
            explain(&meaning(key), out);
            set.push(key.name);
        }
        commented(line, out);
    }
    let further = section.keys.iter().filter(|key| !set.contains(&key.name));
    for key in further.clone().filter(|key| !is_table(key)) {
        let with = base.replacen('\n', &format!("\n{}\n", key.example), 1);
        let with = if base.contains('\n') { with } else { format!("{base}\n{}", key.example) };
        if sound(&format!("{hand}\n{with}\n")) {
            explain(&meaning(key), out);
            commented(key.example, out);
        }
    }
    if let Some(below) = &below {
        commented(below, out);
    }
    for key in further.filter(|key| is_table(key)) {
        let stands =
            below.as_ref().is_some_and(|below| key.example.lines().any(|line| below.starts_with(line)));
        if !stands && sound(&format!("{hand}\n{base}\n{}\n", key.example)) {
            explain(&meaning(key), out);
            commented(key.example, out);
        }
    }
}

/// What a section that is commented out begins with.
pub fn base(key: &Key) -> &'static str {
    match key.name {
        "expect" => "[expect]\nsingle-execution = \"holds\"",
        _ => key.example,
    }
}

fn commented(example: &str, out: &mut String) {
    example.lines().for_each(|line| out.push_str(&format!("#{line}\n")));
}

fn explain(text: &str, out: &mut String) {
    let mut line = String::from("##");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            out.push_str(&format!("{line}\n"));
            line = String::from("##");
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&format!("{line}\n"));
}
