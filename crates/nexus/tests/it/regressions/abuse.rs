//! Load and abuse from outside: admission before work, bounds of memory, sockets and files.
