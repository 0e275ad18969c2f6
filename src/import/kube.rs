//! What the files of Kubernetes have in common: documents with a `kind`, whole numbers or percentages.

use super::page::Page;
use super::spans::{self, Length};
use super::tree::{At, Node};
use super::{Fault, Import};
use crate::guard::Portion;
use crate::source::suggest::{list, short};

/// Present in every object.
const KNOWN: &[&str] = &["apiVersion", "kind", "metadata", "status"];

/// The one object of these kinds, from a file that may have several documents and lists.
pub fn object<'a>(import: &Import<'_>, documents: &'a [Node], kinds: &[&str]) -> Result<At<'a>, Fault> {
    let mut objects = Vec::new();
    for document in documents {
        let top = At::top(document);
        if matches!(document.value, super::tree::Value::Null) {
            continue;
        }
        match (top.get("kind")?, top.get("items")?) {
            (Some(kind), Some(items)) if kind.text()?.ends_with("List") => objects.extend(items.list()?),
            _ => objects.push(top),
        }
    }
    let (mut found, mut others) = (Vec::new(), Vec::new());
    let wanted = import.assumed("name").0;
    for object in objects {
        let kind = match object.get("kind")? {
            Some(kind) => kind.text()?,
            None => "no kind",
        };
        let name = name(&object)?;
        if kinds.contains(&kind) && (wanted.is_empty() || wanted == name) {
            found.push((object, name));
        } else {
            others.push(format!("{} {}", short(kind), short(name)).trim().to_owned());
        }
    }
    let shown = |all: &[String]| list(all.iter().take(10).map(String::as_str));
    match found.len() {
        1 => Ok(found.remove(0).0),
        0 => {
            let named =
                if wanted.is_empty() { String::new() } else { format!(" named `{}`", short(&wanted)) };
            let there = if others.is_empty() {
                "the file is empty".to_owned()
            } else {
                format!("there is {}", shown(&others))
            };
            Err(Fault::new(format!("no {}{named}: {there}", kinds.join(" or "))))
        }
        many => {
            let names: Vec<String> = found.iter().map(|(_, name)| short(name)).collect();
            Err(Fault::new(format!("{many} of kind {}: {}", kinds.join(" or "), shown(&names)))
                .help("choose one with `--assume name=NAME`"))
        }
    }
}

pub fn name<'a>(object: &At<'a>) -> Result<&'a str, Fault> {
    object.find("metadata.name")?.map_or(Ok(""), |name| name.text())
}

/// A time span as Go writes it; `0` and bare numbers of seconds where the API takes seconds.
pub fn length(at: &At<'_>) -> Result<Length, Fault> {
    let text = at.text()?;
    spans::go(text)
        .ok_or_else(|| at.fault(format!("`{}` is not a duration such as 5m or 1h30m", short(text))))
}

pub fn seconds(at: &At<'_>) -> Result<Length, Fault> {
    at.count().map(Length::seconds)
}

/// `3` or `40%`.
pub fn portion(at: &At<'_>) -> Result<Portion, Fault> {
    let text = at.text()?;
    match Portion::parse(text) {
        Ok(Portion::Percent(percent)) if percent > 100 => Err(at.fault("more than 100 %")),
        Ok(portion) => Ok(portion),
        Err(_) => Err(at.fault(format!("`{}` is neither a number nor a percentage", short(text)))),
    }
}

/// Sorts what was not read into what is known to say nothing here, and what is not known.
pub fn leftovers(page: &mut Page, object: &At<'_>, known: &[&str]) {
    for path in object.unused() {
        let is = |known: &&str| {
            let rest = path.strip_prefix(*known);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let list = if KNOWN.iter().chain(known).any(is) { &mut page.unused } else { &mut page.unknown };
        list.push(path);
    }
    // Every object has these: naming them would say nothing.
    page.unused.retain(|path| !KNOWN.contains(&path.as_str()) && !path.starts_with("metadata."));
}
