//! `nexus migrate`, as people type it.

use clap::Args;
use secrecy::SecretString;

#[derive(Args, Debug)]
pub(crate) struct Migrate {
    /// Where to copy from: `embedded` (the data folder), `mongodb` (what --database names), or an
    /// address
    #[arg(long, value_name = "PLACE", requires = "to", value_parser = place)]
    pub(crate) from: Option<Place>,
    /// Where to copy to
    #[arg(long, value_name = "PLACE", requires = "from", value_parser = place)]
    pub(crate) to: Option<Place>,
    /// Do it; without this, it is a dry run that changes nothing
    #[arg(long)]
    pub(crate) apply: bool,
    /// Make a template of the original usable: keys in it move to a file in the data folder, and
    /// what people changed is opened to them
    #[arg(long, conflicts_with = "from")]
    pub(crate) repair_template: bool,
    /// Do not ask
    #[arg(long, requires = "apply")]
    pub(crate) yes: bool,
}

/// A store that something is moved from or to.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// The file in the data folder.
    Embedded,
    /// The database of the settings.
    Database,
    /// This database. The address may hold a password.
    Address(SecretString),
}

fn place(text: &str) -> Result<Place, String> {
    match text {
        "embedded" => Ok(Place::Embedded),
        "mongodb" => Ok(Place::Database),
        _ if text.starts_with("mongodb://") || text.starts_with("mongodb+srv://") => {
            Ok(Place::Address(text.into()))
        }
        _ => {
            Err("expected embedded, mongodb, or an address such as mongodb://host:27017".to_owned())
        }
    }
}
