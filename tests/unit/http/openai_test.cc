#include "server/http/openai.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/unit/http/face_rig.h"

namespace mind::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Openai : public FaceRig {
 protected:
  FakeExchangePtr Generate(const std::string& body, const std::map<std::string, std::string>& headers = {}) {
    return Ask("POST", "/v1/images/generations", body, headers);
  }
  nlohmann::json ErrorOf(const std::string& body) {
    const auto exchange = Generate(body);
    nlohmann::json error = BodyOf(exchange)["error"];
    error["status"] = exchange->answer->status;
    return error;
  }
  // The events of a stream: each one's data, whose type is its name.
  static std::vector<nlohmann::json> EventsOf(const FakeExchangePtr& exchange) {
    std::vector<nlohmann::json> events;
    for (const absl::string_view block : absl::StrSplit(exchange->parts, "\n\n", absl::SkipEmpty())) {
      const std::vector<std::string> lines = absl::StrSplit(block, '\n');
      EXPECT_EQ(lines.size(), 2U) << block;
      events.push_back(nlohmann::json::parse(lines.at(1).substr(6)));
      if (events.back().contains("type")) {
        EXPECT_EQ(lines.at(0), absl::StrCat("event: ", events.back()["type"].get<std::string>()));
      }
    }
    return events;
  }
};

TEST_F(Openai, GivesAllPicturesAtOnceInOrder) {
  generation_.events = {Preview(0, "no"), Picture(1, "two"), Picture(0, "on", false), Picture(0, "e"),
                        Completed()};
  const auto exchange =
      Generate(R"({"prompt": "一只猫", "model": "emoji", "n": 2, "size": "64x32", "user": "u"})");
  ASSERT_EQ(exchange->answer->status, 200);
  const nlohmann::json body = BodyOf(exchange);
  ASSERT_EQ(body["data"].size(), 2U);
  EXPECT_EQ(body["data"][0]["b64_json"], absl::Base64Escape("one"));
  EXPECT_EQ(body["data"][1]["b64_json"], absl::Base64Escape("two"));
  EXPECT_EQ(body["data"][1]["seed"], 8);
  EXPECT_EQ(body["size"], "64x32");
  EXPECT_TRUE(body["created"].is_number_integer());
  EXPECT_EQ(body["usage"]["total_tokens"], 0);
  const v1::ImageSpec& spec = generation_.submitted.at(0).spec();
  EXPECT_EQ(spec.prompt(), "一只猫");
  EXPECT_EQ(spec.model(), "emoji");
  EXPECT_EQ(spec.image_count(), 2U);
  EXPECT_EQ(spec.width(), 64U);
  EXPECT_EQ(spec.height(), 32U);
  EXPECT_EQ(spec.preview_every(), 0U);  // nobody looks
  EXPECT_TRUE(generation_.tied);
  EXPECT_THAT(generation_.left, ElementsAre("job-1"));
}

TEST_F(Openai, TakesOurOwnFieldsTooAndPassesOverNullAndWhatNobodyKnows) {
  Generate(R"({"prompt": "a", "model": "gpt-image-1", "negative_prompt": "blur", "num_inference_steps": 7,
               "guidance_scale": 2.5, "seed": 3, "sampler": "euler", "loras": [{"name": "x", "scale": 0.5}],
               "priority": "high", "output_format": "webp", "n": null, "size": null, "moderation": "low", "new": {}})",
           {{"idempotency-key", "key-1"}, {"mind-tenant", "acme"}});
  ASSERT_EQ(generation_.submitted.size(), 1U);
  const v1::JobRequest& request = generation_.submitted[0];
  EXPECT_EQ(request.spec().model(), "");  // the server's own
  EXPECT_EQ(request.spec().negative_prompt(), "blur");
  EXPECT_EQ(request.spec().steps(), 7U);
  EXPECT_EQ(request.spec().guidance(), 2.5);
  EXPECT_EQ(request.spec().seed(), 3U);
  EXPECT_EQ(request.spec().sampler(), "euler");
  EXPECT_EQ(request.spec().loras(0).scale(), 0.5);
  EXPECT_EQ(request.spec().format(), v1::IMAGE_FORMAT_WEBP);
  EXPECT_EQ(request.priority(), v1::PRIORITY_HIGH);
  EXPECT_EQ(request.request_id(), "key-1");
  EXPECT_EQ(generation_.tenant, "acme");
}

