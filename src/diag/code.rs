//! The names of the diagnostics. The table itself is in `codes.rs`.

pub use super::codes::Code;

/// How much a diagnostic weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The file can't be checked.
    Error,
    /// It can, but probably says something else than was meant.
    Warning,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

impl Code {
    /// By id (`IDM010`, in any case) or by name (`unknown-key`).
    pub fn from_name(name: &str) -> Option<Code> {
        let is = |code: &&Code| code.id().eq_ignore_ascii_case(name) || code.name() == name;
        Code::ALL.iter().find(is).copied()
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_listed() {
        let ids: BTreeSet<_> = Code::ALL.iter().map(|code| code.id()).collect();
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!((ids.len(), names.len()), (Code::ALL.len(), Code::ALL.len()));
        let list: Vec<String> = Code::ALL
            .iter()
            .map(|code| {
                format!("{} {:7} {}: {}", code.id(), code.severity().name(), code.name(), code.description())
            })
            .collect();
        insta::assert_snapshot!(list.join("\n"));
    }

    #[test]
    fn codes_read_well() {
        for code in Code::ALL {
            assert!(code.id().starts_with("IDM") && code.id().len() == 6, "{code}");
            assert!(
                code.name().chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{code}"
            );
            assert!(code.description().starts_with(|c: char| !c.is_uppercase() || c == 'U'), "{code}");
            assert!(!code.description().ends_with('.'), "{code}");
            assert!(
                code.explanation().ends_with(['.', '`', '"', '\n', ']', '}']),
                "{code}: {}",
                code.explanation()
            );
            assert_eq!(Code::from_name(code.name()), Some(*code));
            assert_eq!(Code::from_name(&code.id().to_lowercase()), Some(*code));
        }
    }
}
