//! Gateways of others, where they are installed. Each runs as its makers say: one process, one
//! model, its log thrown away. `LiteLLM` checks a key; Portkey's gateway has no keys of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::say;
use crate::process::{Core, Cores, Server, free_address};

/// Somebody else's gateway that is running.
pub(crate) struct Gateway {
    pub(crate) name: &'static str,
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    /// What it calls the model.
    pub(crate) model: &'static str,
    /// Lines that end as HTTP wants it.
    pub(crate) headers: String,
}

impl Gateway {
    /// All that `scripts/install-test-tools bench-peers` has installed.
    pub(crate) fn start_all(
        cores: Cores,
        folder: &Path,
        provider: SocketAddr,
    ) -> anyhow::Result<Vec<Self>> {
        let tools = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools"));
        let (python, node) = (tools.join("bench-peers-python"), tools.join("bench-peers"));
        if !(python.is_dir() && node.is_dir()) {
            say(
                "no other gateways are there (scripts/install-test-tools bench-peers gets them): \
                 going on without them",
            );
            return Ok(Vec::new());
        }
        say("starting the gateways of others");
        Ok(vec![
            Self::litellm(cores, folder, &python, provider)?,
            Self::portkey(cores, &node, provider)?,
        ])
    }

    fn litellm(
        cores: Cores,
        folder: &Path,
        packages: &Path,
        provider: SocketAddr,
    ) -> anyhow::Result<Self> {
        let address = free_address()?;
        let settings = folder.join("litellm.yaml");
        fs::write(
            &settings,
            format!(
                "model_list:\n  - model_name: bench\n    litellm_params:\n      \
                 model: openai/bench-large\n      api_base: http://{provider}/v1\n      \
                 api_key: sk-provider\ngeneral_settings:\n  master_key: sk-bench\n"
            ),
        )?;
        let mut command = cores.command(Core::Measured, "python3");
        command
            .args(["-c", "from litellm import run_server; run_server()"])
            .arg("--config")
            .arg(&settings)
            .args(["--host", "127.0.0.1", "--num_workers", "1", "--port"])
            .arg(address.port().to_string())
            .env("PYTHONPATH", packages)
            // Or it asks another server for the prices of models.
            .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
            .env("LITELLM_LOG", "ERROR");
        Ok(Self {
            name: "LiteLLM proxy 1.106.2, with a key",
            server: Server::start_at(quiet(command), address)?,
            address,
            model: "bench",
            headers: "Authorization: Bearer sk-bench\r\n".to_owned(),
        })
    }

    fn portkey(cores: Cores, packages: &Path, provider: SocketAddr) -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut command = cores.command(Core::Measured, "node");
        command
            .arg(packages.join("node_modules/@portkey-ai/gateway/build/start-server.js"))
            .arg("--headless")
            .arg(format!("--port={}", address.port()))
            .env("NODE_ENV", "production");
        Ok(Self {
            name: "Portkey gateway 1.15.2",
            server: Server::start_at(quiet(command), address)?,
            address,
            model: "bench-large",
            headers: format!(
                "Authorization: Bearer sk-provider\r\nx-portkey-provider: openai\r\n\
                 x-portkey-custom-host: http://{provider}/v1\r\n"
            ),
        })
    }
}

fn quiet(mut command: Command) -> Command {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}
