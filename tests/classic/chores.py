# ruff: noqa
from fasthtml.common import *


class Chores:
    """Tasks by profile, straight from the tables."""

    app_name = "chores"

    def __init__(self, app, tasks, profiles, prefix="/chores"):
        self.tasks = tasks
        self.profiles = profiles
        self.prefix = prefix
        app.post(f"{prefix}/add")(self.add)
        app.post(f"{prefix}/done/{{id}}")(self.done)
        app.delete(f"{prefix}/{{id}}")(self.delete)
        app.post(f"{prefix}/client")(self.client)

    def landing(self, request):
        return Grid(
            Div(
                H2("Chores"),
                Form(
                    Group(Input(name="name", aria_label="Chore", required=True), Button("Add")),
                    hx_post=f"{self.prefix}/add",
                    hx_target="#chores",
                ),
                self.items(),
            ),
            Div(
                H2("Clients"),
                Form(
                    Input(name="name", aria_label="Client", required=True),
                    Button("Add client"),
                    hx_post=f"{self.prefix}/client",
                    hx_target="#clients",
                ),
                self.names(),
            ),
        )

    def items(self):
        rows = self.tasks(order_by="id")
        return Ul(*[self.item(task) for task in rows], id="chores")

    def item(self, task):
        return Li(
            S(task.name) if task.done else Span(task.name),
            Button(
                f"Done {task.name}", hx_post=f"{self.prefix}/done/{task.id}", hx_target="#chores"
            ),
            Button(
                f"Delete {task.name}", hx_delete=f"{self.prefix}/{task.id}", hx_target="#chores"
            ),
            id=f"chore-{task['id']}",
        )

    def names(self):
        return Ul(
            *[Li(f"{profile.name} ({profile.menu_name})") for profile in self.profiles()],
            id="clients",
        )

    def add(self, name: str):
        task = self.tasks.insert(Task(name=name, done=False))
        assert isinstance(task, Task)
        return self.items()

    def done(self, id: int):
        task = self.tasks[id]
        task.done = True
        self.tasks.update(task)
        return self.items()

    def delete(self, id: int):
        try:
            self.tasks.delete(id)
            tasks[id]
        except NotFoundError:
            return self.items()

    def client(self, name: str):
        clients.insert(Client(name=name, menu_name=name[:1], active=True))
        assert store("key = 'model_key'") == [] and isinstance(clients()[-1], Client)
        return self.names()
