//! Other programs, measured as a user would: from before the start to after the end.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The program under measure, built in the profile of the benches.
pub fn edge() -> Command {
    Command::new(env!("CARGO_BIN_EXE_edge"))
}

/// Whether a program is there to be compared with.
pub fn installed(program: &str) -> bool {
    let quiet = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

/// Runs it to its end; `Err` is what it said.
pub fn timed(command: &mut Command) -> Result<Duration, String> {
    let began = Instant::now();
    let output = command.stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
    let took = began.elapsed();
    match output.status.success() {
        true => Ok(took),
        false => Err(format!(
            "{}: {}",
            command.get_program().to_string_lossy(),
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

/// Runs it with a text as its input and gives its output.
pub fn piped(command: &mut Command, input: &str) -> Result<String, String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| e.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).map_err(|e| e.to_string())?;
    }
    let output = child.wait_with_output().map_err(|e| e.to_string())?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_string()),
    }
}

/// The most memory that a process has held so far (VmHWM), in MiB.
pub fn peak_memory(process: impl std::fmt::Display) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib / 1024.0)
}

/// As `timed`, and the most memory that the process held, in MiB.
pub fn watched(command: &mut Command) -> Result<(Duration, f64), String> {
    let began = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(|e| e.to_string())?;
    let stderr = child.stderr.take();
    let said = std::thread::spawn(move || stderr.and_then(|s| std::io::read_to_string(s).ok()).unwrap_or_default());
    let mut peak = 0f64;
    loop {
        peak = peak.max(peak_memory(child.id()).unwrap_or(0.0));
        match child.try_wait().map_err(|e| e.to_string())? {
            None => std::thread::sleep(Duration::from_millis(2)),
            Some(status) => {
                let took = began.elapsed();
                let said = said.join().unwrap_or_default();
                return if status.success() { Ok((took, peak)) } else { Err(said.trim().to_string()) };
            }
        }
    }
}

/// A program that runs beside, and ends with this value.
pub struct Beside(pub Child);

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder of its own for this process, removed with this value.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(what: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("edge-bench-{what}-{}", std::process::id()));
        // Tokens are written there, too.
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.expect("the temporary directory can be written to");
        Folder(path)
    }

    pub fn write(&self, name: impl AsRef<OsStr>, text: &str) -> PathBuf {
        let path = self.0.join(name.as_ref());
        std::fs::write(&path, text).expect("the temporary directory can be written to");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
