"""The examples of the documentation do what they say: every block of sh and of python is run, in order.

usage: examples.py BIN MODELS DOCUMENT...

A block of sh goes on where the one before has left off, in an empty directory; python comes with what is pinned.
The addresses that the documents name are those of a server that is started for this.
"""

import pathlib
import re
import subprocess
import sys

from running import running

BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def main() -> int:
    bin_folder, models, *documents = map(pathlib.Path, sys.argv[1:])
    with running(bin_folder, models) as server:
        for document in documents:
            shell = ["set -euo pipefail", f'export PATH="{bin_folder}:$PATH"', f"export MIND_SERVER={server.grpc}"]
            for number, (language, text) in enumerate(BLOCK.findall(document.read_text())):
                text = text.replace("127.0.0.1:8081", server.http).replace("127.0.0.1:8080", server.grpc)
                if language == "python" and "import grpc" in text:
                    continue  # tests/clients runs it, with the packages that it needs
                if language == "python":
                    script = server.folder / f"{document.stem}-{number}.py"
                    script.write_text(text)
                    shell.append(f"{sys.executable} {script}")
                else:
                    shell.append(text)
            print(f"--- {document.name}", flush=True)
            folder = server.folder / document.stem
            folder.mkdir()
            done = subprocess.run(["bash", "-x", "-c", "\n".join(shell)], cwd=folder, timeout=300)
            if done.returncode != 0:
                print((server.folder / "log").read_text()[-4000:])
                print(f"{document}: its examples end with {done.returncode}")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
