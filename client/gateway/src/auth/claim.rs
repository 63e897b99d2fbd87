//! What a request says about its signature, before anything is checked: the `Authorization` header or the
//! `X-Amz-*` query of a presigned URL.

use http::HeaderMap;
use time::{Date, Month, PrimitiveDateTime, Time};

use crate::auth::AuthError;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Most headers a signature may name.
const MAX_SIGNED_HEADERS: usize = 64;

/// Where the signature stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the `Authorization` header.
    Header,
    /// In the query, good for this long.
    Query {
        /// Seconds after `X-Amz-Date`.
        expires_s: u64,
    },
}

/// A signature and what it claims to be made from.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) access_key: String,
    /// `YYYYMMDD` of the credential's scope.
    pub(crate) date: String,
    pub(crate) region: String,
    service: String,
    pub(crate) signed_headers: Vec<String>,
    /// 64 hexadecimal digits, lower case.
    pub(crate) signature: String,
    /// `YYYYMMDDTHHMMSSZ`.
    pub(crate) amz_date: String,
    /// The same as seconds since the Unix epoch.
    pub(crate) time_s: i64,
    pub(crate) place: Place,
}

/// The only value of a header; an error when there are several.
pub(crate) fn single<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h str>, AuthError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(AuthError::DuplicateHeader(name));
    }
    value.to_str().map(Some).map_err(|_| AuthError::MalformedHeader(format!("{name} is not plain text")))
}

impl Claim {
    /// Finds the one signature of a request.
    pub(crate) fn find(headers: &HeaderMap, query: &[(String, String)]) -> Result<Self, AuthError> {
        let header = single(headers, "authorization")?;
        let presigned = query.iter().any(|(name, _)| name == "X-Amz-Signature" || name == "X-Amz-Algorithm");
        let version_2 = query.iter().any(|(name, _)| name == "Signature" || name == "AWSAccessKeyId");
        match (header, presigned) {
            (Some(_), true) => Err(AuthError::TwoSignatures),
            (Some(_), false) if version_2 => Err(AuthError::TwoSignatures),
            (Some(value), false) => Self::from_header(value, headers),
            (None, true) if version_2 => Err(AuthError::TwoSignatures),
            (None, true) => Self::from_query(query),
            (None, false) if version_2 => Err(AuthError::UnsupportedScheme),
            (None, false) => Err(AuthError::Anonymous),
        }
    }

    fn from_header(value: &str, headers: &HeaderMap) -> Result<Self, AuthError> {
        let bad =
            |why: &str| AuthError::MalformedHeader(format!("the authorization header is malformed; {why}"));
        let Some(rest) = value.strip_prefix(ALGORITHM).filter(|r| r.starts_with([' ', '\t'])) else {
            return Err(AuthError::UnsupportedScheme);
        };
        let (mut credential, mut signed, mut signature) = (None, None, None);
        for piece in rest.split(',') {
            let (name, value) = piece.trim().split_once('=').ok_or_else(|| bad("expected name=value"))?;
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed,
                "Signature" => &mut signature,
                _ => return Err(bad("unknown field")),
            };
            if slot.replace(value).is_some() {
                return Err(bad("a field is given twice"));
            }
        }
        let (Some(credential), Some(signed), Some(signature)) = (credential, signed, signature) else {
            return Err(bad("Credential, SignedHeaders and Signature are required"));
        };
        let amz_date = single(headers, "x-amz-date")?.ok_or(AuthError::MissingDate)?;
        let time_s = parse_amz_date(amz_date).ok_or(AuthError::MissingDate)?;
        Self::assemble(credential, signed, signature, amz_date, time_s, Place::Header).map_err(bad)
    }

    fn from_query(query: &[(String, String)]) -> Result<Self, AuthError> {
        let bad = |why: &str| AuthError::MalformedQuery(why.to_owned());
        let field = |name: &'static str| {
            let mut values = query.iter().filter(|(n, _)| n == name);
            match (values.next(), values.next()) {
                (Some((_, value)), None) => Ok(value.as_str()),
                _ => Err(AuthError::MalformedQuery(format!(
                    "a presigned request needs {name} exactly once in its query"
                ))),
            }
        };
        if field("X-Amz-Algorithm")? != ALGORITHM {
            return Err(AuthError::UnsupportedScheme);
        }
        let expires = field("X-Amz-Expires")?;
        let expires_s = match expires.parse::<u64>() {
            Ok(n) if expires.bytes().all(|b| b.is_ascii_digit()) => n,
            _ => return Err(bad("X-Amz-Expires must be a number of seconds")),
        };
        let amz_date = field("X-Amz-Date")?;
        let time_s = parse_amz_date(amz_date).ok_or_else(|| bad("X-Amz-Date must be YYYYMMDDTHHMMSSZ"))?;
        let (credential, signed) = (field("X-Amz-Credential")?, field("X-Amz-SignedHeaders")?);
        let place = Place::Query { expires_s };
        Self::assemble(credential, signed, field("X-Amz-Signature")?, amz_date, time_s, place).map_err(bad)
    }

    fn assemble(
        credential: &str,
        signed: &str,
        signature: &str,
        amz_date: &str,
        time_s: i64,
        place: Place,
    ) -> Result<Self, &'static str> {
        let mut scope = credential.rsplitn(5, '/');
        let terminator = scope.next();
        let (service, region, date, access_key) = (scope.next(), scope.next(), scope.next(), scope.next());
        let (Some("aws4_request"), Some(service), Some(region), Some(date), Some(access_key)) =
            (terminator, service, region, date, access_key)
        else {
            return Err("the credential must be key/date/region/service/aws4_request");
        };
        if signature.len() != 64 || !signature.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err("the signature must be 64 hexadecimal digits");
        }
        let signed_headers: Vec<String> = signed.split(';').map(str::to_owned).collect();
        let plain = |name: &String| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase())
        };
        if signed_headers.len() > MAX_SIGNED_HEADERS || !signed_headers.iter().all(plain) {
            return Err("SignedHeaders must be a list of names in lower case");
        }
        if amz_date.get(..8) != Some(date) {
            return Err("the date of the credential is not that of the request");
        }
        Ok(Self {
            access_key: access_key.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            signed_headers,
            signature: signature.to_owned(),
            amz_date: amz_date.to_owned(),
            time_s,
            place,
        })
    }

    /// Whether the signature stands in the query.
    pub(crate) fn is_presigned(&self) -> bool {
        matches!(self.place, Place::Query { .. })
    }

    /// `date/region/service/aws4_request`.
    pub(crate) fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }

    /// Refuses a signature made for elsewhere.
    pub(crate) fn check_scope(&self, region: &str) -> Result<(), AuthError> {
        let wrong = if self.service != "s3" {
            format!("the service '{}' is wrong; expecting 's3'", self.service)
        } else if self.region != region {
            format!("the region '{}' is wrong; expecting '{region}'", self.region)
        } else {
            return Ok(());
        };
        Err(match self.place {
            Place::Header => {
                AuthError::MalformedHeader(format!("the authorization header is malformed; {wrong}"))
            }
            Place::Query { .. } => AuthError::MalformedQuery(wrong),
        })
    }
}

