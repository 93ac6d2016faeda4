//! What a server costs that nobody asks for anything.

use std::time::{Duration, Instant};

use super::World;
use super::world::{PATIENCE, Serve};

super::on_both_databases!(an_idle_server_takes_little_memory_and_next_to_no_time);

/// Most memory of an idle server.
const MEMORY_MIB_MAX: u64 = 80;

/// Most processor time while it idles this long: one per cent.
const IDLE: Duration = Duration::from_secs(5);
const HUNDREDTHS_MAX: u64 = 5;

fn an_idle_server_takes_little_memory_and_next_to_no_time(world: World) {
    world.project("p", 1_000);
    let (_, secret) = world.key("p", "member");
    let serve = world.serve();
    serve.project("p", &secret).get("exports").expect(200);
    // What a start leaves to do is done first, which takes as long as others leave time for it.
    let begun = Instant::now();
    let spent = loop {
        let before = hundredths(&serve);
        std::thread::sleep(IDLE);
        let spent = hundredths(&serve) - before;
        if spent <= HUNDREDTHS_MAX || begun.elapsed() > PATIENCE {
            break spent;
        }
    };
    let memory = resident_mib(&serve);
    println!("{memory} MiB, {spent} hundredths of a second in {IDLE:?}");
    assert!(memory < MEMORY_MIB_MAX, "{memory} MiB");
    assert!(spent <= HUNDREDTHS_MAX, "{spent} hundredths of a second in {IDLE:?}");
}

fn resident_mib(serve: &Serve) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", serve.pid())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    resident.unwrap().parse::<u64>().unwrap() / 1_024
}

/// Processor time, user and system.
fn hundredths(serve: &Serve) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", serve.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
