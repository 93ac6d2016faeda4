//! The promises of the store as functions over one, run on SQLite and on a real Postgres.

mod coverage;
mod exports;
mod fairness;
mod holds;
mod integrations;
mod kept_of_events;
mod leases;
mod notices;
mod parts;
mod people;
mod postgres;
mod schema;
mod score_names;

use std::time::Duration;

use model::{
    Actor, CheckedExport, Claim, ClaimLimits, CreatedExport, ExportStore, FileNamePattern, JobId, JobStore, Lane,
    NewExport, ProjectId, Quotas,
};
use serde_json::json;

use super::{NativeStore, PasswordCost, Place, SealingKey, SealingKeys, StoreOptions};

/// Lease of the tests.
const LEASE: Duration = Duration::from_secs(30);

/// An empty store, and the folder that it lies in where it needs one.
struct Opened {
    store: NativeStore,
    _folder: Option<tempfile::TempDir>,
}

async fn on_sqlite() -> Option<Opened> {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::Directory(folder.path().to_owned());
    Some(Opened { store: NativeStore::open_at(&place, options()).await.unwrap(), _folder: Some(folder) })
}

async fn on_postgres() -> Option<Opened> {
    let place = Place::Postgres(postgres::new_database().await?);
    Some(Opened { store: NativeStore::open_at(&place, options()).await.unwrap(), _folder: None })
}

fn options() -> StoreOptions {
    let current = SealingKey::new("test", [7; 32]);
    StoreOptions {
        sealing: Some(SealingKeys { current, older: Vec::new() }),
        passwords: PasswordCost::Cheap,
        ..StoreOptions::default()
    }
}

/// Runs every promise on both databases.
macro_rules! promises {
    ($($family:ident :: $promise:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $promise() {
                let opened = super::on_sqlite().await.unwrap();
                super::$family::$promise(opened.store.clone()).await;
            })*
        }
        mod on_a_real_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $promise() {
                if let Some(opened) = super::on_postgres().await {
                    super::$family::$promise(opened.store.clone()).await;
                }
            })*
        }
    };
}

promises! {
    leases::workers_are_counted_while_their_leases_last,
    leases::a_job_goes_from_queue_to_result,
    leases::a_lease_that_ran_out_goes_to_another_worker_and_the_first_can_change_nothing,
    leases::renewing_keeps_a_job_however_long_it_takes,
    leases::a_failed_attempt_waits_as_long_as_it_was_told,
    leases::a_worker_that_goes_away_leaves_checkpoint_and_attempt,
    leases::a_job_that_kills_its_workers_is_given_up,
    leases::getting_further_forgives_lost_workers,
    leases::sending_events_is_getting_further,
    leases::a_cancelled_job_is_final_and_its_worker_may_only_clean_up,
    leases::what_a_dead_worker_left_of_a_cancelled_job_is_cleaned_up_by_another,
    leases::a_wish_reaches_the_worker_at_once,
    leases::a_job_is_unique_while_it_is_active,
    leases::many_workers_share_the_jobs_without_doubling_any,
    fairness::projects_take_turns_however_many_jobs_they_have,
    fairness::a_busy_project_waits_for_idle_ones,
    fairness::a_project_runs_at_most_its_number_of_jobs,
    fairness::lanes_without_room_are_left_alone,
    fairness::an_integration_leaves_places_to_others,
    fairness::an_integration_leaves_jobs_of_its_project_to_others,
    parts::a_split_job_ends_when_its_parts_are_done,
    parts::a_part_that_fails_fails_the_whole_and_another_try_keeps_what_is_done,
    parts::cancelling_a_split_job_stops_its_parts_and_cleans_up_once,
    exports::an_export_shows_its_life,
    exports::the_same_call_makes_one_export,
    exports::quotas_say_what_is_used_up_and_until_when,
    exports::an_export_expires_and_its_files_are_removed,
    exports::deleting_hides_at_once_and_removes_later,
    exports::another_project_sees_nothing,
    exports::pages_stay_in_step_while_exports_are_added,
    exports::files_made_in_the_same_millisecond_have_names_of_their_own,
    exports::watching_tells_every_change_until_the_end,
    exports::failed_attempts_are_told_to_the_end,
    exports::a_failed_export_is_tried_again_from_where_it_stopped,
    people::signing_in_needs_the_password_and_is_limited,
    people::sessions_end,
    people::an_invitation_works_once,
    people::a_set_up_link_makes_the_first_account_only,
    people::a_project_keeps_an_owner,
    people::keys_authenticate_both_ways_until_they_are_deleted,
    people::a_deleted_project_takes_its_work_with_it,
    people::the_audit_log_is_paged_by_project,
    people::comments_are_added_and_paged,
    people::of_a_comment_that_comes_twice_the_last_one_stays,
    people::secrets_are_sealed_and_bound_to_their_place,
    holds::a_run_is_held_once_until_its_holder_is_gone,
    integrations::a_window_goes_from_plan_to_result_and_moves_the_cursor,
    score_names::names_of_scores_are_kept_once_for_all_windows,
    score_names::no_more_names_of_scores_are_kept_than_are_read,
    integrations::a_plan_is_stored_once_however_many_schedulers_there_are,
    integrations::windows_that_have_not_ended_by_the_stores_clock_are_not_planned,
    integrations::a_clock_that_is_minutes_ahead_takes_nothing_off_the_lag,
    integrations::the_newest_window_goes_first_and_the_cursor_waits_for_the_oldest,
    coverage::years_of_windows_are_covered_to_the_last_one,
    integrations::a_window_under_way_keeps_the_next_one_waiting,
    integrations::a_fault_pauses_an_integration_once_and_resuming_tries_again,
    coverage::a_backfill_gives_new_revisions_and_leaves_the_cursor_alone,
    coverage::what_the_schedule_missed_cannot_be_left_out,
    coverage::a_backfill_that_is_cancelled_beside_a_catch_up_leaves_no_window_out,
    coverage::a_window_that_has_a_run_is_left_out_and_planning_goes_on,
    coverage::a_backfill_waits_for_a_window_of_which_some_rows_are_exported,
    integrations::where_an_integration_begins_changes_before_its_first_window_alone,
    integrations::running_now_ends_a_window_early_and_the_next_one_follows,
    integrations::a_change_names_its_version_and_keys_belong_to_one_integration,
    integrations::deleting_an_integration_cancels_its_work_and_keeps_its_history,
    integrations::a_deleted_project_takes_its_integrations_with_it,
    coverage::missing_rows_become_a_revision_and_nothing_else_does,
    coverage::a_comparison_that_fails_is_told_and_made_again,
    kept_of_events::sent_keys_are_kept_once_by_who_holds_the_run_until_it_is_compared,
    kept_of_events::what_is_cancelled_or_deleted_leaves_no_sent_keys_and_what_is_paused_waits,
    kept_of_events::dead_letters_are_kept_once_and_sent_again_as_one_run_a_window,
    kept_of_events::more_dead_letters_than_are_named_have_their_table_sent_once_more,
    kept_of_events::dead_letters_go_with_their_integration_and_with_its_project,
    kept_of_events::a_worker_that_lost_a_run_touches_no_dead_letter,
    integrations::another_project_sees_nothing_of_integrations,
    notices::a_pause_is_told_to_who_made_the_integration_or_to_the_owners,
    notices::the_owners_are_told_of_a_pause_where_who_made_the_integration_has_left,
    notices::administrators_are_told_where_a_project_has_no_owner,
    schema::opening_at_the_same_time_migrates_once,
    schema::a_store_of_the_first_release_opens_and_works,
    schema::work_that_an_older_release_queued_is_carried_out,
    schema::letters_that_an_older_release_left_of_deleted_integrations_are_forgotten,
}

