# ruff: noqa
from fasthtml.common import *


class Survey:
    """A page for each question, by plain forms and redirects, without HTMX."""

    steps = [("age", "step_01", "Age"), ("town", "step_02", "Town"), ("final", "step_03", "Final")]

    def __init__(self, app, pipulate, db, route_prefix="/survey-pages"):
        self.pipulate, self.db, self.home = pipulate, db, route_prefix
        app.get(route_prefix)(self.index)
        app.post(f"{route_prefix}/begin")(self.begin)
        app.post(f"{route_prefix}/answer")(self.answer)
        app.get(f"{route_prefix}/result")(self.result)

    def index(self):
        run = self.db.get("pipeline_id")
        state = self.pipulate.get_state(run) if run else {}
        if not state:
            return Titled(
                "Survey",
                Form(
                    Input(name="run", aria_label="Who", required=True),
                    Button("Begin"),
                    method="post",
                    action=f"{self.home}/begin",
                ),
            )
        number = self.pipulate.get_last_completed_step_number(run, self.steps)
        if number >= 2:
            return Titled(
                "Survey", P(f"{run} has answered."), A("Result", href=f"{self.home}/result")
            )
        key, step_id, label = self.steps[number]
        return Titled(
            f"Survey of {run}",
            Form(
                Hidden(name="step", value=step_id),
                Hidden(name="key", value=key),
                Input(name="value", aria_label=label, required=True),
                Button("Next"),
                method="post",
                action=f"{self.home}/answer",
            ),
        )

    def begin(self, run: str):
        self.pipulate.initialize_if_missing(run)
        self.db["pipeline_id"] = run
        return RedirectResponse(self.home, status_code=303)

    def answer(self, step: str, key: str, value: str, note: Optional[str] = None):
        self.pipulate.set_step_data(self.db["pipeline_id"], step, {key: value})
        return RedirectResponse(self.home, status_code=303)

    def result(self):
        run = self.db["pipeline_id"]
        answers, lines = self.pipulate.get_step_summary(run, "step_03", self.steps)
        return Titled(
            f"Result of {run}",
            Pre("\n".join(lines)),
            P(str(self.pipulate.get_all_step_data(run, self.steps))),
        )