TEST_F(Openai, TakesWhatElseAModelOffersByItsOwnName) {
  Generate(
      R"({"prompt": "a", "guidance_rescale": 0.7, "clip_skip": 1, "tiling": true, "vae": "ft-mse", "mask_fill": "noise", "emphasis": "none",
               "variation": {"seed": 9, "strength": 0.25}, "sampler_parameters": {"eta": 0.5},
               "guidance_interval": {"begin": 0.2, "end": 0.8},
               "projected_guidance": {"momentum": -0.5, "norm_threshold": 15, "eta": 0},
               "scorer_guidance": {"scale": 100, "target": "an owl"}, "perturbed_guidance": {"scale": 3},
               "hires": {"scale": 1.5, "steps": 7, "strength": 0.4, "upscaler": "lanczos"},
               "picture_prompts": [{"adapter": "plus", "image": "data:image/png;base64,UE5H", "weight": 0.5}],
               "later_stages": [{"steps": 9}, {"noise_level": 20, "guidance": 2}], "mask_blur": null})");
  ASSERT_EQ(generation_.submitted.size(), 1U);
  const v1::ImageSpec& spec = generation_.submitted[0].spec();
  EXPECT_EQ(spec.guidance_rescale(), 0.7);
  EXPECT_EQ(spec.clip_skip(), 1U);
  EXPECT_TRUE(spec.tiling());
  EXPECT_EQ(spec.vae(), "ft-mse");
  EXPECT_EQ(spec.mask_fill(), v1::MASK_FILL_NOISE);
  EXPECT_EQ(spec.emphasis(), v1::PROMPT_EMPHASIS_NONE);
  EXPECT_EQ(spec.variation().seed(), 9U);
  EXPECT_EQ(spec.sampler_parameters().at("eta").number_value(), 0.5);
  EXPECT_EQ(spec.guidance_interval().begin(), 0.2);
  EXPECT_EQ(spec.guidance_interval().end(), 0.8);
  EXPECT_EQ(spec.projected_guidance().norm_threshold(), 15);
  EXPECT_TRUE(spec.projected_guidance().has_eta());
  EXPECT_EQ(spec.scorer_guidance().target(), "an owl");
  EXPECT_EQ(spec.perturbed_guidance().scale(), 3);
  EXPECT_EQ(spec.hires().scale(), 1.5);
  EXPECT_EQ(spec.hires().steps(), 7U);
  EXPECT_EQ(spec.hires().upscaler(), v1::HIRES_UPSCALER_LANCZOS);
  ASSERT_EQ(spec.picture_prompts_size(), 1);
  EXPECT_EQ(spec.picture_prompts(0).image(), "PNG");
  ASSERT_EQ(spec.later_stages_size(), 2);
  EXPECT_EQ(spec.later_stages(0).steps(), 9U);
  EXPECT_EQ(spec.later_stages(1).noise_level(), 20U);
  EXPECT_FALSE(spec.has_mask_blur());
  Generate(R"({"prompt": "a", "hires": {"upscaler": "HIRES_UPSCALER_LATENT"}})");  // whole, too
  EXPECT_EQ(generation_.submitted.back().spec().hires().upscaler(), v1::HIRES_UPSCALER_LATENT);
}

TEST_F(Openai, WhatOfThatIsWrongIsNamed) {
  const std::pair<const char*, const char*> refused[] = {
      {R"({"prompt": "a", "hires": {"size": 2}})", "hires"},
      {R"({"prompt": "a", "hires": 2})", "hires"},
      {R"({"prompt": "a", "hires": {"upscaler": "magic"}})", "hires"},
      {R"({"prompt": "a", "tiling": "often"})", "tiling"},
      {R"({"prompt": "a", "mask_blur": "soft"})", "mask_blur"},
      {R"({"prompt": "a", "later_stages": [{"stages": 2}]})", "later_stages"},
      {R"({"prompt": "a", "loras": {"name": "ink"}})", "loras"},
  };
  for (const auto& [body, param] : refused) EXPECT_EQ(ErrorOf(body)["param"], param) << body;
  EXPECT_THAT(generation_.submitted, testing::IsEmpty());
  // And what the model does not take, as the server says it.
  generation_.refuse = InvalidField("job.spec.hires.scale", "9 given; it must be more than 1, up to 8");
  EXPECT_EQ(ErrorOf(R"({"prompt": "a", "hires": {"scale": 9}})")["param"], "hires.scale");
  generation_.refuse = InvalidField("spec.tiling", "this model takes none");
  EXPECT_EQ(ErrorOf(R"({"prompt": "a", "tiling": true})")["code"], "invalid_tiling");
}

