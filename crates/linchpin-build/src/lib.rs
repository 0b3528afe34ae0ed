//! What every xtask calls: finds specs, asks the built binary for its flows, joins, checks, writes.
