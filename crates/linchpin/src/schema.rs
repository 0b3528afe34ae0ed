//! Shapes as JSON Schema 2020-12, with what forms need under `x-linchpin`.

use serde_json::{Map, Value, json};

use crate::shape::{Bounds, FieldInfo, Shape, StructShape};

/// Whose point of view a schema has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What callers give: keys that are no fields are refused.
    Given,
    /// What flows give, and what services send: further keys may come.
    Made,
}

/// The schema of a shape; of an object without fields where there is none.
pub fn schema(shape: Option<Shape>, side: Side) -> Value {
    let Some(shape) = shape else {
        return json!({ "type": "object", "properties": {}, "additionalProperties": false });
    };
    let mut writer = Writer { side, open: Vec::new(), definitions: Map::new() };
    let mut schema = writer.shape(shape);
    if !writer.definitions.is_empty()
        && let Value::Object(schema) = &mut schema
    {
        schema.insert("$defs".into(), Value::Object(writer.definitions));
    }
    schema
}

struct Writer {
    side: Side,
    /// The structs being written, and whether one of their parts refers back to them.
    open: Vec<(&'static str, bool)>,
    definitions: Map<String, Value>,
}

impl Writer {
    fn shape(&mut self, shape: Shape) -> Value {
        match shape {
            Shape::Text => json!({ "type": "string" }),
            Shape::Bool => json!({ "type": "boolean" }),
            Shape::Integer { min, max } => integer(min, max),
            Shape::Number => json!({ "type": "number" }),
            Shape::DateTime => json!({ "type": "string", "format": "date-time" }),
            Shape::File => json!({
                "type": "object",
                "properties": {
                    "name": { "type": "string" },
                    "media_type": { "type": "string" },
                    "content": { "type": "string", "contentEncoding": "base64" },
                },
                "required": ["name", "content"],
                "additionalProperties": false,
            }),
            Shape::FileRef => json!({
                "type": "object",
                "properties": {
                    "file": { "type": "string" },
                    "name": { "type": ["string", "null"] },
                    "type": { "type": ["string", "null"] },
                    "size": { "type": ["integer", "null"], "minimum": 0 },
                },
                "required": ["file"],
                "additionalProperties": false,
            }),
            Shape::Any => json!({}),
            Shape::Map(of) => json!({ "type": "object", "additionalProperties": self.shape(of()) }),
            Shape::List(of) => json!({ "type": "array", "items": self.shape(of()) }),
            Shape::Optional(of) => optional(self.shape(of())),
            Shape::Choice(choices) => {
                let values: Vec<_> = choices.iter().map(|choice| choice.value).collect();
                json!({ "type": "string", "enum": values })
            }
            Shape::Struct(of) => self.object(of),
        }
    }

    fn object(&mut self, of: &'static StructShape) -> Value {
        let name = of.id.replace("::", ".");
        let reference = json!({ "$ref": format!("#/$defs/{name}") });
        if let Some((_, referred)) = self.open.iter_mut().find(|(id, _)| *id == of.id) {
            *referred = true;
            return reference;
        }
        if self.definitions.contains_key(&name) {
            return reference;
        }
        self.open.push((of.id, false));
        let mut properties = Map::new();
        let mut required = Vec::new();
        let mut others = None;
        self.fields(of, &mut properties, &mut required, &mut others);
        let mut object = Map::new();
        object.insert("type".into(), "object".into());
        object.insert("properties".into(), Value::Object(properties));
        if !required.is_empty() {
            object.insert("required".into(), required.into());
        }
        match others {
            Some(others) => drop(object.insert("additionalProperties".into(), others)),
            None if self.side == Side::Given => {
                drop(object.insert("additionalProperties".into(), false.into()))
            }
            None => {}
        }
        let object = Value::Object(object);
        match self.open.pop() {
            Some((_, true)) => {
                self.definitions.insert(name, object);
                reference
            }
            _ => object,
        }
    }

