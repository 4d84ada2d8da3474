"""Letters reach a real mail server: each by itself, whole, and with headers that nobody injects."""

from __future__ import annotations

import email
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from flask_mailman import Mail

from flask_billing import Letter, NotTaken, notifying
from flask_billing.ids import uuid7
from flask_billing.notifying import DeliverReport
from flask_billing.notifying.mail import MailNotifier
from tests.events.world import MovedClock, World
from tests.host import billing
from tests.notifying.outbox import receipt, rows, states


class Post:
    """A mail server's handler: keeps what it takes, and answers what it is told to."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, list[str], EmailMessage]] = []
        self.connections = 0
        self.answers: dict[str, str] = {}
        self.at_data: Callable[[SMTP], str] = lambda server: "250 OK"

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, lines: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return lines

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.answers.pop("sender", "250 OK")

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        answer = self.at_data(server)
        if answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            message = email.message_from_bytes(envelope.content, policy=default)
            assert isinstance(message, EmailMessage)
            self.taken.append((str(envelope.mail_from), envelope.rcpt_tos, message))
        return answer

    def recipients(self) -> list[str]:
        return [to for _, recipients, _ in self.taken for to in recipients]


class Server(Controller):
    """A mail server on a port that the system chooses."""

    def _trigger_server(self) -> None:
        """Learn the port before the first connection, by which aiosmtpd sees that it runs."""
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def post() -> Iterator[Post]:
    """What the server's handler keeps; `port` is where it listens."""
    post = Post()
    server = Server(post, hostname="127.0.0.1", port=0)
    server.start()
    post.port = server.port  # type: ignore[attr-defined]
    yield post
    server.stop()


@pytest.fixture
def settings(post: Any) -> dict[str, Any]:
    return {
        "BILLING_BASE_URL": "https://app.example.com",
        "BILLING_MAIL_SENDER": "billing@example.com",
        "MAIL_BACKEND": "smtp",
        "MAIL_SERVER": "127.0.0.1",
        "MAIL_PORT": post.port,
        "MAIL_TIMEOUT": 20,
    }


@pytest.fixture(autouse=True)
def mailing(world: World) -> None:
    Mail(world.app)
    billing.notifier = MailNotifier()


def test_each_gets_a_message_of_their_own(world: World, post: Post) -> None:
    receipt(world, "ada@example.com", "bob@example.com", billing_email="pay@example.com")

    assert notifying.deliver() == DeliverReport(sent=2)

    assert [(sender, to) for sender, to, _ in post.taken] == [
        ("billing@example.com", [f"{who}@example.com"]) for who in ("ada", "bob", "pay")
    ]
    for _, [to], message in post.taken:
        assert message["To"] == to
        assert message["From"] == "billing@example.com"
        assert message["Auto-Submitted"] == "auto-generated"
        assert (message["Cc"], message["Bcc"]) == (None, None)
        assert message.get_content_type() == "multipart/alternative"
        parts = [part.get_content_type() for part in message.iter_parts()]
        assert parts == ["text/plain", "text/html"]
    # One connection for all members, one for the billing e-mail.
    assert post.connections == 2


def test_letter_arrives_as_it_was_written(world: World, post: Post) -> None:
    subject = "Zahlung fehlgeschlagen: 3.100,50 € für März"

    assert MailNotifier().send([a_letter(subject=subject, text="Grüße\n", html="<p>Grüße</p>")])

    [(_, _, message)] = post.taken
    # A long one begins on the header's second line.
    assert message["Subject"].strip() == subject
    plain, html = message.iter_parts()
    assert isinstance(plain, EmailMessage)
    assert isinstance(html, EmailMessage)
    assert plain.get_content().strip() == "Grüße"
    assert html.get_content().strip() == "<p>Grüße</p>"
    assert message["Content-Language"] == "de"


@pytest.mark.parametrize("broken", ["subject", "email"])
def test_header_injection_is_impossible(world: World, post: Post, broken: str) -> None:
    poison = {broken: "ada@example.com\r\nBcc: eve@example.com"}

    with pytest.raises(NotTaken) as caught:
        MailNotifier().send([a_letter(**poison)])

    assert caught.value.for_good
    assert "eve" not in str(caught.value)
    assert post.taken == []


def test_sender_with_a_name_is_shown_with_it(world: World, post: Post) -> None:
    world.app.extensions["billing"].settings.__dict__["mail_sender"] = "North <north@example.com>"

    MailNotifier().send([a_letter()])

    [(sender, _, message)] = post.taken
    assert (sender, message["From"]) == ("north@example.com", "North <north@example.com>")


