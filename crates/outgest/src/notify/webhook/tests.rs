use model::{
    Actor, ByteCount, EndedExport, ExportFile, FileName, JobId, Micros, NoticeId, ProjectId, Retry, RowCount, Told,
    UserId,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::config::settings::ServerSettings;
use crate::config::value::{Place, SecretText};

/// An export that has just ended.
pub fn ended(state: ExportState) -> EndedExport {
    EndedExport {
        id: JobId::new("e-1"),
        project: ProjectId::new("acme/prod"),
        name: "nightly events".to_owned(),
        state,
        table: "events".to_owned(),
        format: "csv".to_owned(),
        created_by: Actor::User(UserId::new("u-1")),
        created_at: Micros(1_785_578_400_000_000),
        finished_at: Micros(1_785_578_460_000_000),
        expires_at: Some(Micros(1_785_664_800_000_000)),
        rows: RowCount(48_210),
        bytes: ByteCount(12_345_678),
        truncated: false,
        warnings: Vec::new(),
        files: vec![ExportFile {
            name: FileName::new("1785578400000-og-events-export-acme-prod.csv").unwrap(),
            content_type: "text/csv".to_owned(),
            bytes: ByteCount(12_345_678),
            rows: RowCount(48_210),
            sha256: "ab".repeat(32),
        }],
        failure: None,
    }
}

fn notice() -> Notice {
    Notice {
        id: NoticeId::new("n-1"),
        channel: Channel::Webhook,
        about: Told::Export(Box::new(ended(ExportState::Completed))),
        age: Duration::ZERO,
        attempt: 1,
    }
}

fn links() -> Links {
    Links::new(&ServerSettings::default())
}

/// A receiver that answers one request, and what it was sent.
async fn receive(answer: &'static str) -> (Url, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/hook?token=hunter2", listener.local_addr().unwrap())).unwrap();
    let received = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let count = stream.read(&mut piece).await.unwrap();
            bytes.extend_from_slice(&piece[..count]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let length = text
                .to_lowercase()
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.split("\r\n").next().and_then(|length| length.parse::<usize>().ok()));
            let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
            if count == 0 || length.is_some() && body == length {
                stream.write_all(answer.as_bytes()).await.unwrap();
                return text;
            }
        }
    });
    (url, received)
}

async fn send_to(url: &Url) -> Result<(), Fault> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let settings =
        WebhookSettings { url: Some(Place::new(url.as_str())), secret: Some(SecretText(Secret::new("s3cret"))) };
    let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap()]);
    Webhook::new(&settings, links(), &guard).unwrap().unwrap().send(&notice()).await
}

#[tokio::test]
async fn a_receiver_can_prove_who_sent_what_and_when() {
    let (url, received) = receive("HTTP/1.1 204 No Content\r\n\r\n").await;
    send_to(&url).await.unwrap();
    let request = received.await.unwrap();
    assert!(request.starts_with("POST /hook?token=hunter2 HTTP/1.1\r\n"), "{request}");
    let header = |name: &str| {
        let line = request.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}: "))).unwrap();
        line.split_once(": ").unwrap().1.to_owned()
    };
    assert_eq!(header("outgest-notice"), "n-1");
    assert_eq!(header("content-type"), "application/json");
    assert!(header("user-agent").starts_with("outgest/"));

    let body = request.split_once("\r\n\r\n").unwrap().1;
    let signature = header("outgest-signature");
    let (time, hex) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let seconds: i64 = time.parse().unwrap();
    assert!((config::now().0 / 1_000_000 - seconds).abs() < 60);
    assert_eq!(hex, sign(&Secret::new("s3cret"), seconds, body));
    assert_ne!(hex, sign(&Secret::new("s3cret"), seconds + 1, body));
    assert_eq!(serde_json::from_str::<Value>(body).unwrap()["export"]["rows"], 48_210);
}

#[test]
fn the_signature_is_hmac_sha256_as_anybody_computes_it() {
    // printf '1785578460.{"id":"n-1"}' | openssl dgst -sha256 -hmac s3cret
    let expected = "039cb0a6c45c5c43c510d136049830b384728e6697b76b79403002c632dd0f19";
    assert_eq!(sign(&Secret::new("s3cret"), 1_785_578_460, "{\"id\":\"n-1\"}"), expected);
}

#[test]
fn the_body_is_what_receivers_were_promised() {
    let expected = json!({
        "version": 1,
        "id": "n-1",
        "event": "export.completed",
        "link": "http://127.0.0.1:8080/projects/acme%2Fprod/exports/e-1",
        "export": {
            "id": "e-1", "project": "acme/prod", "name": "nightly events", "state": "completed",
            "table": "events", "format": "csv", "createdBy": {"kind": "user", "id": "u-1"},
            "createdAt": "2026-08-01T10:00:00.000000Z", "finishedAt": "2026-08-01T10:01:00.000000Z",
            "expiresAt": "2026-08-02T10:00:00.000000Z", "rows": 48210, "bytes": 12345678, "truncated": false,
            "warnings": [],
            "files": [{"name": "1785578400000-og-events-export-acme-prod.csv", "contentType": "text/csv",
                "bytes": 12345678, "rows": 48210, "sha256": "ab".repeat(32)}],
            "failure": null,
        },
    });
    assert_eq!(body(&notice(), &links()), expected);
}

#[tokio::test]
async fn refusals_say_whether_another_try_makes_sense() {
    let answers = [
        (
            "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n",
            FaultKind::Unavailable,
            Retry::After(Duration::from_secs(7)),
        ),
        ("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", FaultKind::Unavailable, Retry::Backoff),
        ("HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n", FaultKind::Throttled, Retry::Backoff),
        ("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", FaultKind::Rejected, Retry::Never),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            FaultKind::Rejected,
            Retry::Never,
        ),
    ];
    for (answer, kind, retry) in answers {
        let (url, received) = receive(answer).await;
        let fault = send_to(&url).await.unwrap_err();
        received.await.unwrap();
        assert_eq!((fault.kind(), fault.retry()), (kind, retry), "{answer}");
        assert!(!format!("{fault:?}").contains("hunter2"), "{fault:?}");
    }
}

#[tokio::test]
async fn a_receiver_that_is_away_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    assert_eq!(send_to(&url).await.unwrap_err().retry(), Retry::Backoff);
}
