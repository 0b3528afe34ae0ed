//! Files on the command line: where they come from, and where they end.

use std::{fs, path::Path, process::Output};

use linchpin_google_drive::mock::{FOLDER_ID, TEXT, TEXT_CONTENT};
use serde_json::Value;

use crate::command::linchpin;

/// Runs a flow in a folder, for a connection in a store there.
async fn run(folder: &Path, uri: &str, args: &[&str]) -> Output {
    let mut command = linchpin();
    command.args(["run", "--connection", "work", "--store", "store.db", "--base-url", uri]).args(args);
    command.env("LINCHPIN_GOOGLE_DRIVE_CLIENT_ID", linchpin_testing::Issuer::CLIENT_ID);
    command.env("LINCHPIN_GOOGLE_DRIVE_CLIENT_SECRET", linchpin_testing::Issuer::CLIENT_SECRET);
    command.current_dir(folder);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The names in a folder, without those of the store.
fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with("store.")).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_from_disk_to_drive_and_back() {
    let google = super::grant::connected().await;
    let (folder, uri) = (google.folder.path(), google.server.uri());
    fs::write(folder.join("plan.txt"), "the plan").unwrap();
    let out = run(
        folder,
        &uri,
        &["google_drive.upload_file", "--set", "content=@plan.txt", "--set", &format!("folder={FOLDER_ID}")],
    )
    .await;
    assert!(out.status.success(), "{}", text(&out.stderr));
    let made: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&made["name"], &made["size"]), (&Value::from("plan.txt"), &Value::from(8)));

    let of = format!("file={}", made["id"].as_str().unwrap());
    let download = ["google_drive.download_file", "--set", &of];
    let out = run(folder, &uri, &download).await;
    assert_eq!(out.status.code(), Some(2), "nothing is overwritten: {}", text(&out.stderr));
    assert!(text(&out.stderr).contains("`plan.txt` is there already"), "{}", text(&out.stderr));

    let out = run(folder, &uri, &[&download[..], &["--output", "copy.txt"]].concat()).await;
    assert!(out.status.success(), "{}", text(&out.stderr));
    let told: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&told["content"]["name"], &told["content"]["size"]), (&made["name"], &made["size"]));
    assert_eq!(fs::read_to_string(folder.join("copy.txt")).unwrap(), "the plan");

    let out = run(folder, &uri, &[&download[..], &["--output", "-"]].concat()).await;
    assert_eq!(text(&out.stdout), "the plan");
    assert!(text(&out.stderr).contains("\"plan.txt\""), "{}", text(&out.stderr));
    let out = run(folder, &uri, &["google_drive.upload_file", "--set", "content=@nothing.txt"]).await;
    assert_eq!(out.status.code(), Some(2));
    assert_eq!(names(folder), ["copy.txt", "plan.txt"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_that_a_service_sends_leaves_the_folder() {
    let google = super::grant::connected().await;
    let (outer, uri) = (google.folder.path(), google.server.uri());
    let of = format!("file={TEXT}");
    for (name, fit) in [
        ("../outside.txt", "outside.txt"),
        ("/tmp/x/..", "download"),
        (".hidden", "hidden"),
        ("a\u{1b}[2J\nb", "a[2Jb"),
    ] {
        google.drive.rename(TEXT, name);
        let out = run(outer, &uri, &["google_drive.download_file", "--set", &of]).await;
        assert!(out.status.success(), "{name:?}: {}", text(&out.stderr));
        assert_eq!(names(outer), [fit], "{name:?}");
        assert_eq!(fs::read_to_string(outer.join(fit)).unwrap(), TEXT_CONTENT);
        fs::remove_file(outer.join(fit)).unwrap();
    }
    #[cfg(unix)]
    {
        // A link that waits for the name is not followed.
        google.drive.rename(TEXT, "link");
        std::os::unix::fs::symlink(outer.join("target"), outer.join("link")).unwrap();
        let out = run(outer, &uri, &["google_drive.download_file", "--set", &of]).await;
        assert_eq!(out.status.code(), Some(2));
        assert!(!outer.join("target").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_breaks_off_leaves_nothing() {
    let google = super::grant::connected().await;
    let uri = super::grant::breaking_off(&google).await;
    let of = format!("file={TEXT}");
    for more in [&[][..], &["--output", "there.txt"]] {
        let args = [&["google_drive.download_file", "--set", &of][..], more].concat();
        let out = run(google.folder.path(), &uri, &args).await;
        assert_eq!(out.status.code(), Some(3), "{}", text(&out.stderr));
        assert!(text(&out.stderr).contains("error[LP510]"), "{}", text(&out.stderr));
        assert_eq!(names(google.folder.path()), [""; 0]);
    }
}
