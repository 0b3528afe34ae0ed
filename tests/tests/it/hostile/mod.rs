//! What linchpin does when a service is broken or means harm.
//!
//! Each file is a table of one theme: a flow, what the service does in place of an answer, and what must come of it, with how many
//! requests. Of every case the driver asks the same on top: nothing hangs, no more is read than the limits allow, the token goes to
//! its origin and into no text, nothing of what the service made up is sent back to it, records that were given before an error were
//! given once, a write that comes again carries the same key, and a call without fault works right after.

mod case;
mod coding;
mod command;
mod connection;
mod content;
mod file;
mod framing;
mod head;
mod idle;
mod paging;
mod redirect;
mod server;
mod status;
mod token;
mod tracker;

fn all() -> Vec<case::Case> {
    [
        framing::cases(),
        connection::cases(),
        head::cases(),
        redirect::cases(),
        status::cases(),
        token::cases(),
        content::cases(),
        coding::cases(),
        paging::cases(),
        idle::cases(),
        file::cases(),
    ]
    .concat()
}

#[test]
fn there_are_at_least_a_hundred_each_with_a_name_of_its_own() {
    let mut names: Vec<_> = all().iter().map(|case| case.name).collect();
    names.sort_unstable();
    assert!(names.len() >= 100, "only {}", names.len());
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
