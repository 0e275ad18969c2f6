"""DynamoDB as moto has it, for the tests: `dynamodb.py PORT`, on this machine only.

One request at a time, and a connection for each: moto's writes are atomic only as long as nothing runs beside
them.
"""

import logging
import sys

from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple

# A line for every request is nothing that anybody reads.
logging.getLogger("werkzeug").setLevel(logging.ERROR)
MotoRequestHandler.protocol_version = "HTTP/1.0"
run_simple(
    "127.0.0.1",
    int(sys.argv[1]),
    create_backend_app("dynamodb"),
    threaded=False,
    request_handler=MotoRequestHandler,
)
