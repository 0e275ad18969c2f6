//! Tables of keys: what a TOML table may hold, in one place for the reader and the JSON Schema.

/// What a table may hold.
#[derive(Debug)]
pub struct Section {
    pub doc: &'static str,
    pub keys: &'static [Key],
    /// Keys that the language has but this version does not, with what they are.
    pub later: &'static [(&'static str, &'static str)],
}

/// One key of a table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
    /// A line that may be pasted.
    pub example: &'static str,
    /// What an absent key means.
    pub default: &'static str,
    pub doc: &'static str,
}

/// The values a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A text that is not blank.
    Text,
    /// Lowercase letters, digits and underscores.
    Identifier,
    /// An identifier that may have hyphens.
    Name,
    /// A name, or a path to a file.
    NameOrPath,
    /// A list of names, none twice.
    Fields {
        empty: bool,
    },
    /// A list of texts that are not blank, at least one.
    Texts,
    OneOf(Words),
    /// A list of words, none twice, at least one.
    Several(Words),
    Bool,
    /// A number from 0 to 1.
    Share,
    Count {
        min: u32,
        max: u32,
    },
    /// A duration; zero only where it makes sense.
    Duration {
        zero: bool,
    },
    /// `[SHORTEST, LONGEST]`.
    DurationRange,
    /// A duration, or `?name`.
    Wait,
    /// `true`, `false`, or `{ ttl = "24h" }`.
    NativeKey,
    /// A TOML local date.
    Date,
    /// A state, `?choice`, `respond.ANSWER` or `end.NAME`.
    Target,
    Table(&'static Section),
    /// `[[name]]`.
    Tables(&'static Section),
    /// A table whose keys are the user's, or one of the words where there are any.
    Map(Option<Words>, &'static Kind),
    /// A table of tables whose names are the user's; each is read by its own rules.
    Named,
    /// The same, where each is a section.
    NamedTables(&'static Section),
}

/// A fixed list of words; a function, since the names of an enum are not constants.
pub type Words = fn() -> Vec<&'static str>;

impl Key {
    pub const fn new(name: &'static str, kind: Kind, example: &'static str, doc: &'static str) -> Key {
        Key { name, kind, required: false, example, default: "", doc }
    }

    pub const fn required(mut self) -> Key {
        self.required = true;
        self
    }

    pub const fn default(mut self, default: &'static str) -> Key {
        self.default = default;
        self
    }
}

impl Section {
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }
}

impl Kind {
    /// What a value must be, for messages: "must be …".
    pub fn expected(&self) -> String {
        match self {
            Kind::Text => "a string".into(),
            Kind::Identifier | Kind::Name => "a name".into(),
            Kind::NameOrPath => "a name or a path".into(),
            Kind::Fields { .. } => "a list of names".into(),
            Kind::Texts => "a list of strings".into(),
            Kind::OneOf(words) => super::suggest::alternatives(words()),
            Kind::Several(words) => format!("a list of {}", super::suggest::alternatives(words())),
            Kind::Bool => "true or false".into(),
            Kind::Share => "a number from 0 to 1".into(),
            Kind::Count { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Duration { .. } => "a duration with a unit, such as \"30s\"".into(),
            Kind::DurationRange => "two durations, such as [\"20ms\", \"8s\"]".into(),
            Kind::Wait => "a duration, such as \"1s\", or the name of a wait, such as \"?poll\"".into(),
            Kind::NativeKey => "true, false or { ttl = \"24h\" }".into(),
            Kind::Date => "a date without quotes, such as 2027-01-31".into(),
            Kind::Target => "a state, \"?choice\", \"respond.ANSWER\" or \"end.NAME\"".into(),
            Kind::Table(_) | Kind::Map(..) | Kind::Named | Kind::NamedTables(_) => "a table".into(),
            Kind::Tables(_) => "a list of tables, each with a `[[…]]` header".into(),
        }
    }
}

/// `[a-z0-9_]+`.
pub fn is_identifier(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX && !text.is_empty() && text.bytes().all(is_identifier_byte)
}

/// `[a-z0-9_-]+`.
pub fn is_name(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX
        && !text.is_empty()
        && text.bytes().all(|byte| is_identifier_byte(byte) || byte == b'-')
}

/// The name of a field of a request: what people have there, headers and paths included.
pub fn is_field(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/[]$".contains(&byte);
    text.len() <= NAME_BYTES_MAX && !text.is_empty() && text.bytes().all(fits)
}

/// The longest name.
pub const NAME_BYTES_MAX: usize = 64;
/// The JSON Schema patterns of the three kinds of names.
pub const IDENTIFIER_PATTERN: &str = "^[a-z0-9_]{1,64}$";
pub const NAME_PATTERN: &str = "^[a-z0-9_-]{1,64}$";
pub const FIELD_PATTERN: &str = "^[A-Za-z0-9_.:/\\[\\]$-]{1,64}$";

fn is_identifier_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
}
