# ruff: noqa
from fasthtml.common import *


class Account:
    """Says which account is connected."""

    def __init__(self, app, prefix):
        self.prefix = prefix
        app.route(f"{prefix}/check", methods=["POST"])(self.check)

    def helper_render(self, what, why):
        return P(what, why)

    def account_render(self, request):
        return Container(
            H1("Account"),
            P(f"asked by {request.method} {request.url.path}"),
            Button("Check", hx_post=f"{self.prefix}/check", hx_target="#checked"),
            Div(id="checked"),
        )

    def check(self):
        if not api_key:
            return P(f"No account{username}. ", A("Connect one", href="/connect"))
        return P(f"Connected as {username}, {len(api_key)} characters are kept.")


accounts = Account(app, prefix="/my-account")
