"""Shows that each seeded server has its bug and that its fixed twin has not.

    python3 tests/seeded/check.py [--rust PROGRAM] [NAME ...]

Starts every server twice, buggy and fixed, on a free port. First the condition that shows the bug: the buggy one has to
show it, the fixed one must not. Then what all servers have in common: the fixed one has to pass all of it, the buggy one
what its bug leaves intact. PROGRAM starts the Rust servers: `PROGRAM NAME --port 0 ...`, flags as for the others.
"""

import argparse
import contextlib
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

HERE = os.path.dirname(os.path.abspath(__file__))
LEASE = 600
TTL = 900
# Longer than the lease, by enough for another request to take over and be at work in the meantime.
SLOW = 1000
TIMEOUT = 10


def sleep(ms):
    time.sleep(ms / 1000)


class Response:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def told(self):
        """What a replay has to repeat."""
        headers = [self.headers.get(name) for name in ("content-type", "location", "x-payment-id")]
        return self.status, headers, self.body

    @property
    def replayed(self):
        return self.headers.get("idempotency-replayed") == "true"


class Server:
    """One process, and requests to it."""

    def __init__(self, command):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors)
        patience = threading.Timer(TIMEOUT, self.process.kill)
        patience.start()
        line = self.process.stdout.readline().decode()
        patience.cancel()
        if not line.startswith("listening on 127.0.0.1:"):
            self.kill()
            raise RuntimeError("%s: %r %s" % (command, line, self.written().decode()))
        self.port = int(line.rsplit(":", 1)[1])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def written(self):
        """What it wrote after its first line."""
        with self.process.stdout as output, self.errors as errors:
            errors.seek(0)
            return output.read() + errors.read()

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)

    def ask(self, method, path, body=None, headers=None):
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path, body, headers or {})
            return Response(connection.getresponse())

    def pay(self, key, body=b'{"amount":10}', tenant=None, slow=None, fail=False, quoted=True):
        headers = {"Idempotency-Key": '"%s"' % key if quoted else key}
        if tenant is not None:
            headers["X-Tenant"] = tenant
        if slow is not None:
            headers["X-Slow"] = str(slow)
        if fail:
            headers["X-Fail"] = "1"
        return self.ask("POST", "/pay", body, headers)

    def effects(self, key, tenant=None):
        headers = {} if tenant is None else {"X-Tenant": tenant}
        return json.loads(self.ask("GET", "/effects?key=" + quote(key, safe=""), None, headers).body)["effects"]

    def raw_pay(self, key, length, sent, slow):
        """A client that goes away: after part of its body, or before the answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT) as client:
            head = 'POST /pay HTTP/1.1\r\nHost: x\r\nIdempotency-Key: "%s"\r\nX-Slow: %d\r\nContent-Length: %d\r\n\r\n'
            client.sendall((head % (key, slow, length)).encode() + b"1" * sent)
            sleep(60)

    def until_final(self, key, body=b'{"amount":10}', within=LEASE + 1000):
        """Retries like a client that was told 409."""
        end = time.monotonic() + within / 1000
        while True:
            response = self.pay(key, body)
            if response.status != 409 or time.monotonic() > end:
                return response
            sleep(40)


class Start:
    """Starts servers of one name and ends those it has started."""

    def __init__(self, name, fixed, rust):
        self.name = name
        self.fixed = fixed
        self.servers = []
        self.folder = tempfile.TemporaryDirectory()
        self.store_server = None
        if name in PYTHON:
            self.command = [sys.executable, "-B", os.path.join(HERE, "python", name + ".py")]
        elif name in NODE:
            self.command = ["node", os.path.join(HERE, "node", name + ".mjs")]
        else:
            self.command = [rust, name]
        if name == "fail-open":
            self.store_server = self.launch([sys.executable, "-B", os.path.join(HERE, "python", "store.py")])

    def launch(self, command):
        server = Server(command)
        self.servers.append(server)
        return server

    def __call__(self, store=False):
        flags = ["--port", "0", "--lease", str(LEASE), "--ttl", str(TTL)]
        if self.fixed:
            flags.append("--fixed")
        if store:
            flags += ["--store", os.path.join(self.folder.name, "store.db")]
        if self.store_server:
            flags += ["--store-address", "127.0.0.1:%d" % self.store_server.port]
        return self.launch(self.command + flags)

    def end(self):
        for server in self.servers:
            server.kill()
        self.folder.cleanup()
        return b"".join(server.written() for server in self.servers).decode(errors="replace")


def together(count, call):
    """`call` as often at once; every thread stands ready before the first one goes."""
    barrier = threading.Barrier(count)

    def one(number):
        barrier.wait(TIMEOUT)
        return call(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def later(ms, call):
    def run():
        sleep(ms)
        return call()

    return run


def meanwhile(*calls):
    return together(len(calls), lambda number: calls[number]())


# The conditions: each tells if it has seen the bug.


def burst_repeats(start):
    server = start()
    together(30, lambda _: server.pay("b", slow=50))
    return server.effects("b") > 1


def plain_repeats(start):
    server = start()
    server.pay("p")
    server.pay("p")
    return server.effects("p") > 1


def two_processes_repeat(start):
    servers = [start(store=True), start(store=True)]
    together(2, lambda number: servers[number].pay("t", slow=200))
    return servers[0].effects("t") > 1


def late_owner_repeats(start):
    server = start()
    meanwhile(lambda: server.pay("l", slow=SLOW), later(LEASE + 100, lambda: server.pay("l", slow=SLOW)))
    return server.effects("l") > 1


def freed_claim_repeats(start):
    """A is late, B takes over, A frees B's claim, C claims; B and C execute. C once quickly, once slowly."""
    server = start()

    def round_of(key, slow):
        meanwhile(
            lambda: server.pay(key, slow=SLOW),
            later(LEASE + 100, lambda: server.pay(key, slow=SLOW)),
            later(SLOW + 100, lambda: server.pay(key, slow=slow)),
        )
        return server.effects(key) > 1

    seen = meanwhile(lambda: round_of("f1", 5), lambda: round_of("f2", SLOW))
    assert seen[0] == seen[1], seen
    return seen[0]


