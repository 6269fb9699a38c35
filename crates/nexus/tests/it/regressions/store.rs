//! The database file and the freshness of what is read from it.
