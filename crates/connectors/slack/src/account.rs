//! Whose connection it is, and its end.

use linchpin::{Tokens, prelude::*};

use crate::Connection;

/// What Slack says of a token.
#[fields]
struct Whose {
    team: String,
    team_id: String,
    user: String,
    user_id: String,
}

/// Authping
///
/// Asks Slack whose token it is. Users of two workspaces may have one id, so the workspace's stands before it.
#[authping]
pub async fn authping(cx: Context) -> Result<Identity> {
    let response = cx.get(path!("/auth.test")).send().await?;
    let Whose { team, team_id, user, user_id } = response.json()?;
    let scopes = response.header("x-oauth-scopes").unwrap_or_default();
    let scopes = scopes.split(',').map(str::trim).filter(|scope| !scope.is_empty());
    Ok(Identity::new(format!("{team_id}/{user_id}"), format!("{user} in {team}")).scopes(scopes))
}

/// What became of a token.
#[fields]
struct Revocation {
    revoked: bool,
}

/// Revoke
///
/// Kills the bot token, or both tokens of an app's grant: Slack revokes each alone, and a refresh token that is left would give
/// new ones.
#[revoke]
pub async fn revoke(cx: Context, connection: Connection, tokens: Tokens) -> Result<Revoked> {
    let form = connection.token.as_ref();
    let mut outcome = Revoked::already_gone();
    let mut problem = None;
    // One that fails must not keep the others alive.
    for token in [tokens.refresh(), tokens.access(), form].into_iter().flatten() {
        match kill(&cx, token).await {
            Ok(true) => outcome = Revoked::done(),
            Ok(false) => {}
            Err(error) => problem = problem.or(Some(error)),
        }
    }
    problem.map_or(Ok(outcome), Err)
}

/// Kills one token; `false` where it was dead already.
async fn kill(cx: &Context, token: &Secret) -> Result<bool> {
    // Not by GET, as a dry run would take that for a call that changes nothing.
    let request = cx.post(path!("/auth.revoke")).unauthenticated().form([("token", token.expose())]);
    match request.send().await {
        Ok(answer) if answer.json::<Revocation>()?.revoked => Ok(true),
        Ok(_) => Err(Error::coded(Code::Rejected, "Slack answered that it has not revoked the token")),
        Err(error) if error.code() == Code::Unauthorized => Ok(false),
        Err(error) => Err(error),
    }
}
