//! What README.md and the folder `examples` show: it works as it stands there.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::clients::installed;
use crate::program::{Home, Server, finish, repository};

/// What `echo` begins every answer with.
const ECHO: &str = "I am **echo**";

/// A server, and somebody who is signed in there with an API key.
struct Place {
    home: Home,
    _server: Server,
    url: String,
    key: String,
}

impl Place {
    fn new() -> Self {
        let home = Home::new();
        home.ok(&["init"]);
        let server = home.serve();
        let url = format!("http://{}", server.address);
        home.ok(&["login", &url, "--new", "--no-passphrase"]);
        home.ok(&["identity", "register"]);
        let scopes = "chat,models.read";
        let key = home.ok(&["key", "create", "examples", "--scopes", scopes]);
        Self {
            key: key.trim().to_owned(),
            home,
            _server: server,
            url,
        }
    }

    /// What an example printed.
    #[track_caller]
    fn run(&self, program: &str, file: &Path, question: &str) -> String {
        let mut command = Command::new(program);
        command
            .arg(file)
            .arg(question)
            .env_clear()
            .env("PATH", env!("PATH"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONPATH", installed("openai-clients-python"))
            .env("NEXUS_URL", &self.url)
            .env("NEXUS_API_KEY", &self.key);
        output(&mut command)
    }
}

#[track_caller]
fn output(command: &mut Command) -> String {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let Ok(child) = command.spawn() else {
        panic!("{command:?} is not there");
    };
    let done = finish(child);
    assert_eq!(done.code, Some(0), "{}\n{}", done.out, done.err);
    done.out
}

#[test]
fn the_native_api_answers_the_example_with_curl() {
    let place = Place::new();
    let file = repository("examples/native-api.sh");
    let said = place.run("sh", &file, "Say \"hello\" to C:\\me");
    assert!(said.contains("  echo\n"), "{said}");
    assert!(said.contains("event: text_chunk"), "{said}");
    assert!(said.contains("event: run_finished"), "{said}");
    // `echo` repeats the question, a word at a time.
    for word in ["\\\"hello\\\"", "C:\\\\me"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn the_packages_of_openai_answer_their_examples() {
    let place = Place::new();
    let python = repository("examples/openai_chat.py");
    let said = place.run("python3", &python, "Hello");
    assert_eq!(said.matches(ECHO).count(), 2, "{said}");
    assert!(said.contains("-- echo, "), "{said}");

    // Node looks for packages beside the file.
    let text = fs::read_to_string(repository("examples/openai_chat.mjs")).unwrap();
    let node = place.home.write("examples/openai_chat.mjs", &text);
    let packages = installed("openai-clients").join("node_modules");
    std::os::unix::fs::symlink(packages, node.with_file_name("node_modules")).unwrap();
    let said = place.run("node", &node, "Hello");
    assert_eq!(said.matches(ECHO).count(), 2, "{said}");
    assert!(said.contains("-- echo, "), "{said}");
}

#[test]
fn every_template_among_the_examples_can_be_stored() {
    let templates = fs::read_dir(repository("examples/templates")).unwrap();
    let mut count = 0;
    for file in templates {
        let file = file.unwrap().path();
        let path = file.to_str().unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let environment = text.lines().find_map(|it| it.strip_prefix("environment: "));
        let environment = ["--environment", environment.unwrap()];
        let home = Home::new();
        home.ok(&[&["template", "check", path], &environment[..]].concat());
        // No key is set, so the default model stays what the template says.
        home.ok(&[&["init", "--config", path], &environment[..]].concat());
        let stored = home.json(&[&["template", "show"], &environment[..]].concat());
        let model = &stored["document"]["user_defaults"]["config"]["model"];
        let options = &stored["document"]["ui"]["field_options"]["config.model"]["options"];
        assert_eq!(*model, options[0], "{path}");
        let server = home.serve_with(&environment);
        assert!(server.report.contains("version 1"), "{}", server.report);
        count += 1;
    }
    assert_eq!(count, 2);
}

/// The first block of README.md that contains this text.
fn shown(part: &str) -> String {
    let page = fs::read_to_string(repository("README.md")).unwrap();
    let blocks = page.split("```").skip(1).step_by(2);
    let mut blocks = blocks.filter(|block| block.contains(part));
    blocks.next().unwrap().to_owned()
}

#[test]
fn the_readme_shows_what_explain_prints() {
    let home = Home::new();
    home.ok(&["init"]);
    let (key, _) = home.member();
    home.ok(&["config", "set", &key, "temperature", "0.3"]);
    let persona = "You are Captain Nova, a cheerful pirate.";
    home.ok(&["prompt", "set", &key, "persona", persona]);
    let printed = home.ok(&["config", "explain", &key]);
    let shown = shown("$ nexus config explain");
    let shown: Vec<_> = shown.lines().skip(2).map(str::trim_end).collect();
    let printed: Vec<_> = printed.lines().map(str::trim_end).collect();
    assert_eq!(shown, printed);
}

#[test]
fn the_commands_of_the_readme_work_in_their_order() {
    let home = Home::new();
    home.ok(&["init"]);
    let (key, _) = home.member();
    home.write("me.md", "You are my gardener.");
    let server = home.serve();
    let change = "sed -i 's/temperature: 0.8/temperature: 0.7/' my-config.yml\n\
                  nexus template apply my-config.yml --yes\n";
    let commands = [
        "nexus config set KEY",
        "nexus template show > my-config.yml",
        "nexus login",
        "export NEXUS_TOKEN",
    ];
    let blocks = commands.map(|part| shown(part).trim_start_matches("sh").to_owned());
    // There is no third version yet, and nobody to answer questions.
    let script = blocks
        .join("\n")
        .replace(" KEY", &format!(" {key}"))
        .replace(
            "http://127.0.0.1:8000",
            &format!("http://{}", server.address),
        )
        .replace(
            "nexus template history",
            &format!("{change}nexus template history"),
        )
        .replace("template diff 3 5", "template diff 1 2")
        .replace("template rollback 3", "template rollback 1 --yes");
    let nexus = r#"nexus() { "$NEXUS" "$@"; }"#;
    let mut shell = Command::new("bash");
    shell.args(["-eu", "-c", &format!("{nexus}\n{script}")]);
    shell
        .current_dir(home.path("."))
        .env("NEXUS", home.command(&[]).get_program())
        .env("XDG_CONFIG_HOME", home.path("config"))
        .env("NEXUS_PASSPHRASE", "correct horse");
    let said = output(&mut shell);
    assert!(said.contains("signed by"), "{said}");
    assert!(said.contains("event: run_finished"), "{said}");
    let versions = home.json(&["template", "history"]);
    assert_eq!(versions.as_array().map(Vec::len), Some(3), "{versions:#}");
}
