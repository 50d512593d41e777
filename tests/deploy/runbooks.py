#!/usr/bin/env python3
"""Every command of ours that a runbook names exists, with the flags that it is given; every alert and link leads somewhere.

  runbooks.py ROOT BIN
"""
import pathlib
import re
import subprocess
import sys

ROOT, BIN = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
PAGES = ROOT / "docs/operations"
PROGRAMS = ("mind", "mind-server", "mind-worker", "mind-inspect")
wrong = []
helps = {}


def help_of(*command):
    if command not in helps:
        done = subprocess.run([BIN / command[0], *command[1:], "--help"], capture_output=True, text=True, check=False)
        helps[command] = done.stdout if done.returncode == 0 else None
    return helps[command]


def words_of(page):
    """Commands on that page: those of its fences, and those between backticks."""
    text = page.read_text()
    for fence in re.findall(r"```(?:sh)?\n(.*?)```", text, re.S):
        yield from (line.split("#")[0].split() for line in fence.splitlines())
    yield from (span.split() for span in re.findall(r"`([^`\n]+)`", text))


def check(page, words):
    program = words[0]
    flags = {re.sub(r"=.*", "", word) for word in words if word.startswith("--")}
    plain = []
    for word in words[1:]:
        if not re.fullmatch(r"[a-z]+", word) or len(plain) == 2:
            break
        plain.append(word)
    texts = [help_of(program)]
    if program == "mind" and plain:
        texts.append(help_of(program, plain[0]))
        if plain[0] == "keys":
            # Of the commands as a whole: any of them may have the flag.
            for command in plain[1:] or ("create", "list"):
                texts.append(help_of(program, "keys", command))
    if None in texts:
        wrong.append(f"{page.name}: there is no `{' '.join(words)}`")
        return
    for flag in flags:
        # --no-preload is in the help as --[no-]preload.
        bare = flag.removeprefix("--").removeprefix("no-")
        if not any(re.search(rf"--(\[no-\])?{re.escape(bare)}\b", text) for text in texts):
            wrong.append(f"{page.name}: `{' '.join(words)}`: there is no {flag}")


def anchors(page):
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


for name in ("runbooks.md", "alerts.md", "compose.md", "security.md"):
    page = PAGES / name
    for words in words_of(page):
        if words and words[0] in PROGRAMS and len(words) > 1:
            check(page, [word for word in words if word != "…"])
for page in sorted(PAGES.glob("*.md")):
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text()):
        if target.startswith("http"):
            continue
        there = (page.parent / target).resolve() if target else page
        if not there.exists():
            wrong.append(f"{page.name}: {target} leads nowhere")
        elif anchor and there.suffix == ".md" and anchor not in anchors(there):
            wrong.append(f"{page.name}: {target}#{anchor} leads nowhere")

print("\n".join(wrong))
sys.exit(1 if wrong else 0)
