//! The journal on disk: cut at any byte, damaged, full, driven twice; and the whole program, killed and resumed, against
//! simulated sites over sockets.

use edge::run::journal::{Driver, End, Entry, Id, Journal, Memory, Pace, Record, Store, hash};
use edge_lang::eval::Key;
use edge_lang::model::{SiteId, SiteSet};
use edge_lang::span::{FileId, Span};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

fn record() -> Record {
    Record {
        title: "p.edge".into(),
        version: "0".into(),
        sources: Vec::new(),
        imports: Vec::new(),
        library: Vec::new(),
        base: PathBuf::new(),
        inventory: String::new(),
        sites: vec!["A".into(), "B".into()],
        inputs: Vec::new(),
        secrets: Vec::new(),
        plan: None,
        simulated: false,
        entered: None,
    }
}

fn printed(n: u32) -> Entry {
    Entry::Printed { span: Span::new(FileId(0), n as usize, n as usize + 1), order: vec![n] }
}

fn verdict(n: u32) -> Entry {
    let key = Key { call: Span::new(FileId(0), n as usize, n as usize + 1), position: vec![n] };
    Entry::Verdict { of: Id::layer(&key, 0), outcome: Some(SiteSet::of(SiteId(n % 2))) }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// Every entry that was acknowledged before the cut is there, and nothing that was not written.
#[test]
fn a_journal_cut_or_torn_anywhere_loses_an_end_and_no_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = Store::open(folder.path()).expect("a journal");
    let run = store.begin("abc", &record(), &["text".into()]).expect("a run");
    let journal = store.journal(run, Pace::AtOnce).expect("a journal");
    let wal = folder.path().join("journal.db-wal");
    let length = || std::fs::metadata(&wal).map_or(0, |m| m.len());
    let (mut written, mut acknowledged) = (Vec::new(), vec![(length(), 0)]);
    for n in 0..12 {
        journal.note(printed(n));
        written.push(printed(n));
        if n % 3 == 2 {
            wait(journal.record(verdict(n))).expect("it is written");
            written.push(verdict(n));
            acknowledged.push((length(), written.len()));
        }
    }
    let begun = acknowledged[0].0;
    let bytes = std::fs::read(&wal).expect("the log");
    let main = std::fs::read(folder.path().join("journal.db")).expect("the file");
    let cuts = (begun..=bytes.len() as u64).step_by(97).chain(acknowledged.iter().map(|(at, _)| *at));
    // Short, and as long as it was with zeroes where the disk had not come to.
    for (cut, torn) in cuts.flat_map(|cut| [(cut, false), (cut, true)]) {
        let other = tempfile::tempdir().expect("a folder");
        let mut log = bytes[..cut as usize].to_vec();
        if torn {
            log.resize(bytes.len(), 0);
        }
        std::fs::write(other.path().join("journal.db"), &main).expect("written");
        std::fs::write(other.path().join("journal.db-wal"), &log).expect("written");
        let store = Store::open(other.path()).unwrap_or_else(|e| panic!("cut at {cut}: {e}"));
        let kept = store.find("abc").unwrap_or_else(|e| panic!("cut at {cut}: {e}"));
        let read = store.entries(kept.id).unwrap_or_else(|e| panic!("cut at {cut}: {e}"));
        assert!(written.starts_with(&read), "cut at {cut}: something was invented");
        let sure = acknowledged.iter().filter(|(at, _)| *at <= cut).map(|(_, n)| *n).max().unwrap_or(0);
        assert!(read.len() >= sure, "cut at {cut}: {} of {sure} acknowledged entries are there", read.len());
    }
}

