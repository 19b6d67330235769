//! Every answer of these tests is held against the document of the interface.
//!
//! The document lets clients meet members that they do not know; here such a member is an error, so that
//! none enters an answer without being described.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::support::Reply;

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(api_server::openapi::document()).unwrap());

/// The shapes, in each of which every member is described.
static SHAPES: LazyLock<Value> = LazyLock::new(|| {
    let mut shapes = DOCUMENT["components"]["schemas"].clone();
    for shape in shapes.as_object_mut().unwrap().values_mut() {
        close_parts(shape);
    }
    shapes
});

static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// Checks an answer to `method` at `path` (without its query).
#[track_caller]
pub fn check(method: &Method, path: &str, reply: &Reply) {
    let what = format!("{method} {path}: {} {}", reply.status, reply.text);
    let found = DOCUMENT["paths"].as_object().unwrap().iter().find(|(known, _)| is_at(known, path));
    let operation = found.and_then(|(_, methods)| {
        let name = if method == Method::HEAD { "get" } else { &method.as_str().to_lowercase() };
        methods.get(name)
    });
    let Some(operation) = operation else {
        let is_undescribed = path == "/metrics" || method == Method::OPTIONS;
        if reply.status.is_client_error() {
            return is_problem(&what, method, reply);
        }
        assert!(is_undescribed, "no such operation is described: {what}");
        return;
    };
    let answers = &operation["responses"];
    let status = reply.status.as_str();
    let Some(answer) = answers.get(status) else {
        assert!(reply.status.is_client_error() || reply.status.is_server_error(), "{what}");
        has_headers(&what, &answers["default"], reply);
        return is_problem(&what, method, reply);
    };
    has_headers(&what, answer, reply);
    let Some(contents) = answer.get("content").and_then(Value::as_object) else {
        assert!(reply.text.is_empty(), "no body is described: {what}");
        return;
    };
    let media = reply.header("content-type").split(';').next().unwrap();
    let content = contents.get(media).unwrap_or_else(|| panic!("{media} is not described: {what}"));
    if media == "application/json" && method != Method::HEAD {
        is_of(&what, content["schema"].clone(), reply);
    }
}

/// Every header that must be there is, each has its form, and none of those that some answer is described with is undescribed here.
#[track_caller]
fn has_headers(what: &str, answer: &Value, reply: &Reply) {
    let all = DOCUMENT["components"]["headers"].as_object().unwrap();
    let described: HashMap<_, _> = answer["headers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, to)| {
            let key = to["$ref"].as_str().unwrap().strip_prefix("#/components/headers/").unwrap();
            (name.to_lowercase(), &all[key])
        })
        .collect();
    for key in all.keys() {
        let name = key.strip_suffix(".always").unwrap_or(key).to_lowercase();
        let Some(value) = reply.headers.get(&name) else {
            let is_required = described.get(&name).is_some_and(|it| it["required"] == true);
            assert!(!is_required, "without the header {name}: {what:.2000}");
            continue;
        };
        let Some(header) = described.get(&name) else {
            panic!("the header {name} is not described: {what:.2000}")
        };
        let value = value.to_str().unwrap();
        let of = header["schema"].clone();
        let value = if of["type"] == "integer" { value.parse().unwrap() } else { json!(value) };
        assert!(validator(of).is_valid(&value), "{name}: {value}: {what:.2000}");
    }
}

/// Whether `path` is one of the paths that `known` describes.
fn is_at(known: &str, path: &str) -> bool {
    let mut parts = path.split('/');
    let same = known.split('/').all(|known| match parts.next() {
        Some(part) => known == part || known.starts_with('{') && !part.is_empty(),
        None => false,
    });
    same && parts.next().is_none()
}

#[track_caller]
fn is_problem(what: &str, method: &Method, reply: &Reply) {
    assert_eq!(reply.header("content-type"), "application/problem+json", "{what}");
    if method != Method::HEAD {
        is_of(what, json!({"$ref": "#/components/schemas/Problem"}), reply);
    }
}

