"""What messages are sent to: a real mail server, and plain HTTP receivers that keep what they are given. All of them listen
on this machine alone."""

import email
import email.policy
import json
import ssl
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from harness import free_port

# Longer than a message takes on a busy machine.
ARRIVAL_SECONDS_MAX = 40


class Kept:
    """A list that can be waited on."""

    def __init__(self):
        self.items = []
        self.changed = threading.Condition()

    def keep(self, item):
        with self.changed:
            self.items.append(item)
            self.changed.notify_all()

    def wait(self, count=1, fits=lambda item: True, seconds=ARRIVAL_SECONDS_MAX):
        """The first items that fit, as soon as there are so many."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(list(filter(fits, self.items))) >= count, seconds), (
                f"{len(list(filter(fits, self.items)))} of {count} arrived in {seconds} s: {self.items}"
            )
            return list(filter(fits, self.items))[:count]

    def one(self, fits=lambda item: True):
        return self.wait(1, fits)[0]

    def stays(self, count, seconds=2):
        """Fails if there are more than so many, now or a little later."""
        time.sleep(seconds)
        assert len(self.items) == count, self.items


class Request:
    """One request, as it arrived."""

    def __init__(self, handler, body):
        self.method, self.path, self.body = handler.command, handler.path, body
        self.headers = {name.lower(): value for name, value in handler.headers.items()}

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def form(self):
        return dict(urllib.parse.parse_qsl(self.body.decode(), strict_parsing=True))

    def __repr__(self):
        return f"{self.method} {self.path} {self.body[:300]!r}"


class Receiver(Kept):
    """An HTTP server that answers everything with `answer`: status, headers, body. A list of answers is used up, and its
    last one stays."""

    def __init__(self, status=200, headers=None, body=b""):
        super().__init__()
        self.answers = [(status, headers or {}, body)]
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                answers = receiver.answers
                status, headers, said = answers.pop(0) if len(answers) > 1 else answers[0]
                receiver.keep(Request(self, body))
                self.send_response(status)
                for name, value in {"content-length": str(len(said)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Mail:
    """One mail, as the server took it."""

    def __init__(self, private, signed_in_as, envelope):
        self.private, self.signed_in_as = private, signed_in_as
        self.sender, self.recipients = envelope.mail_from, envelope.rcpt_tos
        self.raw = envelope.original_content
        self.message = email.message_from_bytes(self.raw, policy=email.policy.default)

    def __getitem__(self, name):
        return self.message[name]

    @property
    def text(self):
        return self.message.get_body(("plain",)).get_content()

    @property
    def html(self):
        return self.message.get_body(("html",)).get_content()

    def __repr__(self):
        return f"mail to {self.recipients}: {self['subject']}"


class MailServer(Kept):
    """aiosmtpd with the security that is asked for: `starttls`, `tls` or `none`. With a password it wants a sign-in first.
    `answers` are what it says to single recipients, and to `DATA`."""

    def __init__(self, context=None, security="none", password=None, answers=None):
        super().__init__()
        self.port = free_port()
        self.answers = answers or {}
        self.controller = Controller(
            Mailboxes(self, security), hostname="127.0.0.1", port=self.port, **self.options(context, security, password)
        )
        self.controller.start()

    @staticmethod
    def options(context, security, password):
        def sign_in(server, session, envelope, mechanism, data):
            good = data.password.decode() == password
            return AuthResult(success=good, handled=good, auth_data=data.login.decode())

        options = {"authenticator": sign_in, "auth_required": True} if password else {}
        if security == "starttls":
            return {**options, "tls_context": context, "require_starttls": True}
        if security == "tls":
            # All of the connection is TLS, of which the protocol behind it does not know.
            return {**options, "ssl_context": context, "auth_require_tls": False}
        return options

    def stop(self):
        self.controller.stop()


class Mailboxes:
    """What aiosmtpd asks for each command."""

    def __init__(self, server, security):
        self.server, self.security = server, security

    async def handle_RCPT(self, server, session, envelope, address, options):
        answer = self.server.answers.get(address, "250 2.1.5 ok")
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):
        private = self.security == "tls" or session.ssl is not None
        self.server.keep(Mail(private, session.auth_data if session.authenticated else None, envelope))
        return self.server.answers.get("DATA", "250 2.0.0 ok")


def tls_context(authority, *names):
    """A server's certificate for these names, of an authority of the tests' own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context
