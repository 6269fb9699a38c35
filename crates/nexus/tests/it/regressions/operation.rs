//! Settings, the log, addresses, start and stop of the process.
