//! What the sources of a package say: annotated functions, and the specs that `connector!` names.
//!
//! Tokens are enough for that, and go further than a parser: a file that does not compile, or that uses syntax newer than
//! this build, is read all the same. Only modules are entered, never bodies or macros: what a macro makes, the registry
//! knows.

use std::{
    collections::BTreeSet,
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use linchpin_manifest::{Location, Source, attribute};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::Lit;
use walkdir::WalkDir;

use crate::workspace::Layout;

/// What the sources of a package say.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Functions with an attribute of linchpin, as far as no `cfg` may leave them out.
    pub(crate) flows: Vec<AnnotatedFn>,
    /// The specs that `connector!` names.
    pub(crate) connectors: Vec<Said>,
    /// The files that some `mod` declares, or that are the root of a crate.
    declared: BTreeSet<PathBuf>,
}

/// A function with an attribute of linchpin.
#[derive(Debug)]
pub(crate) struct AnnotatedFn {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    pub(crate) location: Location,
}

/// A `connector!("..")`.
#[derive(Debug)]
pub(crate) struct Said {
    /// The path as written, relative to the package.
    pub(crate) path: String,
    pub(crate) location: Location,
}

impl Scan {
    /// Reads `src/**/*.rs` below `dir`; `krate` is what the package calls linchpin.
    pub(crate) fn package(layout: &Layout, dir: &Path, krate: &str) -> io::Result<Scan> {
        let src = dir.join("src");
        let mut scan = Scan::default();
        let mut conditional = Vec::new();
        for entry in WalkDir::new(&src).sort_by_file_name() {
            let entry = match entry {
                Ok(entry) => entry,
                // A package may have its sources elsewhere; then the registry alone knows its flows.
                Err(error) if error.depth() == 0 => return Ok(scan),
                Err(error) => return Err(error.into()),
            };
            let file = entry.path();
            if !entry.file_type().is_file() || file.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            // A source that is not UTF-8 is no Rust, so no crate has it.
            let Ok(text) = String::from_utf8(fs::read(file)?) else { continue };
            let Some(found) = read(&text, krate) else { continue };
            if is_root(&src, file) {
                scan.declared.insert(file.to_owned());
            }
            for module in &found.modules {
                let files = module.files(file, is_root(&src, file));
                if module.conditional {
                    conditional.extend(files.iter().cloned());
                }
                scan.declared.extend(files);
            }
            let source = Source::plain(layout.shown(file), text);
            let at = |span: &Range<usize>| Arc::clone(&source).location(span.clone());
            scan.flows.extend(found.flows.iter().map(|flow| AnnotatedFn {
                name: flow.name.clone(),
                file: file.to_owned(),
                location: at(&flow.span),
            }));
            scan.connectors.extend(
                found.connectors.iter().map(|(path, span)| Said { path: path.clone(), location: at(span) }),
            );
        }
        // A file behind a conditional `mod`, with all below it, may be left out as well.
        let below = |file: &Path| {
            conditional.iter().any(|module| {
                let folder = match module.file_name() {
                    Some(name) if name == "mod.rs" => module.parent().unwrap_or(module).to_owned(),
                    _ => module.with_extension(""),
                };
                file == module || file.starts_with(folder)
            })
        };
        scan.flows.retain(|flow| !below(&flow.file));
        Ok(scan)
    }

    /// Whether a file belongs to some crate of the package.
    pub(crate) fn is_declared(&self, file: &Path) -> bool {
        self.declared.contains(file)
    }
}

/// Whether a file is where a crate begins, as far as cargo finds it by itself.
fn is_root(src: &Path, file: &Path) -> bool {
    let parent = file.parent();
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let bin = src.join("bin");
    match name {
        "lib.rs" | "main.rs" if parent == Some(src) => true,
        "main.rs" => parent.and_then(Path::parent) == Some(&bin),
        _ => parent == Some(&bin),
    }
}

/// What one file says.
#[derive(Debug, Default, PartialEq)]
struct Found {
    flows: Vec<FoundFn>,
    connectors: Vec<(String, Range<usize>)>,
    modules: Vec<Module>,
}

#[derive(Debug, PartialEq)]
struct FoundFn {
    name: String,
    span: Range<usize>,
}

/// A `mod name;`.
#[derive(Debug, PartialEq)]
struct Module {
    /// The inline modules around it, and its own name.
    path: Vec<String>,
    /// What `#[path = ".."]` says.
    file: Option<String>,
    conditional: bool,
}

impl Module {
    /// Where the module's file may be, when declared in `file`.
    fn files(&self, file: &Path, root: bool) -> Vec<PathBuf> {
        let folder = file.parent().unwrap_or(Path::new(""));
        let own = root || file.file_name().is_some_and(|name| name == "mod.rs");
        let base = if own { folder.to_owned() } else { file.with_extension("") };
        let (name, around) = match self.path.split_last() {
            Some((name, around)) => (name, around),
            None => return Vec::new(),
        };
        match &self.file {
            // In a file's outermost module the path is relative to the file, further in to the modules' folder.
            Some(path) if around.is_empty() => vec![normal(&folder.join(path))],
            Some(path) => vec![normal(&around.iter().fold(base, |base, part| base.join(part)).join(path))],
            None => {
                let base = around.iter().fold(base, |base, part| base.join(part));
                vec![base.join(format!("{name}.rs")), base.join(name).join("mod.rs")]
            }
        }
    }
}

