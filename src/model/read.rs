//! TOML → [`Protocol`]: one pass over the tables, then targets, then the graph.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::operations::{LATER, OPTIONAL, OperationSpec};
use super::target::{Names, resolve};
use super::{Choice, Operation, Outcome, Protocol, RecordAs, Role, State, Target, WaitFor, WriteKind};
use crate::diag::{Code, Diagnostic, any_error};
use crate::source::document;
use crate::source::keys::{Key, Kind, Section, is_identifier};
use crate::source::reader::{Reader, Table, aside, describe, header_span};
use crate::source::suggest::{closest, list, short};
use crate::source::{FileId, Located, Span};

/// States of one model.
pub const STATES_MAX: usize = 60;
/// Choices of one model, and options of one choice.
pub const CHOICES_MAX: usize = 32;

/// A model file's own keys.
pub static MODEL: Section = Section {
    doc: "A protocol: the state machine of one attempt.",
    keys: &[
        Key::new("model", Kind::Name, "model = \"receipt\"", "The name that policies use.").required(),
        Key::new(
            "title",
            Kind::Text,
            "title = \"Claim, call, record\"",
            "What the protocol does, in one line.",
        ),
        Key::new("start", Kind::Identifier, "start = \"claim\"", "The state in which an attempt begins.")
            .required(),
        Key::new(
            "resume",
            Kind::Identifier,
            "resume = \"call\"",
            "Where the target `resume` leads while no recovery point is recorded.",
        ),
        Key::new(
            "role",
            Kind::NamedTables(&ROLE),
            "[role.relay]",
            "What runs beside the attempts: relays, completers, sweepers.",
        ),
        Key::new(
            "choice",
            Kind::Named,
            "[choice.in_flight]",
            "Forks that the policy decides: an option and its target per key.",
        ),
        Key::new(
            "state",
            Kind::Named,
            "[state.claim]",
            "States: each does one operation and maps its outcomes.",
        ),
    ],
    later: &[],
};

/// `[role.NAME]`.
pub static ROLE: Section = Section {
    doc: "A background role: it runs from its own start state, again and again.",
    keys: &[
        Key::new("start", Kind::Identifier, "start = \"next\"", "The state in which a run begins.")
            .required(),
        Key::new(
            "every",
            Kind::Duration { zero: true },
            "every = \"5m\"",
            "At least this long from the start of a run to the next one.",
        )
        .default("at once"),
    ],
    later: &[],
};

/// The key that every state has.
pub static DO: Key = Key::new("do", Kind::Text, "do = \"store.insert\"", "The operation of this state.");

/// The target of an outcome or an option, for messages.
pub static TARGET: Key = Key::new("target", Kind::Target, "", "Where it leads.");

/// Reads a model; the protocol is there when no diagnostic is an error.
pub fn read(file: FileId, text: &str) -> (Option<Protocol>, Vec<Diagnostic>) {
    let mut reader = Reader::new(file);
    let Some(document) = document::parse(file, text, &mut reader.out) else {
        return (None, reader.out);
    };
    outcomes_twice(&mut reader.out);
    let protocol = protocol(&document, &mut reader);
    document::drop_echoes(text, &mut reader.out);
    let protocol = protocol.filter(|_| !any_error(&reader.out));
    (protocol, reader.out)
}

/// A key given twice in a model is an outcome mapped twice, where it is an outcome.
fn outcomes_twice(out: &mut [Diagnostic]) {
    let outcomes: Vec<_> = super::OPERATIONS.iter().flat_map(|spec| spec.outcomes).collect();
    for diagnostic in out.iter_mut().filter(|diagnostic| diagnostic.code == Code::DuplicateKey) {
        let name = diagnostic.message.split('`').nth(1).unwrap_or_default().to_owned();
        if diagnostic.message.starts_with("the key") && outcomes.iter().any(|outcome| outcome.name() == name)
        {
            diagnostic.code = Code::OutcomeTwice;
            diagnostic.message = format!("the outcome `{name}` is mapped twice");
            diagnostic.help =
                Some("keep one; where the policy should decide, lead it to a `?choice`".to_owned());
        }
    }
}

