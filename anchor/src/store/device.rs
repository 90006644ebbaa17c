//! [`Device`]: what a user agent says that it is, in a person's words.
//!
//! The tables here are short on purpose. Browsers have frozen their user agents: what is left is a
//! name and a system, which change once in years. The libraries that are maintained need a file of
//! hundreds of regular expressions at run time, and take a quarter of a second to compile it. Most
//! of what they know is of no use to someone who looks for the session that is not theirs.

use std::fmt;

use super::ClientInfo;

/// What a user agent says that it is: its [`Display`](fmt::Display) is such as `Firefox on Linux`.
///
/// It shows only names of anchor's own, and never the client's text, so a page can contain it
/// without escaping. A client may claim to be any device: an iPad says that it is a Mac, and
/// whoever stole a token can say the same as its owner. It is for recognizing one's own devices,
/// and for no decision.
///
/// ```
/// use anchor::store::ClientInfo;
///
/// let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
/// let client = ClientInfo::new(None, Some(agent));
/// assert_eq!(client.device().to_string(), "Firefox on Linux");
/// assert_eq!(client.device().browser(), Some("Firefox"));
/// assert_eq!(ClientInfo::new(None, None).device().to_string(), "Unknown device");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Device {
    browser: Option<&'static str>,
    system: Option<&'static str>,
}

/// What is in a user agent, and whose it is. The first match counts: most browsers also name the
/// ones that they descend from.
const BROWSERS: [(&str, &str); 22] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex Browser"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Ddg/", "DuckDuckGo"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    // A browser that an app embeds.
    ("; wv)", "App"),
    ("Electron/", "App"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("Trident/", "Internet Explorer"),
    ("okhttp/", "App"),
    ("CFNetwork/", "App"),
    ("curl/", "curl"),
    ("Wget/", "Wget"),
];

/// The same for systems. Those that say that they are like another one come before it.
const SYSTEMS: [(&str, &str); 9] = [
    ("Windows", "Windows"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "Mac"),
    ("Mac OS X", "Mac"),
    ("Darwin", "Apple device"),
    ("Linux", "Linux"),
];

impl Device {
    /// Reads a user agent. Costs a search of the text, which is short, and nothing else.
    ///
    /// ```
    /// use anchor::store::Device;
    ///
    /// let device = Device::of("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Firefox/145.0");
    /// assert_eq!((device.browser(), device.system()), (Some("Firefox"), Some("Windows")));
    /// ```
    pub fn of(user_agent: &str) -> Self {
        let first = |table: &[(&str, &'static str)]| {
            table.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
        };
        Self { browser: first(&BROWSERS), system: first(&SYSTEMS) }
    }

    /// Returns the browser's name, `App` for a browser within an app, or `None` if it is unknown.
    pub fn browser(&self) -> Option<&'static str> {
        self.browser
    }

    /// Returns the name of the operating system or of the device, or `None` if it is unknown.
    pub fn system(&self) -> Option<&'static str> {
        self.system
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.browser, self.system) {
            (Some(browser), Some(system)) => write!(f, "{browser} on {system}"),
            (Some(name), None) | (None, Some(name)) => f.write_str(name),
            (None, None) => f.write_str("Unknown device"),
        }
    }
}

impl ClientInfo {
    /// Returns what the user agent says that it is, in a person's words.
    pub fn device(&self) -> Device {
        Device::of(self.user_agent().unwrap_or(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_as_their_owners_name_them() {
        let chrome = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0";
        let windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)";
        let android = "Mozilla/5.0 (Linux; Android 10; K)";
        let iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 \
                      (KHTML, like Gecko)";
        for (agent, name) in [
            (&*format!("{windows} {chrome} Safari/537.36"), "Chrome on Windows"),
            (&format!("{windows} {chrome} Safari/537.36 Edg/142.0.0.0"), "Edge on Windows"),
            (&format!("{windows} {chrome} Safari/537.36 OPR/124.0.0.0"), "Opera on Windows"),
            (&format!("{windows} {chrome} Safari/537.36 Vivaldi/7.6"), "Vivaldi on Windows"),
            (
                "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
                "Internet Explorer on Windows",
            ),
            (&format!("{android} {chrome} Mobile Safari/537.36"), "Chrome on Android"),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) \
                 SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
                "Samsung Internet on Android",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15; Pixel 9; wv) AppleWebKit/537.36 (KHTML, like \
                 Gecko) Version/4.0 Chrome/142.0.0.0 Mobile Safari/537.36",
                "App on Android",
            ),
            (
                "Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0",
                "Firefox on Android",
            ),
            (&format!("{iphone} Version/18.6 Mobile/15E148 Safari/604.1"), "Safari on iPhone"),
            (&format!("{iphone} CriOS/142.0 Mobile/15E148 Safari/604.1"), "Chrome on iPhone"),
            (&format!("{iphone} FxiOS/145.0 Mobile/15E148 Safari/605.1.15"), "Firefox on iPhone"),
            (&format!("{iphone} EdgiOS/142.0 Mobile/15E148 Safari/605.1.15"), "Edge on iPhone"),
            (&format!("{iphone} Mobile/15E148"), "iPhone"),
            (
                "Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like \
                 Gecko) Version/12.1 Mobile/15E148 Safari/604.1",
                "Safari on iPad",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, \
                 like Gecko) Version/26.0 Safari/605.1.15",
                "Safari on Mac",
            ),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/142.0.0.0 Safari/537.36",
                "Chrome on ChromeOS",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
                "Firefox on Linux",
            ),
            ("Shop/3.1 CFNetwork/3860.100.1 Darwin/25.0.0", "App on Apple device"),
            ("okhttp/4.12.0", "App"),
            ("curl/8.14.1", "curl"),
            ("<script>alert(1)</script>", "Unknown device"),
            ("", "Unknown device"),
        ] {
            assert_eq!(Device::of(agent).to_string(), name, "{agent}");
        }
    }

    #[test]
    fn browser_and_system_can_be_had_one_by_one() {
        let device = Device::of("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Firefox/145.0");
        assert_eq!((device.browser(), device.system()), (Some("Firefox"), Some("Linux")));
        let unknown = Device::of("");
        assert_eq!((unknown.browser(), unknown.system()), (None, None));
    }

    #[test]
    fn no_name_is_hidden_by_one_before_it() {
        for table in [&BROWSERS[..], &SYSTEMS] {
            for (index, (mark, _)) in table.iter().enumerate() {
                let hidden = table[..index].iter().any(|(earlier, _)| mark.contains(earlier));
                assert!(!hidden, "{mark}");
            }
        }
    }
}