/// The path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

/// Reads a file; `None` for what is not made of Rust's tokens.
fn read(text: &str, krate: &str) -> Option<Found> {
    let tokens: TokenStream = text.parse().ok()?;
    let mut found = Found::default();
    walk(tokens, krate, &mut Vec::new(), false, &mut found);
    Some(found)
}

/// What the attributes before an item say of it.
#[derive(Debug, Default)]
struct Attributes {
    flow: bool,
    conditional: bool,
    path: Option<String>,
}

impl Attributes {
    fn read(&mut self, group: &Group, krate: &str) {
        let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
        let Some((path, rest)) = path(&tokens) else { return };
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        match parts[..] {
            // An attribute behind `cfg_attr` may not be there either.
            ["cfg" | "cfg_attr"] => self.conditional = true,
            ["path"] => self.path = rest.get(1).and_then(literal).map(|(path, _)| path),
            [name] if attribute::find(name).is_some() => self.flow = true,
            [from, name] if from == krate && attribute::find(name).is_some() => self.flow = true,
            _ => {}
        }
    }
}

/// The path at the beginning, and what comes behind it.
fn path(tokens: &[TokenTree]) -> Option<(Vec<String>, &[TokenTree])> {
    let mut parts = Vec::new();
    let mut rest = tokens;
    if let [TokenTree::Punct(a), TokenTree::Punct(b), after @ ..] = rest
        && (a.as_char(), b.as_char()) == (':', ':')
    {
        rest = after;
    }
    loop {
        let [TokenTree::Ident(part), after @ ..] = rest else { return None };
        parts.push(name(&part.to_string()));
        rest = after;
        match rest {
            [TokenTree::Punct(a), TokenTree::Punct(b), after @ ..]
                if (a.as_char(), b.as_char()) == (':', ':') =>
            {
                rest = after;
            }
            _ => return Some((parts, rest)),
        }
    }
}

/// A name without the mark of raw identifiers.
fn name(ident: &str) -> String {
    ident.strip_prefix("r#").unwrap_or(ident).to_owned()
}

/// The text of a string literal, and where it stands.
fn literal(token: &TokenTree) -> Option<(String, Range<usize>)> {
    let TokenTree::Literal(literal) = token else { return None };
    let Lit::Str(text) = Lit::new(literal.clone()) else { return None };
    Some((text.value(), literal.span().byte_range()))
}

