#include "server/http/sdapi.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "tests/unit/http/face_rig.h"
#include "worker/image/encode.h"

namespace mind::server {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Sdapi : public FaceRig {
 protected:
  Sdapi() {
    spec_.set_prompt("a cat");
    spec_.set_model("emoji");
    spec_.set_width(64);
    spec_.set_height(32);
    spec_.set_steps(20);
    spec_.set_seed(7);
    spec_.set_guidance(2.5);
    spec_.set_image_count(2);
    spec_.set_sampler("dpmpp_2m_karras");
  }

  FakeExchangePtr Txt2Img(const json& body, const std::map<std::string, std::string>& headers = {}) {
    return Ask("POST", "/sdapi/v1/txt2img", body.dump(), headers);
  }
  // The spec that a request has become.
  v1::ImageSpec SpecOf(const json& body) {
    generation_.submitted.clear();
    const auto exchange = Txt2Img(body);
    EXPECT_EQ(generation_.submitted.size(), 1U) << body << *exchange->answer->body;
    return generation_.submitted.empty() ? v1::ImageSpec() : generation_.submitted[0].spec();
  }
  // Why a request is refused, its status before it.
  std::string RefusalOf(const std::string& path, const json& body) {
    const auto exchange = Ask("POST", path, body.dump());
    return absl::StrCat(exchange->answer->status, " ", BodyOf(exchange).value("detail", ""));
  }
  static std::string PngWith(const std::string& infotext) {
    const uint8_t pixel[3] = {1, 2, 3};
    return image::EncodePng({pixel, 1, 1}, infotext);
  }

