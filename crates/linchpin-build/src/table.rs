//! What was built, as a table.

use comfy_table::{CellAlignment, Table, presets};
use linchpin_manifest::descriptor::FlowKind;

use crate::pipeline::Row;

/// One line for each manifest.
pub(crate) fn render(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["connector", "version", "flows", "events", "warnings", "manifest", ""]);
    for row in rows {
        table.add_row([
            row.key.clone(),
            row.version.clone(),
            flows(row),
            row.events.to_string(),
            row.warnings.to_string(),
            row.path.clone(),
            row.ensured.change.word().to_owned(),
        ]);
    }
    for column in [3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<String> = table.to_string().lines().map(|line| line.trim_end().to_owned()).collect();
    format!("{}\n", lines.join("\n"))
}

/// `14 actions, 1 authping, 3 helpers`.
fn flows(row: &Row) -> String {
    let counted: Vec<String> =
        row.flows.iter().map(|(kind, count)| format!("{count} {}", words(*kind, *count))).collect();
    if counted.is_empty() { "none".to_owned() } else { counted.join(", ") }
}

fn words(kind: FlowKind, count: usize) -> &'static str {
    let (one, many) = match kind {
        FlowKind::Action => ("action", "actions"),
        FlowKind::Authping => ("authping", "authpings"),
        FlowKind::Revoke => ("revoke", "revokes"),
        FlowKind::WebhookRegister => ("register", "registers"),
        FlowKind::WebhookDeregister => ("deregister", "deregisters"),
        FlowKind::WebhookCheck => ("check", "checks"),
        FlowKind::WebhookRenew => ("renewal", "renewals"),
        FlowKind::WebhookList => ("listing", "listings"),
        FlowKind::WebhookVerify => ("verification", "verifications"),
        FlowKind::WebhookEvent => ("webhook event", "webhook events"),
        FlowKind::Helper => ("helper", "helpers"),
        FlowKind::Monitor => ("monitor", "monitors"),
    };
    if count == 1 { one } else { many }
}
