"""Upgrades from every version of the chart that is kept in charts/: nothing is changed that Kubernetes does not let change.

  upgrade.py CHART TOOLS      (TOOLS: what install.sh filled)

Both versions are rendered with the values that the old one had in ci/, as `helm upgrade --reset-then-reuse-values` has them:
what a user gave, over the new version's defaults. Planted changes must be found, in objects and in a copy of the chart.
"""
import copy
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

import yaml

CHART, TOOLS = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
PACKAGES = sorted((pathlib.Path(__file__).parent / "charts").glob("*.tgz"))
# Fields of a kind that the API server keeps as they are; "*" is the whole spec but for what stands after it. Source: the
# validation of updates in kubernetes (pkg/apis/*/validation).
IMMUTABLE = {
    "Deployment": ["spec.selector"],
    "DaemonSet": ["spec.selector"],
    "StatefulSet": ["*", "replicas", "template", "updateStrategy", "minReadySeconds", "persistentVolumeClaimRetentionPolicy",
                    "ordinals", "revisionHistoryLimit"],
    "Job": ["spec.selector", "spec.template", "spec.completionMode"],
    "PersistentVolumeClaim": ["*", "resources"],
    "ResourceClaimTemplate": ["spec"],
    "Service": ["spec.clusterIP", "spec.loadBalancerClass"],
    "RoleBinding": ["roleRef"],
    "ClusterRoleBinding": ["roleRef"],
    "Secret": ["type"],
    "PriorityClass": ["value", "preemptionPolicy"],
    "StorageClass": ["provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"],
    # Not immutable, but a patch from RollingUpdate to Recreate leaves rollingUpdate there, and is refused.
    "Deployment/strategy": ["spec.strategy.type"],
}
# What holds data: it must still be there, and may not shrink.
SIZES = {"PersistentVolumeClaim": "spec.resources.requests.storage", "Cluster": "spec.storage.size"}


def helm(*arguments):
    return subprocess.run([TOOLS / "bin/helm", *arguments], capture_output=True, text=True, check=False)


def render(chart, values):
    done = helm("template", "pictures", str(chart), "--namespace", "studio", "--no-hooks", *values)
    assert done.returncode == 0, done.stderr
    return {(o["kind"], o["metadata"]["name"]): o for o in yaml.safe_load_all(done.stdout) if o}


def field(thing, path):
    for name in path.split("."):
        thing = (thing or {}).get(name)
    return thing


def amount(text):
    number, unit = re.fullmatch(r"(\d+)([KMGT]i)?", str(text)).groups()
    return int(number) * 1024 ** (["", "Ki", "Mi", "Gi", "Ti"].index(unit or ""))


def differences(old, new):
    """What the API server would refuse, or what would lose data, in words."""
    for (kind, name), before in old.items():
        after = new.get((kind, name))
        if after is None:
            if kind in SIZES:
                yield f"{kind} {name} is gone, and what it holds"
            continue
        for paths in (IMMUTABLE.get(kind, []), IMMUTABLE.get(f"{kind}/strategy", [])):
            if paths and paths[0] == "*":
                fields = {f"spec.{f}" for o in (before, after) for f in o["spec"] if f not in paths[1:]}
            else:
                fields = paths
            for path in sorted(fields):
                if field(before, path) != field(after, path):
                    yield f"{kind} {name}: {path} was {field(before, path)}, is {field(after, path)}"
        if before.get("immutable") and before.get("data") != after.get("data"):
            yield f"{kind} {name}: data of what is immutable"
        if kind in SIZES and amount(field(after, SIZES[kind])) < amount(field(before, SIZES[kind])):
            yield f"{kind} {name}: {SIZES[kind]} shrinks to {field(after, SIZES[kind])}"


