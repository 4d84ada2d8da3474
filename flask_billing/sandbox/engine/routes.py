"""The table of endpoints: which function answers to which method and path."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from . import params
from .errors import unknown_url
from .store import Obj

Endpoint = Callable[..., Obj]

EXPAND = {"expand": params.array(params.text())}


@dataclass(frozen=True, eq=False)
class Route:
    """An endpoint with the parameters that it takes."""

    method: str
    template: str
    pattern: re.Pattern[str]
    declared: params.Declared
    endpoint: Endpoint

    def match(self, path: str) -> dict[str, str] | None:
        """Give the ids in a path that fits this route."""
        found = self.pattern.fullmatch(path)
        return found.groupdict() if found else None


ROUTES: list[Route] = []


def route(
    method: str, template: str, declared: params.Declared | None = None
) -> Callable[[Endpoint], Endpoint]:
    """Register an endpoint, such as `@route("GET", "/v1/customers/{customer}")`."""
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template))

    def register(endpoint: Endpoint) -> Endpoint:
        taken = {**(declared or {}), **({} if method == "DELETE" else EXPAND)}
        ROUTES.append(Route(method, template, pattern, taken, endpoint))
        return endpoint

    return register


def resolve(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """Give the route for a request and the ids in its path; a path without one is a 404."""
    for candidate in ROUTES:
        if candidate.method == method:
            ids = candidate.match(path)
            if ids is not None:
                return candidate, ids
    raise unknown_url(method, path)
