"""No receipt at all: every request executes."""

import common
from receipts import Receipts


class NoClaim(common.Service):
    def pay(self, request):
        if self.settings.fixed:
            return Receipts(self.database, self.settings).pay(request, self.work)

        # The key is required, checked for its length, and then forgotten.
        self.work(request)
        answer = common.new_payment(request)
        with self.database.transaction() as db:
            common.add_effect(db, request, answer)
        return answer


common.main(NoClaim)
