use linchpin::{Choice, ChoiceQuery};
use linchpin_okta::{
    choice::{InGroup, groups, members, users},
    mock::{ADMIN, GROUP, SMALL_GROUP, USER},
};

use super::World;

fn typed(text: &str) -> ChoiceQuery {
    ChoiceQuery { search: Some(text.into()), cursor: None }
}

#[tokio::test]
async fn okta_looks_for_users_and_groups_itself() {
    let world = World::new().await;
    for query in [ChoiceQuery::default(), typed("")] {
        let all = world.context().call::<users>(query).await.unwrap().choices;
        assert_eq!(all.len(), 100);
        assert_eq!(all[0], Choice::new(ADMIN, "Una Number 0 (user0@acme.example)"));
        assert_eq!(world.last_query().await, ["limit=100"]);
    }
    let found = world.context().call::<users>(typed("USER44")).await.unwrap();
    assert_eq!(found.choices.len(), 11);
    assert_eq!(world.last_query().await, ["q=USER44", "limit=100"]);

    let found = world.context().call::<groups>(typed("Team 7")).await.unwrap();
    assert_eq!((found.choices.len(), &found.choices[0]), (11, &Choice::new(SMALL_GROUP, "Team 7")));
    assert_eq!(world.requests().len(), 4, "one request each");
}

#[tokio::test]
async fn members_are_those_of_the_chosen_group() {
    let world = World::new().await;
    let of = |group: &str, query| InGroup { group: group.into(), query };
    let small = world.context().call::<members>(of(SMALL_GROUP, ChoiceQuery::default())).await.unwrap();
    assert_eq!(small.choices, [Choice::new(USER, "Una Number 1 (user1@acme.example)")]);
    let found = world.context().call::<members>(of(GROUP, typed("number 44"))).await.unwrap();
    assert_eq!(found.choices.len(), 11, "on all pages");
}
