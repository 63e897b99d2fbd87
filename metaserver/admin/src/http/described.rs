//! The description of the API, and holding requests to it: what it does not allow is refused before any route sees it.
//!
//! What always holds: description and code cannot differ in types, bounds, lengths and forms of what comes in, because
//! these are checked by the description itself. Whole numbers may be written `51.0`, as JSON Schema says. What no schema
//! can say (that one number is below another) routes check, and answer 422.

use std::sync::LazyLock;

use http::request::Parts;
use serde_json::{Map, Value, json};

use super::forms::Form;
use crate::error::Problem;

/// With forms by name, as routes are held to it.
static OWN: LazyLock<Value> = LazyLock::new(|| {
    let mut document = serde_json::to_value(super::described()).unwrap_or_default();
    tidy(&mut document);
    document
});

/// With forms as patterns, as it is told.
static TOLD: LazyLock<Value> = LazyLock::new(|| {
    let mut document = OWN.clone();
    spell_out(&mut document);
    document
});

/// The OpenAPI 3.1 document of the API, generated from its code.
pub fn openapi() -> &'static Value {
    &TOLD
}

/// Whether a schema is of a type, or of it and null.
fn is(schema: &Value, wanted: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(kind)) => kind == wanted,
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == wanted),
        _ => false,
    }
}

/// Numbers without sign get the bounds of their width, which code has anyway.
fn tidy(value: &mut Value) {
    if is(value, "integer") && value.get("minimum").is_some() {
        let (form, most) = match value.get("format").and_then(Value::as_str) {
            Some("int32") => ("uint32", u64::from(u32::MAX)),
            _ => ("uint64", u64::MAX),
        };
        if let Value::Object(schema) = value {
            schema.insert("format".into(), form.into());
            schema.entry("maximum").or_insert_with(|| most.into());
        }
    }
    each(value, tidy);
}

fn spell_out(value: &mut Value) {
    if let Value::Object(schema) = value
        && let Some(form) = schema.get("format").and_then(Value::as_str).and_then(Form::of)
        && !form.pattern.is_empty()
    {
        schema.remove("format");
        schema.insert("pattern".into(), form.pattern.into());
    }
    each(value, spell_out);
}

fn each(value: &mut Value, change: fn(&mut Value)) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(change),
        Value::Array(items) => items.iter_mut().for_each(change),
        _ => {}
    }
}

/// Holds a body to the schema of that name. Whole numbers that were written otherwise are written as such.
pub(super) fn check_body(name: &str, body: &mut Value) -> Result<(), Problem> {
    let schema = &OWN["components"]["schemas"][name];
    if schema.is_null() {
        return Err(Problem::internal(format!("the description lacks {name}")));
    }
    check(schema, body, "").map_err(|why| why.problem())
}

/// Holds what stands behind the question mark to the description of the route.
pub(crate) fn check_query(parts: &Parts) -> Result<(), Problem> {
    let matched = parts.extensions.get::<axum::extract::MatchedPath>();
    let path = matched.map(|path| path.as_str()).unwrap_or_default();
    let method = match parts.method {
        http::Method::HEAD => "get".to_owned(),
        ref other => other.as_str().to_ascii_lowercase(),
    };
    let Some(Value::Array(known)) = OWN["paths"][path][method.as_str()].get("parameters") else {
        return Ok(());
    };
    let query = parts.uri.query().unwrap_or_default();
    let mut seen = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decoded(name);
        let found = known.iter().find(|one| one["in"] == "query" && one["name"] == name.as_str());
        let Some(found) = found else {
            return Err(Problem::invalid(format!("there is no parameter {name:?}")).with("field", name));
        };
        if seen.contains(&name) {
            return Err(Problem::invalid(format!("{name} is given twice")).with("field", name));
        }
        let text = decoded(value);
        let mut value = match &found["schema"] {
            schema if is(schema, "integer") || is(schema, "number") || is(schema, "boolean") => {
                serde_json::from_str(&text).unwrap_or(Value::String(text))
            }
            _ => Value::String(text),
        };
        check(&found["schema"], &mut value, &name).map_err(|why| why.problem())?;
        seen.push(name);
    }
    let missing = known.iter().filter(|one| one["in"] == "query" && one["required"] == true);
    match missing.filter_map(|one| one["name"].as_str()).find(|name| !seen.iter().any(|known| known == name))
    {
        Some(name) => Err(Problem::invalid(format!("give {name}")).with("field", name)),
        None => Ok(()),
    }
}