/// A text that only forgotten runs needed goes with them, and one that a run still needs stays.
#[test]
fn of_runs_at_their_end_the_newest_are_kept_with_their_texts() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = Store::open(folder.path()).expect("a journal");
    let texts = |n: usize| [format!("own {n}"), "of all".to_string()];
    for n in 0..205 {
        let texts = texts(n);
        let sources = texts.iter().map(|text| ("p".to_string(), hash(text))).collect();
        let run = store.begin(&format!("run{n}"), &Record { sources, ..record() }, &texts).expect("a run");
        if n != 1 {
            store.settle(run).expect("it is at its end");
        }
    }
    let kept = |n: usize| texts(n).iter().map(|text| store.text(&hash(text)).is_ok()).collect::<Vec<_>>();
    let names: Vec<String> = store.runs().expect("runs").into_iter().map(|run| run.name).collect();
    assert_eq!(names.len(), 202, "200 that are over, the one that is not, and the newest");
    assert_eq!((names[0].as_str(), names[1].as_str()), ("run1", "run4"));
    assert_eq!(
        (kept(0), kept(1), kept(3), kept(4)),
        (vec![false, true], vec![true; 2], vec![false, true], vec![true; 2])
    );
}

#[test]
fn many_that_wait_share_a_sync_and_keep_their_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = Store::open(folder.path()).expect("a journal");
    let run = store.begin("abc", &record(), &[]).expect("a run");
    let journal = store.journal(run, Pace::Gathered).expect("a journal");
    let all: Vec<Entry> = (0..1_000).map(verdict).collect();
    let done = wait(futures_util::future::join_all(all.iter().map(|entry| journal.record(entry.clone()))));
    assert!(done.iter().all(Result::is_ok));
    assert_eq!(journal.entries().expect("entries"), all);
}

#[test]
fn what_is_no_journal_or_a_damaged_one_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("journal.db");
    std::fs::write(&file, "this is no database, whatever its name may say to whoever opens it".repeat(100))
        .expect("written");
    assert!(Store::open(folder.path()).is_err_and(|e| e.message.contains("damaged")));
    std::fs::remove_file(&file).expect("removed");
    {
        let mut store = Store::open(folder.path()).expect("a journal");
        let run = store.begin("abc", &record(), &["x".repeat(200_000)]).expect("a run");
        let journal = store.journal(run, Pace::AtOnce).expect("a journal");
        wait(journal.record(verdict(1))).expect("it is written");
    }
    let mut bytes = std::fs::read(&file).expect("the file");
    let middle = 4096..bytes.len() - 4096;
    bytes[middle].fill(0xA5);
    std::fs::write(&file, bytes).expect("written");
    assert!(Store::open(folder.path()).is_err_and(|e| e.message.contains("damaged")));
    // A folder that cannot be one.
    assert!(Store::open(&file).is_err());
}

#[test]
fn a_run_has_one_driver() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = Driver::take(folder.path(), "abc").expect("nobody drives it");
    let second = Driver::take(folder.path(), "abc").expect_err("somebody does");
    assert!(second.message.contains(&std::process::id().to_string()), "{second}");
    assert!(Driver::of(folder.path(), "abc").is_some());
    drop(first);
    assert_eq!(Driver::of(folder.path(), "abc"), None);
    Driver::take(folder.path(), "abc").expect("it is free again");
}

#[test]
fn an_entry_without_its_beginning_is_no_journal() {
    let key = Key { call: Span::default(), position: Vec::new() };
    let sent = Entry::Send { of: Id::layer(&key, 0), site: SiteId(0), memory: Box::new(Memory::default()) };
    assert!(edge::run::journal::Past::of(&[sent]).is_err());
    let ended = Entry::Ended { end: End::Done, message: String::new() };
    assert!(edge::run::journal::Past::of(&[ended]).is_ok_and(|past| past.ended.is_some()));
}

/// Simulated sites in a process of their own, and a folder in which `edge` runs against them.
pub struct Bench {
    folder: tempfile::TempDir,
    sites: Child,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.sites.kill();
        let _ = self.sites.wait();
    }
}

impl Bench {
    fn new(program: &str) -> Bench {
        Bench::with_faults(program, "")
    }

