"""The page to talk to a model, and the server behind it: Starlette and uvicorn, on this machine alone unless asked.

``POST /answer`` takes ``{"context": {"城市": "北京"}, "turns": ["北京要带伞吗？"]}``, ``context`` being optional.
It streams lines of JSON: ``{"piece": "北"}`` for what is new, ``{"done": true}`` at the end. ``POST /attention`` takes
the same and gives what attention looked at, in the format of `minisora.generation.attention_json`. ``POST
/explorer/content`` takes it too and gives what the page at ``/explorer/`` shows, in the format of
`minisora.plotting.explorer.content`. Whatever cannot be answered gets
``{"error": {"code": ..., "zh": ..., "en": ...}}``.
"""
