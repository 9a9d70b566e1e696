//! The prompt on a real terminal, with somebody at its keys: what a pipe cannot show. Each session has a pseudo-terminal of
//! its own; what comes is read without the codes that move the cursor, so that a text can be waited for. It is read byte by
//! byte: a text that is waited for is ASCII.

use crate::kept::Bench;
use rexpect::process::WaitStatus;
use rexpect::session::{Options, PtySession, spawn_with_options};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Long enough for a machine that is busy with all other tests.
const PATIENCE: u64 = 60_000;

struct Terminal {
    session: PtySession,
}

impl Terminal {
    /// `edge --sim`, in a folder that is its user's home.
    fn simulated(home: &Path) -> Terminal {
        let mut command = Command::new(env!("CARGO_BIN_EXE_edge"));
        command.arg("--sim").current_dir(home).env_clear().env("HOME", home).env("TERM", "xterm").env("NO_COLOR", "1");
        Terminal::of(command)
    }

    fn of(mut command: Command) -> Terminal {
        command.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
        let options = Options::new().timeout_ms(Some(PATIENCE)).strip_ansi_escape_codes(true);
        let mut terminal = Terminal { session: spawn_with_options(command, options).expect("it starts on a terminal") };
        terminal.until("Ctrl-D leaves");
        terminal
    }

    /// Types keys; `\r` is Enter.
    fn keys(&mut self, keys: &str) {
        self.session.send(keys).expect("the terminal takes it");
        self.session.flush().expect("the terminal takes it");
    }

    fn control(&mut self, key: char) {
        self.session.send_control(key).expect("the terminal takes it");
    }

    /// Ctrl-C at the prompt; what is typed before the next prompt is there is dropped with the line.
    fn interrupt(&mut self) {
        self.control('c');
        self.until("\n\redge> ");
    }

    /// What is on the terminal before `text` comes.
    fn until(&mut self, text: &str) -> String {
        self.session.exp_string(text).unwrap_or_else(|e| panic!("`{text}` does not come: {e}"))
    }

    /// Ctrl-D at an empty line; again where the prompt did not listen yet.
    fn leave(mut self) {
        let began = Instant::now();
        let status = loop {
            assert!(began.elapsed() < Duration::from_millis(PATIENCE), "it does not leave");
            self.control('d');
            std::thread::sleep(Duration::from_millis(200));
            match self.session.process().status().expect("its state is known") {
                WaitStatus::StillAlive => {}
                ended => break ended,
            }
        };
        assert!(matches!(status, WaitStatus::Exited(_, 0)), "{status:?}");
    }
}

#[test]
fn an_entry_goes_on_until_the_parser_has_all_of_it() {
    let home = tempfile::tempdir().expect("a folder");
    let mut terminal = Terminal::simulated(home.path());
    terminal.keys("server.list() @ Zone1 &&\r");
    terminal.keys("Zone2\r");
    let before = terminal.until("(no rows)");
    assert!(!before.contains("E0"), "{before}");
    terminal.keys("let text = \"\"\"\rone\r\"\"\"\r\"got ${text}\"\r");
    terminal.until("\ngot one");
    // Two empty lines ask what is missing.
    terminal.keys("print (1 +\r\r\r");
    terminal.until("E01");
    terminal.leave();
}

#[test]
fn tab_completes_and_mistakes_are_drawn_under_the_text() {
    let home = tempfile::tempdir().expect("a folder");
    let mut terminal = Terminal::simulated(home.path());
    terminal.keys("keypair.cre\t");
    terminal.until("keypair.create(");
    terminal.interrupt();
    terminal.keys("let x = nosuch\r");
    terminal.until("E0201");
    terminal.until("let x = nosuch");
    terminal.until("here\r\n");
    terminal.leave();
}

#[test]
fn a_change_is_shown_and_asked_about() {
    let home = tempfile::tempdir().expect("a folder");
    let mut terminal = Terminal::simulated(home.path());
    let create = "keypair.create(\"ops\", public_key: \"ssh-ed25519 AAAA\") @ Zone1\r";
    let list = "keypair.list() @ Zone1 select name\r";
    for (answer, then) in [("n\r", "nothing was changed"), ("\r", "nothing was changed"), ("y\r", "done at Zone1")] {
        terminal.keys(create);
        terminal.until("+ keypair \"ops\" at Zone1");
        terminal.until("Do this? [y/N] ");
        terminal.keys(answer);
        terminal.until(then);
        terminal.keys(list);
        terminal.until(if answer == "y\r" { "NAME" } else { "(no rows)" });
    }
    // Neither key is an answer.
    for key in ['c', 'd'] {
        terminal.keys("keypair.delete(\"ops\") @ Zone1\r");
        terminal.until("Do this? [y/N] ");
        terminal.control(key);
        terminal.until("nothing was changed");
    }
    terminal.leave();
}

#[test]
fn an_interrupt_stops_the_statement_and_not_the_prompt() {
    let silent = "faults: [{site: B, service: compute, path: /servers, do: hang}]\n";
    let bench = Bench::with_faults("", silent);
    let mut command = bench.command(&["repl"]);
    command.env("TERM", "xterm").env("NO_COLOR", "1");
    let mut terminal = Terminal::of(command);
    terminal.keys("site B = openstack(cloud: \"B\")\rserver.list() @ B\r");
    terminal.until(" @ B\r\n");
    std::thread::sleep(Duration::from_millis(700));
    terminal.control('c');
    terminal.until("nothing was changed");
    terminal.keys("20 + 22\r");
    terminal.until("\n42");
    // At the prompt it drops the line.
    terminal.keys("print \"dropped\"");
    terminal.until("dropped\"");
    terminal.interrupt();
    terminal.keys("20 + 23\r");
    let before = terminal.until("\n43");
    assert!(!before.contains("\ndropped"), "{before}");
    terminal.leave();
}

#[test]
fn entries_are_kept_for_the_next_session_and_secrets_are_not() {
    let home = tempfile::tempdir().expect("a folder");
    let mut terminal = Terminal::simulated(home.path());
    terminal.keys("let p = \"first\"\rp\r");
    terminal.until("\nfirst");
    terminal.keys("let password = \"hunter2\"\r\u{20}let hidden = \"by a space\"\rhidden\r");
    terminal.until("\nby a space");
    terminal.leave();
    let file = home.path().join(".local/state/edge/history");
    let kept = std::fs::read_to_string(&file).expect("a history");
    assert!(kept.contains("let p = \"first\""), "{kept}");
    assert!(!kept.contains("hunter2") && !kept.contains("by a space"), "{kept}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).expect("a file").permissions());
    assert_eq!(mode & 0o077, 0, "only its user can read it");
    let mut terminal = Terminal::simulated(home.path());
    terminal.keys("\u{1b}[A\u{1b}[A\u{1b}[A");
    terminal.until("let p = \"first\"");
    terminal.keys("\rp\r");
    terminal.until("\nfirst");
    terminal.leave();
}
