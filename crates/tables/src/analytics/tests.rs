//! What holds of every table that becomes events, in either dialect.

use std::collections::BTreeSet;

use super::*;

fn facts(dialect: Dialect) -> EventFacts {
    EventFacts { project: ProjectId::new("p"), project_name: Some("P".to_owned()), dialect }
}

fn names(name: &str, dialect: Dialect) -> Vec<String> {
    let table = event_table(name, &facts(dialect)).unwrap().table;
    table.columns.iter().map(|column| column.name.clone()).collect()
}

#[test]
fn properties_are_made_of_columns_that_exist_and_have_names_of_their_own() {
    for dialect in [Dialect::Langfuse, Dialect::Event] {
        for name in EVENT_TABLES {
            let EventTable { table, keep, .. } = event_table(name, &facts(dialect)).unwrap();
            assert_eq!(table.name.as_str(), name);
            let expressions = table.columns.iter().map(|column| &column.expr).chain(&keep);
            for expr in expressions {
                expr.for_each_column(&mut |column| {
                    assert!(table.relation_column(column).is_some(), "{name} has no stored column {column}");
                });
            }
            let unique: BTreeSet<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
            assert_eq!(unique.len(), table.columns.len(), "{name}");
            assert!(unique.contains(model::event_column::ID) && unique.contains(model::event_column::TIMESTAMP));
        }
    }
    assert!(event_table("sessions", &facts(Dialect::Event)).is_none());
}

#[test]
fn only_langfuse_sends_the_name_of_the_project_and_calls_events_observations() {
    let (langfuse, event) = (names("events", Dialect::Langfuse), names("events", Dialect::Event));
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|name| !those.contains(name)).cloned().collect()
    };
    assert_eq!(only(&langfuse, &event), ["langfuse_observation_name", "langfuse_project_name"]);
    assert_eq!(only(&event, &langfuse), ["langfuse_event_name"]);
    let unnamed = EventFacts { project_name: None, ..facts(Dialect::Langfuse) };
    let columns = &event_table("traces", &unnamed).unwrap().table.columns;
    assert!(columns.iter().all(|column| column.name != "langfuse_project_name"));
}
