//! A server, and whoever is signed in there: what `nexus login` remembers and the commands that
//! speak to a server use. Requests are signed when the server asks for it.

mod http;
mod profile;

use std::path::Path;

use ::http::Method;
use nexus_api::Object;
use nexus_api::command::{CommandCall, CommandList};
use nexus_core::auth::SigningKey;
use nexus_core::command::read_line;
use nexus_core::{Command, CommandName};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::Shell;
use crate::cli::Remote as Arguments;
use crate::failure::Failure;
use crate::keys::{self, Passphrases};

pub(crate) use http::{Call, CallError, Connection, Refused, Signer};
pub(crate) use profile::{Profile, ProfileFile, folder};

/// Somebody who is signed in at a server.
pub(crate) struct Remote {
    pub(crate) file: ProfileFile,
    pub(crate) profile: Profile,
    pub(crate) connection: Connection,
    passphrases: Passphrases,
}

/// Arguments of a command, by name.
pub(crate) type Given = Map<String, Value>;

impl Remote {
    /// What the last `nexus login` left.
    pub(crate) fn open(arguments: &Arguments) -> Result<Self, Failure> {
        let file = ProfileFile::named(&arguments.profile)?;
        let profile = file.read()?.ok_or_else(|| {
            Failure::new("you are not signed in anywhere").hint("`nexus login` signs you in")
        })?;
        let connection = Connection::new(profile.server()?)?.with_token(profile.token.clone());
        Ok(Self {
            file,
            profile,
            connection,
            passphrases: arguments.passphrases(),
        })
    }

    /// Asks for something that needs no signature.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        Ok(self.ask(path).await?)
    }

    /// The same, for those who know what to make of a refusal.
    pub(crate) async fn ask(&self, path: &str) -> Result<Value, CallError> {
        self.connection.send(Call::new(Method::GET, path)).await
    }

    /// Reads something that needs no signature.
    pub(crate) async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        understood(self.get(path).await?)
    }

    /// Sends something that only somebody with the key may do. Each request has its own signature.
    pub(crate) async fn send_signed(
        &self,
        call: Call<'_>,
        key: &SigningKey,
    ) -> Result<Value, CallError> {
        self.connection.send(call.signed(self.signer(key))).await
    }

    /// Executes a line such as `config.set temperature 0.3`.
    pub(crate) async fn execute_line(&self, line: &str) -> Result<Value, Failure> {
        let (name, arguments) = read_line(line).map_err(|error| {
            Failure::new(error.to_string()).hint("`nexus command help` lists the commands")
        })?;
        self.execute(name, arguments).await
    }

    /// Executes a command, signed if the server wants it signed.
    pub(crate) async fn execute(
        &self,
        name: CommandName,
        arguments: Given,
    ) -> Result<Value, Failure> {
        // A mistake is found before anybody is asked for a passphrase.
        Command::read(name, &arguments).map_err(|error| Failure::new(error.to_string()))?;
        let body = CommandCall {
            command: name.to_string(),
            arguments: Object(arguments),
        };
        let call = || Call::new(Method::POST, "/api/v1/commands/execute").json(&body);
        if self.wants_signature(name).await? {
            return Ok(self.send_signed(call(), &self.key()?).await?);
        }
        match self.connection.send(call()).await {
            // Somebody changed the template in between.
            Err(CallError::Refused(refused)) if refused.error.code == "signature_required" => {
                Ok(self.send_signed(call(), &self.key()?).await?)
            }
            outcome => Ok(outcome?),
        }
    }

    async fn wants_signature(&self, name: CommandName) -> Result<bool, Failure> {
        let listed: CommandList = self.read("/api/v1/commands").await?;
        let mut commands = listed.commands.into_iter();
        Ok(commands.any(|it| it.name == name.as_str() && it.needs_signature))
    }

    /// The private key, which somebody may have to open.
    pub(crate) fn key(&self) -> Result<SigningKey, Failure> {
        let path = &self.profile.key_file;
        let key = keys::load(path, &self.passphrases)?;
        if key.public_key() == self.profile.public_key {
            Ok(key)
        } else {
            Err(another_key(path))
        }
    }

    fn signer<'a>(&self, key: &'a SigningKey) -> Signer<'a> {
        Signer {
            key,
            chain_id: self.profile.chain_id,
        }
    }
}

fn another_key(path: &Path) -> Failure {
    Failure::new(format!(
        "{} holds another key than the one that is signed in",
        path.display()
    ))
    .hint("sign in again with `nexus login --key FILE`")
}

/// What a server answered, if it is what this program expects.
pub(crate) fn understood<T: DeserializeOwned>(answer: Value) -> Result<T, Failure> {
    serde_json::from_value(answer).map_err(|_| {
        Failure::new("the server answers in a way that this program does not know")
            .hint("is one of the two older than the other?")
    })
}

/// Executes a command and prints what came of it.
pub(crate) async fn run(
    shell: &Shell,
    remote: &Remote,
    name: CommandName,
    arguments: Given,
) -> Result<(), Failure> {
    let outcome = remote.execute(name, arguments).await?;
    crate::outcome::print(&shell.output, &outcome);
    Ok(())
}
