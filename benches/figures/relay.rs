//! A server as it is from far away: what is sent to it, and what it answers, arrives so much later.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// The port of this machine at which the server is now, until the process ends.
pub fn from_afar(server: String, one_way: Duration) -> std::io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = TcpStream::connect(&server) else { continue };
            for (from, to) in [(&near, &far), (&far, &near)] {
                if let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) {
                    pass_on(from, to, one_way);
                }
            }
        }
    });
    Ok(port)
}

/// One direction of a connection. What is on its way does not keep more from being sent.
fn pass_on(mut from: TcpStream, mut to: TcpStream, one_way: Duration) {
    // Else a small write waits for the acknowledgement of the one before.
    let _ = to.set_nodelay(true);
    let (on_its_way, arriving) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut part = [0; 1 << 14];
        while let Ok(length) = from.read(&mut part) {
            let sent = on_its_way.send((Instant::now() + one_way, part[..length].to_vec()));
            if length == 0 || sent.is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (due, part) in arriving {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if part.is_empty() || to.write_all(&part).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
