"""By hand: the bare piano, every route and HTMX attribute visible.

Only the engine is used here, nothing of `Workflow`: see what that does.
"""

from fasthtml.common import H2, Article, Button, Div, Form, Input, P, Small, Titled


class ByHand:
    """The Bridge of Death by hand: three questions, a verdict, and the record."""

    APP_NAME = "byhand"
    TITLE = "By hand"
    STEPS = (
        ("name", "step_01", "What... is your name?"),
        ("quest", "step_02", "What... is your quest?"),
        ("color", "step_03", "What... is your favorite color?"),
        ("finalize", "step_04", "Finalize"),
    )

    def __init__(self, app, pipulate, db, chatq, limiter):
        self.pipulate = pipulate
        self.db = db
        self.chatq = chatq
        self.limiter = limiter
        self.prefix = f"/{self.APP_NAME}"
        app.route(self.prefix, methods=["GET"])(self.landing)
        app.route(f"{self.prefix}/init", methods=["POST"])(self.init)
        app.route(f"{self.prefix}/revert", methods=["POST"])(self.revert)
        for _, step_id, _ in self.STEPS:
            show = getattr(self, step_id)
            submit = getattr(self, f"{step_id}_submit")
            app.route(f"{self.prefix}/{step_id}", methods=["GET"])(show)
            app.route(f"{self.prefix}/{step_id}_submit", methods=["POST"])(submit)

    async def landing(self):
        id = self.run_id()
        key = Input(
            name="id",
            value=id,
            placeholder="arthur",
            required=True,
            aria_label="Run ID",
        )
        begin = Form(
            key,
            Button("Open"),
            hx_post=f"{self.prefix}/init",
            hx_target="#byhand-cards",
        )
        cards = Div(id="byhand-cards")
        # Reloaded, or come to by its address, /byhand?id=arthur.
        if id and self.pipulate.get_state(id):
            cards = cards(self.chain(id))
        return Titled(self.TITLE, Article(begin), cards)

    def chain(self, id):
        return self.pipulate.generate_step_chain(self.prefix, id, self.STEPS)

    async def init(self, id: str):
        self.pipulate.initialize_if_missing(id)
        # The current run: each tab has its own.
        self.db["pipeline_id"] = id
        return self.chain(id)

    def run_id(self):
        """The current run's, "" while there is none."""
        return self.db.get("pipeline_id", "")

    def card(self, index):
        """The done card, the open card, or nothing yet, for the question at `index`."""
        id = self.run_id()
        key, step_id, label = self.STEPS[index]
        value = self.pipulate.get_step_data(id, step_id).get(key)
        if not value:
            return self.question(step_id, label)
        if self.pipulate.get_state(id).get("finalized"):
            return Article(Small(label), P(value), id=step_id)
        return Article(Small(label), P(value), self.change(step_id, label), id=step_id)

    def question(self, step_id, label):
        ask = Form(
            Input(
                name="value",
                required=True,
                autofocus=True,
                aria_label=label,
                id=None,
            ),
            Button("Next"),
            hx_post=f"{self.prefix}/{step_id}_submit",
            hx_target=f"#{step_id}",
            hx_swap="outerHTML",
        )
        return Article(H2(label), ask, id=step_id)

    def change(self, step_id, label):
        return Form(
            Input(type="hidden", name="step_id", value=step_id, id=None),
            Button("Change", cls="quiet", aria_label=f"Change: {label}"),
            hx_post=f"{self.prefix}/revert",
            hx_target="#byhand-cards",
        )

    async def submit(self, index, value):
        key, step_id, label = self.STEPS[index]
        self.pipulate.set_step_data(self.run_id(), step_id, {key: value.strip()})
        # The model says something about it, if one is there.
        await self.chatq(f"Asked “{label}”, the user said “{value}”. React {self.limiter}.")
        following = self.STEPS[index + 1][1]
        # The next card loads itself, in the place that waits for it.
        return self.card(index), Div(
            id=following,
            hx_get=f"{self.prefix}/{following}",
            hx_trigger="load",
            hx_swap="outerHTML",
            hx_swap_oob="true",
        )

    async def step_01(self):
        return self.card(0)

    async def step_01_submit(self, value: str):
        return await self.submit(0, value)

    async def step_02(self):
        return self.card(1)

    async def step_02_submit(self, value: str):
        return await self.submit(1, value)

    async def step_03(self):
        return self.card(2)

    async def step_03_submit(self, value: str):
        return await self.submit(2, value)

    async def step_04(self):
        id = self.run_id()
        color = self.pipulate.get_step_data(id, "step_03").get("color", "")
        verdict = "You are cast into the Gorge of Eternal Peril!"
        if color.lower() == "blue":
            verdict = "Right. Off you go."
        locked = self.pipulate.get_state(id).get("finalized")
        lock = Form(
            Button("Unlock" if locked else "Finalize"),
            hx_post=f"{self.prefix}/step_04_submit",
            hx_target="#byhand-cards",
        )
        return Article(H2("Result"), P(verdict), lock, id="step_04")

    async def step_04_submit(self):
        id = self.run_id()
        if self.pipulate.get_state(id).get("finalized"):
            self.pipulate.unfinalize(id)
        else:
            self.pipulate.finalize(id)
        return self.chain(id)

    async def revert(self, step_id: str):
        id = self.run_id()
        self.pipulate.clear_steps_from(id, step_id, self.STEPS)
        return self.chain(id)
