//! Turns a list of connectors into a command line.