/// A state or a choice as written.
struct Named<'t> {
    name: String,
    span: Span,
    table: &'t DeTable<'t>,
}

fn protocol(document: &DeTable<'_>, reader: &mut Reader) -> Option<Protocol> {
    let root = reader.root(&MODEL, document);
    let name = reader.text(&root, "model");
    let title = reader.text(&root, "title");
    let start = reader.text(&root, "start");
    let resume = reader.text(&root, "resume");
    let states = named(&root, "state", reader);
    let choices = named(&root, "choice", reader);
    if states.is_empty() {
        let span = root.key_span("state").or(root.key_span("model")).unwrap_or_default();
        reader.push(
            reader.fault(Code::EmptyModel, "the model has no states").at(span, "").help("add one").paste(
                "[state.call]\ndo      = \"downstream.call\"\nok      = \"respond.success\"\n\
                 error   = \"respond.error\"\ntimeout = \"respond.unknown\"",
            ),
        );
        return None;
    }
    too_many("states", STATES_MAX, &states, reader)?;
    too_many("choices", CHOICES_MAX, &choices, reader)?;

    let state_names: Vec<String> = states.iter().map(|state| state.name.clone()).collect();
    let choice_names: Vec<String> = choices.iter().map(|choice| choice.name.clone()).collect();
    let names = Names { states: &state_names, choices: &choice_names, resumes: resume.is_some() };
    let errors_before = reader.out.len();
    let choices: Vec<Choice> = choices.iter().map(|choice| read_choice(choice, &names, reader)).collect();
    let states: Vec<Option<State>> = states.iter().map(|state| read_state(state, &names, reader)).collect();
    let complete = reader.out.len() == errors_before;
    let start = start.and_then(|start| start_state(&start, &names, reader));
    let resume = resume.map(|resume| start_state(&resume, &names, reader));
    let roles = roles(&root, &names, reader);
    unused_choices(&choices, &states, reader);

    // A name that could not be read is already reported; the graph is of interest all the same.
    let name = name.map(|name| name.value).unwrap_or_default();
    let title = title.map_or_else(|| name.clone(), |title| title.value);
    let states: Vec<State> = states.into_iter().collect::<Option<_>>()?;
    let resume = match resume {
        Some(state) => Some(state?),
        None => None,
    };
    let protocol = Protocol { name, title, start: start?, states, choices, roles: roles?, resume };
    // With a target missing, what lies behind it only seems unreachable.
    if complete {
        graph(&protocol, reader);
    }
    Some(protocol)
}

/// The tables below `[state]` or `[choice]`, those with a bad name or type left out.
fn named<'t>(root: &Table<'t>, what: &str, reader: &mut Reader) -> Vec<Named<'t>> {
    let Some((key, value)) = root.entry(what) else { return Vec::new() };
    let Some(tables) = value.get_ref().as_table() else {
        reader.wrong_type(key, value);
        return Vec::new();
    };
    let mut out = Vec::new();
    for (key, value) in tables.iter() {
        let (name, span) = (key.get_ref().to_string(), Span::from(key.span()));
        let DeValue::Table(table) = value.get_ref() else {
            let found = describe(value.get_ref());
            let message = format!("`{what}.{}` must be a table, not {found}", short(&name));
            let paste = format!("[{what}.{}]", if is_identifier(&name) { &name } else { "name" });
            reader.push(
                reader
                    .fault(Code::WrongType, message)
                    .at(value.span(), "")
                    .help("give it a header")
                    .paste(paste),
            );
            continue;
        };
        if !is_identifier(&name) {
            let diagnostic = reader.bad_name(&name, Kind::Identifier).at(span, "");
            reader.push(diagnostic);
            // Kept under its bad name: what leads to it is no second mistake.
        }
        out.push(Named { name, span: header_span(span, value), table });
    }
    out
}