#[track_caller]
fn is_of(what: &str, schema: Value, reply: &Reply) {
    let body: Value = serde_json::from_str(&reply.text).unwrap_or_else(|e| panic!("{e}: {what}"));
    let validator = validator(schema);
    let wrong: Vec<_> = validator
        .iter_errors(&body)
        .take(5)
        .map(|error| format!("{}: {error:.300}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "not as described: {wrong:#?}\n{what:.2000}");
}

fn validator(schema: Value) -> Arc<Validator> {
    let key = schema.to_string();
    let mut validators = VALIDATORS.lock().unwrap();
    let known = validators.entry(key).or_insert_with(|| {
        let mut root = schema;
        close(&mut root);
        root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        root["components"] = json!({ "schemas": *SHAPES });
        let options = jsonschema::options().should_validate_formats(true);
        Arc::new(options.build(&root).unwrap())
    });
    Arc::clone(known)
}

/// Where a schema is used for a value, the value has no other members.
fn close(schema: &mut Value) {
    close_parts(schema);
    let Some(members) = schema.as_object_mut() else { return };
    let is_open = |schema: &Map<String, Value>| schema.contains_key("additionalProperties");
    let target =
        members.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
    let target = target.and_then(|name| DOCUMENT["components"]["schemas"][name].as_object());
    let is_object = ["properties", "allOf", "$ref"].iter().any(|name| members.contains_key(*name));
    if is_object && !is_open(members) && !target.is_some_and(is_open) {
        members.insert("unevaluatedProperties".to_owned(), json!(false));
    }
}

/// Closes what the values inside of a value are described by.
fn close_parts(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else { return };
    for name in ["items", "additionalProperties"] {
        members.get_mut(name).into_iter().for_each(close);
    }
    for name in ["oneOf", "anyOf"] {
        members.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten().for_each(close);
    }
    let parts = members.get_mut("allOf").and_then(Value::as_array_mut);
    parts.into_iter().flatten().for_each(close_parts);
    let properties = members.get_mut("properties").and_then(Value::as_object_mut);
    properties.into_iter().flat_map(Map::values_mut).for_each(close);
}

#[test]
fn the_document_that_is_checked_in_is_that_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        stored == api_server::openapi::document(),
        "docs/openapi.json is not up to date: pnl-tracker openapi > docs/openapi.json"
    );
}

#[test]
fn the_document_is_openapi_3_1_and_describes_every_problem() {
    assert!(DOCUMENT["openapi"].as_str().unwrap().starts_with("3.1."), "{}", DOCUMENT["openapi"]);
    let codes: Vec<_> = DOCUMENT["x-errors"]["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["code"])
        .collect();
    assert_eq!(codes.len(), api_server::problems::ALL.len());
    let listed = &DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"]["enum"];
    assert_eq!(listed.as_array().unwrap().iter().collect::<Vec<_>>(), codes);
    for (path, methods) in DOCUMENT["paths"].as_object().unwrap() {
        for operation in methods.as_object().unwrap().values() {
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{path}");
            assert!(operation["responses"].get("default").is_some(), "{path}");
        }
    }
}

#[test]
fn a_missing_and_an_undescribed_header_and_a_wrong_form_are_found() {
    let path = "/api/pnl/batch/results/{job_id}/export.csv";
    let answer = &DOCUMENT["paths"][path]["get"]["responses"]["304"];
    let sound = [
        ("x-request-id", "1"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("etag", "\"0123456789abcdef0123456789abcdef\""),
        ("x-row-count", "7"),
    ];
    let is_sound = |headers: &[(&'static str, &'static str)]| {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let (status, headers) = (StatusCode::NOT_MODIFIED, headers.collect());
        let reply = Reply { status, headers, text: String::new() };
        std::panic::catch_unwind(|| has_headers("a file", answer, &reply)).is_ok()
    };
    assert!(is_sound(&sound));
    for left_out in 0..3 {
        let mut some = sound.to_vec();
        some.remove(left_out);
        assert!(!is_sound(&some), "without {}", sound[left_out].0);
    }
    for wrong in [("x-cache", "HIT"), ("x-row-count", "many"), ("etag", "W/\"1\"")] {
        let mut more = sound.to_vec();
        more.retain(|(name, _)| *name != wrong.0);
        more.push(wrong);
        assert!(!is_sound(&more), "{wrong:?}");
    }
}

#[test]
fn an_undescribed_member_and_a_wrong_type_are_found() {
    let sound = json!({"status": "ok"});
    let validator = validator(json!({"$ref": "#/components/schemas/Liveness"}));
    assert!(validator.is_valid(&sound));
    for wrong in [json!({"status": 1}), json!({}), json!({"status": "ok", "more": 1}), json!([])] {
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
}