def store_down_repeats(start):
    server = start()
    start.store_server.process.send_signal(signal.SIGSTOP)
    paused = [server.pay("d1").status for _ in range(2)]
    start.store_server.process.send_signal(signal.SIGCONT)
    # What the store still had to read may have been a claim: it is over after its lease.
    healed = server.until_final("d1").status
    repeated = server.effects("d1") > 1
    start.store_server.kill()
    down = [server.pay("d2").status for _ in range(2)]
    assert (server.effects("d2") > 1) == repeated
    expected = [201, 201] if repeated else [503, 503]
    assert (paused, down, healed) == (expected, expected, 201), (paused, down, healed)
    return repeated


def conflict_stays(start):
    server = start()
    statuses = [r.status for r in meanwhile(lambda: server.pay("c", slow=200), later(80, lambda: server.pay("c")))]
    assert statuses == [201, 409] and server.effects("c") == 1, statuses
    return stuck(server, "c")


def exception_stays(start):
    server = start()
    assert server.pay("e", fail=True).status == 500
    return stuck(server, "e")


def cut_stays(start):
    server = start()
    server.raw_pay("c", 2, 2, slow=300)
    sleep(300)
    return stuck(server, "c", b"11")


def stuck(server, key, body=b'{"amount":10}'):
    """409 after lease and life: nothing is at work any more."""
    if server.pay(key, body).status != 409:
        return False
    sleep(LEASE + TTL + 200)
    return server.pay(key, body).status == 409


def body_changes(start):
    server = start()
    return len({server.pay("b").body for _ in range(3)}) > 1


def headers_change(start):
    server = start()
    first, second = server.pay("h"), server.pay("h")
    assert (first.status, first.body) == (second.status, second.body)
    return first.told != second.told


