//! What is known of a query of which nothing is heard, and how long it is waited for.
//!
//! The server is asked on another connection how far the query has come. Behind a balancer that connection may
//! lead to a server that does not run the query: it knows nothing of it, which says nothing. So a query is given
//! up where its own server sees no change in it, and where none knows of it for as long as a query may take, from
//! when it was last heard of or seen at work: a profile may let it take longer than was asked for.
//! Whoever may not look knows nothing of progress; then silence alone decides.

use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use model::Fault;

use super::Client;
use super::answer::Answer;
use super::server::Manner;
use crate::clickhouse::query::Query;

/// A look at the queries of a server is one at a table in memory.
const LOOK_WAIT: Duration = Duration::from_secs(5);

/// What the machine is called whose server answers, and how far the query has come there, if it runs there.
const LOOK: &str = "SELECT FQDN() AS machine, (SELECT toString((read_rows, read_bytes, \
    ProfileEvents['OSCPUVirtualTimeMicroseconds'], ProfileEvents['UserTimeMicroseconds'])) \
    FROM system.processes WHERE query_id = {id:String}) AS progress";

/// What is known of a query since something of it was heard.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// The machine whose server runs it, as soon as that is known.
    machine: Option<String>,
    /// What that server told last.
    seen: Option<Look>,
    /// How long the silence had lasted when that server was last seen at work on it.
    at_work: Duration,
}

/// What a server tells of a query.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// It runs there.
    Running { machine: String, progress: String },
    /// It does not: it runs on another server, or has ended.
    Absent { machine: String },
}

/// What is to be done about a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is waited for.
    Wait,
    /// Its server does nothing for it.
    Stalled,
    /// Whoever was asked knows nothing of it, and nobody can be at work on it still.
    Lost,
}

impl Silence {
    /// The head of the answer came, from a server that calls itself so. By default that is the name of its machine;
    /// a name that several servers share is that of no machine.
    pub(super) fn answered(&mut self, display_name: Option<String>) {
        self.machine = self.machine.take().or(display_name);
        self.broken();
    }

    /// Rows came.
    pub(super) fn broken(&mut self) {
        self.seen = None;
        self.at_work = Duration::ZERO;
    }

    /// Judges a query that was silent for so long by what a server told of it, if it told anything.
    fn verdict(&mut self, look: Option<Look>, lasting: Duration, time_max: Duration) -> Verdict {
        let Some(look) = look else { return Verdict::Stalled };
        // Bytes that are no rows yet break a silence as well: another has begun since.
        if lasting <= self.at_work {
            self.at_work = Duration::ZERO;
        }
        match &look {
            Look::Running { machine, .. } => self.machine = Some(machine.clone()),
            // It has ended where it ran. What is left of its answer is on the way, or lost: the next look decides.
            Look::Absent { machine } if self.machine.as_ref() == Some(machine) => {}
            Look::Absent { .. } if lasting - self.at_work < time_max => return Verdict::Wait,
            Look::Absent { .. } => return Verdict::Lost,
        }
        let has_changed = self.seen.as_ref() != Some(&look);
        if has_changed && matches!(look, Look::Running { .. }) {
            self.at_work = lasting;
        }
        self.seen = Some(look);
        if has_changed { Verdict::Wait } else { Verdict::Stalled }
    }
}

impl Look {
    /// Reads the answer to [`LOOK`]. A profile decides how texts are sent.
    fn read(batch: &RecordBatch) -> Option<Self> {
        let text = |name: &str| {
            let column = arrow_cast::cast(batch.column_by_name(name)?, &DataType::Utf8).ok()?;
            let column = column.as_string::<i32>();
            (column.len() == 1).then(|| column.is_valid(0).then(|| column.value(0).to_owned()))
        };
        let machine = text("machine")??;
        Some(match text("progress")? {
            Some(progress) => Self::Running { machine, progress },
            None => Self::Absent { machine },
        })
    }
}

impl Client {
    /// Where nothing was heard of a query for so long: finds out whether it is to be waited for, and gives it up where
    /// it is not.
    pub(super) async fn endure(
        &self,
        id: &str,
        purpose: &'static str,
        lasting: Duration,
        silence: &mut Silence,
    ) -> Result<(), Fault> {
        let options = &self.server.options;
        let fault = match silence.verdict(self.look(id).await, lasting, options.time_max) {
            Verdict::Wait => return Ok(()),
            Verdict::Stalled => self.server.place.silent_fault(purpose, options.silence_max),
            Verdict::Lost => self.server.place.lost_fault(purpose, lasting),
        };
        self.give_up(id).await;
        Err(fault)
    }

