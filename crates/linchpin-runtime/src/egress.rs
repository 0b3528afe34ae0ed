//! Where requests may go: rules over parsed URLs and addresses, without I/O.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use linchpin::{Actor, Code, Error, Result};
use url::{Host, Url};

/// Scheme, host and port of a URL: what an operator gives leave for, and what a list must not leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of a URL; `None` when it is not `http` or `https`, or names no host.
    pub(crate) fn of(url: &Url) -> Option<Origin> {
        let host = url.host_str().filter(|host| !host.is_empty())?;
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        let port = url.port_or_known_default()?;
        Some(Origin { scheme: url.scheme().to_owned(), host: host.to_owned(), port })
    }

    /// Whether a URL is at this origin.
    pub(crate) fn holds(&self, url: &Url) -> bool {
        url.port_or_known_default() == Some(self.port)
            && url.host_str() == Some(self.host.as_str())
            && url.scheme() == self.scheme
    }

    /// The same path and query at this origin.
    pub(crate) fn rebase(&self, url: Url) -> Result<Url> {
        let rest = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let host = &self.host;
        let text = format!("{}://{host}:{}{rest}", self.scheme, self.port);
        Url::parse(&text)
            .map_err(|error| Error::coded(Code::RequestInvalid, format!("`{text}` is not a URL: {error}")))
    }

    /// The host.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Whether a URL's scheme protects what is sent at least as well.
    fn no_weaker(&self, url: &Url) -> bool {
        url.scheme() == "https" || url.scheme() == self.scheme
    }
}

/// The hosts that a connector's requests go to.
#[derive(Debug, Clone)]
pub(crate) struct Allowed {
    /// The origin of the base URL.
    pub(crate) base: Origin,
    /// Further hosts, with the port where the spec says one.
    pub(crate) hosts: Vec<(String, Option<u16>)>,
    /// Whether the operator gave leave for exactly the base's origin, wherever it is.
    pub(crate) leave: bool,
}

/// How a request may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Passage {
    /// Whether the connection's credentials may go with it.
    pub(crate) trusted: bool,
    /// Where its host may turn out to be.
    pub(crate) reach: Reach,
}

/// Where a host may turn out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// At public addresses.
    Public,
    /// There, and at the places inside that the operator allows.
    Internal,
    /// Anywhere: the operator named exactly this origin.
    Anywhere,
}

/// The places that are not public where the operator lets connectors' hosts be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Internal {
    hosts: Vec<String>,
    networks: Vec<IpNet>,
}

impl Internal {
    /// Adds a network such as `10.0.0.0/8`, an address, or a host by its exact name.
    pub(crate) fn add(&mut self, place: &str) -> Result<()> {
        if let Ok(network) = place.parse::<IpNet>() {
            self.networks.push(network.trunc());
        } else if let Ok(address) = place.parse::<IpAddr>() {
            self.networks.push(address.into());
        } else {
            let whole = Url::parse(&format!("https://{place}/")).ok();
            let host = whole.as_ref().and_then(Url::host_str).filter(|host| host.eq_ignore_ascii_case(place));
            let Some(host) = host.filter(|host| !host.contains('*')) else {
                let message =
                    format!("`{place}` is neither a network, an address nor the exact name of a host");
                return Err(Error::coded(Code::RequestInvalid, message)
                    .actor(Actor::Operator)
                    .hint("write it as `10.1.0.0/16`, `10.1.2.3` or `gitlab.example`"));
            };
            self.hosts.push(host.to_owned());
        }
        Ok(())
    }

    /// Whether a host of this name may be at an address.
    pub(crate) fn admits(&self, name: &str, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.hosts.iter().any(|host| host == name)
            || self.networks.iter().any(|network| network.contains(&address))
    }

    fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.networks.is_empty()
    }
}

impl Allowed {
    /// Judges a request that the flow makes: only to the connector's hosts.
    pub(crate) fn request(&self, url: &Url, internal: &Internal) -> Result<Passage> {
        let passage = self.anywhere(url, internal)?;
        if !passage.trusted {
            let host = url.host_str().unwrap_or_default();
            let message = format!(
                "`{}://{host}` is not a place that the connector's requests go to; name the host in `http.hosts` of the spec",
                url.scheme()
            );
            return Err(Error::coded(Code::HostRefused, message));
        }
        Ok(passage)
    }

