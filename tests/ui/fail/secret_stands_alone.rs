use linchpin::prelude::*;

#[fields]
pub struct Login {
    /// Password
    #[field(secret = true, placeholder)]
    pub password: String,
}

fn main() {}