  v1::ImageSpec spec_;
};

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

TEST_F(Sdapi, FieldsAreA1111s) {
  const v1::ImageSpec spec =
      SpecOf({{"prompt", "a"},
              {"negative_prompt", "blur"},
              {"steps", 9},
              {"cfg_scale", "4.5"},  // texts are taken for numbers
              {"width", 128},
              {"height", 64},
              {"seed", 5},
              {"batch_size", 2},
              {"n_iter", 3},
              {"sampler_name", "Euler a"},
              {"clip_skip", 2},
              {"save_images", true},
              {"tiling", true},
              {"denoising_strength", 0.7},
              {"something_new", json::object()},
              {"override_settings", {{"sd_model_checkpoint", "emoji.safetensors [abc]"}}}});
  EXPECT_EQ(spec.prompt(), "a");
  EXPECT_EQ(spec.negative_prompt(), "blur");
  EXPECT_EQ(spec.steps(), 9U);
  EXPECT_EQ(spec.guidance(), 4.5);
  EXPECT_EQ(spec.width(), 128U);
  EXPECT_EQ(spec.height(), 64U);
  EXPECT_EQ(spec.seed(), 5U);
  EXPECT_EQ(spec.image_count(), 6U);
  EXPECT_EQ(spec.sampler(), "Euler a");
  EXPECT_EQ(spec.clip_skip(), 1U);
  EXPECT_EQ(spec.model(), "emoji");
  EXPECT_TRUE(spec.tiling());
  EXPECT_FALSE(spec.has_strength());  // of hires fix, which nobody asked for
}

TEST_F(Sdapi, WhatIsLeftOutIsTheModelsOwn) {
  const v1::ImageSpec spec = SpecOf({{"prompt", "a"}, {"sampler_name", nullptr}, {"scheduler", "Automatic"}});
  EXPECT_FALSE(spec.has_steps());
  EXPECT_FALSE(spec.has_guidance());
  EXPECT_FALSE(spec.has_width());
  EXPECT_EQ(spec.sampler(), "");
  EXPECT_EQ(spec.image_count(), 1U);
  EXPECT_TRUE(spec.has_seed());  // at random, but one that JavaScript can hold
  EXPECT_LE(spec.seed(), 4294967294U);
  EXPECT_NE(SpecOf({{"seed", -1}}).seed(), SpecOf({{"seed", -1}}).seed());
}

TEST_F(Sdapi, ASchedulerIsPartOfTheSampler) {
  EXPECT_EQ(SpecOf({{"sampler_name", "DPM++ 2M"}, {"scheduler", "Karras"}}).sampler(), "DPM++ 2M Karras");
  EXPECT_EQ(SpecOf({{"sampler_name", "DPM++ 2M Karras"}, {"scheduler", "karras"}}).sampler(),
            "DPM++ 2M Karras");
  EXPECT_EQ(SpecOf({{"sampler_index", "LMS"}}).sampler(), "LMS");
  const v1::ImageSpec spec = SpecOf({{"sampler_name", "DPM++ 2M"}, {"scheduler", "Exponential"}});
  EXPECT_EQ(spec.sampler(), "DPM++ 2M");
  EXPECT_EQ(spec.sampler_parameters().at("schedule").string_value(), "exponential");
  EXPECT_EQ(SpecOf({{"scheduler", "karras"}}).sampler_parameters().at("schedule").string_value(), "karras");
  EXPECT_EQ(SpecOf({{"sampler_name", "DDIM"}, {"eta", 0.5}}).sampler_parameters().at("eta").number_value(),
            0.5);
}

TEST_F(Sdapi, LorasAreInThePrompt) {
  const v1::ImageSpec spec = SpecOf({{"prompt", "a cat <lora:ink:0.5> <lora:gold>, <lora:no:x>"}});
  EXPECT_EQ(spec.prompt(), "a cat  , <lora:no:x>");
  ASSERT_EQ(spec.loras_size(), 2);
  EXPECT_EQ(spec.loras(0).name(), "ink");
  EXPECT_EQ(spec.loras(0).scale(), 0.5);
  EXPECT_EQ(spec.loras(1).name(), "gold");
  EXPECT_EQ(spec.loras(1).scale(), 1);
  EXPECT_EQ(SpecOf({{"prompt", "<lora:ink:1>"}, {"disable_extra_networks", true}}).prompt(), "<lora:ink:1>");
  EXPECT_EQ(SpecOf({{"prompt", "<lora:"}}).prompt(), "<lora:");
}

TEST_F(Sdapi, Img2ImgBeginsWithAPicture) {
  const std::string picture = absl::Base64Escape("PNG");
  Ask("POST", "/sdapi/v1/img2img",
      json{{"prompt", "a"},
           {"init_images", {"data:image/png;base64," + picture}},
           {"mask", picture},
           {"denoising_strength", 0.4},
           {"mask_blur", 4}}
          .dump());
  ASSERT_EQ(generation_.submitted.size(), 1U);
  EXPECT_EQ(generation_.submitted[0].spec().source_image(), "PNG");
  EXPECT_EQ(generation_.submitted[0].spec().mask_image(), "PNG");
  EXPECT_EQ(generation_.submitted[0].spec().strength(), 0.4);
  generation_.events = {Queued(spec_), Completed()};
  const json body =
      BodyOf(Ask("POST", "/sdapi/v1/img2img", json{{"prompt", "a"}, {"init_images", {picture}}}.dump()));
  EXPECT_EQ(generation_.submitted[1].spec().strength(), 0.75);  // A1111's
  EXPECT_TRUE(body["parameters"]["init_images"].is_null());     // not sent back
}

TEST_F(Sdapi, MasksAreBlurredAndPaintedAloneAsThere) {
  const auto spec_of = [this](json body) {
    body["init_images"] = {"QQ=="};
    generation_.submitted.clear();
    Ask("POST", "/sdapi/v1/img2img", body.dump());
    EXPECT_EQ(generation_.submitted.size(), 1U) << body;
    return generation_.submitted.empty() ? v1::ImageSpec() : generation_.submitted[0].spec();
  };
  v1::ImageSpec spec = spec_of({{"mask", "QQ=="},
                                {"mask_blur", 4},
                                {"resize_mode", 1},
                                {"inpaint_full_res", true},
                                {"inpaint_full_res_padding", 16}});
  EXPECT_EQ(spec.mask_blur(), 4);
  EXPECT_EQ(spec.source_fit(), v1::SOURCE_FIT_CROP);
  EXPECT_EQ(spec.only_masked().padding(), 16U);
  EXPECT_EQ(spec_of({{"resize_mode", 2}}).source_fit(), v1::SOURCE_FIT_FILL);
  EXPECT_FALSE(spec_of({{"mask_blur", 4}, {"inpaint_full_res", true}}).has_mask_blur());  // there is no mask
  spec = spec_of({{"mask", "QQ=="}, {"mask_blur", 0}, {"resize_mode", 0}, {"inpaint_full_res", 0}});
  EXPECT_FALSE(spec.has_mask_blur());
  EXPECT_FALSE(spec.has_only_masked());
  EXPECT_EQ(spec.source_fit(), v1::SOURCE_FIT_UNSPECIFIED);
}

TEST_F(Sdapi, HiresFixIsASecondPass) {
  v1::Hires hires = SpecOf({{"enable_hr", true}}).hires();
  EXPECT_FALSE(hires.has_scale() || hires.has_width() || hires.has_height() || hires.has_steps());
  EXPECT_EQ(hires.strength(), 0.75);  // A1111's
  EXPECT_EQ(hires.upscaler(), v1::HIRES_UPSCALER_LATENT);
  hires = SpecOf({{"enable_hr", true},
                  {"hr_scale", 1.5},
                  {"hr_second_pass_steps", 7},
                  {"denoising_strength", 0.4},
                  {"hr_upscaler", "Lanczos"},
                  {"hr_sampler_name", "Use same sampler"},
                  {"hr_resize_x", 0}})
              .hires();
  EXPECT_EQ(hires.scale(), 1.5);
  EXPECT_EQ(hires.steps(), 7U);
  EXPECT_EQ(hires.strength(), 0.4);
  EXPECT_EQ(hires.upscaler(), v1::HIRES_UPSCALER_LANCZOS);
  hires = SpecOf({{"enable_hr", true}, {"hr_scale", 1.5}, {"hr_resize_x", 96}}).hires();
  EXPECT_FALSE(hires.has_scale() || hires.has_height());
  EXPECT_EQ(hires.width(), 96U);
  EXPECT_FALSE(SpecOf({{"enable_hr", false}, {"hr_scale", 2}}).has_hires());
}

TEST_F(Sdapi, ASubseedIsAVariation) {
  const v1::ImageSpec spec = SpecOf({{"seed", 5}, {"subseed", 9}, {"subseed_strength", 0.25}});
  EXPECT_EQ(spec.variation().seed(), 9U);
  EXPECT_EQ(spec.variation().strength(), 0.25);
  EXPECT_FALSE(SpecOf({{"seed", 5}, {"subseed", 9}, {"subseed_strength", 0}}).has_variation());
  EXPECT_TRUE(SpecOf({{"subseed", -1}, {"subseed_strength", 1}}).variation().has_seed());

  *spec_.mutable_variation() = spec.variation();
  generation_.events = {Queued(spec_), Picture(0, PngWith("a")), Completed()};
  const json body = BodyOf(Txt2Img({{"prompt", "a"}}));
  const json info = json::parse(body["info"].get<std::string>());
  EXPECT_THAT(info["all_seeds"], ElementsAre(7, 7));
  EXPECT_THAT(info["all_subseeds"], ElementsAre(9, 10));
  EXPECT_EQ(info["subseed_strength"], 0.25);
}

TEST_F(Sdapi, WhatCannotBeIsRefusedByName) {
  const std::pair<json, const char*> refused[] = {
      {{{"enable_hr", true}, {"hr_upscaler", "ESRGAN_4x"}}, "422 hr_upscaler: must be one of Latent, "},
      {{{"enable_hr", true}, {"hr_sampler_name", "Euler"}}, "422 hr_sampler_name: "},
      {{{"enable_hr", true}, {"hr_prompt", "another"}}, "422 hr_prompt: "},
      {{{"enable_hr", true}, {"firstphase_width", 64}}, "422 firstphase_width: "},
      {{{"restore_faces", true}}, "422 restore_faces: "},
      {{{"script_name", "X/Y/Z plot"}}, "422 script_name: Script 'X/Y/Z plot' not found"},
      {{{"alwayson_scripts", {{"ADetailer", {{"args", {true}}}}}}},
       "422 alwayson_scripts: always on script ADetailer"},
      {{{"styles", {"cinematic"}}}, "422 styles: "},
      {{{"refiner_checkpoint", "xl"}}, "422 refiner_checkpoint: "},
      {{{"subseed_strength", 1.5}}, "422 subseed_strength: "},
      {{{"seed_resize_from_w", 64}}, "422 seed_resize_from_w: "},
      {{{"s_churn", 1}}, "422 s_churn: "},
      {{{"eta", 0.5}, {"sampler_name", "Euler"}}, "422 eta: only DDIM"},
      {{{"scheduler", "Align Your Steps"}}, "422 scheduler: must be one of"},
      {{{"override_settings", {{"sd_vae", "x.pt"}}}}, "422 override_settings.sd_vae: "},
      {{{"override_settings", {{"samples_format", "jpg"}}}}, "422 override_settings.samples_format: "},
      {{{"override_settings", 1}}, "422 override_settings: "},
      {{{"steps", "many"}}, "422 steps: "},
      {{{"n_iter", 4}, {"batch_size", 5}}, "422 batch_size: n_iter times batch_size may be 16"},
  };
  for (const auto& [body, why] : refused) {
    EXPECT_THAT(RefusalOf("/sdapi/v1/txt2img", body), HasSubstr(why)) << body;
  }
  EXPECT_THAT(generation_.submitted, IsEmpty());
  const std::pair<json, const char*> of_img2img[] = {
      {json::object(), "422 init_images: must be a list of one picture"},
      {{{"init_images", {"http://host/a.png"}}}, "422 init_images: must be a picture in base64"},
      {{{"init_images", {"QQ==", "QQ=="}}}, "422 init_images: "},
      {{{"init_images", {"QQ=="}}, {"enable_hr", true}}, "422 enable_hr: "},
      {{{"init_images", {"QQ=="}}, {"resize_mode", 3}}, "422 resize_mode: latents are not resized here"},
      {{{"init_images", {"QQ=="}}, {"mask", "QQ=="}, {"mask_blur_x", 2}, {"mask_blur_y", 4}},
       "422 mask_blur_x: "},
      {{{"init_images", {"QQ=="}}, {"mask", "QQ=="}, {"inpainting_mask_invert", 1}},
       "422 inpainting_mask_invert"},
  };
  for (const auto& [body, why] : of_img2img) {
    EXPECT_THAT(RefusalOf("/sdapi/v1/img2img", body), HasSubstr(why)) << body;
  }
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
  for (const char* const empty : {"sd-vae", "hypernetworks", "prompt-styles"}) {
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
