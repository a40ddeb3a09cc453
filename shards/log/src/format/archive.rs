//! Archives of borrowed values, without a copy.

use rkyv::rancor::{Fallible, Panic, Source};
use rkyv::ser::{Positional, Writer};
use rkyv::string::{ArchivedString, StringResolver};
use rkyv::with::{ArchiveWith, SerializeWith};
use rkyv::{Place, Serialize, SerializeUnsized};

/// Archives a borrowed string as an [`ArchivedString`], which keeps up to eight bytes in place:
/// most names then cost nothing beyond their field.
#[derive(Debug)]
pub struct Inline;

impl<'a> ArchiveWith<&'a str> for Inline {
    type Archived = ArchivedString;
    type Resolver = StringResolver;

    fn resolve_with(field: &&'a str, resolver: StringResolver, out: Place<ArchivedString>) {
        ArchivedString::resolve_from_str(field, resolver, out);
    }
}

impl<'a, S: Fallible<Error: Source> + ?Sized> SerializeWith<&'a str, S> for Inline
where
    str: SerializeUnsized<S>,
{
    fn serialize_with(field: &&'a str, serializer: &mut S) -> Result<StringResolver, S::Error> {
        ArchivedString::serialize_from_str(field, serializer)
    }
}

/// Appends the archive of a body.
pub fn archive<T>(body: &T, bytes: &mut Vec<u8>)
where
    T: for<'a> Serialize<rkyv::rancor::Strategy<PayloadWriter<'a>, Panic>>,
{
    let mut payload = PayloadWriter { start: bytes.len(), bytes };
    let written = rkyv::api::serialize_using::<_, Panic>(body, &mut payload);
    written.unwrap_or_else(|never| match never {});
}

/// Archives straight behind the record's head: no bytes of its own, no arena.
pub struct PayloadWriter<'a> {
    bytes: &'a mut Vec<u8>,
    start: usize,
}

impl Positional for PayloadWriter<'_> {
    fn pos(&self) -> usize {
        self.bytes.len() - self.start
    }
}

impl Writer<Panic> for PayloadWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Panic> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}
