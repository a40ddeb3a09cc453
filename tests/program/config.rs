//! The configuration: mistakes are named exactly, later layers win, the printed file is true.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use crate::harness;
use crate::harness::{Identity, tested_program};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// Runs `madang config …` in a directory, with these variables.
fn config(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(tested_program());
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("MADANG_") {
            command.env_remove(variable);
        }
    }
    let variables = variables.iter().copied();
    command.arg("config").args(arguments).current_dir(directory).envs(variables).output().unwrap()
}

/// What `config check` says of a file `madang.toml` of this text.
fn check(text: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("madang.toml"), text).unwrap();
    let arguments = [&["check", "--config", "madang.toml"], arguments].concat();
    config(directory.path(), &arguments, variables)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The line of a key in what `config check` printed, with single spaces.
fn line(output: &Output, key: &str) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let line = text(&output.stdout).lines().find(|line| line.starts_with(&format!("{key} ="))).unwrap();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_default_file_checks_as_it_is_and_uncommented_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let default = config(directory.path(), &["default"], &[]);
    assert_eq!(default.status.code(), Some(0));
    let without = check("", &[], &[]);
    // Better defaults of a later version arrive.
    assert_eq!(check(text(&default.stdout), &[], &[]).stdout, without.stdout);
    let uncommented = text(&default.stdout).lines().map(|line| match line.strip_prefix('#') {
        Some(key) if !key.starts_with(' ') => key,
        _ => line,
    });
    let uncommented = uncommented.collect::<Vec<_>>().join("\n");
    let checked = check(&uncommented, &[], &[]);
    let values = |output: &Output| {
        let lines = text(&output.stdout).lines();
        lines.map(|line| line.rsplit_once("  # ").unwrap().0.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(line(&checked, "listen.line"), "listen.line = \"127.0.0.1:8080\" # madang.toml:9");
    assert!(!text(&checked.stdout).contains("# default"), "{}", text(&checked.stdout));
    assert_eq!(line(&without, "listen.line"), "listen.line = \"127.0.0.1:8080\" # default");
    assert_eq!(values(&checked), values(&without));
}

#[test]
fn each_mistake_of_a_file_is_named_with_its_line_its_value_and_what_is_allowed() {
    for (file, expected) in [
        (
            "[listen]\n\n[limits]\nburst = -1\n",
            "madang.toml:4: limits.burst = -1: too small; allowed is 1 to 1000000\n",
        ),
        (
            "limits.burst = \"many\"",
            "madang.toml:1: limits.burst = \"many\": not a whole number; allowed is 1 to 1000000\n",
        ),
        (
            "[log]\nsegment_bytes = 0xFFFF_FFFF_FFFF_FFFF_FFFF",
            "madang.toml:2: log.segment_bytes = 0xFFFF_FFFF_FFFF_FFFF_FFFF: too large; allowed is \"1 MiB\" to \
             \"1 GiB\", or a number of bytes\n",
        ),
        (
            "[log]\nsegment_bytes = \"64 MB\"",
            "madang.toml:2: log.segment_bytes = \"64 MB\": there is no unit 'MB'; the units are KiB, MiB, GiB and \
             TiB; allowed is \"1 MiB\" to \"1 GiB\", or a number of bytes\n",
        ),
        (
            "[log]\nsegment_bytes = 1.5",
            "madang.toml:2: log.segment_bytes = 1.5: neither a string nor a whole number; allowed is \"1 MiB\" to \
             \"1 GiB\", or a number of bytes\n",
        ),
        (
            "[log]\ndurability = \"interval:0ms\"",
            "madang.toml:2: log.durability = \"interval:0ms\": not a durability; allowed is \"commit\", \
             \"interval:Nms\" (N from 1 to 10000) or \"none\"\n",
        ),
        (
            "[rooms]\nlobby = \"a b\"",
            "madang.toml:2: rooms.lobby = \"a b\": a name is made of letters and digits of any script and - _ . \
             (a space is not one); allowed is 1 to 64 letters and digits of any script and . - _\n",
        ),
        (
            "telemetry.level = \"loud\"",
            "madang.toml:1: telemetry.level = \"loud\": unknown word; allowed is \"error\", \"warn\", \"info\", \
             \"debug\", \"trace\"\n",
        ),
        (
            "[rooms]\n\nmember_max = 3",
            "madang.toml:3: unknown key rooms.member_max; did you mean rooms.members_max? (known here: \
             rooms.lobby, rooms.members_max, rooms.announce_members_max, rooms.history_on_join)\n",
        ),
        (
            "listen = 3",
            "madang.toml:1: unknown key listen; did you mean listen.http? (known here: listen.line, listen.line_tls, listen.telnet, \
             listen.http, listen.https, listen.proxy_from)\n",
        ),
        (
            "[listen]\nproxy_from = [\"10.1.2.3/8\"]",
            "madang.toml:2: listen.proxy_from = [\"10.1.2.3/8\"]: '10.1.2.3/8' has bits behind its prefix; write \
             10.0.0.0/8, or 10.1.2.3 for that address alone; allowed is at most 64 IP addresses or networks, for \
             example [\"10.0.0.0/8\", \"fd00::/8\", \"127.0.0.1\"], or []\n",
        ),
        (
            "[listen]\nproxy_from = \"10.0.0.0/8\"",
            "madang.toml:2: listen.proxy_from = \"10.0.0.0/8\": not a list of strings; allowed is at most 64 ",
        ),
        (
            "[limit]\nburst = 3",
            "madang.toml:2: unknown key limit.burst; did you mean limits.burst? (known here: ",
        ),
        ("[limits]\nburst = 3\nburst = 4", "madang.toml:3: not TOML: duplicate key"),
        ("[limits\nburst = 3", "madang.toml:1: not TOML: "),
    ] {
        let output = check(file, &[], &[]);
        let errors = text(&output.stderr);
        let is_whole = expected.ends_with('\n');
        assert!(
            if is_whole { errors == expected } else { errors.starts_with(expected) },
            "{errors}\nnot\n{expected}"
        );
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn every_mistake_is_told_at_once() {
    let file = "limits.burst = 0\nrooms.members_max = 1\n";
    let output = check(file, &["--set", "nothing"], &[("MADANG_LOG_DURABILITY", "no")]);
    let errors = text(&output.stderr);
    for origin in ["madang.toml:1: ", "madang.toml:2: ", "--set nothing: ", "MADANG_LOG_DURABILITY: "] {
        assert!(errors.contains(origin), "{origin} in:\n{errors}");
    }
    assert_eq!(errors.lines().count(), 4);
}

#[test]
fn hostile_values_are_shown_without_their_escapes_and_shortened() {
    let output = check(&format!("rooms.lobby = '{}\u{9b}'", "x".repeat(200)), &[], &[]);
    assert!(text(&output.stderr).chars().count() < 400);
    let output = check("rooms.lobby = 'a\u{9b}2J'", &[], &[]);
    assert!(!text(&output.stderr).contains('\u{9b}'));
}

#[test]
fn the_environment_wins_over_the_file_and_an_override_over_both() {
    let file = "[limits]\nburst = 2\n";
    let variable = [("MADANG_LIMITS_BURST", "3")];
    let burst = |arguments: &[&str], variables: &[(&str, &str)]| {
        line(&check(file, arguments, variables), "limits.burst")
    };
    assert_eq!(burst(&[], &[]), "limits.burst = 2 # madang.toml:2");
    assert_eq!(burst(&[], &variable), "limits.burst = 3 # MADANG_LIMITS_BURST");
    assert_eq!(burst(&["--set", "limits.burst=4"], &variable), "limits.burst = 4 # --set");
}

#[test]
fn a_variable_that_sets_nothing_is_a_warning() {
    let output = check("", &[], &[("MADANG_LISTEN_LIEN", "127.0.0.1:1"), ("MADANG_DATA", "x")]);
    assert_eq!(output.status.code(), Some(0));
    let errors = text(&output.stderr);
    assert!(
        errors.starts_with("warning: environment variable MADANG_LISTEN_LIEN sets nothing; "),
        "{errors}"
    );
    assert!(!errors.contains("MADANG_DATA"), "{errors}");
}

#[test]
fn a_file_that_was_asked_for_and_is_not_there_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let output = config(directory.path(), &["check", "--config", "none.toml"], &[]);
    assert_eq!(
        text(&output.stderr),
        "cannot read configuration 'none.toml': No such file or directory (os error 2); create it with \
         `madang config default`, or pass another --config\n"
    );
    assert_eq!(output.status.code(), Some(2));
}

/// What is wrong with each of these, though every value in it is valid. `DIR` is where the files are.
const CONTRADICTIONS: &[(&str, &str)] = &[
    (
        "[listen]\nline = \"127.0.0.1:7001\"\nline_tls = \"127.0.0.1:7001\"\nCERTIFIED",
        "madang.toml:3: listen.line_tls = \"127.0.0.1:7001\" overlaps listen.line = \"127.0.0.1:7001\" \
         (madang.toml:2); give each an address or a port of its own",
    ),
    (
        "[listen]\nline = \"127.0.0.1:7001\"\ntelnet = \"0.0.0.0:7001\"",
        "madang.toml:3: listen.telnet = \"0.0.0.0:7001\" overlaps listen.line = \"127.0.0.1:7001\" \
         (madang.toml:2); give each an address or a port of its own",
    ),
    (
        "[telemetry]\nmetrics = \"127.0.0.1:7001\"\n[listen]\nline = \"[::]:7001\"",
        "madang.toml:2: telemetry.metrics = \"127.0.0.1:7001\" overlaps listen.line = \"[::]:7001\" (madang.toml:4)",
    ),
    (
        "[listen]\nline_tls = \"[::ffff:127.0.0.1]:8080\"\nCERTIFIED",
        "madang.toml:2: listen.line_tls = \"[::ffff:127.0.0.1]:8080\" overlaps listen.line = \
         \"127.0.0.1:8080\" (default)",
    ),
    (
        "[telemetry]\nmetrics = \"0.0.0.0:7001\"\n[listen]\nline = \"127.0.0.1:0\"\nline_tls = \"127.0.0.2:7001\"\n\
         CERTIFIED",
        "madang.toml:2: telemetry.metrics = \"0.0.0.0:7001\" overlaps listen.line_tls = \"127.0.0.2:7001\" \
         (madang.toml:5)",
    ),
    (
        "[listen]\nline = \"127.0.0.1:0\"\nline_tls = \"127.0.0.1:0\"",
        "madang.toml:3: listen.line_tls needs tls.certificate and tls.key, and tls.certificate is not set; name two \
         PEM files, or leave out listen.line_tls",
    ),
    (
        "[listen]\nline = \"127.0.0.1:0\"\nline_tls = \"127.0.0.1:0\"\n[tls]\ncertificate = \"DIR/certificate.pem\"",
        "madang.toml:3: listen.line_tls needs tls.certificate and tls.key, and tls.key is not set",
    ),
    (
        "[listen]\nline = \"127.0.0.1:0\"\nline_tls = \"127.0.0.1:0\"\n[tls]\ncertificate = \"DIR/none.pem\"\nkey = \
         \"DIR/key.pem\"",
        "madang.toml:5: cannot read the certificate 'DIR/none.pem': No such file or directory",
    ),
    (
        "[listen]\nline = \"127.0.0.1:0\"\nline_tls = \"127.0.0.1:0\"\n[tls]\ncertificate = \"DIR/certificate.pem\"\n\
         key = \"DIR/broken.pem\"",
        "madang.toml:6: cannot read the key 'DIR/broken.pem': ",
    ),
    (
        "[listen]\nline = \"127.0.0.1:0\"\nline_tls = \"127.0.0.1:0\"\n[tls]\ncertificate = \"DIR/broken.pem\"\n\
         key = \"DIR/key.pem\"",
        "madang.toml:5: cannot read the certificate 'DIR/broken.pem': ",
    ),
    (
        "[listen]\nline = \"127.0.0.1:0\"\nline_tls = \"127.0.0.1:0\"\n[tls]\ncertificate = \"DIR/certificate.pem\"\n\
         key = \"DIR/other/key.pem\"",
        "madang.toml:5: the certificate 'DIR/certificate.pem' and the key 'DIR/other/key.pem' cannot be used together",
    ),
    ("[listen]\nline = \"192.0.2.1:7001\"", "cannot listen on 192.0.2.1:7001: "),
    (
        "[listen]\nline = \"127.0.0.1:0\"\n[telemetry]\nmetrics = \"192.0.2.1:7001\"",
        "192.0.2.1:7001: Cannot assign requested address",
    ),
];

#[test]
fn what_serve_refuses_by_configuration_check_refuses_in_the_same_words() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::create_dir(path.join("other")).unwrap();
    Identity::write(path);
    Identity::write(&path.join("other"));
    fs::write(path.join("broken.pem"), "-----BEGIN CERTIFICATE-----\nno base64!\n").unwrap();
    let named = |text: &str| text.replace("DIR", path.to_str().unwrap());
    for (file, expected) in CONTRADICTIONS {
        let certified = "[tls]\ncertificate = \"DIR/certificate.pem\"\nkey = \"DIR/key.pem\"";
        let (file, expected) = (named(&file.replace("CERTIFIED", certified)), named(expected));
        fs::write(path.join("madang.toml"), &file).unwrap();
        let checked = config(path, &["check", "--config", "madang.toml"], &[]);
        let mut serve = harness::madang();
        serve.args(["serve", "--config", "madang.toml", "--data", "data", "--shards", "1"]).current_dir(path);
        let served = harness::refused(serve);
        for output in [checked, served] {
            assert_eq!(output.status.code(), Some(2), "{output:?}\n{file}");
            assert!(text(&output.stderr).contains(&expected), "{expected}\nin\n{}", text(&output.stderr));
            assert!(!text(&output.stderr).contains("the configuration is good"));
        }
    }
}

#[test]
fn every_overlap_is_told_at_once() {
    let file = "[listen]\nline = \"127.0.0.1:7001\"\nline_tls = \"0.0.0.0:7001\"\n[telemetry]\nmetrics = \
                \"127.0.0.1:7001\"\n";
    let output = check(file, &[], &[]);
    // Three pairs, and no certificate.
    assert_eq!(text(&output.stderr).lines().count(), 4, "{}", text(&output.stderr));
}

#[test]
fn a_server_that_runs_there_does_not_make_its_own_configuration_wrong() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let file = format!("[listen]\nline = \"{}\"\n", taken.local_addr().unwrap());
    assert_eq!(check(&file, &[], &[]).status.code(), Some(0));
}

