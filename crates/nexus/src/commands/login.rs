//! `nexus login|logout|whoami`: signing in at a server with a key (EIP-4361).

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use http::{Method, StatusCode};
use nexus_api::auth::{Challenge, SignIn, SignedIn, SignedInStanding};
use nexus_core::PublicKey;
use nexus_core::auth::sign_in::{Message, message_for};
use nexus_core::auth::{Origin, SigningKey};
use secrecy::SecretString;
use serde_json::json;

use crate::Shell;
use crate::cli::{Login, Remote as Arguments};
use crate::failure::Failure;
use crate::keys;
use crate::output::columns;
use crate::remote::{self, Call, CallError, Connection, Profile, ProfileFile, Remote, understood};

const DEFAULT_SERVER: &str = "http://127.0.0.1:8000";

pub(crate) async fn login(shell: &Shell, arguments: Login) -> Result<(), Failure> {
    let file = ProfileFile::named(&arguments.remote.profile)?;
    let before = file.read()?;
    let server = server(&arguments, before.as_ref())?;
    if !server.is_secure() && !is_this_machine(&server) {
        shell.output.warn(
            "nothing is encrypted on the way to this server: whoever listens can act in your name",
        );
    }
    let connection = Connection::new(server)?;
    // A server that cannot be asked is no reason to make a key.
    let challenge = connection.send(Call::new(Method::POST, "/api/v1/auth/challenge"));
    let challenge: Challenge = understood(challenge.await?)?;
    let (key, key_file) = key(shell, &arguments, before)?;
    let message = message(&challenge, &connection.server, key.public_key())?;
    let body = SignIn {
        signature: key.sign_message(message.as_bytes()).to_string(),
        message,
        cookie: false,
    };
    let verify = Call::new(Method::POST, "/api/v1/auth/verify").json(&body);
    let answer: SignedIn = understood(connection.send(verify).await?)?;
    let token = answer.token.ok_or_else(|| {
        Failure::new("the server gave no token").hint("is it older than this program?")
    })?;
    let expires_at = answer.session.expires_at;
    let known = (key.public_key(), key_file.clone());
    let profile = Profile::new(
        &connection.server,
        known,
        challenge.chain_id,
        SecretString::from(token.0),
        expires_at,
    );
    file.write(&profile)?;
    if shell.output.json {
        shell.output.data(&json!({
            "server": connection.server.to_string(),
            "public_key": key.public_key(),
            "standing": answer.standing,
            "is_admin": answer.is_admin,
            "key_file": key_file,
            "expires_at": expires_at,
        }));
        return Ok(());
    }
    shell.output.note(format_args!(
        "signed in at {} as {} until {}",
        connection.server,
        answer.public_key,
        expires_at.format("%Y-%m-%d")
    ));
    if let Some(advice) = advice(answer.standing) {
        shell.output.note(advice);
    }
    Ok(())
}

