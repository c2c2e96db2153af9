//! `cargo xtask tidy`: what the compiler does not check.

use crate::Outcome;
use std::path::{Path, PathBuf};

/// The longest a source file may be, tests aside.
const MAX_LINES: usize = 700;

/// The longest an architecture decision record may be: half a page, generously.
const MAX_ADR_LINES: usize = 60;

const MACHINES: &[&str] = &["stp", "bridge", "arp", "ip", "tcp", "rip", "bgp"];
const BASE: &[&str] = &["core", "wire", "view"];

/// Crates outside the workspace that only one of ours may use, and which.
const HOMES: &[(&str, &str)] = &[
    ("tokio", "api"),
    ("axum", "api"),
    ("mio", "linux"),
    ("libc", "linux"),
    ("socket2", "linux"),
    ("clap", "cli"),
];

/// Words that must not stand in source. Put together here, so that this file does not contain them.
const FORBIDDEN_CODE: &[&str] =
    &[concat!("to", "do!("), concat!("unimpl", "emented!("), concat!("db", "g!("), concat!("#[ig", "nore")];

/// Words that must not stand in any file: hosts of package registries, paths of some machine.
const FORBIDDEN_TEXT: &[&str] = &[
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("npmjs", ".org"),
    concat!("deb.debian", ".org"),
    concat!("golang", ".org"),
    concat!("/wo", "rk/main"),
    concat!("/wo", "rk/shared"),
    concat!("/wo", "rk/.lib"),
    concat!("bash", "_jobs"),
];

/// Checks everything and reports every problem at once.
pub(crate) fn tidy(root: &Path) -> Outcome {
    let mut problems = Vec::new();
    let files = files(root);
    layers(root, &mut problems);
    for file in &files {
        let name = file.strip_prefix(root).unwrap_or(file).to_string_lossy().replace('\\', "/");
        let Ok(text) = std::fs::read_to_string(file) else { continue };
        if name != "Cargo.lock" && !name.ends_with("/Cargo.lock") {
            words(&name, &text, FORBIDDEN_TEXT, &mut problems);
        }
        if name.ends_with(".rs") {
            source(&name, &text, &mut problems);
        }
    }
    records(root, &mut problems);
    if !std::fs::read_to_string(root.join("README.md")).unwrap_or_default().contains("cargo xtask test") {
        problems.push("README.md: does not say how to run the tests: cargo xtask test".into());
    }
    if problems.is_empty() {
        println!("tidy: {} files, nothing to say", files.len());
        return Ok(());
    }
    Err(format!("{}\ntidy: {} problems", problems.join("\n"), problems.len()))
}

/// What a crate of ours may depend on: only what is above it in the list of layers (ARCHITECTURE.md).
fn allowed(name: &str) -> Option<Vec<&'static str>> {
    let base = BASE.to_vec();
    let with = |more: &[&'static str]| Some([BASE, MACHINES, more].concat());
    match name {
        "core" => Some(vec![]),
        "wire" | "view" => Some(vec!["core"]),
        // They never see one another.
        machine if MACHINES.contains(&machine) => Some(base),
        "node" => with(&["explain"]),
        "config" => with(&["node"]),
        "lab" => with(&["node", "config", "explain"]),
        "linux" => with(&["node", "config"]),
        "explain" => Some(base),
        "api" => Some(vec!["core", "view"]),
        "cli" => with(&["node", "config", "lab", "linux", "explain", "api"]),
        _ => None,
    }
}

fn layers(root: &Path, problems: &mut Vec<String>) {
    let mut crates: Vec<PathBuf> = std::fs::read_dir(root.join("crates"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("Cargo.toml").exists())
        .collect();
    crates.sort();
    for path in crates {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let manifest = std::fs::read_to_string(path.join("Cargo.toml")).unwrap_or_default();
        problems.extend(check_manifest(&name, &manifest));
    }
}

/// What is wrong with the dependencies of one crate. A test of a crate must keep to the layers too.
fn check_manifest(name: &str, manifest: &str) -> Vec<String> {
    let table: toml::Table = match manifest.parse() {
        Ok(table) => table,
        Err(error) => return vec![format!("crates/{name}/Cargo.toml: {error}")],
    };
    let Some(allowed) = allowed(name) else {
        return vec![format!("crates/{name}: not in the list of layers, see xtask/src/tidy.rs")];
    };
    let mut problems = Vec::new();
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let Some(dependencies) = table.get(section).and_then(toml::Value::as_table) else { continue };
        for dependency in dependencies.keys() {
            let ours = dependency.strip_prefix("trunkline-");
            if let Some(ours) = ours
                && ours != name
                && !allowed.contains(&ours)
            {
                problems.push(format!("crates/{name}/Cargo.toml: {name} must not know {ours} (layers)"));
            }
            let home = HOMES.iter().find(|(outside, home)| outside == dependency && *home != name);
            if let (Some((outside, home)), "dependencies") = (home, section) {
                problems.push(format!("crates/{name}/Cargo.toml: {outside} lives in {home} alone"));
            }
        }
    }
    problems
}

fn is_test(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    name.contains("/tests/")
        || name.starts_with("tests/")
        || file == "tests.rs"
        || file.ends_with("_tests.rs")
}

