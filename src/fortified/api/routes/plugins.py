"""The plugins of this server: what was found, and what cannot be used."""

from pathlib import PurePath

from fastapi import APIRouter
from pydantic import BaseModel

from fortified.api.deps import ServicesDep, Viewer
from fortified.api.wire import Answer

router = APIRouter(tags=["strategies"])


class PluginOut(Answer):
    """A plugin that can be used: a `strategy`, a `broker` or a `data_source`. `file` is its file, or the entry point that names it."""

    kind: str
    name: str
    file: str


class ProblemOut(Answer):
    """Why a plugin cannot be used. `line` is null where no line is at fault; `names` are the plugins that are missing because of it."""

    file: str
    line: int | None
    text: str
    names: list[str]


class PluginsOut(BaseModel):
    """What was found beyond the built-ins when the server started."""

    plugins: list[PluginOut]
    problems: list[ProblemOut]


@router.get("/api/plugins", summary="List plugins, and those that cannot be used")
async def list_plugins(_: Viewer, services: ServicesDep) -> PluginsOut:
    """A server reads its plugins once, when it starts."""
    found = services.context.plugins
    return PluginsOut(
        plugins=[PluginOut(kind=plugin.kind, name=plugin.name, file=_name_of(plugin.place)) for plugin in found.plugins],
        problems=[
            ProblemOut(file=_name_of(problem.place), line=problem.line, text=problem.text, names=list(problem.names))
            for problem in found.problems
        ],
    )


def _name_of(place: str) -> str:
    """Where the files of a server lie is nobody's business."""
    return PurePath(place).name if place.endswith(".py") else place