/// Roles of one model.
pub const ROLES_MAX: usize = 3;

fn roles(root: &Table<'_>, names: &Names<'_>, reader: &mut Reader) -> Option<Vec<Role>> {
    let tables = named(root, "role", reader);
    too_many("roles", ROLES_MAX, &tables, reader)?;
    let mut out = Vec::new();
    for role in tables {
        let name = format!("role.{}", role.name);
        let table = reader.nested(&ROLE, &name, role.span, role.table);
        let start = reader.text(&table, "start").and_then(|start| start_state(&start, names, reader));
        let every = reader.duration(&table, "every").map_or(0, |every| every.value);
        out.push(start.map(|start| Role { name: role.name, start, every, span: role.span }));
    }
    out.into_iter().collect()
}

fn too_many(what: &str, most: usize, all: &[Named<'_>], reader: &mut Reader) -> Option<()> {
    let Some(first) = all.get(most) else { return Some(()) };
    let message = format!("{} {what}, and the most that can be checked is {most}", all.len());
    reader.push(reader.fault(Code::TooManyStates, message).at(first.span, "too many from here on"));
    None
}

fn target_text(
    what: &str,
    key: &Spanned<std::borrow::Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
    reader: &mut Reader,
) -> Option<Located<String>> {
    if let Some(text) = value.get_ref().as_str() {
        return Some(Located::new(text.to_owned(), value.span()));
    }
    let found = describe(value.get_ref());
    let message = format!(
        "the {what} `{}` must lead to {}, not to {found}",
        short(key.get_ref()),
        Kind::Target.expected()
    );
    reader.push(reader.fault(Code::WrongType, message).at(value.span(), ""));
    None
}

fn read_choice(choice: &Named<'_>, names: &Names<'_>, reader: &mut Reader) -> Choice {
    let mut options = Vec::new();
    for (key, value) in choice.table.iter() {
        if !is_identifier(key.get_ref()) {
            let diagnostic = reader.bad_name(key.get_ref(), Kind::Identifier).at(key.span(), "");
            reader.push(diagnostic);
        }
        let target = target_text("option", key, value, reader).and_then(|text| resolve(&text, names, reader));
        match target {
            Some(Target::Choice(other)) => reader.push(
                reader
                    .fault(
                        Code::ChoiceToChoice,
                        format!(
                            "the option `{}` leads to the choice `{}`",
                            key.get_ref(),
                            names.choices[other]
                        ),
                    )
                    .at(value.span(), "")
                    .help("lead it to a state or an end; or put those options here"),
            ),
            Some(target) => options.push((key.get_ref().to_string(), target)),
            None => {}
        }
    }
    if choice.table.is_empty() {
        reader.push(
            reader
                .fault(Code::ChoiceEmpty, format!("the choice `{}` has no options", choice.name))
                .at(choice.span, "")
                .help("add an option and its target per line")
                .paste("reject = \"respond.in_flight\""),
        );
    } else if choice.table.len() > CHOICES_MAX {
        let message = format!("{} options, and the most is {CHOICES_MAX}", choice.table.len());
        reader.push(reader.fault(Code::TooManyStates, message).at(choice.span, ""));
    }
    Choice { name: choice.name.clone(), options, span: choice.span }
}

fn read_state(state: &Named<'_>, names: &Names<'_>, reader: &mut Reader) -> Option<State> {
    let spec = operation_spec(state, reader)?;
    let table = Table { section: &spec.options, header: state.span, table: state.table };
    let mut next: Vec<(Outcome, Option<Target>)> = Vec::new();
    for (key, value) in state.table.iter() {
        let name = key.get_ref().as_ref();
        if name == DO.name || spec.options.key(name).is_some() {
            continue;
        }
        let optional = (name == OPTIONAL.name() && spec.may_be_unavailable()).then_some(&OPTIONAL);
        match spec.outcomes.iter().find(|outcome| outcome.name() == name).or(optional) {
            Some(outcome) => {
                let target =
                    target_text("outcome", key, value, reader).and_then(|text| resolve(&text, names, reader));
                next.push((*outcome, target));
            }
            None => no_such_outcome(spec, name, key.span().into(), reader),
        }
    }
    // A misspelt outcome is one mistake, not an unknown one and a missing one.
    let words = || spec.outcomes.iter().map(|outcome| outcome.name()).chain(spec.options.names());
    let misspelt = |outcome: &Outcome| {
        let mut keys = state.table.keys().map(|key| key.get_ref().as_ref());
        keys.any(|key| {
            key != DO.name
                && !words().any(|word| word == key)
                && closest(key, words()) == Some(outcome.name())
        })
    };
    let missing: Vec<&str> = spec
        .outcomes
        .iter()
        .filter(|outcome| !next.iter().any(|(mapped, _)| mapped == *outcome) && !misspelt(outcome))
        .map(|outcome| outcome.name())
        .collect();
    if !missing.is_empty() {
        let noun = if missing.len() == 1 { "outcome" } else { "outcomes" };
        let message = format!(
            "`{}` does not say where the {noun} {} of `{}` leads",
            state.name,
            list(missing.iter().copied()),
            spec.name
        );
        let message = if missing.len() == 1 { message } else { message.replace(" leads", " lead") };
        let width = missing.iter().map(|name| name.len()).max().unwrap_or(0);
        let lines: Vec<String> =
            missing.iter().map(|name| format!("{name:width$} = \"{}\"", usual_target(name))).collect();
        reader.push(
            reader
                .fault(Code::OutcomeMissing, message)
                .at(state.span, "in this state")
                .help("add the lines, with targets to your mind")
                .paste(lines.join("\n")),
        );
    }
    let operation = operation(spec, &table, names, reader);
    // In the operation's order, whatever the file's.
    let optional = next.iter().any(|(mapped, _)| *mapped == OPTIONAL).then_some(&OPTIONAL);
    let next = spec.outcomes.iter().chain(optional).map(|outcome| {
        let (_, target) = next.iter().find(|(mapped, _)| mapped == outcome)?;
        Some((*outcome, target.clone()?))
    });
    let next: Option<Vec<_>> = next.collect();
    Some(State { name: state.name.clone(), operation: operation?, next: next?, span: state.span })
}

fn operation_spec(state: &Named<'_>, reader: &mut Reader) -> Option<&'static OperationSpec> {
    let names = || super::OPERATIONS.iter().map(|spec| spec.name);
    let Some(value) = state.table.get(DO.name) else {
        reader.push(
            reader
                .fault(Code::MissingKey, format!("the state `{}` does nothing", state.name))
                .at(state.span, "`do` is missing")
                .help("name its operation")
                .paste(DO.example),
        );
        return None;
    };
    let Some(name) = value.get_ref().as_str() else {
        reader.wrong_type(&DO, value);
        return None;
    };
    if let Some(spec) = OperationSpec::named(name) {
        return Some(spec);
    }
    let later =
        LATER.iter().find(|(later, _)| name == *later || (later.ends_with('.') && name.starts_with(later)));
    let diagnostic = match later {
        Some((_, what)) => {
            let message = format!("`{}` is not supported in this version: {what}", short(name));
            reader.fault(Code::NotSupported, message).help(format!("the operations are {}", list(names())))
        }
        None => {
            let diagnostic =
                reader.fault(Code::UnknownOperation, format!("there is no operation `{}`", short(name)));
            match closest(name, names()) {
                Some(meant) => diagnostic.help("did you mean").paste(format!("do = \"{meant}\"")),
                None => diagnostic.help(format!("the operations are {}", list(names()))),
            }
        }
    };
    reader.push(diagnostic.at(value.span(), ""));
    None
}

fn no_such_outcome(spec: &OperationSpec, name: &str, span: Span, reader: &mut Reader) {
    let outcomes = || spec.outcomes.iter().map(|outcome| outcome.name());
    let known = outcomes().chain(spec.options.names());
    let message = format!("`{}` has no outcome `{}`", spec.name, short(name));
    let diagnostic = reader.fault(Code::OutcomeUnknown, message).at(span, "");
    let options = match spec.options.keys {
        [] => String::new(),
        _ => format!("; its options are {}", list(spec.options.names())),
    };
    reader.push(match closest(name, known) {
        Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
        None => diagnostic.help(format!("its outcomes are {}{options}", list(outcomes()))),
    });
}

/// Where an outcome most often leads: a start for the author, not a judgement.
fn usual_target(outcome: &str) -> &'static str {
    match outcome {
        "in_progress" => "respond.in_flight",
        "succeeded" => "respond.replay",
        "failed" => "respond.failed",
        "mismatch" => "respond.mismatch",
        "timeout" | "unknown" => "respond.unknown",
        "ok" | "recorded" | "committed" | "applied" => "respond.success",
        _ => "respond.error",
    }
}

fn operation(
    spec: &OperationSpec,
    table: &Table<'_>,
    names: &Names<'_>,
    reader: &mut Reader,
) -> Option<Operation> {
    for key in spec.options.keys.iter().filter(|key| key.required && !table.table.contains_key(key.name)) {
        let message = format!("`{}` needs the option `{}`", spec.name, key.name);
        reader.push(
            reader
                .fault(Code::MissingKey, message)
                .at(table.header, aside(key.doc))
                .help("add the line")
                .paste(key.example),
        );
    }
    let at = match spec.options.key("at").and_then(|_| table.entry("at")) {
        Some(_) => Some(reader.text(table, "at").and_then(|at| start_state(&at, names, reader))?),
        None => None,
    };
    let mut flag = |name| match table.entry(name) {
        Some(_) => reader.flag(table, name).map(|flag| flag.value),
        None => Some(false),
    };
    Some(match spec.name {
        "store.insert" => Operation::Insert { recognise_own: flag("recognise_own")? },
        "store.read" => Operation::Read,
        "store.write" => Operation::Write,
        "store.take_over" => Operation::TakeOver { recognise_own: flag("recognise_own")? },
        "store.renew" => Operation::Renew,
        "store.record" => {
            let (fenced, recognise_own) = (flag("fenced"), flag("recognise_own"));
            let outcome = match reader.word(table, "as", &[])?.value {
                "succeeded" => RecordAs::Succeeded,
                _ => RecordAs::Failed,
            };
            Operation::Record { outcome, fenced: fenced?, recognise_own: recognise_own? }
        }
        "store.release" => Operation::Release { fenced: flag("fenced")? },
        "store.commit" => {
            let if_unchanged = flag("if_unchanged");
            let words = reader.names(table, "writes", &[])?;
            let mut writes: Vec<WriteKind> = words
                .value
                .iter()
                .map(|word| match word.value.as_str() {
                    "effect" => WriteKind::Effect,
                    "receipt" => WriteKind::Receipt,
                    "outbox" => WriteKind::Outbox,
                    _ => WriteKind::Checkpoint,
                })
                .collect();
            writes.sort();
            if writes.contains(&WriteKind::Checkpoint) != at.is_some() {
                let message = "`at` and the write `checkpoint` belong together";
                reader.push(
                    reader
                        .fault(Code::MissingKey, message)
                        .at(words.span, "")
                        .help("name the state where `resume` goes on")
                        .paste("writes = [\"effect\", \"checkpoint\"]\nat     = \"charged\""),
                );
                return None;
            }
            Operation::Commit { writes, at, if_unchanged: if_unchanged? }
        }
        "store.checkpoint" => Operation::Checkpoint { at: at? },
        "store.sweep" => Operation::Sweep,
        "store.find_abandoned" => Operation::FindAbandoned,
        "state.load" => Operation::Load,
        "lock.acquire" => Operation::Acquire,
        "lock.renew" => Operation::RenewLock,
        "lock.release" => Operation::Unlock { fenced: flag("fenced")? },
        "queue.ack" => Operation::Ack,
        "queue.nack" => Operation::Nack,
        "queue.extend" => Operation::Extend,
        "outbox.next" => Operation::NextRow { claim: flag("claim")? },
        "outbox.publish" => Operation::Publish,
        "outbox.mark" => Operation::Mark,
        "lease.check" => Operation::LeaseCheck,
        "downstream.call" => {
            let (key, token) = (flag("key"), flag("token"));
            Operation::Call { key: key?, token: token? }
        }
        "downstream.query" => Operation::Query { token: flag("token")? },
        "target.observe" => Operation::Observe { fresh: flag("fresh")? },
        "target.act" => Operation::Act,
        "target.undo" => Operation::Undo,
        "guard.admit" => Operation::Admit,
        "guard.success" => Operation::Report { success: true },
        "guard.failure" => Operation::Report { success: false },
        "human.approve" => Operation::Approve,
        "human.page" => Operation::Page,
        _ => Operation::Wait(wait_for(table, reader)?),
    })
}

fn wait_for(table: &Table<'_>, reader: &mut Reader) -> Option<WaitFor> {
    let (key, value) = table.entry("for")?;
    if let Some(name) = value.get_ref().as_str().and_then(|text| text.strip_prefix('?')) {
        if is_identifier(name) {
            return Some(WaitFor::Named(name.to_owned()));
        }
        let diagnostic = reader.bad_name(name, Kind::Identifier).at(value.span(), "the name after `?`");
        reader.push(diagnostic);
        return None;
    }
    reader.duration_value(key, false, value).map(|ms| WaitFor::Fixed(ms.value))
}

fn start_state(start: &Located<String>, names: &Names<'_>, reader: &mut Reader) -> Option<usize> {
    let found = names.states.iter().position(|name| *name == start.value);
    if found.is_none() {
        let diagnostic = reader
            .fault(Code::StartUnknown, format!("there is no state `{}`", start.value))
            .at(start.span, "");
        reader.push(match closest(&start.value, names.states.iter().map(String::as_str)) {
            Some(meant) => diagnostic.help("did you mean").paste(format!("start = \"{meant}\"")),
            None => {
                diagnostic.help(format!("the states are {}", list(names.states.iter().map(String::as_str))))
            }
        });
    }
    found
}

fn unused_choices(choices: &[Choice], states: &[Option<State>], reader: &mut Reader) {
    // A state that could not be read may be the one that uses it.
    if states.iter().any(Option::is_none) {
        return;
    }
    let targets = states.iter().flatten().flat_map(|state| &state.next);
    let used: Vec<usize> = targets
        .filter_map(|(_, target)| match target {
            Target::Choice(id) => Some(*id),
            _ => None,
        })
        .collect();
    for (_, choice) in choices.iter().enumerate().filter(|(id, _)| !used.contains(id)) {
        reader.push(
            reader
                .fault(Code::ChoiceUnused, format!("nothing leads to the choice `{}`", choice.name))
                .at(choice.span, "")
                .help(format!("lead an outcome to `?{}`, or remove the table", choice.name)),
        );
    }
}

fn graph(protocol: &Protocol, reader: &mut Reader) {
    let (reachable, ends) = (protocol.reachable(), protocol.ends());
    for (id, state) in protocol.states.iter().enumerate() {
        if !reachable[id] {
            let start = &protocol.states[protocol.start].name;
            reader.push(
                reader
                    .fault(
                        Code::StateUnreachable,
                        format!("no path from `{start}` leads to `{}`", state.name),
                    )
                    .at(state.span, "never entered")
                    .help("let an outcome or an option lead to it, or remove it"),
            );
        }
        if !ends[id] {
            reader.push(
                reader
                    .fault(Code::NeverEnds, format!("no path from `{}` ends", state.name))
                    .at(state.span, "an attempt that enters this state runs for ever")
                    .help("let an outcome lead to `respond.ANSWER` or `end.NAME`"),
            );
        }
    }
}
