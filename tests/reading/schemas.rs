//! The committed schemas are those of this version, and they agree with the readers.

use std::path::Path;

use idemcheck::model::operations::OPERATIONS;
use idemcheck::model::schema::model_schema;
use idemcheck::policy::keys::POLICY as POLICY_KEYS;
use idemcheck::policy::presets;
use idemcheck::policy::schema::{policy_schema, system_schema};
use idemcheck::source::keys::{Kind, Section};
use serde_json::Value;

use super::support::{MODEL, POLICY, lines, policy_and_model, with};

fn committed(name: &str, schema: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
    let mut text = serde_json::to_string_pretty(schema).expect("a schema is JSON");
    text.push('\n');
    if std::env::var_os("IDEMCHECK_UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        std::fs::write(&path, &text).expect("the schema");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == text,
        "schemas/{name} is out of date: run `IDEMCHECK_UPDATE=1 cargo test --test reading schemas`"
    );
}

#[test]
fn the_committed_schemas_are_current() {
    committed("policy.schema.json", &policy_schema());
    committed("system.schema.json", &system_schema());
    committed("model.schema.json", &model_schema());
}

/// TOML as JSON, dates as strings.
fn json(text: &str) -> Value {
    fn convert(value: toml::Value) -> Value {
        match value {
            toml::Value::Datetime(date) => Value::String(date.to_string()),
            toml::Value::Array(items) => items.into_iter().map(convert).collect(),
            toml::Value::Table(table) => {
                table.into_iter().map(|(key, value)| (key, convert(value))).collect()
            }
            toml::Value::String(text) => Value::String(text),
            toml::Value::Integer(number) => number.into(),
            toml::Value::Float(number) => number.into(),
            toml::Value::Boolean(flag) => flag.into(),
        }
    }
    convert(toml::Value::Table(text.parse().expect("TOML")))
}

#[test]
fn sound_files_are_valid_and_unsound_ones_are_not() {
    let policy = jsonschema::validator_for(&policy_schema()).expect("a schema");
    let model = jsonschema::validator_for(&model_schema()).expect("a schema");
    assert!(policy.is_valid(&json(POLICY)), "{:?}", policy.iter_errors(&json(POLICY)).next());
    assert!(model.is_valid(&json(MODEL)), "{:?}", model.iter_errors(&json(MODEL)).next());
    for (path, text) in idemcheck::model::shipped::shipped() {
        assert!(model.is_valid(&json(text)), "{path}");
    }
    // What one refuses the other refuses, too.
    let wrong = [
        ("lease = \"30s\"", "leese = \"30s\""),
        ("requests = 2", "requests = 6"),
        ("requests = 2", "requests = \"2\""),
        ("timeout  = \"10s\"", "timeout  = \"10\""),
        ("timeout  = \"10s\"", "timeout  = \"1m1h\""),
        ("timeout  = \"10s\"", "timeout  = \"\""),
        ("effect   = \"create\"", "effect   = \"creat\""),
        ("\"charge-card\"", "\"Charge card\""),
        ("single-execution =", "single-executoin ="),
        ("reason   = \"swept by hand\"", "reason   = \" \""),
        ("identity = [\"tenant\", \"order_id\"]", "identity = []"),
    ];
    for (from, to) in wrong {
        let text = with(POLICY, from, to);
        assert!(!policy.is_valid(&json(&text)), "{to}");
        assert!(!lines(&policy_and_model(&text, MODEL)).is_empty(), "{to}");
    }
    let wrong = [
        ("lost  = \"claim\"\n", ""),
        ("lost  = \"claim\"", "lost  = \"claim\"\nfailed = \"call\""),
        ("\"store.take_over\"", "\"store.takeover\""),
        ("fenced   = true", "fenced   = \"true\""),
        ("for     = \"?poll\"", "for     = \"?Poll\""),
        ("as       = \"succeeded\"\n", ""),
    ];
    for (from, to) in wrong {
        let text = with(MODEL, from, to);
        assert!(!model.is_valid(&json(&text)), "{to}");
        assert!(!lines(&policy_and_model(POLICY, &text)).is_empty(), "{to}");
    }
}

/// An editor with the schema must not mark what a preset says.
#[test]
fn the_facts_of_every_preset_are_valid() {
    let policy = jsonschema::validator_for(&policy_schema()).expect("a schema");
    for preset in presets::all() {
        let mut table = preset.facts.clone();
        table.insert("kind".to_owned(), preset.name.clone().into());
        let mut whole: toml::Table = POLICY.parse().expect("TOML");
        whole.insert(preset.table.name().to_owned(), table.into());
        let whole = json(&whole.to_string());
        let fault = policy.iter_errors(&whole).next().map(|fault| fault.to_string());
        assert_eq!(fault, None, "{}", preset.name);
    }
}

/// Every key of the tables is in the schema, and the reader knows it; and the reverse.
#[test]
fn the_schema_has_the_readers_keys() {
    fn compare(section: &Section, schema: &Value, at: &str) {
        let properties = schema["properties"].as_object().unwrap_or_else(|| panic!("{at} has properties"));
        let in_schema: Vec<&str> = properties.keys().map(String::as_str).collect();
        let mut in_reader: Vec<&str> = section.names().collect();
        in_reader.sort_unstable();
        let mut sorted = in_schema.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, in_reader, "{at}");
        assert_eq!(schema["additionalProperties"], Value::Bool(false), "{at}");
        for key in section.keys {
            let property = &properties[key.name];
            assert!(property["description"].as_str().is_some_and(|doc| !doc.is_empty()), "{at}.{}", key.name);
            match key.kind {
                Kind::Table(inner) => compare(inner, property, key.name),
                Kind::Tables(inner) => compare(inner, &property["items"], key.name),
                Kind::NamedTables(inner) => compare(inner, &property["additionalProperties"], key.name),
                _ => {}
            }
        }
    }
    compare(&POLICY_KEYS, &policy_schema(), "policy");
    let model = model_schema();
    let alternatives =
        model["properties"]["state"]["additionalProperties"]["oneOf"].as_array().expect("operations");
    assert_eq!(alternatives.len(), OPERATIONS.len());
    for (spec, schema) in OPERATIONS.iter().zip(alternatives) {
        let properties = schema["properties"].as_object().expect("properties");
        let optional = usize::from(spec.may_be_unavailable());
        let keys = 1 + spec.options.keys.len() + spec.outcomes.len() + optional;
        assert_eq!(properties.len(), keys, "{}", spec.name);
    }
}

/// The reader asks for every key that the schema offers: none is accepted and then ignored.
#[test]
fn no_key_is_accepted_and_ignored() {
    fn sections(section: &'static Section, name: &str, out: &mut Vec<(String, &'static Section)>) {
        out.push((name.to_owned(), section));
        for key in section.keys {
            if let Kind::Table(inner) = key.kind {
                let name = if name.is_empty() { key.name.to_owned() } else { format!("{name}.{}", key.name) };
                sections(inner, &name, out);
            }
        }
    }
    let mut all = Vec::new();
    sections(&POLICY_KEYS, "", &mut all);
    for (table, section) in all {
        for key in section.keys {
            // A value of no kind that any key takes.
            let header = if table.is_empty() { String::new() } else { format!("[{table}]\n") };
            let text = format!("{header}{} = 1979-05-27T07:32:00Z\n", key.name);
            let found = policy_and_model(&text, MODEL);
            let complained =
                found.diagnostics.iter().any(|one| one.message.contains(&format!("`{}` must be", key.name)));
            assert!(complained, "`{table}.{}` is read without a look at its value", key.name);
        }
    }
}
