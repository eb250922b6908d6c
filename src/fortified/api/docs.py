"""The pages /api/docs and /api/redoc, with every asset served from here.

Owns the pages and their content policy. The scripts come from the installed package ``fastapi_offline``, of which only the files are used.
"""

import importlib.util
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, HTMLResponse

from fortified.domain.errors import NotFound

router = APIRouter(include_in_schema=False)

OPENAPI_URL = "/api/openapi.json"
_OWN = Path(__file__).parent / "static"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self'; worker-src blob:; base-uri 'none'; frame-ancestors 'none'"
)
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Fortified API</title>
<link rel="icon" href="/api/docs/assets/favicon.png">
{head}
</head>
<body>
{body}
</body>
</html>
"""
_SWAGGER = _PAGE.format(
    head='<link rel="stylesheet" href="/api/docs/assets/swagger-ui.css">',
    body=(
        '<div id="swagger-ui"></div>\n<script src="/api/docs/assets/swagger-ui-bundle.js"></script>\n'
        '<script src="/api/docs/assets/swagger-init.js"></script>'
    ),
)
_REDOC = _PAGE.format(
    head="<style>body { margin: 0; padding: 0; }</style>",
    body=f'<redoc spec-url="{OPENAPI_URL}"></redoc>\n<script src="/api/docs/assets/redoc.standalone.js"></script>',
)
_MEDIA = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "redoc.standalone.js": "text/javascript",
    "swagger-init.js": "text/javascript",
    "favicon.png": "image/png",
}


def _asset(name: str) -> Path:
    if (own := _OWN / name).is_file():
        return own
    # Found, not imported: its code would build another FastAPI.
    spec = importlib.util.find_spec("fastapi_offline")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (path := Path(folder) / "static" / name).is_file():
            return path
    raise NotFound(f"The asset {name} is not installed. Run the set-up again: it installs fastapi-offline.")


@router.get("/api/docs")
async def swagger_page() -> HTMLResponse:
    return HTMLResponse(_SWAGGER, headers={"Content-Security-Policy": _POLICY})


@router.get("/api/redoc")
async def redoc_page() -> HTMLResponse:
    return HTMLResponse(_REDOC, headers={"Content-Security-Policy": _POLICY})


@router.get("/api/docs/assets/{name}")
async def docs_asset(name: str) -> FileResponse:
    if name not in _MEDIA:
        raise NotFound(f"There is no asset {name!r}.")
    return FileResponse(_asset(name), media_type=_MEDIA[name], headers={"Cache-Control": "public, max-age=86400"})
