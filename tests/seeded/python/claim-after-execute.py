"""Looks for a receipt, executes, then saves the receipt: nothing says that the key is being worked on."""

import common
from receipts import Receipts


class ClaimAfterExecute(common.Service):
    def pay(self, request):
        if self.settings.fixed:
            return Receipts(self.database, self.settings).pay(request, self.work)

        with self.database.transaction() as db:
            receipt = common.look(db, request)
        answer = common.verdict(receipt, request)
        if answer:
            return answer

        self.work(request)

        answer = common.new_payment(request)
        with self.database.transaction() as db:
            common.add_effect(db, request, answer)
            # The first trace of this key in the store.
            db.execute(
                "INSERT OR REPLACE INTO receipts VALUES (?, ?, ?, ?, ?, ?)",
                (
                    request.tenant,
                    request.key,
                    receipt.epoch + 1,
                    request.fingerprint,
                    common.now_ms() + self.settings.ttl,
                    answer.dump(),
                ),
            )
        return answer


common.main(ClaimAfterExecute)
