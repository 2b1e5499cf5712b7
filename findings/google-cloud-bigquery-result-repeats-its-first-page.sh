#!/usr/bin/env bash
# google-cloud-bigquery: QueryJob.result(start_index=…) answers every later call with the first page that it has read.
#
# A result of nine rows is read in three calls of one job object: from row 0, from row 3 and from row 6. The second and the
# third call send no request and return rows 0 to 2 again, without an error. A job object that is fetched afresh returns
# the rows that were asked for. So a program that pages by start_index reads its first page over and over.
#
# Seen with google-cloud-bigquery 3.47.0 on Python 3.11.7: [0, 1, 2] three times, one request for rows.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  google-cloud-bigquery==3.47.0 google-api-core==2.44.0 google-auth==2.62.2
cat > "$folder/pages.py" <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

ROWS, PAGE = 9, 3
REFERENCE = {"projectId": "p", "jobId": "j", "location": "US"}
JOB = {
    "id": "p:US.j",
    "jobReference": REFERENCE,
    "status": {"state": "DONE"},
    "configuration": {"jobType": "QUERY", "query": {"query": "SELECT n FROM d.t"}},
    "statistics": {"query": {"statementType": "SELECT"}},
}
asked = []


class Service(BaseHTTPRequestHandler):
    """Answers jobs.insert, jobs.get and jobs.getQueryResults for one finished query."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(JOB)

    def do_GET(self):
        address = urlparse(self.path)
        if "/queries/" not in address.path:
            return self.answer(JOB)
        given = {name: int(values[0]) for name, values in parse_qs(address.query).items() if values[0].isdecimal()}
        start = given.get("startIndex", 0)
        asked.append(start)
        numbers = range(start, min(ROWS, start + given.get("maxResults", ROWS)))
        self.answer({
            "jobReference": REFERENCE,
            "jobComplete": True,
            "schema": {"fields": [{"name": "n", "type": "INTEGER"}]},
            "totalRows": str(ROWS),
            "rows": [{"f": [{"v": str(number)}]} for number in numbers],
        })

    def answer(self, body):
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = bigquery.Client(
    "p", AnonymousCredentials(), client_options={"api_endpoint": f"http://127.0.0.1:{server.server_port}"}
)


def page(job, start):
    return [row[0] for row in job.result(start_index=start, max_results=PAGE, page_size=PAGE)]


job = client.query("SELECT n FROM d.t", api_method="INSERT")
pages = [page(job, start) for start in (0, 3, 6)]
requests = list(asked)
fresh = page(client.get_job("j", location="US"), 6)
print("one job object:", *pages, "- asked for rows from", *requests)
print("a job fetched afresh, from row 6:", fresh)
assert pages == [[0, 1, 2]] * 3 and requests == [0] and fresh == [6, 7, 8]
PYTHON
"$folder/venv/bin/python" "$folder/pages.py"
