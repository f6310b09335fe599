"""What schemathesis is told in Python: a format that it cannot write, and keys that a run must not take away from itself."""

import json
import os
import uuid

import schemathesis

# Ids of the keys with which the run itself calls, or its tokens were made.
OWN_KEYS = set(os.environ["METERBASE_OWN_KEYS"].split())


@schemathesis.serializer("application/x-ndjson")
def ndjson(context, value):
    return value if isinstance(value, (str, bytes)) else json.dumps(value)


@schemathesis.hook
def before_call(context, case, kwargs):
    path = case.path_parameters or {}
    if str(path.get("id")) in OWN_KEYS:
        # To revoke, end or rotate it would leave nothing to be tried with it.
        path["id"] = str(uuid.uuid4())