# What may be tried again


def test_server_that_is_away_is_tried_again(
    world: World, moved_clock: MovedClock, post: Any
) -> None:
    receipt(world, "ada@example.com")
    mailman = world.app.extensions["mailman"]
    mailman.port = 1
    assert notifying.deliver() == DeliverReport(retried=1)
    assert rows()[0].error_class == "ConnectionRefusedError"

    mailman.port = post.port
    moved_clock.advance(minutes=2)

    assert notifying.deliver() == DeliverReport(sent=1, skipped=1)
    assert post.recipients() == ["ada@example.com"]


@pytest.mark.parametrize(
    ("whom", "answer", "kind"),
    [
        ("ada@example.com", "450 Later", "SMTPRecipientsRefused_450"),
        ("sender", "451 Later", "SMTPSenderRefused_451"),
        ("sender", "550 Not you", "SMTPSenderRefused_550"),
        ("sender", "421 Closing", "SMTPSenderRefused_421"),
    ],
)
def test_refusal_that_may_pass_is_tried_again(
    world: World, moved_clock: MovedClock, post: Post, whom: str, answer: str, kind: str
) -> None:
    receipt(world, "ada@example.com")
    post.answers[whom] = answer

    assert notifying.deliver() == DeliverReport(retried=1)
    assert rows()[0].error_class == kind

    post.answers.clear()
    moved_clock.advance(minutes=2)
    notifying.deliver()
    assert post.recipients() == ["ada@example.com"]


def test_message_that_is_put_off_after_its_data_is_tried_again(
    world: World, moved_clock: MovedClock, post: Post
) -> None:
    receipt(world, "ada@example.com")
    post.at_data = lambda server: "452 Full"
    assert notifying.deliver() == DeliverReport(retried=1)

    post.at_data = lambda server: "250 OK"
    moved_clock.advance(minutes=2)
    notifying.deliver()

    assert post.recipients() == ["ada@example.com"]


def test_mailbox_that_does_not_exist_is_not_tried_again(world: World, post: Post) -> None:
    receipt(world, "ada@example.com")
    post.answers["ada@example.com"] = "550 No such user ada"

    assert notifying.deliver() == DeliverReport(failed=1, skipped=1)
    assert rows()[0].error_class == "SMTPRecipientsRefused_550"


@pytest.mark.parametrize("answer", ["550 No such user", "450 Later", "421 Too many"])
def test_one_refused_recipient_keeps_nobody_else_from_theirs(
    world: World, moved_clock: MovedClock, post: Post, answer: str
) -> None:
    receipt(world, "ada@example.com", "bob@example.com", "cem@example.com")
    post.answers["bob@example.com"] = answer

    notifying.deliver()
    moved_clock.advance(days=1)
    notifying.deliver()

    assert post.recipients() == ["ada@example.com", "cem@example.com"]
    assert (rows()[0].state, rows()[0].error_class) == ("sent", "PartlyTaken")


# What may have arrived


def test_line_that_goes_dead_after_the_data_is_never_tried_again(
    world: World, moved_clock: MovedClock, post: Post
) -> None:
    receipt(world, "ada@example.com", "bob@example.com")

    def hang_up(server: SMTP) -> str:
        if post.recipients():
            return "250 OK"
        assert server.transport is not None
        server.transport.close()
        return "250 OK"

    post.at_data = hang_up
    assert notifying.deliver() == DeliverReport(unknown=1, skipped=1)
    moved_clock.advance(days=1)
    notifying.deliver()

    # The server had taken it all the same, and the other member got theirs.
    assert post.recipients() == ["ada@example.com", "bob@example.com"]
    assert states()["members"] == "unknown"
    assert rows()[0].error_class == "SMTPServerDisconnected"


def test_settings_that_are_missing_are_named_and_tried_again(world: World) -> None:
    receipt(world, "ada@example.com")
    del world.app.extensions["mailman"]

    assert notifying.deliver() == DeliverReport(retried=1)
    assert rows()[0].error_class == "no_mailman"


def a_letter(**changes: str) -> Letter:
    values: dict[str, Any] = {
        "notification_id": uuid7(),
        "kind": "receipt",
        "email": "ada@example.com",
        "subject": "Receipt",
        "text": "Paid.\n",
        "html": "<p>Paid.</p>",
        "language": "de",
    }
    return Letter(**values | changes)