#[test]
fn sizes_are_written_with_units_or_in_bytes_in_every_place() {
    let file = "[log]\nsegment_bytes = \"8 MiB\"\nretain_bytes = 123\n[limits]\nline_bytes_max = \"2KiB\"\n";
    let variables = [("MADANG_LIMITS_OUTBOX_BYTES_MAX", "2 MiB")];
    let output = check(file, &["--set", "limits.outbox_total_bytes_max=1GiB"], &variables);
    for (key, expected) in [
        ("log.segment_bytes", "log.segment_bytes = \"8 MiB\" # madang.toml:2"),
        ("log.retain_bytes", "log.retain_bytes = 123 # madang.toml:3"),
        ("limits.line_bytes_max", "limits.line_bytes_max = \"2 KiB\" # madang.toml:5"),
        ("limits.outbox_bytes_max", "limits.outbox_bytes_max = \"2 MiB\" # MADANG_LIMITS_OUTBOX_BYTES_MAX"),
        ("limits.outbox_total_bytes_max", "limits.outbox_total_bytes_max = \"1 GiB\" # --set"),
    ] {
        assert_eq!(line(&output, key), expected);
    }
    // What is shown can be written.
    let shown = text(&output.stdout).to_owned();
    let values =
        |text: &str| text.lines().map(|line| line.rsplit_once("  # ").unwrap().0.to_owned()).collect();
    let (once, again): (Vec<_>, Vec<_>) = (values(&shown), values(text(&check(&shown, &[], &[]).stdout)));
    assert_eq!(once, again);
}

