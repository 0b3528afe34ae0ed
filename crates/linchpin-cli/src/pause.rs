//! Who waits should know that he does.

use std::time::Duration;

use linchpin::{DateTime, flow::BoxFuture};
use linchpin_runtime::{Clock, SystemClock};

use crate::{args::Format, exit::note};

/// Pauses shorter than this are not worth a line.
const SPOKEN: Duration = Duration::from_secs(1);

/// The machine's clock, which says on stderr when a request waits for its turn or before it is sent again.
#[derive(Debug)]
pub(crate) struct SpokenClock(pub(crate) Format);

impl Clock for SpokenClock {
    fn now(&self) -> DateTime {
        SystemClock.now()
    }

    fn pause(&self, time: Duration) -> BoxFuture<'_, ()> {
        if time >= SPOKEN {
            let wait = format!("the next request is sent in {:.0} s", time.as_secs_f64().ceil());
            note(self.0, "note", wait);
        }
        Box::pin(tokio::time::sleep(time))
    }
}
