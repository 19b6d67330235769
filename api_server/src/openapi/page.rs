//! The document as a page: plain HTML without scripts, so that it works wherever the service does.

use std::fmt::Write;
use std::sync::LazyLock;

use serde_json::Value;

use super::document;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em}\
     code,pre{font-family:ui-monospace,monospace;font-size:.92em}h2{margin-top:2.2em}\
     h3{margin:1.8em 0 .2em}table{border-collapse:collapse;margin:.4em 0 1em}\
     td,th{border:1px solid #8886;padding:.2em .6em;text-align:left;vertical-align:top}";

/// The page.
pub fn html() -> &'static str {
    static PAGE: LazyLock<String> = LazyLock::new(|| {
        let document: Value = serde_json::from_str(document()).unwrap_or_default();
        write(&document).unwrap_or_default()
    });
    &PAGE
}

fn write(document: &Value) -> Result<String, std::fmt::Error> {
    let mut page = String::new();
    let out = &mut page;
    write!(
        out,
        "<!doctype html><html lang=en><meta charset=utf-8><title>pnl-tracker {0}</title>\
         <style>{STYLE}</style><h1>pnl-tracker {0}</h1><p>{1}</p>\
         <p><a href=\"/api/openapi.json\">OpenAPI 3.1</a> · <a href=\"#shapes\">shapes</a> · \
         <a href=\"#errors\">errors</a></p><h2>Routes</h2>",
        escaped(&document["info"]["version"]),
        escaped(&document["info"]["description"]),
    )?;
    for (path, methods) in members(&document["paths"]) {
        for (method, operation) in members(methods) {
            route(out, path, method, operation)?;
        }
    }
    out.push_str(
        "<h2 id=\"numbered-pages\">Numbered pages</h2><p><code>page</code> of \
         <code>/api/pnl/results</code> is kept for clients that count pages; \
         <code>next_cursor</code> goes on from any of them, and is not moved by rows that are added.</p>\
         <h2 id=\"shapes\">Shapes</h2>",
    );
    for (name, schema) in members(&document["components"]["schemas"]) {
        shape(out, name, schema)?;
    }
    out.push_str("<h2 id=\"errors\">Errors</h2><table><tr><th>code<th>status<th>meaning");
    for problem in list(&document["x-errors"]["problems"]) {
        write!(
            out,
            "<tr><td><code>{0}</code><td>{1}<td><b>{2}</b><br>{3}",
            escaped(&problem["code"]),
            problem["status"],
            escaped(&problem["title"]),
            escaped(&problem["description"]),
        )?;
    }
    out.push_str("</table><h3>Codes of fields</h3><table>");
    for field in list(&document["x-errors"]["fields"]) {
        let (code, meaning) = (escaped(&field["code"]), escaped(&field["description"]));
        write!(out, "<tr><td><code>{code}</code><td>{meaning}")?;
    }
    out.push_str("</table></html>\n");
    Ok(page)
}

fn route(out: &mut String, path: &str, method: &str, operation: &Value) -> std::fmt::Result {
    write!(
        out,
        "<h3><code>{} {}</code></h3><p>{}</p>",
        method.to_uppercase(),
        escape(path),
        escaped(&operation["summary"])
    )?;
    let parameters = list(&operation["parameters"]);
    if !parameters.is_empty() {
        out.push_str("<table>");
        for one in parameters {
            let mark = if one["required"] == true { " *" } else { "" };
            write!(
                out,
                "<tr><td><code>{}</code>{mark}<td>{}<td>{}<td>{}",
                escaped(&one["name"]),
                escaped(&one["in"]),
                kind(&one["schema"]),
                escaped(&one["description"])
            )?;
        }
        out.push_str("</table>");
    }
    for (_, content) in members(&operation["requestBody"]["content"]) {
        write!(out, "<p>Body: {}</p>", kind(&content["schema"]))?;
    }
    out.push_str("<table>");
    for (status, answer) in members(&operation["responses"]) {
        let mut bodies = String::new();
        for (media, content) in members(&answer["content"]) {
            write!(bodies, "{} {} ", escape(media), kind(&content["schema"]))?;
        }
        write!(out, "<tr><td>{status}<td>{}<td>{bodies}", escaped(&answer["description"]))?;
    }
    out.push_str("</table>");
    Ok(())
}

fn shape(out: &mut String, name: &str, schema: &Value) -> std::fmt::Result {
    write!(
        out,
        "<h3 id=\"{0}\">{0}</h3><p>{1}</p>",
        escape(name),
        escaped(&schema["description"])
    )?;
    let mut parts = vec![schema];
    parts.extend(list(&schema["allOf"]));
    for part in parts {
        if part.get("$ref").is_some() {
            write!(out, "<p>All of {}, and</p>", kind(part))?;
        }
        let required = list(&part["required"]);
        let properties = members(&part["properties"]);
        if properties.is_empty() {
            continue;
        }
        out.push_str("<table>");
        for (member, of) in properties {
            let mark = if required.iter().any(|name| name == member) { "" } else { " ?" };
            let description = escaped(&of["description"]);
            write!(
                out,
                "<tr><td><code>{}</code>{mark}<td>{}<td>{description}",
                escape(member),
                kind(of)
            )?;
        }
        out.push_str("</table>");
    }
    Ok(())
}

/// A schema in a few words, with a link to a shape.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#{0}\">{0}</a>", escape(name));
    }
    for name in ["oneOf", "anyOf"] {
        let all: Vec<_> = list(&schema[name]).iter().map(kind).collect();
        if !all.is_empty() {
            return all.join(" or ");
        }
    }
    let values: Vec<_> = list(&schema["enum"]).iter().map(escaped).collect();
    if !values.is_empty() {
        return values.join(", ");
    }
    if schema["type"] == "array" {
        return format!("list of {}", kind(&schema["items"]));
    }
    match &schema["type"] {
        Value::Array(types) => types.iter().map(escaped).collect::<Vec<_>>().join(" or "),
        one => escaped(one),
    }
}

fn members(object: &Value) -> Vec<(&String, &Value)> {
    object.as_object().map(|object| object.iter().collect()).unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn escaped(value: &Value) -> String {
    escape(value.as_str().unwrap_or_default())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
