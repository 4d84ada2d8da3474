"""Who is at work on a card while it changes, for plays of the real code."""

from __future__ import annotations

from functools import partial

from flask import Flask

from flask_billing.sandbox import Sandbox
from tests.interleavings.schedules import Play
from tests.interleavings.stage import Stage


def renewed(app: Flask, sandbox: Sandbox) -> Play:
    stage = Stage(app, sandbox)
    told = partial(stage.told, "updated")
    return stage.play(stage.expire, stage.renew, early=(told, 0), told=(told, 2))


def detached(app: Flask, sandbox: Sandbox) -> Play:
    stage = Stage(app, sandbox)
    early, told = partial(stage.told, "updated"), partial(stage.told, "detached")
    return stage.play(stage.detach, early=(early, 0), told=(told, 1))


def attached_and_expired(app: Flask, sandbox: Sandbox) -> Play:
    stage = Stage(app, sandbox, known=False)
    early, told = partial(stage.told, "attached"), partial(stage.told, "updated")
    return stage.play(stage.expire, early=(early, 0), told=(told, 1))


def attached_and_detached(app: Flask, sandbox: Sandbox) -> Play:
    stage = Stage(app, sandbox, known=False)
    early, told = partial(stage.told, "attached"), partial(stage.told, "detached")
    return stage.play(stage.detach, early=(early, 0), told=(told, 1))


def attached_twice(app: Flask, sandbox: Sandbox) -> Play:
    stage = Stage(app, sandbox, known=False)
    early = partial(stage.told, "attached")
    return stage.play(early=(early, 0), other=(stage.tell_all, 0))


def removed(app: Flask, sandbox: Sandbox) -> Play:
    stage = Stage(app, sandbox)
    return stage.play(stage.expire, remover=(stage.remove, 0), told=(stage.ask_and_write, 1))


def removed_twice(app: Flask, sandbox: Sandbox) -> Play:
    stage = Stage(app, sandbox)
    return stage.play(remover=(stage.remove, 0), other=(stage.remove, 0))


def page(app: Flask, sandbox: Sandbox) -> Play:
    stage = Stage(app, sandbox)
    told = partial(stage.told, "detached")
    return stage.play(stage.expire, stage.detach, page=(stage.look_at_page, 0), told=(told, 2))


def page_and_removal(app: Flask, sandbox: Sandbox) -> Play:
    stage = Stage(app, sandbox)
    return stage.play(page=(stage.look_at_page, 0), remover=(stage.remove, 0))


def page_and_attached(app: Flask, sandbox: Sandbox) -> Play:
    stage = Stage(app, sandbox, known=False)
    told = partial(stage.told, "attached")
    return stage.play(stage.expire, page=(stage.look_at_page, 0), told=(told, 1))


def returned(app: Flask, sandbox: Sandbox) -> Play:
    stage = Stage(app, sandbox)
    session_id = stage.save_on_page()
    page, hook = partial(stage.come_back, session_id), partial(stage.told_of_session, session_id)
    return stage.play(stage.detach_and_tell, page=(page, 0), hook=(hook, 0))


def processed(app: Flask, sandbox: Sandbox) -> Play:
    stage = Stage(app, sandbox)
    stage.send("updated")
    process = stage.process_one
    return stage.play(stage.detach_and_send, worker=(process, 0), other=(process, 1))


#: How often at most somebody is left standing who could go on; `None`: as often as can be.
MOST_SWITCHES = {
    renewed: None,
    detached: None,
    attached_and_expired: 2,
    attached_and_detached: 2,
    attached_twice: 2,
    returned: 1,
    removed: None,
    removed_twice: None,
    page: 2,
    page_and_removal: None,
    page_and_attached: 2,
    processed: None,
}
