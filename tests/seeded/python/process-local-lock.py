"""Receipts are in the shared store, but what is in flight is in the memory of one process."""

import collections
import threading

import common
from receipts import Receipts

Running = collections.namedtuple("Running", "fingerprint until")


class ProcessLocalLock(common.Service):
    def __init__(self, settings):
        super().__init__(settings)
        self.mutex = threading.Lock()
        self.running = {}

    def pay(self, request):
        if self.settings.fixed:
            # The claim is a row of the store: every process sees it.
            return Receipts(self.database, self.settings).pay(request, self.work)

        claim, answer = self.claim(request)
        if answer:
            return answer
        try:
            self.work(request)
            return self.complete(request, claim)
        finally:
            self.release(request, claim)

    def claim(self, request):
        name = (request.tenant, request.key)
        # Keeps the threads of this process apart, and no others.
        with self.mutex:
            answer = self.find(request)
            other = self.running.get(name)
            if not answer and other:
                if other.fingerprint != request.fingerprint:
                    answer = common.mismatch()
                elif other.until > common.now_ms():
                    answer = common.conflict()
            if answer:
                return None, answer
            claim = Running(request.fingerprint, common.now_ms() + self.settings.lease)
            self.running[name] = claim
            return claim, None

    def find(self, request):
        with self.database.transaction() as db:
            return common.verdict(common.look(db, request), request)

    def complete(self, request, claim):
        answer = common.new_payment(request)
        until = common.now_ms() + self.settings.ttl
        with self.mutex:
            if self.running.get((request.tenant, request.key)) is not claim:
                return self.find(request) or common.conflict()
            with self.database.transaction() as db:
                common.add_effect(db, request, answer)
                db.execute(
                    "INSERT OR REPLACE INTO receipts VALUES (?, ?, 1, ?, ?, ?)",
                    (request.tenant, request.key, request.fingerprint, until, answer.dump()),
                )
        return answer

    def release(self, request, claim):
        name = (request.tenant, request.key)
        with self.mutex:
            if self.running.get(name) is claim:
                del self.running[name]


common.main(ProcessLocalLock)
