//! Walks JSON Schemas of flows: their fields, and what lies behind a pointer.

use std::rc::Rc;

use serde_json::Value;

/// Schemas nest no deeper than this; a recursive type is followed so far.
const DEPTH: usize = 12;

/// A property of an object somewhere in a schema.
pub(super) struct Field<'a> {
    /// JSON pointer into a value, with `*` for the items of a list.
    pub(super) pointer: String,
    pub(super) name: &'a str,
    /// What users see it by.
    pub(super) label: &'a str,
    pub(super) schema: &'a Value,
    /// The names of the properties of the same object.
    pub(super) siblings: Rc<[&'a str]>,
}

impl<'a> Field<'a> {
    /// What `x-linchpin` says under this key.
    pub(super) fn card(&self, key: &str) -> Option<&'a Value> {
        card(self.schema, key)
    }

    /// The values to choose from, where they are fixed.
    pub(super) fn choices(&self) -> Option<Vec<&'a Value>> {
        let fixed = self.card("choices")?.get("static")?.as_array()?;
        Some(fixed.iter().filter_map(|choice| choice.get("value")).collect())
    }

    /// The helper that gives the values to choose from, and the fields it depends on.
    pub(super) fn helper(&self) -> Option<(&'a str, Vec<&'a str>)> {
        let choices = self.card("choices")?;
        let depends = choices.get("depends_on").and_then(Value::as_array);
        let depends = depends.map_or_else(Vec::new, |names| names.iter().filter_map(Value::as_str).collect());
        Some((choices.get("helper")?.as_str()?, depends))
    }
}

fn card<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    schema.get("x-linchpin")?.get(key)
}

/// Every property in a schema, outer ones first.
pub(super) fn fields(root: &Value) -> Vec<Field<'_>> {
    let mut found = Vec::new();
    collect(root, root, "", DEPTH, &mut Vec::new(), &mut found);
    found
}

fn collect<'a>(
    root: &'a Value,
    schema: &'a Value,
    pointer: &str,
    depth: usize,
    open: &mut Vec<&'a str>,
    found: &mut Vec<Field<'a>>,
) {
    let Some(depth) = depth.checked_sub(1) else { return };
    // Most schemas are of a plain type: one look at what they have is cheaper than asking for each keyword.
    for (keyword, value) in schema.as_object().into_iter().flatten() {
        match (keyword.as_str(), value) {
            // A type that holds itself shows the same fields again.
            ("$ref", Value::String(target)) if !open.contains(&target.as_str()) => {
                open.push(target);
                if let Some(schema) = target.strip_prefix('#').and_then(|path| root.pointer(path)) {
                    collect(root, schema, pointer, depth, open, found);
                }
                open.pop();
            }
            ("properties", Value::Object(properties)) => {
                let siblings: Rc<[&str]> = properties.keys().map(String::as_str).collect();
                for (name, schema) in properties {
                    let pointer = crate::source::join(pointer, name);
                    let label = card(schema, "label").and_then(Value::as_str).unwrap_or(name);
                    let siblings = siblings.clone();
                    found.push(Field { pointer: pointer.clone(), name, label, schema, siblings });
                    collect(root, schema, &pointer, depth, open, found);
                }
            }
            ("items", Value::Object(_)) => {
                collect(root, value, &format!("{pointer}/*"), depth, open, found);
            }
            ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => {
                for schema in schemas {
                    collect(root, schema, pointer, depth, open, found);
                }
            }
            _ => {}
        }
    }
}

/// The types that a schema takes, but for null; none where it leaves them open.
pub(super) fn types<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a str> {
    let mut found = Vec::new();
    collect_types(root, schema, DEPTH, &mut found);
    found
}

fn collect_types<'a>(root: &'a Value, schema: &'a Value, depth: usize, found: &mut Vec<&'a str>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match schema.get("type") {
        Some(Value::String(one)) => found.push(one),
        Some(Value::Array(several)) => found.extend(several.iter().filter_map(Value::as_str)),
        _ => {}
    }
    if let Some(schema) =
        schema.get("$ref").and_then(Value::as_str).and_then(|target| root.pointer(target.strip_prefix('#')?))
    {
        collect_types(root, schema, depth, found);
    }
    for schema in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        collect_types(root, schema, depth, found);
    }
    found.retain(|kind| *kind != "null");
}

/// Whether a schema has the place that a pointer names; nothing where the schema leaves it open.
pub(super) fn has(root: &Value, pointer: &str) -> Option<bool> {
    let steps: Vec<String> =
        pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
    look(root, root, &steps, DEPTH)
}

fn look(root: &Value, schema: &Value, steps: &[String], depth: usize) -> Option<bool> {
    let depth = depth.checked_sub(1)?;
    let Some((step, rest)) = steps.split_first() else { return Some(true) };
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        return look(root, root.pointer(target.strip_prefix('#')?)?, steps, depth);
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        if let Some(schemas) = schema.get(key).and_then(Value::as_array) {
            let answers: Vec<_> = schemas.iter().map(|schema| look(root, schema, steps, depth)).collect();
            if answers.contains(&Some(true)) {
                return Some(true);
            }
            if answers.contains(&None) {
                return None;
            }
        }
    }
    if let Some(schema) = schema.get("properties").and_then(|properties| properties.get(step)) {
        return look(root, schema, rest, depth);
    }
    if step.bytes().all(|b| b.is_ascii_digit())
        && let Some(items) = schema.get("items")
    {
        return look(root, items, rest, depth);
    }
    let typed = schema.get("properties").is_some() || schema.get("type").is_some_and(|kind| kind != "object");
    let closed = schema.get("additionalProperties").is_none_or(|more| more == false);
    (typed && closed || schema.get("anyOf").is_some() || schema.get("oneOf").is_some()).then_some(false)
}

/// The names that an object schema requires.
pub(super) fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Whether the root of a schema is an object.
pub(super) fn is_object(root: &Value) -> bool {
    let mut schema = root;
    for _ in 0..DEPTH {
        match schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#')) {
            Some(path) => match root.pointer(path) {
                Some(target) => schema = target,
                None => return false,
            },
            None => break,
        }
    }
    schema.get("type").is_some_and(|kind| kind == "object")
        || schema.get("properties").is_some()
        || ["oneOf", "anyOf", "allOf"].iter().any(|key| {
            let schemas = schema.get(key).and_then(Value::as_array);
            schemas.is_some_and(|schemas| {
                !schemas.is_empty()
                    && schemas.iter().all(|schema| {
                        schema.get("$ref").is_some()
                            || schema.get("type").is_some_and(|kind| kind == "object")
                    })
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_recursive_type_ends() {
        let schema = json!({
            "$ref": "#/$defs/Node",
            "$defs": { "Node": { "properties": { "next": { "$ref": "#/$defs/Node" }, "id": {} } } },
        });
        assert_eq!(fields(&schema).len(), 2);
        assert_eq!(has(&schema, "/next/next/id"), Some(true));
        assert_eq!(has(&schema, "/next/other"), Some(false));
        assert!(!is_object(&json!({ "$ref": "#" })));
    }

    #[test]
    fn an_open_object_leaves_it_open() {
        assert_eq!(has(&json!({ "type": "object" }), "/id"), None);
        assert_eq!(has(&json!({ "type": "string" }), "/id"), Some(false));
        assert_eq!(has(&json!(true), "/id"), None);
    }
}
