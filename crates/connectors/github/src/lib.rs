//! GitHub for linchpin.
