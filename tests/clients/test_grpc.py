"""PyPI's `grpcio`, unmodified, against a real server and worker: the example of docs/api.md, and errors."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import grpc

PROTOS = str(pathlib.Path(sys.prefix))
sys.path.insert(0, PROTOS)
from mind.v1 import generation_pb2, generation_pb2_grpc, job_pb2  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVER = os.environ["MIND_GRPC"]


class Grpc(unittest.TestCase):
    def setUp(self):
        channel = grpc.insecure_channel(SERVER)
        self.addCleanup(channel.close)
        self.stub = generation_pb2_grpc.GenerationServiceStub(channel)

    def long_request(self, prompt):
        request = generation_pb2.GenerateImageRequest()
        request.job.spec.prompt = prompt
        request.job.spec.model = "emoji"
        request.job.spec.steps = 1000
        request.job.spec.image_count = 8
        return request

    def test_the_example_makes_a_picture(self):
        blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/api.md").read_text(), re.S)
        example = next(block for block in blocks if "import grpc" in block).replace("127.0.0.1:8080", SERVER)
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-c", example], cwd=folder, check=True, env={**os.environ, "PYTHONPATH": PROTOS})
            self.assertEqual(pathlib.Path(folder, "apple.png").read_bytes()[1:4], b"PNG")

    def test_models_are_listed(self):
        models = self.stub.ListModels(generation_pb2.ListModelsRequest()).models
        self.assertIn("emoji", [model.name for model in models])

    def test_errors_have_their_codes(self):
        with self.assertRaises(grpc.RpcError) as raised:
            self.stub.GetJob(generation_pb2.GetJobRequest(id="none"))
        self.assertEqual(raised.exception.code(), grpc.StatusCode.NOT_FOUND)

    def test_a_key_that_does_not_hold_or_allow_it_or_has_called_too_often_is_an_error_of_its_code(self):
        channel = grpc.insecure_channel(os.environ["MIND_KEYED_GRPC"])
        self.addCleanup(channel.close)
        request = generation_pb2.CreateJobRequest()
        request.job.spec.prompt, request.job.spec.model, request.job.spec.steps = "a", "emoji", 1

        def code(key):
            metadata = [("authorization", f"Bearer {key}")] if key else None
            try:
                generation_pb2_grpc.GenerationServiceStub(channel).CreateJob(request, metadata=metadata)
            except grpc.RpcError as error:
                return error.code()
            return grpc.StatusCode.OK

        for key in (None, "mind_none", os.environ["MIND_KEY_REVOKED"]):
            self.assertEqual(code(key), grpc.StatusCode.UNAUTHENTICATED)
        self.assertEqual(code(os.environ["MIND_KEY_READER"]), grpc.StatusCode.PERMISSION_DENIED)
        self.assertEqual(code(os.environ["MIND_KEY_MAKER"]), grpc.StatusCode.OK)
        code(os.environ["MIND_KEY_FEW"])  # its only one of this minute, unless another test has made that
        self.assertEqual(code(os.environ["MIND_KEY_FEW"]), grpc.StatusCode.RESOURCE_EXHAUSTED)

    def test_a_cancelled_call_cancels_its_job(self):
        call = self.stub.GenerateImage(self.long_request("left by grpcio"))
        job = next(call).event.job_id
        call.cancel()
        while (now := self.stub.GetJob(generation_pb2.GetJobRequest(id=job)).job.state) != job_pb2.JOB_STATE_CANCELLED:
            self.assertIn(now, (job_pb2.JOB_STATE_QUEUED, job_pb2.JOB_STATE_RUNNING))

    def test_a_deadline_that_passes_ends_the_call(self):
        with self.assertRaises(grpc.RpcError) as raised:
            list(self.stub.GenerateImage(self.long_request("late"), timeout=0.5))
        self.assertEqual(raised.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)


if __name__ == "__main__":
    unittest.main()
