//! Two templates, line by line.

use nexus_core::genesis::GenesisDoc;
use similar::TextDiff;

use super::to_yaml;
use crate::Shell;
use crate::failure::Failure;

/// Prints the lines that differ. Keys in clear are not shown, so they do not differ.
pub(crate) fn print_diff(
    shell: &Shell,
    old: (&str, &GenesisDoc),
    new: (&str, &GenesisDoc),
) -> Result<(), Failure> {
    let texts = (to_yaml(old.1)?, to_yaml(new.1)?);
    let diff = TextDiff::from_lines(&texts.0, &texts.1);
    let text = diff
        .unified_diff()
        .context_radius(3)
        .header(old.0, new.0)
        .to_string();
    let paint = shell.output.paint;
    for line in text.lines() {
        shell.output.line(match line.as_bytes().first() {
            Some(b'+') => paint.green(line),
            Some(b'-') => paint.red(line),
            Some(b'@') => paint.cyan(line),
            _ => line.to_owned(),
        });
    }
    Ok(())
}