    /// Asks whichever server answers for the state of a query; `None` where it cannot be asked.
    async fn look(&self, id: &str) -> Option<Look> {
        let server = &self.server;
        let query = Query {
            text: LOOK.to_owned(),
            parameters: vec![("id".to_owned(), id.to_owned())],
            purpose: "the state of a query",
        };
        let asking = async {
            let manner = Manner { query_id: self.new_id(), ..Manner::default() };
            let head = server.ask(&query, &manner).await.map_err(Fault::from)?;
            let mut answer = Answer::new(server, query.purpose, head)?;
            let batch = answer.next(server, LOOK_WAIT).await.map_err(|b| b.fault(server, query.purpose))?;
            Ok::<_, Fault>(batch.and_then(|batch| Look::read(&batch)))
        };
        match tokio::time::timeout(LOOK_WAIT, asking).await {
            Ok(Ok(look)) => look,
            Ok(Err(fault)) => {
                tracing::debug!(fault = %fault, "the progress of a query is unknown");
                None
            }
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME_MAX: Duration = Duration::from_secs(600);

    /// A query that is silent, looked at every 20 seconds.
    #[derive(Default)]
    struct Looked {
        silence: Silence,
        lasting: Duration,
    }

    impl Looked {
        fn tell(&mut self, look: Option<Look>) -> Verdict {
            self.lasting += Duration::from_secs(20);
            self.silence.verdict(look, self.lasting, TIME_MAX)
        }

        fn runs(&mut self, machine: &str, progress: &str) -> Verdict {
            self.tell(Some(Look::Running { machine: machine.to_owned(), progress: progress.to_owned() }))
        }

        fn is_absent(&mut self, machine: &str) -> Verdict {
            self.tell(Some(Look::Absent { machine: machine.to_owned() }))
        }
    }

    #[test]
    fn a_query_is_waited_for_while_its_server_works_on_it() {
        let mut query = Looked::default();
        for progress in 0..100 {
            assert_eq!(query.runs("a", &progress.to_string()), Verdict::Wait);
        }
        assert_eq!(query.runs("a", "99"), Verdict::Stalled);
    }

    #[test]
    fn a_server_that_does_not_run_the_query_says_nothing_of_it() {
        let mut query = Looked::default();
        assert_eq!(query.is_absent("b"), Verdict::Wait);
        assert_eq!(query.runs("a", "1"), Verdict::Wait);
        assert_eq!([query.is_absent("b"), query.is_absent("c"), query.is_absent("b")], [Verdict::Wait; 3]);
        assert_eq!(query.runs("a", "1"), Verdict::Stalled, "what others say is no progress either");
    }

    #[test]
    fn a_query_that_has_ended_on_its_server_has_one_more_wait_for_its_answer() {
        let mut found = Looked::default();
        assert_eq!(found.runs("a", "1"), Verdict::Wait);
        assert_eq!([found.is_absent("a"), found.is_absent("a")], [Verdict::Wait, Verdict::Stalled]);

        let mut answered = Looked::default();
        answered.silence.answered(Some("a".to_owned()));
        assert_eq!([answered.is_absent("a"), answered.is_absent("a")], [Verdict::Wait, Verdict::Stalled]);
        answered.silence.broken();
        assert_eq!(answered.is_absent("a"), Verdict::Wait, "something came");
    }

    #[test]
    fn a_query_that_no_server_knows_of_is_given_up_after_the_time_of_a_query() {
        for display_name in [None, Some("all of them".to_owned())] {
            let mut query = Looked::default();
            query.silence.answered(display_name);
            let waits = std::iter::repeat_with(|| query.is_absent("a")).take_while(|verdict| *verdict == Verdict::Wait);
            assert_eq!(waits.count(), 29);
            assert_eq!(query.is_absent("a"), Verdict::Lost);
        }
    }

    #[test]
    fn a_query_that_was_seen_at_work_has_the_time_of_a_query_from_then() {
        let mut query = Looked::default();
        for progress in 0..100 {
            assert_eq!(query.runs("a", &progress.to_string()), Verdict::Wait);
        }
        let waits = |query: &mut Looked| (0..100).take_while(|_| query.is_absent("b") == Verdict::Wait).count();
        assert_eq!(waits(&mut query), 29);
        assert_eq!(query.is_absent("b"), Verdict::Lost);
        // A part of a row came, later a whole one: each silence is counted anew.
        query.lasting = Duration::ZERO;
        assert_eq!(waits(&mut query), 29);
        assert_eq!(query.runs("a", "100"), Verdict::Wait);
        query.silence.broken();
        query.lasting = Duration::ZERO;
        assert_eq!(waits(&mut query), 29);
    }

    #[test]
    fn silence_alone_decides_where_nobody_can_be_asked() {
        assert_eq!(Looked::default().tell(None), Verdict::Stalled);
    }
}
