//! The little that is read from keys and certificates themselves (X.690, RFC 5280, RFC 8017): how long a key
//! is, and when a certificate is valid.

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// The tag of the version, which old certificates lack.
const VERSION: u8 = 0xa0;

/// From when until when a certificate is valid: 14 digits each, year to second, in UTC. They sort as times do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Validity {
    /// Not before.
    pub from: String,
    /// Not after.
    pub until: String,
}

impl Validity {
    /// Reads it from a certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Validity> {
        let (certificate, _) = expect(certificate, SEQUENCE)?;
        let (mut rest, _) = expect(certificate, SEQUENCE)?;
        if let Some((_, after)) = expect(rest, VERSION) {
            rest = after;
        }
        for tag in [INTEGER, SEQUENCE, SEQUENCE] {
            (_, rest) = expect(rest, tag)?; // serial number, algorithm, issuer
        }
        let (times, _) = expect(rest, SEQUENCE)?;
        let (from, rest) = time(times)?;
        let (until, _) = time(rest)?;
        Some(Validity { from, until })
    }
}

/// The length of an RSA key; `None` where it is another.
pub fn rsa_bits(key: &PrivateKeyDer<'_>) -> Option<usize> {
    let key = match key {
        PrivateKeyDer::Pkcs1(key) => key.secret_pkcs1_der(),
        PrivateKeyDer::Pkcs8(key) => {
            let (fields, _) = expect(key.secret_pkcs8_der(), SEQUENCE)?;
            let (_, rest) = expect(fields, INTEGER)?;
            let (_, rest) = expect(rest, SEQUENCE)?;
            expect(rest, OCTET_STRING)?.0
        }
        _ => return None,
    };
    let (fields, _) = expect(key, SEQUENCE)?;
    let (_, rest) = expect(fields, INTEGER)?;
    let (modulus, rest) = expect(rest, INTEGER)?;
    // An elliptic curve's key has no second number.
    expect(rest, INTEGER)?;
    let modulus = &modulus[modulus.iter().position(|byte| *byte != 0)?..];
    Some(8 * modulus.len() - modulus[0].leading_zeros() as usize)
}

/// The content of an element of this tag, and what follows it.
fn expect(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let digits = rest.get(..usize::from(first & 0x7f)).filter(|digits| digits.len() <= 4)?;
        length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
        rest = &rest[digits.len()..];
    }
    (found == tag).then(|| rest.split_at_checked(length)).flatten()
}

fn time(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (text, century, rest) = match (expect(bytes, UTC_TIME), expect(bytes, GENERALIZED_TIME)) {
        // Two digits of the year, from 1950 to 2049 (RFC 5280 4.1.2.5.1).
        (Some((text, rest)), _) => (text, if text.first()? >= &b'5' { "19" } else { "20" }, rest),
        (_, Some((text, rest))) => (text, "", rest),
        _ => return None,
    };
    let digits = std::str::from_utf8(text.strip_suffix(b"Z")?).ok()?;
    let digits = format!("{century}{digits}");
    (digits.len() == 14 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some((digits, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    #[test]
    fn a_certificate_says_when_it_is_valid_in_either_form_of_a_time() {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(1999, 2, 3), date_time_ymd(2050, 1, 2));
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let validity = Validity { from: "19990203000000".to_owned(), until: "20500102000000".to_owned() };
        assert_eq!(Validity::of(certificate.der()), Some(validity));
        for length in 0..certificate.der().len().min(200) {
            let cut = CertificateDer::from(&certificate.der()[..length]);
            assert_eq!(Validity::of(&cut), None, "cut to {length}");
        }
    }

    #[test]
    fn a_key_that_is_not_rsa_has_no_length() {
        let key = PrivateKeyDer::try_from(KeyPair::generate().unwrap().serialize_der()).unwrap();
        assert_eq!(rsa_bits(&key), None);
    }
}
