"""Renders the chart with its default values and with each of its ci/ values, and checks what comes out.

  charts.py CHART TOOLS      (TOOLS: what install.sh filled)

Kubernetes' own objects against the schemas of three of its versions, strictly; others' against those of their operators;
planted mistakes must be found; values that cannot work must be refused by name.
"""
import copy
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import yaml

CHART, TOOLS = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
VERSIONS = ["1.31", "1.34", "1.37"]
# Of which no schema is to be had offline: their form is checked by the operator alone.
UNCHECKED = {"postgresql.cnpg.io/v1"}
OPERATORS = ("keda.sh", "cert-manager.io", "monitoring.coreos.com")


def helm(*arguments):
    return subprocess.run([TOOLS / "bin/helm", *arguments], capture_output=True, text=True, check=False)


def render(*arguments, release="pictures", namespace="studio"):
    done = helm("template", release, str(CHART), "--namespace", namespace, *arguments)
    assert done.returncode == 0, done.stderr
    return [o for o in yaml.safe_load_all(done.stdout) if o]


def is_custom(thing):
    return thing["apiVersion"].startswith(OPERATORS)


def core_errors(objects, version):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump_all(objects, file)
        file.flush()
        done = subprocess.run([TOOLS / "python/bin/kubernetes-validate", "-k", version, "--strict", file.name],
                              capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def custom_errors(objects):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(objects, file)
        file.flush()
        done = subprocess.run(["node", pathlib.Path(__file__).parent / "custom_objects.mjs", TOOLS / "js/node_modules", file.name],
                              capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


class Charts(unittest.TestCase):
    values = [[]] + [["-f", str(file)] for file in sorted((CHART / "ci").glob("*-values.yaml"))]

    def test_every_object_is_valid(self):
        for values in self.values:
            objects = render(*values)
            core = [o for o in objects if not is_custom(o) and o["apiVersion"] not in UNCHECKED]
            for version in VERSIONS:
                self.assertEqual(core_errors(core, version), "", f"{values}, Kubernetes {version}")
            custom = [o for o in objects if is_custom(o)]
            if custom:
                self.assertEqual(custom_errors(custom), "", values)

    def test_planted_mistakes_are_found(self):
        objects = render("-f", str(CHART / "ci/cluster-values.yaml"))

        def planted(kind, change):
            mistaken = copy.deepcopy(next(o for o in objects if o["kind"] == kind))
            change(mistaken["spec"])
            return [mistaken]

        self.assertIn("replicaz", core_errors(planted("Deployment", lambda s: s.update(replicaz=1)), VERSIONS[0]))
        self.assertNotEqual(core_errors(planted("Service", lambda s: s.update(ports="8080")), VERSIONS[0]), "")
        self.assertIn("minReplicas", custom_errors(planted("ScaledObject", lambda s: s.update(minReplicas=1))))
        self.assertNotEqual(custom_errors(planted("Certificate", lambda s: s.update(uris="one"))), "")
        self.assertIn("groupz", custom_errors(planted("PrometheusRule", lambda s: s.update(groupz=[]))))

    def test_what_cannot_work_is_refused_by_name(self):
        for setting, named in [("server.replicas=3", "database"), ("server.replicaz=1", "replicaz"),
                               ("auth.keysSecret=k", "auth.workerKeySecret"), ("workers[0].name=w,workers[0].device=cuda", "device"),
                               ("workers[0].name=w,workers[0].models.from=claim", "models.claim"), ("server.grace=soon", "grace"),
                               ("workers[0].name=w,workers[0].autoscaling.from=hope", "from"),
                               ("server.env[0].name=AWS_REGION", "env"), ("server.env[0].value=x", "name"),
                               ("workers[0].name=w,workers[0].envFrom[0].secret=s", "envFrom"),
                               ("auth.keysSecret=k,auth.workerKeySecret=w,workers[0].name=w,workers[0].autoscaling.enabled=true,"
                                "workers[0].autoscaling.models={m}", "auth.scaleKeySecret")]:
            done = helm("template", "pictures", str(CHART), "--set", setting)
            self.assertNotEqual(done.returncode, 0, setting)
            self.assertIn(named, done.stderr, setting)

    def test_keda_asks_the_servers_or_prometheus(self):
        objects = render("-f", str(CHART / "ci/cluster-values.yaml"))
        scaled = {o["spec"]["scaleTargetRef"]["name"].rsplit("-", 1)[1]: o["spec"] for o in objects if o["kind"] == "ScaledObject"}
        trigger = scaled["sd15"]["triggers"][0]
        self.assertEqual(trigger["type"], "external-push")
        self.assertEqual(trigger["metadata"]["model"], "sd15")
        self.assertEqual(trigger["metadata"]["scalerAddress"], "pictures-mind-diffusion-headless.studio.svc:8080")
        self.assertEqual([t["type"] for t in scaled["sdxl"]["triggers"]], ["prometheus", "prometheus"])
        # What KEDA needs to be let in: the key is where it looks for it, the authority, and the network's leave.
        worker = next(o for o in objects if o["kind"] == "Deployment" and o["metadata"]["name"].endswith("worker-sd15"))
        names = [e["name"] for e in worker["spec"]["template"]["spec"]["containers"][0]["env"]]
        self.assertIn(trigger["metadata"]["keyFromEnv"], names)
        self.assertIn(trigger["authenticationRef"]["name"], [o["metadata"]["name"] for o in objects if o["kind"] == "TriggerAuthentication"])
        policy = next(o for o in objects if o["kind"] == "NetworkPolicy" and o["metadata"]["name"].endswith("-server"))
        self.assertIn([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}}}],
                      [rule.get("from") for rule in policy["spec"]["ingress"]])

    def test_environment_and_files_come_to_server_and_workers(self):
        objects = render("-f", str(CHART / "ci/outside-values.yaml"))

        def pod(suffix):
            made = next(o for o in objects if o["kind"] == "Deployment" and o["metadata"]["name"].endswith(suffix))
            spec = made["spec"]["template"]["spec"]
            container = spec["containers"][0]
            files = next(v["secret"]["secretName"] for v in spec["volumes"] if v["name"] == "files")
            self.assertIn({"name": "files", "mountPath": "/files", "readOnly": True}, container["volumeMounts"])
            return {e["name"] for e in container["env"]}, container["envFrom"], files

        traces = [{"configMapRef": {"name": "mind-traces"}}]
        names, sources, files = pod("-server")
        self.assertLessEqual({"POD_IP", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}, names)
        self.assertEqual((sources, files), (traces, "mind-files"))
        names, sources, files = pod("-worker-emoji")
        self.assertLessEqual({"POD_NAME", "OTEL_SERVICE_NAME"}, names)
        self.assertEqual((sources, files), (traces, "mind-collector"))

    def test_every_dashboard_comes_along(self):
        objects = render("-f", str(CHART / "ci/cluster-values.yaml"))
        files = {file.name: json.loads(file.read_text()) for file in (CHART / "files/dashboards").glob("*.json")}
        there = {name: json.loads(text) for o in objects if o["kind"] == "ConfigMap" for name, text in o["data"].items()}
        self.assertEqual(there, files)
        self.assertGreaterEqual(len(files), 4)

    def test_names_are_the_same_in_every_version(self):
        """A Deployment's selector cannot be changed: an upgrade with another would be refused."""
        for thing in render("-f", str(CHART / "ci/cluster-values.yaml")):
            if thing["kind"] != "Deployment":
                continue
            selector = thing["spec"]["selector"]["matchLabels"]
            self.assertEqual(set(selector), {f"app.kubernetes.io/{name}" for name in ("name", "instance", "component")})
            self.assertLessEqual(selector.items(), thing["spec"]["template"]["metadata"]["labels"].items())

    def test_pods_may_do_no_more_than_they_need(self):
        for values in self.values:
            for thing in render(*values):
                pod = thing["spec"] if thing["kind"] == "Pod" else thing.get("spec", {}).get("template", {}).get("spec")
                if not pod:
                    continue
                self.assertTrue(pod["securityContext"]["runAsNonRoot"], thing["metadata"]["name"])
                self.assertFalse(pod["automountServiceAccountToken"], thing["metadata"]["name"])
                for container in pod["containers"] + pod.get("initContainers", []):
                    self.assertTrue(container["securityContext"]["readOnlyRootFilesystem"], container["name"])
                    self.assertEqual(container["securityContext"]["capabilities"], {"drop": ["ALL"]})

    def test_the_manifests_without_helm_are_the_charts(self):
        def bare(objects):
            objects = list(objects)
            for thing in objects:
                labels = thing["metadata"].get("labels", {})
                for name in ("helm.sh/chart", "app.kubernetes.io/managed-by"):
                    labels.pop(name, None)
                annotations = thing["metadata"].get("annotations", {})
                annotations.pop("helm.sh/resource-policy", None)
                if not annotations:
                    thing["metadata"].pop("annotations", None)
                thing["metadata"].setdefault("namespace", "mind-diffusion")
            return {(o["kind"], o["metadata"]["name"]): o for o in objects}

        for folder, values in [("demo", []), ("cluster", ["-f", str(CHART / "ci/cluster-values.yaml")])]:
            kustomized = subprocess.run([TOOLS / "bin/kubectl", "kustomize", CHART.parents[1] / "kubernetes" / folder],
                                        capture_output=True, text=True, check=True).stdout
            there = bare(o for o in list(yaml.safe_load_all(kustomized)) if o["kind"] != "Namespace")
            wanted = bare(render("--no-hooks", *values, release="mind-diffusion", namespace="mind-diffusion"))
            self.assertEqual(set(there), set(wanted))
            for name, thing in wanted.items():
                self.assertEqual(there[name], thing, f"{folder} {name}: run deploy/kubernetes/render.sh")

    def test_lint(self):
        done = helm("lint", "--strict", str(CHART))
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
