//! A browser, as far as cookies go.

use std::collections::BTreeMap;

use anchor_tests::http::{Answer, Call, Served};
use axum::http::header::CONTENT_TYPE;

pub(crate) struct Browser<'s> {
    served: &'s Served,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl<'s> Browser<'s> {
    pub(crate) fn new(served: &'s Served) -> Self {
        Self { served, cookies: BTreeMap::new() }
    }

    /// The value of its `Cookie` header.
    pub(crate) fn cookie(&self) -> String {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, it)| format!("{name}={it}")).collect();
        pairs.join("; ")
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let call = self.served.get(path);
        self.send(call).await
    }

    pub(crate) async fn form(&mut self, path: &str, form: &str) -> Answer {
        let call = self.served.post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(call.body(form.to_owned())).await
    }

    pub(crate) async fn json(&mut self, path: &str, json: &impl serde::Serialize) -> Answer {
        let call = self.served.post(path).json(json);
        self.send(call).await
    }

    /// Sends plain text.
    pub(crate) async fn post(&mut self, path: &str, text: &str) -> Answer {
        let call = self.served.post(path).body(text.to_owned());
        self.send(call).await
    }

    async fn send(&mut self, call: Call<'_>) -> Answer {
        let answer = call.cookie(self.cookie()).send().await;
        for cookie in answer.set_cookies() {
            let (pair, attributes) = cookie.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}
