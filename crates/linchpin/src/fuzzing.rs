//! What must hold of any bytes: fuzz targets call it, and tests with what they have found.

use crate::{
    link::next_links,
    request::{PathPiece, build_path},
};

/// A `Link` header's targets stand in it as they are.
pub fn link_header(data: &[u8]) {
    let header = String::from_utf8_lossy(data);
    let links = next_links(&header);
    assert!(links.len() <= header.matches('<').count());
    for link in links {
        assert!(header.contains(&link.target) && !link.target.contains('>'), "{link:?}");
    }
}

/// A value in a path changes neither its host nor its depth. The bytes are pieces, each a letter that says of what kind it is, and a
/// value up to a line break.
pub fn path(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut pieces = vec![PathPiece::Text("/")];
    let mut depth = 1;
    let mut query = false;
    for line in text.split('\n') {
        let mut letters = line.chars();
        match letters.next() {
            Some('v') => pieces.push(PathPiece::Value("v", letters.as_str().into())),
            Some('r') => {
                depth += if query { 0 } else { letters.as_str().matches('/').count() };
                pieces.push(PathPiece::Rest("r", letters.as_str().into()));
            }
            Some('q') if !query => {
                query = true;
                pieces.extend([PathPiece::Text("?q="), PathPiece::Query(letters.as_str().into())]);
            }
            Some('/') if !query => {
                depth += 1;
                pieces.push(PathPiece::Text("/"));
            }
            Some('t') => pieces.push(PathPiece::Text("t-.")),
            _ => {}
        }
    }
    let built = build_path(&pieces);
    let Ok(path) = built.as_str() else { return };
    let uri: http::Uri =
        format!("https://host.example{path}").parse().unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!((uri.host(), uri.port()), (Some("host.example"), None), "{path}");
    assert_eq!(uri.path().matches('/').count(), depth, "{path}");
    assert_eq!(uri.query().is_some(), query, "{path}");
    assert!(!uri.path().contains(['?', '#', '\\']), "{path}");
}

/// Calls with every file of a target's corpus.
#[cfg(test)]
pub(crate) fn replay(target: &str, call: fn(&[u8])) {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../linchpin-runtime/fuzz/corpus/");
    let mut count = 0;
    for entry in std::fs::read_dir(format!("{corpus}{target}")).unwrap() {
        call(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!((1..=100).contains(&count), "{count} files");
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_fuzzing_has_found_holds_of_link_headers() {
        super::replay("link_header", super::link_header);
    }

    #[test]
    fn what_fuzzing_has_found_holds_of_paths() {
        super::replay("path", super::path);
    }
}
