"""Stands in front of one service of a site, and does harm to one request.

The site's catalog is changed to name it, so the client under test comes here
by itself and needs no setting of its own. What it can do to the first request
that matches: `lose` (carry it out, then drop the answer), `drop` (break the
connection before it reaches the site), `freeze` (freeze the service at that
very moment, so that the request waits in its buffer until the site is
healed), `kill` (end the service at that moment; the request is lost)."""

import http.client
import http.server
import threading

from cloud import PORTS, Cloud, freeze, refuse

DAEMON = {"compute": "nova-api", "network": "neutron", "image": "glance"}


class Proxy:
    def __init__(self, k, service, request, harm):
        self.k, self.service, self.harm = k, service, harm
        self.method, self.path = request.split()
        self.armed, self.lock, self.hits = True, threading.Lock(), 0
        self.port = PORTS[service][0] + 10000
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                proxy.forward(self)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(
            (f"127.0.1.{k}", self.port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()
        self.admin = Cloud(k, admin=True)
        kind = self.admin.call("GET", "identity", f"/services?type={service}"
                               ).body["services"][0]["id"]
        self.endpoint = self.admin.call(
            "GET", "identity", f"/endpoints?service_id={kind}&interface=public"
        ).body["endpoints"][0]
        self.advertise(self.endpoint["url"].replace(
            f":{PORTS[service][0]}", f":{self.port}"))

    def advertise(self, url):
        self.admin.call("PATCH", "identity",
                        f"/endpoints/{self.endpoint['id']}",
                        {"endpoint": {"url": url}})

    def close(self):
        self.advertise(self.endpoint["url"])
        self.server.shutdown()
        self.server.server_close()

    def forward(self, client):
        """One request to the site and its answer back, but for the harm."""
        length = int(client.headers.get("Content-Length") or 0)
        body = client.rfile.read(length) if length else None
        with self.lock:
            struck = (self.armed and client.command == self.method
                      and client.path.split("?")[0] == self.path)
            if struck:
                self.armed, self.hits = False, self.hits + 1
        client.close_connection = True
        if struck and self.harm == "drop":
            return
        if struck and self.harm == "freeze":
            freeze(self.k, DAEMON[self.service])
        if struck and self.harm == "kill":
            refuse(self.k, DAEMON[self.service])
        site = http.client.HTTPConnection(
            f"127.0.1.{self.k}", PORTS[self.service][0], timeout=300)
        try:
            site.request(client.command, client.path, body, {
                name: value for name, value in client.headers.items()
                if name.lower() != "connection"})
            reply = site.getresponse()
            text = reply.read()
            if struck and self.harm == "lose":
                return
            client.send_response_only(reply.status, reply.reason)
            for name, value in reply.getheaders():
                if name.lower() not in ("connection", "transfer-encoding",
                                        "content-length"):
                    client.send_header(name, value)
            client.send_header("Content-Length", str(len(text)))
            client.send_header("Connection", "close")
            client.end_headers()
            if client.command != "HEAD":
                client.wfile.write(text)
        except (OSError, http.client.HTTPException):
            return              # no answer: the client sees that too
        finally:
            site.close()
