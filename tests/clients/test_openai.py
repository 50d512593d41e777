"""PyPI's `openai`, unmodified, against a real server and worker."""

import asyncio
import base64
import json
import os
import time
import unittest
import urllib.request

import openai

HTTP = os.environ["MIND_HTTP"]
SMALL = {"model": "emoji", "extra_body": {"num_inference_steps": 8}}
LONG = {"model": "emoji", "n": 8, "extra_body": {"num_inference_steps": 1000}}


def new_client(base=HTTP, **options):
    return openai.OpenAI(base_url=f"{base}/v1", api_key="none", **options)


def state_of(prompt):
    with urllib.request.urlopen(f"{HTTP}/v1/jobs?page_size=1000") as answer:
        jobs = json.load(answer)["jobs"]
    return next((job["state"] for job in jobs if job["spec"]["prompt"] == prompt), None)


class OpenAi(unittest.TestCase):
    def setUp(self):
        self.client = new_client()
        self.addCleanup(self.client.close)

    def await_state(self, state, prompt):
        while (now := state_of(prompt)) != state:
            self.assertNotIn(now, ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED"))
            time.sleep(0.02)

    def assert_png(self, b64):
        self.assertEqual(base64.b64decode(b64)[:8], b"\x89PNG\r\n\x1a\n")

    def test_lists_models(self):
        self.assertIn("emoji", [model.id for model in self.client.models.list()])
        self.assertEqual(self.client.models.retrieve("emoji").id, "emoji")

    def test_makes_pictures(self):
        made = self.client.images.generate(prompt="一个红苹果", n=2, size="64x64", **SMALL)
        self.assertEqual(len(made.data), 2)
        for picture in made.data:
            self.assert_png(picture.b64_json)
        self.assertEqual(made.usage.total_tokens, 0)

    def test_edits_under_a_mask(self):
        made = self.client.images.generate(prompt="a red apple", **SMALL)
        picture = base64.b64decode(made.data[0].b64_json)
        edited = self.client.images.edit(
            prompt="a green apple", image=("a.png", picture, "image/png"), mask=("m.png", picture, "image/png"), **SMALL)
        self.assert_png(edited.data[0].b64_json)

    def test_asks_for_what_a_model_offers_beyond_openai(self):
        guided = {"num_inference_steps": 8, "guidance_interval": {"begin": 0.2}, "projected_guidance": {"eta": 0}}
        made = self.client.images.generate(prompt="a red apple", model="emoji", extra_body=guided)
        picture = base64.b64decode(made.data[0].b64_json)
        painting = {"num_inference_steps": 8, "mask_blur": 2, "only_masked": {"padding": 4}, "guidance_interval": {"end": 0.5}}
        edited = self.client.images.edit(
            prompt="a green apple", model="emoji", image=("a.png", picture, "image/png"), mask=("m.png", picture, "image/png"),
            extra_body=painting)
        self.assert_png(edited.data[0].b64_json)
        with self.assertRaises(openai.BadRequestError) as refused:
            self.client.images.generate(prompt="a", model="emoji", extra_body={"picture_guidance": 2})
        self.assertEqual(refused.exception.param, "picture_guidance")

    def test_streams_partials(self):
        stream = self.client.images.generate(
            prompt="a castle", model="emoji", stream=True, partial_images=2, extra_body={"num_inference_steps": 100})
        events = list(stream)
        self.assertEqual([event.type for event in events], ["image_generation.partial_image"] * 2 + ["image_generation.completed"])
        self.assert_png(events[-1].b64_json)

    def test_a_key_that_does_not_hold_or_allow_it_is_an_error_of_its_class(self):
        def with_key(key):
            client = openai.OpenAI(base_url=f"{os.environ['MIND_KEYED_HTTP']}/v1", api_key=key, max_retries=0)
            self.addCleanup(client.close)
            return client

        maker = os.environ["MIND_KEY_MAKER"]
        made = with_key(maker).images.generate(prompt="a", **SMALL)
        self.assert_png(made.data[0].b64_json)
        for key in ("sk-none", maker + "0", os.environ["MIND_KEY_REVOKED"]):
            with self.assertRaises(openai.AuthenticationError):
                with_key(key).models.list()
        with self.assertRaises(openai.PermissionDeniedError):
            with_key(os.environ["MIND_KEY_READER"]).images.generate(prompt="a", **SMALL)
        few = with_key(os.environ["MIND_KEY_FEW"])
        few.models.list()
        with self.assertRaises(openai.RateLimitError) as caught:
            few.models.list()
        self.assertGreater(int(caught.exception.response.headers["retry-after"]), 0)

    def test_errors_are_of_their_classes(self):
        for kind, request in (
            (openai.BadRequestError, {"prompt": "a", "model": "emoji", "size": "63x64"}),
            (openai.NotFoundError, {"prompt": "a", "model": "none"}),
        ):
            with self.subTest(kind.__name__), self.assertRaises(kind) as raised:
                self.client.images.generate(**request)
            self.assertTrue(raised.exception.request_id)
            self.assertTrue(raised.exception.body["message"])

    def test_tries_again_what_may_come_right(self):
        idle = new_client(os.environ["MIND_IDLE_HTTP"], max_retries=1)
        self.addCleanup(idle.close)
        with self.assertRaises(openai.InternalServerError) as raised:
            idle.images.generate(prompt="a")
        self.assertEqual(raised.exception.request.headers["x-stainless-retry-count"], "1")

    def test_a_timeout_cancels_the_job(self):
        with self.assertRaises(openai.APITimeoutError):
            self.client.with_options(timeout=0.4, max_retries=0).images.generate(prompt="late in Python", **LONG)
        self.await_state("JOB_STATE_CANCELLED", "late in Python")

    def test_a_closed_stream_cancels_the_job(self):
        with self.client.images.generate(
            prompt="left in Python", model="emoji", n=2, stream=True, partial_images=3, extra_body={"num_inference_steps": 200}
        ) as stream:
            next(iter(stream))
        self.await_state("JOB_STATE_CANCELLED", "left in Python")

    def test_a_cancelled_task_cancels_the_job(self):
        async def leave():
            async with openai.AsyncOpenAI(base_url=f"{HTTP}/v1", api_key="none") as client:
                task = asyncio.create_task(client.images.generate(prompt="left by asyncio", **LONG))
                while state_of("left by asyncio") != "JOB_STATE_RUNNING":
                    await asyncio.sleep(0.02)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task

        asyncio.run(leave())
        self.await_state("JOB_STATE_CANCELLED", "left by asyncio")


if __name__ == "__main__":
    unittest.main()
