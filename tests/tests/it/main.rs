//! Flows against mock servers. One binary, since linking takes longer than running.

mod github;
