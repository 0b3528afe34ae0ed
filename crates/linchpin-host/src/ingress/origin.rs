//! By which URL a service called, as far as the request tells.

use std::net::IpAddr;

use ipnet::IpNet;
use linchpin::{
    Actor, Code, Error, Result,
    http::{HeaderMap, HeaderValue, header::HOST},
};

/// Networks of proxies whose `X-Forwarded-Proto` and `X-Forwarded-Host` are believed; of anybody else they are not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    /// These networks or addresses, as in `10.0.0.0/8` and `192.0.2.7`.
    ///
    /// # Errors
    ///
    /// [`Code::ConnectionInvalid`] for what is neither.
    pub fn new(networks: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Proxies> {
        let read = |text: &str| {
            let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            network.map_err(|_| {
                let message = format!("`{text}` is neither an address nor a network");
                Error::coded(Code::ConnectionInvalid, message)
                    .actor(Actor::Operator)
                    .hint("name the proxy as `192.0.2.7`, or its network as `10.0.0.0/8`")
            })
        };
        networks.into_iter().map(|text| read(text.as_ref())).collect::<Result<_>>().map(Proxies)
    }

    pub(super) fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Scheme and host of the URL that was called: what the request says, and behind a proxy what that says.
pub(super) fn of(headers: &HeaderMap, proxied: bool) -> String {
    let forwarded = |name: &str| headers.get(name).filter(|_| proxied).and_then(last);
    let scheme = forwarded("x-forwarded-proto").unwrap_or("http");
    let host = forwarded("x-forwarded-host").or_else(|| headers.get(HOST).and_then(last));
    [scheme, "://", host.unwrap_or("localhost")].concat()
}

/// Each proxy adds its own behind those of others; ours is the last.
fn last(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()?.rsplit(',').next().map(str::trim).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        all.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_a_named_proxy_is_believed() {
        let proxies = Proxies::new(["10.0.0.0/8", "192.0.2.7"]).unwrap();
        for (address, named) in [
            ("10.1.2.3", true),
            ("192.0.2.7", true),
            ("::ffff:10.1.2.3", true),
            ("192.0.2.8", false),
            ("::1", false),
        ] {
            assert_eq!(proxies.has(address.parse().unwrap()), named, "{address}");
        }
        assert!(Proxies::new(["proxy.example"]).is_err());

        let said = headers(&[
            ("host", "inside:8080"),
            ("x-forwarded-proto", "gopher, https"),
            ("x-forwarded-host", "evil.example, hooks.example"),
        ]);
        assert_eq!(of(&said, true), "https://hooks.example");
        assert_eq!(of(&said, false), "http://inside:8080");
        assert_eq!(of(&headers(&[("host", "inside")]), true), "http://inside");
    }
}
