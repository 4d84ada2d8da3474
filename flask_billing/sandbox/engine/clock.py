"""The sandbox's own time, which tests move instead of sleeping."""

import time
from collections.abc import Callable


class Clock:
    """Real time plus an offset, or one frozen moment.

    :param changed: Called with the new offset and the frozen moment after each change.
    """

    def __init__(self, changed: Callable[[float, int | None], None] = lambda *_: None) -> None:
        self._offset = 0.0
        self._frozen: int | None = None
        self._changed = changed

    def now(self) -> int:
        """Give the time in whole seconds since 1970."""
        return int(self.exact())

    def exact(self) -> float:
        """Give the time in seconds since 1970, with fractions."""
        if self._frozen is not None:
            return self._frozen
        return time.time() + self._offset

    def advance(self, seconds: float) -> int:
        """Move the time forwards and give the new time."""
        self.set(offset=self._offset + seconds, frozen=self._frozen and self._frozen + int(seconds))
        return self.now()

    def move_to(self, moment: int) -> int:
        """Go on from `moment`, in seconds since 1970."""
        self.set(offset=moment - time.time(), frozen=None)
        return self.now()

    def freeze(self, moment: int | None = None) -> int:
        """Stop at `moment`, or where the time is now."""
        self.set(offset=self._offset, frozen=self.now() if moment is None else moment)
        return self.now()

    def reset(self) -> None:
        """Go back to real time."""
        self.set(offset=0.0, frozen=None)

    def set(self, *, offset: float, frozen: int | None) -> None:
        """Put back a state that was kept."""
        self._offset, self._frozen = offset, frozen
        self._changed(offset, frozen)