def failure_stays(start):
    server = start()
    assert server.pay("f", fail=True).status == 500
    first = server.pay("f").status
    sleep(LEASE + TTL + 200)
    return first == server.pay("f").status == 500


def effect_is_late(start):
    server = start()
    assert server.pay("e").status == 201
    at_once = server.effects("e")
    sleep(300)
    assert server.effects("e") == 1
    return at_once == 0


def mismatch_poisons(start):
    server = start()
    first = server.pay("m")
    assert server.pay("m", b"other").status == 422
    return server.pay("m").told != first.told


def over_stays(start):
    server = start()
    server.pay("o")
    sleep(TTL + 100)
    first = server.pay("o").status
    sleep(LEASE + TTL)
    return first == server.pay("o").status == 409


def payload_crosses(start):
    server = start()
    return server.pay("p").body == server.pay("p", b"other").body


def tenant_crosses(start):
    server = start()
    return server.pay("t", tenant="one").body == server.pay("t", tenant="two").body


def oversized_repeats(start):
    server = start()
    body = b"1" * (64 * 1024 + 1)
    server.pay("o", body)
    server.pay("o", body)
    return server.effects("o") > 1


# What all servers have in common.


def replays(server, _):
    first = server.pay("replays")
    assert first.status == 201 and not first.replayed
    payment = json.loads(first.body)["payment"]
    assert json.loads(first.body)["amount"] == 10
    assert first.headers["x-payment-id"] == payment and payment in first.headers["location"]
    for quoted in (True, False):
        again = server.pay("replays", quoted=quoted)
        assert again.told == first.told and again.replayed
    assert server.effects("replays") == 1


def refuses_other_bodies(server, _):
    first = server.pay("other")
    for _ in range(2):
        assert server.pay("other", b"other").status == 422
    assert server.pay("other").told == first.told
    assert server.effects("other") == 1


def separates_tenants(server, _):
    one = server.pay("tenants", tenant="one")
    two = server.pay("tenants", b"other", tenant="two")
    none = server.pay("tenants")
    assert one.status == two.status == none.status == 201
    assert len({one.body, two.body, none.body}) == 3
    assert server.effects("tenants") == server.effects("tenants", "one") == server.effects("tenants", "two") == 1


def checks_keys(server, _):
    assert server.ask("POST", "/pay", b"{}").status == 400
    assert server.pay("").status == 400
    assert server.pay("k" * 256).status == 400
    assert server.effects("k" * 256) == 0
    assert server.pay("k" * 255).status == 201
    assert server.pay("a b/&=%+?").status == 201 and server.effects("a b/&=%+?") == 1


def bounds_bodies(server, _):
    for size in (1024 * 1024 + 1, 8 * 1024 * 1024):
        assert server.pay("large", b"1" * size).status == 413
    assert server.effects("large") == 0
    assert server.pay("large", b"1" * (1024 * 1024)).status == 201
    assert server.pay("empty", b"").status == 201
    assert server.pay("bytes", bytes(range(256)) * 200).status == 201


def replays_large(server, _):
    body = b"[" * (64 * 1024 + 1)
    first = server.pay("mid", body)
    assert server.pay("mid", body).told == first.told and server.effects("mid") == 1


def survives_failures(server, _):
    for _ in range(3):
        assert server.pay("fails", fail=True).status == 500
    assert server.effects("fails") == 0
    assert server.pay("fails").status == 201
    assert server.effects("fails") == 1


def runs_once_in_a_burst(server, _):
    responses = together(30, lambda _: server.pay("burst", slow=30))
    assert {response.status for response in responses} <= {201, 409}
    assert len({response.body for response in responses if response.status == 201}) == 1
    assert server.effects("burst") == 1


def carries_100_connections(server, _):
    responses = together(100, lambda number: server.pay("many-%d" % number, slow=100))
    assert all(response.status == 201 for response in responses)


