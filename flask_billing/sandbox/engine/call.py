"""What an endpoint works with: the objects of its caller, the time, and the event log."""

import copy
from dataclasses import dataclass, field, replace
from typing import Any, Self

from .clock import Clock
from .errors import Problem, missing_object
from .ids import new_id
from .outbox import Outbox
from .store import Obj, Scope, Store

API_VERSION = "2026-10-28.endive"

# These events tell what the changed attributes were before.
_TELLING = (".updated", ".automatically_updated")


@dataclass
class Call:
    """One request, or one step of a person on a hosted page, while it is being worked on."""

    store: Store
    clock: Clock
    scope: Scope
    base_url: str
    params: dict[str, Any] = field(default_factory=dict)
    path: str = ""
    request_id: str | None = None
    idempotency_key: str | None = None
    test_clock: str | None = None

    @property
    def now(self) -> int:
        """The time in seconds since 1970: of the customer's test clock, or the sandbox's own."""
        located = self.store.locate(self.test_clock) if self.test_clock else None
        return int(located[1]["frozen_time"]) if located else self.clock.now()

    def keep_time_of(self, obj: Obj) -> None:
        """Go by the test clock of an object's customer from now on, if there is one."""
        customer = obj.get("customer")
        located = self.store.locate(customer) if isinstance(customer, str) else None
        holder = located[1] if located else obj
        self.test_clock = holder.get("test_clock") or self.test_clock

    def schedule(self, delay: int, action: str, obj: Obj) -> None:
        """Have `action` done to an object when some seconds of its time have passed."""
        self.store.schedule(self.now + delay, action, obj["id"], self.test_clock)

    def automatic(self) -> Self:
        """Give a call for what happens by itself: its events name no request."""
        return replace(self, request_id=None, idempotency_key=None)

    def find(self, kind: str, object_id: str | None) -> Obj | None:
        """Give an object of the caller, or `None`; deleted ones too."""
        located = self.store.locate(object_id) if object_id else None
        if located is None or located[0] != self.scope or located[1]["object"] != kind:
            return None
        self.keep_time_of(located[1])
        return located[1]

    def get(self, kind: str, object_id: str, *, param: str = "id") -> Obj:
        """Give a living object of the caller, or refuse the call."""
        obj = self.find(kind, object_id)
        if obj is not None and not obj.get("deleted"):
            return obj
        raise missing_object(kind, object_id, param=param, other_mode=self._other_mode(object_id))

    def _other_mode(self, object_id: str) -> str | None:
        located = self.store.locate(object_id)
        if located is None or located[0] != (self.scope.account, not self.scope.livemode):
            return None
        return "live" if located[0].livemode else "test"

    def create(self, kind: str, prefix: str, fields: Obj, *, id_length: int = 24) -> Obj:
        """Add a new object of the caller."""
        obj = {
            "id": new_id(prefix, id_length),
            "object": kind,
            "created": self.now,
            "livemode": self.scope.livemode,
            **fields,
        }
        self.store.insert(self.scope, obj)
        return obj

    def change(self, obj: Obj, event: str | None = None, **changes: Any) -> Obj:
        """Write new values to an object; when something differs, record the event."""
        before = copy.deepcopy(obj)
        obj.update(changes)
        previous = _previous(before, obj)
        self.store.update(obj)
        telling = event is not None and event.endswith(_TELLING)
        if event is not None and (previous or not telling):
            self.emit(event, obj, previous if telling else None)
        return obj

    def emit(self, event: str, obj: Obj, previous: Obj | None = None) -> Obj:
        """Record that something happened, with the object as it is now, and queue its webhooks."""
        data: Obj = {"object": public(obj)}
        if previous is not None:
            data["previous_attributes"] = public(previous)
        outbox = Outbox(self.store)
        endpoints = outbox.endpoints_for(self.scope, event)
        recorded = self.create(
            "event",
            "evt_1",
            {
                "type": event,
                "created": self.clock.now(),
                "api_version": API_VERSION,
                "data": data,
                "pending_webhooks": len(endpoints),
                "request": {"id": self.request_id, "idempotency_key": self.idempotency_key},
            },
        )
        for endpoint in endpoints:
            outbox.add(recorded["id"], endpoint["id"], self.clock.exact())
        return recorded

    def page(self, kind: str, where: dict[str, Any] | None = None, **options: Any) -> Obj:
        """Give one page of the caller's objects, newest first, in the shape of a list.

        Reads `limit`, `starting_after`, `ending_before` and `created` from the parameters.
        """
        limit = self.params.get("limit", 10)
        conditions, values = self._window(kind)
        backwards = "ending_before" in self.params
        found = self.store.find(
            self.scope,
            kind,
            where,
            extra=(
                "json_extract(body, '$.deleted') IS NULL",
                *conditions,
                *options.get("extra", ()),
            ),
            values=(*values, *options.get("values", ())),
            oldest_first=backwards,
            limit=limit + 1,
        )
        data = found[:limit]
        return {
            "object": "list",
            "url": self.path,
            "has_more": len(found) > limit,
            "data": data[::-1] if backwards else data,
        }

    def _window(self, kind: str) -> tuple[list[str], list[int]]:
        conditions, values = [], []
        for name, sign in (("starting_after", "<"), ("ending_before", ">")):
            if name in self.params:
                conditions.append(f"seq {sign} ?")
                values.append(self._cursor(kind, name))
        created = self.params.get("created", {})
        limits = created if isinstance(created, dict) else {"is": created}
        signs = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "is": "="}
        for name, moment in limits.items():
            conditions.append(f"json_extract(body, '$.created') {signs[name]} ?")
            values.append(moment)
        return conditions, values

    def _cursor(self, kind: str, name: str) -> int:
        if "starting_after" in self.params and "ending_before" in self.params:
            raise Problem("You can only send one of starting_after and ending_before.", param=name)
        position = self.store.position(self.scope, kind, self.params[name])
        if position is None:
            raise missing_object(kind, self.params[name], param=name)
        return position


def public(value: Any) -> Any:
    """Give an object as callers see it, without the sandbox's own notes (`_…`)."""
    if isinstance(value, dict):
        return {k: public(v) for k, v in value.items() if not k.startswith("_")}
    if isinstance(value, list):
        return [public(entry) for entry in value]
    return value


def _previous(before: Obj, after: Obj) -> Obj:
    changed = {}
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        if old == new or name.startswith("_"):
            continue
        both = isinstance(old, dict) and isinstance(new, dict)
        changed[name] = _previous(old or {}, new or {}) if both else old
    return changed
