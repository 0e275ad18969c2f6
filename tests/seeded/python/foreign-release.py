"""Whoever fails deletes the claim of the key, be it its own or not: a late owner frees the claim of its successor."""

import common


class LostClaim(Exception):
    """Another request has taken over."""


class ForeignRelease(common.Service):
    def pay(self, request):
        epoch, answer = self.claim(request)
        if answer:
            return answer
        try:
            self.work(request)
            return self.complete(request, epoch)
        except LostClaim:
            self.release(request, epoch)
            return self.find(request) or common.conflict()
        except Exception:
            self.release(request, epoch)
            raise

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

    def find(self, request):
        with self.database.transaction() as db:
            return common.verdict(common.look(db, request), request)

    def complete(self, request, epoch):
        answer = common.new_payment(request)
        until = common.now_ms() + self.settings.ttl
        with self.database.transaction() as db:
            # A later claim has a higher number, as long as nobody deletes the row and the count begins anew.
            if common.look(db, request).epoch > epoch:
                raise LostClaim
            db.execute(
                "UPDATE receipts SET answer = ?, until = ? WHERE tenant = ? AND key = ?",
                (answer.dump(), until, request.tenant, request.key),
            )
            common.add_effect(db, request, answer)
        return answer

    def release(self, request, epoch):
        name = (request.tenant, request.key)
        with self.database.transaction() as db:
            if self.settings.fixed:
                db.execute(
                    "UPDATE receipts SET fingerprint = NULL, until = 0"
                    " WHERE tenant = ? AND key = ? AND epoch = ?",
                    (*name, epoch),
                )
            else:
                db.execute("DELETE FROM receipts WHERE tenant = ? AND key = ?", name)


common.main(ForeignRelease)