/// Walks the items of a module.
fn walk(
    tokens: TokenStream,
    krate: &str,
    around: &mut Vec<String>,
    mut conditional: bool,
    found: &mut Found,
) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut attributes = Attributes::default();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let rest = &tokens[at + 1..];
        at += 1;
        match token {
            TokenTree::Punct(mark) if mark.as_char() == '#' => match rest {
                [TokenTree::Group(group), ..] if group.delimiter() == Delimiter::Bracket => {
                    attributes.read(group, krate);
                    at += 1;
                }
                // An inner attribute speaks of all that is here.
                [TokenTree::Punct(mark), TokenTree::Group(group), ..] if mark.as_char() == '!' => {
                    let mut inner = Attributes::default();
                    inner.read(group, krate);
                    conditional |= inner.conditional;
                    at += 2;
                }
                _ => {}
            },
            TokenTree::Punct(mark) if mark.as_char() == ';' => attributes = Attributes::default(),
            // The end of an item: its body.
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                attributes = Attributes::default();
            }
            TokenTree::Ident(word) if word == "fn" => {
                if let [TokenTree::Ident(ident), ..] = rest
                    && attributes.flow
                    && !conditional
                    && !attributes.conditional
                {
                    found
                        .flows
                        .push(FoundFn { name: name(&ident.to_string()), span: ident.span().byte_range() });
                }
            }
            TokenTree::Ident(word) if word == "mod" => {
                let [TokenTree::Ident(ident), body, ..] = rest else { continue };
                let attributes = std::mem::take(&mut attributes);
                let conditional = conditional || attributes.conditional;
                around.push(name(&ident.to_string()));
                match body {
                    TokenTree::Group(group) => walk(group.stream(), krate, around, conditional, found),
                    _ => found.modules.push(Module {
                        path: around.clone(),
                        file: attributes.path,
                        conditional,
                    }),
                }
                around.pop();
                at += 2;
            }
            TokenTree::Ident(word) if word == "connector" => {
                if let [TokenTree::Punct(bang), TokenTree::Group(group), ..] = rest
                    && bang.as_char() == '!'
                    && !conditional
                    && !attributes.conditional
                {
                    let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                    found.connectors.extend(inside.first().and_then(literal));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flows(text: &str) -> Vec<String> {
        let found = read(text, "linchpin").expect("tokens");
        found.flows.into_iter().map(|flow| flow.name).collect()
    }

    #[test]
    fn every_attribute_is_seen_in_either_form() {
        let text = r#"
            /// Create Issue
            #[action(create, idempotency = "key")]
            #[must_use]
            pub(crate) async fn create_issue(cx: Context) -> Result<fn() -> u8> { todo }
            #[linchpin::authping] pub async fn authping() {}
            #[::linchpin::revoke] async fn revoke() {}
            #[webhook(register, hook = "project")] async fn register() {}
            #[helper] async fn r#type() {}
            #[monitor(event = "x")] async fn joined() {}
        "#;
        assert_eq!(flows(text), ["create_issue", "authping", "revoke", "register", "type", "joined"]);
    }

    #[test]
    fn what_only_looks_like_a_flow_is_left_alone() {
        let text = r##"
            //! #[action(read)] fn in_docs() {}
            /// ```
            /// #[action(read)]
            /// async fn in_an_example() {}
            /// ```
            struct A;
            // #[action(read)] fn in_a_comment() {}
            const TEXT: &str = r#"#[action(read)] fn in_a_text() {}"#;
            macro_rules! make { ($n:ident) => { #[action(read)] async fn $n() {} } }
            make! { #[action(read)] async fn in_a_macro() {} }
            fn body() { #[action(read)] async fn in_a_body() {} }
            #[other::action] fn of_another_crate() {}
            #[action] struct NoFunction { f: fn(u8) }
            fn after() {}
            #[helper] static F: fn() = after; fn behind() {}
        "##;
        assert_eq!(flows(text), Vec::<String>::new());
    }

    #[test]
    fn a_condition_leaves_out() {
        let text = r#"
            #[cfg(test)] #[action(read)] async fn one() {}
            #[action(read)] #[cfg(feature = "x")] async fn two() {}
            #[cfg_attr(x, action(read))] async fn three() {}
            #[cfg(test)] mod tests { mod deep { #[action(read)] async fn four() {} } }
            mod inner { #![cfg(unix)] #[action(read)] async fn five() {} }
            mod plain { #[action(read)] async fn six() {} }
            #[action(read)] async fn seven() {}
        "#;
        assert_eq!(flows(text), ["six", "seven"]);
        assert_eq!(flows("#![cfg(unix)] #[action(read)] async fn one() {}"), Vec::<String>::new());
    }

    #[test]
    fn a_half_typed_body_hides_nothing() {
        let text = "#[action(read)] async fn one() { mail. } #[action(read)] async fn two() -> { let = ; }";
        assert_eq!(flows(text), ["one", "two"]);
        assert_eq!(read("fn open( {", "linchpin"), None);
    }

    #[test]
    fn the_specs_that_connector_names() {
        let text = r#"
            //! linchpin::connector!("in/docs.toml");
            linchpin::connector!("../../specs/a.toml");
            connector! { "b.toml" }
            #[cfg(test)] connector!("c.toml");
            connector!(PATH);
        "#;
        let found = read(text, "linchpin").expect("tokens");
        let paths: Vec<&str> = found.connectors.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["../../specs/a.toml", "b.toml"]);
        assert_eq!(&text[found.connectors[0].1.clone()], "\"../../specs/a.toml\"");
    }

    #[test]
    fn a_package_is_read_with_its_modules() {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        };
        let flow = |name: &str| format!("#[action(read)]\nasync fn {name}() {{}}\n");
        write(
            "src/lib.rs",
            &format!(
                "mod one;\n#[cfg(x)]\nmod two;\nmod in_line {{ mod deep; #[path = \"far.rs\"] mod near; }}\n{}",
                flow("zero")
            ),
        );
        write("src/one.rs", &format!("mod sub;\n{}", flow("one")));
        write("src/one/sub.rs", &flow("sub"));
        write("src/two/mod.rs", &flow("two"));
        write("src/two/below.rs", &flow("below"));
        write("src/in_line/deep.rs", &flow("deep"));
        write("src/in_line/far.rs", &flow("far"));
        write("src/forgotten.rs", &flow("forgotten"));
        write("src/broken.rs", "fn open( {");
        write("src/notes.txt", &flow("notes"));
        let layout = Layout::bare(dir.path());
        let scan = Scan::package(&layout, &layout.root, "linchpin").expect("a scan");
        let names: Vec<&str> = scan.flows.iter().map(|flow| flow.name.as_str()).collect();
        assert_eq!(names, ["forgotten", "deep", "far", "zero", "sub", "one"]);
        let lost: Vec<&str> = scan
            .flows
            .iter()
            .filter(|flow| !scan.is_declared(&flow.file))
            .map(|flow| flow.name.as_str())
            .collect();
        assert_eq!(lost, ["forgotten"]);
        assert_eq!((scan.flows[0].location.line, scan.flows[0].location.column), (2, 10));
    }

    #[test]
    fn a_package_without_src_says_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let scan = Scan::package(&Layout::bare(dir.path()), dir.path(), "linchpin").expect("a scan");
        assert!(scan.flows.is_empty() && scan.connectors.is_empty());
    }
}
