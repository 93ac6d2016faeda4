//! The socket: taken before anything is made, told to people, and the link that sets a new server up.

use std::net::SocketAddr;
use std::time::Duration;

use model::{Fault, FaultKind, NewInvitation, PeopleStore};
use tokio::net::TcpListener;

use crate::config::settings::ServerSettings;
use crate::report;

/// How long the link works that sets a new server up. Every start without accounts prints a new one.
const SET_UP_VALID: Duration = Duration::from_secs(24 * 3_600);

/// Takes the address. Where the port is 0, the system chooses one.
pub async fn take(settings: &ServerSettings) -> Result<(TcpListener, SocketAddr), Fault> {
    let cannot = |error: std::io::Error| {
        Fault::new(FaultKind::Configuration, format!("cannot listen on {}: {error}", settings.listen))
            .hint("end the process that listens there, or choose another address with --listen")
    };
    let listener = TcpListener::bind(settings.listen).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    Ok((listener, address))
}

/// Says where a process that answers no API can be asked how it is.
pub fn announce_probes(settings: &ServerSettings) -> Result<(), Fault> {
    report::print(&format!("outgest tells how it is on http://{}\n", settings.listen))
}

/// Says where the server can be reached, and how it is set up while nobody has an account.
pub async fn announce(settings: &ServerSettings, people: &dyn PeopleStore) -> Result<(), Fault> {
    let url = settings.public_url();
    let mut text = format!("outgest answers on {url}\n");
    if !people.has_users().await? {
        let first = NewInvitation { member_of: None, admin: true, valid: SET_UP_VALID };
        let token = people.invite(first).await?;
        text += "nobody has an account yet; this link makes the first one, and works once, for a day:\n";
        text += &format!("  {url}/invitation#{}\n", token.reveal());
    }
    report::print(&text)
}
