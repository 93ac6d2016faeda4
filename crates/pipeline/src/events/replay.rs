//! Dead letters, sent once more.
//!
//! Nothing is read from a source and no checkpoint is kept: the letters are the whole state. Whoever is killed
//! in between sends all of them again, under the same ids.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow_schema::Schema;
use bytes::Bytes;
use model::{
    ByteCount, DeadLetter, DeliveryCounts, EncodedEvent, EncodedEvents, EventDestination, EventStream, Fault, Reading,
    Stop, TableName,
};

use super::encode::Chunk;
use super::pace::Pace;
use super::request::Cutter;
use super::send::Sending;
use crate::retry::Retrying;
use crate::{Budget, Waits};

/// Sends the dead letters of one table again, one request after the other, and returns what became of them and
/// those that were refused once more. Letters that occur twice are sent once, and those that are larger than the
/// receiver takes not at all.
pub async fn replay(
    stream: &EventStream,
    table: &TableName,
    mut letters: Vec<DeadLetter>,
    destination: Arc<dyn EventDestination>,
    stop: Stop,
    waits: Arc<dyn Waits>,
) -> Result<(DeliveryCounts, Vec<DeadLetter>), Fault> {
    letters.sort_by(|a, b| a.row.cmp(&b.row));
    letters.dedup_by(|a, b| a.row == b.row);
    let retrying = Retrying::new(waits, stop, &Budget::for_events(1));
    let chunk = chunk(&letters, &*destination)?;
    let sending = Arc::new(Sending::new(stream, table, destination, retrying, DeliveryCounts::default()));
    let mut cutter = Cutter::new(Arc::clone(&sending.limits), None);
    let mut requests = cutter.push(chunk)?;
    requests.extend(cutter.finish());
    let (mut counts, mut refused) = (DeliveryCounts::default(), Vec::new());
    let pace = Pace::default();
    for request in requests {
        sending.pause_for(&request, &pace).await?;
        let sent = Arc::clone(&sending).send(request).await?;
        counts += sent.counts;
        refused.extend(sent.letters);
    }
    if !counts.conserved() || counts.read.get() != letters.len() as u64 {
        return Err(Fault::bug(format!("{} letters were sent, but {} are accounted for", letters.len(), counts.read)));
    }
    Ok((counts, refused))
}

/// The letters as events that were just encoded. Encoders refuse what is too large, since a receiver may take it and
/// say nothing: that is no less true of letters.
fn chunk(letters: &[DeadLetter], destination: &dyn EventDestination) -> Result<Chunk, Fault> {
    let event_bytes_max = destination.limits().event_bytes_max;
    let mut text = Vec::new();
    let mut events = Vec::with_capacity(letters.len());
    let mut refused = Vec::new();
    for (row, letter) in letters.iter().enumerate() {
        let bytes = ByteCount::from(letter.event.get().len());
        if bytes > event_bytes_max {
            refused.push((row, format!("the event has {bytes} bytes, {destination} takes {event_bytes_max}")));
        }
        text.extend_from_slice(letter.event.get().as_bytes());
        text.push(b',');
        let end = u32::try_from(text.len()).map_err(|_| Fault::bad_request("these are more than 4 GiB of letters"))?;
        events.push(EncodedEvent { end, id: letter.event_id });
    }
    let fields = <dyn Reading>::key_fields();
    let times = letters.iter().map(|letter| letter.row.time.0);
    let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"));
    let texts = |text: fn(&DeadLetter) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(letters.iter().map(text)))
    };
    let versions = new_null_array(fields[3].data_type(), letters.len());
    let columns =
        vec![Arc::clone(&times), texts(|letter| &letter.row.trace_id), texts(|letter| &letter.row.id), versions, times];
    let keys = RecordBatch::try_new(Arc::new(Schema::new(fields.to_vec())), columns)
        .map_err(|error| Fault::bug("cannot make keys of letters").because(error))?;
    Chunk::new(EncodedEvents { text: Bytes::from(text), events, refused }, keys)
}
