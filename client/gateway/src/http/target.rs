//! What a request is about: bucket and key, decoded exactly once.

use http::Uri;

use crate::auth::decode_percent;

/// The target of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The decoded path as the client signed it.
    pub(crate) path: String,
    /// The encoded path in path style, bucket first.
    pub(crate) path_style: String,
    /// The bucket, if any.
    pub(crate) bucket: Option<String>,
    /// The key, if any.
    pub(crate) key: Option<String>,
}

/// The bucket in a host name, when the host is below one of the domains.
fn bucket_of_host<'h>(host: &'h str, domains: &[String]) -> Option<&'h str> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    domains.iter().find_map(|domain| {
        let head_length = name.len().checked_sub(domain.len() + 1)?;
        let (head, tail) = (name.get(..head_length)?, name.get(head_length..)?);
        let below = tail.starts_with('.') && tail[1..].eq_ignore_ascii_case(domain);
        (below && !head.is_empty()).then_some(head)
    })
}

/// Reads the target; `None` when the path cannot be decoded.
pub(crate) fn resolve(uri: &Uri, host: Option<&str>, domains: &[String]) -> Option<Target> {
    let raw = uri.path();
    if !raw.starts_with('/') {
        return None;
    }
    let path = decode_percent(raw, false)?;
    let virtual_bucket = host.and_then(|host| bucket_of_host(host, domains));
    let path_style = match virtual_bucket {
        Some(bucket) => format!("/{bucket}{raw}"),
        None => raw.to_owned(),
    };
    let rest = path.get(1..)?;
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let (bucket, key) = match virtual_bucket {
        Some(bucket) => (some(bucket), some(rest)),
        None => match rest.split_once('/') {
            Some((bucket, key)) => (some(bucket), some(key)),
            None => (some(rest), None),
        },
    };
    Some(Target { path, path_style, bucket, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uri: &str, host: &str) -> Option<(Option<String>, Option<String>)> {
        let uri: Uri = uri.parse().unwrap();
        resolve(&uri, Some(host), &["s3.example.com".into()]).map(|t| (t.bucket, t.key))
    }

    fn pair(bucket: &str, key: &str) -> Option<(Option<String>, Option<String>)> {
        let some = |t: &str| (!t.is_empty()).then(|| t.to_owned());
        Some((some(bucket), some(key)))
    }

    #[test]
    fn both_styles_name_the_same_things() {
        assert_eq!(target("/b/k/x", "127.0.0.1:9000"), pair("b", "k/x"));
        assert_eq!(target("/k/x", "b.s3.example.com:9000"), pair("b", "k/x"));
        assert_eq!(target("/k", "a.b.S3.example.com"), pair("a.b", "k"));
        assert_eq!(target("/b/k", "s3.example.com"), pair("b", "k"));
        assert_eq!(target("/b/k", "notS3.example.com"), pair("b", "k"));
        assert_eq!(target("/b/k", "evils3.example.com"), pair("b", "k"));
        assert_eq!(target("/", "h"), pair("", ""));
        assert_eq!(target("/b/", "h"), pair("b", ""));
    }

    #[test]
    fn keys_keep_every_byte() {
        assert_eq!(target("/b//k", "h"), pair("b", "/k"));
        assert_eq!(target("/b/a%2Fb", "h"), pair("b", "a/b"));
        assert_eq!(target("/b/../x", "h"), pair("b", "../x"));
        assert_eq!(target("/b/%2e%2e/x+y", "h"), pair("b", "../x+y"));
        assert_eq!(target("/b/a//b/", "h"), pair("b", "a//b/"));
        assert_eq!(target("/b/%ff", "h"), None);
        assert_eq!(target("/b/%zz", "h"), None);
    }

    proptest::proptest! {
        #[test]
        fn path_style_and_parsed_target_agree(key in "[ -~]{1,40}") {
            let encoded = crate::auth::encode_percent(key.as_bytes(), true);
            let uri: Uri = format!("/bucket/{encoded}").parse().unwrap();
            let plain = resolve(&uri, Some("h"), &[]).unwrap();
            proptest::prop_assert_eq!(plain.key.as_deref(), Some(key.as_str()));
            let uri: Uri = format!("/{encoded}").parse().unwrap();
            let hosted = resolve(&uri, Some("bucket.d"), &["d".into()]).unwrap();
            proptest::prop_assert_eq!(hosted.path_style, plain.path_style);
        }
    }
}
