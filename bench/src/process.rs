//! Processes that the bench starts: where they run, what they have used, and that they end with it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use nix::time::ClockId;
use nix::unistd::Pid;

/// How long a server may take until it accepts connections. Large ones in Python take half a minute.
const PATIENCE: Duration = Duration::from_mins(2);

/// Which core a process runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Core {
    /// What is measured.
    Measured,
    /// Load generator and provider.
    Others,
}

/// Keeps processes on their cores, where the machine can.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    /// Whether there are two cores and `taskset`.
    pub(crate) are_separate: bool,
}

impl Cores {
    pub(crate) fn find() -> Self {
        let several = std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
        let mut taskset = Command::new("taskset");
        taskset.arg("--version").stdout(Stdio::null());
        Self {
            are_separate: several && taskset.status().is_ok_and(|status| status.success()),
        }
    }

    /// `program` on its core.
    pub(crate) fn command(self, core: Core, program: impl AsRef<std::ffi::OsStr>) -> Command {
        if !self.are_separate {
            return Command::new(program);
        }
        let number = match core {
            Core::Measured => "0",
            Core::Others => "1",
        };
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", number]).arg(program);
        command
    }
}

/// A process that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// Starts a server that prints its address.
    pub(crate) fn start_and_listen(mut command: Command) -> anyhow::Result<(Self, SocketAddr)> {
        let mut server = Self::spawn(command.stdout(Stdio::piped()))?;
        let stdout = server.child.stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().parse().context("a server did not start")?;
        Ok((server, address))
    }

    /// Starts a server that was told where to listen, and waits until it does.
    pub(crate) fn start_at(mut command: Command, address: SocketAddr) -> anyhow::Result<Self> {
        let mut server = Self::spawn(&mut command)?;
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("{command:?} ended at once: {status}");
            }
            ensure!(Instant::now() < deadline, "{command:?} does not listen");
            pause();
        }
        Ok(server)
    }

    fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        let child = command.stdin(Stdio::null()).spawn();
        let child = child.with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self { child })
    }

    /// The CPU time of all its threads, those that have ended too, to the nanosecond, and of all
    /// processes below it that still run.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let mut sum = cpu(self.child.id())?;
        for process in below(self.child.id())? {
            sum += cpu(process)?;
        }
        Ok(sum)
    }

    /// The most memory it ever had, in MiB.
    pub(crate) fn peak_memory(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        Ok(peak_kib(&status).context("the kernel does not tell the peak memory")? / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn cpu(process: u32) -> anyhow::Result<Duration> {
    let process = Pid::from_raw(i32::try_from(process)?);
    Ok(ClockId::pid_cpu_clock_id(process)?.now()?.into())
}

/// The processes that it started, and those that they started.
fn below(process: u32) -> anyhow::Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(id) = entry?.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        // It may have ended since.
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        parents.extend(parent(&stat).map(|parent| (id, parent)));
    }
    let mut family = vec![process];
    let mut grown = 0;
    while let Some(older) = family.get(grown).copied() {
        grown += 1;
        let children = parents.iter().filter(|(_, parent)| *parent == older);
        family.extend(children.map(|(id, _)| id));
    }
    Ok(family.split_off(1))
}

/// After the name, which may hold anything: the state, and the parent.
fn parent(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

fn peak_kib(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// How much of the machine was used, by whom, in the kernel's own unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// This process, and those that it has started and that have ended.
    ours: u64,
    everybody: u64,
    /// What there was to use.
    all: u64,
}

impl Usage {
    pub(crate) fn now() -> anyhow::Result<Self> {
        let machine = fs::read_to_string("/proc/stat")?;
        let this = fs::read_to_string("/proc/self/stat")?;
        Self::read(&machine, &this).context("the kernel does not tell who uses the machine")
    }

    fn read(machine: &str, this: &str) -> Option<Self> {
        let numbers = |text: &str| -> Option<Vec<u64>> {
            text.split_whitespace().map(|it| it.parse().ok()).collect()
        };
        // user, nice, system, idle, waiting for disks, interrupts (two kinds), stolen by the host
        let machine = numbers(machine.lines().next()?.strip_prefix("cpu")?)?;
        let all = machine.iter().take(8).sum();
        let idle = machine.get(3)? + machine.get(4)?;
        // After the name, which may hold anything: user, system, and both of ended children.
        let (_, this) = this.rsplit_once(')')?;
        let own: Vec<_> = this.split_whitespace().skip(11).take(4).collect();
        Some(Self {
            ours: numbers(&own.join(" "))?.iter().sum(),
            everybody: all - idle,
            all,
        })
    }

    /// The part that others used, from 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "ticks, far below 2^52")]
    pub(crate) fn of_others_since(&self, before: &Self) -> f64 {
        let everybody = self.everybody.saturating_sub(before.everybody);
        let others = everybody.saturating_sub(self.ours.saturating_sub(before.ours));
        others as f64 / self.all.saturating_sub(before.all).max(1) as f64
    }
}

/// A port that nobody listens on.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

#[expect(
    clippy::disallowed_methods,
    reason = "another program does not say when it listens: it can only be tried"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_from_the_words_of_the_kernel() {
        let status = "Name:\tnexus\nVmPeak:\t  999 kB\nVmHWM:\t   20480 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(peak_kib(status), Some(20480.0));
        assert_eq!(peak_kib("Name:\tnexus\n"), None);
    }

    #[test]
    fn what_a_process_starts_counts_for_it() {
        assert_eq!(parent("7 (a) b) S 3 1 1"), Some(3));
        let mut command = Command::new("sh");
        // The loop runs in a process below, and ends with the one above.
        command.args(["-c", "(while kill -0 $$ 2>/dev/null; do :; done) & wait"]);
        let server = Server::spawn(&mut command).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while server.cpu().unwrap() < Duration::from_millis(50) {
            assert!(Instant::now() < deadline, "it does not grow");
        }
        assert_eq!(below(server.child.id()).unwrap().len(), 1);
    }

    #[test]
    fn what_others_use_is_what_is_left_of_everybodys_use() {
        let this = |ticks: u64| format!("7 (a) b) S 1 1 1 0 -1 1 1 1 1 1 {ticks} 1 1 1 20 0");
        let usage = |machine, ticks| Usage::read(machine, &this(ticks)).unwrap();
        let before = usage("cpu  100 0 100 600 100 0 0 100 9 9\ncpu0 1", 0);
        let after = usage("cpu  150 0 130 700 110 0 0 110 9 9\ncpu0 1", 40);
        assert_eq!((before.ours, before.everybody, before.all), (3, 300, 1000));
        assert!((after.of_others_since(&before) - 0.25).abs() < 1e-9);
    }

    #[test]
    fn the_cpu_time_of_a_process_grows_with_its_work() {
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do :; done"]);
        let server = Server::spawn(&mut command).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while server.cpu().unwrap() < Duration::from_millis(5) {
            assert!(Instant::now() < deadline, "it does not grow");
        }
    }
}
