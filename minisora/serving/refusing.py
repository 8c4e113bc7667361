"""From exceptions to responses: every failure is one JSON object with a sentence in both languages."""

import logging

from starlette.responses import JSONResponse

from minisora.serving.body import ClientGone
from minisora.serving.refusal import Refusal
from minisora.serving.safe_log import place_of

logger = logging.getLogger(__name__)

OF_STATUS = {404: "not_found", 405: "method"}


class Refusing:
    """ASGI middleware around all that may fail; the log says where an unexpected failure happened, and no more."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        begun = False

        async def send_and_note(message):
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except ClientGone:
            pass
        except Exception as error:
            if not isinstance(error, Refusal):
                logger.error("a request failed: %s", place_of(error))
            if begun:
                return  # the server closes the connection: the client sees that the response is not whole
            await response_to(error)(scope, receive, send)


def response_to(error):
    """The response that says why there is no answer."""
    refusal = error if isinstance(error, Refusal) else Refusal("internal")
    return JSONResponse(refusal.content, refusal.status, refusal.headers)


def refuse_http(request, error):
    """Starlette's own errors, an unknown address or method, in our words."""
    refusal = Refusal(OF_STATUS.get(error.status_code, "malformed"), headers=error.headers)
    return JSONResponse(refusal.content, error.status_code, refusal.headers)
