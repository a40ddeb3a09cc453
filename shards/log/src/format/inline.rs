//! Borrowed strings in archives.

use rkyv::rancor::{Fallible, Source};
use rkyv::string::{ArchivedString, StringResolver};
use rkyv::with::{ArchiveWith, SerializeWith};
use rkyv::{Place, SerializeUnsized};

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
