//! Where values come from: a TOML file and the environment, as layers for `figment`.

use std::fs;
use std::path::Path;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};
use serde_json::Value as Json;

use super::error::{ConfigError, Problem};

/// Names of the environment that are configuration start so.
const PREFIX: &str = "PNL_";

/// What a variable ends with when it names a file that holds the value.
const FILE_SUFFIX: &str = "_FILE";

/// Values of one origin. The origin is quoted in errors.
pub(super) struct Layer {
    origin: String,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

/// Reads a TOML file. Keys that `known` lacks are added to `problems`.
pub(super) fn file_layer(
    path: &Path,
    known: &Json,
    problems: &mut Vec<Problem>,
) -> Result<Layer, ConfigError> {
    let text = read(path)?;
    let values: Dict = Toml::from_str(&text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let line = 1 + text.get(..offset).unwrap_or_default().matches('\n').count();
        ConfigError::Syntax {
            path: path.to_owned(),
            line,
            message: error.message().trim().replace('\n', ", "),
        }
    })?;
    let origin = path.display().to_string();
    refuse_unknown_keys(&values, known, "", &origin, problems);
    Ok(Layer { origin, values })
}

/// Reads `DATABASE_URL`, `REDIS_URL` and the `PNL_` variables, weakest first.
pub(super) fn environment_layers(
    variables: &[(String, String)],
    known: &Json,
    problems: &mut Vec<Problem>,
) -> Result<Vec<Layer>, ConfigError> {
    let mut layers = Vec::new();
    for (name, path) in
        [("DATABASE_URL", ["database", "postgres_url"]), ("REDIS_URL", ["redis", "url"])]
    {
        let value = variables.iter().find(|(n, value)| n == name && !value.is_empty());
        if let Some((_, value)) = value {
            layers.push(layer(variable_origin(name), &path, Value::from(value.clone())));
        }
    }
    for (name, text) in variables {
        let Some(key) = name.strip_prefix(PREFIX).filter(|rest| rest.contains("__")) else {
            continue;
        };
        let variable = resolve(name, key, known);
        let Some((path, default, from_file)) = variable else {
            problems.push(Problem {
                key: name.clone(),
                problem: unknown_variable(key, known),
                origin: "the environment".to_owned(),
            });
            continue;
        };
        if from_file
            && variables.iter().any(|(n, _)| Some(n.as_str()) == name.strip_suffix(FILE_SUFFIX))
        {
            problems.push(Problem {
                key: path.join("."),
                problem: format!("both {name} and the variable without {FILE_SUFFIX} are set"),
                origin: "the environment".to_owned(),
            });
            continue;
        }
        let (origin, text) = if from_file {
            let file = Path::new(text);
            (format!("file {text} named by {name}"), read(file)?.trim_end().to_owned())
        } else {
            (variable_origin(name), text.clone())
        };
        match parse(&text, default) {
            Ok(value) => {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                layers.push(layer(origin, &path, value));
            }
            Err(problem) => {
                problems.push(Problem { key: path.join("."), problem: problem.to_owned(), origin });
            }
        }
    }
    Ok(layers)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })
}

fn variable_origin(name: &str) -> String {
    format!("environment variable {name}")
}

/// A layer with one value at a path of keys.
fn layer(origin: String, path: &[&str], value: Value) -> Layer {
    let nested = path
        .iter()
        .rev()
        .fold(value, |inner, key| Value::from(Dict::from([((*key).to_owned(), inner)])));
    let values = nested.into_dict().unwrap_or_default();
    Layer { origin, values }
}

/// The key that a variable sets, its default, and whether the variable names a file.
fn resolve<'k>(name: &str, key: &str, known: &'k Json) -> Option<(Vec<String>, &'k Json, bool)> {
    if let Some((path, default)) = find(key, known) {
        return Some((path, default, false));
    }
    let key = key.strip_suffix(FILE_SUFFIX).filter(|_| name.ends_with(FILE_SUFFIX))?;
    let (path, default) = find(key, known)?;
    Some((path, default, true))
}