    fn fields(
        &mut self,
        of: &'static StructShape,
        properties: &mut Map<String, Value>,
        required: &mut Vec<Value>,
        others: &mut Option<Value>,
    ) {
        for field in of.fields {
            if field.flatten {
                match (field.shape)() {
                    Shape::Struct(flat) => self.fields(flat, properties, required, others),
                    Shape::Map(of) => *others = Some(self.shape(of())),
                    _ => {}
                }
                continue;
            }
            if field.required() {
                required.push(field.name.into());
            }
            let mut schema = self.shape((field.shape)());
            if let Value::Object(schema) = &mut schema {
                bounds(&field.bounds, (field.shape)(), schema);
                if let Some(default) = field.default {
                    schema.insert("default".into(), default());
                }
                schema.insert("x-linchpin".into(), card(field));
            }
            properties.insert(field.name.into(), schema);
        }
    }
}

/// A whole number; bounds that every reader of JSON keeps exactly are left out where the type has no others.
fn integer(min: i128, max: i128) -> Value {
    let mut schema = json!({ "type": "integer" });
    let exact = |bound: i128| i64::try_from(bound).ok().filter(|bound| bound.unsigned_abs() < 1 << 53);
    if let Some(min) = exact(min) {
        schema["minimum"] = min.into();
    }
    if let Some(max) = exact(max) {
        schema["maximum"] = max.into();
    }
    schema
}

/// A schema that takes null too.
fn optional(mut schema: Value) -> Value {
    let Value::Object(object) = &mut schema else { return schema };
    if object.contains_key("$ref") {
        return json!({ "anyOf": [schema, { "type": "null" }] });
    }
    if let Some(Value::String(of)) = object.get("type").cloned() {
        object.insert("type".into(), json!([of, "null"]));
        if let Some(Value::Array(values)) = object.get_mut("enum") {
            values.push(Value::Null);
        }
    }
    schema
}

fn bounds(bounds: &Bounds, shape: Shape, schema: &mut Map<String, Value>) {
    let shape = match shape {
        Shape::Optional(of) => of(),
        shape => shape,
    };
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            schema.insert(key.into(), value);
        }
    };
    // `10.0` reads better as `10`, and is the same number in JSON Schema.
    let number = |bound: f64| match bound as i64 {
        whole if whole as f64 == bound => Value::from(whole),
        _ => Value::from(bound),
    };
    put("minimum", bounds.min.map(number));
    put("maximum", bounds.max.map(number));
    let list = matches!(shape, Shape::List(_));
    put(if list { "minItems" } else { "minLength" }, bounds.min_length.map(Value::from));
    put(if list { "maxItems" } else { "maxLength" }, bounds.max_length.map(Value::from));
    put("pattern", bounds.pattern.map(Value::from));
}

/// What a form needs beside the schema.
fn card(field: &FieldInfo) -> Value {
    let (kind, list) = card_type((field.shape)());
    let mut card = Map::new();
    card.insert("label".into(), field.label.into());
    card.insert("type".into(), kind.into());
    if list {
        card.insert("list".into(), true.into());
    }
    if !field.help.is_empty() {
        card.insert("help".into(), field.help.into());
    }
    if let Some(group) = field.group {
        card.insert("group".into(), group.into());
    }
    if field.secret {
        card.insert("secret".into(), true.into());
    }
    if let Some(placeholder) = field.placeholder {
        card.insert("placeholder".into(), placeholder.into());
    }
    if let Some(helper) = field.choices {
        let mut choices = json!({ "helper": helper().name });
        if !field.depends_on.is_empty() {
            choices["depends_on"] = json!(field.depends_on);
        }
        card.insert("choices".into(), choices);
    } else if let Shape::Choice(choices) = innermost((field.shape)()) {
        let choices: Vec<_> =
            choices.iter().map(|choice| json!({ "value": choice.value, "label": choice.label })).collect();
        card.insert("choices".into(), json!({ "static": choices }));
    }
    Value::Object(card)
}

fn innermost(shape: Shape) -> Shape {
    match shape {
        Shape::Optional(of) | Shape::List(of) => innermost(of()),
        shape => shape,
    }
}

/// The type as cards know it, and whether it is a list.
fn card_type(shape: Shape) -> (&'static str, bool) {
    match shape {
        Shape::Text | Shape::Choice(_) => ("Text", false),
        Shape::Bool => ("True/False", false),
        Shape::Integer { .. } | Shape::Number => ("Number", false),
        Shape::DateTime => ("Date & Time", false),
        Shape::File | Shape::FileRef => ("File", false),
        Shape::Any | Shape::Map(_) | Shape::Struct(_) => ("Object", false),
        Shape::Optional(of) => card_type(of()),
        Shape::List(of) => (card_type(of()).0, true),
    }
}
