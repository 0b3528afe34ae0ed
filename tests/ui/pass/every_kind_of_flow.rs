//! Every attribute with every parameter that it may have.

use linchpin::prelude::*;

#[fields]
pub struct NewIssue {
    /// Project
    #[field(choices = projects)]
    pub project: String,
    /// Labels
    #[field(choices = labels, depends_on(project))]
    pub labels: Vec<String>,
    /// Title
    #[field(min_length = 1, max_length = 256, placeholder = "Something is wrong")]
    pub title: String,
    pub body: Option<String>,
    #[field(default = Priority::Normal)]
    pub priority: Priority,
    #[field(default = "web", group = "Advanced")]
    pub origin: String,
    #[field(default)]
    pub watchers: Vec<Person>,
    #[field(min = 0, max = 100)]
    pub weight: u8,
    pub due: Option<DateTime>,
    pub attachment: Option<File>,
    #[field(secret)]
    pub password: Option<String>,
    #[field(rename = "type")]
    pub kind: Option<String>,
    #[field(flatten)]
    pub more: std::collections::BTreeMap<String, linchpin::serde_json::Value>,
}

#[fields]
#[derive(Clone, Copy, PartialEq)]
pub enum Priority {
    Low,
    /// The usual
    Normal,
    #[field(rename = "HIGH")]
    High,
}

#[fields(rename_all = "camelCase")]
#[derive(Debug)]
pub struct Person {
    pub user_name: String,
    pub manager: Option<Box<Person>>,
}

#[fields]
pub struct Issue {
    pub id: u64,
    pub title: String,
    #[field(flatten)]
    pub times: Times,
}

#[fields]
pub struct Times {
    pub created_at: DateTime,
}

#[fields]
pub struct ListIssues {
    pub project: String,
    pub priority: Option<Priority>,
}

#[fields]
pub struct LabelQuery {
    pub project: String,
    #[field(flatten)]
    pub query: ChoiceQuery,
}

#[fields]
pub struct HookOptions {
    pub project: String,
}

#[fields]
pub struct HookId {
    pub id: u64,
}

/// Create Issue
///
/// Opens an issue.
#[action(create, idempotency = "key")]
pub async fn create_issue(cx: Context, Input(new): Input<NewIssue>, selected: Selected) -> Result<Issue> {
    let fields = selected.joined(",");
    cx.post(path!("/projects/{new.project}/issues")).query("fields", fields).json(&new).send().await?.json()
}

#[action(read)]
pub async fn list_issues(cx: Context, Input(q): Input<ListIssues>) -> Result<Records<Issue>> {
    Ok(cx.get(path!("/projects/{q.project}/issues?a=b")).query("priority", q.priority).records())
}

#[action(update, idempotency = "natural")]
async fn rename(cx: Context, input: Input<ListIssues>, Options(_o): Options<HookOptions>) -> Result<()> {
    let Input(ListIssues { project, .. }) = input;
    cx.put(path!("/projects/{project}")).send().await?;
    Ok(())
}

#[action(delete, idempotency = "none")]
async fn delete_issue(cx: Context, Input(issue): Input<HookId>) -> Result<Vec<Issue>> {
    let id = issue.id;
    cx.delete(path!("/issues/{id}")).send().await?.json()
}

#[authping]
async fn authping(cx: Context) -> Result<Identity> {
    let person: Person = cx.get(path!("/me")).send().await?.json()?;
    Ok(Identity::new(1, person.user_name))
}

#[revoke]
async fn revoke(cx: Context) -> Result<Revoked> {
    cx.post(path!("/revoke")).unauthenticated().send().await?;
    Ok(Revoked::done())
}

#[webhook(register, hook = "project")]
async fn register(
    cx: Context,
    url: EventUrl,
    SigningSecret(secret): SigningSecret,
    Options(o): Options<HookOptions>,
) -> Result<HookId> {
    let body = linchpin::serde_json::json!({ "url": &*url, "secret": secret.expose() });
    cx.post(path!("/projects/{o.project}/hooks")).json(&body).send().await?.json()
}

#[webhook(deregister, hook = "project")]
async fn deregister(cx: Context, Registered(hook): Registered<register>) -> Result<()> {
    cx.delete(path!("/hooks/{hook.id}")).send().await?;
    Ok(())
}

#[webhook(event = "issue_opened")]
async fn issue_opened(_cx: Context, Payload(issue): Payload<Issue>, _raw: Delivery) -> Result<Option<Issue>> {
    Ok(Some(issue))
}

#[monitor(event = "member_joined", every = "5m", dedupe = ["/id", "/title"])]
async fn member_joined(_cx: Context, Cursor(cursor): Cursor<DateTime>, Since(since): Since, _overlap: Overlap) -> Result<Polled<Issue, DateTime>> {
    Ok(Polled::new(Vec::new(), cursor.or(since).ok_or_else(|| Error::new("no cursor"))?))
}

#[monitor(event = "member_left", every = "5m", dedupe = "/id")]
async fn member_left(_cx: Context, look: Look<DateTime>) -> Result<Polled<Issue, DateTime>> {
    Ok(Polled::new(Vec::new(), look.start().ok_or_else(|| Error::new("no cursor"))?))
}

#[helper]
async fn projects(cx: Context, Input(query): Input<ChoiceQuery>) -> Result<Choices> {
    let mut found: Records<HookId> = cx.get(path!("/projects")).query("q", query.search).records();
    let mut choices = Choices::default();
    while let Some(project) = found.next().await? {
        choices.choices.push(Choice::new(project.id, "Project"));
    }
    Ok(choices)
}

#[helper]
async fn labels(cx: Context, Input(query): Input<LabelQuery>) -> Result<Choices> {
    cx.call::<projects>(query.query).await
}

#[helper]
async fn everything(cx: Context) -> Result<Records<Issue>> {
    cx.call::<projects>(ChoiceQuery::default()).await?;
    Ok(Records::from_list(Vec::new()))
}

fn main() {
    use linchpin::flow::Flow;
    assert_eq!(create_issue::DESCRIPTOR.title(), "Create Issue");
    assert_eq!(create_issue::DESCRIPTOR.description(), "Opens an issue.");
    assert_eq!(create_issue::DESCRIPTOR.place.1, 92);
    let text = r#"{"project":"p","labels":["l"],"title":"t","weight":7,"type":"bug","x":1.50}"#;
    let new: NewIssue = linchpin::serde_json::from_str(text).unwrap();
    assert!(new.priority == Priority::Normal && new.origin == "web" && new.kind.as_deref() == Some("bug"));
    let text = linchpin::serde_json::to_string(&new).unwrap();
    assert_eq!(
        text,
        r#"{"project":"p","labels":["l"],"title":"t","priority":"normal","origin":"web","watchers":[],"weight":7,"type":"bug","x":1.5}"#
    );
}