def answers_without_delay(server, _):
    with contextlib.closing(server.connect()) as connection:
        times = []
        for number in range(20):
            before = time.monotonic()
            headers = {"Idempotency-Key": '"quick-%d"' % number, "X-Slow": "0"}
            connection.request("POST", "/pay", b"{}", headers)
            assert Response(connection.getresponse()).status == 201
            times.append(time.monotonic() - before)
    assert statistics.median(times) < 0.03, times


def stands_cut_bodies(server, _):
    together(5, lambda number: server.raw_pay("half-%d" % number, 1024, 10, slow=0))
    assert all(server.effects("half-%d" % number) == 0 for number in range(5))
    assert server.pay("half-0").status == 201


def knows_what_is_in_flight(server, name):
    first, same, other = meanwhile(
        lambda: server.pay("flight", slow=400),
        later(150, lambda: server.pay("flight")),
        later(150, lambda: server.pay("flight", b"other")),
    )
    assert first.status == 201 and other.status == 422
    assert same.told == first.told if name == "lock-no-recheck" else same.status == 409
    assert server.pay("flight").told == first.told and server.effects("flight") == 1


def fences_late_owners(server, name):
    late, other, next_one = meanwhile(
        lambda: server.pay("late", slow=SLOW),
        later(200, lambda: server.pay("late", b"other")),
        later(LEASE + 100, lambda: server.pay("late", slow=SLOW)),
    )
    assert other.status == 422
    # The effect of fail-open takes the name of its operation: a late owner may be the one to have it.
    assert next_one.status == 201 and late.status in ((409, 201) if name in WAITING else (409,))
    assert server.effects("late") == 1


def forgets_over_time(server, _):
    first = server.pay("life")
    sleep(TTL + 100)
    second = server.pay("life", b"other")
    assert second.status == 201 and second.body != first.body and not second.replayed
    assert server.pay("life").status == 422
    sleep(TTL + 100)
    assert server.pay("life").status == 201
    assert server.effects("life") == 3


def outlives_cut_clients(server, _):
    server.raw_pay("cut", 2, 2, slow=300)
    response = server.until_final("cut", b"11")
    assert response.status == 201 and server.pay("cut", b"11").told == response.told
    assert server.effects("cut") == 1


AT_ONCE = [
    replays,
    refuses_other_bodies,
    separates_tenants,
    checks_keys,
    bounds_bodies,
    replays_large,
    survives_failures,
    runs_once_in_a_burst,
    carries_100_connections,
    answers_without_delay,
    stands_cut_bodies,
]
OVER_TIME = [knows_what_is_in_flight, fences_late_owners, forgets_over_time, outlives_cut_clients]


def survives_a_kill(start):
    server = start(store=True)
    done = server.pay("done")
    with contextlib.suppress(OSError, http.client.HTTPException):
        threading.Timer(0.15, server.kill).start()
        server.pay("killed", slow=SLOW)
    server = start(store=True)
    assert server.pay("done").told == done.told
    assert server.until_final("killed").status == 201
    assert server.effects("killed") == server.effects("done") == 1


