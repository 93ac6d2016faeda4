//! Whose rows the jobs of a database read.

use super::World;
use crate::support::{Bench, Ended};

#[test]
fn a_server_with_another_data_directory_is_refused_until_its_store_is_adopted() {
    let Some(first) = World::on_postgres() else { return eprintln!("left out: needs the stack of `cargo xtask test`") };
    let second = World { bench: Bench::new(), variables: first.variables.clone() };
    let refused = |world: &World| {
        let ended = Ended::of(world.command(&["serve", "--listen", "127.0.0.1:0"]).output().unwrap());
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{}", ended.stderr);
        assert!(ended.stderr.contains("jobs of this database read the rows of embedded store"), "{}", ended.stderr);
        assert!(ended.stderr.contains("outgest data adopt"), "{}", ended.stderr);
    };
    assert_eq!(first.serve().end(), 0);
    let ended = Ended::of(second.command(&["serve", "--listen", "127.0.0.1:0"]).output().unwrap());
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("there is no store in"), "{}", ended.stderr);
    assert_eq!(first.serve().end(), 0, "what was refused changed nothing");

    let none = Ended::of(second.command(&["data", "adopt"]).output().unwrap());
    assert_eq!(none.code, 2, "a server that is refused makes no store: {}", none.stdout);
    second.ok(&["generate", "--project", "p", "--events", "10"]);
    refused(&second);
    let printed = second.ok(&["data", "adopt"]);
    assert!(printed.starts_with("servers read what is in ") && printed.contains(" rows"), "{printed}");
    refused(&first);
    assert_eq!(second.serve().end(), 0);
}