class Upgrades(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.old = {}
        for package in PACKAGES:
            into = self.folder / package.stem
            with tarfile.open(package) as archive:
                archive.extractall(into, filter="data")
            self.old[package.stem] = into / "mind-diffusion"
        self.assertTrue(self.old)

    def ways(self):
        """(version, the old chart, the values that a user of it had, those that the new one wants beside them)"""
        for version, chart in self.old.items():
            for file in [None, *sorted((chart / "ci").glob("*-values.yaml"))]:
                given = yaml.safe_load(file.read_text()) if file else {}
                auth = given.get("auth", {})
                # Since 0.2.0 KEDA asks the servers, and needs a key of its own where keys are asked for.
                scaled = any(pool.get("autoscaling", {}).get("enabled") for pool in given.get("workers", []))
                wanted = scaled and "keysSecret" in auth and "scaleKeySecret" not in auth
                yield (f"{version}, {file.name if file else 'defaults'}", chart, ["-f", str(file)] if file else [],
                       ["--set", "auth.scaleKeySecret=mind-scale-key"] if wanted else [])

    def test_nothing_immutable_changes(self):
        for name, chart, values, wanted in self.ways():
            with self.subTest(name):
                self.assertEqual(list(differences(render(chart, values), render(CHART, values + wanted))), [])

    def test_a_key_that_is_wanted_now_is_named(self):
        refused = [helm("template", "pictures", str(CHART), *values).stderr for _, _, values, wanted in self.ways() if wanted]
        self.assertTrue(refused)
        for stderr in refused:
            self.assertIn("auth.scaleKeySecret", stderr)

    def test_the_version_is_a_later_one(self):
        def number(text):
            return [int(part) for part in text.split(".")]

        mine = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
        for chart in self.old.values():
            theirs = yaml.safe_load((chart / "Chart.yaml").read_text())["version"]
            self.assertGreater(number(mine), number(theirs))

    def test_planted_changes_are_found(self):
        objects = {}
        for values in ([], ["-f", str(CHART / "ci/cluster-values.yaml")]):
            objects |= {(k, f"{n} of {len(values)}"): o for (k, n), o in render(CHART, values).items()}

        def planted(kind, name, change):
            mistaken = copy.deepcopy(objects)
            key = next(key for key in mistaken if key[0] == kind and name in key[1])
            if change is None:
                del mistaken[key]
            else:
                change(mistaken[key]["spec"])
            return "\n".join(differences(objects, mistaken))

        self.assertEqual(list(differences(objects, objects)), [])
        self.assertIn("spec.selector", planted("Deployment", "server", lambda s: s["selector"]["matchLabels"].update(tier="front")))
        self.assertIn("strategy.type", planted("Deployment", "server", lambda s: s["strategy"].update(type="Other")))
        self.assertIn("clusterIP", planted("Service", "headless", lambda s: s.pop("clusterIP")))
        self.assertIn("accessModes", planted("PersistentVolumeClaim", "data", lambda s: s.update(accessModes=["ReadWriteMany"])))
        self.assertIn("shrinks", planted("PersistentVolumeClaim", "data", lambda s: s.update(resources={"requests": {"storage": "1Gi"}})))
        self.assertEqual("", planted("PersistentVolumeClaim", "data", lambda s: s.update(resources={"requests": {"storage": "1Ti"}})))
        self.assertIn("is gone", planted("PersistentVolumeClaim", "data", None))
        self.assertIn("shrinks", planted("Cluster", "db", lambda s: s.update(storage={"size": "1Gi"})))

    def test_a_change_of_the_charts_selector_is_found(self):
        mistaken = self.folder / "mistaken"
        shutil.copytree(CHART, mistaken)
        helpers = mistaken / "templates/_helpers.tpl"
        helpers.write_text(helpers.read_text().replace("app.kubernetes.io/component: {{ .component }}",
                                                       "app.kubernetes.io/component: {{ .component }}\ntier: pictures"))
        chart = next(iter(self.old.values()))
        found = list(differences(render(chart, []), render(mistaken, [])))
        self.assertTrue(found and all("spec.selector" in each for each in found), found)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
