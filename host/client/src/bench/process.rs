//! The costs of a local process, as the kernel accounts them.
//!
//! Enters: a process id, or the port of a server. Leaves: CPU time and memory. Guarantees: reads only `/proc`;
//! what is not there, not readable or not on this machine is `None`.

use std::fs;
use std::time::Duration;

/// Clock ticks per second in `/proc/<pid>/stat`: a constant of the kernel's interface on all architectures that matter.
const TICKS_PER_SECOND: u64 = 100;
/// The state of a listening socket in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// The process that listens on a local port, if it belongs to a user whose processes we may look into.
pub(super) fn listener(port: u16) -> Option<u32> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.into_iter().find(|pid| {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten()
            .flatten();
        descriptors
            .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
            .any(|link| {
                link.to_str()
                    .is_some_and(|link| inodes.iter().any(|inode| inode == link))
            })
    })
}

/// The inodes of the sockets that listen on `port`, from the text of `/proc/net/tcp`.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let (_, local_port) = local.rsplit_once(':')?;
        let same_port = u16::from_str_radix(local_port, 16).ok()? == port;
        (same_port && *state == LISTENING && *inode != "0").then(|| (*inode).to_owned())
    };
    table.lines().skip(1).filter_map(inode).collect()
}

/// User and system time that all threads of a process have used.
pub(super) fn cpu_time(pid: u32) -> Option<Duration> {
    parse_cpu_time(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_cpu_time(stat: &str) -> Option<Duration> {
    // The name of the program may contain anything, but nothing behind it contains a parenthesis.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let total = ticks()?.checked_add(ticks()?)?;
    Some(Duration::from_millis(total.checked_mul(1000 / TICKS_PER_SECOND)?))
}

/// The name of the program of a process, as it was started.
pub(super) fn name(pid: u32) -> Option<String> {
    parse_name(&fs::read(format!("/proc/{pid}/cmdline")).ok()?)
}

fn parse_name(command_line: &[u8]) -> Option<String> {
    let program = command_line.split(|byte| *byte == 0).next()?;
    let file = program.rsplit(|byte| *byte == b'/').next()?;
    (!file.is_empty()).then(|| String::from_utf8_lossy(file).into_owned())
}

/// Memory of a process in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    /// Resident now.
    pub(super) resident: u64,
    /// The most that was ever resident.
    pub(super) peak: u64,
}

/// The memory of a process.
pub(super) fn memory(pid: u32) -> Option<Memory> {
    parse_memory(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn parse_memory(status: &str) -> Option<Memory> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace()
            .next()?
            .parse::<u64>()
            .ok()?
            .checked_mul(1024)
    };
    Some(Memory {
        resident: field("VmRSS:")?,
        peak: field("VmHWM:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_the_kernel_are_parsed() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:D6D8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 4711 1 0\n\
            1: 0100007F:D6D8 0100007F:0001 01 00000000:00000000 00:00000000 00000000  0 0 4712 1 0\n";
        assert_eq!(listening_inodes(table, 55000), ["4711"]);
        assert!(listening_inodes(table, 1).is_empty());
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 9 0 0 0 250 50 0 0 20 0 1 0 5";
        assert_eq!(parse_cpu_time(stat), Some(Duration::from_secs(3)));
        assert_eq!(parse_cpu_time(""), None);
        assert_eq!(
            parse_name(b"/usr/sbin/nats-server\0-p\x004222\0").as_deref(),
            Some("nats-server")
        );
        assert_eq!(parse_name(b"").as_deref(), None);
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(
            parse_memory(status),
            Some(Memory {
                resident: 1 << 20,
                peak: 2 << 20
            })
        );
    }

    #[test]
    fn a_listener_of_this_process_is_found() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = socket.local_addr().expect("bound").port();
        assert_eq!(listener(port), Some(std::process::id()));
        assert!(cpu_time(std::process::id()).is_some() && memory(std::process::id()).is_some());
    }
}
