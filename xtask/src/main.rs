//! This workspace's own tasks: `cargo xtask build-manifest`.

fn main() -> std::process::ExitCode {
    linchpin_build::main(linchpin_build::Workspace::new("linchpin-app"))
}
