use linchpin::prelude::*;

struct Tracker;

impl Tracker {
    #[action(read)]
    async fn get_issue(&self) -> Result<()> {
        Ok(())
    }
}

fn main() {}