    /// Judges the target of a redirect: any public host, without credentials where it is not the connector's.
    pub(crate) fn anywhere(&self, url: &Url, internal: &Internal) -> Result<Passage> {
        self.judge(url, internal, self.trusts(url))
    }

    /// Judges a request to the connection's authorization server, which the spec names.
    pub(crate) fn server(&self, url: &Url, internal: &Internal) -> Result<Passage> {
        self.judge(url, internal, true)
    }

    fn judge(&self, url: &Url, internal: &Internal, trusted: bool) -> Result<Passage> {
        if !matches!(url.scheme(), "http" | "https") {
            let message = format!("requests go over `http` and `https` only, not `{}`", url.scheme());
            return Err(Error::coded(Code::HostRefused, message));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::coded(Code::HostRefused, "a URL with credentials in it is never requested"));
        }
        if self.leave && self.base.holds(url) {
            return Ok(Passage { trusted: true, reach: Reach::Anywhere });
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) => None,
            None => return Err(Error::coded(Code::HostRefused, "the URL names no host")),
        };
        // A service's redirect elsewhere opens nothing that is inside.
        if let Some(address) = address
            && !is_public(address)
            && !(trusted && internal.admits("", address))
        {
            return Err(not_public(&address.to_string()));
        }
        let reach = if trusted && !internal.is_empty() { Reach::Internal } else { Reach::Public };
        Ok(Passage { trusted, reach })
    }

    fn trusts(&self, url: &Url) -> bool {
        // With the operator's leave only the exact origin stands for the base's host.
        if self.base.no_weaker(url) && !self.leave && url.host_str() == Some(self.base.host()) {
            return true;
        }
        let named = self.hosts.iter().any(|(host, port)| {
            url.host_str() == Some(host) && port.is_none_or(|port| url.port_or_known_default() == Some(port))
        });
        // A further host is never told credentials in the clear, also where the operator's mock is.
        named && (url.scheme() == "https" || (!self.leave && self.base.no_weaker(url)))
    }
}

/// The refusal of an address that is not public.
pub(crate) fn not_public(what: &str) -> Error {
    let message =
        format!("`{what}` is not at a public address; requests go there only when the operator allows it");
    Error::coded(Code::HostRefused, message)
}

