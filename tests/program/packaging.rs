//! What packages are made of: completions, the manual, units, and what Cargo.toml says of them.

use crate::harness::{madang, ours};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    madang().args(arguments).output().expect("run madang")
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// The commands that `madang --help` lists.
fn commands() -> BTreeSet<String> {
    let help = text(&run(&["--help"]));
    let (_, list) = help.split_once("Commands:\n").expect("commands");
    // What a command does may continue in lines that are indented further.
    let lines = list.lines().take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn completions_of_each_shell_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = text(&run(&["completions", shell]));
        for command in commands() {
            assert!(script.contains(&command), "{shell} does not know {command}");
        }
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = text(&run(&["completions", shell]));
        assert!(!script.contains("rehearse"), "{shell} shows what is hidden");
        for value in ["limits.burst=", "interval", "auto"] {
            assert!(script.contains(value), "{shell} does not know the value {value}");
        }
    }
    let refused = run(&["completions", "dos"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("possible values"), "{refused:?}");
}

#[test]
fn bash_takes_its_completions() {
    let script = text(&run(&["completions", "bash"]));
    let checked = Command::new("bash").args(["-n", "-c", &script]).output();
    if let Ok(checked) = checked {
        assert!(checked.status.success(), "{checked:?}");
    }
}

#[test]
fn there_is_a_manual_page_of_every_command() {
    let page = text(&run(&["man"]));
    assert!(page.contains(".TH madang 1") && page.contains("on disk"), "{page}");
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let man = directory.path().join("man");
    assert!(run(&["man", "--to", man.to_str().expect("UTF-8")]).status.success());
    for command in commands() {
        assert!(man.join(format!("madang-{command}.1")).exists(), "no page of {command}");
    }
    for page in fs::read_dir(&man).expect("pages") {
        let page = page.expect("a page").path();
        let text = fs::read_to_string(&page).expect("a page");
        // Commands that only lead to others have the examples there.
        let leads = ["madang-config.1", "madang-log.1"].iter().any(|name| page.ends_with(name));
        let sections = ["EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"];
        for section in sections.iter().filter(|section| !leads || **section != "EXAMPLES") {
            assert!(
                text.contains(&format!(".SH \"{section}\"")) || text.contains(&format!(".SH {section}")),
                "{section} of {}",
                page.display()
            );
        }
    }
    let file = directory.path().join("file");
    fs::write(&file, "").expect("a file in the way");
    let refused = run(&["man", "--to", file.to_str().expect("UTF-8")]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("choose a directory"), "{refused:?}");
}

#[test]
fn what_the_package_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("the manifest");
    let (_, section) = manifest.split_once("[package.metadata.deb]").expect("the section");
    let (_, assets) = section.split_once("assets = [\n").expect("assets");
    let (assets, _) = assets.split_once("\n]").expect("their end");
    let justfile = fs::read_to_string(root.join("justfile")).expect("the justfile");
    for asset in assets.lines() {
        let source = asset.split('"').nth(1).expect("a source");
        match source.strip_prefix("target/package/") {
            Some(made) => {
                let made = made.split('/').next().expect("a name");
                assert!(justfile.contains(&format!("target/package/{made}")), "just makes no {source}");
            }
            None if source.starts_with("target/release/") => {}
            None => {
                let folder = source.split('*').next().expect("a path");
                assert!(root.join(folder).exists(), "{source} is not there");
            }
        }
    }
    for script in ["postinst", "postrm"] {
        let script = root.join("systemd/debian").join(script);
        let checked = Command::new("sh").arg("-n").arg(&script).status().expect("run sh");
        assert!(checked.success() && fs::read_to_string(script).expect("a script").contains("#DEBHELPER#"));
    }
}

