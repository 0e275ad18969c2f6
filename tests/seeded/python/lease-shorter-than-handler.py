"""A claim with a lease and no fence: a handler slower than its lease executes although another has taken over."""

import common


class LeaseShorterThanHandler(common.Service):
    def pay(self, request):
        epoch, answer = self.claim(request)
        if answer:
            return answer
        try:
            self.work(request)
        except Exception:
            self.release(request, epoch)
            raise
        return self.complete(request, epoch)

    def claim(self, request):
        with self.database.transaction() as db:
            receipt = common.look(db, request)
            answer = common.verdict(receipt, request)
            if answer:
                return None, answer
            epoch = receipt.epoch + 1
            until = common.now_ms() + self.settings.lease
            db.execute(
                "INSERT OR REPLACE INTO receipts VALUES (?, ?, ?, ?, ?, NULL)",
                (request.tenant, request.key, epoch, request.fingerprint, until),
            )
            return epoch, None

    def complete(self, request, epoch):
        answer = common.new_payment(request)
        until = common.now_ms() + self.settings.ttl
        with self.database.transaction() as db:
            if self.settings.fixed and common.look(db, request).epoch != epoch:
                return common.verdict(common.look(db, request), request) or common.conflict()
            db.execute(
                "UPDATE receipts SET answer = ?, until = ? WHERE tenant = ? AND key = ?",
                (answer.dump(), until, request.tenant, request.key),
            )
            common.add_effect(db, request, answer)
        return answer

    def release(self, request, epoch):
        with self.database.transaction() as db:
            db.execute(
                "UPDATE receipts SET fingerprint = NULL, until = 0 WHERE tenant = ? AND key = ? AND epoch = ?",
                (request.tenant, request.key, epoch),
            )


common.main(LeaseShorterThanHandler)
