#!/usr/bin/env python3
"""Names in unnamed namespaces are unique in a library, whose sources are compiled dozens at a time.

The compiler only finds two of a name where they meet in one group, which changes as files are added, and from preset to
preset. Constants that the library's headers declare have names of their own too, as have functions of proto/support, whose
namespace is around the services' own: one in an unnamed namespace would hide them. Functions may
share a name where they take something else (they overload); here the words of their parameters are compared.
Read are the first lines of declarations, and those on which constants go on after a comma: what stands further down, the
parameters of a function beyond its first line too, is not seen.
Run in the root of the tree; prints what meets, and fails if anything does.
"""
import collections
import glob
import re
import sys

LIBRARIES = [
    ["proto/support"], ["server/trust"], ["server/process"], ["client/cli"], ["client/cpp"], ["tests/functional"], ["tests/support"],
    ["server/" + folder for folder in "api cluster generation moderation queue dispatch store scale".split()],
    ["server/http", "server/webhooks"],
    ["worker/image"], ["worker/link"], ["worker/training"], ["worker/evaluation"], ["worker/diffusion/golden"],
    ["worker/diffusion"] + ["worker/diffusion/" + folder for folder in
                            "device weights weights/names text models samplers pipelines engine".split()],
] + [[folder] for folder in sorted(glob.glob("tests/unit/*"))]

# Whose namespace is opened by a source that is compiled alone.
ALONE = ["worker/diffusion/samplers/scheduler_keys.h"]

CONSTANT = re.compile(r"(?:static |inline )?const(?:expr)?\s")
FURTHER = re.compile(r",\n {4,}(?=k[A-Z])")  # another constant of the same declaration
INITIAL = re.compile(r"(?<![.\w])(\w+)(?:\[\w*\])*\s*=(?!=)")
NAMED = [
    re.compile(r"(?:struct|class|enum class|enum)\s+(\w+)[^;]*$"),
    re.compile(r"using (\w+) ="),
]
FUNCTION = re.compile(r"(?!return|namespace|template|TEST|INSTANTIATE|MATCHER)[\w:<>,&*\s\[\]]*?\b(\w+)\((.*)")


def names(text):
    for unnamed in re.finditer(r"^namespace \{\n(.*?)^\}  // namespace$", text, re.S | re.M):
        for line in FURTHER.sub(", ", unnamed.group(1)).split("\n"):
            if not line or line[0] in " }/#)":
                continue
            if CONSTANT.match(line) and "=" in line.split("(")[0]:
                yield from INITIAL.findall(line)
                continue
            found = next(filter(None, (pattern.match(line) for pattern in NAMED)), None)
            if found:
                yield found.group(1)
            elif found := FUNCTION.match(line):
                yield f"{found.group(1)}({found.group(2).split(')')[0]})"


def declared(text):
    for statement in re.finditer(r"^(extern |inline )?const(expr)?\s[^;]*;", text, re.M):
        if statement.group(1) == "extern ":
            yield from re.findall(r"\bk[A-Z]\w*", statement.group(0))
        else:
            yield from INITIAL.findall(statement.group(0))


def functions(text):
    for line in text.split("\n"):
        if line and line[0] not in " }/#)" and (found := FUNCTION.match(line)):
            yield found.group(1)


def main():
    failed = False
    around = {name for path in glob.glob("proto/support/*.h") for name in functions(open(path, encoding="utf-8").read())}
    for folders in LIBRARIES:
        places = collections.defaultdict(set)
        for folder in folders:
            for path in glob.glob(folder + "/*.cc"):
                with open(path, encoding="utf-8") as file:
                    for name in names(file.read()):
                        places[name].add(path)
        headers = collections.defaultdict(set)
        for path in (path for folder in folders for path in glob.glob(folder + "/*.h") if path not in ALONE):
            with open(path, encoding="utf-8") as file:
                for name in declared(file.read()):
                    headers[name].add(path)
        for name, paths in sorted(places.items()):
            if len(paths) > 1:
                failed = True
                print(f"{name} is in the unnamed namespaces of {', '.join(sorted(paths))}")
            if name.split("(")[0] in around and "(" in name and folders[0].startswith("server/"):
                failed = True
                print(f"{name} is in the unnamed namespace of {min(paths)}, and hides one of proto/support")
            if name in headers:
                failed = True
                print(f"{name} is in the unnamed namespace of {min(paths)}, and {min(headers[name])} declares it")
    sys.exit(failed)


main()
