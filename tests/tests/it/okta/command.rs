//! `linchpin hook`, `monitor` and `serve` against an Okta on loopback, as an operator runs them.

use std::{ops::Deref, slice::from_ref, time::SystemTime};

use linchpin_okta::{
    hook::HookEvent,
    mock::{DOMAIN, Okta, TOKEN},
};
use serde_json::{Value, json};

use crate::host::serve::{Operator, Server};

struct Home {
    okta: Okta,
    operator: Operator,
}

impl Deref for Home {
    type Target = Operator;

    fn deref(&self) -> &Operator {
        &self.operator
    }
}

impl Home {
    async fn new() -> Home {
        let okta = Okta::start().await;
        let fields = [
            ("LINCHPIN_OKTA_METHOD", "api_token"),
            ("LINCHPIN_OKTA_TOKEN", TOKEN),
            ("LINCHPIN_OKTA_DOMAIN", DOMAIN),
        ];
        let operator = Operator::new(okta.uri(), &fields);
        operator.ok(&["auth", "login", "okta", "--name", "work"]).await;
        Home { okta, operator }
    }

    /// The `uuid`s of what a look hands on.
    async fn look(&self, more: &[&str]) -> Vec<String> {
        let out = self.operator.ok(&[&["monitor", "run", "work", "find_created_users"], more].concat()).await;
        let lines = String::from_utf8(out.stdout).unwrap();
        let events = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.map(|event| event["data"]["uuid"].as_str().unwrap().to_owned()).collect()
    }

    async fn serve(&self) -> Server {
        let server = self.operator.serve(&["--stdout"]).await;
        self.okta.reach(Some(server.via.strip_prefix("http://").unwrap().parse().unwrap()));
        server
    }

    fn happen(&self) -> String {
        self.okta.happen(HookEvent::UserCreated, SystemTime::now().into())
    }

    fn deliver(&self, delivery: &str, uuids: &[&str]) -> u16 {
        self.okta.deliver(&self.okta.hooks()[0], delivery, uuids).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_deliveries_miss_a_monitor_finds() {
    let home = Home::new().await;
    let register =
        ["hook", "register", "work", "--set", "events=user_created", "--set", "events=sign_in_failed"];
    let unheard = home.run(&register).await;
    assert_eq!(unheard.status.code(), Some(1), "{unheard:?}");
    let said = String::from_utf8_lossy(&unheard.stderr).into_owned();
    for words in ["the URL did not give the challenge back", "Nothing was left at Okta"] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(home.okta.hooks(), [""; 0]);

    let server = home.serve().await;
    let hook = home.json(&register).await;
    let id = hook["id"].as_str().unwrap();
    assert_eq!((&hook["hook"], &hook["stage"]), (&json!("events"), &json!("active")));
    let delivered = home.happen();
    assert_eq!(home.deliver("d1", &[&delivered]), 200);
    let event = server.event();
    assert_eq!((&event["type"], &event["data"]["uuid"]), (&json!("okta.user_created"), &json!(delivered)));
    let send = ["hook", "send", "okta.sign_in_failed", "--hook", id, "--via", &server.via, "--id", "sample"];
    home.ok(&send).await;
    let event = server.event();
    assert_eq!((&event["type"], &event["data"]["uuid"]), (&json!("okta.sign_in_failed"), &json!("sample")));
    let forged = home.run(&[&send[..], &["--wrong", "key"]].concat()).await;
    assert_eq!(forged.status.code(), Some(3), "{forged:?}");
    home.ok(&["hook", "check", id]).await;
    assert_eq!(server.stop(), [""; 0]);

    let on = home.json(&["monitor", "on", "work", "find_created_users"]).await;
    assert_eq!((&on["flow"], &on["state"]), (&json!("find_created_users"), &json!("on")));
    assert_eq!(home.look(&[]).await, [""; 0], "what was there before is no news");
    let lost = home.happen();
    assert_eq!(home.look(&["--dry-run"]).await, from_ref(&lost));
    assert_eq!(home.look(&[]).await, from_ref(&lost));
    assert_eq!(home.look(&[]).await, [""; 0]);
    let listed = home.json(&["monitor", "list"]).await;
    let cursor = listed[0]["cursor"]["next"].as_str().unwrap();
    assert!(cursor.starts_with(&home.okta.uri()) && !cursor.contains(TOKEN), "{cursor}");
    let reset = home.json(&["monitor", "reset", "work", "find_created_users"]).await;
    assert_eq!(reset["cursor"], Value::Null);
    assert_eq!(home.look(&[]).await, [""; 0], "what was handed on stays known");

    let server = home.serve().await;
    let event = server.event();
    assert_eq!((&event["data"]["uuid"], &event["subscription"]), (&json!(lost), &json!("default")));
    let fresh = home.happen();
    assert_eq!(home.deliver("d2", &[&lost, &fresh, &delivered]), 200);
    let event = server.event();
    assert_eq!(event["data"]["uuid"], json!(fresh), "and what was lost came too late");

    home.ok(&["monitor", "off", "work", "find_created_users", "--forget"]).await;
    assert_eq!(home.json(&["monitor", "list"]).await, json!([]));
    assert_eq!(home.json(&["hook", "deregister", id]).await, json!({ "id": id, "stage": "gone" }));
    assert_eq!(home.okta.hooks(), [""; 0]);
    assert_eq!(server.stop(), [""; 0]);
}