    pub fn with_faults(program: &str, faults: &str) -> Bench {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        let site = "{images: [{name: cirros, size: 700}], timings: {build: 1s}}";
        write("sites.yaml", &format!("sites:\n  A: {site}\n  B: {site}\n{faults}"));
        let named = "site A = openstack(cloud: \"A\")\nsite B = openstack(cloud: \"B\")\n";
        write("p.edge", &format!("{named}{program}"));
        let mut sites = Command::new(env!("CARGO_BIN_EXE_edge"))
            .args(["sim", "sites.yaml", "--clouds", "clouds.yaml"])
            .current_dir(folder.path())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(sites.stderr.take().expect("standard error")).lines();
        let serving = |line: &std::io::Result<String>| line.as_ref().is_ok_and(|l| l.starts_with("serving"));
        assert!(lines.into_iter().any(|line| serving(&line)), "the sites are served");
        Bench { folder, sites }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_edge"));
        command.args(arguments).current_dir(self.path()).env_clear();
        command.env("OS_CLIENT_CONFIG_FILE", self.path().join("clouds.yaml"));
        command.env("EDGE_STATE", self.path().join("state")).env("HOME", self.path()).env("WORD", "correct horse");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn edge(&self, arguments: &[&str]) -> (i32, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().expect("it runs");
        let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        (status.code().unwrap_or(-1), text)
    }

    /// Every byte of it.
    fn journal(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.path().join("state")).expect("the folder");
        files.flat_map(|file| std::fs::read(file.expect("a file").path()).expect("read")).collect()
    }

    fn servers(&self) -> usize {
        let (_, text) = self.edge(&["run", "-o", "json", "-e", SERVERS]);
        text.matches("\"status\": \"ACTIVE\"").count()
    }
}

const SERVERS: &str = "site A = openstack(cloud: \"A\")\nsite B = openstack(cloud: \"B\")\nserver.list() @ A && B";
const PROGRAM: &str =
    "network.create(\"lan\") @ A\nserver.create(\"vm\", flavor: \"tiny\", image: \"cirros\") @ A && B\n";

#[test]
fn killed_at_any_moment_and_resumed_it_is_done_and_nothing_is_doubled() {
    let bench = Bench::new(PROGRAM);
    for (round, pause) in [150u64, 400, 700, 1_000, 1_300].into_iter().enumerate() {
        let mut run = bench.command(&["run", "--yes", "p.edge"]).spawn().expect("it starts");
        std::thread::sleep(Duration::from_millis(pause));
        run.kill().expect("it can be killed");
        run.wait().expect("it is gone");
        let (_, runs) = bench.edge(&["runs"]);
        if runs.contains("broken off") {
            let (status, told) = bench.edge(&["resume", "--yes", "last"]);
            assert_eq!(status, 0, "round {round}: {told}\n{runs}");
            assert_eq!(bench.servers(), 2, "round {round}: {told}");
            let (status, told) = bench.edge(&["undo", "--yes", "last"]);
            assert_eq!((status, bench.servers()), (0, 0), "round {round}: {told}");
        }
    }
    let (status, told) = bench.edge(&["resume", "--all"]);
    assert_eq!(status, 0, "{told}");
    let (_, shown) = bench.edge(&["show", "last"]);
    assert!(shown.contains("server.create \"vm\""), "{shown}");
}

#[test]
fn no_secret_is_in_the_journal() {
    let program = "input word: Secret\nserver.create(\"vm\", flavor: \"tiny\", image: \"cirros\") @ A\n\
                   user.create(\"u\", password: word) @ A\nuser.create(\"w\", password: secret(\"WORD\")) @ B\n";
    let bench = Bench::new(program);
    let (status, told) = bench.edge(&["run", "--yes", "--var", "word=staple battery", "p.edge"]);
    assert_eq!(status, 0, "{told}");
    let all = bench.journal();
    let has = |text: &str| all.windows(text.len()).any(|window| window == text.as_bytes());
    // The password of the server, which its site told once, had its place in an entry.
    assert!(has("server.create") && has("not kept"), "it was this folder");
    for secret in ["staple battery", "correct horse", "a-secret", "b-secret"] {
        assert!(!has(secret), "`{secret}` is in the journal");
    }
}

