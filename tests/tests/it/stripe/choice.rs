use linchpin::{Choice, ChoiceQuery};
use linchpin_stripe::{
    choice::{customers, products, recurring_prices},
    mock::PRICE,
};

use super::World;

fn typed(text: &str) -> ChoiceQuery {
    ChoiceQuery { search: Some(text.into()), cursor: None }
}

#[tokio::test]
async fn stripe_looks_for_customers_itself_once_there_is_enough_to_look_for() {
    let world = World::new().await;
    for (query, count) in [(ChoiceQuery::default(), 100), (typed("50"), 1)] {
        assert_eq!(world.context().call::<customers>(query).await.unwrap().choices.len(), count);
        assert_eq!(world.last_query().await, ["limit=100"]);
    }
    let found = world.context().call::<customers>(typed("omer 12")).await.unwrap();
    assert_eq!(found.choices.len(), 11);
    assert_eq!(found.choices[0], Choice::new("cus_000012", "Customer 12 (customer12@acme.example)"));
    assert_eq!(world.last_query().await, ["query=name~\"omer 12\" OR email~\"omer 12\"", "limit=100"]);

    world.context().call::<customers>(typed("a\"b\\c")).await.unwrap();
    let query = world.last_query().await;
    assert_eq!(query[0], r#"query=name~"a\"b\\c" OR email~"a\"b\\c""#, "what is typed stays a text");
}

#[tokio::test]
async fn products_and_prices_are_looked_for_on_all_pages() {
    let world = World::new().await;
    let found = world.context().call::<products>(typed("product 1")).await.unwrap();
    assert_eq!(found.choices.last(), Some(&Choice::new("prod_000100", "Product 100")), "the newest hundred");
    let found = world.context().call::<recurring_prices>(typed(PRICE)).await.unwrap();
    assert_eq!(found.choices, [Choice::new(PRICE, format!("1000 usd ({PRICE})"))]);
    assert!(world.last_query().await.contains(&"type=recurring".to_owned()));
}