/// A key of 1,024 bits, made for this test.
const WEAK_KEY: &str = include_str!("weak_key.pem");

#[test]
fn files_of_tls_that_cannot_be_used_are_told_with_the_real_cause() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let identity = Identity::write(path);
    let refusal = |certificate: &str, key: &str| {
        let file = format!(
            "listen.line_tls = \"127.0.0.1:0\"\ntls.certificate = \"{0}/{certificate}\"\ntls.key = \"{0}/{key}\"\n",
            path.display()
        );
        let output = check(&file, &[], &[]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        text(&output.stderr).to_owned()
    };
    let words = refusal("none.pem", "key.pem");
    assert!(
        words.contains("none.pem': No such file") && words.contains("create it, or name another file"),
        "{words}"
    );
    assert!(!words.contains("PEM file"), "{words}");
    let words = refusal("certificate.pem", "none.pem");
    assert!(
        words.contains("none.pem': No such file") && words.contains("create it, or name another file"),
        "{words}"
    );
    fs::write(path.join("weak.pem"), WEAK_KEY).unwrap();
    let words = refusal("certificate.pem", "weak.pem");
    assert!(words.contains("too weak: an RSA key of 1024 bits, at least 2048 are needed"), "{words}");
    assert!(words.contains("openssl genpkey") && words.starts_with("madang.toml:3: "), "{words}");
    fs::write(path.join("empty.pem"), "").unwrap();
    let words = refusal("empty.pem", "key.pem");
    assert!(words.contains("it must be a PEM file, the server's certificate first"), "{words}");
    let words = refusal("certificate.pem", "certificate.pem");
    assert!(words.contains("without a passphrase"), "{words}");
    drop(identity);
}