TEST_F(Openai, TheSizeThatIsAnsweredIsThePictures) {
  v1::JobEvent queued;
  queued.mutable_queued()->mutable_job()->mutable_spec()->mutable_hires()->set_width(128);
  queued.mutable_queued()->mutable_job()->mutable_spec()->mutable_hires()->set_height(64);
  generation_.events = {queued, Picture(0, "a"), Completed()};
  EXPECT_EQ(BodyOf(Generate(R"({"prompt": "a", "size": "64x32", "hires": {}})"))["size"], "128x64");
}

TEST_F(Openai, QualityIsHowManyStepsOfTheModelsOwn) {
  const std::map<std::string, uint32_t> expected = {{"low", 10}, {"high", 30}, {"hd", 30}};
  for (const auto& [quality, steps] : expected) {
    Generate(absl::StrCat(R"({"prompt": "a", "quality": ")", quality, "\"}"));
    EXPECT_EQ(generation_.submitted.back().spec().steps(), steps) << quality;
  }
  Generate(R"({"prompt": "a", "quality": "medium"})");
  EXPECT_FALSE(generation_.submitted.back().spec().has_steps());
  Generate(R"({"prompt": "a", "quality": "low", "num_inference_steps": 3})");
  EXPECT_EQ(generation_.submitted.back().spec().steps(), 3U);
}

TEST_F(Openai, CompressionIsTheQualityOfWhatCanBeCompressed) {
  const auto quality = [this](const std::string& format, int compression) {
    generation_.submitted.clear();
    Generate(absl::StrCat(R"({"prompt": "a", "output_format": ")", format, R"(", "output_compression": )",
                          compression, "}"));
    return generation_.submitted.empty() ? std::optional<uint32_t>()
                                         : std::optional(generation_.submitted[0].spec().quality());
  };
  EXPECT_EQ(quality("jpeg", 40), 40U);
  EXPECT_EQ(quality("jpeg", 100), 100U);
  EXPECT_EQ(quality("webp", 0), 1U);
  EXPECT_EQ(quality("webp", 100), 0U);  // unset: lossless
  EXPECT_EQ(quality("png", 100), 0U);
  EXPECT_EQ(quality("png", 40), std::nullopt);
  EXPECT_EQ(quality("jpeg", 101), std::nullopt);
  const auto refused = Generate(R"({"prompt": "a", "output_compression": 40})");
  EXPECT_EQ(refused->answer->status, 400);
  EXPECT_EQ(BodyOf(refused)["error"]["param"], "output_compression");
}

TEST_F(Openai, AnswersWithLinksWhereThatIsAskedFor) {
  v1::JobEvent queued;
  queued.set_job_id("job-1");
  queued.mutable_queued();
  v1::JobEvent picture = Picture(0, "0123456789");
  picture.set_job_id("job-1");
  generation_.events = {queued, picture, Completed()};
  generation_.events.back().set_job_id("job-1");
  const auto exchange = Generate(R"({"prompt": "a", "response_format": "url"})",
                                 {{"host", "here:8081"}, {"mind-tenant", "ann"}});
  ASSERT_EQ(exchange->answer->status, 200) << *exchange->answer->body;
  const nlohmann::json data = BodyOf(exchange)["data"][0];
  EXPECT_FALSE(data.contains("b64_json"));
  const std::string url = data["url"];
  ASSERT_THAT(url, testing::StartsWith("http://here:8081/v1/files/job-1/0?"));
  const auto fetched = Ask("GET", url.substr(std::string("http://here:8081").size()));
  EXPECT_EQ(*fetched->answer->body, "0123456789");
  EXPECT_EQ(generation_.tenant, "ann");

  const auto refused = Generate(R"({"prompt": "a", "response_format": "url", "stream": true})");
  EXPECT_EQ(BodyOf(refused)["error"]["param"], "response_format");
}

