//! A database of the original, unreadable documents, administration.
