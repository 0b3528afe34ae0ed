//! A compiled connector's own description, from which `build-manifest` makes its manifest.

use linchpin_manifest::descriptor::{self, ConnectorDescriptor, Place, ResultShape};

use crate::{
    Connector,
    flow::{FlowDescriptor, KindInfo, Slot},
    schema::{Side, schema},
};

/// Describes a connector; `None` for one that was built by hand, which has no package to be found in.
pub fn connector(connector: &Connector) -> Option<ConnectorDescriptor> {
    let info = connector.info()?;
    Some(ConnectorDescriptor {
        package: info.owner.package.to_owned(),
        package_dir: info.package_dir.to_owned(),
        spec_path: info.spec.path.to_owned(),
        spec_text: info.spec.text.to_owned(),
        place: place(info.place),
        flows: connector.flows().iter().map(|descriptor| flow(descriptor)).collect(),
    })
}

fn place((file, line, column): (&str, u32, u32)) -> Place {
    Place { file: file.to_owned(), line, column }
}

/// Describes a flow.
pub fn flow(flow: &FlowDescriptor) -> descriptor::FlowDescriptor {
    let text = |text: Option<&str>| text.map(str::to_owned);
    let (effect, idempotency) = match flow.kind {
        KindInfo::Action { effect, idempotency } => (Some(effect), idempotency),
        _ => (None, None),
    };
    let (event, every, dedupe) = match flow.kind {
        KindInfo::WebhookEvent { event } => (Some(event), None, &[][..]),
        KindInfo::Monitor { event, every, dedupe } => (Some(event), every, dedupe),
        _ => (None, None, &[][..]),
    };
    let result = (flow.result)();
    let output = match result.result {
        ResultShape::Nothing => schema(None, Side::Given),
        _ => schema(result.shape.map(|shape| shape()), Side::Made),
    };
    let (input, input_side) = match flow.shape_of(Slot::Payload) {
        Some(payload) => (Some(payload), Side::Made),
        None => (flow.shape_of(Slot::Input), Side::Given),
    };
    let taken = flow.parameters.iter().find_map(|info| info().registered_by);
    let registered_by = taken.or(result.registered_by).map(|by| by().name);
    descriptor::FlowDescriptor {
        key: flow.name.to_owned(),
        kind: flow.kind.kind(),
        title: flow.title(),
        description: flow.description(),
        documented: !flow.docs.trim().is_empty(),
        unconnected: !flow.connected,
        effect,
        idempotency,
        hook: text(flow.kind.hook()),
        event: text(event),
        registered_by: text(registered_by),
        every: text(every),
        dedupe: dedupe.iter().map(|pointer| (*pointer).to_owned()).collect(),
        since: flow.takes(Slot::Since),
        overlap: flow.takes(Slot::Overlap),
        options: schema(flow.shape_of(Slot::Options), Side::Given),
        input: schema(input, input_side),
        output,
        result: result.result,
        cursor: flow.shape_of(Slot::Cursor).map(|shape| schema(Some(shape), Side::Made)),
        next_cursor: result.next_cursor.map(|shape| schema(Some(shape()), Side::Made)),
        place: place(flow.place),
    }
}