/// Whether an address is on the public internet: neither private, loopback, link-local, unique-local nor otherwise set
/// aside by the IANA special-purpose address registries (RFC 6890), in any spelling that IPv6 has for IPv4 addresses.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            | (192, 0, 0 | 2)
            | (192, 31, 196)
            | (192, 52, 193)
            | (192, 88, 99)
            | (192, 175, 48)
            | (198, 18..=19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // IPv4-mapped, and NAT64's well-known prefix (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => embedded(high, low),
        // IETF protocol assignments with Teredo, documentation (RFC 3849, RFC 9637).
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Global unicast (RFC 4291 §2.4); everything else is set aside.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn allowed(leave: bool, base: &str) -> Allowed {
        Allowed {
            base: Origin::of(&url(base)).unwrap(),
            hosts: vec![("uploads.example.com".into(), None)],
            leave,
        }
    }

    #[test]
    fn only_the_specs_hosts_are_requested() {
        let allowed = allowed(false, "https://api.example.com/v1");
        for good in
            ["https://api.example.com/x", "https://API.example.com:8443/", "https://uploads.example.com"]
        {
            assert!(allowed.request(&url(good), &Internal::default()).is_ok(), "{good}");
        }
        for bad in [
            "http://api.example.com/x",
            "https://api.example.com.evil.com/",
            "https://example.com",
            "https://user:pass@api.example.com",
            "ftp://api.example.com",
            "https://api.example.com./",
            "data:text/plain,x",
        ] {
            let error = allowed.request(&url(bad), &Internal::default()).unwrap_err();
            assert_eq!(error.code(), Code::HostRefused, "{bad}");
        }
    }

    #[test]
    fn every_spelling_of_a_private_address_is_refused() {
        for bad in [
            "http://127.0.0.1/",
            "http://127.1",
            "http://2130706433/",
            "http://0x7f.0.0.1",
            "http://0177.0.0.1",
            "http://[::1]/",
            "http://[::]",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://[fd00:ec2::254]/latest",
            "http://[fe80::1]",
            "http://[2001:db8::1]",
            "http://169.254.169.254/latest/meta-data",
            "http://10.0.0.1",
            "http://192.168.1.1",
            "http://172.31.255.255",
            "http://100.64.0.1",
            "http://0.0.0.0",
            "http://255.255.255.255",
            "http://\u{ff11}27.0.0.1",
        ] {
            let url = url(bad);
            for allowed in [allowed(false, bad), allowed(true, "http://127.0.0.1:9/")] {
                let error = allowed.anywhere(&url, &Internal::default()).unwrap_err();
                assert_eq!(error.code(), Code::HostRefused, "{bad}");
                assert!(allowed.request(&url, &Internal::default()).is_err(), "{bad}");
            }
        }
        assert!(is_public("93.184.215.14".parse().unwrap()) && is_public("2606:2800::1".parse().unwrap()));
    }

    #[test]
    fn the_operators_leave_is_for_one_origin() {
        let allowed = allowed(true, "http://127.0.0.1:4000/base");
        let passage = allowed.request(&url("http://127.0.0.1:4000/x"), &Internal::default()).unwrap();
        assert_eq!(passage, Passage { trusted: true, reach: Reach::Anywhere });
        for bad in [
            "http://127.0.0.1:4001/",
            "https://127.0.0.1:4000/",
            "http://localhost:4000/",
            "http://127.0.0.1/",
        ] {
            assert!(allowed.request(&url(bad), &Internal::default()).is_err(), "{bad}");
        }
        assert!(allowed.request(&url("http://uploads.example.com"), &Internal::default()).is_err());
        assert!(
            allowed.request(&url("https://uploads.example.com"), &Internal::default()).unwrap().reach
                == Reach::Public
        );
    }

    #[test]
    fn redirects_elsewhere_carry_no_credentials() {
        let allowed = allowed(false, "https://api.example.com");
        assert!(!allowed.anywhere(&url("https://cdn.example.net/x"), &Internal::default()).unwrap().trusted);
        assert!(!allowed.anywhere(&url("http://api.example.com/x"), &Internal::default()).unwrap().trusted);
        assert!(allowed.anywhere(&url("https://api.example.com/x"), &Internal::default()).unwrap().trusted);
    }

    #[test]
    fn an_operator_opens_networks_and_hosts_to_the_connectors_own_hosts_only() {
        let mut internal = Internal::default();
        for place in ["10.1.0.0/16", "192.168.7.7", "fd00:1::/64", "GitLab.corp"] {
            internal.add(place).unwrap();
        }
        for wrong in ["*.corp", "10.0.0.0/99", "", "https://gitlab.corp", "gitlab.corp:8443", "a/b", "10.1"] {
            assert_eq!(internal.add(wrong).unwrap_err().who_must_act(), Actor::Operator, "{wrong}");
        }
        let admits = |name: &str, address: &str| internal.admits(name, address.parse().unwrap());
        assert!(admits("x", "10.1.255.1") && admits("x", "::ffff:10.1.0.1") && admits("x", "192.168.7.7"));
        assert!(admits("gitlab.corp", "10.9.9.9") && admits("x", "fd00:1::5"));
        assert!(
            !admits("x", "10.2.0.1") && !admits("x", "192.168.7.8") && !admits("x.gitlab.corp", "10.9.9.9")
        );

        let allowed = allowed(false, "https://10.1.2.3/api");
        let passage = allowed.request(&url("https://10.1.2.3/api/x"), &internal).unwrap();
        assert_eq!(passage, Passage { trusted: true, reach: Reach::Internal });
        assert!(allowed.anywhere(&url("https://10.1.2.4/"), &internal).is_err(), "a redirect elsewhere");
        let elsewhere = allowed.anywhere(&url("https://gitlab.corp/"), &internal).unwrap();
        assert_eq!(elsewhere, Passage { trusted: false, reach: Reach::Public });
    }

    proptest! {
        #[test]
        fn an_ipv4_address_is_judged_alike_in_every_ipv6_spelling(bits: u32) {
            let address = Ipv4Addr::from(bits);
            let public = is_public_v4(address);
            prop_assert_eq!(is_public_v6(address.to_ipv6_mapped()), public);
            let [a, b, c, d] = address.octets().map(u16::from);
            let (high, low) = (a << 8 | b, c << 8 | d);
            prop_assert_eq!(is_public_v6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low)), public);
            prop_assert_eq!(is_public_v6(Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1)), public);
            if address.is_private() || address.is_loopback() || address.is_link_local() || address.is_multicast() {
                prop_assert!(!public);
            }
        }
    }
}
