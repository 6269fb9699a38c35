//! The servers with tools: each is connected to, and its tools are counted.

use nexus_core::Genesis;
use nexus_run::tools::{Source, SourceKind};

use crate::failure::Failure;
use crate::{Shell, wire};

use super::report::{Area, Report};

pub(super) async fn look(
    shell: &Shell,
    genesis: &Genesis,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    report.area(Area::Tools);
    let servers = genesis.tool_servers();
    if servers.is_empty() {
        report.ok("the template names no servers with tools");
        return Ok(());
    }
    let names: Vec<_> = servers.iter().map(|server| &*server.name).collect();
    report.progress(&format!("connecting to {} …", names.join(", ")));
    let tools = wire::Tools::new(&shell.settings, &shell.settings.listen(None))?;
    let sources = tools.toolbox.sources(genesis, &[]).await;
    tools.close().await;
    report.progress_is_over();
    for source in &sources {
        if source.kind != SourceKind::Builtin {
            server(source, report);
        }
    }
    missing(genesis, &sources, report);
    Ok(())
}

fn server(source: &Source, report: &mut Report<'_>) {
    let (name, kind) = (&source.name, source.kind.as_str());
    match &source.tools {
        Ok(tools) if tools.is_empty() => report.warn(
            format!("{name} ({kind}) answers, and has no tools"),
            "look at what it says when it is started by hand",
        ),
        Ok(tools) => report.ok(format!("{name} ({kind}) answers; tools: {}", tools.len())),
        Err(away) => {
            let usual = match source.kind {
                SourceKind::Stdio => {
                    "look at `mcp_commands` in nexus.yml, and start that command by hand: it has \
                     only PATH, HOME and the like of this environment"
                }
                SourceKind::Http | SourceKind::Builtin => {
                    "look whether it runs, and whether its `url` in the template is right"
                }
            };
            report.fail(
                format!("{name} ({kind}) cannot be reached: {}", away.reason),
                away.advice.as_deref().unwrap_or(usual),
            );
        }
    }
}

/// Single tools that the defaults turn on, and their server does not have.
fn missing(genesis: &Genesis, sources: &[Source], report: &mut Report<'_>) {
    let named = genesis.defaults().tools.iter().flat_map(|names| &**names);
    for name in named.filter(|name| name.tool().is_some()) {
        let source = sources.iter().find(|it| &*it.name == name.source());
        let Some(Ok(tools)) = source.map(|source| &source.tools) else {
            continue;
        };
        if !tools.iter().any(|tool| tool.name == *name) {
            report.warn(
                format!("people are given {name}, and its server has no such tool"),
                "`nexus tools` lists what there is; correct user_defaults.config.tools",
            );
        }
    }
}
