//! The schema: made once, and grown from older ones.

use model::{CommentLookup, ExportState, ExportStore, JobStore, Micros, ObjectKind, Outcome, RunId};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, EntityTrait};
use sea_orm_migration::MigratorTrait;

use super::*;
use crate::native::entities::dead_letter;
use crate::native::migrations::Migrator;

/// Another connection to where a store lies.
async fn place_of(store: &NativeStore) -> Place {
    if store.backend() == sea_orm::DbBackend::Postgres {
        return Place::Postgres(postgres::new_database().await.unwrap());
    }
    Place::Directory(tempfile::tempdir().unwrap().keep())
}

async fn bare(place: &Place) -> DatabaseConnection {
    match place {
        Place::Postgres(url) => Database::connect(url.as_str()).await.unwrap(),
        Place::Directory(folder) => {
            let file = folder.join(NativeStore::FILE_NAME);
            Database::connect(format!("sqlite://{}?mode=rwc", file.display())).await.unwrap()
        }
    }
}

fn forget(place: &Place) {
    if let Place::Directory(folder) = place {
        std::fs::remove_dir_all(folder).unwrap();
    }
}

pub(super) async fn opening_at_the_same_time_migrates_once(store: NativeStore) {
    let place = place_of(&store).await;
    let openings = (0..4).map(|_| NativeStore::open_at(&place, options()));
    for opened in futures_util::future::join_all(openings).await {
        queue(&opened.unwrap(), &project()).await;
    }
    forget(&place);
}

pub(super) async fn a_store_of_the_first_release_opens_and_works(store: NativeStore) {
    let place = place_of(&store).await;
    // The first release had one migration; what its commands left stays readable.
    let old = bare(&place).await;
    Migrator::up(&old, Some(1)).await.unwrap();
    old.execute_unprepared(
        "INSERT INTO run (id, request, state, fence, attempts, checkpoint, failure, rows, bytes, started_at, updated_at)
         VALUES ('r', '{}', 'failed', 'x', 1, NULL, 'disk full', 5, 50, 1, 1)",
    )
    .await
    .unwrap();
    old.execute_unprepared(
        "INSERT INTO comment (project_id, id, object_kind, object_id, content, author_email, created_at)
         VALUES ('p', 'c', 'TRACE', 't', 'old', NULL, 1)",
    )
    .await
    .unwrap();
    old.close().await.unwrap();

    let upgraded = NativeStore::open_at(&place, options()).await.unwrap();

    assert_eq!(upgraded.runs().await.unwrap()[0].failure.as_deref(), Some("disk full"));
    assert_eq!(upgraded.comments(&project(), ObjectKind::Trace, &["t"]).await.unwrap()[0].content, "old");
    upgraded.begin_run(&RunId::new("r"), &json!({}), Micros(2)).await.unwrap();
    queue(&upgraded, &project()).await;
    claim(&upgraded, "w").await;
    forget(&place);
}

pub(super) async fn work_that_an_older_release_queued_is_carried_out(store: NativeStore) {
    let steps = u32::try_from(Migrator::migrations().len()).unwrap();
    // The second step brought exports.
    for released in 2..=steps {
        let place = place_of(&store).await;
        let old = bare(&place).await;
        Migrator::up(&old, Some(released)).await.unwrap();
        old.execute_unprepared(
            "INSERT INTO job (id, part, project_id, kind, lane, spec, state, due_at, fence, created_at, attempts,
                              failures, lost, durable)
             VALUES ('e', 0, 'p', 'export', 'live', '{\"version\": 1, \"request\": {}}', 'queued', 1, 0, 1, 0, 0, 0, 0)",
        )
        .await
        .unwrap();
        old.execute_unprepared(
            "INSERT INTO export (id, project_id, name, table_name, format, actor_kind, created_at, file_name, keep,
                                 warnings, truncated, files, rows, bytes, deleted)
             VALUES ('e', 'p', 'old', 'events', 'csv', 'system', 1, 'old.csv', 86400000000, '[]', FALSE, '[]', 0, 0,
                     FALSE)",
        )
        .await
        .unwrap();
        old.close().await.unwrap();

        let upgraded = NativeStore::open_at(&place, options()).await.unwrap();

        let taken = claim(&upgraded, "w").await;
        assert_eq!(taken.job.id.as_str(), "e", "step {released}");
        upgraded.settle(taken.lease, Outcome::Completed(receipt("old.csv", 3, 30))).await.unwrap();
        let export = upgraded.export(&project(), &taken.job.id).await.unwrap();
        assert_eq!((export.state, export.progress.rows.get()), (ExportState::Completed, 3), "step {released}");
        forget(&place);
    }
}

pub(super) async fn letters_that_an_older_release_left_of_deleted_integrations_are_forgotten(store: NativeStore) {
    let place = place_of(&store).await;
    let old = bare(&place).await;
    Migrator::up(&old, Some(11)).await.unwrap();
    for (id, deleted) in [("gone", "TRUE"), ("there", "FALSE")] {
        let integration = format!(
            "INSERT INTO integration (id, project_id, name, settings, version, grid, next_at, actor_kind, created_at,
                                      updated_at, deleted)
             VALUES ('{id}', 'p', '{id}', '{{}}', 1, '{{}}', 0, 'system', 1, 1, {deleted})"
        );
        let letter = format!(
            "INSERT INTO dead_letter (id, integration_id, run_id, table_name, trace_id, row_id, reason, at, event)
             VALUES ('{id}', '{id}', 'r', 'events', 't', 's', 'no', 1, '{{}}')"
        );
        for insert in [integration, letter] {
            old.execute_unprepared(&insert).await.unwrap();
        }
    }
    old.close().await.unwrap();

    let upgraded = NativeStore::open_at(&place, options()).await.unwrap();

    let letters = dead_letter::Entity::find().all(&upgraded.database).await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.id.as_str()).collect::<Vec<_>>(), ["there"]);
    forget(&place);
}
