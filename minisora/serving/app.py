"""The application: addresses, and what stands around them."""

from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from minisora.generation import GenerationConfig
from minisora.generation.attention_json import count_weights
from minisora.serving.asking import Asking
from minisora.serving.files import page_routes
from minisora.serving.guard import Guard, Names
from minisora.serving.headers import Headers
from minisora.serving.places import Places
from minisora.serving.refusal import Refusal
from minisora.serving.refusing import Refusing, refuse_http
from minisora.serving.worker import Worker

ANSWERS, ATTENTIONS = 64, 4  # places; what attention looked at is megabytes
WEIGHTS = 2_000_000  # numbers in one response, at most


def make_app(pretrained, name, *, names=None, answers=ANSWERS, attentions=ATTENTIONS, worker=None):
    """Build the application around a model.

    Parameters
    ----------
    pretrained : Pretrained
    name : str
        The model's, as the page shows it.
    names : Names, optional
        What the server may be called; this machine's own names alone when None.
    answers, attentions : int
        How many may wait for an answer, or for what attention looked at, at the same time.
    worker : Worker, optional
        One of its own when None.

    Returns
    -------
    starlette.applications.Starlette
    """
    worker = worker or Worker(pretrained)
    attending, check = Places(attentions), weights_check(pretrained)
    routes = [
        *page_routes(),
        Route("/model", about(pretrained, name), methods=["GET"]),
        Route("/answer", Asking("answer", worker, Places(answers), length_check(pretrained)), methods=["POST"]),
        Route("/attention", Asking("attention", worker, attending, check), methods=["POST"]),
        Route("/explorer/content", Asking("explorer", worker, attending, check), methods=["POST"]),
    ]
    around = [Middleware(Headers), Middleware(Refusing), Middleware(Guard, names=names or Names("127.0.0.1"))]

    @asynccontextmanager
    async def lifespan(app):
        worker.start()
        yield
        worker.stop()

    handlers = {HTTPException: refuse_http}
    app = Starlette(routes=routes, middleware=around, exception_handlers=handlers, lifespan=lifespan)
    app.router.redirect_slashes = False
    return app


def length_check(pretrained):
    """A function that counts the tokens of a source: a `Refusal` where they are more than the model reads."""
    limit = pretrained.model.config.max_len

    def check(source):
        length = len(pretrained.source_tokenizer.encode(source))
        if length > limit:
            raise Refusal("too_long", length=length, limit=limit)
        return length

    return check


def weights_check(pretrained):
    """A function that raises a `Refusal` also for a source with more attention than can be given out."""
    config = pretrained.model.config
    check_length = length_check(pretrained)
    longest = min(GenerationConfig.max_len, config.max_len)

    def check(source):
        length = count_weights(config, check_length(source), longest)
        if length > WEIGHTS:
            raise Refusal("too_many_weights", length=length, limit=WEIGHTS)

    return check


def about(pretrained, name):
    """The endpoint that says which model answers."""
    model = pretrained.model
    content = {"name": name, "parameters": model.num_parameters(), "max_len": model.config.max_len}

    async def respond(request):
        return JSONResponse(content)

    return respond