/// Looks `SECTION__KEY` up. Keys with a dash are written with an underscore in the environment.
fn find<'k>(key: &str, known: &'k Json) -> Option<(Vec<String>, &'k Json)> {
    let mut path = Vec::new();
    let mut node = known;
    for part in key.split("__") {
        let part = part.to_ascii_lowercase();
        let (name, next) =
            node.as_object()?.iter().find(|(name, _)| name.replace('-', "_") == part)?;
        path.push(name.clone());
        node = next;
    }
    // A whole section has no value of its own.
    (!node.is_object()).then_some((path, node))
}

/// Reads the text of a variable as the type that the default has.
fn parse(text: &str, default: &Json) -> Result<Value, &'static str> {
    match default {
        Json::Number(_) => {
            text.trim().parse::<u64>().map(Value::from).map_err(|_| "expected a whole number")
        }
        Json::Bool(_) => {
            text.trim().parse::<bool>().map(Value::from).map_err(|_| "expected true or false")
        }
        Json::Array(_) => parse_list(text)
            .ok_or("expected a list, such as [\"a\", \"b\"] or [{name = \"a\", url = \"b\"}]"),
        _ => Ok(Value::from(text)),
    }
}

/// A list in the inline syntax of TOML, or in JSON.
fn parse_list(text: &str) -> Option<Value> {
    let value = match serde_json::from_str::<Json>(text) {
        Ok(json) => Value::serialize(json).ok()?,
        // Cannot fail: what does not parse comes back as a string, which is no list.
        Err(_) => text.trim().parse::<Value>().ok()?,
    };
    value.as_array().is_some().then_some(value)
}

/// Adds a problem for every key of `values` that `known` lacks.
fn refuse_unknown_keys(
    values: &Dict,
    known: &Json,
    prefix: &str,
    origin: &str,
    problems: &mut Vec<Problem>,
) {
    for (key, value) in values {
        let full = format!("{prefix}{key}");
        match known.get(key) {
            None => problems.push(Problem {
                key: full,
                problem: unknown_key(key, known),
                origin: origin.to_owned(),
            }),
            // A section whose value is no table is reported by the typed reading later.
            Some(section @ Json::Object(_)) => {
                if let Some(inner) = value.as_dict() {
                    refuse_unknown_keys(inner, section, &format!("{full}."), origin, problems);
                }
            }
            Some(_) => {}
        }
    }
}

fn unknown_key(key: &str, known: &Json) -> String {
    let names: Vec<&str> =
        known.as_object().into_iter().flatten().map(|(n, _)| n.as_str()).collect();
    match nearest(key, &names) {
        Some(name) => format!("unknown key; did you mean {name:?}?"),
        None => format!("unknown key; known here are {}", names.join(", ")),
    }
}

fn unknown_variable(key: &str, known: &Json) -> String {
    let mut names = Vec::new();
    collect_variables(known, "", &mut names);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match nearest(key, &names) {
        Some(name) => format!("no such key of the configuration; did you mean {PREFIX}{name}?"),
        None => "no such key of the configuration; config.toml lists all".to_owned(),
    }
}

fn collect_variables(node: &Json, prefix: &str, names: &mut Vec<String>) {
    for (key, value) in node.as_object().into_iter().flatten() {
        let name = format!("{prefix}{}", key.replace('-', "_").to_ascii_uppercase());
        if value.is_object() {
            collect_variables(value, &format!("{name}__"), names);
        } else {
            names.push(name);
        }
    }
}

/// The name with the fewest typing mistakes, when it is close enough to be meant.
fn nearest<'n>(text: &str, names: &[&'n str]) -> Option<&'n str> {
    let (distance, name) = names.iter().map(|name| (edit_distance(text, name), *name)).min()?;
    (distance <= 1 + text.len() / 5).then_some(name)
}

/// Insertions, deletions and replacements that lead from one text to the other.
fn edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}
