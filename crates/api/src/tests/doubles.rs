//! Ports in memory: small, strict, and open to what a test wants to go wrong.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use model::{
    Actor, ApiKey, ApiKeyId, AuditEntry, AuditLog, Browse, BrowseBounds, ByteCount, CheckedExport, ColumnSpec,
    ColumnType, Comment, CommentQuery, CommentStore, CommentToAdd, CreatedExport, Downloads, Export, ExportAsk,
    ExportDesk, ExportEstimate, ExportFile, ExportPreview, ExportQuery, ExportState, ExportStore, Expr, FacetAsk,
    FacetValue, Facets, Fault, FaultKind, FieldProblem, FieldRole, FileName, FilterColumn, FilterKind,
    FormatDescriptor, Histogram, HistogramAsk, HistogramBar, Ingest, Ingested, Integration, IntegrationAsk, JobId,
    JobProgress, Member, Micros, NewApiKey, NewAuditEntry, NewBackfill, NewExport, NewInvitation, NewUser, ObjectKind,
    OrderColumns, Page, PageRequest, PageToken, PeopleStore, PlacedComment, PresentedKey, Project, ProjectChange,
    ProjectId, Quotas, Relation, Role, RowCount, RowKey, RowPage, RowsAsk, SearchColumns, Secret, Session, ShownCells,
    ShownRow, SignIn, Stop, StorageFigures, StoredOfProject, StoredTable, TableName, TableSpec, TableStorage,
    TimestampStyle, UnicodeRule, User, UserId,
};
use serde_json::json;

use super::NOW;
use crate::app::{Readiness, SourceState};
use crate::{Integrations, Ports};

/// Everything that the ports know.
#[derive(Default)]
pub(super) struct World {
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) users: Vec<(User, String)>,
    pub(super) sessions: BTreeMap<String, UserId>,
    pub(super) keys: Vec<(ApiKey, String)>,
    pub(super) members: BTreeMap<(ProjectId, UserId), Role>,
    pub(super) projects: BTreeMap<ProjectId, Project>,
    pub(super) invitations: BTreeMap<String, NewInvitation>,
    pub(super) exports: Vec<(Export, Option<(String, String)>)>,
    pub(super) audit: Vec<NewAuditEntry>,
    pub(super) comments: Vec<PlacedComment>,
    pub(super) ingested: Vec<u8>,
    pub(super) integrations: Vec<Integration>,
    pub(super) asked_integrations: Vec<IntegrationAsk>,
    pub(super) backfills: Vec<NewBackfill>,
    pub(super) asked: Vec<ExportAsk>,
    /// Message of the fault that browsing ends with.
    pub(super) browse_fails: Option<Fault>,
    pub(super) not_ready: bool,
    /// Why the source cannot be read, if so.
    pub(super) source_away: Option<String>,
    /// Whether files lie in an object store that makes links.
    pub(super) presigned: bool,
    /// Whether browsing never ends, and how many reads were dropped before their end.
    pub(super) browse_hangs: bool,
    pub(super) browse_dropped: u32,
}

/// The bytes of every finished file.
pub(super) const FILE: &[u8] = b"0123456789abcdefghij";

impl World {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn ports(self: &Arc<Self>) -> Ports {
        let world = || Arc::clone(self);
        Ports {
            exports: world(),
            desk: world(),
            downloads: world(),
            browse: world(),
            ingest: Some(world()),
            storage: world(),
            integrations: Some(Integrations { store: world(), desk: world() }),
            comments: world(),
            people: world(),
            audit: world(),
            readiness: world(),
            closing: Stop::new(),
            metrics: Some(Arc::new(|| "outgest_up 1\n".to_owned())),
            is_proxy: Arc::new(|_| false),
            now: || NOW,
        }
    }

    pub(super) fn project(&self, id: &str) -> ProjectId {
        let id = ProjectId::new(id);
        let project = Project {
            id: id.clone(),
            name: id.to_string(),
            quotas: Quotas::default(),
            retention_days: None,
            created_at: NOW,
        };
        self.state().projects.entry(id.clone()).or_insert(project);
        id
    }

