//! What `connect` promises: every problem at once, suggestions, and silence about secrets.

use std::collections::BTreeMap;

use model::FaultKind;

use super::*;

fn options(pairs: &[(&str, &str)]) -> RawOptions {
    RawOptions(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn connect_in(
    text: &str,
    given: &[(&str, &str)],
    environment: &[(&str, &str)],
) -> Result<Connected<dyn Destination>, Fault> {
    // Clients are built with the process's provider; a second installation fails and the first stands.
    drop(rustls::crypto::ring::default_provider().install_default());
    let environment: BTreeMap<String, String> = options(environment).0;
    connect(text, &options(given), &|name| environment.get(name).cloned())
}

fn refused(text: &str, given: &[(&str, &str)], environment: &[(&str, &str)]) -> Fault {
    connect_in(text, given, environment).err().expect("the destination is refused")
}

const KEYS: &[(&str, &str)] = &[("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];

#[test]
fn kinds_are_sorted_and_their_secrets_are_options() {
    let names: Vec<&str> = all().iter().map(|kind| kind.name).collect();
    assert_eq!(names, ["azure", "gcs", "local", "s3", "stdout"]);
    for kind in all() {
        let properties = kind.options["properties"].as_object().unwrap();
        for secret in kind.secrets {
            assert_eq!(properties[*secret]["format"], "password", "{}.{secret}", kind.name);
        }
        let shown = properties.iter().filter(|(_, schema)| schema["format"] == "password");
        assert_eq!(shown.count(), kind.secrets.len(), "{} names all its secrets", kind.name);
        for (option, schema) in properties {
            assert!(schema["description"].is_string(), "{}.{option} is documented", kind.name);
        }
    }
}

#[test]
fn addresses_name_the_root_and_the_path_below_it() {
    let at = |text: &str, environment: &[(&str, &str)]| {
        let connected = connect_in(text, &[], environment).unwrap();
        (connected.to.to_string(), connected.path)
    };
    let azure = [("AZURE_STORAGE_ACCOUNT_NAME", "acc"), ("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")];
    let emulator = [("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")];
    assert_eq!(at("s3://bucket/out/a b.csv", KEYS), ("s3://bucket".to_owned(), "out/a b.csv".to_owned()));
    assert_eq!(at("az://container", &azure), ("az://container".to_owned(), String::new()));
    assert_eq!(at("gs://bucket/x", &emulator), ("gs://bucket".to_owned(), "x".to_owned()));
    assert_eq!(at("/tmp/no-such-directory/a.csv", &[]), ("/tmp/no-such-directory".to_owned(), "a.csv".to_owned()));
    assert_eq!(at("-", &[]), ("standard output".to_owned(), "-".to_owned()));
}

#[test]
fn every_problem_is_reported_at_once_with_its_field() {
    let given = [("sse", "rot13"), ("piece_bytes", "1MiB"), ("allow_http", "perhaps"), ("access_key_id", "AKIA")];
    let fault = refused("s3://buc ket/x?regoin=eu-1&endpoint=ftp://h", &given, &[]);

    assert_eq!(fault.kind(), FaultKind::BadRequest);
    for part in ["regoin: ", "bucket: ", "endpoint: ", "sse: ", "piece_bytes: ", "allow_http: ", "secret_access_key: "]
    {
        assert!(fault.public_message().contains(part), "{part} in {fault}");
    }
    assert_eq!(fault.public_hint(), Some("did you mean region?"));
}

#[test]
fn a_field_given_twice_is_a_problem() {
    let fault = refused("s3://bucket/x?region=a", &[("region", "b")], KEYS);
    assert_eq!(fault.public_message(), "region: it is given twice");
}

#[test]
fn unknown_schemes_get_a_suggestion() {
    assert_eq!(refused("s3a://bucket/x", &[], &[]).public_hint(), Some("did you mean s3://?"));
    assert_eq!(refused("ftp://host/x", &[], &[]).kind(), FaultKind::BadRequest);
    assert!(refused("file://host/x", &[], &[]).public_message().contains("name no host"));
    assert!(refused("out.csv", &[("region", "x")], &[]).public_message().contains("no such option"));
}

#[test]
fn plain_http_beyond_this_machine_has_to_be_allowed() {
    assert!(connect_in("s3://bucket/x?endpoint=http://127.0.0.1:9000", &[], KEYS).is_ok());
    let fault = refused("s3://bucket/x?endpoint=http://minio.example:9000", &[], KEYS);
    assert!(fault.public_message().contains("not encrypted"), "{fault}");
    assert!(connect_in("s3://bucket/x?endpoint=http://minio.example:9000&allow_http=true", &[], KEYS).is_ok());
}

#[test]
fn missing_credentials_are_found_before_anything_is_sent() {
    let fault = refused("s3://bucket/x", &[], &[("AWS_EC2_METADATA_DISABLED", "true")]);
    assert_eq!(fault.kind(), FaultKind::Credentials);
    assert_eq!(fault.public_message(), "there are no credentials for s3://bucket");
    assert!(fault.public_hint().unwrap().contains("AWS_ACCESS_KEY_ID"));

    let fault = refused("gs://bucket/x?service_account=/no/such/key.json", &[], &[]);
    assert_eq!(fault.kind(), FaultKind::Credentials);
    assert!(fault.public_message().contains("/no/such/key.json"), "{fault}");

    let fault = refused("az://container/x", &[], &[]);
    assert_eq!(fault.public_message(), "account: the storage account is not named");
}

#[test]
fn a_user_of_a_server_cannot_have_its_own_keys_used() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let guard = Guard::new(Vec::new());
    let refused = |text: &str, given: &[(&str, &str)]| connect_guarded(text, &options(given), &guard).err().unwrap();
    for name in ["service_account", "application_credentials"] {
        let fault = refused("gs://bucket/x", &[(name, "/srv/key.json")]);
        assert_eq!(fault.public_message(), format!("{name}: files of the server cannot be named here"));
    }
    let fault = refused("gs://bucket/x?service_account=/srv/key.json", &[]);
    assert!(fault.public_message().starts_with("service_account: "), "{fault}");
    type Options = [(&'static str, &'static str)];
    let tried: [(&str, &Options, &str); 5] = [
        ("gs://bucket/x", &[], "give service_account_key"),
        ("s3://bucket/x", &[], "set access_key_id and secret_access_key"),
        ("az://container/x?account=a", &[], "give account_key, sas_token or connection_string"),
        // With an application that is named in part the client would ask the machine as well.
        ("az://container/x?account=a", &[("client_secret", "hunter2")], "or tenant_id, client_id and client_secret"),
        ("az://container/x?account=a&client_id=c", &[("client_secret", "hunter2")], "tenant_id"),
    ];
    for (text, given, hint) in tried {
        let fault = refused(text, given);
        assert_eq!(fault.kind(), FaultKind::Credentials, "{text}");
        assert!(fault.public_message().starts_with("there are no credentials for "), "{fault}");
        assert!(fault.public_hint().unwrap().contains(hint), "{:?}", fault.public_hint());
    }
    for given in [
        &[("account_key", "a2V5")][..],
        &[("sas_token", "sv=1&sig=s")],
        &[("connection_string", "AccountName=a;AccountKey=a2V5")],
        &[("tenant_id", "t"), ("client_id", "c"), ("client_secret", "hunter2")],
    ] {
        assert!(connect_guarded("az://container/x?account=a", &options(given), &guard).is_ok(), "{given:?}");
    }
    assert!(connect_guarded("gs://bucket/x", &options(&[("anonymous", "true")]), &guard).is_ok());
}

#[test]
fn half_a_key_is_a_problem_wherever_it_comes_from() {
    let fault = refused("s3://bucket/x", &[("secret_access_key", "hunter2")], KEYS);
    assert_eq!(fault.public_message(), "access_key_id: it is missing beside secret_access_key");
    let fault = refused("s3://bucket/x", &[], &[("AWS_ACCESS_KEY_ID", "AKIA")]);
    assert_eq!(fault.public_message(), "AWS_SECRET_ACCESS_KEY: it is missing beside AWS_ACCESS_KEY_ID");
}

#[test]
fn a_connection_string_stands_for_account_key_and_endpoint() {
    let text = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=a2V5;\
                BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;";
    assert!(connect_in("az://container/x", &[("connection_string", text)], &[]).is_ok());
}

#[test]
fn secrets_are_never_shown() {
    let secret = "hunter2";
    let faults = [
        refused("s3://b/x?secret_access_key=hunter2", &[], &[]),
        refused("s3://b/x?nonsense=hunter2", &[], KEYS),
        refused("s3://b/x?allow_http=hunter2", &[], KEYS),
        refused("s3://b/x?endpoint=https://user:hunter2@host", &[], KEYS),
        refused("s3://user:hunter2@b/x", &[], KEYS),
        refused("az://container/x?account=a&account_key=%23hunter2", &[], &[]),
        refused("az://container/x?account=a&sas_token=hunter2", &[], &[]),
        refused("gs://bucket/x?service_account_key=hunter2", &[], &[]),
    ];
    for fault in faults {
        let shown = format!("{fault} {fault:?} {:?}", fault.public_hint());
        assert!(!shown.contains(secret), "{shown}");
    }
    let raw = options(&[("secret_access_key", secret)]);
    assert!(!format!("{raw:?}").contains(secret));
    let connected = connect_in("s3://b/x", &[], KEYS).unwrap();
    assert!(!connected.to.to_string().contains(secret));
}

#[test]
fn receivers_of_events_introduce_themselves_too() {
    let names: Vec<&str> = all_events().iter().map(|kind| kind.name).collect();
    assert_eq!(names, ["mixpanel", "posthog"]);
    for kind in all_events() {
        let properties = kind.options["properties"].as_object().unwrap();
        let shown = properties.iter().filter(|(_, schema)| schema["format"] == "password");
        assert_eq!(shown.count(), kind.secrets.len(), "{} names all its secrets", kind.name);
        assert!(kind.secrets.iter().all(|secret| properties[*secret]["format"] == "password"), "{}", kind.name);
        for (option, schema) in properties {
            assert!(schema["description"].is_string(), "{}.{option} is documented", kind.name);
        }
    }
    let fault = connect_events("posthot", &RawOptions::default(), &Guard::new(Vec::new()), &|_| None, || Micros(0))
        .err()
        .unwrap();
    assert_eq!(fault.public_hint(), Some("did you mean posthog?"));
}