/// The settings of a unit, comments apart.
fn unit(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name);
    let text = fs::read_to_string(path).expect("a unit");
    text.lines().filter(|line| line.contains('=') && !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn the_unit_says_what_the_server_keeps() {
    let service = unit("madang.service");
    let lines = ["Type=notify", "WatchdogSec=20", "NoNewPrivileges=yes", "StateDirectory=madang"];
    // As many as the server may give, or a restart of a large one says farewell.
    for line in lines.into_iter().chain(["FileDescriptorStoreMax=64", "NotifyAccess=main"]) {
        assert!(service.iter().any(|found| found == line), "{line}");
    }
    assert!(unit("madang.socket").contains(&"ReusePort=yes".to_owned()));
}

#[test]
fn the_edge_has_a_unit_of_its_own_which_the_server_wants_and_does_not_need() {
    let (service, edge) = (unit("madang.service"), unit("madang-edge.service"));
    let has = |unit: &[String], line: &str| assert!(unit.iter().any(|found| found == line), "{line}");
    for line in ["Wants=madang-edge.service", "Environment=MADANG_EDGE_START=false"] {
        has(&service, line);
    }
    let needs = ["Requires=", "BindsTo=", "PartOf="];
    let is_need = |line: &&String| needs.iter().any(|need| line.starts_with(need));
    assert_eq!(service.iter().chain(&edge).find(is_need), None);
    for line in ["User=madang", "RestartSec=500ms", "StartLimitIntervalSec=0", "Nice=5"] {
        has(&edge, line);
    }
    // systemd takes an end by SIGHUP or SIGTERM for a good one, after which on-failure starts nothing.
    for line in ["Restart=always", "RestartPreventExitStatus=2 3", "SuccessExitStatus=3"] {
        has(&edge, line);
    }
    assert!(edge.iter().any(|line| line.starts_with("MemoryMax=")));
    // Another user could not read the data directory, nor connect to the server.
    let user = |unit: &[String]| unit.iter().find(|line| line.starts_with("User=")).cloned();
    assert_eq!(user(&service), user(&edge));
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = fs::read_to_string(manifest).expect("the manifest");
    for name in ["madang", "madang-edge"] {
        assert!(manifest.contains(&format!("unit-name = \"{name}\"")), "{name}");
        let link = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("systemd/debian/{name}.service"));
        assert_eq!(fs::read(link).expect("a unit"), {
            let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("systemd/{name}.service"));
            fs::read(unit).expect("a unit")
        });
    }
}

#[test]
fn a_newer_package_upgrades_in_place_and_the_sandbox_lets_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("a file");
    assert!(read("Cargo.toml").contains("restart-after-upgrade = false"));
    assert!(read("systemd/debian/postinst").contains("madang upgrade --data /var/lib/madang"));
    // A mount over the program itself would be gone when it is replaced, and the next one not executable.
    let service = unit("madang.service");
    let allowed = service.iter().find_map(|line| line.strip_prefix("ExecPaths=")).expect("what may be run");
    assert!(allowed.split(' ').any(|path| path == "/usr/bin") && !allowed.contains("madang"), "{allowed}");
}

#[test]
fn the_unit_of_backups_runs_the_command_that_the_documents_show() {
    let service = unit("madang-backup.service");
    let command =
        service.iter().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/")).expect("a command");
    // Each line of a console is run by tests/program/documents.
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let page = fs::read_to_string(page).expect("the page");
    assert!(page.lines().any(|line| line == format!("# {command}")), "{command}");
    let place = service.iter().find_map(|line| line.strip_prefix("ReadWritePaths=")).expect("a place");
    let to = Path::new(command.rsplit(' ').next().expect("a directory"));
    assert_eq!(to.parent(), Some(Path::new(place)));
    assert!(service.contains(&"CapabilityBoundingSet=CAP_DAC_READ_SEARCH".to_owned()));
    let timer = unit("madang-backup.timer");
    for line in ["OnCalendar=daily", "Persistent=yes", "WantedBy=timers.target"] {
        assert!(timer.contains(&line.to_owned()), "{line}");
    }
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = fs::read_to_string(manifest).expect("the manifest");
    for name in ["madang-backup.service", "madang-backup.timer"] {
        assert!(
            manifest.contains(&format!("[\"systemd/{name}\", \"usr/share/doc/madang/examples/\"")),
            "{name}"
        );
    }
}

/// The exposure that systemd gives a unit; `None` where systemd cannot say.
fn exposure(name: &str) -> Option<f64> {
    let service = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name);
    let output = Command::new("systemd-analyze")
        .args(["security", "--no-pager", "--offline=true"])
        .arg(service)
        .env("SYSTEMD_COLORS", "0")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (_, rest) = text.split_once(&format!("Overall exposure level for {name}: "))?;
    rest.split(' ').next()?.parse().ok()
}

