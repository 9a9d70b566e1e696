//! The least client that these tests need: one account of one site, JSON in and out.

use std::time::Duration;

use bytes::Bytes;
use edge::sim::World;
use edge::transport::{Transport, TransportError, full_body};
use http_body_util::BodyExt;
use serde_json::{Value, json};

pub struct Client {
    transport: Box<dyn Transport>,
    pub base: String,
    pub token: String,
}

pub struct Answered {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

impl Answered {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

impl Client {
    /// Without a token.
    pub fn stranger(world: &World, site: &str) -> Self {
        let account = world.accounts().into_iter().find(|account| account.site == site).unwrap();
        let base = account.auth_url.strip_suffix("/identity/v3").unwrap().to_string();
        Client { transport: Box::new(world.transport()), base, token: String::new() }
    }

    /// With a token of the site's first account, an administrator.
    pub async fn at(world: &World, site: &str) -> Self {
        Client::named(world, site, "admin", "admin").await
    }

    pub async fn named(world: &World, site: &str, user: &str, project: &str) -> Self {
        let mut client = Client::stranger(world, site);
        let password = format!("{}-secret", site.to_lowercase());
        let answer = client.post("/identity/v3/auth/tokens", by_password(user, &password, project)).await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        client.token = answer.header("x-subject-token").to_string();
        client
    }

    pub async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answered, TransportError> {
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        request = request.header("x-auth-token", &self.token).header("accept", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.transport.send(request.body(full_body(body)).unwrap()).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| TransportError::Lost(error.to_string()))?.to_bytes();
        Ok(Answered { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answered {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Answered {
        self.send("GET", path, &[], "").await
    }

    pub async fn delete(&self, path: &str) -> Answered {
        self.send("DELETE", path, &[], "").await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answered {
        self.send("POST", path, &[("content-type", "application/json")], body.to_string()).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answered {
        self.send("PUT", path, &[("content-type", "application/json")], body.to_string()).await
    }

    /// At a compute microversion.
    pub async fn post_at(&self, version: &str, path: &str, body: Value) -> Answered {
        let version = format!("compute {version}");
        let headers = [("openstack-api-version", version.as_str()), ("content-type", "application/json")];
        self.send("POST", path, &headers, body.to_string()).await
    }

    pub async fn get_at(&self, version: &str, path: &str) -> Answered {
        self.send("GET", path, &[("openstack-api-version", &format!("compute {version}"))], "").await
    }

    /// The id of the site's image `cirros`.
    pub async fn cirros(&self) -> String {
        let images = self.get("/image/v2/images?name=cirros").await.json();
        images["images"][0]["id"].as_str().unwrap().to_string()
    }

    /// The body of a request for a server of flavor `tiny` from `cirros`, with more members.
    pub async fn server(&self, name: &str, more: Value) -> Value {
        let mut server =
            json!({"name": name, "flavorRef": "tiny", "imageRef": self.cirros().await, "networks": "auto"});
        for (key, value) in more.as_object().unwrap() {
            server[key] = value.clone();
        }
        json!({"server": server})
    }

    pub async fn boot(&self, name: &str, more: Value) -> String {
        let answer = self.post_at("2.93", "/compute/v2.1/servers", self.server(name, more).await).await;
        assert_eq!(answer.status, 202, "{:?}", answer.body);
        answer.json()["server"]["id"].as_str().unwrap().to_string()
    }
}

pub fn by_password(user: &str, password: &str, project: &str) -> Value {
    json!({"auth": {
        "identity": {"methods": ["password"], "password": {"user": {
            "name": user, "domain": {"name": "Default"}, "password": password,
        }}},
        "scope": {"project": {"name": project, "domain": {"id": "default"}}},
    }})
}

/// Lets virtual time pass.
pub async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
