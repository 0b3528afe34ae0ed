//! Lists of pages with nothing on them.
//!
//! These hold once lists without progress are noticed; until then this file is in no table.

use linchpin::Code::PagingStuck;

use super::{
    case::{Case, case, hold},
    server::json,
    tracker::{CURSOR, NEXT_URL},
};

// A table: what is wrong, what the service does, and below it what must come of it.
#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let cursors = std::array::from_fn::<_, 30, _>(|page| json(&format!("{{\"items\":[],\"next\":\"c{page}\"}}")));
    let urls = std::array::from_fn::<_, 30, _>(|page| json(&format!("{{\"items\":[],\"next\":\"/p{page}\"}}")));
    vec![
        case("list", "pages without records, each with a new cursor", cursors)
            .spec(CURSOR).fails(PagingStuck, "", 20).or_fewer(),
        case("list", "pages without records, each with a new next", urls)
            .spec(NEXT_URL).fails(PagingStuck, "", 20).or_fewer(),
    ]
}

#[tokio::test]
async fn a_list_without_progress_ends() {
    hold(cases()).await;
}
