//! Request bodies as a tree that knows where everything stands.
//!
//! A typed deserializer stops at the first mistake and cannot say where it is. Bodies are therefore
//! read into [`Json`] first, and validation walks the tree, names every mistake by its JSON pointer
//! and goes on. Numbers stay text: no amount ever passes through a float. Members given twice are
//! kept apart, because programs disagree about which of the two counts.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::error::{ApiError, FieldErrors};
use crate::problems;

/// Levels of nesting that a body may have. The deepest request we know has three.
pub const MAX_DEPTH: usize = 16;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it was written.
    Number(String),
    /// A string.
    Text(String),
    /// A string with an escaped half of a surrogate pair: valid JSON, but no text.
    NoText,
    /// An array.
    List(Vec<Json>),
    /// An object.
    Object(Object),
}

/// The members of an object in the order of the text, each name once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Object {
    members: Vec<(String, Json)>,
    duplicates: Vec<String>,
}

impl Object {
    /// The member called `name`.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// All members.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.members.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Notes every member that is not in `known` and every member given twice. `at` is the
    /// pointer of this object.
    pub fn check_names(&self, at: &str, known: &[&str], errors: &mut FieldErrors) {
        let offer = if known.is_empty() {
            "none is taken here".to_owned()
        } else {
            format!("known here: {}", known.join(", "))
        };
        for (name, _) in self.iter().filter(|(name, _)| !known.contains(name)) {
            errors.push(
                || pointer(at, name),
                "unknown-field",
                || format!("unknown field; {offer}"),
            );
        }
        self.check_duplicates(at, errors);
    }

    /// Notes every member given twice, where any name can be one.
    pub fn check_duplicates(&self, at: &str, errors: &mut FieldErrors) {
        for name in &self.duplicates {
            errors.push(|| pointer(at, name), "duplicate-key", || "the member is given twice");
        }
    }
}

impl Json {
    /// Reads a whole body of at most `max_values` values.
    ///
    /// The tree takes several times the memory of its text when the text is all `[0,0,0,…`, hence
    /// a bound on the number of values beside the one on bytes.
    ///
    /// # Errors
    /// [`problems::MALFORMED_JSON`] with line and column, [`problems::JSON_TOO_DEEP`],
    /// [`problems::BODY_TOO_LARGE`] for too many values.
    pub fn read(bytes: &[u8], max_values: usize) -> Result<Self, ApiError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            malformed(format!("The body is not UTF-8: invalid byte at {}.", error.valid_up_to()))
        })?;
        if text.trim().is_empty() {
            return Err(malformed("The body is empty; a JSON object is expected."));
        }
        let whole: &RawValue =
            serde_json::from_str(text).map_err(|error| malformed(format!("{error}.")))?;
        let extent = Extent::of(whole.get());
        if extent.depth > MAX_DEPTH {
            return Err(ApiError::new(
                problems::JSON_TOO_DEEP,
                format!("The body is nested more than {MAX_DEPTH} levels deep."),
            ));
        }
        if extent.values > max_values {
            return Err(ApiError::new(
                problems::BODY_TOO_LARGE,
                format!("The body has more than {max_values} JSON values."),
            ));
        }
        // Everything else was found above, and a position in a part would not be one in the body.
        tree(whole).map_err(|_| malformed("The name of a member is not valid Unicode."))
    }

    /// The name of the value's type, for messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::NoText => "a string that is not valid Unicode",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// The same text for every way to write the same value: members sorted, no white space.
    ///
    /// Numbers keep their spelling, so `1` and `1.0` differ. This is what an idempotency
    /// fingerprint covers.
    pub fn canonical(&self) -> String {
        let mut out = String::new();
        write_canonical(self, &mut out);
        out
    }
}

/// The fingerprint of a request: SHA-256 over method, path and canonical body, as hex.
pub fn fingerprint(method: &str, path: &str, body: &Json) -> String {
    let mut hash = Sha256::new();
    for part in [method, path, &body.canonical()] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hex(&hash.finalize())
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|b| [b >> 4, b & 15])
        .map(|n| char::from(b"0123456789abcdef"[usize::from(n)]))
        .collect()
}

/// The JSON pointer of member `name` of the object at `at`. Overlong names are cut.
pub fn pointer(at: &str, name: &str) -> String {
    const MAX_NAME: usize = 128;
    let shown: String = name.chars().take(MAX_NAME).collect();
    let rest = if shown.len() < name.len() { "..." } else { "" };
    format!("{at}/{}{rest}", shown.replace('~', "~0").replace('/', "~1"))
}

/// Foreign text as printable ASCII: what else it has is escaped as in a string literal of Rust.
pub fn printable(text: &str) -> String {
    text.chars().flat_map(char::escape_default).collect()
}

/// Foreign text for a message: printable ASCII in quotes, at most 60 characters and dots.
pub fn shown(text: &str) -> String {
    const MAX_SHOWN: usize = 60;
    let start = text.char_indices().nth(MAX_SHOWN + 1).map_or(text, |(end, _)| &text[..end]);
    let escaped = printable(start);
    if escaped.len() <= MAX_SHOWN {
        format!("\"{escaped}\"")
    } else {
        format!("\"{}...\"", &escaped[..MAX_SHOWN])
    }
}

fn malformed(detail: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(problems::MALFORMED_JSON, detail)
}

/// Size of a valid JSON text.
#[derive(Debug, PartialEq, Eq)]
struct Extent {
    /// Deepest nesting.
    depth: usize,
    /// Values, counted by the commas and brackets before them.
    values: usize,
}