/// What the workers of the tests may claim.
fn limits(worker: &str) -> ClaimLimits {
    ClaimLimits {
        worker: worker.to_owned(),
        lease: LEASE,
        lanes: Lane::ALL.to_vec(),
        running_per_project_max: 3,
        windows_per_integration_max: 3,
        lost_max: 3,
    }
}

async fn claim(store: &NativeStore, worker: &str) -> Claim {
    store.claim(&limits(worker)).await.unwrap().expect("there is work")
}

async fn nothing_to_claim(store: &NativeStore) -> bool {
    store.claim(&limits("idle")).await.unwrap().is_none()
}

fn new_export(project: &ProjectId) -> NewExport {
    NewExport {
        project: project.clone(),
        name: None,
        checked: CheckedExport {
            spec: json!({"table": "events"}),
            table: "events".to_owned(),
            format: "csv".to_owned(),
            extension: ".csv".to_owned(),
            limit: None,
            warnings: vec!["a note".to_owned()],
        },
        by: Actor::System,
        idempotency: None,
        file_names: FileNamePattern::default(),
        keep: Duration::from_secs(24 * 3_600),
        quotas: Quotas::default(),
    }
}

async fn queue(store: &NativeStore, project: &ProjectId) -> JobId {
    match store.create_export(new_export(project)).await.unwrap() {
        CreatedExport::New(export) => export.id,
        CreatedExport::Existing(export) => panic!("{export:?} existed"),
    }
}

fn project() -> ProjectId {
    ProjectId::new("p")
}

/// What an export of these rows and bytes in one file comes to.
fn receipt(file: &str, rows: u64, bytes: u64) -> serde_json::Value {
    json!({
        "manifest": {
            "manifest_version": 2, "product_version": "0", "project_id": "p",
            "window": {"from": null, "to": null, "cursor": "start_time"},
            "exported_at": "2026-01-01T00:00:00Z", "query_fingerprint": "", "query": {}, "schema_version": 1,
            "columns": [], "rows": rows, "bytes": bytes, "truncated": true, "warnings": ["cut"], "revision": 1,
            "files": [{
                "key": file, "table": "events", "format": "csv", "compression": "none", "content_type": "text/csv",
                "bytes": bytes, "tag": null, "rows": rows, "sha256": "ab", "cursor_min": null, "cursor_max": null,
                "key_digest": model::KeyDigest::default(),
            }],
        },
        "manifest_key": format!("{file}.manifest.json"),
    })
}
