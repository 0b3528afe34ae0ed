use linchpin::{Choice, ChoiceQuery, Code};
use linchpin_slack::{
    choice::{InChannel, channels, messages, users},
    mock::{ARCHIVED, CHANNEL, MESSAGE, PRIVATE},
};
use serde_json::json;

use super::World;

fn typed(text: &str) -> ChoiceQuery {
    ChoiceQuery { search: Some(text.into()), cursor: None }
}

#[tokio::test]
async fn channels_are_choices_and_few_when_somebody_types() {
    let world = World::new().await;
    let all = world.context().call::<channels>(ChoiceQuery::default()).await.unwrap().choices;
    assert_eq!(all.len(), 100);
    assert!(all.contains(&Choice::new(PRIVATE, "#team-3")));
    assert!(all.iter().all(|choice| choice.value != ARCHIVED));
    let found = world.context().call::<channels>(typed("Gener")).await.unwrap();
    assert_eq!(found.choices, [Choice::new(CHANNEL, "#general")]);
}

#[tokio::test]
async fn users_are_people_whose_accounts_are_open() {
    let world = World::new().await;
    let found = world.context().call::<users>(typed("player 10")).await.unwrap();
    let labels: Vec<_> = found.choices.iter().map(|choice| choice.label.as_str()).collect();
    // Of 10 and 100 to 109, 105 is a bot, and the account of 101 is closed.
    let numbers = [10, 100, 102, 103, 104, 106, 107, 108, 109];
    assert_eq!(labels, numbers.map(|number| format!("Player {number}")));
}

#[tokio::test]
async fn messages_are_those_of_the_chosen_channel() {
    let world = World::new().await;
    let of = |channel: &str, query| InChannel { channel: channel.into(), query };
    let newest = world.context().call::<messages>(of(CHANNEL, ChoiceQuery::default())).await.unwrap();
    assert_eq!(newest.choices.len(), 100);
    assert_eq!(newest.choices[0], Choice::new(MESSAGE, "Message number 450"));
    let found = world.context().call::<messages>(of(CHANNEL, typed("number 44"))).await.unwrap();
    assert_eq!(found.choices.len(), 10);
    assert_eq!(world.requests(), ["GET /api/conversations.history"; 2], "one page each");
    let error = world.context().call::<messages>(of("C999", typed("x"))).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
}

#[tokio::test]
async fn what_somebody_typed_stands_beside_the_channel() {
    let world = World::new().await;
    let query = json!({ "channel": CHANNEL, "search": "later 449" });
    let found = world.run("scheduled_messages", query).await.unwrap();
    assert_eq!(found, json!({ "choices": [{ "value": "Q000000449", "label": "Later 449" }] }));
}