#[test]
fn systemd_rates_the_units_one_and_a_half_or_better_and_that_of_backups_two() {
    for (name, exposure_max) in
        [("madang.service", 1.5), ("madang-edge.service", 1.5), ("madang-backup.service", 2.0)]
    {
        match exposure(name) {
            Some(exposure) => assert!(exposure <= exposure_max, "{name}: {exposure}"),
            None => eprintln!("not tried: there is no systemd-analyze here"),
        }
    }
}

#[test]
fn a_package_has_the_checksums_of_its_files() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let (tree, package) = (directory.path().join("tree"), directory.path().join("한글.deb"));
    fs::create_dir_all(tree.join("DEBIAN")).expect("a directory");
    fs::create_dir_all(tree.join("usr/share/doc")).expect("a directory");
    let control =
        "Package: madang-example\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: none\n";
    fs::write(tree.join("DEBIAN/control"), control).expect("a file");
    fs::write(tree.join("usr/share/doc/a b"), "hello\n").expect("a file");
    let ran = |command: &mut Command| {
        let output = command.output().expect("run it");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    ran(Command::new("dpkg-deb").args(["--root-owner-group", "--build"]).arg(&tree).arg(&package));
    ran(Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/debian/add-md5sums")).arg(&package));
    let sums = ran(Command::new("dpkg-deb").arg("--info").arg(&package).arg("md5sums"));
    assert_eq!(sums, "b1946ac92492d2347c6235b4d2611184  usr/share/doc/a b\n");
}

/// What the build script tells Cargo of the commit, in this directory.
fn commit_built_from(script: &Path, directory: &Path, profile: &str, given: Option<&str>) -> Option<String> {
    let mut script = ours(script.to_str().expect("UTF-8"));
    script.current_dir(directory).env("PROFILE", profile);
    if let Some(given) = given {
        script.env("MADANG_COMMIT", given);
    }
    let output = script.output().expect("run it");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    said.lines()
        .find_map(|line| line.strip_prefix("cargo::rustc-env=MADANG_BUILT_COMMIT="))
        .map(str::to_owned)
}

#[test]
fn a_release_names_the_commit_of_its_checkout_and_an_archive_names_none() {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let script = place.path().join("script");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/build.rs");
    let built = ours("rustc").args(["--edition", "2024", "-o"]).arg(&script).arg(source).status();
    assert!(built.is_ok_and(|status| status.success()));
    let (first, second) =
        ("1234567890abcdef1234567890abcdef12345678", "abcdefabcdefabcdefabcdefabcdefabcdefabcd");
    let link = format!("gitdir: {}", place.path().join("worktree/.git/worktrees/other").display());
    let packed = format!("# pack-refs with: peeled\n{second} refs/heads/other\n{first} refs/heads/main\n");
    let on_main = "ref: refs/heads/main\n";
    let checkouts: [(&str, &[(&str, &str)]); 5] = [
        ("archive", &[("Cargo.toml", "")]),
        ("detached", &[(".git/HEAD", first)]),
        ("branch", &[(".git/HEAD", on_main), (".git/refs/heads/main", first), (".git/packed-refs", second)]),
        ("packed", &[(".git/HEAD", on_main), (".git/packed-refs", &packed)]),
        (
            "worktree",
            &[
                (".git/worktrees/other/HEAD", on_main),
                (".git/worktrees/other/commondir", "../..\n"),
                (".git/refs/heads/main", first),
                ("elsewhere/.git", &link),
            ],
        ),
    ];
    for (name, files) in checkouts {
        let directory = place.path().join(name);
        for (file, text) in files {
            let file = directory.join(file);
            fs::create_dir_all(file.parent().expect("a directory")).expect("a directory");
            fs::write(file, text).expect("a file");
        }
        let directory = if name == "worktree" { directory.join("elsewhere") } else { directory };
        let expected = (name != "archive").then(|| first[..12].to_owned());
        assert_eq!(commit_built_from(&script, &directory, "release", None), expected, "{name}");
        assert_eq!(commit_built_from(&script, &directory, "debug", None), None, "{name}");
        let given = commit_built_from(&script, &directory, "debug", Some(second));
        assert_eq!(given.as_deref(), Some(&second[..12]), "{name}");
        assert_eq!(commit_built_from(&script, &directory, "debug", Some("unknown")), None, "{name}");
    }
}
