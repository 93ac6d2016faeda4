//! The schema, grown in numbered steps. A step that has been released is never changed.

mod m0001_comments_and_runs;
mod m0002_service;
mod m0003_prices;
mod m0004_notices;
mod m0005_integrations;
mod m0006_sent_keys;
mod m0007_failed_attempts;
mod m0008_integration_keys;
mod m0009_downloads;
mod m0010_rows;
mod m0011_score_names;
mod m0012_letters_of_the_deleted;

use sea_orm_migration::prelude::*;

pub(super) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_comments_and_runs::Step),
            Box::new(m0002_service::Step),
            Box::new(m0003_prices::Step),
            Box::new(m0004_notices::Step),
            Box::new(m0005_integrations::Step),
            Box::new(m0006_sent_keys::Step),
            Box::new(m0007_failed_attempts::Step),
            Box::new(m0008_integration_keys::Step),
            Box::new(m0009_downloads::Step),
            Box::new(m0010_rows::Step),
            Box::new(m0011_score_names::Step),
            Box::new(m0012_letters_of_the_deleted::Step),
        ]
    }
}
