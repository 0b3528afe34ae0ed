//! What people sign in to.

use linchpin::prelude::*;

use crate::PAGE;

/// An app.
#[fields(rename_all = "camelCase")]
#[derive(Debug, Clone, PartialEq)]
pub struct App {
    /// Id
    pub id: String,
    /// Label
    ///
    /// What people see.
    pub label: String,
    /// Name
    ///
    /// Of the kind of app, the same for all that come from one template.
    pub name: Option<String>,
    /// Status
    ///
    /// `ACTIVE` or `INACTIVE`.
    pub status: String,
    /// Way to sign in
    ///
    /// As in `SAML_2_0` or `OPENID_CONNECT`.
    pub sign_on_mode: Option<String>,
    /// Created
    pub created: DateTime,
    /// Updated
    pub last_updated: DateTime,
}

/// Which apps to list.
#[fields]
#[derive(Debug, Clone)]
pub struct ListApps {
    /// Name
    ///
    /// What the name or label begins with.
    pub name: Option<String>,
    /// Filter
    ///
    /// An expression over `id`, `status`, `name` and a few settings.
    #[field(placeholder = "status eq \"ACTIVE\"")]
    pub filter: Option<String>,
}

/// List Apps
#[action(read)]
pub async fn list_apps(cx: Context, Input(q): Input<ListApps>) -> Result<Records<App>> {
    let request = cx.get(path!("/api/v1/apps")).query("q", q.name).query("filter", q.filter);
    Ok(request.query("limit", PAGE).records())
}
