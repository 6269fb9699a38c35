//! What a key proves, and every way in which it proves nothing. The tests that prove a row of the
//! threat table carry its number.

mod domains;
mod fixtures;
mod mutations;
mod request;
mod sign_in;
mod signature;
mod world;
