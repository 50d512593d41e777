"""The document at /openapi.json is valid, and the server answers as it says, whatever it is asked.

usage: openapi.py BIN CASES
"""

import json
import pathlib
import subprocess
import sys
import urllib.request

import openapi_spec_validator

from running import running

CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
          "response_headers_conformance")
CONFIG = pathlib.Path(__file__).parent / "schemathesis.toml"


def main() -> int:
    bin_folder, cases = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    with running(bin_folder, models=None) as server:
        url = f"http://{server.http}/openapi.json"
        document = json.load(urllib.request.urlopen(url))
        openapi_spec_validator.validate(document)
        operations = [operation for path in document["paths"].values() for operation in path.values()]
        # Of the others there is one case.
        varied = sum("parameters" in operation or "requestBody" in operation for operation in operations)
        each = -(-cases // varied)
        print(f"{len(operations)} operations, {varied} of which take something: {each} cases of each", flush=True)
        command = [pathlib.Path(sys.executable).parent / "schemathesis", "--config-file", CONFIG, "run", url,
                   "--phases", "fuzzing", "--max-examples", str(each), "--checks", ",".join(CHECKS), "--seed", "1",
                   "--request-timeout", "30", "--suppress-health-check", "all", "--warnings", "off",
                   "--continue-on-failure"]
        failed = subprocess.run(command, cwd=server.folder).returncode
        # It lives, and is as ready as it was.
        urllib.request.urlopen(f"http://{server.http}/v1/workers")
        return failed


if __name__ == "__main__":
    sys.exit(main())
