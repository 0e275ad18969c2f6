//! JSON files that this program writes and reads again, each with the version of its format.

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Reads a file of this version. `what` names such a file: `a baseline`.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn read<T: DeserializeOwned>(text: &str, version: u32, what: &str) -> Result<T, String> {
    // The version first: a file of another version may lack what this one needs.
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let not_ours = |error: serde_json::Error| format!("not {what}: {error}");
    let found: Version = serde_json::from_str(text).map_err(not_ours)?;
    if found.version != version {
        return Err(format!("format version {}; this idemcheck reads version {version}", found.version));
    }
    serde_json::from_str(text).map_err(not_ours)
}