#[test]
fn a_secret_input_is_asked_for_again_by_whoever_goes_on() {
    let program = "input word: Secret\ninput who: String\n\
                   user.create(who, password: word) @ A && B with { unreachable: defer, timeout: 3s }\n";
    let bench = Bench::with_faults(program, "faults: [{site: B, until: 14s, do: refuse}]\n");
    let (status, told) = bench.edge(&["run", "--yes", "--var", "word=staple battery", "--var", "who=u", "p.edge"]);
    assert_eq!(status, 3, "{told}");
    let (status, told) = bench.edge(&["resume", "--yes", "last"]);
    assert_eq!(status, 2, "{told}");
    assert!(
        told.contains("the secret input `word` is not kept with the run") && told.contains("--var word="),
        "{told}"
    );
    // What is kept stays as it was.
    let (status, told) = bench.edge(&["resume", "--yes", "last", "--var", "word=staple battery", "--var", "who=v"]);
    assert!(status == 2 && told.contains("the input `who` is kept with the run"), "{told}");
    let (status, told) = bench.edge(&["resume", "--yes", "--watch", "last", "--var", "word=staple battery"]);
    assert_eq!(status, 0, "{told}");
    let (status, told) = bench.edge(&["undo", "--yes", "last"]);
    assert!(status == 2 && told.contains("the secret input `word`"), "{told}");
    let (status, told) = bench.edge(&["undo", "--yes", "last", "--var", "word=staple battery"]);
    assert_eq!(status, 0, "{told}");
    let all = bench.journal();
    assert!(!all.windows(14).any(|window| window == b"staple battery"), "it is in the journal");
}

#[test]
fn nothing_is_sent_where_the_journal_cannot_be_written() {
    let bench = Bench::new(PROGRAM);
    std::fs::write(bench.path().join("state"), "a file where the folder should be").expect("written");
    let (status, told) = bench.edge(&["run", "--yes", "p.edge"]);
    assert_eq!(status, 2, "{told}");
    assert!(told.contains("E0611") && told.contains("nothing was sent"), "{told}");
    std::fs::remove_file(bench.path().join("state")).expect("removed");
    assert_eq!(bench.servers(), 0);
}

const DEFERRED: &str =
    "server.create(\"vm\", flavor: \"tiny\", image: \"cirros\") @ A && B with { unreachable: defer, timeout: 3s }\n";

#[test]
fn what_is_deferred_is_paid_when_the_site_is_back() {
    let bench = Bench::with_faults(DEFERRED, "faults: [{site: B, until: 14s, do: refuse}]\n");
    let (status, told) = bench.edge(&["run", "--yes", "p.edge"]);
    assert_eq!(status, 3, "{told}");
    assert!(told.contains("owed at B: `edge resume"), "{told}");
    let (_, shown) = bench.edge(&["show", "last"]);
    assert!(shown.contains("B/server.create:vm"), "{shown}");
    // What was started is resumed, whatever its file says by now.
    std::fs::write(bench.path().join("p.edge"), "this is no program").expect("written");
    let (status, told) = bench.edge(&["resume", "--yes", "--watch", "last"]);
    assert_eq!(status, 0, "{told}");
    assert_eq!(bench.servers(), 2);
    assert!(!bench.edge(&["runs"]).1.contains("p.edge"), "it is at its end");
}

#[test]
fn what_only_a_quiet_minute_can_settle_is_settled_by_one_resume() {
    let fault = "faults: [{site: A, service: network, method: POST, path: /networks$, times: 1, do: lose-request}]\n";
    let bench = Bench::with_faults("network.create(\"lan\") @ A || B\n", fault);
    let (status, told) = bench.edge(&["run", "--yes", "p.edge"]);
    assert!(status == 0 && told.contains("owed at A: `edge resume"), "{told}");
    let (status, told) = bench.edge(&["resume", "--yes", "last"]);
    assert!(status == 0 && !told.contains("owed"), "{told}");
    assert!(!bench.edge(&["runs"]).1.contains("p.edge"), "it is at its end");
}

