"""A key-value store on a socket: one JSON array a line in, one JSON value a line out.

    ["GET", key]            the value, or null
    ["SETNX", key, value]   true if the key was absent
    ["CAS", key, old, new]  true if the value was `old`
    ["DEL", key]            true if the key was there
    ["APPEND", key, entry]  the number of entries of the ledger of that name, now
    ["LEN", key]            the same, without adding one

With --file it keeps what it was told over a restart.
"""

import argparse
import contextlib
import json
import socketserver
import sys
import threading
import traceback


class Store:
    def __init__(self, path):
        self.lock = threading.Lock()
        self.values = {}
        self.ledgers = {}
        self.journal = None
        if path:
            with contextlib.suppress(FileNotFoundError), open(path) as lines:
                for line in lines:
                    # The last line is half a one if the store was killed while it wrote.
                    if line.endswith("\n"):
                        self.apply(json.loads(line))
            self.journal = open(path, "a")

    def ask(self, command):
        with self.lock:
            answer = self.apply(command)
            if self.journal and command[0] not in ("GET", "LEN"):
                self.journal.write(json.dumps(command) + "\n")
                self.journal.flush()
            return answer

    def apply(self, command):
        verb, key, *rest = command
        if verb == "GET":
            return self.values.get(key)
        if verb == "SETNX":
            return key not in self.values and self.put(key, rest[0])
        if verb == "CAS":
            return key in self.values and self.values[key] == rest[0] and self.put(key, rest[1])
        if verb == "DEL":
            return self.values.pop(key, None) is not None
        if verb == "APPEND":
            self.ledgers.setdefault(key, []).append(rest[0])
            return len(self.ledgers[key])
        if verb == "LEN":
            return len(self.ledgers.get(key, []))
        raise ValueError("unknown command " + verb)

    def put(self, key, value):
        self.values[key] = value
        return True


class Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        for line in self.rfile:
            answer = self.server.store.ask(json.loads(line))
            self.wfile.write(json.dumps(answer).encode() + b"\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            traceback.print_exc()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--file")
    settings = parser.parse_args()
    server = Server(("127.0.0.1", settings.port), Handler)
    server.store = Store(settings.file)
    print("listening on 127.0.0.1:%d" % server.server_address[1], flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


main()
