// What a request in A1111's fields becomes, and which are refused.
#include "server/http/sdapi_request.h"

#include <gmock/gmock.h>

#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "tests/unit/http/sdapi_rig.h"
#include "worker/image/decode.h"
#include "worker/image/encode.h"

namespace mind::server {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SdapiRequest : public SdapiRig {};

TEST_F(SdapiRequest, FieldsAreA1111s) {
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

TEST_F(SdapiRequest, WhatIsLeftOutIsTheModelsOwn) {
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

TEST_F(SdapiRequest, ASchedulerIsPartOfTheSampler) {
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

TEST_F(SdapiRequest, LorasAreInThePrompt) {
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

TEST_F(SdapiRequest, Img2ImgBeginsWithAPicture) {
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

TEST_F(SdapiRequest, AModelThatChangesPicturesIsToldNoStrength) {
  const json request = {{"prompt", "a"}, {"init_images", {"QQ=="}}, {"denoising_strength", 0.4}};
  Ask("POST", "/sdapi/v1/img2img", request.dump());
  EXPECT_EQ(generation_.submitted.at(0).spec().strength(), 0.4);
  generation_.model.add_tasks(v1::TASK_EDIT);
  Ask("POST", "/sdapi/v1/img2img", request.dump());
  EXPECT_FALSE(generation_.submitted.at(1).spec().has_strength());
  json several = request;
  several["extra_images"] = {"Qg==", "data:image/png;base64,Qw=="};
  generation_.events = {Queued(spec_), Completed()};
  const json body = BodyOf(Ask("POST", "/sdapi/v1/img2img", several.dump()));
  const v1::ImageSpec& spec = generation_.submitted.at(2).spec();
  EXPECT_EQ(spec.source_image(), "A");
  EXPECT_EQ(std::vector<std::string>(spec.reference_images().begin(), spec.reference_images().end()),
            (std::vector<std::string>{"B", "C"}));
  EXPECT_FALSE(spec.has_strength());
  EXPECT_TRUE(body["parameters"]["extra_images"].is_null());  // not sent back
}

TEST_F(SdapiRequest, MasksAreBlurredAndPaintedAloneAsThere) {
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

TEST_F(SdapiRequest, MasksAreReadAndTurnedRoundAsThere) {
  const auto mask_of = [this](json body) {
    body["init_images"] = {"QQ=="};
    generation_.submitted.clear();
    Ask("POST", "/sdapi/v1/img2img", body.dump());
    EXPECT_EQ(generation_.submitted.size(), 1U) << body;
    return generation_.submitted.empty() ? "" : generation_.submitted[0].spec().mask_image();
  };
  const uint8_t grey[6] = {255, 255, 255, 0, 0, 0};
  const std::string mask = image::EncodePng({grey, 2, 1}, "");
  for (const json& on : {json(1), json(true), json("1")}) {
    const std::string turned = mask_of({{"mask", absl::Base64Escape(mask)}, {"inpainting_mask_invert", on}});
    EXPECT_THAT(image::DecodePicture(turned).data, ElementsAre(0, 0, 0, 255, 255, 255)) << on;
  }
  EXPECT_EQ(mask_of({{"mask", absl::Base64Escape(mask)}, {"inpainting_mask_invert", 0}}), mask);
  const std::vector<v1::MaskFill> fills = {v1::MASK_FILL_SURROUNDINGS, v1::MASK_FILL_UNSPECIFIED,
                                           v1::MASK_FILL_NOISE, v1::MASK_FILL_NOTHING};
  for (size_t fill = 0; fill < fills.size(); ++fill) {
    json body = {{"mask", "QQ=="}, {"inpainting_fill", fill}};
    EXPECT_EQ(mask_of(body), "A") << fill;
    EXPECT_EQ(generation_.submitted[0].spec().mask_fill(), fills[fill]);
    // Where nothing under the mask is begun from it makes no difference what is put there.
    body["denoising_strength"] = 1;
    EXPECT_EQ(mask_of(body), "A") << fill;
    EXPECT_EQ(generation_.submitted[0].spec().mask_fill(), v1::MASK_FILL_UNSPECIFIED);
  }
  EXPECT_EQ(mask_of({{"mask", "QQ=="}, {"inpainting_fill", 1}}), "A");
  EXPECT_EQ(mask_of({{"inpainting_fill", 0}}), "");  // there is no mask
}

TEST_F(SdapiRequest, AnAutoencoderIsChosenByItsFilesName) {
  const auto vae_of = [this](const json& value) {
    return SpecOf({{"override_settings", {{"sd_vae", value}}}}).vae();
  };
  EXPECT_EQ(vae_of("vae-ft-mse.safetensors"), "vae-ft-mse");
  EXPECT_EQ(vae_of("vae-ft-mse"), "vae-ft-mse");
  for (const char* const own : {"Automatic", "None", ""}) EXPECT_EQ(vae_of(own), "") << own;
}

TEST_F(SdapiRequest, HiresFixIsASecondPass) {
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

TEST_F(SdapiRequest, ASubseedIsAVariation) {
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

TEST_F(SdapiRequest, WhatCannotBeIsRefusedByName) {
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
       "422 mask: cannot be read: "},
      {{{"init_images", {"QQ=="}}, {"mask", "QQ=="}, {"inpainting_mask_invert", 2}},
       "422 inpainting_mask_invert: "},
      {{{"init_images", {"QQ=="}}, {"mask", "QQ=="}, {"inpainting_fill", 4}}, "422 inpainting_fill: "},
  };
  for (const auto& [body, why] : of_img2img) {
    EXPECT_THAT(RefusalOf("/sdapi/v1/img2img", body), HasSubstr(why)) << body;
  }
}

}  // namespace
}  // namespace mind::server