#[cfg(unix)]
#[test]
fn a_second_signal_ends_a_run_at_once_and_leaves_it_to_be_resumed() {
    let fault = "faults: [{site: A, service: compute, method: POST, path: /servers$, until: 12s, do: freeze}]\n";
    let bench = Bench::with_faults("server.create(\"vm\", flavor: \"tiny\", image: \"cirros\") @ A && B\n", fault);
    let mut run = bench.command(&["run", "--yes", "p.edge"]).spawn().expect("it starts");
    let interrupt = |run: &Child| Command::new("kill").args(["-INT", &run.id().to_string()]).status().expect("kill");
    std::thread::sleep(Duration::from_millis(2500));
    assert!(interrupt(&run).success());
    std::thread::sleep(Duration::from_millis(500));
    assert!(run.try_wait().expect("its state").is_none(), "what is in flight is waited for");
    assert!(interrupt(&run).success());
    let asked = std::time::Instant::now();
    let ended = run.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.code() == Some(130) && asked.elapsed() < Duration::from_secs(5), "{text}");
    let (status, told) = bench.edge(&["resume", "--yes", "--watch", "last"]);
    assert_eq!((status, bench.servers()), (0, 2), "{told}");
}

#[test]
fn a_debt_that_cannot_be_paid_is_given_up_by_name() {
    let bench = Bench::with_faults(DEFERRED, "faults: [{site: B, do: refuse}]\n");
    let (status, told) = bench.edge(&["run", "--yes", "p.edge"]);
    assert_eq!(status, 3, "{told}");
    let waive = |name: &str| bench.edge(&["resume", "--yes", "last", "--waive", name, "--reason", "it is gone"]);
    let (status, told) = waive("B/server.delete:vm");
    assert!(status == 2 && told.contains("nothing is owed of"), "{told}");
    // Without B there is no outcome left: what is at A goes, and nothing is owed.
    let (status, told) = waive("B/server.create:vm");
    assert_eq!(status, 1, "{told}");
    let (_, shown) = bench.edge(&["show", "last"]);
    assert!(shown.contains("given up at B: it is gone") && shown.contains("removed again"), "{shown}");
    assert!(!bench.edge(&["runs"]).1.contains("p.edge"), "it is at its end");
}

#[cfg(unix)]
#[test]
fn a_signal_stops_a_run_and_leaves_it_to_be_resumed() {
    let bench = Bench::new("server.create(\"vm\", flavor: \"tiny\", image: \"cirros\") @ A && B\n");
    let run = bench.command(&["run", "--yes", "p.edge"]).spawn().expect("it starts");
    std::thread::sleep(Duration::from_millis(900));
    let told = Command::new("kill").args(["-TERM", &run.id().to_string()]).status().expect("kill");
    assert!(told.success());
    let ended = run.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(3), "{text}");
    let (status, told) = bench.edge(&["resume", "--yes", "last"]);
    assert_eq!((status, bench.servers()), (0, 2), "{told}");
}

#[cfg(unix)]
#[test]
fn a_disk_that_is_full_is_said_before_anything_is_sent() {
    let bench = Bench::new(PROGRAM);
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" run --yes p.edge", env!("CARGO_BIN_EXE_edge")]);
    shell.current_dir(bench.path()).env("OS_CLIENT_CONFIG_FILE", bench.path().join("clouds.yaml"));
    let ended = shell.env("EDGE_STATE", bench.path().join("state")).output().expect("it runs");
    let text = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(2), "{text}");
    assert!(text.contains("E0611"), "{text}");
    assert_eq!(bench.servers(), 0);
}

/// Names, a function, a scope and the last value: all that an entry can speak of.
const SAID: &str = "site A = openstack(cloud: \"A\")\nsite B = openstack(cloud: \"B\")\nlet size = \"tiny\"\n\
                    scope both { compute: A && B }\nfn flavor() { size }\n:scope both\n\"v\" + \"m\"\n:auto on\n\
                    server.create(it, flavor: flavor(), image: \"cirros\")\n";

