//! One value of a JSON body, as it is written: numbers keep all their digits, and a name that is there twice is
//! no name.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

/// The body is no JSON, or has a name on the way twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unclear;

/// The value at a JSON pointer: strings in quotes with their escapes resolved, the rest without spaces around it.
/// None: there is none, or it is null.
///
/// # Errors
/// See [`Unclear`].
pub fn at(body: &[u8], pointer: &str) -> Result<Option<Vec<u8>>, Unclear> {
    let mut raw: &RawValue = serde_json::from_slice(body).map_err(|_| Unclear)?;
    for name in pointer.split('/').skip(1) {
        let name = name.replace("~1", "/").replace("~0", "~");
        let found = match raw.get().as_bytes().first() {
            Some(b'{') => member(raw.get(), &name)?,
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|_| Unclear)?;
                let plain = name == "0" || !name.starts_with(['0', '+']);
                let index = name.parse::<usize>().ok().filter(|_| plain);
                index.and_then(|index| items.get(index).copied())
            }
            _ => None,
        };
        match found {
            Some(found) => raw = found,
            None => return Ok(None),
        }
    }
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'n') => Ok(None),
        // One text however it is escaped.
        Some(b'"') => {
            let value: String = serde_json::from_str(text).map_err(|_| Unclear)?;
            Ok(serde_json::to_vec(&value).ok())
        }
        // One value however it is laid out; its own numbers may lose digits, and names that are there twice all but
        // one, so what is written counts.
        _ => Ok(Some(text.as_bytes().to_vec())),
    }
}

/// The value of a name in an object.
fn member<'a>(object: &'a str, name: &str) -> Result<Option<&'a RawValue>, Unclear> {
    struct Search<'n>(&'n str);

    impl<'de> Visitor<'de> for Search<'_> {
        type Value = Result<Option<&'de RawValue>, Unclear>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let (mut found, mut twice) = (None, false);
            while let Some((name, value)) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
                if name == self.0 {
                    twice |= found.is_some();
                    found = Some(value);
                }
            }
            Ok(if twice { Err(Unclear) } else { Ok(found) })
        }
    }

    serde_json::Deserializer::from_str(object).deserialize_map(Search(name)).map_err(|_| Unclear)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_apart_as_they_are_written() {
        let body = br#" { "a/b" : {"~": [1, {"x": "\u0041\n" } , 100000000000000000000001 ] }, "n": null, "f": 1.50 } "#;
        for (pointer, value) in [
            ("/a~1b/~0/0", Some("1")),
            ("/a~1b/~0/1/x", Some("\"A\\n\"")),
            ("/a~1b/~0/2", Some("100000000000000000000001")),
            ("/a~1b/~0/3", None),
            ("/a~1b/~0/00", None),
            ("/a~1b/~0/-", None),
            ("/n", None),
            ("/n/x", None),
            ("/f", Some("1.50")),
            ("/missing", None),
        ] {
            let found = at(body, pointer).unwrap();
            assert_eq!(found.as_deref(), value.map(str::as_bytes), "{pointer}");
        }
        for (body, pointer) in [
            (&b"{\"a\":1,\"a\":1}"[..], "/a"),
            (b"{\"a\":1,\"\\u0061\":2}", "/a"),
            (b"{\"a\":{\"b\":1,\"b\":2}}", "/a/b"),
            (b"{\"a\":1", "/a"),
            (b"{\"a\":1} {}", "/a"),
            (b"\xff", "/a"),
            (b"", "/a"),
        ] {
            assert_eq!(at(body, pointer), Err(Unclear), "{}", String::from_utf8_lossy(body));
        }
        // Another name's repetition is nobody's business here.
        assert_eq!(at(b"{\"a\":1,\"b\":1,\"b\":2}", "/a"), Ok(Some(b"1".to_vec())));
        let deep = [&b"[".repeat(100_000)[..], &b"]".repeat(100_000)].concat();
        assert!(at(&deep, &"/0".repeat(300)).is_ok());
    }
}