fn decoded(text: &str) -> String {
    let bytes = crate::files::read(text.replace('+', " ").as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What is wrong, and where.
struct Why {
    at: String,
    what: String,
}

impl Why {
    fn problem(self) -> Problem {
        let Self { at, what } = self;
        if at.is_empty() {
            return Problem::invalid(what);
        }
        Problem::invalid(format!("{at} {what}")).with("field", at)
    }
}

fn check(schema: &Value, value: &mut Value, at: &str) -> Result<(), Why> {
    let wrong = |what: String| Err(Why { at: at.to_owned(), what });
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let name = name.rsplit('/').next().unwrap_or_default();
        return check(&OWN["components"]["schemas"][name], value, at);
    }
    if value.is_null() && is(schema, "null") {
        return Ok(());
    }
    if is(schema, "integer") {
        let whole = whole(value).filter(|number| within(schema, *number as f64));
        match whole {
            Some(number) => *value = number.into(),
            None => return wrong(format!("is a whole number {}", bounds(schema))),
        }
        let step = schema.get("multipleOf").and_then(Value::as_f64).unwrap_or(1.0) as u64;
        let fits = value.as_u64().is_none_or(|number| number.is_multiple_of(step));
        return if fits { Ok(()) } else { wrong(format!("is a multiple of {step}")) };
    }
    if is(schema, "number") {
        let fine = value.as_f64().is_some_and(|number| within(schema, number));
        return if fine { Ok(()) } else { wrong(format!("is a number {}", bounds(schema))) };
    }
    if is(schema, "boolean") {
        return if value.is_boolean() { Ok(()) } else { wrong("is true or false".into()) };
    }
    if is(schema, "string") {
        let Value::String(text) = value else { return wrong("is text".into()) };
        return check_text(schema, text).or_else(wrong);
    }
    if is(schema, "array") {
        let Value::Array(items) = value else { return wrong("is a list".into()) };
        let count = items.len() as u64;
        let (least, most) = (number(schema, "minItems"), number(schema, "maxItems"));
        if least.is_some_and(|least| count < least) || most.is_some_and(|most| count > most) {
            let (least, most) = (least.unwrap_or(0), most.map(|most| most.to_string()));
            return wrong(format!(
                "has from {least} to {} items",
                most.as_deref().unwrap_or("any number of")
            ));
        }
        for (position, item) in items.iter_mut().enumerate() {
            check(&schema["items"], item, &format!("{at}[{position}]"))?;
        }
        return Ok(());
    }
    if is(schema, "object") {
        let Value::Object(fields) = value else { return wrong("is a JSON object".into()) };
        return check_object(schema, fields, at);
    }
    Ok(())
}

fn check_object(schema: &Value, fields: &mut Map<String, Value>, at: &str) -> Result<(), Why> {
    let under = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    for name in required.filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            return Err(Why { at: under(name), what: "is missing".into() });
        }
    }
    for (name, field) in fields {
        match schema["properties"].get(name) {
            Some(schema) => check(schema, field, &under(name))?,
            None => return Err(Why { at: under(name), what: "is not known here".into() }),
        }
    }
    Ok(())
}

fn number(schema: &Value, name: &str) -> Option<u64> {
    schema.get(name).and_then(Value::as_u64)
}

/// A whole number, however it is written.
fn whole(value: &Value) -> Option<u64> {
    const END: f64 = 18_446_744_073_709_551_616.0;
    value.as_u64().or_else(|| {
        let number = value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..END).contains(number))?;
        Some(number as u64)
    })
}

fn within(schema: &Value, number: f64) -> bool {
    let bound = |name| schema.get(name).and_then(Value::as_f64);
    bound("minimum").is_none_or(|least| number >= least) && bound("maximum").is_none_or(|most| number <= most)
}

fn bounds(schema: &Value) -> String {
    let bound = |name| schema.get(name).cloned().unwrap_or_else(|| json!("any"));
    format!("from {} to {}", bound("minimum"), bound("maximum"))
}

