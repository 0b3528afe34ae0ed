//! Looking at what a test's server is asked.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use wiremock::{Match, Mock, MockServer, Request, ResponseTemplate};

use super::{Seen, Service};

/// Sees every request of a server. When it goes, each must have been one that the service describes.
pub(crate) struct Watch {
    service: &'static Service,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// Notes each request, and answers none.
struct Note(Arc<Mutex<Vec<Seen>>>);

impl Match for Note {
    fn matches(&self, request: &Request) -> bool {
        self.0.lock().unwrap().push(Seen::new(request));
        false
    }
}

impl Watch {
    pub(crate) async fn over(server: &MockServer, service: &'static Service) -> Watch {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = Mock::given(Note(seen.clone())).respond_with(ResponseTemplate::new(500));
        note.with_priority(1).mount(server).await;
        Watch { service, seen }
    }

    /// The requests so far, as method and path.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(Seen::name).collect()
    }

    /// The body of the last request.
    pub(crate) fn last_body(&self) -> Value {
        self.seen.lock().unwrap().last().map(|seen| seen.body.clone()).unwrap_or_default()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let problems = self.service.problems(&self.seen.lock().unwrap());
            let problems = problems.join("\n");
            assert!(
                problems.is_empty(),
                "{} does not describe what was asked:\n{problems}",
                self.service.name
            );
        }
    }
}