TEST_F(Openai, LinksBeginWithHowCallersReachTheServer) {
  HttpRequest request;
  FaceContext context{
      .post = nullptr, .generation = generation_, .authority = everybody_, .url = "https://pictures.example"};
  request.headers["host"] = "here";
  EXPECT_EQ(BaseUrl(context, request), "https://pictures.example");
  context.url.clear();
  EXPECT_EQ(BaseUrl(context, request), "http://here");
  request.headers["host"] = "[::1]:8081";
  EXPECT_EQ(BaseUrl(context, request), "http://[::1]:8081");
  for (const char* const bad : {"", "evil/path", "a b", "a?b", "a@b"}) {
    request.headers["host"] = bad;
    EXPECT_EQ(BaseUrl(context, request), "") << bad;
  }
}

TEST_F(Openai, StreamsAsManyPartialsAsWereAskedFor) {
  generation_.events = {Preview(0, "p1"), Preview(0, "p2"), Preview(0, "p3"), Picture(0, "whole"),
                        Completed()};
  const auto exchange = Generate(R"({"prompt": "a", "stream": true, "partial_images": 2})");
  EXPECT_EQ(exchange->answer->content_type, "text/event-stream");
  EXPECT_TRUE(exchange->ended);
  const std::vector<nlohmann::json> events = EventsOf(exchange);
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0]["type"], "image_generation.partial_image");
  EXPECT_EQ(events[0]["b64_json"], absl::Base64Escape("p1"));
  EXPECT_EQ(events[1]["partial_image_index"], 1);
  EXPECT_EQ(events[2]["type"], "image_generation.completed");
  EXPECT_EQ(events[2]["b64_json"], absl::Base64Escape("whole"));
  for (const nlohmann::json& event : events) {
    for (const char* const field : {"created_at", "size", "quality", "background", "output_format"}) {
      EXPECT_TRUE(event.contains(field)) << field;
    }
    EXPECT_FALSE(event.contains("error"));
  }
  EXPECT_TRUE(events[2].contains("usage"));
  EXPECT_EQ(generation_.submitted.back().spec().preview_every(), 6U);  // of 20 steps
}

TEST_F(Openai, AStreamThatFailsSaysSoInAnEvent) {
  generation_.events = {Preview(0, "p1"),
                        Completed(MakeError(absl::StatusCode::kInternal, "it broke", "ENGINE"))};
  const std::vector<nlohmann::json> events =
      EventsOf(Generate(R"({"prompt": "a", "stream": true, "partial_images": 1})"));
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[1]["error"]["message"], "it broke");
  EXPECT_EQ(events[1]["error"]["type"], "server_error");
}

TEST_F(Openai, ACallerWhoGoesTakesTheJobAlong) {
  generation_.end = std::nullopt;  // it goes on
  const auto exchange = Generate(R"({"prompt": "a"})");
  EXPECT_FALSE(exchange->answer.has_value());
  EXPECT_TRUE(generation_.left.empty());
  exchange->gone();
  RunLoop();
  EXPECT_THAT(generation_.left, ElementsAre("job-1"));
  EXPECT_EQ(generation_.unwatched, 1);
}

TEST_F(Openai, EditsArePicturesToBeginWith) {
  const auto exchange =
      Ask("POST", "/v1/images/edits",
          "--X\r\nContent-Disposition: form-data; name=\"image[]\"; filename=\"a.png\"\r\n\r\nPNG\r\n"
          "--X\r\nContent-Disposition: form-data; name=\"mask\"; filename=\"m.png\"\r\n\r\nMASK\r\n"
          "--X\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na hat\r\n"
          "--X\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n2\r\n--X--",
          {{"content-type", "multipart/form-data; boundary=X"}});
  ASSERT_EQ(exchange->answer->status, 200);
  const v1::ImageSpec& spec = generation_.submitted.at(0).spec();
  EXPECT_EQ(spec.source_image(), "PNG");
  EXPECT_EQ(spec.mask_image(), "MASK");
  EXPECT_EQ(spec.prompt(), "a hat");
  EXPECT_EQ(spec.image_count(), 2U);
  Ask("POST", "/v1/images/edits",
      absl::StrCat(R"({"prompt": "a hat", "images": [{"image_url": "data:image/png;base64,)",
                   absl::Base64Escape("PNG"), "\"}]}"));
  EXPECT_EQ(generation_.submitted.back().spec().source_image(), "PNG");
}

