//! Flows as their callers see them.

use linchpin::Result;
use linchpin_runtime::{Invocation, Output, Runtime};
use serde_json::Value;

/// Runs a flow: JSON out, and all records of a list.
pub(crate) async fn json(invocation: Invocation) -> Result<Value> {
    output(Runtime::new().run(invocation).await?.output).await
}

/// What a flow gave as JSON, with all records of a list.
pub(crate) async fn output(output: Output) -> Result<Value> {
    Ok(match output {
        Output::Value(text) => serde_json::from_str(&text).unwrap(),
        Output::Records(mut records) => {
            let mut all = Vec::new();
            while let Some(batch) = records.next_batch(usize::MAX).await? {
                let lines = serde_json::Deserializer::from_slice(batch.lines).into_iter::<Value>();
                all.extend(lines.map(|line| line.unwrap()));
            }
            Value::Array(all)
        }
        _ => Value::Null,
    })
}
