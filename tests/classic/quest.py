# ruff: noqa
import asyncio
from fasthtml.common import *
from loguru import logger


class QuestFlow:
    """Three questions on a bridge, in cards that load one another, and a lock."""

    def __init__(self, app, pipulate, prefix="/bridge"):
        self.app = app
        self.pipulate = pipulate
        self.prefix = prefix
        self.STEPS = [
            ("name", "step_01", "Name"),
            ("quest", "step_02", "Quest"),
            ("color", "step_03", "Color"),
            ("finalized", "step_04", "Final"),
        ]
        routes = [
            (f"{prefix}", self.landing),
            (f"{prefix}/init", self.init, ["POST"]),
            (f"{prefix}/jump_to_step", self.jump_to_step, ["POST"]),
            (f"{prefix}/finalize", self.finalize, ["POST"]),
            (f"{prefix}/unfinalize", self.unfinalize, ["POST"]),
        ]
        for _, step_id, _ in self.STEPS[:-1]:
            routes.append((f"{prefix}/{step_id}", getattr(self, step_id)))
            routes.append(
                (f"{prefix}/{step_id}_submit", getattr(self, f"{step_id}_submit"), ["POST"])
            )
        routes.append((f"{prefix}/step_04", self.step_04))
        for path, handler, *methods in routes:
            method_list = methods[0] if methods else ["GET"]
            app.route(path, methods=method_list)(handler)
        logger.info(f"{self.__class__.__name__} at {prefix}")

    async def landing(self):
        return Container(
            Card(
                H2("The bridgekeeper"),
                Form(
                    Group(
                        Input(
                            type="text",
                            name="url",
                            placeholder="Run",
                            required=True,
                            aria_label="Run",
                            value=db.get("pipeline_id", ""),
                        ),
                        Button("Begin", type="submit"),
                    ),
                    hx_post=f"{self.prefix}/init",
                    hx_target="#quest-container",
                ),
            ),
            Div(id="quest-container"),
        )

    async def init(self, request):
        form = await request.form()
        url = form.get("url", "").strip()
        if not url:
            return P("Who approaches?", style="color: red;")
        db["pipeline_id"] = url
        state = self.pipulate.initialize_if_missing(url, {"app_name": "quest"})
        if self.pipulate.should_advance(url, "step_04", {"finalized": "*"}):
            asyncio.create_task(
                chatq(f"The quest of {url} is sealed. Say so {limiter}.", role="system")
            )
        logger.debug(f"state {state}")
        placeholders = self.pipulate.generate_step_placeholders(
            self.STEPS, self.prefix, start_from=0
        )
        return Div(*placeholders, id="quest-container")

    def card(self, step_id, key, label, next_id):
        pipeline_id = db.get("pipeline_id", "unknown")
        data = self.pipulate.get_step_data(pipeline_id, step_id, {})
        if self.pipulate.should_advance(pipeline_id, "step_04", {"finalized": "*"}):
            return Div(
                Card(f"🔒 {label}: {data.get(key)}"),
                Div(
                    id=next_id,
                    hx_get=f"{self.prefix}/{next_id}",
                    hx_trigger="load",
                    hx_swap="outerHTML",
                ),
            )
        if self.pipulate.should_advance(pipeline_id, step_id, {key: "*"}):
            return Div(
                Card(
                    f"{label}: {data[key]}",
                    Form(
                        Hidden(name="step_id", value=step_id),
                        Button(f"Change {label}", type="submit"),
                        hx_post=f"{self.prefix}/jump_to_step",
                        hx_target="#quest-container",
                        hx_swap="outerHTML",
                    ),
                ),
                Div(
                    id=next_id,
                    hx_get=f"{self.prefix}/{next_id}",
                    hx_trigger="load",
                    hx_swap="outerHTML",
                ),
            )
        return Div(
            Card(
                H4(f"What is your {label.lower()}?"),
                Form(
                    Input(
                        name=key,
                        required=True,
                        autofocus=True,
                        aria_label=label,
                        value=data.get(key, ""),
                    ),
                    Button("Answer", type="submit"),
                    hx_post=f"{self.prefix}/{step_id}_submit",
                    hx_target=f"#{step_id}",
                    hx_swap="outerHTML",
                ),
            ),
            Div(id=next_id),
            id=step_id,
        )

    async def submit(self, request, step_id, key, label, next_id):
        form = await request.form()
        value = form.get(key, "").strip()
        pipeline_id = db["pipeline_id"]
        self.pipulate.set_step_data(pipeline_id, step_id, {key: value})
        await chatq(f"The traveller said {key} {value}. {limiter}", role="system")
        return self.card(step_id, key, label, next_id)

    async def step_01(self, request):
        return self.card("step_01", "name", "Name", "step_02")

    async def step_01_submit(self, request):
        return await self.submit(request, "step_01", "name", "Name", "step_02")

    async def step_02(self, request):
        return self.card("step_02", "quest", "Quest", "step_03")

    async def step_02_submit(self, request):
        return await self.submit(request, "step_02", "quest", "Quest", "step_03")

    def step_03(self):
        return self.card("step_03", "color", "Color", "step_04")

    async def step_03_submit(self, request):
        return await self.submit(request, "step_03", "color", "Color", "step_04")

    def step_04(self):
        pipeline_id = db["pipeline_id"]
        if self.pipulate.should_advance(pipeline_id, "step_04", {"finalized": "*"}):
            return Card(
                H3("Sealed"),
                Form(
                    Button("Unfinalize", type="submit"),
                    hx_post=f"{self.prefix}/unfinalize",
                    hx_target="#quest-container",
                    hx_swap="outerHTML",
                ),
            )
        answers = self.pipulate.get_all_step_data(pipeline_id, self.STEPS)
        return Card(
            self.verdict(**answers),
            Form(
                Button("Finalize", type="submit"),
                hx_post=f"{self.prefix}/finalize",
                hx_target="#quest-container",
                hx_swap="outerHTML",
            ),
        )

    def verdict(self, name, quest, color):
        return P(f"{name} seeks {quest} in {color}.")

    def chain(self):
        return Div(
            *self.pipulate.generate_step_placeholders(self.STEPS, self.prefix), id="quest-container"
        )

    async def finalize(self):
        pipeline_id = db["pipeline_id"]
        state = self.pipulate.get_state(pipeline_id)
        state["step_04"] = {"finalized": True}
        self.pipulate._save_state(pipeline_id, state)
        return self.chain()

    async def unfinalize(self):
        pipeline_id = db["pipeline_id"]
        state = self.pipulate._get_state(pipeline_id)
        del state["step_04"]["finalized"]
        self.pipulate._save_state(pipeline_id, state)
        return self.chain()

    async def jump_to_step(self, request):
        form = await request.form()
        self.pipulate.clear_steps_from(db["pipeline_id"], form.get("step_id"), self.STEPS)
        return self.chain()
