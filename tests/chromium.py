"""Where the browser is.  Tests and the screenshot script ask here: one rule, one message.

The environment's CHROMIUM wins; else the first of the usual names on PATH.  Nothing ever downloads
a browser.
"""

import os
import shutil
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MISSING = f"""No browser for the browser tests: neither CHROMIUM is set nor any of these on PATH:
  {", ".join(NAMES)}
  Debian, Ubuntu   sudo apt install chromium
  Fedora           sudo dnf install chromium
  macOS            export CHROMIUM="/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
  without them     PIPULATE_NO_BROWSER=1 make test (leaves those tests out, and says so)"""

# No sandbox: CI runs as root, where Chromium refuses it; the pages are our own.  The resolver rule
# turns any request that would leave this machine into an error, so a forgotten CDN address fails
# here as it would offline.
LAUNCH_ARGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


def find_chromium() -> str:
    """Return the browser's path; raises FileNotFoundError, worded for the user."""
    named = os.environ.get("CHROMIUM")
    for name in [named] if named else NAMES:
        found = shutil.which(name)
        if found:
            return found
    wrong = f"CHROMIUM={named} is no program that can be run.\n" if named else ""
    raise FileNotFoundError(wrong + MISSING)


def browser_unwanted() -> bool:
    """Tell whether the user chose to leave the browser tests out (PIPULATE_NO_BROWSER=1)."""
    return os.environ.get("PIPULATE_NO_BROWSER") == "1"


def main() -> None:
    """Say where it is: `make test` asks first, for one message instead of a hundred errors."""
    if browser_unwanted():
        print("left out")
        return
    try:
        print(find_chromium())
    except FileNotFoundError as missing:
        sys.exit(str(missing))


if __name__ == "__main__":
    main()
