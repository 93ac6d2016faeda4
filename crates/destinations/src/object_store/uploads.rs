//! Uploads that a store knows of under one key, in the protocol that S3 and Google share.

use futures_util::future::BoxFuture;
use object_store::client::HttpResponse;
use object_store::path::Path;

use super::fault::cannot_list;
use crate::egress::Refusal;

/// Uploads asked for at once; an answer of so many is well below a mebibyte.
const UPLOADS_PER_PAGE: usize = 100;

/// A query of a bucket's address.
pub(super) type Query = Vec<(&'static str, String)>;

/// Ids of all uploads of exactly this key; `None` where the store does not list them, or not to us. `get` sends a
/// query to the bucket.
pub(super) async fn of_key<'a>(
    key: &Path,
    get: impl Fn(Query) -> BoxFuture<'a, object_store::Result<HttpResponse>>,
) -> object_store::Result<Option<Vec<String>>> {
    let mut ids = Vec::new();
    let mut after = None;
    loop {
        let answer = match get(query(key, after.take())).await {
            Err(error) if Refusal::of(&error).is_some_and(cannot_list) => return Ok(None),
            answer => answer?,
        };
        let text = answer.into_body().bytes().await;
        let text =
            text.map_err(|error| object_store::Error::Generic { store: "list of uploads", source: Box::new(error) })?;
        let page = Page::read(&String::from_utf8_lossy(&text), key.as_ref());
        ids.extend(page.ids);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(Some(ids)),
        }
    }
}

/// Keys are listed in order, and a key comes before those that it begins.
fn query(key: &Path, after: Option<(String, String)>) -> Query {
    let mut query =
        vec![("max-uploads", UPLOADS_PER_PAGE.to_string()), ("prefix", key.to_string()), ("uploads", String::new())];
    if let Some((key, id)) = after {
        query.extend([("key-marker", key), ("upload-id-marker", id)]);
    }
    // As a signature wants them.
    query.sort_unstable();
    query
}

/// One answer.
#[derive(Debug, PartialEq)]
struct Page {
    ids: Vec<String>,
    /// Where the next page begins, while it can hold uploads of the key.
    next: Option<(String, String)>,
}

impl Page {
    fn read(text: &str, key: &str) -> Self {
        let uploads = text.split("<Upload>").skip(1).map(|upload| upload.split("</Upload>").next().unwrap_or(upload));
        let of_key = uploads.filter(|upload| element(upload, "Key").as_deref() == Some(key));
        let ids = of_key.filter_map(|upload| element(upload, "UploadId")).collect();
        let is_cut = element(text, "IsTruncated").as_deref() == Some("true");
        let next = element(text, "NextKeyMarker").zip(element(text, "NextUploadIdMarker"));
        Self { ids, next: next.filter(|(last, _)| is_cut && last == key) }
    }
}

/// The text of the first element of this name.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    Some(unescaped(inner))
}

/// XML text with its entities replaced.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let entity = after.split_once(';').and_then(|(name, after)| Some((character(name)?, after)));
        let (character, after) = entity.unwrap_or(('&', after));
        plain.push(character);
        rest = after;
    }
    plain.push_str(rest);
    plain
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uploads_of_the_very_key_are_taken_and_entities_are_read() {
        let text = "<ListMultipartUploadsResult><NextKeyMarker>a&amp;b</NextKeyMarker><NextUploadIdMarker>3</NextUploadIdMarker>\
                    <IsTruncated>true</IsTruncated>\
                    <Upload><Key>a&amp;b</Key><UploadId>1&#x2B;&#43;</UploadId></Upload>\
                    <Upload><Key>a&amp;b.manifest.json</Key><UploadId>2</UploadId></Upload></ListMultipartUploadsResult>";
        let page = Page::read(text, "a&b");
        assert_eq!(page, Page { ids: vec!["1++".to_owned()], next: Some(("a&b".to_owned(), "3".to_owned())) });
    }

    #[test]
    fn pages_behind_the_key_are_not_asked_for() {
        let text = "<NextKeyMarker>ab</NextKeyMarker><NextUploadIdMarker>9</NextUploadIdMarker>\
                    <IsTruncated>true</IsTruncated>";
        assert_eq!(Page::read(text, "a"), Page { ids: vec![], next: None });
        let last = text.replace("true", "false").replace(">ab<", ">a<");
        assert_eq!(Page::read(&last, "a").next, None);
    }

    #[test]
    fn what_is_no_entity_stays_as_it_is() {
        assert_eq!(unescaped("a & b &unknown; &lt;&#9731;"), "a & b &unknown; <☃");
    }
}
