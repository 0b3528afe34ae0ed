//! Lists of pages with nothing on them.

use linchpin::{Code::PagingStuck, connector::SpecFile};

use super::{
    case::{Case, case, hold},
    server::json,
};

/// With as many pages as usual.
const LONG: SpecFile = SpecFile {
    path: "specs/tracker.toml",
    text: r#"
        schema = 1
        key = "tracker"
        name = "Tracker"
        version = "0.1.0"
        auth.token = { kind = "bearer", fields.token = { label = "Token", secret = true } }

        [http]
        base_url = "https://tracker.example"
        pagination = { style = "cursor", items = "/items", cursor = "/next", query = "after" }
    "#,
};

// A table: what is wrong, what the service does, and below it what must come of it.
#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let empty = std::array::from_fn::<_, 130, _>(|page| json(&format!("{{\"items\":[],\"next\":\"c{page}\"}}")));
    vec![
        case("list", "pages without records, each with a new cursor", empty)
            .spec(LONG).fails(PagingStuck, "pages without items in a row", 130).or_fewer(),
    ]
}

#[tokio::test]
async fn a_list_without_progress_ends() {
    hold(cases()).await;
}