fn is_this_machine(server: &Origin) -> bool {
    let authority = server.authority();
    let host = match authority.parse::<SocketAddr>() {
        Ok(address) => return address.ip().is_loopback(),
        Err(_) => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

fn advice(standing: SignedInStanding) -> Option<&'static str> {
    Some(match standing {
        SignedInStanding::Visitor => {
            "your key is not registered there yet: `nexus identity register`"
        }
        SignedInStanding::Pending => {
            "an administrator of the server decides whether you are let in"
        }
        SignedInStanding::Disabled => "an administrator of the server has disabled your identity",
        SignedInStanding::Member | SignedInStanding::Unreadable => return None,
    })
}

fn server(arguments: &Login, before: Option<&Profile>) -> Result<Origin, Failure> {
    match (&arguments.url, before) {
        (Some(url), _) => url.parse().map_err(|error| {
            Failure::new(format!("{url:?} is not the address of a server: {error}"))
        }),
        (None, Some(profile)) => profile.server(),
        (None, None) => DEFAULT_SERVER
            .parse()
            .map_err(|error| Failure::new(format!("{DEFAULT_SERVER}: {error}"))),
    }
}

fn key(
    shell: &Shell,
    arguments: &Login,
    before: Option<Profile>,
) -> Result<(SigningKey, PathBuf), Failure> {
    let passphrases = arguments.remote.passphrases();
    if arguments.new {
        let passphrase = if arguments.no_passphrase {
            None
        } else {
            Some(passphrases.choose()?)
        };
        let folder = remote::folder()?.join("keys");
        let (key, file) = keys::make(&folder, passphrase.as_ref())?;
        shell.output.note(format_args!(
            "the new key is in {}: keep a copy, nobody can make it again",
            file.display()
        ));
        return Ok((key, file));
    }
    let file = match (&arguments.key, before) {
        (Some(file), _) => std::path::absolute(file)
            .map_err(|error| Failure::new(format!("{} is no file: {error}", file.display())))?,
        (None, Some(profile)) => profile.key_file,
        (None, None) => {
            return Err(Failure::new("with which key?")
                .hint("`--key FILE` takes one that you have, `--new` makes one"));
        }
    };
    Ok((keys::load(&file, &passphrases)?, file))
}

/// The text to sign, if it is one of this server. Another text could sign us in somewhere else, in
/// the name of whoever runs this server.
fn message(challenge: &Challenge, server: &Origin, key: PublicKey) -> Result<String, Failure> {
    let text = message_for(challenge, key);
    let is_ours = Message::parse(&text).is_ok_and(|(message, signer)| {
        message.domain == server.authority()
            && message.uri == server.uri()
            && message.chain_id == challenge.chain_id
            && signer == key
            && message.to_string() == text
    });
    if is_ours {
        return Ok(text);
    }
    Err(Failure::new(format!(
        "{server} asks to sign something else than a sign-in there"
    ))
    .hint("nothing was signed; ask whoever runs the server, and use its own address"))
}

pub(crate) async fn logout(shell: &Shell, arguments: &Arguments) -> Result<(), Failure> {
    let remote = Remote::open(arguments)?;
    let call = Call::new(Method::DELETE, "/api/v1/auth/session");
    match remote.connection.send(call).await {
        Ok(_) => {}
        // The session was over before.
        Err(CallError::Refused(refused)) if refused.status == StatusCode::UNAUTHORIZED => {}
        Err(error) => return Err(error.into()),
    }
    remote.file.remove()?;
    let server = remote.connection.server.to_string();
    if shell.output.json {
        shell
            .output
            .data(&json!({"signed_out": true, "server": server}));
    }
    shell.output.note(format_args!("signed out of {server}"));
    Ok(())
}

pub(crate) async fn whoami(shell: &Shell, arguments: &Arguments) -> Result<(), Failure> {
    let output = &shell.output;
    let remote = Remote::open(arguments)?;
    let answer: SignedIn = understood(remote.get("/api/v1/auth/session").await?)?;
    let (server, profile) = (remote.connection.server.to_string(), &remote.profile);
    if output.json {
        output.data(&json!({
            "server": server,
            "public_key": profile.public_key,
            "standing": answer.standing,
            "is_admin": answer.is_admin,
            "key_file": profile.key_file,
            "expires_at": answer.session.expires_at,
        }));
        return Ok(());
    }
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        row("server", server),
        row("address", answer.public_key),
        row("standing", answer.standing.as_str().to_owned()),
        row("key", profile.key_file.display().to_string()),
        row(
            "until",
            answer
                .session
                .expires_at
                .format("%Y-%m-%d %H:%M")
                .to_string(),
        ),
    ];
    if answer.is_admin {
        rows.push(row("admin", "yes".to_owned()));
    }
    for line in columns(&rows) {
        output.line(line);
    }
    if let Some(advice) = advice(answer.standing) {
        output.note(advice);
    }
    Ok(())
}
