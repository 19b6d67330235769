//! Money is never a float: the sources of this crate name no float type and write no float literal.
#![allow(clippy::unwrap_used, reason = "a failure of a helper is a failure of the test")]

use std::path::{Path, PathBuf};

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The words and numbers of a line, without its comment and the texts in it.
fn words(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    let outside_texts: String = code.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    outside_texts.split(|c| !is_part(c)).map(str::to_owned).collect()
}

fn is_float(word: &str) -> bool {
    let names_type =
        word.split(['.', '_']).any(|part| part.ends_with("f64") || part.ends_with("f32"));
    let is_literal = word.split_once('.').is_some_and(|(whole, places)| {
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
        digits(whole) && digits(places)
    });
    names_type || is_literal
}

#[test]
fn no_float_appears_in_the_sources() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 20, "the sources are there");
    let mut found = Vec::new();
    for path in files {
        for (number, line) in std::fs::read_to_string(&path).unwrap().lines().enumerate() {
            // A field of a field of a tuple looks like a number: `self.0.0`.
            let floats = words(line).into_iter().filter(|word| is_float(word));
            found.extend(floats.map(|word| format!("{}:{}: {word}", path.display(), number + 1)));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_search_finds_floats() {
    for line in ["let x: f64 = y;", "x as f32", "1.5 * y", "let z = 2_f64;", "value.to_f64()"] {
        assert!(words(line).iter().any(|word| is_float(word)), "{line}");
    }
    for line in ["self.0.0", "0..10", "// an f64 would lose it", "\"1.5\".parse()", "a.0 + 1"] {
        assert!(!words(line).iter().any(|word| is_float(word)), "{line}");
    }
}
