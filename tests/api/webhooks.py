"""The end of a job is told to its webhook, signed, also when the server is killed before it has been.

usage: webhooks.py BIN
"""

import base64
import hashlib
import hmac
import http.server
import json
import pathlib
import queue
import sys
import tempfile
import threading
import urllib.error
import urllib.request

from running import running

SECRET = bytes(range(32))


class Receiver(http.server.ThreadingHTTPServer):
    """Gives each request to whoever waits for it, who says what it is answered with."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = queue.Queue()
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.origin = f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        answer = queue.Queue()
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.requests.put((self.headers, body, answer))
        self.send_response(answer.get())
        self.end_headers()

    def log_message(self, *_):
        pass


def signed(headers, body: bytes) -> bool:
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.digest(SECRET, text, hashlib.sha256)).decode()
    return headers["webhook-signature"] == f"v1,{mac}"


def create(server, url: str) -> str:
    body = json.dumps({"spec": {"prompt": "x"}, "webhookUrl": url}).encode()
    return json.load(urllib.request.urlopen(f"http://{server.http}/v1/jobs", body))["id"]


def main() -> None:
    receiver = Receiver()
    with tempfile.NamedTemporaryFile("w") as secret:
        print("whsec_" + base64.b64encode(SECRET).decode(), file=secret, flush=True)
        flags = ("--webhooks", receiver.origin, "--webhook-secret-file", secret.name)
        with running(pathlib.Path(sys.argv[1]), None, flags) as server:
            job = create(server, receiver.origin + "/done")
            headers, body, answer = receiver.requests.get(timeout=60)
            assert headers["webhook-id"] == job and signed(headers, body), headers
            assert json.loads(body)["state"] == "JOB_STATE_SUCCEEDED", body
            server.kill_server()  # before it has its answer
            answer.put(500)
            server.start_server()
            headers, body, answer = receiver.requests.get(timeout=60)
            assert headers["webhook-id"] == job and signed(headers, body), headers
            answer.put(204)

            server.start_worker()
            second = create(server, receiver.origin + "/done")
            headers, body, answer = receiver.requests.get(timeout=60)
            assert headers["webhook-id"] == second, headers  # the first is settled
            answer.put(204)
            try:
                create(server, "http://127.0.0.1:1/elsewhere")
                raise AssertionError("a URL of another origin was taken")
            except urllib.error.HTTPError as refused:
                assert refused.code == 400, refused


if __name__ == "__main__":
    main()
