//! Who is told that an export ended or that an integration stopped: people by mail, programs by a signed request.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::World;
use super::integration::Integration;
use super::project::{Project, id_of, text};
use crate::servers::mail::MailServer;
use crate::servers::receiver::Receiver;
use crate::servers::s3::S3Server;

super::on_both_databases!(
    a_webhook_is_signed_and_sent_again_until_it_is_taken,
    who_asked_for_an_export_gets_a_mail_about_its_end,
    an_integration_that_pauses_is_told_once_by_mail_and_by_webhook,
);

/// A notice that was refused is sent again within half a minute.
const PATIENCE: Duration = Duration::from_secs(60);

fn a_webhook_is_signed_and_sent_again_until_it_is_taken(mut world: World) {
    let receiver = Receiver::start(&[503, 204]);
    world.set("OUTGEST_WEBHOOK_URL", format!("{}/hook", receiver.url()));
    world.set("OUTGEST_WEBHOOK_SECRET", "whsec-hunter2");
    world.set("OUTGEST_EGRESS_ALLOW", "127.0.0.0/8");
    world.project("p", 10);
    let (_, secret) = world.key("p", "member");
    let serve = world.serve();
    let project = serve.project("p", &secret);
    let export = project.completed(&json!({"table": "events"}));
    let received = receiver.wait_for(2, PATIENCE);
    let (refused, taken) = (&received[0], &received[1]);
    assert_eq!(taken.line, "POST /hook");
    assert_eq!(refused.header("outgest-notice"), taken.header("outgest-notice"), "receivers tell repetitions by it");
    assert_eq!(refused.body, taken.body);
    for request in &received {
        let signature = request.header("outgest-signature");
        let (seconds, code) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(b"whsec-hunter2").unwrap();
        mac.update(format!("{seconds}.").as_bytes());
        mac.update(&request.body);
        let expected: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(code, expected);
    }
    let body: Value = serde_json::from_slice(&taken.body).unwrap();
    assert_eq!((&body["event"], &body["export"]["id"]), (&json!("export.completed"), &export["id"]));
    assert_eq!(body["link"], format!("{}/projects/p/exports/{}", serve.url(), id_of(&export)));
    assert!(!serve.log().contains("hunter2"));
}

fn who_asked_for_an_export_gets_a_mail_about_its_end(mut world: World) {
    let Some(mail) = MailServer::start() else {
        eprintln!("without a mail server: cargo xtask test runs this test with it");
        return;
    };
    world.set("OUTGEST_SMTP_URL", mail.url());
    world.set("OUTGEST_SMTP_FROM", "Outgest <og@example.com>");
    world.project("p", 10);
    world.user("me@example.com", &["--project", "p"]);
    let serve = world.serve();
    let me = Project { caller: serve.sign_in("me@example.com"), id: "p".to_owned() };
    let export = me.completed(&json!({"table": "events", "name": "the good one"}));
    // A program has no address; its exports are told to nobody.
    let (_, secret) = world.key("p", "member");
    serve.project("p", &secret).completed(&json!({"table": "events", "name": "of a program"}));
    let messages = read(&mail, 1);
    assert!(messages[0].contains("the good one") && messages[0].contains("me@example.com"), "{}", messages[0]);
    assert!(messages[0].contains(id_of(&export)) && messages[0].contains(&serve.url()), "{}", messages[0]);
    assert_eq!(serve.end(), 0);

    // Another place of exports, which refuses us.
    let s3 = S3Server::start();
    world.keep_exports_in(&s3);
    world.set("AWS_SECRET_ACCESS_KEY", "wrong");
    let serve = world.serve();
    let me = Project { caller: serve.sign_in("me@example.com"), ..me };
    let failed = me.create(&json!({"table": "events", "name": "the bad one"}));
    me.wait_for(id_of(&failed), "failed");
    let messages = read(&mail, 2);
    let told = messages.iter().find(|message| message.contains("the bad one")).unwrap();
    assert!(told.contains("failed"), "{told}");
    assert_eq!(messages.len(), 2, "{messages:?}");
}

fn an_integration_that_pauses_is_told_once_by_mail_and_by_webhook(mut world: World) {
    let Some(mail) = MailServer::start() else {
        eprintln!("without a mail server: cargo xtask test runs this test with it");
        return;
    };
    let receiver = Receiver::start(&[204]);
    world.set("OUTGEST_WEBHOOK_URL", format!("{}/hook", receiver.url()));
    world.set("OUTGEST_WEBHOOK_SECRET", "whsec-hunter2");
    world.set("OUTGEST_SMTP_URL", mail.url());
    world.set("OUTGEST_SMTP_FROM", "Outgest <og@example.com>");
    world.set("OUTGEST_EGRESS_ALLOW", "127.0.0.0/8");
    world.project("p", 10);
    world.user("me@example.com", &["--project", "p", "--role", "owner"]);
    let serve = world.serve();
    let me = Project { caller: serve.sign_in("me@example.com"), id: "p".to_owned() };
    let s3 = S3Server::start();
    s3.create_bucket("out");
    let (options, secrets) = s3.integration("out");
    let wrong = json!({"secret_access_key": "wrong-hunter2"});
    let settings = json!({"name": "lake", "kind": "s3", "options": options, "secrets": wrong});
    let made = Integration::create(&me, &settings);
    for times in 1..=2 {
        made.run_now();
        let failed = made.wait_for("failed");
        let told = receiver.wait_for(times, PATIENCE);
        let mails = read(&mail, times);
        // Windows that were under way have ended, and nobody tries another one.
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!((receiver.wait_for(times, PATIENCE).len(), read(&mail, times).len()), (times, times));
        let body: Value = serde_json::from_slice(&told.last().unwrap().body).unwrap();
        assert_eq!((&body["event"], &body["integration"]["name"]), (&json!("integration.paused"), &json!("lake")));
        assert!(body.to_string().contains("SignatureDoesNotMatch"), "{body:#}");
        let link = format!("{}/projects/p/integrations/{}", serve.url(), text(&failed["id"]));
        assert_eq!(body["link"], link);
        for told in mails {
            assert!(told.contains("me@example.com") && told.contains("SignatureDoesNotMatch"), "{told}");
            assert!(told.contains(&link), "{told}");
        }
        // With the right key it goes on and says nothing more; with a wrong one the next pause is told.
        made.change(&json!({"secrets": secrets}));
        made.post("/resume", &json!({})).expect(200);
        made.completed();
        assert_eq!((receiver.wait_for(times, PATIENCE).len(), read(&mail, times).len()), (times, times));
        made.change(&json!({"secrets": wrong}));
    }
    // One that a program made is told to the owner.
    let (_, secret) = world.key("p", "owner");
    let by_key = json!({"name": "by key", "kind": "s3", "options": options, "prefix": "by-key/", "secrets": wrong});
    let made = Integration::create(&serve.project("p", &secret), &by_key);
    made.run_now();
    made.wait_for("failed");
    let mails = read(&mail, 3);
    let told = mails.iter().find(|message| message.contains("by key")).unwrap();
    assert!(told.contains("me@example.com"), "{told}");
}

/// So many messages, lines put together that the mail's encoding had cut.
fn read(mail: &MailServer, count: usize) -> Vec<String> {
    mail.wait_for(count, PATIENCE).into_iter().map(|message| message.replace("=\r\n", "").replace("=\n", "")).collect()
}
