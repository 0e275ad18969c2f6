//! `[choices]` and `[waits]` against the model's.

use crate::diag::{Code, Diagnostic};
use crate::model::{Choice, Operation, Protocol, WaitFor};
use crate::policy::draft::Draft;
use crate::source::suggest::{alternatives, closest, list, short};

/// Every choice is made, and no other.
pub fn choices(draft: &Draft, model: &Protocol, out: &mut Vec<Diagnostic>) {
    let names = || model.choices.iter().map(|choice| choice.name.as_str());
    for (name, option) in &draft.choices {
        let Some(choice) = model.choices.iter().find(|choice| choice.name == name.value) else {
            let message = format!("the model `{}` has no choice `{}`", model.name, short(&name.value));
            let diagnostic = Diagnostic::new(Code::ChoiceNotInModel, draft.file, message).at(name.span, "");
            out.push(match closest(&name.value, names()) {
                Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
                None if model.choices.is_empty() => diagnostic.help("it has none; remove the line"),
                None => diagnostic.help(format!("its choices are {}", list(names()))),
            });
            continue;
        };
        let Some(option) = option else { continue };
        let options = || choice.options.iter().map(|(name, _)| name.as_str());
        if options().any(|known| known == option.value) {
            continue;
        }
        let message = format!("the choice `{}` has no option `{}`", choice.name, short(&option.value));
        let diagnostic = Diagnostic::new(Code::OptionUnknown, draft.file, message).at(option.span, "");
        out.push(match closest(&option.value, options()) {
            Some(meant) => diagnostic.help("did you mean").paste(format!("{} = \"{meant}\"", choice.name)),
            None => diagnostic.help(format!("its options are {}", alternatives(options()))),
        });
    }
    // A misspelt choice is one mistake, not two.
    let misspelt = |choice: &Choice| {
        draft.choices.iter().any(|(name, _)| {
            !names().any(|known| known == name.value) && closest(&name.value, names()) == Some(&choice.name)
        })
    };
    let open = model.choices.iter().filter(|choice| {
        !draft.choices.iter().any(|(name, _)| name.value == choice.name) && !misspelt(choice)
    });
    let open: Vec<&Choice> = open.collect();
    if open.is_empty() {
        return;
    }
    let message = match open.as_slice() {
        [one] => format!("the choice `{}` of the model `{}` is not made", one.name, model.name),
        more => {
            let names = list(more.iter().map(|choice| choice.name.as_str()));
            format!("the choices {names} of the model `{}` are not made", model.name)
        }
    };
    let width = open.iter().map(|choice| choice.name.len()).max().unwrap_or(0);
    let line = |choice: &&Choice| {
        let options: Vec<&str> = choice.options.iter().map(|(name, _)| name.as_str()).collect();
        let first = options.first().copied().unwrap_or_default();
        let mut line = format!("{:width$} = \"{first}\"", choice.name);
        if options.len() > 1 {
            line.push_str(&format!("   # or {}", alternatives(options[1..].iter().copied())));
        }
        line
    };
    let mut lines: Vec<String> = open.iter().map(line).collect();
    if draft.choices_header.is_none() {
        lines.insert(0, "[choices]".to_owned());
    }
    let help = match open.len() {
        1 => "decide it; each option is a trade-off, so none is the default",
        _ => "decide them; each option is a trade-off, so none is the default",
    };
    let at = draft.choices_header.or(draft.model.as_ref().map(|model| model.span)).unwrap_or_default();
    out.push(
        Diagnostic::new(Code::ChoiceNotMade, draft.file, message)
            .at(at, "")
            .help(help)
            .paste(lines.join("\n")),
    );
}

/// The model's named waits with the number of their state, each once.
pub fn named_waits(model: &Protocol) -> Vec<(usize, &str)> {
    let mut out: Vec<(usize, &str)> = Vec::new();
    for (id, state) in model.states.iter().enumerate() {
        if let Operation::Wait(WaitFor::Named(name)) = &state.operation
            && !out.iter().any(|(_, known)| known == name)
        {
            out.push((id, name));
        }
    }
    out
}

/// Every named wait that can come up is set, and no other.
pub fn waits(draft: &Draft, model: &Protocol, live: &[bool], out: &mut Vec<Diagnostic>) {
    let known = named_waits(model);
    let names = || known.iter().map(|(_, name)| *name);
    for (name, _) in &draft.waits {
        if names().any(|known| known == name.value) {
            continue;
        }
        let message = format!("the model `{}` has no wait `{}`", model.name, short(&name.value));
        let diagnostic = Diagnostic::new(Code::WaitNotInModel, draft.file, message).at(name.span, "");
        out.push(match closest(&name.value, names()) {
            Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
            None if known.is_empty() => diagnostic.help("it has no named waits; remove the line"),
            None => diagnostic.help(format!("its waits are {}", list(names()))),
        });
    }
    let needed = |name: &str| {
        model.states.iter().zip(live).any(|(state, live)| {
            *live && matches!(&state.operation, Operation::Wait(WaitFor::Named(named)) if named == name)
        })
    };
    let misspelt = |wait: &str| {
        draft.waits.iter().any(|(name, _)| {
            !names().any(|known| known == name.value) && closest(&name.value, names()) == Some(wait)
        })
    };
    for (_, name) in &known {
        if draft.waits.iter().any(|(set, _)| set.value == *name) || !needed(name) || misspelt(name) {
            continue;
        }
        let message = format!("the wait `{name}` of the model `{}` is not set", model.name);
        let header = if draft.waits_header.is_none() { "[waits]\n" } else { "" };
        let at = draft.waits_header.or(draft.model.as_ref().map(|model| model.span)).unwrap_or_default();
        out.push(
            Diagnostic::new(Code::WaitNotSet, draft.file, message)
                .at(at, "")
                .help("say how long it takes")
                .paste(format!("{header}{name} = \"1s\"")),
        );
    }
}
