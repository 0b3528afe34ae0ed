//! The connectors of a command line, and how they are named there.

use linchpin::{Connector, flow::FlowDescriptor};

use crate::exit::Failure;

/// The connectors of a command line, sorted by key.
#[derive(Debug)]
pub(crate) struct Catalogue(Vec<Connector>);

impl Catalogue {
    pub(crate) fn new(connectors: impl IntoIterator<Item = Connector>) -> Catalogue {
        let mut connectors: Vec<Connector> = connectors.into_iter().collect();
        connectors.sort_by(|one, other| one.key().cmp(other.key()));
        Catalogue(connectors)
    }

    pub(crate) fn connectors(&self) -> &[Connector] {
        &self.0
    }

    pub(crate) fn connector(&self, key: &str) -> Result<&Connector, Failure> {
        self.0.iter().find(|connector| connector.key() == key).ok_or_else(|| {
            let keys: Vec<&str> = self.0.iter().map(Connector::key).collect();
            Failure::usage(format!("there is no connector `{key}`")).help(suggest(key, &keys))
        })
    }

    pub(crate) fn flow(&self, name: &str) -> Result<(&Connector, &'static FlowDescriptor), Failure> {
        let Some((key, flow)) = name.split_once('.') else {
            return Err(Failure::usage(format!("`{name}` names no flow")).help("write CONNECTOR.FLOW"));
        };
        let connector = self.connector(key)?;
        let found = connector.flow(flow).ok_or_else(|| {
            let names: Vec<&str> = connector.flows().iter().map(|flow| flow.name).collect();
            let help = match suggest(flow, &names) {
                all if all.starts_with("there are ") => format!("`linchpin describe {key}` lists them all"),
                nearest => nearest,
            };
            Failure::usage(format!("the connector `{key}` has no flow `{flow}`")).help(help)
        })?;
        Ok((connector, found))
    }
}

/// The nearest of the known names, or all of them.
pub(crate) fn suggest(given: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|name| (distance(given, name), name)).min();
    match nearest {
        Some((distance, name)) if distance <= 2 + given.len() / 4 => format!("did you mean `{name}`?"),
        _ if known.is_empty() => "there are none".to_owned(),
        _ => format!(
            "there are {}",
            known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// How many letters must change (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = index + 1;
        for (at, other) in other.iter().enumerate() {
            let changed = corner + usize::from(letter != *other);
            corner = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(corner + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested() {
        assert_eq!(suggest("lst_issues", &["create_issue", "list_issues"]), "did you mean `list_issues`?");
        assert_eq!(suggest("zzzzz", &["a", "b"]), "there are `a`, `b`");
    }
}
