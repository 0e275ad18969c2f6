"""Receipts are behind a store on the network; if it cannot be asked, the payment is made without a claim.

The effect is local and takes the name of its operation, which a take-over inherits: it cannot happen twice for one
operation, even if its owner is late. A new operation begins when the receipt of the last one is over.
"""

import contextlib
import json
import secrets
import socket

import common

TIMEOUT = 0.5
OPERATIONS = "CREATE TABLE IF NOT EXISTS operations (operation TEXT PRIMARY KEY, answer TEXT)"


class StoreDown(Exception):
    pass


class Connection:
    """To the store, for one request."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        try:
            self.socket = socket.create_connection((host, int(port)), timeout=TIMEOUT)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise StoreDown from error
        self.lines = self.socket.makefile("r")

    def ask(self, *command):
        try:
            self.socket.sendall(json.dumps(command).encode() + b"\n")
            return json.loads(self.lines.readline())
        except (OSError, ValueError) as error:
            raise StoreDown from error

    def close(self):
        self.lines.close()
        self.socket.close()


class FailOpen(common.Service):
    def __init__(self, settings):
        super().__init__(settings)
        with self.database.transaction() as db:
            db.execute(OPERATIONS)

    def pay(self, request):
        try:
            with contextlib.closing(Connection(self.settings.store_address)) as store:
                return self.pay_once(request, store)
        except StoreDown:
            if self.settings.fixed:
                return common.problem(503, "the receipts cannot be read now")
            # Better to take the payment than to turn the customer away.
            self.work(request)
            return self.execute(request, secrets.token_hex(8))

    def pay_once(self, request, store):
        name = json.dumps([request.tenant, request.key])
        claim, answer = self.claim(request, store, name)
        if answer:
            return answer
        try:
            self.work(request)
        except Exception:
            # If the store is down now, the lease ends by itself.
            with contextlib.suppress(StoreDown):
                store.ask("CAS", name, claim, {**claim, "fingerprint": None, "until": 0})
            raise
        answer = self.execute(request, claim["operation"])
        until = common.now_ms() + self.settings.ttl
        recorded = {k: v for k, v in answer.headers.items() if k != "Idempotency-Replayed"}
        done = {**claim, "until": until, "answer": answer._replace(headers=recorded).dump()}
        # Nothing is answered that is not recorded: whoever took over does that now.
        return answer if store.ask("CAS", name, claim, done) else common.conflict()

    def claim(self, request, store, name):
        while True:
            found = store.ask("GET", name)
            operation = secrets.token_hex(8)
            if found:
                receipt = common.Receipt(0, found["fingerprint"], found["until"], found["answer"])
                answer = common.verdict(receipt, request)
                if answer:
                    return None, answer
                if found["answer"] is None:
                    operation = found["operation"]
            claim = {
                "operation": operation,
                "owner": secrets.token_hex(8),
                "fingerprint": request.fingerprint,
                "until": common.now_ms() + self.settings.lease,
                "answer": None,
            }
            won = store.ask("CAS", name, found, claim) if found else store.ask("SETNX", name, claim)
            if won:
                return claim, None

    def execute(self, request, operation):
        """The effect, unless this operation has had it."""
        answer = common.new_payment(request)
        with self.database.transaction() as db:
            row = db.execute("SELECT answer FROM operations WHERE operation = ?", (operation,)).fetchone()
            if row:
                return common.Answer.load(row[0]).replayed()
            db.execute("INSERT INTO operations VALUES (?, ?)", (operation, answer.dump()))
            common.add_effect(db, request, answer)
        return answer


common.main(FailOpen, options=["--store-address"])
