"""Bursts of requests under one idempotency key, for Locust; written by `idemcheck load --emit locust`.

    locust -f SCRIPT --headless -u SIZE -r SIZE                               # one process
    locust -f SCRIPT --headless -u SIZE -r SIZE --master --expect-workers 2   # a master,
    locust -f SCRIPT --worker --master-host HOST                              # and each worker

SIZE is `size` of the plan: each user sends one request of a burst. No --run-time: the run ends by itself. The master
(or the one process) counts effects and writes the history, which `idemcheck check-history FILE` judges.

IDEMCHECK_HISTORY   where to: a file that is not there yet (history.jsonl)
IDEMCHECK_CLOCK_MS  how far the clocks of workers may be apart (1): their intervals are widened by it. Where workers
                    are on several machines, it is what their time service promises.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from itertools import count
from urllib.parse import urlsplit

import gevent
from locust import HttpUser, events, task
from locust.runners import MasterRunner, WorkerRunner

PLAN = json.loads(r'''IDEMCHECK_PLAN''')

HISTORY = os.environ.get("IDEMCHECK_HISTORY", "history.jsonl")
CLOCK_MS = float(os.environ.get("IDEMCHECK_CLOCK_MS", "1"))
PERIOD = PLAN["period_ms"] / 1e3
SETTLE = PLAN["settle_ms"] / 1e3
PATIENCE = PLAN["patience_ms"] / 1e3
# Between the word that all users are there and the first burst.
LEAD = 1.0
# How late a user may be for its burst.
LATE = PERIOD / 8
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding"}

# Wall time is what machines have in common; from here on it is not set back.
EPOCH = time.time_ns() - time.monotonic_ns()


def now():
    return EPOCH + time.monotonic_ns()


def sleep_until(moment):
    gevent.sleep(max(0, (moment - now()) / 1e9))


class State:
    """Of this process."""

    begin = None  # {"start": the first burst, "name": of the run, "workers": how many, "index": of this one}
    numbers = count()
    unsent = []  # records that the master does not have yet
    records = []  # of all, where effects are counted


def start_of(burst):
    return State.begin["start"] + int(burst * PERIOD * 1e9)


def key_of(burst):
    return f"idemcheck-{State.begin['name']}-{burst}"


def tries_others(burst):
    return PLAN["other"] is not None and burst % 4 == 3


def tries_conflicts(burst):
    return PLAN["conflicting"] is not None and burst % 4 == 1


def subject(key, other):
    return f"{key} of somebody else" if other else key


def fill(text, key, n, side):
    digest = hashlib.sha256(key.encode()).hexdigest()
    places = {**dict(side["values"]), "key": key, "n": str(n), "random": str(int(digest[:13], 16))}
    return re.sub(r"\{\{(.*?)\}\}", lambda at: places.get(at[1].strip(), at[0]), text, flags=re.S)


def headers_of(key, n, side):
    headers = {name: fill(value, key, n, side) for name, value in side["headers"]}
    if PLAN["key_header"]:
        headers[PLAN["key_header"]] = f'"{key}"'
    return headers


def outcome_of(status):
    """The class of an answer. What may have been executed is unknown, so that nobody is accused of it."""
    if 200 <= status < 300:
        return "final"
    if status == PLAN["in_flight"]:
        return "in_flight"
    if status == PLAN["mismatch"]:
        return "mismatch"
    if status in (PLAN["missing_key"], 413, 414, 429, 431):
        return "unavailable"
    if 400 <= status < 500:
        return "failed"
    return "unknown"


def digest_of(response):
    """What an answer and its replay have in common."""
    digest = hashlib.sha256(response.content)
    headers = [(name.lower(), value) for name, value in response.headers.items()]
    for name, value in sorted(headers):
        if name not in PLAN["ignore"] and name not in HOP_BY_HOP:
            digest.update(f"\n{len(name)}:{name}:{len(value)}:{value}".encode())
    return digest.hexdigest()[:32]


class Client(HttpUser):
    host = "{0.scheme}://{0.netloc}".format(urlsplit(PLAN["urls"][0]))

    def on_start(self):
        self.number = next(State.numbers)
        self.burst = 0

    @task
    def take_part(self):
        """In one burst, and in what comes after it."""
        if State.begin is None or self.burst >= PLAN["bursts"]:
            gevent.sleep(0.05)
            return
        burst, self.burst = self.burst, self.burst + 1
        if now() > start_of(burst) + LATE * 1e9:
            return
        n = State.begin["index"] + State.begin["workers"] * self.number
        sleep_until(start_of(burst))
        self.send(burst, n, conflicting=tries_conflicts(burst) and n % 4 == 3)
        after = start_of(burst) + int(PERIOD / 2 * 1e9)
        if now() > after:
            return
        sleep_until(after)
        if tries_others(burst):
            self.send(burst, n, other=True, conflicting=PLAN["conflicting"] is not None and burst % 8 == 7)
        elif n % 4 == 0:
            self.send(burst, n, conflicting=tries_conflicts(burst) and n % 8 == 4)

    def send(self, burst, n, other=False, conflicting=False):
        key = key_of(burst)
        side = PLAN["other"] if other else PLAN["everybody"]
        payload = PLAN["conflicting"] if conflicting else PLAN["payload"]
        url = fill(PLAN["urls"][n % len(PLAN["urls"])], key, n, side)
        body = fill(payload["body"], key, n, side).encode()
        arguments = dict(
            data=body,
            headers=headers_of(key, n, side),
            timeout=PATIENCE,
            allow_redirects=False,
            catch_response=True,
            name=urlsplit(PLAN["urls"][0]).path or "/",
        )
        start = now()
        with self.client.request(PLAN["method"], url, **arguments) as response:
            end = now()
            # Locust has 0 where there was no answer.
            status = response.status_code or None
            outcome = outcome_of(status) if status else "unknown"
            if outcome in ("unknown", "failed", "unavailable"):
                response.failure(f"{outcome}: {status}")
            else:
                response.success()
            record = {
                "type": "request",
                "key": subject(key, other),
                "id": f"{burst}.{n}.{start - State.begin['start']}",
                "start": start,
                "body": f"{payload['name']} {n}" if payload["each"] else payload["name"],
                "outcome": outcome,
            }
            if status:
                record.update(end=end, status=status)
                record["replayed"] = response.headers.get(PLAN["replay_marker"]) == "true"
                if outcome == "final":
                    record["response"] = digest_of(response)
            State.unsent.append(record)


def effects_of(key, other):
    """How many effects of a key are counted, now."""
    side = PLAN["other"] if other else PLAN["everybody"]
    how = PLAN["effects"]
    if how["command"]:
        words = [fill(word, key, 0, side) for word in how["command"]]
        ran = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=True)
        return int(ran.stdout)
    headers = {}
    if how["with_headers"]:
        headers = {name: fill(value, key, 0, side) for name, value in side["headers"]}
    request = urllib.request.Request(fill(how["url"], key, 0, side), headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        if how["server"] and answer.headers.get(how["server"][0]) != how["server"][1]:
            raise ValueError(f"what answers at {how['url']} is no `idemcheck sink`")
        found = json.loads(answer.read())
    for part in (how["pointer"] or "").split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        found = found[int(part)] if isinstance(found, list) else found[part]
    return len(found) if isinstance(found, list) else int(found)


def counted(key, other, as_key=None, less=0):
    """A record of a count, less what was counted before."""
    start = now()
    effects = max(0, effects_of(key, other) - less)
    return {"type": "count", "key": as_key or key, "effects": effects, "start": start, "end": now()}


def conduct(environment):
    """Counts effects, and writes the history when all is done."""
    try:
        before = {}
        for burst in range(PLAN["bursts"]):
            if not tries_others(burst):
                continue
            key = key_of(burst)
            after = start_of(burst) + int(PERIOD / 2 * 1e9)
            sleep_until(after - int(PERIOD / 8 * 1e9))
            own, others = counted(key, False), counted(key, True)
            # The effect of the burst has landed: what somebody else finds later is another one.
            if own["effects"] > 0 and others["end"] < after:
                before[burst] = (own, others["effects"])
        sleep_until(start_of(PLAN["bursts"]) + int((PATIENCE + SETTLE + 1) * 1e9))
        counts = []
        for burst in range(PLAN["bursts"]):
            key = key_of(burst)
            if not tries_others(burst):
                counts.append(counted(key, False))
            elif burst in before:
                own, less = before[burst]
                counts += [own, counted(key, True, subject(key, True), less)]
        runner = environment.runner
        if isinstance(runner, MasterRunner) and runner.worker_count < State.begin["workers"]:
            raise RuntimeError("a worker was lost, and what it sent is not known")
        write(counts)
    except Exception as error:
        # Without all counts and all requests, a history would be judged too well, or too badly.
        print(f"there is no history: {error}", file=sys.stderr)
        environment.process_exit_code = 2
    environment.runner.quit()


def write(counts):
    header = dict(PLAN["header"])
    names = sorted({record["source"] for record in State.records if "source" in record})
    header["sources"] = [{"name": name, "uncertainty": int(CLOCK_MS * 1e6)} for name in names]
    with open(HISTORY, "x", encoding="ascii") as file:
        for record in [header, *sorted(State.records, key=lambda record: record["start"]), *counts]:
            file.write(json.dumps(record) + "\n")
    print(f"{len(State.records)} requests and {len(counts)} counts: idemcheck check-history {HISTORY}", file=sys.stderr)


def report(runner):
    """Hands records on, as they come."""
    while True:
        gevent.sleep(0.2)
        records, State.unsent = State.unsent, []
        if isinstance(runner, WorkerRunner):
            if records:
                name = f"worker-{runner.worker_index}"
                runner.send_message("idemcheck-records", [{**record, "source": name} for record in records])
        else:
            State.records += records


@events.init.add_listener
def on_init(environment, **_):
    runner = environment.runner
    if isinstance(runner, MasterRunner):
        runner.register_message("idemcheck-records", lambda msg, **_: State.records.extend(msg.data))
    elif isinstance(runner, WorkerRunner):

        def begin(msg, **_):
            State.begin = {**msg.data, "index": runner.worker_index}

        runner.register_message("idemcheck-begin", begin)
    if not isinstance(runner, WorkerRunner) and os.path.exists(HISTORY):
        print(f"{HISTORY} is there already", file=sys.stderr)
        sys.exit(2)
    if not isinstance(runner, MasterRunner):
        gevent.spawn(report, runner)


@events.test_start.add_listener
def on_test_start(environment, **_):
    if not isinstance(environment.runner, WorkerRunner):
        gevent.spawn(begin_when_all_are_there, environment)


def begin_when_all_are_there(environment):
    runner = environment.runner
    while runner.user_count < PLAN["size"]:
        gevent.sleep(0.1)
    workers = runner.worker_count if isinstance(runner, MasterRunner) else 1
    start = now() + int(LEAD * 1e9)
    State.begin = {"start": start, "name": f"{start:x}", "workers": workers, "index": 0}
    if isinstance(runner, MasterRunner):
        runner.send_message("idemcheck-begin", State.begin)
    conduct(environment)
