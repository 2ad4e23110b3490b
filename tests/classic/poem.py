# ruff: noqa
import asyncio, json
from fasthtml.common import *
from loguru import logger


class PoemFlow:
    """A subject, a poem that the model writes, and a title."""

    STEPS = [
        ("subject", "step_01", "Subject"),
        ("poem", "step_02", "Poem"),
        ("done", "step_03", "Done"),
    ]

    def __init__(self, app, pipulate, db, chat=None):
        self.app, self.pipulate, self.db, self.chat = app, pipulate, db, chat
        endpoint_messages["poem"] = "Here the user has a poem written by the model."
        rt("/poem/start", methods=["POST"])(self.start)
        rt("/poem/write", methods=["POST"])(self.write)
        rt("/poem/tell", methods=["POST"])(self.tell)
        rt("/poem/again", methods=["POST"])(self.return_to_step)

    async def start_form(self):
        run = self.db.get("pipeline_id")
        return Titled(
            "A poem",
            P(f"Written by {model or 'yourself'}"),
            Form(
                Input(name="id", value=run or "", aria_label="Poem", required=True),
                Input(name="subject", aria_label="Subject", required=True),
                Button("Start"),
                hx_post="/poem/start",
                hx_target="#poem",
            ),
            Div(id="poem"),
        )

    async def start(self, request):
        form = await request.form()
        self.db["pipeline_id"] = form["id"]
        self.pipulate.initialize_if_missing(form["id"], {"created_by": "poem"})
        self.pipulate.set_step_data(form["id"], "step_01", {"subject": form["subject"]})
        await chatq(f"Praise the subject {form['subject']} {limiter}", role="system")
        return Card(
            P(f"About {form['subject']}"),
            Button("Write it", hx_post="/poem/write", hx_target="#poem"),
            header=H3("Ready"),
            footer=Small(datetime.now().strftime("%Y")),
        )

    async def write(self):
        run = self.db["pipeline_id"]
        answers, lines = self.pipulate.get_step_summary(run, "step_02", self.STEPS)
        messages = [
            {"role": "system", "content": "You are a poet. " + limiter},
            {"role": "user", "content": f"A poem about {answers['subject']}\n" + "\n".join(lines)},
        ]
        text = ""
        try:
            async for chunk in chat_with_llm(model, messages):
                text += chunk
        except Exception as e:
            logger.warning(e)
            text = "The muse is silent."
        self.pipulate.set_step_data(run, "step_02", {"poem": text})
        return Card(
            Pre(text),
            Button("Tell everybody", hx_post="/poem/tell", hx_target="#poem"),
            Button("Again", hx_post="/poem/again", hx_target="#poem"),
        )

    async def tell(self):
        data = self.pipulate.get_step_data(self.db["pipeline_id"], "step_02", {})
        await self.chat.broadcast(f"A poem: {data.get('poem', '')}")
        await chat.broadcast("It is **told**.")
        return P("Told.")

    async def return_to_step(self):
        run = self.db["pipeline_id"]
        self.pipulate.clear_steps_from(run, "step_02", self.STEPS)
        return Card(P("Once more"), Button("Write it", hx_post="/poem/write", hx_target="#poem"))


flow = PoemFlow(app, pipulate, db, chat)