TEST_F(Openai, EditsTakeSeveralPictures) {
  const auto part = [](const std::string& name, const std::string& file) {
    return absl::StrCat("--X\r\nContent-Disposition: form-data; name=\"", name,
                        "\"; filename=\"a.png\"\r\n\r\n", file, "\r\n");
  };
  Ask("POST", "/v1/images/edits",
      absl::StrCat(part("image[]", "A"), part("image[]", "B"), part("reference_images[]", "D"),
                   part("image[]", "C"),
                   "--X\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na hat\r\n--X--"),
      {{"content-type", "multipart/form-data; boundary=X"}});
  ASSERT_EQ(generation_.submitted.size(), 1U);
  EXPECT_EQ(generation_.submitted[0].spec().source_image(), "A");
  EXPECT_THAT(generation_.submitted[0].spec().reference_images(), ElementsAre("B", "C", "D"));
  for (const char* const name : {"images", "image"}) {
    Ask("POST", "/v1/images/edits",
        absl::StrCat(R"({"prompt": "a hat", ")", name,
                     R"(": [{"image_url": "data:image/png;base64,QQ=="}, "data:image/png;base64,Qg=="]})"));
    EXPECT_EQ(generation_.submitted.back().spec().source_image(), "A");
    EXPECT_THAT(generation_.submitted.back().spec().reference_images(), ElementsAre("B"));
  }
  Ask("POST", "/v1/images/generations",
      R"({"prompt": "a hat", "reference_images": ["data:image/png;base64,QQ==", "Qg=="]})");
  EXPECT_THAT(generation_.submitted.back().spec().reference_images(), ElementsAre("A", "B"));
  generation_.refuse =
      InvalidField("spec.reference_images", "4 given with source_image, at most 3 are allowed");
  const auto refused =
      Ask("POST", "/v1/images/edits", R"({"prompt": "a", "images": ["data:image/png;base64,QQ=="]})");
  EXPECT_EQ(BodyOf(refused)["error"]["param"], "image");
  EXPECT_EQ(Ask("POST", "/v1/images/edits", R"({"prompt": "a", "images": []})")->answer->status, 400);
}

TEST_F(Openai, FormsTakeOurFieldsAsClientsWriteThem) {
  const auto edit = [this](const std::vector<std::pair<std::string, std::string>>& fields) {
    std::string body =
        "--X\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\nPNG\r\n";
    for (const auto& [name, text] : fields)
      absl::StrAppend(&body, "--X\r\nContent-Disposition: form-data; name=\"", name, "\"\r\n\r\n", text,
                      "\r\n");
    return Ask("POST", "/v1/images/edits", body + "--X--",
               {{"content-type", "multipart/form-data; boundary=X"}});
  };
  edit({{"prompt", "a"},
        {"mask_blur", "4"},
        {"source_fit", "crop"},
        {"tiling", "true"},
        {"only_masked[padding]", "16"},
        {"guidance_interval", R"({"begin": 0.2})"},
        {"loras[][name]", "ink"},
        {"loras[][scale]", "0.5"},
        {"depth_image\"; filename=\"d.png", "\x89 DEPTH"}});
  ASSERT_EQ(generation_.submitted.size(), 1U);
  const v1::ImageSpec& spec = generation_.submitted[0].spec();
  EXPECT_EQ(spec.mask_blur(), 4);
  EXPECT_EQ(spec.source_fit(), v1::SOURCE_FIT_CROP);
  EXPECT_TRUE(spec.tiling());
  EXPECT_EQ(spec.only_masked().padding(), 16U);
  EXPECT_EQ(spec.guidance_interval().begin(), 0.2);
  ASSERT_EQ(spec.loras_size(), 1);
  EXPECT_EQ(spec.loras(0).scale(), 0.5);
  EXPECT_EQ(spec.depth_image(), "\x89 DEPTH");
  EXPECT_EQ(BodyOf(edit({{"prompt", "a"}, {"hires[scale", "2"}}))["error"]["param"], "hires[scale");
  EXPECT_EQ(BodyOf(edit({{"prompt", "a"}, {"hires", "large"}}))["error"]["param"], "hires");
}

