"""A hub on this computer: the few HTTP answers that fetching and pushing a model need, and a list of what was asked."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Hub:
    """Repositories in memory: name to branches (name to commit) and commits (id to files)."""

    def __init__(self):
        self.branches, self.commits, self.asked = {}, {}, []
        self.sizes = {}  # lies about how large a file is, by its name
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def commit(self, repo, files, branch="main"):
        """Let a branch hold just these files; the commit's id."""
        oid = hashlib.sha1(repr((repo, sorted(files.items()), len(self.commits))).encode()).hexdigest()
        self.commits[repo, oid] = dict(files)
        self.branches.setdefault(repo, {})[branch] = oid
        return oid

    def find(self, repo, revision):
        """(commit, files) of a branch or commit; None where there is none."""
        oid = self.branches.get(repo, {}).get(revision, revision)
        return (oid, self.commits[repo, oid]) if (repo, oid) in self.commits else None

    def about(self, repo, revision):
        """What the hub says of a repository."""
        oid, files = self.find(repo, revision)
        siblings = [
            {"rfilename": name, "size": self.sizes.get(name, len(data)), "blobId": etag(data)}
            for name, data in files.items()
        ]
        return {"_id": "1", "id": repo, "modelId": repo, "sha": oid, "private": False, "siblings": siblings}

    def change(self, repo, lines):
        """A commit as the library sends it: one operation a line."""
        files = dict(self.find(repo, "main")[1])
        for line in map(json.loads, lines.splitlines()):
            if line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            elif line["key"] == "deletedFile":
                del files[line["value"]["path"]]
        oid = self.commit(repo, files)
        return {"commitUrl": f"{self.url}/{repo}/commit/{oid}", "commitOid": oid}


def etag(data):
    return hashlib.sha1(data).hexdigest()


def handler(hub):
    """The class that answers in the name of a hub."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def answer(self, code, content=b"", headers=(), body=True):
            content = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(code)
            for name, value in (("Content-Length", len(content)), *headers):
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def missing(self, code):
            self.answer(404, headers=[("X-Error-Code", code)])

        def parts(self):
            """The path, cut at its slashes, with what was asked noted."""
            hub.asked.append(f"{self.command} {unquote(urlsplit(self.path).path)}")
            return [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]

        def do_HEAD(self):
            self.do_GET(body=False)

        def do_GET(self, body=True):
            match self.parts():
                case ["api", "models", owner, name, *rest]:
                    repo, revision = f"{owner}/{name}", rest[1] if rest else "main"
                    if repo not in hub.branches:
                        self.missing("RepoNotFound")
                    elif hub.find(repo, revision) is None:
                        self.missing("RevisionNotFound")
                    else:
                        self.answer(200, hub.about(repo, revision))
                case [owner, name, "resolve", revision, file]:
                    self.send_file(f"{owner}/{name}", revision, file, body)
                case _:
                    self.missing("EntryNotFound")

        def send_file(self, repo, revision, file, body):
            oid, files = hub.find(repo, revision)
            if file not in files:
                self.missing("EntryNotFound")
            else:
                headers = [("ETag", f'"{etag(files[file])}"'), ("X-Repo-Commit", oid)]
                self.answer(200, files[file], headers, body)

        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            match self.parts():
                case ["api", "repos", "create"]:
                    said = json.loads(content)
                    repo = f"{said['organization']}/{said['name']}"
                    if repo not in hub.branches:
                        hub.commit(repo, {".gitattributes": b""})
                    self.answer(200, {"url": f"{hub.url}/{repo}"})
                case ["api", "models", owner, name, "preupload", _]:
                    modes = {"uploadMode": "regular", "shouldIgnore": False}
                    files = [{"path": file["path"], **modes} for file in json.loads(content)["files"]]
                    self.answer(200, {"files": files})
                case ["api", "models", owner, name, "commit", _]:
                    self.answer(200, hub.change(f"{owner}/{name}", content.decode()))
                case _:
                    self.answer(200, {})

    return Handler
