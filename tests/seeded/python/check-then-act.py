"""SELECT, then INSERT OR REPLACE in another transaction: two requests that both see nothing both claim."""

import time

import common


class CheckThenAct(common.Service):
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
            if self.settings.fixed:
                epoch = self.insert(db, request, receipt)
        self.check_account()
        if not self.settings.fixed:
            with self.database.transaction() as db:
                epoch = self.insert(db, request, receipt)
        return epoch, None

    def insert(self, db, request, receipt):
        epoch = receipt.epoch + 1
        until = common.now_ms() + self.settings.lease
        db.execute(
            "INSERT OR REPLACE INTO receipts VALUES (?, ?, ?, ?, ?, NULL)",
            (request.tenant, request.key, epoch, request.fingerprint, until),
        )
        return epoch

    def check_account(self):
        """May this account pay at all? Another service knows."""
        time.sleep(0.01)

    def complete(self, request, epoch):
        # A late owner has an older epoch. Two that claimed from the same look have the same one.
        answer = common.new_payment(request)
        with self.database.transaction() as db:
            own = db.execute(
                "UPDATE receipts SET answer = ?, until = ? WHERE tenant = ? AND key = ? AND epoch = ?",
                (answer.dump(), common.now_ms() + self.settings.ttl, request.tenant, request.key, epoch),
            ).rowcount
            if not own:
                return common.verdict(common.look(db, request), request) or common.conflict()
            common.add_effect(db, request, answer)
        return answer

    def release(self, request, epoch):
        with self.database.transaction() as db:
            db.execute(
                "UPDATE receipts SET fingerprint = NULL, until = 0 WHERE tenant = ? AND key = ? AND epoch = ?",
                (request.tenant, request.key, epoch),
            )


common.main(CheckThenAct)
