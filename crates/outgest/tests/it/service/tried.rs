//! The test of a destination, step by step: what works, and who says what is wrong.

use serde_json::{Value, json};

use super::World;
use super::project::{Project, text};
use super::world::Serve;
use crate::servers::s3::S3Server;

/// A deployment that may reach this machine, its server, and the owner of its project. What the server keeps goes with
/// the deployment, so the server is to be dropped before.
fn served() -> (World, Serve, Project) {
    let mut world = World::on_sqlite();
    world.set("OUTGEST_EGRESS_ALLOW", "127.0.0.0/8");
    world.project("p", 0);
    let (_, secret) = world.key("p", "owner");
    let serve = world.serve();
    let project = serve.project("p", &secret);
    (world, serve, project)
}

/// The names of the steps up to the first that failed, and what it said.
fn tried(project: &Project, s3: &S3Server, change: impl FnOnce(&mut Value)) -> (Vec<String>, Option<String>) {
    let (options, secrets) = s3.integration("tested");
    let mut settings = json!({
        "name": "b", "kind": "s3", "tables": [{"table": "events"}], "options": options, "secrets": secrets,
    });
    change(&mut settings);
    let tested = project.post("integrations/test", &settings).expect(200);
    assert!(!tested.to_string().contains("hunter2"), "{tested:#}");
    let mut names = Vec::new();
    for step in tested["steps"].as_array().unwrap() {
        names.push(text(&step["name"]).to_owned());
        if let Some(said) = step["failure"].as_str() {
            assert_eq!(tested["ok"], false, "{tested:#}");
            return (names, Some(said.to_owned()));
        }
    }
    assert_eq!(tested["ok"], true, "{tested:#}");
    (names, None)
}

/// Rights may end at a folder, and two people may test at once.
#[test]
fn a_test_writes_where_a_run_will_write_and_nobody_else_does() {
    let (_world, _serve, project) = served();
    for (change, folder) in [
        (json!({}), "p/observations_v2/"),
        (json!({"prefix": "lake/"}), "lake/p/observations_v2/"),
        // What begins keys need not be a folder, nor be in them.
        (json!({"prefix": "team-"}), "team-p/observations_v2/"),
        (json!({"prefix": "lake/", "template": "x/{projectId}/{table}/{window}.{ext}"}), "x/p/observations_v2/"),
    ] {
        // What is tested stays where it was written.
        let s3 = S3Server::start_without("DeleteObjects");
        s3.create_bucket("tested");
        for _ in 0..2 {
            let (steps, _) = tried(&project, &s3, |asked| {
                asked.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            });
            assert_eq!(steps.last().map(String::as_str), Some("delete"), "{change}");
        }
        let left: Vec<String> = s3.contents("tested").into_keys().collect();
        let start = format!("{folder}_outgest-check-");
        assert!(left.len() == 2 && left.iter().all(|key| key.starts_with(&start)), "{change}: {left:?}");
    }
}

const STEPS: [&str; 10] = [
    "address policy",
    "dns",
    "connection",
    "credentials",
    "open",
    "write",
    "commit",
    "multipart",
    "read back",
    "delete",
];

#[test]
fn a_test_of_a_bucket_does_what_a_run_does_and_names_the_step_that_fails() {
    let (world, serve, project) = served();
    let server = |s3: S3Server| {
        s3.create_bucket("tested");
        s3
    };
    let upto = |step: &str| &STEPS[..=STEPS.iter().position(|name| *name == step).unwrap()];

    let s3 = server(S3Server::start());
    assert_eq!(tried(&project, &s3, |_| {}), (STEPS.map(str::to_owned).to_vec(), None));
    assert_eq!((s3.contents("tested").len(), s3.uploads("tested")), (0, vec![]), "a test leaves nothing");

    let (steps, said) = tried(&project, &s3, |asked| asked["secrets"]["secret_access_key"] = json!("wrong-hunter2"));
    assert_eq!(steps, upto("credentials"));
    assert!(said.unwrap().contains("SignatureDoesNotMatch"));

    // The piece of a small file is sent when the file is completed.
    for (right, step) in [
        ("CreateMultipartUpload", "open"),
        ("UploadPart", "commit"),
        ("CompleteMultipartUpload", "commit"),
        ("GetObject", "read back"),
        ("DeleteObjects", "delete"),
    ] {
        let s3 = server(S3Server::start_without(right));
        let (steps, said) = tried(&project, &s3, |_| {});
        assert_eq!(steps, upto(step), "{right}");
        assert!(said.as_ref().is_some_and(|said| said.contains(right)), "{right}: {said:?}");
        assert_eq!(s3.uploads("tested"), vec![], "{right}: what was begun is given up");
    }
    drop(serve);
    // Nobody may be asked at all.
    let mut guarded = World { bench: world.bench, variables: Vec::new() };
    guarded.set("OUTGEST_EGRESS_ALLOW", "10.0.0.0/8");
    let (_, secret) = guarded.key("p", "owner");
    let serve = guarded.serve();
    let (options, secrets) = s3.integration("tested");
    let settings = json!({"name": "b", "kind": "s3", "options": options, "secrets": secrets});
    let refused = serve.project("p", &secret).post("integrations/test", &settings).expect(200);
    assert_eq!(refused["steps"].as_array().unwrap().len(), 1, "an address that may not be reached is not tried");
    assert_eq!((&refused["ok"], text(&refused["steps"][0]["name"])), (&json!(false), STEPS[0]));
    assert!(text(&refused["steps"][0]["failure"]).contains("may not be reached"), "{refused:#}");
}
