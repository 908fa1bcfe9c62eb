#!/usr/bin/env python3
"""A backend in Python's standard library that announces itself, renews its lease and leaves in order.

    python3 examples/announce_with_python.py 8080
"""
import json
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
BALANCER = os.environ.get("LINEBACKER", "http://127.0.0.1:9797")
ID = f"python-{PORT}"


class Hello(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"hello from Python\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def call(method, path, body=None):
    request = urllib.request.Request(f"{BALANCER}/v1/backends/{ID}{path}", method=method)
    data = None
    if body is not None:
        data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, data=data, timeout=3) as response:
        text = response.read()
        return json.loads(text) if text else {}


def keep_lease(stop):
    lease = None
    wait = 0.0
    while not stop.wait(wait):
        try:
            if lease is None:
                lease = call("PUT", "", {"address": f":{PORT}", "capacity": {"compute": 20, "storage": 13},
                                         "incarnation": int(time.time() * 1000)})
            else:
                call("POST", "/renew", {"generation": lease["generation"]})
            wait = lease["renewMs"] / 1000
        except urllib.error.HTTPError as error:
            # 404: the balancer has restarted and does not know us.
            if error.code == 404:
                lease, wait = None, 0.0
            else:
                print(f"refused: {error.read().decode()}", file=sys.stderr)
                wait = 5.0
        except OSError:
            wait = 1.0
    if lease is not None:
        try:
            call("DELETE", "", {"generation": lease["generation"]})
        except OSError:
            pass


def main():
    stop = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Hello)
    keeper = threading.Thread(target=keep_lease, args=(stop,))
    keeper.start()

    def end(*_):
        stop.set()
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    server.serve_forever()
    keeper.join()


main()
