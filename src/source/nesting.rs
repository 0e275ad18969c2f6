//! A look at a file's brackets before the TOML parser sees it.
//!
//! A parsed document is a tree, and trees are built, walked and dropped recursively. This scan reads
//! the text once, keeps a few counters, and refuses what would become too deep a tree.

use super::Span;

/// Arrays and inline tables inside one another.
pub const NESTING_MAX: usize = 32;
/// Parts of one dotted key: `a.b.c` has three.
pub const KEY_PARTS_MAX: usize = 16;
/// `[table]` and `[[array]]` headers in one file.
pub const TABLES_MAX: usize = 1_000;

/// What is too much, and where it became so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooMuch {
    Brackets(Span),
    KeyParts(Span),
    Tables(Span),
}

/// Scans with the same idea of strings and comments as the parser's own lexer has, its error
/// recovery included: what is inside a string nests nothing.
pub fn scan(text: &str) -> Result<(), TooMuch> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut depth: usize = 0;
    let mut dots: usize = 0;
    let mut tables: usize = 0;
    let mut line_start = true;
    while at < bytes.len() {
        let here = Span { start: at, end: at + 1 };
        let byte = bytes[at];
        let was_line_start = line_start;
        line_start = byte == b'\n' || (line_start && byte.is_ascii_whitespace());
        match byte {
            b'"' | b'\'' => {
                at = string_end(bytes, at);
                continue;
            }
            b'#' => {
                at = find(bytes, at, |byte| byte == b'\n');
                continue;
            }
            b'[' | b'{' => {
                dots = 0;
                depth += 1;
                if depth > NESTING_MAX {
                    return Err(TooMuch::Brackets(here));
                }
                tables += usize::from(was_line_start && byte == b'[');
                if tables > TABLES_MAX {
                    return Err(TooMuch::Tables(here));
                }
            }
            b']' | b'}' => {
                dots = 0;
                depth = depth.saturating_sub(1);
            }
            b'\n' | b',' | b'=' => dots = 0,
            b'.' => {
                dots += 1;
                if dots >= KEY_PARTS_MAX {
                    return Err(TooMuch::KeyParts(here));
                }
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

fn find(bytes: &[u8], from: usize, wanted: impl Fn(u8) -> bool) -> usize {
    bytes[from..].iter().position(|byte| wanted(*byte)).map_or(bytes.len(), |index| from + index)
}

/// The offset after the string that begins at `at`. An unclosed one ends at the line's end, an
/// unclosed multi-line one at the file's.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let quote = bytes[at];
    let escapes = quote == b'"';
    let long = bytes[at..].starts_with(&[quote; 3]);
    let mut at = at + if long { 3 } else { 1 };
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => {
                let escaped = bytes.get(at + 1).is_some_and(|byte| matches!(byte, b'\\' | b'"'));
                at += 1 + usize::from(escaped);
            }
            b'\n' if !long => return at,
            byte if byte == quote && !long => return at + 1,
            byte if byte == quote && bytes[at..].starts_with(&[quote; 3]) => {
                let more = bytes[at + 3..].iter().take(2).take_while(|byte| **byte == quote).count();
                return at + 3 + more;
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_files_pass() {
        assert_eq!(scan("a = [[1], {b = 2}]\n[x.y]\nc = \"[[[[\" # [[[\n"), Ok(()));
        assert_eq!(scan(&"[a.b]\nc = 1.5\n".repeat(TABLES_MAX)), Ok(()));
        assert_eq!(scan("s = \"\"\"\n[[[[ \\\"\"\" ]\"\"\"\"\nt = '''[''['''\n"), Ok(()));
    }

    #[test]
    fn depth_is_refused_where_it_begins() {
        let arrays = format!("a = {}", "[".repeat(1_000_000));
        assert_eq!(scan(&arrays), Err(TooMuch::Brackets(Span { start: 36, end: 37 })));
        let tables = format!("a = {}", "{b = ".repeat(1_000_000));
        assert!(matches!(scan(&tables), Err(TooMuch::Brackets(_))));
        let dotted = format!("{}a = 1", "a . ".repeat(100_000));
        assert!(matches!(scan(&dotted), Err(TooMuch::KeyParts(_))));
        assert!(matches!(scan(&"[a]\n".repeat(TABLES_MAX + 1)), Err(TooMuch::Tables(_))));
        assert_eq!(scan(&format!("{}a = 1", "a.".repeat(KEY_PARTS_MAX - 1))), Ok(()));
    }

    #[test]
    fn strings_hide_nothing_after_them() {
        let after = |text: &str| scan(&format!("{text}{}", "[".repeat(50)));
        for text in
            ["a = \"x\\\\\"", "a = 'x\\'", "a = \"unclosed\nb =", "a = \"\"\"x\"\"\"\"\"", "a = ''''''"]
        {
            assert!(matches!(after(text), Err(TooMuch::Brackets(_))), "{text}");
        }
        assert_eq!(after("a = \"\"\"unclosed\n"), Ok(()));
    }
}
