//! Flows against mock servers. One binary, since linking takes longer than running.

mod command;
mod github;
mod outsider;
