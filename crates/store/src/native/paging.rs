//! Pages by position: the instant and id of the last row, so rows that are added move nothing.

use model::{Fault, PAGE_ITEMS_MAX, Page, PageRequest, PageToken};

/// Where a page begins: after the row with this instant (or rank) and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) at: i64,
    pub(super) id: String,
}

impl Position {
    /// Reads the position of a request; one that no page named is refused.
    pub(super) fn of(page: &PageRequest) -> Result<Option<Self>, Fault> {
        let Some(token) = &page.after else { return Ok(None) };
        let forged = || {
            Fault::of_field("cursor", "this is not the cursor of a page")
                .hint("send the cursor exactly as the page before named it, or leave it out")
        };
        let (at, id) = token.0.split_once('.').ok_or_else(forged)?;
        let at = at.parse().map_err(|_| forged())?;
        // Ids are the store's own or addresses of people; none holds a control character.
        if id.is_empty() || id.len() > 320 || id.chars().any(char::is_control) {
            return Err(forged());
        }
        Ok(Some(Self { at, id: id.to_owned() }))
    }

    fn token(&self) -> PageToken {
        PageToken(format!("{}.{}", self.at, self.id))
    }
}

/// Rows to ask the database for: one more than the page has, to see whether another follows.
pub(super) fn rows_wanted(page: &PageRequest) -> u64 {
    u64::from(items_max(page)) + 1
}

fn items_max(page: &PageRequest) -> u32 {
    page.items_max.clamp(1, PAGE_ITEMS_MAX)
}

/// Cuts the page out of the rows that were found.
pub(super) fn page_of<R>(mut rows: Vec<R>, page: &PageRequest, position: impl Fn(&R) -> Position) -> Page<R> {
    let items_max = items_max(page) as usize;
    let more = rows.len() > items_max;
    rows.truncate(items_max);
    let next = if more { rows.last().map(|row| position(row).token()) } else { None };
    Page { items: rows, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_that_no_page_named_is_refused() {
        for forged in ["", "x", "1", "1.", "a.b", "1.\n", "99999999999999999999.x"] {
            let request = PageRequest { items_max: 10, after: Some(PageToken(forged.to_owned())) };
            assert!(Position::of(&request).is_err(), "{forged}");
        }
        let position = Position { at: -5, id: "a.b@c".to_owned() };
        let request = PageRequest { items_max: 10, after: Some(position.token()) };
        assert_eq!(Position::of(&request).unwrap(), Some(position));
    }

    #[test]
    fn a_page_says_whether_another_follows() {
        let position = |row: &i64| Position { at: *row, id: "x".to_owned() };
        assert_eq!(page_of(vec![3, 2, 1], &PageRequest::first(2), position).next, Some(PageToken("2.x".to_owned())));
        assert_eq!(page_of(vec![3, 2], &PageRequest::first(2), position).next, None);
        assert_eq!(rows_wanted(&PageRequest::first(0)), 2);
    }
}
