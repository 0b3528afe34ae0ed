//! Inputs and options from files and from `field=value`, read by their types.

use std::{collections::BTreeMap, fs, io::Read as _, path::Path};

use linchpin::{
    File, FileRef,
    shape::{FieldInfo, Shape},
};
use serde_json::value::RawValue;

use crate::{catalogue::suggest, exit::Failure, local};

/// JSON as it was written: only objects are taken apart, so that numbers keep their digits.
#[derive(Debug)]
enum Node {
    Object(BTreeMap<String, Node>),
    List(Vec<Node>),
    Text(String),
}

/// The input or options of a call: a file, with single fields set over it. What is to be streamed is added to `files`.
pub(crate) fn build(
    file: Option<&str>,
    set: &[String],
    shape: Option<Shape>,
    files: &mut Vec<FileRef>,
) -> Result<String, Failure> {
    let mut root = match file {
        Some(file) => {
            parse(&read(file)?).map_err(|error| Failure::usage(format!("`{file}` is not JSON: {error}")))?
        }
        None => Node::Object(BTreeMap::new()),
    };
    for assignment in set {
        let Some((path, value)) = assignment.split_once('=') else {
            return Err(Failure::usage(format!("`{assignment}` sets nothing")).help("write FIELD=VALUE"));
        };
        let mut at = &mut root;
        let mut of = shape;
        for name in path.split('.') {
            let Node::Object(fields) = at else {
                return Err(Failure::usage(format!("`{path}` stands in something that is no object")));
            };
            of = field(of, name, path)?;
            at = fields.entry(name.to_owned()).or_insert_with(|| Node::Object(BTreeMap::new()));
        }
        put(at, value, of, path, files)?;
    }
    Ok(root.text())
}

/// A file's text, or stdin's for `-`.
pub(crate) fn read(file: &str) -> Result<String, Failure> {
    let text = if file == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    text.map_err(|error| Failure::usage(format!("`{file}` cannot be read: {error}")))
}

fn parse(text: &str) -> serde_json::Result<Node> {
    let text = text.trim();
    Ok(if text.starts_with('{') {
        let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text)?;
        let fields = fields.into_iter().map(|(name, value)| Ok((name, parse(value.get())?)));
        Node::Object(fields.collect::<serde_json::Result<_>>()?)
    } else {
        Node::Text(serde_json::from_str::<Box<RawValue>>(text)?.get().to_owned())
    })
}