/// Seconds since the Unix epoch of `YYYYMMDDTHHMMSSZ`.
fn parse_amz_date(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<u32> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let month = Month::try_from(u8::try_from(number(4, 6)?).ok()?).ok()?;
    let date =
        Date::from_calendar_date(number(0, 4)? as i32, month, u8::try_from(number(6, 8)?).ok()?).ok()?;
    let time = Time::from_hms(number(9, 11)? as u8, number(11, 13)? as u8, number(13, 15)? as u8).ok()?;
    Some(PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_parse_or_are_refused() {
        assert_eq!(parse_amz_date("20130524T000000Z"), Some(1_369_353_600));
        for bad in [
            "",
            "20130524T000000",
            "20131324T000000Z",
            "20130524T250000Z",
            "2013052AT000000Z",
            "20130524 000000Z",
        ] {
            assert_eq!(parse_amz_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn headers_that_are_not_a_signature_are_refused() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-date", "20130524T000000Z".parse().unwrap());
        let sig = "a".repeat(64);
        for bad in [
            "AWS4-HMAC-SHA256".to_owned(),
            "AWS AKID:abc=".to_owned(),
            "Basic abc".to_owned(),
            "AWS4-HMAC-SHA256 Credential=a/20130524/r/s3/aws4_request".to_owned(),
            format!(
                "AWS4-HMAC-SHA256 Credential=a/20130525/r/s3/aws4_request, SignedHeaders=host, Signature={sig}"
            ),
            format!(
                "AWS4-HMAC-SHA256 Credential=20130524/r/s3/aws4_request, SignedHeaders=host, Signature={sig}"
            ),
            format!(
                "AWS4-HMAC-SHA256 Credential=a/20130524/r/s3/aws4_request, SignedHeaders=Host, Signature={sig}"
            ),
            format!(
                "AWS4-HMAC-SHA256 Credential=a/20130524/r/s3/aws4_request, SignedHeaders=host, Signature={sig}, Signature={sig}"
            ),
            "AWS4-HMAC-SHA256 Credential=a/20130524/r/s3/aws4_request, SignedHeaders=host, Signature=ab"
                .to_owned(),
        ] {
            headers.insert("authorization", bad.parse().unwrap());
            assert!(Claim::find(&headers, &[]).is_err(), "{bad}");
        }
        let good = format!(
            "AWS4-HMAC-SHA256 Credential=a/b/20130524/r/s3/aws4_request,SignedHeaders=host;x-amz-date,Signature={sig}"
        );
        headers.insert("authorization", good.parse().unwrap());
        let claim = Claim::find(&headers, &[]).unwrap();
        assert_eq!(claim.access_key, "a/b");
        assert!(claim.check_scope("r").is_ok());
        assert!(matches!(claim.check_scope("elsewhere"), Err(AuthError::MalformedHeader(_))));
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_it_panic(value in "[ -~]{0,200}", query in "[ -~]{0,200}") {
            let mut headers = HeaderMap::new();
            if let Ok(value) = value.parse() { headers.insert("authorization", value); }
            if let Some(query) = crate::auth::parse_query(&query) {
                let _ = Claim::find(&headers, &query);
            }
        }
    }
}
