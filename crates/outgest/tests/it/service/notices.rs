//! Who is told that an export ended: people by mail, programs by a signed request.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::World;
use super::project::{Project, id_of};
use crate::servers::mail::MailServer;
use crate::servers::receiver::Receiver;
use crate::servers::s3::S3Server;

super::on_both_databases!(
    a_webhook_is_signed_and_sent_again_until_it_is_taken,
    who_asked_for_an_export_gets_a_mail_about_its_end,
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

/// So many messages, lines put together that the mail's encoding had cut.
fn read(mail: &MailServer, count: usize) -> Vec<String> {
    mail.wait_for(count, PATIENCE).into_iter().map(|message| message.replace("=\r\n", "").replace("=\n", "")).collect()
}
