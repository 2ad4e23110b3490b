# ruff: noqa
from fasthtml.common import *


class LinkFiles:
    """Files of links, written for an organisation and downloaded."""

    def __init__(self, app, route_prefix="/link-graph", id_suffix=""):
        self.route_prefix = route_prefix
        self.id_suffix = id_suffix
        self.folder = Path(db.get("links_folder", "/tmp")) / "links"
        app.add_route(f"{route_prefix}/make", self.make, methods=["POST"])
        app.add_route(f"{route_prefix}/list", self.files, methods=["GET"])

        @app.get("/download/{org}/{file}")
        def download(org: str, file: str):
            path = self.folder / org / Path(file).name
            if not path.is_file():
                return PlainTextResponse("no such file", status_code=404)
            return FileResponse(path, filename=path.name)

        @app.get(f"{route_prefix}/count.txt")
        def count() -> PlainTextResponse:
            return PlainTextResponse(str(len([*self.folder.glob("*/*.csv")])))

    async def link_render(self):
        return Div(
            Titled(
                "Link files",
                Form(
                    Input(
                        name="org",
                        placeholder="Organisation",
                        required=True,
                        aria_label="Organisation",
                    ),
                    Button("Make the file"),
                    hx_post=f"{self.route_prefix}/make",
                    hx_target=f"#files{self.id_suffix}",
                ),
            ),
            Div(id=f"files{self.id_suffix}", hx_get=f"{self.route_prefix}/list", hx_trigger="load"),
        )

    async def make(self, request):
        org = (await request.form())["org"]
        place = self.folder / org
        place.mkdir(parents=True, exist_ok=True)
        (place / "links.csv").write_text("source,target\n/,/a\n")
        return self.files()

    def files(self):
        found = sorted(self.folder.glob("*/*.csv"))
        return Ul(
            *[
                Li(
                    A(
                        f"{path.parent.name} links",
                        href=f"/download/{path.parent.name}/{path.name}",
                        download=True,
                    )
                )
                for path in found
            ],
            id="list",
        )
