"""Looks for a receipt, waits for the lock of the key, executes: the second one looked before the first had finished.

Duplicates wait here and are never answered 409, in the fixed twin neither. The lock needs no lease, since it ends
with its process; it is for one process only.
"""

import collections
import threading

import common


class LockNoRecheck(common.Service):
    def __init__(self, settings):
        super().__init__(settings)
        self.mutex = threading.Lock()
        self.locks = collections.defaultdict(threading.Lock)

    def lock_of(self, request):
        with self.mutex:
            return self.locks[request.tenant, request.key]

    def pay(self, request):
        # Most requests that find something need no lock.
        answer = self.find(request)
        if answer:
            return answer
        with self.lock_of(request):
            if self.settings.fixed:
                # While this one waited, the one before may have finished.
                answer = self.find(request)
                if answer:
                    return answer
            self.work(request)
            return self.record(request)

    def find(self, request):
        with self.database.transaction() as db:
            return common.verdict(common.look(db, request), request)

    def record(self, request):
        answer = common.new_payment(request)
        until = common.now_ms() + self.settings.ttl
        with self.database.transaction() as db:
            common.add_effect(db, request, answer)
            db.execute(
                "INSERT OR REPLACE INTO receipts VALUES (?, ?, 1, ?, ?, ?)",
                (request.tenant, request.key, request.fingerprint, until, answer.dump()),
            )
        return answer


common.main(LockNoRecheck)
