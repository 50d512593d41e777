#include "worker/link/convert.h"

#include <gtest/gtest.h>

#include "proto/support/errors.h"
#include "worker/diffusion/error.h"

namespace mind {
namespace {

absl::StatusCode CodeOf(std::exception_ptr error) {
  return FromProto(ErrorStatus(error)).code();
}

TEST(Convert, MapsTheEnginesErrors) {
  EXPECT_EQ(CodeOf(std::make_exception_ptr(diffusion::RequestError("x"))),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(std::make_exception_ptr(diffusion::CheckpointError("x"))), absl::StatusCode::kDataLoss);
  EXPECT_EQ(CodeOf(std::make_exception_ptr(diffusion::ModelError("x"))),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(CodeOf(std::make_exception_ptr(std::bad_alloc())), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(CodeOf(std::make_exception_ptr(std::runtime_error("x"))), absl::StatusCode::kInternal);
  EXPECT_EQ(CodeOf(std::make_exception_ptr(7)), absl::StatusCode::kInternal);
}

// What is thrown when this runs.
template <typename Function>
google::rpc::ErrorInfo InfoOf(Function run) {
  try {
    run();
  } catch (...) {
    return GetErrorInfo(FromProto(ErrorStatus(std::current_exception()))).value_or(google::rpc::ErrorInfo());
  }
  return {};
}

TEST(Convert, KnowsTheEnginesWaysToSayThatMemoryIsShort) {
  EXPECT_EQ(InfoOf([] { at::empty({int64_t{1} << 50}, at::kByte); }).reason(), "OUT_OF_MEMORY");
  for (const char* text : {"CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 7.80 GiB total capacity)",
                           "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
                           "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"}) {
    EXPECT_EQ(InfoOf([text] { TORCH_CHECK(false, text); }).reason(), "OUT_OF_GPU_MEMORY") << text;
  }
  EXPECT_EQ(InfoOf([] { at::zeros({2, 3}).view({7}); }).reason(), "ENGINE");
}

TEST(Convert, PictureKOfAJobHasItsOwnSeed) {
  v1::Assign assign;
  assign.mutable_spec()->set_seed(100);
  assign.mutable_spec()->set_steps(5);
  v1::AssignedImage image;
  image.set_image_index(3);
  image.set_checkpoint("bytes");
  const diffusion::TrajectoryRequest request = ToRequest(assign, image);
  EXPECT_EQ(request.seed, 103U);
  EXPECT_EQ(request.steps, 5);
  EXPECT_EQ(request.checkpoint, "bytes");
}

TEST(Convert, WithAVariationPicturesDifferByItsSeed) {
  v1::Assign assign;
  assign.mutable_spec()->set_seed(100);
  assign.mutable_spec()->mutable_variation()->set_seed(7);
  assign.mutable_spec()->mutable_variation()->set_strength(0.25);
  v1::AssignedImage image;
  image.set_image_index(3);
  const diffusion::TrajectoryRequest request = ToRequest(assign, image);
  EXPECT_EQ(request.seed, 100U);
  EXPECT_EQ(request.variation.seed, 10U);
  EXPECT_EQ(request.variation.strength, 0.25);
}

TEST(Convert, EveryModelTakesAVariation) {
  EXPECT_TRUE(ToProto(diffusion::ModelInfo{}).takes_variation());
}

TEST(Convert, ControlsGoToTheEngineWithTheirDefaults) {
  v1::Assign assign;
  v1::ControlPicture& control = *assign.mutable_spec()->add_controls();
  control.set_network("edges");
  control.set_image("bytes");
  *assign.mutable_spec()->add_controls() = control;
  v1::ControlPicture& second = *assign.mutable_spec()->mutable_controls(1);
  second.set_weight(0.5);
  second.set_begin(0.25);
  second.set_end(0.75);
  second.set_guess_mode(true);
  assign.mutable_spec()->set_picture_guidance(2);
  const diffusion::TrajectoryRequest request = ToRequest(assign, {});
  EXPECT_EQ(request.picture.picture_guidance, 2);
  ASSERT_EQ(request.controls.size(), 2U);
  EXPECT_EQ(request.controls[0].network, "edges");
  EXPECT_EQ(request.controls[0].picture, "bytes");
  EXPECT_EQ(request.controls[0].weight, 1);
  EXPECT_EQ(request.controls[0].end, 1);
  EXPECT_FALSE(request.controls[0].guess_mode);
  EXPECT_EQ(request.controls[1].weight, 0.5);
  EXPECT_EQ(request.controls[1].begin, 0.25);
  EXPECT_EQ(request.controls[1].end, 0.75);
  EXPECT_TRUE(request.controls[1].guess_mode);
}

// A picture to go by is what a source picture is to models that change pictures: the same request, either
// way.
TEST(Convert, OfPicturesToGoByTheFirstIsTheSource) {
  v1::Assign by_list, by_source;
  for (const char* const picture : {"first", "second"}) by_list.mutable_spec()->add_reference_images(picture);
  by_source.mutable_spec()->set_source_image("first");
  by_source.mutable_spec()->add_reference_images("second");
  for (const v1::Assign& assign : {by_list, by_source}) {
    const diffusion::TrajectoryRequest request = ToRequest(assign, {});
    EXPECT_EQ(request.source, "first");
    EXPECT_EQ(request.references, std::vector<std::string>{"second"});
  }
}

TEST(Convert, HowAPictureIsPaintedGoesToTheEngine) {
  v1::Assign assign;
  const diffusion::TrajectoryRequest plain = ToRequest(assign, {});
  EXPECT_EQ(plain.fit, diffusion::Fit::kStretch);
  EXPECT_FALSE(plain.mask_blur || plain.only_masked);
  assign.mutable_spec()->set_source_fit(v1::SOURCE_FIT_FILL);
  assign.mutable_spec()->set_mask_blur(0);
  assign.mutable_spec()->mutable_only_masked()->set_padding(16);
  const diffusion::TrajectoryRequest request = ToRequest(assign, {});
  EXPECT_EQ(request.fit, diffusion::Fit::kFill);
  EXPECT_EQ(request.mask_blur, 0);
  EXPECT_EQ(request.only_masked, 16);
  EXPECT_EQ(plain.mask_fill, diffusion::MaskFill::kOriginal);
  const std::pair<v1::MaskFill, diffusion::MaskFill> fills[] = {
      {v1::MASK_FILL_SURROUNDINGS, diffusion::MaskFill::kSurroundings},
      {v1::MASK_FILL_NOISE, diffusion::MaskFill::kNoise},
      {v1::MASK_FILL_NOTHING, diffusion::MaskFill::kNothing}};
  for (const auto& [said, meant] : fills) {
    assign.mutable_spec()->set_mask_fill(said);
    EXPECT_EQ(ToRequest(assign, {}).mask_fill, meant);
  }
  EXPECT_TRUE(ToProto(diffusion::ModelInfo()).takes_mask_fill());
  EXPECT_TRUE(ToProto(diffusion::ModelInfo{.takes_source = false, .needs_mask = true}).takes_mask_fill());
  EXPECT_FALSE(ToProto(diffusion::ModelInfo{.edits = true}).takes_mask_fill());
}

TEST(Convert, ASecondPassGoesToTheEngine) {
  v1::Assign assign;
  EXPECT_FALSE(ToRequest(assign, {}).hires.has_value());
  v1::Hires& hires = *assign.mutable_spec()->mutable_hires();
  hires.set_width(96);
  hires.set_height(64);
  hires.set_steps(7);
  hires.set_strength(0.5);
  hires.set_upscaler(v1::HIRES_UPSCALER_LANCZOS);
  const auto pass = ToRequest(assign, {}).hires;
  ASSERT_TRUE(pass.has_value());
  EXPECT_EQ(pass->width, 96);
  EXPECT_EQ(pass->height, 64);
  EXPECT_EQ(pass->steps, 7);
  EXPECT_EQ(pass->strength, 0.5);
  EXPECT_FALSE(pass->latents);
  hires.set_upscaler(v1::HIRES_UPSCALER_LATENT);
  EXPECT_TRUE(ToRequest(assign, {}).hires->latents);
  assign.mutable_spec()->set_tiling(true);
  EXPECT_TRUE(ToRequest(assign, {}).tiling);
  EXPECT_TRUE(ToProto(diffusion::ModelInfo{.takes_tiling = true}).takes_tiling());
  EXPECT_TRUE(ToProto(diffusion::ModelInfo{.takes_hires = true}).takes_hires());
  EXPECT_FALSE(ToProto(diffusion::ModelInfo()).takes_hires());
}

TEST(Convert, LaterStagesAreToldAndSaid) {
  v1::Assign assign;
  assign.mutable_spec()->add_later_stages()->set_steps(7);
  v1::LaterStage& second = *assign.mutable_spec()->add_later_stages();
  second.set_guidance(2);
  second.set_noise_level(40);
  const auto stages = ToRequest(assign, {}).picture.later_stages;
  ASSERT_EQ(stages.size(), 2U);
  EXPECT_EQ(stages[0].steps, 7);
  EXPECT_FALSE(stages[0].guidance || stages[0].noise_level || stages[1].steps);
  EXPECT_EQ(stages[1].guidance, 2);
  EXPECT_EQ(stages[1].noise_level, 40);
  diffusion::ModelInfo info;
  info.later_stages = {{.name = "upscaler",
                        .default_steps = 20,
                        .max_steps = 1000,
                        .default_guidance = 9,
                        .default_noise_level = 20,
                        .max_noise_level = 350}};
  const v1::Model model = ToProto(info);
  ASSERT_EQ(model.later_stages_size(), 1);
  EXPECT_EQ(model.later_stages(0).name(), "upscaler");
  EXPECT_FALSE(model.later_stages(0).fixed_guidance());
  info.later_stages[0].fixed_guidance = true;
  EXPECT_TRUE(ToProto(info).later_stages(0).fixed_guidance());
  EXPECT_EQ(model.later_stages(0).default_steps(), 20U);
  EXPECT_EQ(model.later_stages(0).max_steps(), 1000U);
  EXPECT_EQ(model.later_stages(0).default_guidance(), 9);
  EXPECT_EQ(model.later_stages(0).max_noise_level(), 350U);
  EXPECT_EQ(model.later_stages(0).default_noise_level(), 20U);
}

TEST(Convert, AModelThatBeginsWithPicturesSaysHowTheyAreFitted) {
  EXPECT_TRUE(ToProto(diffusion::ModelInfo()).takes_source_fit());
  EXPECT_TRUE(ToProto(diffusion::ModelInfo{.takes_source = false, .needs_mask = true}).takes_source_fit());
  EXPECT_FALSE(ToProto(diffusion::ModelInfo{.takes_source = false}).takes_source_fit());
  EXPECT_FALSE(ToProto(diffusion::ModelInfo{.varies = true}).takes_source_fit());
  EXPECT_FALSE(ToProto(diffusion::ModelInfo{.needs_depth = true}).takes_source_fit());
}

TEST(Convert, WhoseTurnItIsFollowsFromJobAndTenant) {
  v1::Assign assign;
  assign.set_job_id("j");
  assign.set_tenant("studio");
  assign.set_tenant_weight(2.5);
  const diffusion::TrajectoryRequest request = ToRequest(assign, {});
  EXPECT_EQ(request.job, "j");
  EXPECT_EQ(request.tenant, "studio");
  EXPECT_EQ(request.tenant_weight, 2.5);
  for (const double unusable : {0.0, -1.0, std::nan(""), HUGE_VAL}) {
    assign.set_tenant_weight(unusable);
    EXPECT_EQ(ToRequest(assign, {}).tenant_weight, 1) << unusable;
  }
}

TEST(Convert, HowGuidanceActsGoesToTheEngine) {
  v1::Assign assign;
  EXPECT_TRUE(ToRequest(assign, {}).picture.guided_steps.all());
  EXPECT_TRUE(ToRequest(assign, {}).picture.projection.none());
  EXPECT_EQ(ToRequest(assign, {}).picture.scorer.scale, 0);
  v1::ImageSpec& spec = *assign.mutable_spec();
  spec.mutable_guidance_interval()->set_begin(0.25);
  spec.mutable_projected_guidance()->set_momentum(-0.5);
  spec.mutable_scorer_guidance()->set_scale(3);
  spec.mutable_scorer_guidance()->set_target("an owl");
  spec.mutable_perturbed_guidance()->set_scale(2.8);
  EXPECT_TRUE(ToRequest(assign, {}).picture.perturbed.steps.all());
  spec.mutable_perturbed_guidance()->mutable_interval()->set_begin(0.01);
  const diffusion::PictureRequest picture = ToRequest(assign, {}).picture;
  EXPECT_EQ(picture.guided_steps.begin, 0.25);
  EXPECT_EQ(picture.guided_steps.end, 1);
  EXPECT_EQ(picture.projection.momentum, -0.5);
  EXPECT_EQ(picture.projection.along, 1);
  EXPECT_EQ(picture.scorer.scale, 3);
  EXPECT_EQ(picture.perturbed.steps.after, 0.01);
  EXPECT_EQ(picture.perturbed.steps.before, 1);
  EXPECT_EQ(picture.scorer.target, "an owl");
}

TEST(Convert, AModelSaysWhatGuidanceItTakes) {
  diffusion::ModelInfo info;
  EXPECT_FALSE(ToProto(info).takes_guidance_interval());
  EXPECT_FALSE(ToProto(info).takes_projected_guidance());
  EXPECT_FALSE(ToProto(info).has_scorer());
  EXPECT_FALSE(ToProto(info).has_perturbed_interval());
  EXPECT_EQ(ToProto(info).second_row(), v1::SECOND_ROW_NEVER);
  info.negative_prompt_guides = true;
  EXPECT_EQ(ToProto(info).second_row(), v1::SECOND_ROW_NEGATIVE_PROMPT);
  info.negative_prompt_guides = false;
  info.takes_perturbed = true;
  EXPECT_FALSE(ToProto(info).perturbed_interval().has_begin());
  EXPECT_EQ(ToProto(info).perturbed_interval().end(), 1);
  info.perturbed_after = 0.01;
  EXPECT_EQ(ToProto(info).perturbed_interval().begin(), 0.01);
  info.takes_guidance = true;
  EXPECT_EQ(ToProto(info).second_row(), v1::SECOND_ROW_UNSPECIFIED);
  info.scorer = {.kind = diffusion::ScorerKind::kClass, .class_count = 10};
  EXPECT_TRUE(ToProto(info).takes_guidance_interval());
  EXPECT_TRUE(ToProto(info).takes_projected_guidance());
  EXPECT_EQ(ToProto(info).scorer().kind(), v1::SCORER_KIND_CLASS);
  EXPECT_EQ(ToProto(info).scorer().class_count(), 10U);
}

TEST(Convert, AModelSaysWhichPicturesItTakes) {
  const auto roles = [](const diffusion::ModelInfo& info) {
    std::string text;
    const v1::Model model = ToProto(info);
    for (const v1::ModelInput& input : model.inputs())
      text += v1::InputRole_Name(input.role()) + (input.needed() ? "! " : " ");
    return text;
  };
  diffusion::ModelInfo info;
  EXPECT_EQ(roles(info), "INPUT_ROLE_SOURCE INPUT_ROLE_MASK ");
  info.needs_mask = true;
  EXPECT_EQ(roles(info), "INPUT_ROLE_SOURCE! INPUT_ROLE_MASK! ");
  info = {};
  info.needs_depth = true;
  EXPECT_EQ(roles(info), "INPUT_ROLE_SOURCE! INPUT_ROLE_MASK INPUT_ROLE_DEPTH! ");
  info = {};
  info.edits = true;
  EXPECT_EQ(roles(info), "INPUT_ROLE_SOURCE! ");
  info.makes_too = true;
  EXPECT_EQ(roles(info), "INPUT_ROLE_SOURCE ");
  ASSERT_EQ(ToProto(info).tasks_size(), 2);
  EXPECT_EQ(ToProto(info).tasks(0), v1::TASK_TEXT_TO_IMAGE);
  EXPECT_EQ(ToProto(info).tasks(1), v1::TASK_EDIT);
  EXPECT_FALSE(ToProto(info).takes_picture_guidance());
  info.most_references = 3;
  info.reference_pixels = 1'000'000;
  EXPECT_EQ(roles(info), "INPUT_ROLE_SOURCE INPUT_ROLE_REFERENCE ");
  EXPECT_EQ(ToProto(info).inputs(1).most(), 3U);
  EXPECT_EQ(ToProto(info).inputs(1).megapixels(), 1);
  info.makes_too = false;
  EXPECT_EQ(roles(info), "INPUT_ROLE_SOURCE! INPUT_ROLE_REFERENCE! ");
  info.takes_picture_guidance = true;
  EXPECT_TRUE(ToProto(info).takes_picture_guidance());
  info = {};
  info.varies = true;
  EXPECT_EQ(roles(info), "INPUT_ROLE_SOURCE! ");
  EXPECT_EQ(ToProto(info).tasks(0), v1::TASK_VARIATION);
  info = {};
  info.enlargement = 4;
  EXPECT_EQ(roles(info), "INPUT_ROLE_SOURCE! ");
  info = {};
  info.picture_adapters = {"plus"};
  EXPECT_EQ(roles(info), "INPUT_ROLE_SOURCE INPUT_ROLE_MASK INPUT_ROLE_PROMPT ");
  info = {};
  info.controls = {"edges", "depth"};
  const v1::Model model = ToProto(info);
  ASSERT_EQ(model.inputs_size(), 3);
  EXPECT_EQ(model.inputs(2).role(), v1::INPUT_ROLE_CONTROL);
  EXPECT_EQ(model.inputs(2).networks(1), "depth");
  EXPECT_EQ(model.inputs(2).most(), 4U);
}

TEST(Convert, WhatAModelIsToldBesideItsPromptIsHeightFirst) {
  v1::Assign assign;
  v1::ImageSpec& spec = *assign.mutable_spec();
  const auto picture = [&] { return ToRequest(assign, {}).picture; };
  EXPECT_FALSE(picture().negative_prompt.has_value());  // an empty one is none
  EXPECT_FALSE(picture().negative_sizes.has_value());
  EXPECT_EQ(picture().reading.emphasis, diffusion::Emphasis::kMeanKept);
  EXPECT_EQ(picture().aesthetic_score, 6);
  spec.set_negative_prompt("blur");
  spec.set_prompt_2("a dog");
  spec.set_negative_prompt_2("fog");
  spec.set_prompt_3("an owl");
  spec.set_negative_prompt_3("rain");
  spec.set_emphasis(v1::PROMPT_EMPHASIS_AS_WRITTEN);
  spec.mutable_frame()->set_original_width(640);
  spec.mutable_frame()->set_original_height(480);
  spec.mutable_frame()->set_crop_left(8);
  spec.mutable_negative_frame()->set_target_width(64);
  spec.mutable_negative_frame()->set_target_height(32);
  spec.set_aesthetic_score(7);
  spec.set_negative_aesthetic_score(1);
  EXPECT_EQ(picture().negative_prompt, "blur");
  EXPECT_EQ(picture().prompt_2, "a dog");
  EXPECT_EQ(picture().negative_prompt_2, "fog");
  EXPECT_EQ(picture().prompt_3, "an owl");
  EXPECT_EQ(picture().negative_prompt_3, "rain");
  EXPECT_EQ(picture().reading.emphasis, diffusion::Emphasis::kAsWritten);
  EXPECT_EQ(picture().sizes.original, (diffusion::FrameSizes::Pair{480, 640}));
  EXPECT_FALSE(picture().sizes.target.has_value());
  EXPECT_EQ(picture().sizes.crop, (diffusion::FrameSizes::Pair{0, 8}));
  EXPECT_EQ(picture().negative_sizes->target, (diffusion::FrameSizes::Pair{32, 64}));
  EXPECT_EQ(picture().aesthetic_score, 7);
  EXPECT_EQ(picture().negative_aesthetic_score, 1);
  spec.set_emphasis(v1::PROMPT_EMPHASIS_NONE);
  EXPECT_EQ(picture().reading.emphasis, diffusion::Emphasis::kNone);
}

TEST(Convert, EncodesInTheFormatOfTheSpec) {
  const at::Tensor picture = at::zeros({4, 4, 3}, at::kByte);
  v1::ImageSpec spec;
  EXPECT_EQ(EncodePicture(picture, spec, 1).media_type, "image/png");
  spec.set_format(v1::IMAGE_FORMAT_JPEG);
  EXPECT_EQ(EncodePicture(picture, spec, 1).media_type, "image/jpeg");
  spec.set_format(v1::IMAGE_FORMAT_WEBP);
  EXPECT_EQ(EncodePicture(picture, spec, 1).media_type, "image/webp");
}

TEST(Convert, AQualityMakesFilesSmaller) {
  const at::Tensor noise = at::randint(0, 255, {64, 64, 3}, at::kByte);
  v1::ImageSpec spec;
  for (const v1::ImageFormat format : {v1::IMAGE_FORMAT_JPEG, v1::IMAGE_FORMAT_WEBP}) {
    spec.set_format(format);
    spec.clear_quality();
    const size_t usual = EncodePicture(noise, spec, 1).data.size();
    spec.set_quality(90);
    const size_t good = EncodePicture(noise, spec, 1).data.size();
    spec.set_quality(10);
    EXPECT_LT(EncodePicture(noise, spec, 1).data.size(), good);
    EXPECT_LT(good, usual);
  }
}

TEST(Convert, TheRequestIsLeftOutOfAPictureWhereThatIsAskedFor) {
  const at::Tensor picture = at::zeros({4, 4, 3}, at::kByte);
  v1::ImageSpec spec;
  spec.set_prompt("a secret");
  EXPECT_NE(EncodePicture(picture, spec, 1).data.find("a secret"), std::string::npos);
  spec.set_omit_metadata(true);
  EXPECT_EQ(EncodePicture(picture, spec, 1).data.find("tEXt"), std::string::npos);
}

TEST(Convert, EveryFileSaysThatAModelHasMadeThePicture) {
  const at::Tensor picture = at::zeros({4, 4, 3}, at::kByte);
  v1::ImageSpec spec;
  spec.set_omit_metadata(true);
  for (const v1::ImageFormat format : {v1::IMAGE_FORMAT_PNG, v1::IMAGE_FORMAT_JPEG, v1::IMAGE_FORMAT_WEBP}) {
    spec.set_format(format);
    EXPECT_NE(EncodePicture(picture, spec, 1).data.find("digitalsourcetype/trainedAlgorithmicMedia"),
              std::string::npos);
  }
}

TEST(Convert, AWatermarkIsPutInAndSaidToBeThere) {
  const image::Watermark watermark("a key of thirty-two random bytes");
  const at::Tensor picture = at::randint(60, 200, {128, 128, 3}, at::kByte);
  const at::Tensor before = picture.clone();
  v1::ImageSpec spec;
  for (const v1::ImageFormat format : {v1::IMAGE_FORMAT_PNG, v1::IMAGE_FORMAT_JPEG, v1::IMAGE_FORMAT_WEBP}) {
    spec.set_format(format);
    const std::string plain = EncodePicture(picture, spec, 1).data;
    EXPECT_EQ(plain.find("mind:Watermark"), std::string::npos);
    const std::string marked = EncodePicture(picture, spec, 1, &watermark).data;
    EXPECT_NE(marked.find("mind:Watermark=\"spread-spectrum\""), std::string::npos);
    const image::RgbPicture decoded = image::DecodePicture(marked);
    EXPECT_GE(watermark.Find({decoded.data.data(), decoded.width, decoded.height}), image::Watermark::kFound);
  }
  EXPECT_TRUE(at::equal(picture, before));
  // Where it does not hold the file does not say so.
  const at::Tensor small = at::zeros({8, 8, 3}, at::kByte);
  EXPECT_EQ(EncodePicture(small, spec, 1, &watermark).data.find("mind:Watermark"), std::string::npos);
}

}  // namespace
}  // namespace mind
