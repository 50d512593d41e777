// A1111's API: how calls are answered, followed and stopped, what there is to choose from.
#include "server/http/sdapi.h"

#include <gmock/gmock.h>

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "tests/unit/http/sdapi_rig.h"

namespace mind::server {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Sdapi : public SdapiRig {};

TEST_F(Sdapi, AnswersWithPicturesAndHowTheyWereMade) {
  const std::string first = PngWith("一只猫\nSteps: 20, Seed: 7"), second = PngWith("b");
  generation_.events = {Queued(spec_), Preview(0, "p"), Picture(1, second), Picture(0, first), Completed()};
  const auto exchange = Txt2Img({{"prompt", "a cat"}, {"batch_size", 2}});
  ASSERT_EQ(exchange->answer->status, 200);
  const json body = BodyOf(exchange);
  EXPECT_THAT(body["images"], ElementsAre(absl::Base64Escape(first), absl::Base64Escape(second)));
  EXPECT_EQ(body["parameters"]["prompt"], "a cat");
  const json info = json::parse(body["info"].get<std::string>());
  EXPECT_THAT(info["infotexts"], ElementsAre("一只猫\nSteps: 20, Seed: 7", "b"));
  EXPECT_EQ(info["seed"], 7);
  EXPECT_THAT(info["all_seeds"], ElementsAre(7, 8));
  EXPECT_THAT(info["all_prompts"], ElementsAre("a cat", "a cat"));
  EXPECT_EQ(info["sampler_name"], "DPM++ 2M");
  EXPECT_EQ(info["extra_generation_params"]["Schedule type"], "Karras");
  EXPECT_EQ(info["width"], 64);
  EXPECT_EQ(info["height"], 32);
  EXPECT_EQ(info["cfg_scale"], 2.5);
  EXPECT_EQ(info["sd_model_name"], "emoji");
  EXPECT_EQ(info["clip_skip"], 1);
  EXPECT_TRUE(generation_.tied);
}

TEST_F(Sdapi, PicturesAreLeftOutWhereNobodyWantsThem) {
  generation_.events = {Queued(spec_), Picture(0, PngWith("a")), Completed()};
  const json body = BodyOf(Txt2Img({{"prompt", "a"}, {"send_images", false}}));
  EXPECT_THAT(body["images"], IsEmpty());
  EXPECT_THAT(json::parse(body["info"].get<std::string>())["infotexts"], ElementsAre("a"));
}

TEST_F(Sdapi, TheServersRefusalsHaveA1111sNames) {
  generation_.refuse = InvalidField("spec.sampler", "\"X\" is not known");
  EXPECT_THAT(RefusalOf("/sdapi/v1/txt2img", json::object()), HasSubstr("404 Sampler not found"));
  generation_.refuse = InvalidField("spec.guidance", "too much");
  EXPECT_EQ(RefusalOf("/sdapi/v1/txt2img", json::object()), "422 cfg_scale: too much");
  generation_.refuse = NotFound("model", "x", "no model of that name");
  EXPECT_EQ(RefusalOf("/sdapi/v1/txt2img", json::object()), "404 no model of that name");
  generation_.refuse = WithRetry(
      MakeError(absl::StatusCode::kResourceExhausted, "the queue is full", "QUEUE_FULL"), absl::Seconds(3));
  const auto full = Txt2Img(json::object());
  EXPECT_EQ(full->answer->status, 429);
  EXPECT_EQ(HeaderOf(full, "retry-after"), "3");
  for (const char* const key : {"error", "detail", "body", "errors"}) EXPECT_TRUE(BodyOf(full).contains(key));
  EXPECT_EQ(Ask("GET", "/sdapi/v1/nothing")->answer->status, 404);
  EXPECT_EQ(Ask("GET", "/sdapi/v1/txt2img")->answer->status, 405);
}

TEST_F(Sdapi, ProgressIsOfTheCallersOwnCall) {
  EXPECT_EQ(BodyOf(Ask("GET", "/sdapi/v1/progress"))["state"]["job_count"], 0);
  generation_.end = std::nullopt;
  generation_.events = {Queued(spec_), Progress(0, 10), Preview(0, "JPEG")};
  Txt2Img({{"prompt", "a"}, {"force_task_id", "task-1"}});
  const json progress = BodyOf(Ask("GET", "/sdapi/v1/progress"));
  EXPECT_EQ(progress["progress"], 0.25);  // 10 of 20 steps of one of two pictures
  EXPECT_EQ(progress["current_image"], absl::Base64Escape("JPEG"));
  EXPECT_EQ(progress["state"]["job_count"], 2);
  EXPECT_EQ(progress["state"]["sampling_step"], 10);
  EXPECT_EQ(progress["state"]["sampling_steps"], 20);
  EXPECT_TRUE(BodyOf(Ask("GET", "/sdapi/v1/progress?skip_current_image=true"))["current_image"].is_null());
  EXPECT_EQ(BodyOf(Ask("GET", "/sdapi/v1/progress?id_task=task-1"))["progress"], 0.25);
  EXPECT_EQ(BodyOf(Ask("GET", "/sdapi/v1/progress?id_task=task-2"))["progress"], 0);
  EXPECT_EQ(BodyOf(Ask("GET", "/sdapi/v1/progress", "", {{"mind-tenant", "other"}}))["progress"], 0);
  const json of_task = BodyOf(Ask("POST", "/internal/progress", R"({"id_task": "task-1"})"));
  EXPECT_EQ(of_task["active"], true);
  EXPECT_THAT(of_task["live_preview"].get<std::string>(), HasSubstr(absl::Base64Escape("JPEG")));
  generation_.end = absl::OkStatus();
  generation_.news();
  RunLoop();
  EXPECT_EQ(BodyOf(Ask("GET", "/sdapi/v1/progress"))["progress"], 0);
  EXPECT_EQ(BodyOf(Ask("POST", "/internal/progress", R"({"id_task": "task-1"})"))["completed"], true);
  EXPECT_EQ(BodyOf(Ask("POST", "/internal/progress", R"({"id_task": "task-2"})"))["completed"], false);
}

TEST_F(Sdapi, ProgressCountsBothPasses) {
  generation_.end = std::nullopt;
  spec_.mutable_hires()->set_steps(20);
  generation_.events = {Queued(spec_), Progress(0, 20)};
  Txt2Img({{"prompt", "a"}});
  EXPECT_EQ(BodyOf(Ask("GET", "/sdapi/v1/progress"))["progress"], 0.25);  // half of one of two pictures
}

TEST_F(Sdapi, AnInterruptedCallAnswersWithWhatIsDone) {
  generation_.end = std::nullopt;
  const std::string png = PngWith("a");
  generation_.events = {Queued(spec_), Picture(0, png)};
  const auto call = Txt2Img({{"prompt", "a"}});
  EXPECT_FALSE(call->answer.has_value());
  EXPECT_EQ(Ask("POST", "/sdapi/v1/interrupt", "", {{"mind-tenant", "other"}})->answer->status, 200);
  EXPECT_THAT(generation_.cancelled, IsEmpty());  // not theirs
  EXPECT_EQ(BodyOf(Ask("POST", "/sdapi/v1/interrupt")), json::object());
  EXPECT_THAT(generation_.cancelled, ElementsAre("job-1"));
  generation_.events = {Completed(MakeError(absl::StatusCode::kCancelled, "interrupted", "CANCELLED"))};
  generation_.end = absl::OkStatus();
  generation_.news();
  RunLoop();
  ASSERT_EQ(call->answer->status, 200);
  EXPECT_THAT(BodyOf(call)["images"], ElementsAre(absl::Base64Escape(png)));
}

TEST_F(Sdapi, ACallerWhoGoesTakesTheJobAlong) {
  generation_.end = std::nullopt;
  generation_.events = {Queued(spec_)};
  const auto call = Txt2Img({{"prompt", "a"}});
  call->gone();
  RunLoop();
  EXPECT_THAT(generation_.left, ElementsAre("job-1"));
  EXPECT_EQ(BodyOf(Ask("GET", "/sdapi/v1/progress"))["state"]["job_count"], 0);
}

TEST_F(Sdapi, OptionsAreTheCallersOwn) {
  EXPECT_EQ(BodyOf(Ask("GET", "/sdapi/v1/options"))["sd_model_checkpoint"], "emoji");  // the server's own
  EXPECT_EQ(Ask("POST", "/sdapi/v1/options", R"({"sd_model_checkpoint": "none"})")->answer->status, 404);
  EXPECT_EQ(SpecOf({{"prompt", "a"}}).model(), "");
  Ask("POST", "/sdapi/v1/options",
      R"({"sd_model_checkpoint": "emoji", "CLIP_stop_at_last_layers": 2, "some_other_setting": true})");
  EXPECT_EQ(SpecOf({{"prompt", "a"}}).model(), "emoji");
  EXPECT_EQ(SpecOf({{"prompt", "a"}}).clip_skip(), 1U);
  EXPECT_EQ(SpecOf({{"prompt", "a"}, {"override_settings", {{"CLIP_stop_at_last_layers", 1}}}}).clip_skip(),
            0U);
  EXPECT_EQ(BodyOf(Ask("GET", "/sdapi/v1/options"))["CLIP_stop_at_last_layers"], 2);
  const auto theirs = Ask("GET", "/sdapi/v1/options", "", {{"mind-tenant", "other"}});
  EXPECT_EQ(BodyOf(theirs)["CLIP_stop_at_last_layers"], 1);
  // Settings of a request stay where it says so.
  SpecOf({{"override_settings", {{"CLIP_stop_at_last_layers", 3}}},
          {"override_settings_restore_afterwards", false}});
  EXPECT_EQ(BodyOf(Ask("GET", "/sdapi/v1/options"))["CLIP_stop_at_last_layers"], 3);
}

TEST_F(Sdapi, ListsWhatThereIs) {
  for (const char* const name : {"dpmpp_2m", "dpmpp_2m_karras", "ddpm"})
    generation_.model.add_samplers()->set_name(name);
  generation_.model.mutable_samplers(0)->add_aliases("DPM++ 2M");
  generation_.model.add_loras("ink");
  const json models = BodyOf(Ask("GET", "/sdapi/v1/sd-models"));
  EXPECT_EQ(models[0]["title"], "emoji");
  EXPECT_EQ(models[0]["model_name"], "emoji");
  const json samplers = BodyOf(Ask("GET", "/sdapi/v1/samplers"));
  ASSERT_EQ(samplers.size(), 2U);
  EXPECT_EQ(samplers[0]["name"], "DPM++ 2M");
  EXPECT_THAT(samplers[0]["aliases"], ElementsAre("dpmpp_2m"));
  EXPECT_EQ(samplers[1]["name"], "ddpm");
  EXPECT_EQ(BodyOf(Ask("GET", "/sdapi/v1/schedulers"))[1]["label"], "Karras");
  EXPECT_EQ(BodyOf(Ask("GET", "/sdapi/v1/loras"))[0]["name"], "ink");
  EXPECT_EQ(BodyOf(Ask("GET", "/sdapi/v1/upscalers"))[0]["name"], "None");
  EXPECT_EQ(BodyOf(Ask("GET", "/sdapi/v1/upscalers"))[1]["name"], "Lanczos");
  EXPECT_EQ(BodyOf(Ask("GET", "/sdapi/v1/latent-upscale-modes")), json({{{"name", "Latent"}}}));
  EXPECT_EQ(BodyOf(Ask("GET", "/sdapi/v1/sd-vae")), json::array());
  for (const char* const empty : {"hypernetworks", "prompt-styles"}) {
    EXPECT_EQ(BodyOf(Ask("GET", absl::StrCat("/sdapi/v1/", empty))), json::array()) << empty;
  }
  EXPECT_EQ(BodyOf(Ask("GET", "/sdapi/v1/embeddings"))["loaded"], json::object());
}

TEST_F(Sdapi, PngInfoReadsWhatAPictureSays) {
  const std::string infotext =
      "一只猫\nNegative prompt: blur\nSteps: 20, Sampler: Euler a, CFG scale: 7.0, Seed: 5, Size: 64x32, "
      "Model: \"a, b\", RNG: CPU, Version: 1";
  const json info =
      BodyOf(Ask("POST", "/sdapi/v1/png-info",
                 json{{"image", "data:image/png;base64," + absl::Base64Escape(PngWith(infotext))}}.dump()));
  EXPECT_EQ(info["info"], infotext);
  const json& parameters = info["parameters"];
  EXPECT_EQ(parameters["Prompt"], "一只猫");
  EXPECT_EQ(parameters["Negative prompt"], "blur");
  EXPECT_EQ(parameters["Steps"], "20");
  EXPECT_EQ(parameters["Size-1"], "64");
  EXPECT_EQ(parameters["Size-2"], "32");
  EXPECT_EQ(parameters["Model"], "a, b");
  EXPECT_EQ(parameters["Clip skip"], "1");
  EXPECT_EQ(parameters["RNG"], "CPU");
  const json none =
      BodyOf(Ask("POST", "/sdapi/v1/png-info", json{{"image", absl::Base64Escape(PngWith(""))}}.dump()));
  EXPECT_EQ(none["info"], "");
  EXPECT_THAT(RefusalOf("/sdapi/v1/png-info", {{"image", "QQ=="}}), HasSubstr("422 image: cannot be read"));
  EXPECT_THAT(RefusalOf("/sdapi/v1/png-info", json::object()), HasSubstr("422 image: must be"));
}

}  // namespace
}  // namespace mind::server
