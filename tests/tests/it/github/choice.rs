use linchpin::{Choice, ChoiceQuery, Code};
use linchpin_github::choice::{LabelQuery, labels, repositories};
use serde_json::json;

use super::{HERE, World};

#[tokio::test]
async fn repositories_are_choices_and_few_when_somebody_types() {
    let world = World::new().await;
    let all = world.context().call::<repositories>(ChoiceQuery::default()).await.unwrap();
    assert_eq!(all.choices.len(), 100);

    let typed = ChoiceQuery { search: Some("Spoon".into()), cursor: None };
    let found = world.context().call::<repositories>(typed).await.unwrap();
    assert_eq!(found.choices, [Choice::new("octocat/spoon-knife", "octocat/spoon-knife")]);
}

#[tokio::test]
async fn labels_are_those_of_the_chosen_repository() {
    let world = World::new().await;
    let query = |repository: &str| LabelQuery {
        repository: repository.parse().unwrap(),
        query: ChoiceQuery::default(),
    };
    let found = world.context().call::<labels>(query(HERE)).await.unwrap();
    let values: Vec<_> = found.choices.into_iter().map(|choice| choice.value).collect();
    assert_eq!(values, ["bug", "documentation", "help wanted", "question"]);

    let error = world.context().call::<labels>(query("octocat/nothing")).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
}

#[tokio::test]
async fn what_somebody_typed_stands_beside_the_repository() {
    let world = World::new().await;
    let found = world.run("labels", json!({ "repository": HERE, "search": "WANTED" })).await.unwrap();
    assert_eq!(found, json!({ "choices": [{ "value": "help wanted", "label": "help wanted" }] }));
}
