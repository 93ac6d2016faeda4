//! Carries a window out whose destination takes events: its tables one after the other, by the same deliveries as
//! `outgest deliver`, with one checkpoint for all of them.

use std::sync::Arc;

use jobs::{Context, Done};
use model::{
    AskedRows, EventDestination, Fault, Integration, Job, ReadRequest, RunCause, RunId, TableName, WindowJob,
    WindowResult,
};
use pipeline::{DeliveryPorts, DeliverySpec};

use super::events_log::{EventsLog, Left};
use super::letters::RunLetters;
use super::revision;
use super::sent::RunSentKeys;
use super::source::PatientSource;
use super::window::{WindowRunner, completed};
use crate::deliver::Scheduled;

impl WindowRunner {
    /// Delivers the tables of a window.
    pub(super) async fn deliver(
        &self,
        job: &Job,
        (integration, window): (&Integration, &WindowJob),
        destination: Arc<dyn EventDestination>,
        context: Context,
    ) -> Result<Done, Fault> {
        let (stop, token) = (context.log.stop(), context.token);
        let run = self.store.run_of_job(&job.id).await?;
        let historical = run.is_some_and(|run| run.cause == RunCause::Backfill);
        let tables = self.scheduled(integration, window, historical).await?;
        let to = (destination.to_string(), tables.len());
        let left = self.left_of_events(integration, job.checkpoint.clone()).await?;
        let mut log = EventsLog::new(context.log, context.progress, to, left);
        let mut reads = Vec::with_capacity(tables.len());
        for Scheduled { delivery, of } in &tables {
            let run = RunId::new(job.id.as_str());
            let mut spec = delivery.spec(of, &run, window.planned_at, self.budget.threads);
            spec.budget = spec.budget.sharing_places();
            spec.request.snapshot = log.snapshot();
            let table = of.table.name.clone();
            let read = spec.request.clone();
            let resume = match log.left_of(&table) {
                Left::Everything(delivered) => {
                    log.finished(table, delivered.counts);
                    reads.push(read);
                    continue;
                }
                Left::Something(checkpoint) => Some(*checkpoint),
                Left::Nothing => None,
            };
            let mut ports = self.delivery_ports((job, token), integration, &spec, &log, &destination);
            // A revision has only some rows of its window; the comparison that made it has seen the others.
            ports.sent = ports.sent.filter(|_| window.rows.is_empty());
            if resume.is_none() {
                // What another receiver refused is no letter of this one, and what it was sent this one lacks; and an
                // attempt whose checkpoint is gone may have kept some.
                ports.letters.keep(0, &[]).await?;
                if let Some(sent) = &ports.sent {
                    sent.keep(0, &[]).await?;
                }
            }
            let receipt = match pipeline::deliver(spec, ports, resume).await {
                Ok(receipt) => receipt,
                Err(fault) => return Err(self.of_reading(fault, log.snapshot()).await),
            };
            log.finished(table, receipt.counts);
            reads.push(ReadRequest { snapshot: log.snapshot().or_else(|| read.snapshot.clone()), ..read });
        }
        let (late_rows, deleted_rows) = self.count(integration, window, &reads, &stop).await?;
        stop.check()?;
        let counts = log.counts();
        let deliveries = log.into_tables();
        let read = |table: &str| deliveries.iter().find(|of| of.table.as_str() == table).map(|of| of.counts.read);
        let warnings = revision::lacks(window, read);
        let settings = &integration.settings;
        let asked = AskedRows { cursor: settings.cursor, tables: settings.tables.clone() };
        completed(&WindowResult {
            rows: counts.accepted,
            bytes: counts.bytes,
            late_rows,
            deleted_rows,
            rejected_rows: counts.rejected,
            deliveries,
            warnings,
            asked: window.rows.is_empty().then_some(asked),
            ..WindowResult::default()
        })
    }

    /// The tables of a window in order: all of them, or those whose dead letters are sent again.
    async fn scheduled(
        &self,
        integration: &Integration,
        window: &WindowJob,
        historical: bool,
    ) -> Result<Vec<Scheduled>, Fault> {
        let Integration { project, settings, .. } = integration;
        let mut tables = Vec::with_capacity(settings.tables.len());
        for table in &settings.tables {
            let within = (window.span.window(), self.base_url.as_deref());
            let mut scheduled = Scheduled::new(project, settings, table, within)?;
            let named = |name: &TableName| window.rows.iter().find(|rows| rows.table == name.as_str());
            scheduled = match (window.rows.is_empty(), named(&scheduled.of.table.name)) {
                (true, _) => scheduled,
                (false, Some(rows)) if rows.ids.is_empty() => scheduled,
                (false, Some(rows)) => {
                    let rows = revision::only(&scheduled.of.table, rows);
                    scheduled.only(rows)
                }
                (false, None) => continue,
            };
            scheduled.delivery.historical = historical;
            let resolved = scheduled.resolved(&*self.comments, window.planned_at).await;
            tables.push(resolved.map_err(|fault| fault.during("looking comments up"))?);
        }
        Ok(tables)
    }

    fn delivery_ports(
        &self,
        (job, token): (&Job, u64),
        integration: &Integration,
        spec: &DeliverySpec,
        log: &EventsLog,
        destination: &Arc<dyn EventDestination>,
    ) -> DeliveryPorts {
        let table = spec.request.table.name.clone();
        let sent = RunSentKeys { store: Arc::clone(&self.store), run: job.id.clone(), table: table.clone(), token };
        DeliveryPorts {
            source: Arc::<PatientSource>::clone(&self.source),
            comments: Arc::clone(&self.comments),
            prices: Arc::clone(&self.prices),
            destination: Arc::clone(destination),
            pace: self.paces.of(integration.id.clone()),
            log: log.table(&table),
            letters: Arc::new(RunLetters {
                store: Arc::clone(&self.store),
                integration: integration.id.clone(),
                run: job.id.clone(),
                table,
                token,
                now: self.now,
            }),
            sent: Some(Arc::new(sent)),
            progress: log.progress(),
            waits: Arc::clone(&self.waits),
        }
    }
}
