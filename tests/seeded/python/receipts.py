"""The claim protocol done right, for the fixed twins of servers whose bug is to have none or another one."""

from common import add_effect, conflict, look, new_payment, now_ms, verdict


class Receipts:
    def __init__(self, database, settings):
        self.database = database
        self.settings = settings

    def pay(self, request, work):
        epoch, answer = self.claim(request)
        if answer:
            return answer
        try:
            work(request)
        except Exception:
            self.release(request, epoch)
            raise
        return self.complete(request, epoch)

    def claim(self, request):
        with self.database.transaction() as db:
            receipt = look(db, request)
            answer = verdict(receipt, request)
            if answer:
                return None, answer
            epoch = receipt.epoch + 1
            db.execute(
                "INSERT OR REPLACE INTO receipts VALUES (?, ?, ?, ?, ?, NULL)",
                (request.tenant, request.key, epoch, request.fingerprint, now_ms() + self.settings.lease),
            )
            return epoch, None

    def complete(self, request, epoch):
        """The effect and its receipt, together, by the present owner only."""
        answer = new_payment(request)
        with self.database.transaction() as db:
            own = db.execute(
                "UPDATE receipts SET answer = ?, until = ? WHERE tenant = ? AND key = ? AND epoch = ?",
                (answer.dump(), now_ms() + self.settings.ttl, request.tenant, request.key, epoch),
            ).rowcount
            if not own:
                return verdict(look(db, request), request) or conflict()
            add_effect(db, request, answer)
        return answer

    def release(self, request, epoch):
        with self.database.transaction() as db:
            db.execute(
                "UPDATE receipts SET fingerprint = NULL, until = 0 WHERE tenant = ? AND key = ? AND epoch = ?",
                (request.tenant, request.key, epoch),
            )