# The condition of each bug, and what else its buggy version then cannot do.
PYTHON = {
    "no-claim": (
        plain_repeats,
        {
            "replays",
            "refuses_other_bodies",
            "replays_large",
            "runs_once_in_a_burst",
            "knows_what_is_in_flight",
            "fences_late_owners",
            "forgets_over_time",
            "outlives_cut_clients",
            "survives_a_kill",
        },
    ),
    "claim-after-execute": (
        burst_repeats,
        {"runs_once_in_a_burst", "knows_what_is_in_flight", "fences_late_owners", "outlives_cut_clients"},
    ),
    "check-then-act": (burst_repeats, {"runs_once_in_a_burst"}),
    "lock-no-recheck": (
        burst_repeats,
        {"runs_once_in_a_burst", "knows_what_is_in_flight", "fences_late_owners", "outlives_cut_clients"},
    ),
    "process-local-lock": (two_processes_repeat, set()),
    "lease-shorter-than-handler": (late_owner_repeats, {"fences_late_owners"}),
    "foreign-release": (freed_claim_repeats, set()),
    "fail-open": (store_down_repeats, set()),
}
NODE = {
    "conflict-stored": (conflict_stays, {"knows_what_is_in_flight", "outlives_cut_clients"}),
    "stuck-after-exception": (exception_stays, {"survives_failures"}),
    "stuck-after-cut": (cut_stays, {"outlives_cut_clients"}),
    "body-differs": (
        body_changes,
        {
            "replays",
            "refuses_other_bodies",
            "replays_large",
            "knows_what_is_in_flight",
            "runs_once_in_a_burst",
            "outlives_cut_clients",
        },
    ),
    "headers-lost": (
        headers_change,
        {"replays", "refuses_other_bodies", "replays_large", "knows_what_is_in_flight"},
    ),
    "replayed-5xx": (failure_stays, {"survives_failures"}),
    "effect-after-answer": (
        effect_is_late,
        {
            "replays",
            "refuses_other_bodies",
            "separates_tenants",
            "checks_keys",
            "replays_large",
            "survives_failures",
            "runs_once_in_a_burst",
            "knows_what_is_in_flight",
            "fences_late_owners",
            "forgets_over_time",
            "outlives_cut_clients",
        },
    ),
}
RUST = {
    "mismatch-poisons": (
        mismatch_poisons,
        {"refuses_other_bodies", "knows_what_is_in_flight", "fences_late_owners"},
    ),
    "stuck-after-ttl": (over_stays, {"forgets_over_time"}),
    "cross-payload-replay": (
        payload_crosses,
        {"refuses_other_bodies", "knows_what_is_in_flight", "fences_late_owners", "forgets_over_time"},
    ),
    "cross-tenant-replay": (tenant_crosses, {"separates_tenants"}),
    "oversized-bypass": (oversized_repeats, {"replays_large"}),
}
# Here the first of two may be the one that pays: by design, see the servers.
WAITING = ("lock-no-recheck", "fail-open")


def failures(name, fixed, rust):
    condition, broken = {**PYTHON, **NODE, **RUST}[name]
    found = []

    def run(what, call, may_fail=False):
        try:
            call()
        except Exception as error:
            if not may_fail:
                found.append("%s: %r\n%s" % (what, error, traceback.format_exc()))

    def shown():
        seen = condition(start)
        assert seen != fixed, "the bug %s" % ("shows" if seen else "does not show")

    def common(start):
        server = start()
        for check in AT_ONCE:
            may_fail = not fixed and check.__name__ in broken
            run(check.__name__, lambda: check(server, name), may_fail)
        meanwhile(
            *(
                lambda check=check: run(
                    check.__name__, lambda: check(server, name), not fixed and check.__name__ in broken
                )
                for check in OVER_TIME
            )
        )
        if name in PYTHON:
            run("survives_a_kill", lambda: survives_a_kill(start), not fixed and "survives_a_kill" in broken)

    for what, call in ((condition.__name__, shown), ("common", lambda: common(start))):
        start = Start(name, fixed, rust)
        try:
            run(what, call)
        finally:
            written = start.end()
        if written:
            found.append("it wrote: " + written)
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rust", metavar="PROGRAM")
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    names = arguments.names or [*PYTHON, *NODE, *(RUST if arguments.rust else ())]
    failed = False
    for name in names:
        for fixed in (False, True):
            before = time.monotonic()
            found = failures(name, fixed, arguments.rust)
            failed = failed or bool(found)
            variant = "fixed" if fixed else "buggy"
            print("%-27s %s %5.1f s %s" % (name, variant, time.monotonic() - before, "FAILED" if found else "ok"))
            for failure in found:
                print("    " + failure.replace("\n", "\n    "))
            sys.stdout.flush()
    sys.exit(failed)


if __name__ == "__main__":
    main()
