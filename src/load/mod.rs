//! Races real endpoints: bursts under one key, answers recorded, effects counted, histories judged.
//!
//! What is sent and counted is the policy's (`[load]`); what the answers may be is judged by [`crate::history`]
//! from the policy's terms. A clean run proves nothing: [`power`] says what it supports.

pub mod calibrate;
pub mod effects;
pub mod emit;
pub mod fault;
pub mod lab;
pub mod power;
pub mod probe;
mod probes;
pub mod proxy;
mod racy;
pub mod report;
mod reproduce;
pub mod run;
pub mod send;
mod service;
pub mod sink;

use crate::policy::Values;

/// What stands for `{{key}}`, `{{n}}`, `{{random}}` and values.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    pub key: &'a str,
    /// The number of the request in its burst.
    pub n: usize,
    /// The same for all requests of a key.
    pub random: u64,
    /// The policy's own.
    pub values: &'a Values,
}

impl Places<'_> {
    /// The text with everything in its place.
    pub fn fill(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + self.key.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            out.push_str(before);
            let Some((name, after)) = after.split_once("}}") else {
                out.push_str("{{");
                rest = after;
                continue;
            };
            match name.trim() {
                "key" => out.push_str(self.key),
                "n" => out.push_str(&self.n.to_string()),
                "random" => out.push_str(&self.random.to_string()),
                name => match self.values.get(name) {
                    Some(value) => out.push_str(value),
                    None => out.push_str(&format!("{{{{{name}}}}}")),
                },
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::Places;

    #[test]
    fn everything_is_put_in_its_place() {
        let values = [("tenant".to_owned(), "{{n}}".to_owned())].into();
        let places = Places { key: "k-1", n: 3, random: 77, values: &values };
        for (text, filled) in [
            ("{\"a\":\"{{key}}\",\"b\":{{ n }}}", "{\"a\":\"k-1\",\"b\":3}"),
            ("{{random}}{{random}}", "7777"),
            ("/{{ tenant }}/pay", "/{{n}}/pay"),
            ("{{", "{{"),
            ("{{key", "{{key"),
            ("}}{{other}}", "}}{{other}}"),
            ("", ""),
        ] {
            assert_eq!(places.fill(text), filled, "{text}");
        }
    }
}