    /// A key and its secret.
    pub(super) fn key(&self, project: &str, role: Role) -> (ApiKey, String) {
        let project = self.project(project);
        let mut state = self.state();
        let number = state.keys.len();
        let key = ApiKey {
            id: ApiKeyId::new(format!("k{number}")),
            project,
            public: format!("pk-{number}"),
            role,
            note: String::new(),
            secret_ends: "1234".to_owned(),
            created_at: NOW,
            expires_at: None,
            last_used_at: None,
        };
        let secret = format!("sk-{number}");
        state.keys.push((key.clone(), secret.clone()));
        (key, secret)
    }

    /// An account with the password `a long password`.
    pub(super) fn user(&self, admin: bool) -> User {
        let mut state = self.state();
        let number = state.users.len();
        let user = User {
            id: UserId::new(format!("u{number}")),
            email: format!("u{number}@example.com"),
            name: format!("User {number}"),
            admin,
            created_at: NOW,
        };
        state.users.push((user.clone(), "a long password".to_owned()));
        user
    }

    /// The token of a session.
    pub(super) fn session(&self, member_of: Option<(&str, Role)>, admin: bool) -> String {
        let user = self.user(admin);
        if let Some((project, role)) = member_of {
            let project = self.project(project);
            self.state().members.insert((project, user.id.clone()), role);
        }
        let token = format!("session-{}", user.id);
        self.state().sessions.insert(token.clone(), user.id);
        token
    }

    /// An export in this state.
    pub(super) fn add_export(&self, project: &str, state: ExportState) -> JobId {
        let project = self.project(project);
        let export = self.new_export(&project, "events", "jsonl", Actor::System);
        let id = export.id.clone();
        let mut world = self.state();
        world.exports.push((export, None));
        let (export, _) = world.exports.last_mut().unwrap();
        export.state = state;
        if state == ExportState::Completed {
            export.files = ["a b\".jsonl", "part-2.jsonl"]
                .map(|name| ExportFile {
                    name: FileName::new(name).unwrap(),
                    content_type: "application/x-ndjson".to_owned(),
                    bytes: ByteCount(FILE.len() as u64),
                    rows: RowCount(1),
                    sha256: "ab12".to_owned(),
                })
                .to_vec();
        }
        id
    }

    fn new_export(&self, project: &ProjectId, table: &str, format: &str, by: Actor) -> Export {
        let number = self.state().exports.len();
        Export {
            id: JobId::new(format!("e{number}")),
            project: project.clone(),
            name: format!("export {number}"),
            state: ExportState::Queued,
            cleanup: false,
            table: table.to_owned(),
            format: format.to_owned(),
            spec: json!({"table": table}),
            created_by: by,
            created_at: NOW,
            started_at: None,
            finished_at: None,
            expires_at: None,
            retry_at: None,
            attempts: 0,
            progress: JobProgress::default(),
            truncated: false,
            warnings: vec![],
            files: vec![],
            manifest: None,
            file_name: FileName::new(format!("f{number}.{format}")).unwrap(),
            failure: None,
            failed_attempts: vec![],
            downloads: 0,
            downloaded_at: None,
        }
    }

    fn end(&self, project: &ProjectId, id: &JobId, from: &[ExportState], to: ExportState) -> Result<Export, Fault> {
        let mut state = self.state();
        let found = state.exports.iter_mut().find(|(export, _)| export.id == *id && export.project == *project);
        let (export, _) = found.ok_or_else(no_export)?;
        if !from.contains(&export.state) {
            return Err(Fault::new(FaultKind::Conflict, format!("the export is {}", export.state.as_str())));
        }
        export.state = to;
        Ok(export.clone())
    }
}

fn no_export() -> Fault {
    Fault::new(FaultKind::NotFound, "there is no such export")
}

/// Items by position; a token is the number of items before it.
pub(super) fn paged<T: Clone>(items: &[T], page: &PageRequest) -> Result<Page<T>, Fault> {
    let forged = || Fault::of_field("cursor", "this is not the cursor of a page");
    let start = match &page.after {
        None => 0,
        Some(token) => token.0.parse::<usize>().ok().filter(|at| *at < items.len()).ok_or_else(forged)?,
    };
    let end = items.len().min(start + page.items_max as usize);
    let next = (end < items.len()).then(|| PageToken(end.to_string()));
    Ok(Page { items: items[start..end].to_vec(), next })
}

#[async_trait]
impl Readiness for World {
    async fn ready(&self) -> Result<SourceState, Fault> {
        let state = self.state();
        match state.not_ready {
            true => Err(Fault::new(FaultKind::Unavailable, "the metadata store does not answer")),
            false => Ok(state.source_away.clone().map_or(SourceState::Ok, SourceState::Away)),
        }
    }
}

