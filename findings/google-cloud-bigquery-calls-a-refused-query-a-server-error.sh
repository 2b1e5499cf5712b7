#!/usr/bin/env bash
# google-cloud-bigquery 3.47.0 raises InternalServerError (500) for a query that BigQuery refused because it is too dear.
#
# A job that would bill more than maximum_bytes_billed ends with the reason bytesBilledLimitExceeded, which
# cloud.google.com/bigquery/docs/error-messages lists. The client turns the reason of a failed job into an exception by a
# table of its own, and that reason is not in the table: every reason that is missing there becomes 500. A caller that
# takes 5xx for a fault of the server, and tries again, repeats a query that can never run. Reasons that are in the table
# become what they are: invalidQuery is BadRequest (400).
#
# The answers of BigQuery come from a small server on loopback, in the form of its REST interface.
#
# Seen on Python 3.11.7: bytesBilledLimitExceeded is InternalServerError 500, invalidQuery is BadRequest 400.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check google-cloud-bigquery==3.47.0

cat > "$folder/program.py" <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery


class FailedJobs(BaseHTTPRequestHandler):
    """Answers each job with one that failed for the reason that its query names."""

    def do_POST(self):
        job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        error = {"reason": job["configuration"]["query"]["query"], "message": "the query was refused"}
        job["status"] = {"state": "DONE", "errorResult": error, "errors": [error]}
        body = json.dumps(job).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), FailedJobs)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = bigquery.Client(
    project="project",
    credentials=AnonymousCredentials(),
    client_options={"api_endpoint": f"http://127.0.0.1:{server.server_port}"},
)
for reason in ("bytesBilledLimitExceeded", "invalidQuery"):
    try:
        client.query(reason, api_method="INSERT", retry=None, job_retry=None).result(retry=None, job_retry=None)
    except GoogleAPICallError as error:
        print(reason, type(error).__name__, int(error.code))
server.shutdown()
PYTHON
"$folder/venv/bin/python" "$folder/program.py" | tee "$folder/seen"
printf '%s\n' 'bytesBilledLimitExceeded InternalServerError 500' 'invalidQuery BadRequest 400' | diff - "$folder/seen"
