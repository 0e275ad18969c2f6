"""What the seeded servers share: HTTP, sqlite, the ledger of effects, the answers."""

import argparse
import contextlib
import hashlib
import json
import secrets
import socketserver
import sqlite3
import sys
import threading
import time
import traceback
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

BODY_MAX = 1024 * 1024
# A body that is refused is still read up to here, so that its client sees the answer and not a reset.
DRAIN_MAX = 64 * 1024 * 1024
KEY_MAX = 255

Request = namedtuple("Request", "tenant key body fingerprint slow fail")


class Answer(namedtuple("Answer", "status headers body")):
    """Headers are a dict, the body is text."""

    def dump(self):
        return json.dumps(self._asdict())

    @staticmethod
    def load(text):
        return Answer(**json.loads(text))

    def replayed(self):
        return self._replace(headers={**self.headers, "Idempotency-Replayed": "true"})


class Failure(Exception):
    """The handler failed before its effect."""


def problem(status, title):
    body = json.dumps({"title": title, "status": status})
    return Answer(status, {"Content-Type": "application/problem+json"}, body)


def conflict():
    return problem(409, "a request with this key is in flight")


def mismatch():
    return problem(422, "this key was used with another body")


def new_payment(request):
    payment = secrets.token_hex(8)
    try:
        amount = json.loads(request.body)["amount"]
    except (ValueError, TypeError, LookupError, RecursionError):
        amount = None
    if not isinstance(amount, int):
        amount = None
    headers = {
        "Content-Type": "application/json",
        "X-Payment-Id": payment,
        "Location": "/payments/" + payment,
    }
    return Answer(201, headers, json.dumps({"payment": payment, "amount": amount}))


def now_ms():
    # Of the wall, since it is stored and has to mean something after a restart.
    return int(time.time() * 1000)


class Database:
    """One connection for all threads of this process; other processes may have the file open too."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.connection = sqlite3.connect(
            path or ":memory:", timeout=20, isolation_level=None, check_same_thread=False
        )
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")

    @contextlib.contextmanager
    def transaction(self):
        """Nobody else writes between its first line and its last."""
        with self.lock:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
            except BaseException:
                self.connection.execute("ROLLBACK")
                raise
            self.connection.execute("COMMIT")


# `epoch` counts the claims of a key: it is the token of the present owner, and rows stay so that it only grows.
# `until` is the end of the lease of a claim, then the end of the receipt. A released row has no fingerprint.
RECEIPTS = """
CREATE TABLE IF NOT EXISTS receipts (
    tenant TEXT, key TEXT, epoch INTEGER, fingerprint TEXT, until INTEGER, answer TEXT,
    PRIMARY KEY (tenant, key)
)
"""
EFFECTS = "CREATE TABLE IF NOT EXISTS effects (tenant TEXT, key TEXT, payment TEXT)"
EFFECTS_BY_KEY = "CREATE INDEX IF NOT EXISTS effects_by_key ON effects (tenant, key)"

Receipt = namedtuple("Receipt", "epoch fingerprint until answer")
NOTHING = Receipt(0, None, 0, None)


def look(db, request):
    row = db.execute(
        "SELECT epoch, fingerprint, until, answer FROM receipts WHERE tenant = ? AND key = ?",
        (request.tenant, request.key),
    ).fetchone()
    return Receipt(*row) if row else NOTHING


def verdict(receipt, request):
    """What the receipt answers, or None if the request may execute."""
    over = receipt.until <= now_ms()
    if receipt.fingerprint is None or (receipt.answer is not None and over):
        return None
    if receipt.fingerprint != request.fingerprint:
        return mismatch()
    if receipt.answer is not None:
        return Answer.load(receipt.answer).replayed()
    return None if over else conflict()


def add_effect(db, request, answer):
    payment = answer.headers["X-Payment-Id"]
    db.execute("INSERT INTO effects VALUES (?, ?, ?)", (request.tenant, request.key, payment))


class Service:
    """A bug is a subclass with its own `pay`."""

    def __init__(self, settings):
        self.settings = settings
        self.database = Database(settings.store)
        with self.database.transaction() as db:
            for table in (RECEIPTS, EFFECTS, EFFECTS_BY_KEY):
                db.execute(table)

    def pay(self, request):
        raise NotImplementedError

    def work(self, request):
        """The part that takes time; what it promises is done by the effect that follows."""
        time.sleep((self.settings.work if request.slow is None else request.slow) / 1000)
        if request.fail:
            raise Failure("the provider is down")

    def effects(self, tenant, key):
        with self.database.transaction() as db:
            return db.execute(
                "SELECT COUNT(*) FROM effects WHERE tenant = ? AND key = ?", (tenant, key)
            ).fetchone()[0]


def unquoted(key):
    if len(key) >= 2 and key[0] == key[-1] == '"':
        return key[1:-1]
    return key


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self):
        body = self.read_body()
        if isinstance(body, Answer):
            self.send(body)
        elif body is not None:
            self.send(self.pay(body) if self.path == "/pay" else problem(404, "not found"))

    def do_GET(self):
        address = urlsplit(self.path)
        if address.path != "/effects":
            return self.send(problem(404, "not found"))
        # Headers are read as Latin-1, so the query is too: the same bytes are the same key.
        query = parse_qs(address.query, keep_blank_values=True, encoding="latin-1")
        key = unquoted(query.get("key", [""])[0])
        count = self.server.service.effects(self.headers.get("X-Tenant", ""), key)
        self.send(Answer(200, {"Content-Type": "application/json"}, json.dumps({"effects": count})))

    def read_body(self):
        """The bytes, the answer that refuses them, or None if the client has gone."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdigit():
            self.close_connection = True
            return problem(411, "a Content-Length is needed")
        length = int(length)
        if length > BODY_MAX:
            left = min(length, DRAIN_MAX)
            while left:
                chunk = self.rfile.read(min(left, 65536))
                if not chunk:
                    break
                left -= len(chunk)
            self.close_connection = True
            return problem(413, "the body is larger than 1 MiB")
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return None
        return body

    def pay(self, body):
        key = unquoted(self.headers.get("Idempotency-Key", ""))
        if not 0 < len(key) <= KEY_MAX:
            return problem(400, "an Idempotency-Key of 1 to 255 characters is needed")
        slow = self.headers.get("X-Slow", "")
        request = Request(
            tenant=self.headers.get("X-Tenant", ""),
            key=key,
            body=body,
            fingerprint=hashlib.sha256(body).hexdigest(),
            slow=int(slow) if slow.isdigit() else None,
            fail=self.headers.get("X-Fail") == "1",
        )
        try:
            return self.server.service.pay(request)
        except Failure as failure:
            return problem(500, str(failure))
        except Exception:
            traceback.print_exc()
            return problem(500, "internal error")

    def send(self, answer):
        body = answer.body.encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def server_bind(self):
        # Without the look-up of the host's name, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request, client_address):
        # Clients that cut the connection are part of the game.
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            traceback.print_exc()


def main(service, options=()):
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fixed", action="store_true")
    parser.add_argument("--store")
    for name, default in (("--lease", 1000), ("--ttl", 1500), ("--work", 5)):
        parser.add_argument(name, type=int, default=default, metavar="MS")
    for option in options:
        parser.add_argument(option, required=True)
    settings = parser.parse_args()
    server = Server(("127.0.0.1", settings.port), Handler)
    server.service = service(settings)
    print("listening on 127.0.0.1:%d" % server.server_port, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