#[test]
fn an_entry_of_the_prompt_that_was_killed_is_resumed_among_what_was_said_before_it() {
    let bench = Bench::new("");
    let mut prompt = bench.command(&["repl"]).stdin(Stdio::piped()).spawn().expect("it starts");
    std::io::Write::write_all(&mut prompt.stdin.take().expect("standard input"), SAID.as_bytes()).expect("it is heard");
    let journal = bench.path().join("state/journal.db");
    let sent = || {
        let store = journal.is_file().then(|| Store::open(journal.parent().expect("a folder")).ok()).flatten();
        let entries = store.and_then(|store| store.entries(store.find("last").ok()?.id).ok());
        entries.is_some_and(|all| all.iter().any(|entry| matches!(entry, Entry::Send { .. })))
    };
    let began = std::time::Instant::now();
    while !sent() {
        assert!(began.elapsed() < Duration::from_secs(60), "nothing is sent");
        std::thread::sleep(Duration::from_millis(20));
    }
    prompt.kill().expect("it can be killed");
    prompt.wait().expect("it is gone");
    let (_, runs) = bench.edge(&["runs"]);
    assert!(runs.contains("broken off") && runs.contains("server.create(it"), "{runs}");
    let (status, told) = bench.edge(&["resume", "--yes", "last"]);
    assert_eq!((status, bench.servers()), (0, 2), "{told}");
    let (status, told) = bench.edge(&["undo", "--yes", "last"]);
    assert_eq!((status, bench.servers()), (0, 0), "{told}");
}

#[test]
fn what_is_deferred_at_the_prompt_is_paid_later() {
    let bench = Bench::with_faults("", "faults: [{site: B, until: 14s, do: refuse}]\n");
    let said = format!(
        "site A = openstack(cloud: \"A\")\nsite B = openstack(cloud: \"B\")\n:auto on\n\
         user.create(\"u\", password: secret(\"WORD\")) @ A\n{DEFERRED}"
    );
    let mut prompt = bench.command(&["repl"]).stdin(Stdio::piped()).spawn().expect("it starts");
    std::io::Write::write_all(&mut prompt.stdin.take().expect("standard input"), said.as_bytes()).expect("it is heard");
    let ended = prompt.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(3), "{told}");
    assert!(told.contains("owed at B: `edge resume"), "{told}");
    let (_, runs) = bench.edge(&["runs", "--all"]);
    assert!(runs.contains("user.create"), "{runs}");
    let (status, told) = bench.edge(&["resume", "--yes", "--watch", "last"]);
    assert_eq!((status, bench.servers()), (0, 2), "{told}");
}

/// Also not by way of what was said before: in an entry that was refused, or in one whose names stay.
#[test]
fn no_secret_that_was_typed_at_the_prompt_is_in_the_journal() {
    for (typed, kept) in [
        ("user.create(\"u\", password: \"hunter2\", nosuch: 1) @ A", true),
        ("let admin_password = \"hunter2\"", false),
    ] {
        let bench = Bench::new("");
        let said = format!(
            "site A = openstack(cloud: \"A\")\n{typed}\n:auto on\nkeypair.create(\"k\", public_key: \"ssh-ed25519 AAAA\") @ A\n"
        );
        let mut prompt = bench.command(&["repl"]).stdin(Stdio::piped()).spawn().expect("it starts");
        std::io::Write::write_all(&mut prompt.stdin.take().expect("standard input"), said.as_bytes())
            .expect("it is heard");
        let ended = prompt.wait_with_output().expect("it ends");
        let told = String::from_utf8_lossy(&ended.stderr);
        assert!(told.contains("keypair.create \"k\": done at A"), "{told}");
        assert_eq!(told.contains("a secret in what was said before it"), !kept, "{told}");
        let (_, runs) = bench.edge(&["runs", "--all"]);
        assert_eq!(runs.contains("keypair.create"), kept, "{runs}");
        let mut all = Vec::new();
        for file in std::fs::read_dir(bench.path().join("state")).into_iter().flatten() {
            all.extend(std::fs::read(file.expect("a file").path()).expect("read"));
        }
        assert!(!all.windows(7).any(|window| window == b"hunter2"), "{typed}");
    }
}
