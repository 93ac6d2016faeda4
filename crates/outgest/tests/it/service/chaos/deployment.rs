//! A deployment of which every process can be killed: ours, and those that ours lean on.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tempfile::TempDir;

use crate::servers::clickhouse::ClickHouse;
use crate::servers::postgres::Postgres;
use crate::servers::s3::S3Server;
use crate::service::World;
use crate::service::project::Project;
use crate::service::world::Serve;

/// The projects that ask for exports.
pub(super) const PROJECTS: [&str; 2] = ["p", "q"];

/// Events of each project: exports of seconds, so that kills meet them in every phase.
const EVENTS: u64 = 8_000;

/// Pause of the bucket before each piece.
const PAUSE: Duration = Duration::from_millis(100);

/// Where the rows of a deployment are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// In the embedded store, which has no process.
    InStore,
    /// In a ClickHouse.
    InClickHouse,
}

/// Who can be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Victim {
    /// The process with the API and the scheduler.
    Api,
    /// One of the workers.
    Worker,
    /// Postgres, with the jobs.
    Database,
    /// The S3 server, with the files.
    Bucket,
    /// The ClickHouse, with the rows.
    Source,
}

/// Processes of ours and of others.
pub(super) struct Deployment {
    world: World,
    secrets: BTreeMap<&'static str, String>,
    api: Serve,
    workers: Vec<Serve>,
    database: Postgres,
    pub(super) s3: S3Server,
    source: Option<Source>,
    /// How often who was killed.
    pub(super) killed: BTreeMap<Victim, u32>,
}

/// A ClickHouse that keeps its rows when it is killed.
struct Source {
    folder: TempDir,
    address: SocketAddr,
    server: Option<ClickHouse>,
}

impl Deployment {
    /// Starts everything; `None` without the test stack.
    pub(super) fn start(rows: Rows) -> Option<Self> {
        let database = Postgres::of_ones_own()?;
        let mut world = World::on_database(&database.new_database());
        let s3 = S3Server::start_slow(PAUSE);
        world.keep_exports_in(&s3);
        world.set("OUTGEST_WORKER_LEASE", "4s");
        let source = match rows {
            Rows::InStore => None,
            Rows::InClickHouse => Some(Source::start()?),
        };
        if let Some(source) = &source {
            world.set("OUTGEST_SOURCE_URL", source.url());
        }
        let mut secrets = BTreeMap::new();
        for project in PROJECTS {
            world.ok(&["project", "add", project]);
            let events = EVENTS.to_string();
            let mut generate = vec!["generate", "--project", project, "--seed", "5", "--events", &events];
            let url = source.as_ref().map(Source::url);
            generate.extend(url.iter().flat_map(|url| ["--source", url.as_str()]));
            world.ok(&generate);
            secrets.insert(project, world.key(project, "member").1);
        }
        let api = serve_api(&world);
        let workers = (0..2).map(|_| serve_worker(&world)).collect();
        Some(Self { world, secrets, api, workers, database, s3, source, killed: BTreeMap::new() })
    }

    /// A program of a project.
    pub(super) fn project(&self, id: &str) -> Project {
        self.api.project(id, &self.secrets[id])
    }

    /// Everybody once.
    pub(super) fn victims(&self) -> Vec<Victim> {
        let source = self.source.is_some().then_some(Victim::Source);
        [Victim::Api, Victim::Worker, Victim::Database, Victim::Bucket].into_iter().chain(source).collect()
    }

    /// Kills somebody and starts a successor after a while. Of several, `which` chooses one.
    pub(super) fn kill(&mut self, victim: Victim, which: usize, away: Duration) {
        *self.killed.entry(victim).or_default() += 1;
        match victim {
            Victim::Api => {
                // Dropping one is `kill -9`; there is always another one to take its place.
                self.api = serve_api(&self.world);
            }
            Victim::Worker => {
                drop(self.workers.remove(which % self.workers.len()));
                std::thread::sleep(away);
                self.workers.push(serve_worker(&self.world));
            }
            Victim::Database => self.database.restart(away),
            Victim::Bucket => self.s3.restart(away),
            Victim::Source => {
                let source = self.source.as_mut().expect("only who is there is killed");
                drop(source.server.take());
                std::thread::sleep(away);
                source.server = ClickHouse::at(source.folder.path(), source.address);
            }
        }
    }

    /// Jobs that are not at their end.
    pub(super) fn jobs_left(&self) -> u64 {
        let url = &self.world.variables.iter().find(|(name, _)| name == "OUTGEST_DATABASE").unwrap().1;
        let name = url.rsplit('/').next().unwrap();
        let count = "SELECT count(*) FROM job WHERE state IN ('queued', 'running')";
        self.database.sql(name, count).unwrap().trim().parse().unwrap()
    }

    pub(super) fn logs(&self) -> String {
        let workers = self.workers.iter().map(Serve::log).collect::<Vec<_>>().join("\n--- worker\n");
        format!("--- api\n{}\n--- worker\n{workers}", self.api.log())
    }
}

fn serve_api(world: &World) -> Serve {
    world.serve_with(&["--roles", "api,schedule"])
}

fn serve_worker(world: &World) -> Serve {
    world.serve_with(&["--roles", "work"])
}

impl Source {
    fn start() -> Option<Self> {
        let (folder, address) = (tempfile::tempdir().unwrap(), ClickHouse::free_address());
        let server = ClickHouse::at(folder.path(), address)?;
        server.deploy("langfuse");
        Some(Self { folder, address, server: Some(server) })
    }

    fn url(&self) -> String {
        format!("clickhouse://default@{}/langfuse", self.address)
    }
}
