//! What was sent under a key, for a shell with curl: to try it by hand.

use std::fmt::Write;

use super::lab::{Lab, Shot, subject};
use super::sink::{Behaviour, CONTROL, Does};
use crate::history::record::{Outcome, Record, Request};

/// Requests of one script.
const REQUESTS_MAX: usize = 40;
/// Nanoseconds between requests that are worth a pause.
const PAUSE: i64 = 50_000_000;

/// The requests of a key among the records from `first` on, as they overlapped, with the answers they had.
pub(super) fn script(lab: &Lab<'_>, key: &str, first: usize) -> String {
    let sent: Vec<(&Request, usize, Shot)> = lab.records[first..]
        .iter()
        .zip(&lab.shots[first..])
        .filter_map(|(record, shot)| match (record, shot) {
            (Record::Request(request), Some((n, shot))) if request.key == key => Some((request, *n, *shot)),
            _ => None,
        })
        .collect();
    let mut out = format!(
        "# {} {key}, seed {}; in a burst, `load` lets all go at the same moment, which a shell does not\n",
        lab.probe.name(),
        lab.seed
    );
    let mut under_way = i64::MIN;
    let mut last = None;
    let mut told = None;
    for (request, n, shot) in sent.iter().take(REQUESTS_MAX) {
        let start = request.start;
        let free = start >= under_way;
        if free && last.is_some() {
            out.push_str("wait\n");
        }
        if let Some(pause) = last.map(|last| start - last).filter(|pause| *pause > PAUSE) {
            let _ = writeln!(out, "sleep {:.2}", pause as f64 / 1e9);
        }
        last = Some(start);
        under_way = under_way.max(request.end.unwrap_or(start));
        let bare = key.strip_suffix(&subject("", true)).unwrap_or(key);
        let does = lab.downstream_does(&[*shot]);
        if does != told && (does.is_some() || free) {
            told = does;
            if let Some(sink) = lab.effects.sink() {
                let _ = writeln!(out, "{}", tells(&sink.url, does.unwrap_or_default(), bare));
            }
        }
        let places = lab.places(bare, *n, lab.random(bare), shot.other);
        let outgoing = lab.outgoing(&places, shot, Some(bare));
        let _ = write!(out, "curl -sS -i -X {}", outgoing.method);
        for (name, value) in &outgoing.headers {
            let _ = write!(out, " -H {}", quoted(&format!("{name}: {value}")));
        }
        let body = String::from_utf8_lossy(&outgoing.body);
        if shot.padding > 0 {
            let _ = write!(
                out,
                " --data-binary @<(printf '%s%{}s' {} '')",
                shot.padding,
                quoted(body.trim_end())
            );
        } else {
            let _ = write!(out, " --data-binary {}", quoted(&body));
        }
        let url = places.fill(&lab.load.urls[n % lab.load.urls.len()]);
        let was = match (request.outcome, request.status) {
            (Outcome::Unknown, None) => "no answer".to_owned(),
            (outcome, status) => format!("{} {}", status.unwrap_or(0), outcome.name()),
        };
        let _ = writeln!(out, " {} & # {was}", quoted(&url));
    }
    out.push_str("wait\n");
    if sent.len() > REQUESTS_MAX {
        let _ = writeln!(out, "# and {} more", sent.len() - REQUESTS_MAX);
    }
    out
}

/// What a sink is told before the next request.
fn tells(sink: &str, does: Does, key: &str) -> String {
    let behaviour = Behaviour { does, key: Some(key.to_owned()), every: 0 };
    let body = serde_json::to_string(&behaviour).unwrap_or_default();
    format!("curl -sS -X PUT -d {} {}", quoted(&body), quoted(&format!("{sink}{CONTROL}behaviour")))
}

/// One word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_stay_words() {
        assert_eq!(super::quoted("it's $HOME `x`"), "'it'\\''s $HOME `x`'");
    }
}
