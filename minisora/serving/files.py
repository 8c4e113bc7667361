"""The files of the page: read once, each served at its own address, and nothing else."""

from hashlib import sha256
from pathlib import Path

from starlette.responses import Response
from starlette.routing import Route

from minisora.plotting.explorer.page import FOLDER as EXPLORER

FOLDER = Path(__file__).parent / "page"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


def page_routes():
    """One route for each file; index.html is at ``/``, and the explorer's at ``/explorer/``."""
    folders = (("/", FOLDER), ("/explorer/", EXPLORER))
    return [file_route(path, at) for at, folder in folders for path in sorted(folder.iterdir()) if is_served(path)]


def is_served(path):
    """Whether a file belongs to a page."""
    return path.suffix in MEDIA_TYPES


def file_route(path, at):
    """The route of one file, which a browser asks for again only when it has changed."""
    content, media_type = path.read_bytes(), MEDIA_TYPES[path.suffix]
    headers = {"etag": f'"{sha256(content).hexdigest()[:32]}"', "cache-control": "no-cache"}

    async def respond(request):
        known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
        if headers["etag"] in known:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return Route(at if path.name == "index.html" else at + path.name, respond, methods=["GET"])
