//! Where an outcome leads, as written and as resolved.

use super::{Answer, ChoiceId, StateId, Target};
use crate::diag::{Code, Diagnostic};
use crate::source::keys::is_identifier;
use crate::source::reader::Reader;
use crate::source::suggest::{closest, list, short};
use crate::source::{Located, Span};

/// The names that targets resolve to.
pub struct Names<'a> {
    pub states: &'a [String],
    pub choices: &'a [String],
    /// The model says where `resume` leads at first.
    pub resumes: bool,
}

/// Resolves a target; what it can't be is reported.
pub fn resolve(text: &Located<String>, names: &Names<'_>, reader: &mut Reader) -> Option<Target> {
    let (written, span) = (text.value.as_str(), text.span);
    let diagnostic = if let Some(choice) = written.strip_prefix('?') {
        match names.choices.iter().position(|name| name == choice) {
            Some(id) => return Some(Target::Choice(id as ChoiceId)),
            None => undeclared(choice, span, names, reader),
        }
    } else if let Some(answer) = written.strip_prefix("respond.") {
        match Answer::from_name(answer) {
            Some(answer) => return Some(Target::Respond(answer)),
            None => unknown_answer(answer, span, reader),
        }
    } else if let Some(end) = written.strip_prefix("end.") {
        if is_identifier(end) {
            return Some(Target::End(end.to_owned()));
        }
        reader.bad_name(end, crate::source::keys::Kind::Identifier).at(span, "the name after `end.`")
    } else if written == "resume" && names.resumes {
        return Some(Target::Resume);
    } else {
        match names.states.iter().position(|name| name == written) {
            Some(id) => return Some(Target::State(id as StateId)),
            None => unknown_state(written, span, names, reader),
        }
    };
    reader.push(diagnostic);
    None
}

fn undeclared(choice: &str, span: Span, names: &Names<'_>, reader: &Reader) -> Diagnostic {
    let choice = short(choice);
    let diagnostic = reader
        .fault(Code::ChoiceUndeclared, format!("the choice `{choice}` is not declared"))
        .at(span, format!("no `[choice.{choice}]`"));
    match closest(&choice, names.choices.iter().map(String::as_str)) {
        Some(meant) => diagnostic.help(format!("did you mean `?{meant}`?")),
        None => diagnostic
            .help("declare it, with an option and its target per line")
            .paste(format!("[choice.{choice}]\nreject = \"respond.in_flight\"\nfail   = \"respond.error\"")),
    }
}

fn unknown_answer(answer: &str, span: Span, reader: &Reader) -> Diagnostic {
    let answers = || Answer::ALL.into_iter().map(Answer::name);
    let diagnostic =
        reader.fault(Code::AnswerUnknown, format!("there is no answer `{}`", short(answer))).at(span, "");
    match closest(answer, answers()) {
        Some(meant) => diagnostic.help(format!("did you mean `respond.{meant}`?")),
        None => diagnostic.help(format!("the answers are {}", list(answers()))),
    }
}

fn unknown_state(written: &str, span: Span, names: &Names<'_>, reader: &Reader) -> Diagnostic {
    let shown = short(written);
    let diagnostic =
        reader.fault(Code::TargetUnknown, format!("there is no state `{shown}`")).at(span, "leads nowhere");
    let answer = Answer::from_name(written).map(|answer| format!("respond.{}", answer.name()));
    let choice = names.choices.iter().find(|choice| *choice == written).map(|choice| format!("?{choice}"));
    let near = closest(written, names.states.iter().map(String::as_str)).map(str::to_owned);
    match choice.or(near).or(answer) {
        Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
        None if written == "resume" => diagnostic
            .help("say where it leads while there is no recovery point yet, at the top of the file")
            .paste("resume = \"call\""),
        None => diagnostic
            .help("a target is a state, `?choice`, `respond.ANSWER` or `end.NAME`; or add the state")
            .paste(if is_identifier(written) {
                format!("[state.{written}]")
            } else {
                "[state.next]".to_owned()
            }),
    }
}