impl Extent {
    fn of(text: &str) -> Self {
        let mut extent = Self { depth: 0, values: 1 };
        let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
        for byte in text.bytes() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                b'[' | b'{' if !in_string => {
                    depth += 1;
                    extent.depth = extent.depth.max(depth);
                    extent.values += 1;
                }
                b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
                b',' if !in_string => extent.values += 1,
                _ => {}
            }
        }
        extent
    }
}

/// Builds the tree of a text whose syntax and depth have been checked.
fn tree(raw: &RawValue) -> Result<Json, serde_json::Error> {
    let text = raw.get();
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let members: Members<'_> = serde_json::from_str(text)?;
            let mut object = Object::default();
            let mut seen = HashSet::new();
            for (name, value) in members.0 {
                if seen.insert(name.clone()) {
                    object.members.push((name, tree(value)?));
                } else {
                    object.duplicates.push(name);
                }
            }
            Json::Object(object)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            Json::List(items.into_iter().map(tree).collect::<Result<_, _>>()?)
        }
        Some(b'"') => serde_json::from_str(text).map_or(Json::NoText, Json::Text),
        Some(b't') => Json::Bool(true),
        Some(b'f') => Json::Bool(false),
        Some(b'n') => Json::Null,
        _ => Json::Number(text.to_owned()),
    })
}

/// All members of an object, doubles included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<String, &'de RawValue>()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

fn write_canonical(value: &Json, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Number(text) => out.push_str(text),
        Json::Text(text) => write_text(text, out),
        Json::NoText => out.push_str("\"?\""),
        Json::List(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Json::Object(object) => {
            let mut members: Vec<_> = object.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (n, (name, item)) in members.into_iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_text(name, out);
                out.push(':');
                write_canonical(item, out);
            }
            out.push('}');
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("a string always serializes"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Json, ApiError> {
        Json::read(body.as_bytes(), 1_000_000)
    }

    fn code(body: &str) -> &'static str {
        read(body).unwrap_err().problem().code
    }

    #[test]
    fn a_body_becomes_a_tree_with_numbers_as_text() {
        let json = read(r#" {"a":[1.50,-0,"x\n",null,true],"b":{"c":1e400}} "#).unwrap();
        let Json::Object(object) = &json else { panic!("{json:?}") };
        assert_eq!(
            object.get("a"),
            Some(&Json::List(vec![
                Json::Number("1.50".into()),
                Json::Number("-0".into()),
                Json::Text("x\n".into()),
                Json::Null,
                Json::Bool(true),
            ]))
        );
        assert_eq!(json.canonical(), r#"{"a":[1.50,-0,"x\n",null,true],"b":{"c":1e400}}"#);
    }

    #[test]
    fn broken_bodies_are_told_apart_and_located() {
        for body in
            ["", "  ", "{", "{]", "[1,]", "{'a':1}", "{\"a\":1} x", "nul", "01", "\"\u{1}\""]
        {
            assert_eq!(code(body), "malformed-json", "{body:?}");
        }
        assert_eq!(Json::read(b"{\"a\":\xff}", 9).unwrap_err().problem().code, "malformed-json");
        assert_eq!(code(&format!("{}1{}", "[".repeat(17), "]".repeat(17))), "json-too-deep");
        assert_eq!(code(&"[".repeat(100_000)), "malformed-json");
        let deep = format!("{}1{}", "[".repeat(16), "]".repeat(16));
        assert!(read(&deep).is_ok());
        assert!(read(r#"["[[[[[[[[[[[[[[[[[[\"[["]"#).is_ok(), "brackets in a string");
    }

    #[test]
    fn the_number_of_values_is_bounded() {
        assert_eq!(Extent::of(r#"{"a":[1,2,"x,[,"],"b":{}}"#), Extent { depth: 2, values: 7 });
        let body = format!("[{}0]", "0,".repeat(1000));
        assert_eq!(Json::read(body.as_bytes(), 1000).unwrap_err().problem().code, "body-too-large");
        assert!(Json::read(body.as_bytes(), 1002).is_ok());
    }

    #[test]
    fn members_given_twice_are_noted_and_the_first_is_kept() {
        let Json::Object(object) = read(r#"{"a":1,"a":2,"b/~":3}"#).unwrap() else {
            panic!("an object")
        };
        assert_eq!(object.get("a"), Some(&Json::Number("1".into())));
        let mut errors = FieldErrors::default();
        object.check_names("", &["a"], &mut errors);
        let error = errors.into_result().unwrap_err();
        let found: Vec<_> = error.errors().iter().map(|e| (e.pointer.as_str(), e.code)).collect();
        assert_eq!(found, [("/b~1~0", "unknown-field"), ("/a", "duplicate-key")]);
    }

    #[test]
    fn half_a_surrogate_pair_is_no_text() {
        assert_eq!(read(r#""\ud800""#).unwrap(), Json::NoText);
    }

    #[test]
    fn the_fingerprint_ignores_order_and_space_and_nothing_else() {
        let print = |body: &str| fingerprint("POST", "/x", &read(body).unwrap());
        assert_eq!(print(r#"{"a":1,"b":[2]}"#), print("{ \"b\" : [2],\n\"a\":1 }"));
        assert_ne!(print(r#"{"a":1}"#), print(r#"{"a":2}"#));
        assert_ne!(print(r#"{"b":[1,2]}"#), print(r#"{"b":[2,1]}"#));
    }

    #[test]
    fn foreign_text_is_escaped_and_cut() {
        assert_eq!(shown("wallet1"), "\"wallet1\"");
        assert_eq!(shown("a\u{202e}b\0"), "\"a\\u{202e}b\\u{0}\"");
        assert_eq!(shown(&"x".repeat(1_000_000)).len(), 60 + 2 + 3);
    }
}
