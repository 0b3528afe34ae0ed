//! Monitors against a model of a service.