fn check_text(schema: &Value, text: &str) -> Result<(), String> {
    let length = text.chars().count() as u64;
    let (least, most) = (number(schema, "minLength").unwrap_or(0), number(schema, "maxLength"));
    if length < least || most.is_some_and(|most| length > most) {
        let most = most.map_or_else(|| "any number of".to_owned(), |most| most.to_string());
        return Err(format!("has from {least} to {most} characters"));
    }
    if let Some(form) = schema.get("format").and_then(Value::as_str).and_then(Form::of)
        && !form.fits(text)
    {
        let about = schema.get("description").and_then(Value::as_str).filter(|about| !about.is_empty());
        return Err(match (about, form.pattern) {
            (None, "") => format!("is no {}", form.name),
            (None, pattern) => format!("does not have the form {pattern}"),
            (Some(about), "") => format!("is no {}: {about}", form.name),
            (Some(about), pattern) => format!("does not have the form {pattern}: {about}"),
        });
    }
    // The only other patterns are choices between words, of which there may be several.
    let pattern = schema.get("pattern").and_then(Value::as_str).unwrap_or_default();
    if let Some(choices) = pattern.strip_prefix("^(").and_then(|rest| rest.split(')').next()) {
        let several = pattern.contains(")(,");
        let known = |word: &str| choices.split('|').any(|choice| choice == word);
        let fine = if several { text.split(',').all(known) } else { known(text) };
        if !fine {
            return Err(format!(
                "is {}{}",
                if several { "one or more of " } else { "one of " },
                choices.replace('|', ", ")
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(name: &str, mut body: Value) -> Result<Value, String> {
        check_body(name, &mut body).map(|()| body).map_err(|problem| problem.message.clone())
    }

    #[test]
    fn bodies_are_held_to_the_description() {
        assert_eq!(checked("DiskChange", json!({ "weight": 100 })), Ok(json!({ "weight": 100 })));
        assert_eq!(checked("Which", json!({ "disks": [51.0] })), Ok(json!({ "disks": [51] })));
        let refused = [
            ("DiskChange", json!({ "weight": 100.5 }), "weight is a number from 0 to 100"),
            ("DiskChange", json!([1]), "is a JSON object"),
            ("BucketSpec", json!({}), "name is missing"),
            ("DiskChange", json!({ "standing": "removed" }), "standing is one of"),
            ("Terms", json!({ "ends": "replacement" }), "ends is one of"),
            ("Which", json!({ "disks": [51.5] }), "disks[0] is a whole number"),
            ("Which", json!({ "disks": [1e30] }), "disks[0] is a whole number"),
            ("LetGo", json!({ "items": [] }), "items has from 1 to 1000 items"),
            ("LetGo", json!({ "items": [[1, 2]] }), "items[0] is a JSON object"),
            (
                "TokenSpec",
                json!({ "role": "king", "description": "" }),
                "role is one of viewer, operator, admin",
            ),
            ("BucketSpec", json!({ "name": "A" }), "name "),
            ("BucketSpec", json!({ "name": "abc", "more": 1 }), "more is not known here"),
        ];
        for (name, body, why) in refused {
            let found = checked(name, body.clone()).unwrap_err();
            assert!(found.contains(why), "{name} {body}: {found}");
        }
    }

    #[test]
    fn every_reference_and_every_pattern_leads_somewhere() {
        fn walk(value: &Value, at: &str) {
            if let Some(name) = value.get("$ref").and_then(Value::as_str) {
                let name = name.rsplit('/').next().unwrap_or_default();
                assert!(OWN["components"]["schemas"].get(name).is_some(), "{at}: {name}");
            }
            if let Some(pattern) = value.get("pattern").and_then(Value::as_str) {
                assert!(pattern.starts_with("^("), "{at}: {pattern}: give it a form");
            }
            if is(value, "string")
                && let Some(format) = value.get("format").and_then(Value::as_str)
            {
                assert!(Form::of(format).is_some() || format == "binary", "{at}: {format}");
            }
            match value {
                Value::Object(fields) => {
                    fields.iter().for_each(|(name, one)| walk(one, &format!("{at}/{name}")))
                }
                Value::Array(items) => items.iter().for_each(|one| walk(one, at)),
                _ => {}
            }
        }
        walk(&OWN, "");
        for (path, methods) in OWN["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let body = &operation["requestBody"]["content"]["application/json"];
                assert!(body.is_null() || body["schema"]["$ref"].is_string(), "{method} {path}: {body}");
            }
        }
    }
}
