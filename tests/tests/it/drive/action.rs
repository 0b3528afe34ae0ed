use linchpin::{Code, FileRef};
use linchpin_google_drive::mock::{DOCUMENT, FOLDER_ID, SHARED, TEXT, TEXT_CONTENT};
use serde_json::json;

use super::World;

#[tokio::test]
async fn authping_tells_whose_account_it_is() {
    let world = World::new().await;
    let identity = world.run("authping", json!({})).await.unwrap();
    assert_eq!((&identity["id"], &identity["label"]), (&json!("0123456789"), &json!("mona@example.com")));
}

#[tokio::test]
async fn a_file_is_found_changed_moved_trashed_restored_copied_and_deleted() {
    let world = World::new().await;
    let of = json!({ "file": TEXT });
    let file = world.run("get_file", of.clone()).await.unwrap();
    assert_eq!((&file["name"], &file["size"]), (&json!("Notes 1.txt"), &json!(TEXT_CONTENT.len())));

    let change = json!({ "file": TEXT, "name": "Renamed", "starred": true });
    let file = world.run("update_file", change).await.unwrap();
    assert_eq!((&file["name"], &file["starred"]), (&json!("Renamed"), &json!(true)));
    assert_eq!(world.watch.last_body(), json!({ "name": "Renamed", "starred": true }));

    let file = world.run("move_file", json!({ "file": TEXT, "folder": "folder-2" })).await.unwrap();
    assert_eq!(file["parents"], json!(["folder-2"]));
    let before = world.watch.requests().len();
    world.run("move_file", json!({ "file": TEXT, "folder": "folder-2" })).await.unwrap();
    assert_eq!(world.watch.requests().len(), before + 1, "what is there already is not moved");

    assert_eq!(world.run("trash_file", of.clone()).await.unwrap()["trashed"], true);
    assert_eq!(world.run("restore_file", of.clone()).await.unwrap()["trashed"], false);
    let copy = world.run("copy_file", json!({ "file": TEXT, "folder": FOLDER_ID })).await.unwrap();
    assert_eq!((&copy["name"], &copy["parents"]), (&json!("Copy of Renamed"), &json!([FOLDER_ID])));
    world.run("delete_file", of.clone()).await.unwrap();
    assert_eq!(world.run("get_file", of).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_folder_is_made_where_it_is_wanted() {
    let world = World::new().await;
    for (more, parents) in [
        (json!({}), json!(["root"])),
        (json!({ "drive": SHARED }), json!([SHARED])),
        (json!({ "drive": SHARED, "folder": "folder-3" }), json!(["folder-3"])),
    ] {
        let mut input = more;
        input["name"] = "New".into();
        let folder = world.run("create_folder", input).await.unwrap();
        assert_eq!(folder["parents"], parents);
        assert_eq!(folder["mimeType"], "application/vnd.google-apps.folder");
    }
}

#[tokio::test]
async fn a_file_goes_up_with_what_is_known_of_it_and_comes_down_again() {
    let world = World::new().await;
    let file = FileRef::from_bytes("plan \"1\".txt", "the content").typed("text/plain");
    let made = world.send("upload_file", json!({ "folder": FOLDER_ID }), &file).await.unwrap();
    assert_eq!((&made["name"], &made["size"]), (&json!("plan \"1\".txt"), &json!(11)));
    assert_eq!((&made["mimeType"], &made["parents"]), (&json!("text/plain"), &json!([FOLDER_ID])));
    let id = made["id"].as_str().unwrap();
    assert_eq!(world.drive.content(id).unwrap(), b"the content");

    let other = FileRef::from_bytes("other", "another");
    let changed = world.send("replace_content", json!({ "file": id }), &other).await.unwrap();
    assert_eq!((&changed["name"], &changed["size"]), (&made["name"], &json!(7)));

    let ran = world.ran("download_file", json!({ "file": id }), None).await.unwrap();
    let down = ran.files.take().pop().unwrap();
    assert_eq!(
        (down.name(), down.media_type(), down.size()),
        ("plan \"1\".txt", Some("text/plain"), Some(7))
    );
    assert_eq!(&down.bytes(100).await.unwrap()[..], b"another");
    let again = world.send("upload_file", json!({ "name": "piped" }), &down).await.unwrap();
    assert_eq!(world.drive.content(again["id"].as_str().unwrap()).unwrap(), b"another");
}

#[tokio::test]
async fn documents_are_exported_and_not_downloaded() {
    let world = World::new().await;
    let error = world.run("download_file", json!({ "file": DOCUMENT })).await.unwrap_err();
    assert_eq!((error.code(), error.details().hint), (Code::Failed, Some("export it with `export_file`")));

    let wanted = json!({ "file": DOCUMENT, "mime_type": "application/pdf" });
    let ran = world.ran("export_file", wanted, None).await.unwrap();
    let file = ran.files.take().pop().unwrap();
    assert_eq!((file.name(), file.media_type()), ("Minutes.pdf", Some("application/pdf")));
    assert_eq!(&file.bytes(100).await.unwrap()[..], b"exported as application/pdf");

    let error =
        world.run("export_file", json!({ "file": DOCUMENT, "mime_type": "image/gif" })).await.unwrap_err();
    assert_eq!(error.details().service_code, Some("fileNotExportable"));
}

#[tokio::test]
async fn a_file_is_shared_and_unshared() {
    let world = World::new().await;
    let share = json!({ "file": TEXT, "grantee": "user", "role": "writer", "to": "bob@example.com" });
    let made = world.run("share_file", share).await.unwrap();
    assert_eq!((&made["emailAddress"], &made["role"]), (&json!("bob@example.com"), &json!("writer")));
    let took = json!({ "file": TEXT, "permission": made["id"] });
    world.run("unshare_file", took.clone()).await.unwrap();
    assert_eq!(world.run("unshare_file", took).await.unwrap_err().code(), Code::NotFound);

    world.run("share_file", json!({ "file": TEXT, "grantee": "anyone", "role": "reader" })).await.unwrap();
    assert_eq!(world.watch.last_body(), json!({ "type": "anyone", "role": "reader" }));
    for wrong in [json!({ "grantee": "user" }), json!({ "grantee": "anyone", "to": "x" })] {
        let mut input = wrong;
        input["file"] = TEXT.into();
        input["role"] = "reader".into();
        assert_eq!(world.run("share_file", input).await.unwrap_err().code(), Code::Failed);
    }
}

#[tokio::test]
async fn choices_come_from_drive_and_depend_on_each_other() {
    let world = World::new().await;
    let labels = async |helper: &str, input| {
        let found = world.run(helper, input).await.unwrap();
        let choices = found["choices"].as_array().unwrap().clone();
        choices.iter().map(|choice| choice["label"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(labels("drives", json!({})).await.len(), 100);
    assert_eq!(labels("drives", json!({ "search": "team 20" })).await, ["Team 20", "Team 200", "Team 201"]);
    assert_eq!(labels("folders", json!({})).await, ["Plans", "Bob's things"]);
    assert_eq!(labels("folders", json!({ "search": "bob's" })).await, ["Bob's things"]);
    assert_eq!(labels("folders", json!({ "drive": SHARED })).await, ["Team plans"]);
    let types = ["application/pdf", "text/plain"];
    assert_eq!(labels("export_types", json!({ "file": DOCUMENT })).await, types);
    assert!(labels("export_types", json!({ "file": TEXT })).await.is_empty());
}
