//! The page is built into this crate: when it changes, the crate is built again. As long as it is
//! not there, every build looks for it anew, so that the first one is not missed.

fn main() {
    println!("cargo:rerun-if-changed=../../web/dist");
}
