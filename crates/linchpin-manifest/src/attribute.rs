//! The attributes that make flows of functions: one table, by which they are read, found in sources, and shown to people.

/// An attribute that makes flows of functions.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attribute {
    /// Its name, as in `action`.
    pub name: &'static str,
    /// The arguments that it knows.
    pub arguments: &'static [&'static str],
    /// The ways to write it, one for each kind of flow.
    pub forms: &'static [Form],
}

/// A way to write an attribute, for one kind of flow.
#[derive(Debug)]
#[non_exhaustive]
pub struct Form {
    /// The attribute with its arguments; `|` stands between those of which one is chosen.
    pub written: &'static str,
    /// The word for the kind of flow in manifests.
    pub kind: &'static str,
    /// What the function does.
    pub doc: &'static str,
}

/// Every attribute.
pub static ATTRIBUTES: [Attribute; 6] = [
    Attribute {
        name: "action",
        arguments: &["read", "create", "update", "delete", "idempotency", "crate"],
        forms: &[
            Form {
                written: "#[action(read)]",
                kind: "action",
                doc: "Is a card that users see; changes nothing.",
            },
            Form {
                written: "#[action(create | update | delete, idempotency = \"key | natural | none\")]",
                kind: "action",
                doc: "Is a card that users see; writes, and says what repeating that does.",
            },
        ],
    },
    Attribute {
        name: "authping",
        arguments: &["crate"],
        forms: &[Form {
            written: "#[authping]",
            kind: "authping",
            doc: "Checks that a connection works, and whose it is.",
        }],
    },
    Attribute {
        name: "revoke",
        arguments: &["crate"],
        forms: &[Form {
            written: "#[revoke]",
            kind: "revoke",
            doc: "Kills a connection's tokens at the service.",
        }],
    },
    Attribute {
        name: "webhook",
        arguments: &["register", "deregister", "check", "renew", "list", "verify", "event", "hook", "crate"],
        forms: &[
            Form {
                written: "#[webhook(register, hook = \"..\")]",
                kind: "webhook_register",
                doc: "Tells the service where to deliver.",
            },
            Form {
                written: "#[webhook(deregister, hook = \"..\")]",
                kind: "webhook_deregister",
                doc: "Takes that back.",
            },
            Form {
                written: "#[webhook(check, hook = \"..\")]",
                kind: "webhook_check",
                doc: "Asks the service how a registration is.",
            },
            Form {
                written: "#[webhook(renew, hook = \"..\")]",
                kind: "webhook_renew",
                doc: "Keeps a registration from expiring, and mends it.",
            },
            Form {
                written: "#[webhook(list, hook = \"..\")]",
                kind: "webhook_list",
                doc: "Lists what is registered at the service.",
            },
            Form {
                written: "#[webhook(verify, hook = \"..\")]",
                kind: "webhook_verify",
                doc: "Checks that a delivery comes from the service.",
            },
            Form {
                written: "#[webhook(event = \"..\")]",
                kind: "webhook_event",
                doc: "Shapes a delivery into an event.",
            },
        ],
    },
    Attribute {
        name: "helper",
        arguments: &["crate"],
        forms: &[Form {
            written: "#[helper]",
            kind: "helper",
            doc: "Is called by other flows, and gives fields their choices.",
        }],
    },
    Attribute {
        name: "monitor",
        arguments: &["event", "every", "dedupe", "crate"],
        forms: &[Form {
            written: "#[monitor(event = \"..\", every = \"..\", dedupe = \"..\")]",
            kind: "monitor",
            doc: "Looks for news on a schedule.",
        }],
    },
];

/// The attribute with a name.
pub fn find(name: &str) -> Option<&'static Attribute> {
    ATTRIBUTES.iter().find(|attribute| attribute.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_show_every_argument_and_no_other() {
        for attribute in &ATTRIBUTES {
            let mut shown = Vec::new();
            for form in attribute.forms {
                let inside = form.written.strip_prefix(&format!("#[{}", attribute.name)).unwrap();
                // What stands in quotes is a value.
                for part in inside.split('"').step_by(2) {
                    let words = part.split(|letter: char| !letter.is_ascii_alphabetic());
                    shown.extend(words.filter(|word| !word.is_empty()));
                }
            }
            // Where the crate stands is nothing that makes a flow another.
            shown.push("crate");
            let known = |list: &[&'static str]| {
                list.iter().copied().collect::<std::collections::BTreeSet<&'static str>>()
            };
            assert_eq!(known(&shown), known(attribute.arguments), "{}", attribute.name);
        }
    }

    #[cfg(feature = "model")]
    #[test]
    fn the_kinds_are_those_of_manifests() {
        use crate::descriptor::FlowKind;
        for form in ATTRIBUTES.iter().flat_map(|attribute| attribute.forms) {
            let kind: FlowKind = serde_json::from_value(form.kind.into()).unwrap();
            assert_eq!(serde_json::to_value(kind).unwrap(), form.kind);
        }
    }
}
