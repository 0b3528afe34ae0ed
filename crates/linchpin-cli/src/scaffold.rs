//! `linchpin new`: a connector that builds at once.

use std::{fs, path::Path};

use serde_json::json;

use crate::{
    args::{Format, New},
    exit::{Exit, Failure, write_stdout},
};

/// The files, by path; `{{..}}` places are filled.
const FILES: [(&str, &str); 8] = [
    ("Cargo.toml", include_str!("template/Cargo.toml.txt")),
    ("specs/{{key}}.toml", include_str!("template/spec.toml")),
    ("src/lib.rs", include_str!("template/lib.rs.txt")),
    ("src/main.rs", include_str!("template/main.rs.txt")),
    ("tests/flows.rs", include_str!("template/flows.rs.txt")),
    ("xtask/Cargo.toml", include_str!("template/xtask.toml.txt")),
    ("xtask/src/main.rs", include_str!("template/xtask.rs.txt")),
    (".cargo/config.toml", include_str!("template/config.toml")),
];

pub(crate) fn new(args: &New, format: Format) -> Result<Exit, Failure> {
    let key = &args.key;
    let good = key.starts_with(|letter: char| letter.is_ascii_lowercase())
        && key.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
    // The key is the name of a crate too.
    let taken = ["linchpin", "xtask", "test", "core", "std", "alloc", "self", "super", "crate"]
        .contains(&key.as_str());
    if !good || taken {
        return Err(Failure::usage(format!("`{key}` cannot be a connector's key"))
            .help("use lower-case letters, digits and `_`, beginning with a letter"));
    }
    let dir = args.dir.clone().unwrap_or_else(|| key.into());
    let shown = dir.display();
    if fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(
            Failure::usage(format!("`{shown}` is not empty")).help("give another folder with `--dir`")
        );
    }
    let places = places(args)?;
    let mut files = Vec::new();
    for (path, text) in FILES {
        let path = fill(path, &places);
        files.push(path.clone());
        let path = dir.join(path);
        let parent = path.parent().unwrap_or(&dir);
        let written = fs::create_dir_all(parent).and_then(|()| fs::write(&path, fill(text, &places)));
        written
            .map_err(|error| Failure::usage(format!("`{}` cannot be written: {error}", path.display())))?;
    }
    let next = format!(
        "made the connector `{key}` in {shown}\n\n  cd {shown}\n  cargo xtask build-manifest    # checks the spec and writes specs/{key}.manifest.json\n  cargo run -- describe {key}\n  cargo test\n"
    );
    let text = match format {
        Format::Human => next,
        Format::Json => format!("{:#}\n", json!({ "key": key, "dir": dir, "files": files })),
    };
    write_stdout(text.as_bytes())?;
    Ok(Exit::Ok)
}

fn places(args: &New) -> Result<Vec<(String, String)>, Failure> {
    let key = &args.key;
    let name: Vec<String> = key
        .split('_')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
        })
        .collect();
    let mut places = vec![
        ("{{key}}".to_owned(), key.clone()),
        ("{{name}}".to_owned(), name.join(" ").trim().to_owned()),
        ("{{host}}".to_owned(), key.replace('_', "-").trim_matches('-').to_owned()),
    ];
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let checkout = match &args.linchpin {
        Some(dir) => {
            let crates = dir.join("crates");
            let crates =
                crates.canonicalize().ok().filter(|crates| crates.join("linchpin/Cargo.toml").is_file());
            Some(crates.ok_or_else(|| {
                Failure::usage(format!("`{}` is no checkout of linchpin", dir.display()))
                    .help("name the folder that holds `crates/linchpin`")
            })?)
        }
        None => built_from.filter(|crates| crates.join("linchpin/Cargo.toml").is_file()).map(Path::to_owned),
    };
    for name in ["linchpin", "linchpin-cli", "linchpin-testing", "linchpin-build"] {
        let dependency = match &checkout {
            Some(crates) => format!("{{ path = {:?} }}", crates.join(name).display().to_string()),
            None => format!("{:?}", env!("CARGO_PKG_VERSION")),
        };
        places.push((format!("{{{{{name}}}}}"), dependency));
    }
    Ok(places)
}

fn fill(text: &str, places: &[(String, String)]) -> String {
    places.iter().fold(text.to_owned(), |text, (place, value)| text.replace(place, value))
}
