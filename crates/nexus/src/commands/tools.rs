//! `nexus tools`: what models may call, and whether it can be reached now.

use nexus_run::tools::{Source, SourceTool};
use serde_json::{Value, json};

use crate::Shell;
use crate::failure::Failure;
use crate::output::{columns, printable};
use crate::wire;

/// How much of a description fits into a line, in characters.
const SHORT: usize = 60;

pub(crate) async fn run(shell: &Shell) -> Result<(), Failure> {
    let store = wire::open_existing(&shell.settings).await?;
    let genesis = wire::genesis(&shell.settings, &*store).await?;
    let tools = wire::Tools::new(&shell.settings, &shell.settings.listen(None))?;
    let defaults = nexus_core::EffectiveProfile::resolve(&genesis, &[]);
    let names = &defaults.tools.value;
    let sources = tools.toolbox.sources(&genesis, names).await;
    tools.close().await;
    if shell.output.json {
        let sources: Vec<_> = sources.iter().map(as_json).collect();
        shell.output.data(&sources);
        return Ok(());
    }
    print(shell, &sources);
    Ok(())
}

fn print(shell: &Shell, sources: &[Source]) {
    let paint = shell.output.paint;
    let heading = ["", "TOOL", "MODELS SEE", "WHAT IT DOES"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for tool in sources
        .iter()
        .flat_map(|source| source.tools.iter().flatten())
    {
        rows.push(row(tool));
    }
    for (place, line) in columns(&rows).iter().enumerate() {
        shell.output.line(match place {
            0 => paint.bold(line),
            _ => line.clone(),
        });
    }
    for source in sources {
        if let Err(away) = &source.tools {
            let advice = away.advice.as_deref();
            shell.output.line(format_args!(
                "{} {} cannot be reached: {}{}",
                paint.yellow("away:"),
                source.name,
                printable(&away.reason),
                advice.map_or_else(String::new, |advice| format!(" ({})", printable(advice)))
            ));
        }
    }
    shell
        .output
        .note("* is on for people who chose nothing else");
}

fn row(tool: &SourceTool) -> Vec<String> {
    let description = tool.description.split_whitespace().collect::<Vec<_>>();
    let description: String = description.join(" ").chars().take(SHORT).collect();
    vec![
        if tool.is_on { "*" } else { " " }.to_owned(),
        printable(tool.name.as_str()).into_owned(),
        tool.told_as.clone(),
        printable(&description).into_owned(),
    ]
}

fn as_json(source: &Source) -> Value {
    let tool = |tool: &SourceTool| {
        json!({
            "name": tool.name,
            "model_name": tool.told_as,
            "description": tool.description,
            "default": tool.is_on,
        })
    };
    let tools = source.tools.iter().flatten();
    let mut row = json!({
        "name": source.name,
        "kind": source.kind.as_str(),
        "reachable": source.tools.is_ok(),
        "tools": tools.map(tool).collect::<Vec<_>>(),
    });
    if let Err(away) = &source.tools {
        row["reason"] = away.reason.as_str().into();
        row["advice"] = away.advice.as_deref().into();
    }
    row
}
