"""What every response says about itself, so that a browser does no more with it than it should."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",  # the page can make no markup out of text, even by mistake
        "trusted-types 'none'",
    )
)

HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Headers:
    """ASGI middleware that adds `HEADERS` to every response; what is not said to be storable is not stored."""

    def __init__(self, app):
        self.app = app
        self.always = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def __call__(self, scope, receive, send):
        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                if b"cache-control" not in dict(given):
                    given.append((b"cache-control", b"no-store"))
                message = {**message, "headers": given + self.always}
            await send(message)

        await self.app(scope, receive, send_with_headers)
