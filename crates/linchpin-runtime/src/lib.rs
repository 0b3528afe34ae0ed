//! Runs one flow at a time for one connection: everything between an annotated function and the wire.