#[test]
fn a_key_that_others_can_read_and_a_certificate_that_expired_are_warnings() {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identity::write(directory.path());
    let file = format!(
        "listen.line_tls = \"127.0.0.1:0\"\ntls.certificate = {:?}\ntls.key = {:?}\n",
        identity.certificate, identity.key
    );
    let warnings = |mode: u32| {
        fs::set_permissions(&identity.key, PermissionsExt::from_mode(mode)).unwrap();
        let output = check(&file, &[], &[]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        text(&output.stderr)
            .lines()
            .filter(|line| line.starts_with("warning: "))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let words = warnings(0o644);
    assert!(words.contains("key.pem' is open to every user of this machine (mode 0644)"), "{words}");
    assert!(words.contains("chmod o= "), "{words}");
    for private in [0o600, 0o640] {
        assert_eq!(warnings(private), "");
    }
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    (params.not_before, params.not_after) =
        (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2021, 2, 3));
    let key = rcgen::KeyPair::generate().unwrap();
    fs::write(&identity.certificate, params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(&identity.key, key.serialize_pem()).unwrap();
    let words = warnings(0o600);
    assert!(words.contains("certificate.pem' expired on 2021-02-03, and clients refuse it"), "{words}");
}

#[test]
fn a_list_of_proxies_that_has_everyone_in_it_is_a_warning() {
    for (networks, is_told) in
        [("\"0.0.0.0/0\"", true), ("\"10.0.0.0/8\", \"::/0\"", true), ("\"10.0.0.0/8\"", false)]
    {
        let output = check(&format!("[listen]\nproxy_from = [{networks}]\n"), &[], &[]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let warning = "warning: madang.toml:2: listen.proxy_from has ";
        assert_eq!(text(&output.stderr).contains(warning), is_told, "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains(&format!("listen.proxy_from = [{networks}]")));
    }
}
