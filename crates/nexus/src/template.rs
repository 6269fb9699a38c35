//! The template on its way from files into the store.

mod install;
mod source;
mod yaml;

pub(crate) use install::{Choice, Outcome, ensure, install};
pub(crate) use source::Draft;
pub(crate) use yaml::{to_yaml, without_keys};