#[async_trait]
impl ExportStore for World {
    async fn create_export(&self, new: NewExport) -> Result<CreatedExport, Fault> {
        let idempotency = new.idempotency.map(|idempotency| (idempotency.key, idempotency.fingerprint));
        if let Some((key, fingerprint)) = &idempotency {
            let state = self.state();
            let same = state.exports.iter().find(|(_, known)| known.as_ref().is_some_and(|(known, _)| known == key));
            if let Some((export, known)) = same {
                return match known.as_ref().is_some_and(|(_, known)| known == fingerprint) {
                    true => Ok(CreatedExport::Existing(export.clone())),
                    false => Err(Fault::new(FaultKind::Conflict, "this key made another export")),
                };
            }
        }
        let queued = self.state().exports.iter().filter(|(export, _)| export.state == ExportState::Queued).count();
        if new.quotas.exports_queued_max.is_some_and(|most| queued >= most as usize) {
            let fault = Fault::new(FaultKind::Throttled, format!("{queued} exports of this project are queued"));
            return Err(fault.retry_after(Duration::from_secs(30)));
        }
        let mut export = self.new_export(&new.project, &new.checked.table, &new.checked.format, new.by);
        export.warnings = new.checked.warnings;
        export.name = new.name.unwrap_or(export.name);
        self.state().exports.push((export.clone(), idempotency));
        Ok(CreatedExport::New(export))
    }

    async fn export(&self, project: &ProjectId, id: &JobId) -> Result<Export, Fault> {
        let state = self.state();
        let found = state.exports.iter().find(|(export, _)| export.id == *id && export.project == *project);
        found.map(|(export, _)| export.clone()).ok_or_else(no_export)
    }

    async fn exports(
        &self,
        project: &ProjectId,
        query: &ExportQuery,
        page: &PageRequest,
    ) -> Result<Page<Export>, Fault> {
        let state = self.state();
        let mine = state.exports.iter().rev().map(|(export, _)| export).filter(|export| export.project == *project);
        let wanted = mine.filter(|export| query.states.is_empty() || query.states.contains(&export.state));
        paged(&wanted.cloned().collect::<Vec<_>>(), page)
    }

    async fn cancel_export(&self, project: &ProjectId, id: &JobId) -> Result<Export, Fault> {
        self.end(project, id, &[ExportState::Queued, ExportState::Running], ExportState::Cancelled)
    }

    async fn retry_export(&self, project: &ProjectId, id: &JobId, _: Quotas) -> Result<Export, Fault> {
        self.end(project, id, &[ExportState::Failed, ExportState::Cancelled], ExportState::Queued)
    }

    async fn delete_export(&self, project: &ProjectId, id: &JobId) -> Result<(), Fault> {
        self.export(project, id).await?;
        self.state().exports.retain(|(export, _)| export.id != *id);
        Ok(())
    }

    async fn note_download(&self, project: &ProjectId, id: &JobId) -> Result<(), Fault> {
        let mut state = self.state();
        let found = state.exports.iter_mut().find(|(export, _)| export.id == *id && export.project == *project);
        let (export, _) = found.ok_or_else(no_export)?;
        (export.downloads, export.downloaded_at) = (export.downloads + 1, Some(NOW));
        Ok(())
    }

    /// As it is, then running, then completed.
    fn watch_export(&self, project: &ProjectId, id: &JobId) -> BoxStream<'static, Result<Export, Fault>> {
        let state = self.state();
        let found = state.exports.iter().find(|(export, _)| export.id == *id && export.project == *project);
        let (export, _) = found.unwrap();
        let states = [export.state, ExportState::Running, ExportState::Completed];
        let seen = states.map(|state| Ok(Export { state, ..export.clone() }));
        stream::iter(seen).boxed()
    }
}

