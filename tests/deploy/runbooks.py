#!/usr/bin/env python3
"""Operations' pages are true: every command that they name exists, with the flags that it is given, every object of the cluster is
one of the chart's, every panel is on its dashboard, every alert says where its runbook is, every link leads somewhere.

  runbooks.py ROOT BIN TOOLS      (TOOLS: what install.sh filled)
"""
import glob
import json
import pathlib
import re
import subprocess
import sys

import yaml

ROOT, BIN, TOOLS = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
PAGES = ROOT / "docs/operations"
CHART = ROOT / "deploy/helm/mind-diffusion"
OURS = ("mind", "mind-server", "mind-worker", "mind-inspect")
CLUSTER = ("kubectl", "helm")
DATABASE = ("psql", "pg_ctl", "pg_dump", "pg_basebackup", "pg_restore", "createdb")
# Of operators that are installed beside, and not to be had here.
PLUGINS = ("cnpg", "cert-manager")
TAKE_VALUES = ("--namespace",)  # before the subcommand
wrong = []
helps = {}


def place(program):
    if program in OURS:
        return BIN / program
    if program in CLUSTER:
        return TOOLS / "bin" / program
    return max(glob.glob(f"/usr/lib/postgresql/*/bin/{program}"), default=program)


def help_of(program, *words):
    if (program, *words) not in helps:
        done = subprocess.run([place(program), *words, "--help"], capture_output=True, text=True, check=False)
        helps[(program, *words)] = done.stdout if done.returncode == 0 else None
    return helps[(program, *words)]


def words_of(page):
    """Commands on that page: those of its fences, and those between backticks."""
    text = page.read_text()
    for fence in re.findall(r"```(?:sh)?\n(.*?)```", text, re.S):
        yield from (line.split("#")[0].split() for line in fence.splitlines())
    yield from (span.split() for span in re.findall(r"`([^`\n]+)`", text))


def texts_of_ours(words):
    """The help of the program, and of its subcommand."""
    program, plain = words[0], []
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
    return texts


def texts_of_clusters(words):
    """The same of kubectl and helm, whose help lists subcommands, a line each; unknown ones are None."""
    program, path, rest = words[0], [], words[1:]
    while rest:
        word = rest.pop(0)
        if word in TAKE_VALUES:
            rest = rest[1:]
        elif not word.startswith("-"):
            if not re.search(rf"^  +{re.escape(word)}  +\S", help_of(program, *path), re.M):
                break
            path.append(word)
    texts = [help_of(program, *path)] if path else [None]
    if program == "kubectl":
        texts.append(subprocess.run([place(program), "options"], capture_output=True, text=True, check=True).stdout)
    return texts


def names_in_manifests():
    names = set()
    for folder in ("demo", "cluster"):
        for thing in yaml.safe_load_all((ROOT / f"deploy/kubernetes/{folder}/mind-diffusion.yaml").read_text()):
            names.add(thing["metadata"]["name"])
    return names


NAMES = names_in_manifests()


def check(page, words):
    program = words[0]
    if program in CLUSTER and any(word in PLUGINS for word in words):
        texts = []
    else:
        texts = texts_of_ours(words) if program in OURS else texts_of_clusters(words) if program in CLUSTER else [help_of(program)]
    if None in texts:
        wrong.append(f"{page.name}: there is no `{' '.join(words)}`")
        return
    for flag in {re.sub(r"=.*", "", word) for word in words if word.startswith("--")} if texts else ():
        # --no-preload is in the help as --[no-]preload.
        bare = flag.removeprefix("--").removeprefix("no-")
        if not any(re.search(rf"--((\[no-\])?{re.escape(bare)}|{re.escape(flag[2:])})\b", text) for text in texts):
            wrong.append(f"{page.name}: `{' '.join(words)}`: there is no {flag}")
    if program == "kubectl":
        for name in re.findall(r"(?<![\w/])(?:deployment/)?(mind-diffusion-[\w-]+)", " ".join(words)):
            if re.sub(r"-\d+$", "", name) not in NAMES:
                wrong.append(f"{page.name}: `{' '.join(words)}`: the chart has no {name}")


def anchors(page):
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def check_panels(page):
    """*dashboard*, **panel**: one that is there, or a part of its title."""
    section = re.search(r"^## Read the dashboards\n(.*?)^## ", page.read_text(), re.M | re.S).group(1)
    titles = None
    for panel, dashboard in re.findall(r"\*\*([^*]+)\*\*|\*(\w+)\*", section):
        if dashboard:
            file = CHART / f"files/dashboards/{dashboard}.json"
            titles = [each["title"] for each in json.loads(file.read_text())["panels"]] if file.exists() else []
        elif not any(re.sub(r"\s+", " ", panel) in title for title in titles):
            wrong.append(f"{page.name}: its dashboard has no panel {panel}")


for name in ("runbooks.md", "alerts.md", "compose.md", "security.md", "kubernetes.md"):
    page = PAGES / name
    for words in words_of(page):
        if words and words[0] in OURS + CLUSTER + DATABASE and len(words) > 1:
            check(page, [word.strip('"') for word in words if word != "…"])
check_panels(PAGES / "runbooks.md")
for group in yaml.safe_load((CHART / "files/rules.yaml").read_text())["groups"]:
    for rule in group["rules"]:
        expected = f"docs/operations/alerts.md#{rule.get('alert', '').lower()}"
        if "alert" in rule and rule["annotations"].get("runbook") != expected:
            wrong.append(f"rules.yaml: the runbook of {rule['alert']} is {rule['annotations'].get('runbook')}, not {expected}")
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