fn source(name: &str, text: &str, problems: &mut Vec<String>) {
    // A file may begin with attributes such as no_main, which fuzz targets need.
    let first = text.lines().find(|line| !line.is_empty() && !line.starts_with("#!["));
    if !first.is_some_and(|line| line.starts_with("//! ")) {
        problems.push(format!("{name}: does not begin with //! and its purpose"));
    }
    words(name, text, FORBIDDEN_CODE, problems);
    if !name.starts_with("crates/linux/") {
        for (number, line) in text.lines().enumerate() {
            if is_unsafe(line) {
                problems.push(format!("{name}:{}: unsafe code outside crates/linux", number + 1));
            }
        }
    }
    let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
    if !is_test(name) && lines > MAX_LINES {
        problems.push(format!("{name}: {lines} lines, {MAX_LINES} are the most"));
    }
}

/// Whether a line of code has the keyword; comments and text aside.
fn is_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or("");
    let keyword = concat!("un", "safe");
    [" {", " fn", " impl", " trait", " extern", "(", "{"]
        .iter()
        .any(|next| code.match_indices(&format!("{keyword}{next}")).any(|(at, _)| is_code(code, at)))
        || code.trim_end() == keyword
}

/// Whether the place is not within quotes and not within a longer word.
fn is_code(line: &str, at: usize) -> bool {
    let before = &line[..at];
    before.matches('"').count().is_multiple_of(2)
        && !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

fn words(name: &str, text: &str, forbidden: &[&str], problems: &mut Vec<String>) {
    for (number, line) in text.lines().enumerate() {
        for word in forbidden.iter().filter(|word| line.contains(**word)) {
            problems.push(format!("{name}:{}: must not contain {word}", number + 1));
        }
    }
}

/// docs/adr/NNNN-title.md: counted up from 0001, headed by the number, short, with what was decided and why.
fn records(root: &Path, problems: &mut Vec<String>) {
    let mut names: Vec<String> = std::fs::read_dir(root.join("docs/adr"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    for (index, name) in names.iter().enumerate() {
        let number = format!("{:04}", index + 1);
        let title = name.strip_prefix(&format!("{number}-")).and_then(|rest| rest.strip_suffix(".md"));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !title.is_some_and(|title| !title.is_empty() && title.chars().all(plain)) {
            problems.push(format!("docs/adr/{name}: expected the name {number}-some-title.md"));
            continue;
        }
        let text = std::fs::read_to_string(root.join("docs/adr").join(name)).unwrap_or_default();
        if !text.starts_with(&format!("# {number}")) {
            problems.push(format!("docs/adr/{name}: does not begin with # {number}"));
        }
        for section in ["Context", "Decision", "Consequences"] {
            if !text.lines().any(|line| line == format!("## {section}")) {
                problems.push(format!("docs/adr/{name}: has no section ## {section}"));
            }
        }
        if text.lines().count() > MAX_ADR_LINES {
            problems.push(format!("docs/adr/{name}: longer than {MAX_ADR_LINES} lines"));
        }
    }
    if names.is_empty() {
        problems.push("docs/adr: no architecture decision record".into());
    }
}

/// All files of the project, without what is built or stored.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![root.to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            let fuzz_output = dir.ends_with("fuzz") && ["corpus", "artifacts", "coverage"].contains(&&*name);
            if path.is_dir() {
                if name != "target" && name != ".git" && !fuzz_output {
                    todo.push(path);
                }
            } else if name != ".git" {
                // In a worktree it is a file, and none of the project's.
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_that_break_the_layers_are_found() {
        let manifest = "[dependencies]\ntrunkline-node.workspace = true\ntokio = \"1\"\n\
                        [dev-dependencies]\ntrunkline-linux.workspace = true\n";
        let problems = check_manifest("bgp", manifest);
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert_eq!(check_manifest("bgp", "[dependencies]\ntrunkline-wire.workspace = true\n"), [""; 0]);
        assert_eq!(check_manifest("weather", "").len(), 1);
    }

    #[test]
    fn the_keyword_is_found_in_code_only() {
        let keyword = concat!("un", "safe");
        for code in [format!("    {keyword} {{ f() }}"), format!("pub {keyword} fn f() {{}}")] {
            assert!(is_unsafe(&code), "{code}");
        }
        for text in
            [format!("// {keyword} {{"), format!("\"{keyword} {{\""), format!("{keyword}_code = \"deny\"")]
        {
            assert!(!is_unsafe(&text), "{text}");
        }
    }

    #[test]
    fn forbidden_words_and_long_files_are_found() {
        let mut problems = Vec::new();
        source("crates/wire/src/x.rs", &format!("//! A purpose.\n{}\n", FORBIDDEN_CODE[0]), &mut problems);
        source("crates/wire/src/y.rs", "fn f() {}\n", &mut problems);
        source("crates/wire/src/z.rs", &format!("//! Long.\n{}", "\n".repeat(MAX_LINES)), &mut problems);
        source("crates/wire/tests/z.rs", &format!("//! Long.\n{}", "\n".repeat(MAX_LINES)), &mut problems);
        assert_eq!(problems.len(), 3, "{problems:?}");
    }
}