#[async_trait]
impl ExportDesk for World {
    async fn check(&self, _: &ProjectId, ask: &ExportAsk, now: Micros) -> Result<CheckedExport, Fault> {
        assert_eq!(now, NOW);
        self.state().asked.push(ask.clone());
        if ask.table != "events" {
            let problem = FieldProblem::new("table", format!("there is no table {:?}", ask.table));
            return Err(Fault::of_problems(vec![problem.hint("did you mean events?")]));
        }
        let mut warnings = Vec::new();
        if ask.filter.to_string().contains("commentCount") {
            if !ask.allow_unsupported_filters.iter().any(|kind| kind == "comments") {
                return Err(Fault::bad_request("filter[0].column: this source has no comments"));
            }
            warnings.push("comments are not filtered".to_owned());
        }
        Ok(CheckedExport {
            spec: json!({"table": ask.table, "limit": ask.limit}),
            table: ask.table.clone(),
            format: ask.format.clone().unwrap_or_else(|| "jsonl".to_owned()),
            extension: ".jsonl".to_owned(),
            limit: ask.limit.map(RowCount),
            warnings,
        })
    }

    async fn estimate(&self, _: &ProjectId, _: &CheckedExport) -> Result<ExportEstimate, Fault> {
        Ok(ExportEstimate { rows_max: RowCount(1_000), bytes_max: ByteCount(5_000_000) })
    }

    async fn preview(&self, _: &ProjectId, _: &CheckedExport, rows: u32) -> Result<ExportPreview, Fault> {
        let rows = (0..rows).map(|row| json!({"id": row.to_string()})).collect();
        Ok(ExportPreview { columns: vec!["id".to_owned()], rows, more: true })
    }
}

#[async_trait]
impl Downloads for World {
    async fn link(&self, file: &ExportFile, valid: Duration) -> Result<Option<String>, Fault> {
        let link = || format!("https://bucket.test/{}?for={}", file.name, valid.as_secs());
        Ok(self.state().presigned.then(link))
    }

    async fn read(&self, _: &ExportFile, range: Range<u64>) -> Result<BoxStream<'static, Result<Bytes, Fault>>, Fault> {
        let bytes = FILE[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()].chunks(4);
        let chunks: Vec<_> = bytes.map(|chunk| Ok(Bytes::from_static(chunk))).collect();
        Ok(stream::iter(chunks).boxed())
    }
}

/// Says that a read ended before it was through.
struct Dropped<'a>(&'a World);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.state().browse_dropped += 1;
    }
}

