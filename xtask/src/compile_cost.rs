//! What a flow costs to compile: a generated connector, with the attribute and without it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::Args;

use crate::{cargo, output, root};

/// The arguments of `compile-cost`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many actions the connector has, each with two structs of five fields
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..))]
    flows: u32,
    /// Build in release; without it the connector is only checked
    #[arg(long)]
    release: bool,
}

/// What the generated functions are beside being functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variant {
    /// Flows.
    Flows,
    /// Nothing: rustc then sees no use of them, and makes no code of an async function that nobody calls.
    Uncalled,
    /// Boxed by a plain function each, so that code is made of them.
    Called,
}

/// `cargo xtask compile-cost`.
#[allow(clippy::print_stdout, reason = "the table is what was asked for")]
pub(crate) fn command(options: &Options) -> Result<()> {
    let folder = Folder::new(root().join("target/compile-cost"))?;
    // First the dependencies with an empty connector, which are not counted; then that connector again, as the fixed part.
    folder.write(&connector(0, Variant::Flows))?;
    folder.compile(options.release)?;
    let fixed = folder.measure(&connector(0, Variant::Called), options.release)?;
    let per_flow = |variant| -> Result<f64> {
        let spent = folder.measure(&connector(options.flows, variant), options.release)?;
        Ok(spent.saturating_sub(fixed) as f64 / f64::from(options.flows))
    };
    let (flows, uncalled, called) =
        (per_flow(Variant::Flows)?, per_flow(Variant::Uncalled)?, per_flow(Variant::Called)?);
    let how = if options.release { "built in release" } else { "checked" };
    println!("{} flows {how}, milliseconds of CPU time for each:", options.flows);
    println!("{flows:8.1}  with the attribute");
    println!("{uncalled:8.1}  without it, called by nothing: the attribute adds {:.1}", flows - uncalled);
    println!("{called:8.1}  without it, each called once: the attribute adds {:.1}", flows - called);
    Ok(())
}

/// The folder of the generated package, with a target folder of its own in it.
struct Folder(PathBuf);

impl Folder {
    fn new(folder: PathBuf) -> Result<Folder> {
        let manifest = format!(
            "[workspace]\n\n[package]\nname = \"measured\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\nlinchpin = {{ path = {:?} }}\n",
            root().join("crates/linchpin")
        );
        fs::create_dir_all(folder.join("src"))
            .with_context(|| format!("`{}` cannot be made", folder.display()))?;
        write(&folder.join("Cargo.toml"), &manifest)?;
        write(&folder.join("measured.toml"), SPEC)?;
        fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock"))
            .context("`Cargo.lock` cannot be copied")?;
        Ok(Folder(folder))
    }

    fn write(&self, connector: &str) -> Result<()> {
        write(&self.0.join("src/lib.rs"), connector)
    }

    fn compile(&self, release: bool) -> Result<()> {
        let how: &[&str] = if release { &["build", "--release"] } else { &["check"] };
        let mut command = cargo();
        command.args(how).args(["--offline", "--quiet"]).current_dir(&self.0);
        command.env("CARGO_TARGET_DIR", self.0.join("target"));
        // What an earlier run left would make the next one cheaper; what this one writes would make it dearer.
        command.env("CARGO_INCREMENTAL", "0");
        // Of the task itself, not of the package that it compiles.
        command.env_remove("CARGO_MANIFEST_DIR");
        output(&mut command).map(drop)
    }

    /// The milliseconds of CPU time that cargo and all that it starts take for a connector.
    fn measure(&self, connector: &str, release: bool) -> Result<u64> {
        self.write(connector)?;
        let before = children()?;
        self.compile(release)?;
        Ok(children()? - before)
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("`{}` cannot be written", path.display()))
}

/// The CPU time of every child that has ended, with theirs, in milliseconds: Linux tells it without a library.
fn children() -> Result<u64> {
    let stat = fs::read_to_string("/proc/self/stat")
        .context("CPU time is read from `/proc/self/stat`, which only Linux has; measure there")?;
    ticks(&stat).map(|ticks| ticks * 10).context("`/proc/self/stat` cannot be read")
}

/// User and system time of the children out of the line of `/proc/self/stat`, in hundredths of a second.
fn ticks(stat: &str) -> Option<u64> {
    // The second field, the program's name in parentheses, may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(13).map(str::parse::<u64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

const SPEC: &str = r#"schema = 1
key = "measured"
name = "Measured"
version = "0.1.0"

[http]
base_url = "https://measured.example"
"#;

/// The source of a connector with so many actions.
fn connector(flows: u32, variant: Variant) -> String {
    let mut text = "//! A connector to be compiled.\n\nuse linchpin::prelude::*;\n\nlinchpin::connector!(\"measured.toml\");\n"
        .to_owned();
    for number in 0..flows {
        let attribute = match variant {
            Variant::Flows => "#[action(create, idempotency = \"none\")]\n",
            Variant::Uncalled | Variant::Called => "",
        };
        text += &FLOW.replace("ATTRIBUTE\n", attribute).replace("NUMBER", &number.to_string());
        if variant == Variant::Called {
            text += &CALL.replace("NUMBER", &number.to_string());
        }
    }
    text
}

const FLOW: &str = r#"
/// What new thing NUMBER needs.
#[fields]
pub struct NewThingNUMBER {
    /// Project
    pub project: String,
    /// Title
    pub title: String,
    /// Body
    pub body: Option<String>,
    /// How many
    pub count: u32,
    /// Urgent
    pub urgent: bool,
}

/// Thing NUMBER of a project.
#[fields]
pub struct ThingNUMBER {
    /// Number
    pub number: u64,
    /// Title
    pub title: String,
    /// Body
    pub body: Option<String>,
    /// Labels
    pub labels: Vec<String>,
    /// Opened
    pub opened_at: Option<DateTime>,
}

/// Create Thing NUMBER
///
/// Makes a thing in a project and returns it.
ATTRIBUTE
pub async fn create_thing_NUMBER(cx: Context, Input(new): Input<NewThingNUMBER>) -> Result<ThingNUMBER> {
    cx.post(path!("/projects/{new.project}/things")).json(&new).send().await?.json()
}
"#;

const CALL: &str = r#"
/// Calls it.
pub fn call_NUMBER(cx: Context, new: Input<NewThingNUMBER>) -> linchpin::flow::BoxFuture<'static, Result<ThingNUMBER>> {
    Box::pin(create_thing_NUMBER(cx, new))
}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_flows_have_the_attribute_and_only_the_called_are_called() {
        let count = |variant, what: &str| connector(3, variant).matches(what).count();
        for variant in [Variant::Flows, Variant::Uncalled, Variant::Called] {
            assert_eq!(count(variant, "pub async fn create_thing_"), 3);
            assert_eq!(count(variant, "#[fields]"), 6);
            assert_eq!(count(variant, "#[action("), if variant == Variant::Flows { 3 } else { 0 });
            assert_eq!(count(variant, "pub fn call_"), if variant == Variant::Called { 3 } else { 0 });
            assert_eq!(count(variant, "NUMBER") + count(variant, "ATTRIBUTE"), 0);
        }
    }

    #[test]
    fn times_of_children_are_found_behind_any_name() {
        let stat = "7 (a) b) (c) S 1 2 3 4 5 6 7 8 9 10 11 12 120 30 20 0 1";
        assert_eq!(ticks(stat), Some(150));
        assert_eq!(ticks("7 (a) S 1"), None);
    }
}
