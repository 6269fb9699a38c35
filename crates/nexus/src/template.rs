//! The template on its way from files into the store.

mod diff;
mod install;
mod source;
mod yaml;

pub(crate) use diff::print_diff;
pub(crate) use install::{Choice, Outcome, ensure, install};
pub(crate) use source::Draft;
pub(crate) use yaml::to_yaml;