impl World {
    async fn browsing(&self) -> Result<(), Fault> {
        if let Some(fault) = self.state().browse_fails.take() {
            return Err(fault);
        }
        if self.state().browse_hangs {
            let _dropped = Dropped(self);
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

#[async_trait]
impl Browse for World {
    async fn rows(
        &self,
        project: &ProjectId,
        ask: &RowsAsk,
        shown: &ShownCells,
        page: &PageRequest,
        _: &BrowseBounds,
    ) -> Result<RowPage, Fault> {
        self.browsing().await?;
        let row = |number: u32| ShownRow {
            key: RowKey(format!("r{number}")),
            cells: json!({"id": number, "project": project, "table": ask.table, "where": ask.wheres}).to_string(),
            cut: shown
                .characters_max
                .map(|most| ("input".to_owned(), ByteCount(u64::from(most) + 1)))
                .into_iter()
                .collect(),
        };
        let rows = paged(&(0..120).map(row).collect::<Vec<_>>(), page)?;
        let columns = if shown.columns.is_empty() { vec!["id".to_owned()] } else { shown.columns.clone() };
        Ok(RowPage { columns, rows: rows.items, next: rows.next, previous: None, stopped: None })
    }

    async fn row(&self, _: &ProjectId, _: &str, key: &RowKey, _: &BrowseBounds) -> Result<Option<ShownRow>, Fault> {
        self.browsing().await?;
        // A number that doubles cannot hold: cells travel as text.
        let cells = r#"{"cost":0.100000000000000000001}"#.to_owned();
        Ok((key.0 == "r1").then(|| ShownRow { key: key.clone(), cells, cut: vec![] }))
    }

    async fn facets(&self, _: &ProjectId, ask: &FacetAsk, _: &BrowseBounds) -> Result<Facets, Fault> {
        self.browsing().await?;
        let value = FacetValue { value: format!("{}/{}", ask.column, ask.values_max), rows: RowCount(7) };
        Ok(Facets { values: vec![value], more: false, rows: RowCount(7), stopped: Some(model::Bound::Time) })
    }

    async fn histogram(&self, _: &ProjectId, ask: &HistogramAsk, _: &BrowseBounds) -> Result<Histogram, Fault> {
        self.browsing().await?;
        let bars = vec![HistogramBar { from: NOW, rows: RowCount(u64::from(ask.bars_max)) }];
        Ok(Histogram { step: Duration::from_millis(1_500), bars, stopped: None, complete_from: None })
    }
}

#[async_trait]
impl Ingest for World {
    async fn ingest(
        &self,
        _: &ProjectId,
        table: Option<&str>,
        mut body: BoxStream<'static, Result<Bytes, Fault>>,
    ) -> Result<Ingested, Fault> {
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await {
            bytes.extend_from_slice(&chunk?);
        }
        if bytes == b"bad\n" {
            return Err(Fault::bad_request("body line 1: this is not JSON"));
        }
        let rows = RowCount::from(bytes.iter().filter(|byte| **byte == b'\n').count());
        self.state().ingested = bytes;
        let table = table.unwrap_or("events").to_owned();
        Ok(Ingested { read: rows, stored: vec![(table, rows)], ignored: vec![] })
    }
}

#[async_trait]
impl StorageFigures for World {
    async fn storage(&self, _: &ProjectId) -> Result<StoredOfProject, Fault> {
        let events = TableStorage {
            table: "events".to_owned(),
            rows_stored: Some(RowCount(12)),
            rows: RowCount(10),
            bytes: Some(ByteCount(4_000)),
            files: Some(1),
            oldest: Some(NOW),
            newest: Some(NOW),
        };
        Ok(StoredOfProject { tables: vec![events], note: None })
    }
}

#[async_trait]
impl CommentStore for World {
    async fn add_comment(&self, _: &ProjectId, new: CommentToAdd) -> Result<PlacedComment, Fault> {
        let mut state = self.state();
        let comment = Comment {
            id: format!("c{}", state.comments.len()),
            object_id: new.object_id,
            content: new.content,
            author_email: new.author_email,
            created_at: NOW,
        };
        let placed = PlacedComment { kind: new.kind, comment };
        state.comments.push(placed.clone());
        Ok(placed)
    }

    async fn list_comments(
        &self,
        _: &ProjectId,
        query: &CommentQuery,
        page: &PageRequest,
    ) -> Result<Page<PlacedComment>, Fault> {
        let state = self.state();
        let wanted = state.comments.iter().rev().filter(|placed| {
            query.kind.is_none_or(|kind| kind == placed.kind)
                && query.object_id.as_ref().is_none_or(|id| *id == placed.comment.object_id)
        });
        paged(&wanted.cloned().collect::<Vec<_>>(), page)
    }
}

#[async_trait]
impl AuditLog for World {
    async fn audit(&self, entry: NewAuditEntry) -> Result<(), Fault> {
        self.state().audit.push(entry);
        Ok(())
    }

    async fn audit_entries(&self, project: Option<&ProjectId>, page: &PageRequest) -> Result<Page<AuditEntry>, Fault> {
        let state = self.state();
        let mine = state.audit.iter().rev().filter(|entry| entry.project.as_ref() == project).enumerate();
        let entries = mine.map(|(id, entry)| AuditEntry { id: id.to_string(), at: NOW, entry: entry.clone() });
        paged(&entries.collect::<Vec<_>>(), page)
    }
}

#[async_trait]
impl PeopleStore for World {
    async fn has_users(&self) -> Result<bool, Fault> {
        Ok(!self.state().users.is_empty())
    }

    async fn create_user(&self, new: NewUser) -> Result<User, Fault> {
        if new.password.reveal().chars().count() < model::PASSWORD_CHARACTERS_MIN {
            return Err(Fault::bad_request("password: it is too short"));
        }
        let user = User {
            id: UserId::new(new.email.as_str()),
            email: new.email,
            name: new.name,
            admin: new.admin,
            created_at: NOW,
        };
        self.state().users.push((user.clone(), new.password.reveal().to_owned()));
        Ok(user)
    }

    async fn user(&self, id: &UserId) -> Result<Option<User>, Fault> {
        Ok(self.state().users.iter().find(|(user, _)| user.id == *id).map(|(user, _)| user.clone()))
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<User>, Fault> {
        Ok(self.state().users.iter().find(|(user, _)| user.email == email).map(|(user, _)| user.clone()))
    }

    async fn users(&self, page: &PageRequest) -> Result<Page<User>, Fault> {
        paged(&self.state().users.iter().map(|(user, _)| user.clone()).collect::<Vec<_>>(), page)
    }

    async fn set_password(&self, id: &UserId, password: &Secret) -> Result<(), Fault> {
        let mut state = self.state();
        state.sessions.retain(|_, user| user != id);
        let found = state.users.iter_mut().find(|(user, _)| user.id == *id);
        found.unwrap().1 = password.reveal().to_owned();
        Ok(())
    }

    async fn delete_user(&self, id: &UserId) -> Result<(), Fault> {
        self.state().users.retain(|(user, _)| user.id != *id);
        Ok(())
    }

    async fn sign_in(&self, email: &str, password: &Secret, client: &str) -> Result<SignIn, Fault> {
        assert!(!client.is_empty());
        if password.reveal() == "guess" {
            return Ok(SignIn::Locked { wait: Duration::from_secs(60) });
        }
        let mut state = self.state();
        let found = state.users.iter().find(|(user, known)| user.email == email && known == password.reveal());
        let Some(user) = found.map(|(user, _)| user.clone()) else { return Ok(SignIn::Refused) };
        let token = format!("session-{}-{}", user.id, state.sessions.len());
        state.sessions.insert(token.clone(), user.id.clone());
        Ok(SignIn::Done { user, token: Secret::new(token), until: Micros(NOW.0 + 3_600_000_000) })
    }

    async fn session(&self, token: &Secret) -> Result<Option<Session>, Fault> {
        let state = self.state();
        let Some(id) = state.sessions.get(token.reveal()) else { return Ok(None) };
        let user = state.users.iter().find(|(user, _)| user.id == *id).map(|(user, _)| user.clone());
        Ok(user.map(|user| Session { user, until: Micros(NOW.0 + 3_600_000_000) }))
    }

    async fn sign_out(&self, token: &Secret) -> Result<(), Fault> {
        self.state().sessions.remove(token.reveal());
        Ok(())
    }

    async fn invite(&self, new: NewInvitation) -> Result<Secret, Fault> {
        let mut state = self.state();
        let token = format!("invitation-{}", state.invitations.len());
        state.invitations.insert(token.clone(), new);
        Ok(Secret::new(token))
    }

    async fn accept_invitation(&self, token: &Secret, new: NewUser) -> Result<User, Fault> {
        let invitation = self.state().invitations.remove(token.reveal());
        let invitation = invitation.ok_or_else(|| Fault::new(FaultKind::NotFound, "this invitation is over"))?;
        let user = self.create_user(NewUser { admin: invitation.admin, ..new }).await?;
        if let Some((project, role)) = invitation.member_of {
            self.state().members.insert((project, user.id.clone()), role);
        }
        Ok(user)
    }

    async fn create_project(&self, id: &ProjectId, name: &str) -> Result<Project, Fault> {
        if self.state().projects.contains_key(id) {
            return Err(Fault::new(FaultKind::Conflict, "this project exists"));
        }
        self.project(id.as_str());
        self.change_project(id, ProjectChange { name: Some(name.to_owned()), ..ProjectChange::default() }).await
    }

    async fn project(&self, id: &ProjectId) -> Result<Option<Project>, Fault> {
        Ok(self.state().projects.get(id).cloned())
    }

    async fn projects(&self, member: Option<&UserId>, page: &PageRequest) -> Result<Page<Project>, Fault> {
        let state = self.state();
        let mine = state.projects.values().filter(|project| {
            member.is_none_or(|user| state.members.contains_key(&(project.id.clone(), user.clone())))
        });
        paged(&mine.cloned().collect::<Vec<_>>(), page)
    }

    async fn change_project(&self, id: &ProjectId, change: ProjectChange) -> Result<Project, Fault> {
        let mut state = self.state();
        let project = state.projects.get_mut(id).ok_or_else(|| Fault::new(FaultKind::NotFound, "no project"))?;
        project.name = change.name.unwrap_or_else(|| project.name.clone());
        project.quotas = change.quotas.unwrap_or(project.quotas);
        project.retention_days = change.retention_days.unwrap_or(project.retention_days);
        Ok(project.clone())
    }

    async fn delete_project(&self, id: &ProjectId) -> Result<(), Fault> {
        self.state().projects.remove(id);
        Ok(())
    }

    async fn members(&self, project: &ProjectId) -> Result<Vec<Member>, Fault> {
        let state = self.state();
        let of = |id: &UserId| state.users.iter().find(|(user, _)| user.id == *id).map(|(user, _)| user.clone());
        let mine = state.members.iter().filter(|((of, _), _)| of == project);
        Ok(mine.filter_map(|((_, user), role)| Some(Member { user: of(user)?, role: *role })).collect())
    }

    async fn role(&self, project: &ProjectId, user: &UserId) -> Result<Option<Role>, Fault> {
        Ok(self.state().members.get(&(project.clone(), user.clone())).copied())
    }

    async fn set_member(&self, project: &ProjectId, user: &UserId, role: Role) -> Result<(), Fault> {
        self.state().members.insert((project.clone(), user.clone()), role);
        Ok(())
    }

    async fn remove_member(&self, project: &ProjectId, user: &UserId) -> Result<(), Fault> {
        let removed = self.state().members.remove(&(project.clone(), user.clone()));
        removed.map(drop).ok_or_else(|| Fault::new(FaultKind::NotFound, "there is no such member"))
    }

    async fn create_api_key(&self, new: NewApiKey) -> Result<(ApiKey, Secret), Fault> {
        let (key, secret) = self.key(new.project.as_str(), new.role);
        Ok((ApiKey { note: new.note, expires_at: new.expires_at, ..key }, Secret::new(secret)))
    }

    async fn api_keys(&self, project: &ProjectId) -> Result<Vec<ApiKey>, Fault> {
        let state = self.state();
        let mine = state.keys.iter().rev().map(|(key, _)| key).filter(|key| key.project == *project);
        Ok(mine.cloned().collect())
    }

    async fn delete_api_key(&self, project: &ProjectId, id: &ApiKeyId) -> Result<(), Fault> {
        let mut state = self.state();
        let before = state.keys.len();
        state.keys.retain(|(key, _)| key.id != *id || key.project != *project);
        match state.keys.len() < before {
            true => Ok(()),
            false => Err(Fault::new(FaultKind::NotFound, "there is no such key")),
        }
    }

    async fn authenticate(&self, presented: &PresentedKey) -> Result<Option<ApiKey>, Fault> {
        let state = self.state();
        let found = state.keys.iter().find(|(key, known)| match presented {
            PresentedKey::Secret(secret) => secret.reveal() == known,
            PresentedKey::Pair { public, secret } => key.public == *public && secret.reveal() == known,
        });
        Ok(found.map(|(key, _)| key.clone()))
    }
}

/// A small table with every kind of filter that the catalog tells apart.
pub(super) fn table() -> TableSpec {
    let column = |name: &str, kind, role| ColumnSpec {
        name: name.to_owned(),
        kind,
        nullable: false,
        expr: Expr::column(if name == "startTime" { "start_time" } else { "id" }),
        group: "core",
        default: true,
        role,
        timestamps: TimestampStyle::SqlMicros,
    };
    let text = |full_text| FilterKind::Text { value: Expr::column("id"), empty_is_null: false, full_text };
    let filter = |id, title, kind| FilterColumn { id, title, aliases: &[], kind };
    TableSpec {
        name: TableName::new("events"),
        doc: "events of the tests",
        relation: Relation::Stored(Arc::new(StoredTable {
            name: "events",
            columns: vec![],
            key: &[],
            time: "start_time",
            version: "event_ts",
            deleted: "is_deleted",
            ingested: "updated_at",
        })),
        attached: None,
        order: OrderColumns { time: "start_time", trace_id: None, id: "id" },
        columns: vec![
            column("id", ColumnType::Text, FieldRole::Plain),
            column("startTime", ColumnType::Timestamp, FieldRole::Plain),
            column("input", ColumnType::Text, FieldRole::Payload),
        ],
        filters: vec![
            filter("id", "ID", text(false)),
            filter("input", "Input", text(true)),
            filter("commentCount", "Comment Count", FilterKind::CommentCount),
        ],
        search: SearchColumns { id: vec![Expr::column("id")], input: Some(Expr::column("input")), output: None },
        comments: Some(ObjectKind::Observation),
        scores: true,
    }
}

pub(super) fn format() -> FormatDescriptor {
    FormatDescriptor {
        name: "jsonl",
        doc: "one object per line",
        extension: "jsonl",
        content_type: "application/x-ndjson",
        compressible: true,
        stretches_per_block: 1,
        unicode_default: UnicodeRule::Decode,
    }
}