TEST_F(Openai, SaysWhatIsWrongByOpenAisNames) {
  EXPECT_EQ(ErrorOf("{}")["param"], "prompt");
  EXPECT_EQ(ErrorOf(R"({"prompt": "a", "n": 11})")["param"], "n");
  EXPECT_EQ(ErrorOf(R"({"prompt": "a", "size": "large"})")["code"], "invalid_size");
  EXPECT_EQ(ErrorOf(R"({"prompt": "a", "background": "transparent"})")["param"], "background");
  EXPECT_EQ(ErrorOf(R"({"prompt": "a", "quality": "best"})")["param"], "quality");
  EXPECT_EQ(ErrorOf("nonsense")["type"], "invalid_request_error");
  generation_.refuse = InvalidField("job.spec.width", "width must be a multiple of 8");
  EXPECT_EQ(ErrorOf(R"({"prompt": "a"})")["param"], "size");
  const auto edit = Ask("POST", "/v1/images/edits", R"({"prompt": "a", "image": "http://host/a.png"})");
  EXPECT_THAT(BodyOf(edit)["error"]["message"].get<std::string>(), HasSubstr("must be a data URL"));
  EXPECT_EQ(Ask("POST", "/v1/images/variations")->answer->status, 501);
}

TEST_F(Openai, ErrorsHaveTheStatusThatClientsActOn) {
  const auto status_of = [&](const absl::Status& error) {
    generation_.refuse = error;
    return ErrorOf(R"({"prompt": "a", "model": "emoji"})");
  };
  EXPECT_EQ(status_of(NotFound("model", "x", "no model of that name"))["status"], 404);
  EXPECT_EQ(status_of(NotFound("model", "x", "no model of that name"))["code"], "model_not_found");
  EXPECT_EQ(status_of(MakeError(absl::StatusCode::kAlreadyExists, "used", "REQUEST_ID_USED"))["status"], 400);
  EXPECT_EQ(
      status_of(MakeError(absl::StatusCode::kResourceExhausted, "too large", "OUT_OF_GPU_MEMORY"))["status"],
      422);
  const absl::Status full =
      WithRetry(MakeError(absl::StatusCode::kResourceExhausted, "the queue is full", "QUEUE_FULL"),
                absl::Milliseconds(1500));
  EXPECT_EQ(status_of(full)["type"], "rate_limit_error");
  const auto exchange = Generate(R"({"prompt": "a"})");
  EXPECT_EQ(exchange->answer->status, 429);
  EXPECT_EQ(HeaderOf(exchange, "retry-after"), "2");
  EXPECT_EQ(HeaderOf(exchange, "retry-after-ms"), "1500");
}

TEST_F(Openai, ListsModels) {
  const nlohmann::json models = BodyOf(Ask("GET", "/v1/models"));
  EXPECT_EQ(models["object"], "list");
  EXPECT_EQ(models["data"][0]["id"], "emoji");
  EXPECT_EQ(models["data"][0]["mind"]["defaultSteps"], 20);
  EXPECT_EQ(BodyOf(Ask("GET", "/v1/models/emoji"))["object"], "model");
  EXPECT_EQ(Ask("GET", "/v1/models/none")->answer->status, 404);
}

TEST_F(Openai, WhatIsNotThereIsAnErrorOfItsKind) {
  EXPECT_EQ(Ask("GET", "/v1/nothing")->answer->status, 404);
  EXPECT_EQ(BodyOf(Ask("GET", "/v1/nothing"))["error"]["code"], "unknown_url");
  const auto wrong = Ask("GET", "/v1/images/generations");
  EXPECT_EQ(wrong->answer->status, 405);
  EXPECT_EQ(HeaderOf(wrong, "allow"), "POST, OPTIONS");
}

}  // namespace
}  // namespace mind::server
