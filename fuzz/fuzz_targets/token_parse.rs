//! Under `cargo fuzz`: a fuzz target. Else: runs the files that are named on the command line.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nexus_fuzz::token_parse(bytes));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    nexus_fuzz::run_files(nexus_fuzz::token_parse)
}
