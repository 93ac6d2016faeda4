//! The half of the source that knows the wire: queries in, record batches out.
//!
//! [`Client`] sends a [`Query`] over HTTP and decodes the Arrow stream that answers it. It bounds what
//! the server spends on us, names our queries in the server's log, and turns whatever goes wrong into a
//! fault with the server's own words. It knows no table and prints no SQL but its own three statements;
//! it tries nothing again; and it never returns a short result: see `answer`.
//!
//! Reading order: `server` sends, `answer` receives, `messages` → `decode` is the way of the bytes;
//! `limiter`, `running` and `settings` are what makes it a polite guest, and `silence` how long it waits.

mod answer;
mod decode;
mod exception;
mod fault;
mod limiter;
mod messages;
mod running;
mod server;
mod settings;
mod silence;
mod text;
mod unpack;

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use model::{Fault, ProjectId, RunId, Stop};

use super::options::ClickHouseOptions;
use super::query::Query;
use answer::{Answer, Break, Failure};
use limiter::{Permit, Use};
use running::{Running, RunningQuery};
use server::{Agreed, Manner, Refused, Server};
use settings::Settings;
use silence::Silence;

pub use settings::Limit;

/// The first answer of a server is a look at its own memory.
const AGREE_WAIT: Duration = Duration::from_secs(30);
/// Ending queries takes the time of a block, on a busy server a few of them.
const CLOSE_WAIT: Duration = Duration::from_secs(10);
/// Giving up a query that failed is politeness; the fault is not kept waiting for it.
const GIVE_UP_WAIT: Duration = Duration::from_secs(2);

/// Has the server hold an answer back until it has all of it: only then does its head say how many rows that are.
const COUNTED: (&str, &str) = ("wait_end_of_query", "1");

/// A connection to a server. Clones share everything; [`Client::of_run`] shares the server alone.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    server: Arc<Server>,
    running: Running,
    run: Option<Arc<str>>,
    project: Option<Arc<str>>,
}

impl Client {
    /// Nothing is sent yet.
    pub(crate) fn new(options: ClickHouseOptions) -> Result<Self, Fault> {
        let server = Arc::new(Server::new(options)?);
        Ok(Self { server, running: Running::default(), run: None, project: None })
    }

    /// A client whose queries are named for a run, and which [`Client::close`] ends for themselves.
    pub(crate) fn of_run(&self, run: &RunId, project: &ProjectId) -> Self {
        Self {
            server: Arc::clone(&self.server),
            running: Running::default(),
            run: Some(run.as_str().into()),
            project: Some(project.as_str().into()),
        }
    }

    /// Takes one of so many shares of what the server may be used for.
    pub(crate) fn shared_by(&self, processes: usize) {
        self.server.limiter.share(processes);
    }

    /// The options it was made of.
    pub(crate) fn options(&self) -> &ClickHouseOptions {
        &self.server.options
    }

    /// Runs a query to its end and returns all its rows, which should be few: they are held at once by
    /// the server and here. The server's own count of them is checked.
    pub(crate) async fn rows(&self, query: Query, stop: &Stop) -> Result<RecordBatch, Fault> {
        tokio::select! {
            biased;
            reason = stop.raised() => Err(reason.fault()),
            rows = self.collect(query) => rows,
        }
    }