impl Node {
    fn text(&self) -> String {
        match self {
            Node::Text(text) => text.clone(),
            Node::List(items) => format!("[{}]", items.iter().map(Node::text).collect::<Vec<_>>().join(",")),
            Node::Object(fields) => {
                let fields = fields.iter().map(|(name, node)| format!("{}:{}", quoted(name), node.text()));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
            }
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The type of a field; nothing where the type does not say.
fn field(of: Option<Shape>, name: &str, path: &str) -> Result<Option<Shape>, Failure> {
    match of.map(plain) {
        Some(Shape::Struct(of)) => {
            let mut names = Vec::new();
            if let Some(found) = find(of.fields, name, &mut names) {
                return Ok(found);
            }
            Err(Failure::usage(format!("`{path}` is no field")).help(suggest(name, &names)))
        }
        Some(Shape::Map(of)) => Ok(Some(of())),
        Some(Shape::Any) => Ok(Some(Shape::Any)),
        Some(_) => Err(Failure::usage(format!("`{path}` stands in something that has no fields"))),
        None => Err(Failure::usage(format!("`{path}` cannot be set: the flow takes nothing here"))),
    }
}

fn find(fields: &'static [FieldInfo], name: &str, names: &mut Vec<&'static str>) -> Option<Option<Shape>> {
    for field in fields {
        if !field.flatten && field.name == name {
            return Some(Some((field.shape)()));
        }
        if field.flatten {
            let found = match (field.shape)() {
                Shape::Struct(flat) => find(flat.fields, name, names),
                Shape::Map(of) => Some(Some(of())),
                _ => None,
            };
            if found.is_some() {
                return found;
            }
        } else {
            names.push(field.name);
        }
    }
    None
}

fn plain(shape: Shape) -> Shape {
    match shape {
        Shape::Optional(of) => plain(of()),
        shape => shape,
    }
}

fn put(
    at: &mut Node,
    value: &str,
    shape: Option<Shape>,
    path: &str,
    files: &mut Vec<FileRef>,
) -> Result<(), Failure> {
    if let Some(Shape::List(of)) = shape.map(plain)
        && !value.starts_with('[')
    {
        let item = node(value, Some(of()), path, files)?;
        match at {
            Node::List(items) => items.push(item),
            at => *at = Node::List(vec![item]),
        }
        return Ok(());
    }
    *at = node(value, shape, path, files)?;
    Ok(())
}

fn node(value: &str, shape: Option<Shape>, path: &str, files: &mut Vec<FileRef>) -> Result<Node, Failure> {
    let json = |like: &str| {
        parse(value).map_err(|_| Failure::usage(format!("`{path}` is {like}, and `{value}` is none")))
    };
    Ok(match shape.map(plain) {
        Some(Shape::Text | Shape::DateTime | Shape::Choice(_)) => Node::Text(quoted(value)),
        Some(Shape::Bool) => match value {
            "true" | "false" => Node::Text(value.to_owned()),
            _ => return Err(Failure::usage(format!("`{path}` is `true` or `false`, not `{value}`"))),
        },
        Some(Shape::Integer { .. } | Shape::Number) => match value.parse::<linchpin::Number>() {
            Ok(number) => Node::Text(number.as_str().to_owned()),
            Err(_) => return Err(Failure::usage(format!("`{path}` is a number, and `{value}` is none"))),
        },
        Some(Shape::File) if value.starts_with('@') => file(&value[1..])?,
        Some(Shape::FileRef) => match value.strip_prefix('@') {
            Some(file) => {
                let file = local::open(file)?;
                let text = serde_json::to_string(&file).map_err(|error| Failure::usage(error.to_string()))?;
                files.push(file);
                Node::Text(text)
            }
            None => {
                return Err(Failure::usage(format!("`{path}` is a file, and `{value}` is none"))
                    .help("write `@PATH`"));
            }
        },
        Some(Shape::File) => json("a file, as `@PATH` or JSON")?,
        Some(Shape::List(_)) => json("a list")?,
        Some(Shape::Struct(_) | Shape::Map(_)) => json("an object")?,
        // Of a value of any type the text decides.
        _ => parse(value).unwrap_or_else(|_| Node::Text(quoted(value))),
    })
}

fn file(path: &str) -> Result<Node, Failure> {
    let content =
        fs::read(path).map_err(|error| Failure::usage(format!("`{path}` cannot be read: {error}")))?;
    let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = File { name, media_type: None, content: content.into() };
    let text = serde_json::to_string(&file).map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Node::Text(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use linchpin::{fields, shape::FieldType as _};

    #[fields]
    struct New {
        title: String,
        count: u64,
        price: linchpin::Number,
        labels: Vec<String>,
        urgent: Option<bool>,
        owner: Owner,
        any: serde_json::Value,
        #[field(flatten)]
        more: More,
    }

    #[fields]
    struct Owner {
        name: String,
    }

    #[fields]
    struct More {
        milestone: Option<u64>,
    }

    fn built(set: &[&str]) -> Result<String, String> {
        let set: Vec<String> = set.iter().map(|text| (*text).to_owned()).collect();
        build(None, &set, Some(New::shape()), &mut Vec::new()).map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn values_are_read_by_their_types() {
        let json = built(&[
            "title=5",
            "count=5",
            "price=1.50",
            "labels=a",
            "labels=b=c",
            "urgent=true",
            "owner.name=x",
            "any={\"k\":[0.10]}",
            "milestone=3",
        ]);
        let expected = r#"{"any":{"k":[0.10]},"count":5,"labels":["a","b=c"],"milestone":3,"owner":{"name":"x"},"price":1.50,"title":"5","urgent":true}"#;
        assert_eq!(json.unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_is_told() {
        assert!(built(&["titel=x"]).unwrap_err().contains("did you mean `title`?"));
        assert!(built(&["count=many"]).unwrap_err().contains("is a number"));
        assert!(built(&["urgent=1"]).unwrap_err().contains("`true` or `false`"));
        assert!(built(&["title"]).unwrap_err().contains("FIELD=VALUE"));
        assert!(built(&["title.x=1"]).unwrap_err().contains("has no fields"));
        assert!(build(None, &["a=b".into()], None, &mut Vec::new()).is_err());
    }
}
