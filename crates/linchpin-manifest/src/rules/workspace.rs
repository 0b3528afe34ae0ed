//! x
super::rules! {}