    /// Runs a query and streams its rows as they come. The stream ends with the first fault, and soon
    /// after `stop`; it ends without one only where every row has come.
    ///
    /// Batches are the server's blocks. `TooLarge` and `Timeout` say that a smaller query may pass.
    pub(crate) fn stream(&self, query: Query, stop: Stop) -> BoxStream<'static, Result<RecordBatch, Fault>> {
        self.streamed(query, Use::Rows, Manners::Plain, stop)
    }

    /// The same for a slice, in blocks of about so many rows where the server lets us ask for that.
    pub(crate) fn stream_of_slice(
        &self,
        query: Query,
        block_rows: u64,
        stop: Stop,
    ) -> BoxStream<'static, Result<RecordBatch, Fault>> {
        self.streamed(query, Use::Rows, Manners::Slice { block_rows }, stop)
    }

    /// The same for a few rows that lie apart and that somebody waits for: several threads of the server read them.
    pub(crate) fn stream_of_few(
        &self,
        query: Query,
        block_rows: u64,
        stop: Stop,
    ) -> BoxStream<'static, Result<RecordBatch, Fault>> {
        self.streamed(query, Use::Rows, Manners::Few { block_rows }, stop)
    }

    /// Whether the server lets us ask for blocks of so many rows; else a slice may come as one.
    pub(crate) async fn bounds_blocks(&self) -> Result<bool, Fault> {
        Ok(self.agreed().await?.settings.bounds_blocks())
    }

    /// Runs a query to its end and returns its blocks, for those who use rows up: it does not wait for
    /// queries whose rows are not used up yet.
    pub(crate) async fn look_up(&self, query: Query, stop: Stop) -> Result<Vec<RecordBatch>, Fault> {
        self.streamed(query, Use::LookUp, Manners::Plain, stop).try_collect().await
    }

    /// The same in a way that takes the server less memory and more time.
    pub(crate) async fn look_up_sparingly(&self, query: Query, stop: Stop) -> Result<Vec<RecordBatch>, Fault> {
        self.streamed(query, Use::LookUp, Manners::Sparing, stop).try_collect().await
    }

    /// Runs a query and streams its blocks as a look-up, for those who use them up at once and ask nothing meanwhile.
    pub(crate) fn stream_looked_up(&self, query: Query, stop: Stop) -> BoxStream<'static, Result<RecordBatch, Fault>> {
        self.streamed(query, Use::LookUp, Manners::Plain, stop)
    }

    fn streamed(
        &self,
        query: Query,
        use_of: Use,
        manners: Manners,
        stop: Stop,
    ) -> BoxStream<'static, Result<RecordBatch, Fault>> {
        let client = self.clone();
        stream::try_unfold(Phase::New { client, query, use_of, manners }, move |phase| {
            let stop = stop.clone();
            async move {
                tokio::select! {
                    biased;
                    reason = stop.raised() => Err(reason.fault()),
                    next = phase.next() => next,
                }
            }
        })
        .boxed()
    }

    /// Stores rows: `statement` is an `INSERT … FORMAT …` and `data` what follows it.
    pub(crate) async fn put(
        &self,
        statement: &str,
        data: Bytes,
        settings: &[(&'static str, &'static str)],
    ) -> Result<(), Fault> {
        let _permit = self.server.limiter.permit(Use::LookUp).await;
        let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let manner = Manner { query_id: self.new_id(), settings, ..Manner::default() };
        Ok(self.server.put(statement, data, &manner).await?)
    }

    /// Ends what still runs on the server and waits for it. That a user may not is no fault of what was read: it is
    /// told once, and the queries are left to the end of their connections.
    pub(crate) async fn close(&self) -> Result<(), Fault> {
        let ends = self.running.ids().into_iter().map(|id| self.end(id));
        join_all(ends).await.into_iter().collect()
    }

    async fn end(&self, id: String) -> Result<(), Fault> {
        match self.kill(&id, "SYNC", CLOSE_WAIT).await {
            Ok(()) => self.running.ended(&id),
            Err(refused) if refused.lacks_right() => self.server.tell_unended(&refused.fault),
            Err(refused) => return Err(refused.fault),
        }
        Ok(())
    }

    /// What limits hold for our queries.
    pub(crate) async fn limits(&self) -> Result<Vec<Limit>, Fault> {
        Ok(self.agreed().await?.settings.limits.clone())
    }

    /// Whether the server marks failures in the middle of an answer, so that their words can be told from
    /// rows. Those of servers before 25.11 are recognised too, by what is missing.
    pub(crate) async fn marks_failures(&self) -> Result<bool, Fault> {
        let query = Query { text: "SELECT 1 AS one".to_owned(), parameters: Vec::new(), purpose: "the server's head" };
        let head = self.server.ask(&query, &Manner { query_id: self.new_id(), ..Manner::default() }).await;
        Ok(head.map_err(Fault::from)?.exception_tag.is_some())
    }

    /// Whether the user may see which queries run: how far they have come, and which are to be ended.
    pub(crate) async fn sees_queries(&self) -> bool {
        let text = "SELECT count() AS queries FROM system.processes".to_owned();
        self.rows(Query { text, parameters: Vec::new(), purpose: "running queries" }, &Stop::new()).await.is_ok()
    }

    /// Whether the server ends a query whose connection has ended, also while it has nothing to send.
    pub(crate) async fn ends_with_connection(&self) -> Result<bool, Fault> {
        Ok(self.agreed().await?.settings.ends_with_connection)
    }

    async fn collect(&self, query: Query) -> Result<RecordBatch, Fault> {
        let agreed = self.agreed().await?;
        let counted = [(COUNTED.0, COUNTED.1.to_owned())];
        let mut received = self.open(query, &agreed, Use::LookUp, &counted).await?;
        let mut batches = Vec::new();
        while let Some(batch) = received.next().await? {
            batches.push(batch);
        }
        let schema = received.answer.schema().cloned().unwrap_or_else(|| Arc::new(Schema::empty()));
        received.ended();
        arrow_select::concat::concat_batches(&schema, &batches)
            .map_err(|error| Fault::bug("blocks of one answer do not fit together").because(error))
    }

    /// Sends a query and waits for the head of its answer.
    async fn open(
        &self,
        query: Query,
        agreed: &Agreed,
        use_of: Use,
        more: &[(&'static str, String)],
    ) -> Result<Received, Fault> {
        let server = &self.server;
        let permit = server.limiter.permit(use_of).await;
        let running = self.running.begin(self.new_id());
        let manner = self.manner(agreed, running.id.clone(), query.purpose, more);
        let mut asked = std::pin::pin!(server.ask(&query, &manner));
        let (mut silence, mut lasting) = (Silence::default(), Duration::ZERO);
        let head = loop {
            match tokio::time::timeout(server.options.silence_max, &mut asked).await {
                Ok(Ok(head)) => break head,
                Ok(Err(refused)) => {
                    if refused.code.is_some() {
                        running.ended();
                    }
                    return Err(refused.fault);
                }
                Err(_) => {
                    lasting += server.options.silence_max;
                    self.endure(&running.id, query.purpose, lasting, &mut silence).await?;
                }
            }
        };
        silence.answered(head.display_name.clone());
        let answer = Answer::new(server, query.purpose, head)?;
        Ok(Received { client: self.clone(), answer, running, purpose: query.purpose, silence, permit })
    }

    /// How a query is run: as was agreed, and with `more`.
    fn manner(&self, agreed: &Agreed, query_id: String, purpose: &str, more: &[(&'static str, String)]) -> Manner {
        Manner {
            query_id,
            log_comment: agreed.settings.log_comment.then(|| self.log_comment(purpose)),
            settings: agreed.settings.with(more),
            compress: agreed.compress,
        }
    }

    /// What was agreed with the server, which is asked once a minute, without a setting and without compression,
    /// which every user may do.
    async fn agreed(&self) -> Result<Arc<Agreed>, Fault> {
        let server = &self.server;
        server
            .agreed(|| async {
                // Names of settings hold nothing to escape.
                let names = format!("['{}']", settings::names(&server.options).join("','"));
                let query = Query {
                    text: settings::PROBE.to_owned(),
                    parameters: vec![("names".to_owned(), names)],
                    purpose: "settings",
                };
                let manner = Manner { query_id: self.new_id(), ..Manner::default() };
                let limit = AGREE_WAIT;
                let asked = tokio::time::timeout(limit, server.ask(&query, &manner)).await;
                let head = asked.map_err(|_| server.place.silent_fault(query.purpose, limit))??;
                let address = head.response.remote_addr().map(|address| address.ip());
                let mut answer = Answer::new(server, query.purpose, head)?;
                // A profile with small blocks cuts even this answer.
                let mut blocks = Vec::new();
                while let Some(batch) = answer.next(server, limit).await.map_err(|b| b.fault(server, query.purpose))? {
                    blocks.push(batch);
                }
                let settings = Settings::of_probe(&server.options, &blocks)?;
                Ok(Agreed { settings, compress: server.compresses(address) })
            })
            .await
    }

    /// Ends a query; with `SYNC` it has ended when this returns. One comparison with its id is the statement that needs
    /// the least: a server can tell from it that no other query is meant.
    async fn kill(&self, id: &str, how: &str, wait: Duration) -> Result<(), Refused> {
        let server = &self.server;
        let query = Query {
            text: format!("KILL QUERY WHERE query_id = {{id:String}} {how}"),
            parameters: vec![("id".to_owned(), id.to_owned())],
            purpose: "the end of a query",
        };
        let manner = Manner { query_id: self.new_id(), ..Manner::default() };
        // Where no query of this id runs any more the answer is empty, not even a stream without rows.
        let killing = async {
            let head = server.ask(&query, &manner).await?;
            let answer = head.response.bytes().await;
            answer.map(drop).map_err(|error| Refused::from(server.place.transport_fault(query.purpose, error)))
        };
        let killed = tokio::time::timeout(wait, killing).await;
        killed.unwrap_or_else(|_| Err(server.place.silent_fault(query.purpose, wait).into()))
    }

    /// Tells the server to end a query whose answer failed. A query that waits for the broken connection
    /// ends with it, so this does not wait: [`Client::close`] does.
    async fn give_up(&self, id: &str) {
        if let Err(refused) = self.kill(id, "ASYNC", GIVE_UP_WAIT).await {
            tracing::debug!(fault = %refused.fault, "a query whose answer failed could not be ended");
        }
    }

    /// Ids tell runs apart in the server's log, and are unique over all processes.
    fn new_id(&self) -> String {
        let random = uuid::Uuid::new_v4().simple();
        match &self.run {
            Some(run) => format!("outgest-{run}-{random}"),
            None => format!("outgest-{random}"),
        }
    }

    fn log_comment(&self, purpose: &str) -> String {
        let comment = serde_json::json!({
            "app": "outgest",
            "run": self.run.as_deref(),
            "project": self.project.as_deref(),
            "purpose": purpose,
        });
        comment.to_string()
    }
}

impl Break {
    fn fault(self, server: &Server, purpose: &'static str) -> Fault {
        match self {
            Self::Silent(lasting) => server.place.silent_fault(purpose, lasting),
            Self::Failed(Failure { fault, .. }) => fault,
        }
    }
}

/// A query whose answer is being received.
struct Received {
    client: Client,
    answer: Answer,
    running: RunningQuery,
    purpose: &'static str,
    silence: Silence,
    permit: Permit,
}

impl Received {
    async fn next(&mut self) -> Result<Option<RecordBatch>, Fault> {
        self.permit.asked_for().await;
        let server = &self.client.server;
        loop {
            match self.answer.next(server, server.options.silence_max).await {
                Ok(batch) => {
                    self.silence.broken();
                    self.permit.came();
                    return Ok(batch);
                }
                Err(Break::Silent(lasting)) => {
                    self.client.endure(&self.running.id, self.purpose, lasting, &mut self.silence).await?;
                }
                Err(Break::Failed(failure)) => {
                    match failure.ended {
                        true => self.client.running.ended(&self.running.id),
                        false => self.client.give_up(&self.running.id).await,
                    }
                    return Err(failure.fault);
                }
            }
        }
    }

    fn ended(self) {
        self.running.ended();
    }
}

/// What a query asks of the server besides what all ask.
#[derive(Clone, Copy)]
enum Manners {
    Plain,
    Slice { block_rows: u64 },
    Few { block_rows: u64 },
    Sparing,
}

/// A stream's state.
enum Phase {
    New { client: Client, query: Query, use_of: Use, manners: Manners },
    Open(Box<Received>),
}

impl Phase {
    async fn next(self) -> Result<Option<(RecordBatch, Self)>, Fault> {
        let mut received = match self {
            Self::New { client, query, use_of, manners } => {
                let agreed = client.agreed().await?;
                let more = match manners {
                    Manners::Plain => Vec::new(),
                    Manners::Slice { block_rows } => agreed.settings.of_slice(block_rows),
                    Manners::Few { block_rows } => agreed.settings.of_few(block_rows),
                    Manners::Sparing => agreed.settings.sparing(),
                };
                Box::new(client.open(query, &agreed, use_of, &more).await?)
            }
            Self::Open(received) => received,
        };
        match received.next().await? {
            Some(batch) => Ok(Some((batch, Self::Open(received)))),
            None => {
                received.ended();
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests;
