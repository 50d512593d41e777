#include "worker/diffusion/pipelines/stable_diffusion_xl.h"

#include <algorithm>

#include "worker/diffusion/error.h"
#include "worker/diffusion/models/clip_text.h"
#include "worker/diffusion/models/timestep_embedding.h"

namespace mind::diffusion {
namespace {

constexpr double kXlGuidance = 5, kStudentGuidance = 8;
constexpr int64_t kStudentSteps = 4;
// original, crop and target, two numbers each; of the refiner original, crop and the aesthetic score.
constexpr int64_t kFrameNumbers = 6, kScoredNumbers = 5;

const PromptEncoder::Part kFirst = {.skipped = 1, .normed = false};
const PromptEncoder::Part kSecond = {.tokenizer = "tokenizer_2",
                                     .encoder = "text_encoder_2",
                                     .vectors = "clip_g",
                                     .skipped = 1,
                                     .normed = false};

// The refiner has the second alone.
std::vector<PromptEncoder::Part> PartsOf(const ModelDirectory& directory) {
  const bool both = directory.HasComponent(kFirst.encoder);
  return both ? std::vector<PromptEncoder::Part>{kFirst, kSecond} : std::vector<PromptEncoder::Part>{kSecond};
}

// How many numbers the denoiser is told beside the pooled prompt.
int64_t NumbersOf(const ModelDirectory& directory, const UNetConfig& unet) {
  const Config config = directory.ComponentConfig("unet");
  if (unet.frame_width == 0) config.Unsupported("addition_embed_type", "\"text_time\"");
  const int64_t pooled = ClipTextConfig::From(directory.ComponentConfig(kSecond.encoder)).projection;
  for (const int64_t numbers : {kFrameNumbers, kScoredNumbers}) {
    if (unet.added_width == pooled + numbers * unet.frame_width) return numbers;
  }
  config.Unsupported("projection_class_embeddings_input_dim",
                     "text_encoder_2's projection_dim and 6 or 5 times addition_time_embed_dim");
}

}  // namespace

ModelInfo StableDiffusionXlPipeline::Describe(const ModelDirectory& directory) {
  const UNetConfig unet = UNetConfig::From(directory.ComponentConfig("unet"));
  ModelInfo info = DescribeUNet(directory);
  const std::vector<PromptEncoder::Part> parts = PartsOf(directory);
  DescribeText(directory, parts.front(), info);
  for (const PromptEncoder::Part& part : parts)
    info.max_clip_skip =
        std::min(info.max_clip_skip, MaxSkip(directory.ComponentConfig(part.encoder)) - part.skipped);
  info.takes_second_prompt = parts.size() > 1;
  info.takes_sizes = true;
  info.takes_hires = TakesHires(info);
  info.takes_aesthetic_score = NumbersOf(directory, unet) == kScoredNumbers;
  const bool student = unet.guidance_width > 0;
  info.takes_guidance = !student;
  info.default_guidance = student ? kStudentGuidance : kXlGuidance;
  if (student) info.default_steps = kStudentSteps;
  return info;
}

std::unique_ptr<const Pipeline> StableDiffusionXlPipeline::Load(const ModelDirectory& directory,
                                                                FileParameters::Options options) {
  const c10::InferenceMode inference;
  std::unique_ptr<StableDiffusionXlPipeline> pipeline(new StableDiffusionXlPipeline);
  pipeline->LoadParts(directory, Describe(directory), PartsOf(directory), options);
  pipeline->zeros_without_negative_ = directory.Index().Bool("force_zeros_for_empty_prompt", true);
  return pipeline;
}

EncodedPrompt StableDiffusionXlPipeline::Encode(const std::string& prompt, const std::string& prompt_2,
                                                const PromptEncoder::Wish& wish, int64_t least) const {
  std::vector<EncodedPrompt> each;
  int64_t length = least;
  for (size_t i = 0; i < encoders(); ++i) {
    each.push_back(encoder(i).Encode(i == 1 && !prompt_2.empty() ? prompt_2 : prompt, wish));
    length = std::max(length, each.back().states.size(0));
  }
  EncodedPrompt whole = each.back();  // whose pooled prompt it is
  std::vector<at::Tensor> states;
  whole.tokens_cut = 0;
  for (size_t i = 0; i < encoders(); ++i) {
    states.push_back(encoder(i).Padded(each[i].states, length, wish));
    whole.tokens_cut = std::max(whole.tokens_cut, each[i].tokens_cut);
  }
  whole.states = at::cat(states, 1);
  return whole;
}

Told StableDiffusionXlPipeline::Row(const EncodedPrompt& prompt, const FrameSizes& sizes,
                                    double aesthetic_score, const FrameSizes::Pair& picture) const {
  const FrameSizes::Pair original = sizes.original.value_or(picture), target = sizes.target.value_or(picture);
  std::vector<double> numbers;
  for (const FrameSizes::Pair& pair : {original, sizes.crop, target})
    numbers.insert(numbers.end(), pair.begin(), pair.end());
  if (info_.takes_aesthetic_score) {
    numbers.resize(kScoredNumbers - 1);
    numbers.push_back(aesthetic_score);
  }
  return {{Condition::kText, prompt.states},
          {Condition::kPooled, prompt.pooled},
          {Condition::kSizes, at::tensor(numbers, at::kFloat).to(device_)}};
}

Conditioning StableDiffusionXlPipeline::Condition(const PictureRequest& request,
                                                  at::IntArrayRef shape) const {
  const int64_t student = unet_config().guidance_width;
  const bool guided = student == 0 && request.guidance > 1;
  Conditioning conditioning;
  conditioning.guidance = request.Guided();
  if (!guided) conditioning.guidance.scale = 1;
  conditioning.adapters = AdaptersFor(request);
  const PromptEncoder::Wish wish{request.reading, request.clip_skip, conditioning.adapters};
  const int64_t reduction = autoencoder_->config().reduction();
  const FrameSizes::Pair picture = {shape[1] * reduction, shape[2] * reduction};
  EncodedPrompt prompt = Encode(request.prompt, request.prompt_2, wish);
  conditioning.tokens_cut = prompt.tokens_cut;
  if (guided) {
    PromptEncoder::Wish plain = wish;
    plain.clip_skip = 0;  // the reference skips no layers for the negative prompt
    EncodedPrompt negative;
    if (!request.negative_prompt && zeros_without_negative_) {
      negative = {at::zeros_like(prompt.states), at::zeros_like(prompt.pooled), 0};
    } else {
      const int64_t least = request.reading.padded ? prompt.states.size(0) : 0;
      negative = Encode(request.negative_prompt.value_or(""), request.negative_prompt_2, plain, least);
    }
    conditioning.tokens_cut += negative.tokens_cut;
    if (request.reading.padded)
      prompt = Encode(request.prompt, request.prompt_2, wish, negative.states.size(0));
    conditioning.rows.push_back(Row(negative, request.negative_sizes.value_or(request.sizes),
                                    request.negative_aesthetic_score, picture));
  }
  conditioning.rows.push_back(Row(prompt, request.sizes, request.aesthetic_score, picture));
  if (student > 0) {
    conditioning.rows.back().Set(Condition::kGuidance,
                                 GuidanceEmbedding(request.guidance, student).to(device_));
  }
  PictureScorer::Ask(scorer_.get(), request, shape, conditioning);
  return conditioning;
}

}  // namespace mind::diffusion
