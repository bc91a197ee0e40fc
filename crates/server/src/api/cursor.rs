//! Cursors: where a list goes on, sealed so that one from elsewhere is told from one of this list with these filters.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use signoff_api::{Code, Page};
use signoff_core::id::WorkspaceId;

use super::problem::Refused;

/// One list with its filters, for making and reading its cursors.
#[derive(Debug)]
pub(crate) struct Listing {
    seed: String,
}

impl Listing {
    /// The list of this name, as this workspace sees it through these filters (without cursor and limit).
    pub(crate) fn new(workspace: WorkspaceId, name: &str, filters: &impl Serialize) -> Self {
        let filters = serde_json::to_string(filters).unwrap_or_default();
        Self {
            seed: format!("signoff.cursor.v1 {workspace} {name} {filters}"),
        }
    }

    /// Where the page before ended.
    pub(crate) fn read(&self, cursor: Option<&str>) -> Result<Option<u64>, Refused> {
        let Some(cursor) = cursor else { return Ok(None) };
        self.position(cursor).map(Some).ok_or_else(elsewhere)
    }

    /// The cursor of a page that ends here.
    pub(crate) fn write(&self, position: u64) -> String {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&position.to_be_bytes());
        bytes[8..].copy_from_slice(&self.seal(&position.to_be_bytes()).to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Where the page before ended, in a list that goes by ids.
    pub(crate) fn read_id(&self, cursor: Option<&str>) -> Result<Option<[u8; 16]>, Refused> {
        let Some(cursor) = cursor else { return Ok(None) };
        let bytes: Option<[u8; 24]> = URL_SAFE_NO_PAD
            .decode(cursor)
            .ok()
            .and_then(|bytes| bytes.try_into().ok());
        let split = bytes.and_then(|bytes| {
            let (id, seal) = bytes.split_at(16);
            let id: [u8; 16] = id.try_into().ok()?;
            (self.seal(&id).to_be_bytes() == seal).then_some(id)
        });
        split.map(Some).ok_or_else(elsewhere)
    }

    /// The cursor of a page that ends with this id.
    pub(crate) fn write_id(&self, id: &[u8; 16]) -> String {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(id);
        bytes[16..].copy_from_slice(&self.seal(id).to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// A page with the cursor of the next one.
    pub(crate) fn page<T>(&self, items: Vec<T>, next: Option<u64>) -> Page<T> {
        Page {
            items,
            next_cursor: next.map(|position| self.write(position)),
        }
    }

    /// A page of a list that is there as a whole.
    pub(crate) fn slice<T>(&self, all: Vec<T>, cursor: Option<&str>, limit: u32) -> Result<Page<T>, Refused> {
        let start = self.read(cursor)?.unwrap_or(0);
        let end = start.saturating_add(u64::from(limit));
        let next = (end < all.len() as u64).then_some(end);
        let skip = usize::try_from(start).unwrap_or(usize::MAX);
        Ok(self.page(all.into_iter().skip(skip).take(limit as usize).collect(), next))
    }

    fn position(&self, cursor: &str) -> Option<u64> {
        let bytes: [u8; 16] = URL_SAFE_NO_PAD.decode(cursor).ok()?.try_into().ok()?;
        let (position, seal) = bytes.split_at(8);
        let position = u64::from_be_bytes(position.try_into().ok()?);
        (self.seal(&position.to_be_bytes()).to_be_bytes() == seal).then_some(position)
    }

    /// FNV-1a over list, filters and position. No secret: a forged cursor is only another place of one's own list.
    fn seal(&self, position: &[u8]) -> u64 {
        let bytes = self.seed.bytes().chain(position.iter().copied());
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}

fn elsewhere() -> Refused {
    let why = "the cursor is not one of this list with these filters";
    Refused::new(Code::InvalidCursor, why)
}

#[cfg(test)]
mod tests {
    use signoff_core::id::RawId;

    use super::*;

    fn listing(workspace: u8, name: &str, filter: &str) -> Listing {
        Listing::new(WorkspaceId(RawId([workspace; 16])), name, &filter)
    }

    #[test]
    fn a_cursor_is_of_one_list_with_its_filters() {
        let here = listing(1, "agents", "a");
        let cursor = here.write(77);
        assert_eq!(here.read(Some(&cursor)).unwrap(), Some(77));
        assert_eq!(here.read(None).unwrap(), None);
        let of_id = here.write_id(&[7; 16]);
        assert_eq!(here.read_id(Some(&of_id)).unwrap(), Some([7; 16]));
        assert!(listing(1, "agents", "b").read_id(Some(&of_id)).is_err());
        assert!(here.read_id(Some(&cursor)).is_err() && here.read(Some(&of_id)).is_err());
        for elsewhere in [
            listing(2, "agents", "a"),
            listing(1, "groups", "a"),
            listing(1, "agents", "b"),
        ] {
            assert!(
                elsewhere
                    .read(Some(&cursor))
                    .unwrap_err()
                    .problem()
                    .is(Code::InvalidCursor)
            );
        }
        for wrong in [
            "",
            "x",
            "5",
            "AAAAAAAAAAAAAAAAAAAAAA",
            &cursor[1..],
            &format!("{cursor}A"),
        ] {
            assert!(here.read(Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_whole_list_is_cut_into_pages() {
        let here = listing(1, "tokens", "");
        let first = here.slice(vec![1, 2, 3], None, 2).unwrap();
        assert_eq!(first.items, [1, 2]);
        let second = here
            .slice(vec![1, 2, 3], first.next_cursor.as_deref(), 2)
            .unwrap();
        assert_eq!((second.items, second.next_cursor), (vec![3], None));
    }
}
