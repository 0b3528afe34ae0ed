use linchpin_google_drive::mock::{CHANGES, DRIVES, FILES, FOLDER_ID, PERMISSIONS, SHARED, TEXT};
use serde_json::{Value, json};

use super::World;

async fn three_pages(flow: &str, input: Value, count: usize, request: &str) {
    let world = World::new().await;
    let all = world.run(flow, input).await.unwrap();
    assert_eq!(all.as_array().unwrap().len(), count, "{flow}");
    assert_eq!(world.watch.requests(), [request; 3], "{flow}");
}

#[tokio::test]
async fn lists_go_on_to_their_last_page() {
    let in_folder = json!({ "folder": FOLDER_ID });
    three_pages("list_files", in_folder, FILES, "GET /drive/v3/files").await;
    three_pages("search_files", json!({ "text": "notes" }), FILES, "GET /drive/v3/files").await;
    let permissions = format!("GET /drive/v3/files/{TEXT}/permissions");
    three_pages("list_permissions", json!({ "file": TEXT }), PERMISSIONS, &permissions).await;
    three_pages("list_drives", json!({}), DRIVES, "GET /drive/v3/drives").await;
    three_pages("list_changes", json!({ "since": "0" }), CHANGES, "GET /drive/v3/changes").await;
}

#[tokio::test]
async fn files_are_chosen_by_what_is_asked() {
    let world = World::new().await;
    let count = async |flow: &str, input| world.run(flow, input).await.unwrap().as_array().unwrap().len();
    assert_eq!(count("list_files", json!({ "name": "Bob's \\ things" })).await, 0);
    assert_eq!(count("list_files", json!({ "name": "Bob's", "order": "modifiedTime desc" })).await, 1);
    assert_eq!(count("list_files", json!({ "drive": SHARED })).await, 1);
    assert_eq!(count("list_files", json!({ "mime_type": "application/vnd.google-apps.document" })).await, 1);
    assert_eq!(count("list_files", json!({ "trashed": true })).await, 0);
    let position = world.run("get_changes_position", json!({})).await.unwrap();
    assert_eq!(position, json!({ "startPageToken": CHANGES.to_string() }));
}
