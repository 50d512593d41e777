#include "worker/diffusion/pipelines/stable_diffusion_3.h"

#include <algorithm>

#include "worker/diffusion/error.h"
#include "worker/diffusion/models/clip_text.h"
#include "worker/diffusion/models/perturbation.h"
#include "worker/diffusion/pipelines/model_files.h"
#include "worker/diffusion/weights/names/sd3_names.h"

namespace mind::diffusion {
namespace {

constexpr char kSd3Denoiser[] = "transformer", kSd3T5[] = "text_encoder_3", kSd3T5Tokenizer[] = "tokenizer_3";
constexpr int64_t kSd3Steps = 28;
constexpr double kSd3Guidance = 7, kSd35Guidance = 4.5;    // their authors'
constexpr int64_t kSd3Tokens = 256, kMostSd3Tokens = 512;  // T5's
// Of skip-layer guidance, the reference's: blocks, and the steps in which they are left out.
const std::vector<int64_t> kSd3PassedOver = {7, 8, 9};
constexpr PerturbedSteps kSd3PassedOverIn{.after = 0.01, .before = 0.2};

const PromptEncoder::Part kSd3Clips[] = {{.skipped = 1, .normed = false},
                                         {.tokenizer = "tokenizer_2",
                                          .encoder = "text_encoder_2",
                                          .vectors = "clip_g",
                                          .skipped = 1,
                                          .normed = false}};

int64_t Sd3Tokens(const ModelDirectory& directory) {
  const std::string file = directory.path() + "/mind.json";
  if (!IsFile(file)) return kSd3Tokens;
  const Config settings = Config::FromFile(file);
  const int64_t tokens = settings.Int("max_sequence_length", kSd3Tokens);
  if (tokens < 1 || tokens > kMostSd3Tokens) settings.Unsupported("max_sequence_length", "1 to 512");
  return tokens;
}

// Checked against the autoencoder and the text encoders beside it.
Sd3Config Sd3ConfigIn(const ModelDirectory& directory) {
  const Config file = directory.ComponentConfig(kSd3Denoiser);
  Sd3Config config = Sd3Config::From(file);
  const AutoencoderConfig vae = AutoencoderConfig::From(directory.ComponentConfig("vae"));
  if (config.channels != vae.latent_channels)
    file.Unsupported("in_channels",
                     "the autoencoder's latent_channels, " + std::to_string(vae.latent_channels));
  int64_t width = 0, pooled = 0;
  for (const PromptEncoder::Part& part : kSd3Clips) {
    const ClipTextConfig clip = ClipTextConfig::From(directory.ComponentConfig(part.encoder));
    width += clip.width;
    pooled += clip.projection;
  }
  if (config.text_width < width)
    file.Unsupported("joint_attention_dim", "at least the widths of both CLIPs, " + std::to_string(width));
  if (config.pooled_width != pooled)
    file.Unsupported("pooled_projection_dim", "the projection_dims of both CLIPs, " + std::to_string(pooled));
  if (!directory.HasComponent(kSd3T5)) return config;
  const T5TextConfig t5 = T5TextConfig::From(directory.ComponentConfig(kSd3T5));
  if (config.text_width != t5.width)
    file.Unsupported("joint_attention_dim", "text_encoder_3's d_model, " + std::to_string(t5.width));
  return config;
}

}  // namespace

ModelInfo StableDiffusion3Pipeline::Describe(const ModelDirectory& directory) {
  const Sd3Config config = Sd3ConfigIn(directory);
  if (!directory.LearntWordFiles().empty())
    throw UnsupportedError(directory.path() + "/" + kLearntWordFolder + ": a " + directory.pipeline_class() +
                           " takes no learnt words");
  Sd3Tokens(directory);  // throws where it is not possible
  ModelInfo info = DescribeLatents(directory, config.sample_size);
  const int64_t reduction = info.default_width / config.sample_size;
  info.size_multiple = std::max(info.size_multiple, config.patch_size * reduction);
  const int64_t most = config.grid * config.patch_size * reduction;
  info.max_width = info.max_height = std::min(info.max_width, most / info.size_multiple * info.size_multiple);
  info.takes_prompt = info.takes_second_prompt = info.takes_negative_prompt = info.takes_guidance = true;
  info.takes_third_prompt = directory.HasComponent(kSd3T5);
  info.takes_perturbed = info.takes_hires = true;
  info.perturbed_after = kSd3PassedOverIn.after;
  info.perturbed_before = kSd3PassedOverIn.before;
  info.languages = directory.PromptLanguages(kSd3Clips[0].tokenizer);
  info.max_clip_skip = MaxSkip(directory.ComponentConfig(kSd3Clips[0].encoder));
  for (const PromptEncoder::Part& part : kSd3Clips)
    info.max_clip_skip =
        std::min(info.max_clip_skip, MaxSkip(directory.ComponentConfig(part.encoder)) - part.skipped);
  info.default_steps = std::min(kSd3Steps, info.train_steps);
  info.default_guidance = config.normed ? kSd35Guidance : kSd3Guidance;
  info.loras = directory.LoraNames();
  return info;
}

std::unique_ptr<const Pipeline> StableDiffusion3Pipeline::Load(const ModelDirectory& directory,
                                                               FileParameters::Options options) {
  const c10::InferenceMode inference;
  std::unique_ptr<StableDiffusion3Pipeline> pipeline(new StableDiffusion3Pipeline);
  pipeline->info_ = Describe(directory);
  pipeline->info_.revision = directory.Revision(options.precision);
  pipeline->device_ = options.device;
  pipeline->sampler_config_ = directory.ReadSamplerConfig();
  LayerWeights layers;
  for (size_t i = 0; i < pipeline->clips_.size(); ++i)
    pipeline->clips_[i] = std::make_unique<const PromptEncoder>(directory, kSd3Clips[i], options, layers);
  pipeline->t5_tokens_ = Sd3Tokens(directory);
  if (directory.HasComponent(kSd3T5))
    pipeline->t5_ =
        std::make_unique<const T5Prompts>(directory, kSd3T5Tokenizer, kSd3T5, pipeline->t5_tokens_, options);
  NamedTensors stored = directory.ComponentTensors(kSd3Denoiser);
  if (IsOriginalSd3(stored)) stored = FromOriginalSd3(stored);
  FileParameters weights(std::move(stored), options);
  pipeline->transformer_ = std::make_unique<const Sd3Transformer>(Scope(weights), Sd3ConfigIn(directory));
  weights.ExpectAllTaken();
  AddLayersOf(kSd3Denoiser, weights, layers);
  pipeline->adapters_ =
      std::make_unique<const AdapterLibrary>(directory.LoraFolder(), std::move(layers), options);
  pipeline->LoadAutoencoder(directory, options);
  return pipeline;
}

Told StableDiffusion3Pipeline::Row(const Prompts& prompts, const PromptEncoder::Wish& wish,
                                   int64_t& cut) const {
  const EncodedPrompt first = clips_[0]->Encode(prompts[0], wish),
                      second = clips_[1]->Encode(prompts[1], wish);
  cut += std::max(first.tokens_cut, second.tokens_cut);
  const int64_t length = std::max(first.states.size(0), second.states.size(0));
  const at::Tensor words = at::cat(
      {clips_[0]->Padded(first.states, length, wish), clips_[1]->Padded(second.states, length, wish)}, 1);
  const int64_t width = transformer_->config().text_width;
  const at::Tensor wide = at::constant_pad_nd(words, {0, width - words.size(1)}, 0);
  const at::Tensor read = t5_ ? t5_->Encode(prompts[2], cut) : at::zeros({t5_tokens_, width}, wide.options());
  return {{Condition::kText, at::cat({wide, read})},
          {Condition::kPooled, at::cat({first.pooled, second.pooled})}};
}

Conditioning StableDiffusion3Pipeline::Condition(const PictureRequest& request, at::IntArrayRef shape) const {
  Conditioning conditioning;
  conditioning.guidance = request.Guided();
  conditioning.adapters = adapters_->Get(request.loras);
  PromptReading reading = request.reading;
  reading.emphasis = Emphasis::kNone;  // T5 would read brackets as text
  const auto add = [&](const std::string& prompt, const std::string& second, const std::string& third,
                       int64_t clip_skip) {
    conditioning.rows.push_back(
        Row({prompt, second.empty() ? prompt : second, third.empty() ? prompt : third},
            {reading, clip_skip, conditioning.adapters}, conditioning.tokens_cut));
  };
  if (request.guidance > 1) {
    // The reference skips no layers for the negative prompt.
    add(request.negative_prompt.value_or(""), request.negative_prompt_2, request.negative_prompt_3,
        /*clip_skip=*/0);
  } else {
    conditioning.guidance.scale = 1;
  }
  add(request.prompt, request.prompt_2, request.prompt_3, request.clip_skip);
  if (request.perturbed.scale > 0) PassOver(request.perturbed, conditioning);
  PictureScorer::Ask(scorer_.get(), request, shape, conditioning);
  return conditioning;
}

void StableDiffusion3Pipeline::PassOver(const PerturbedGuidance& guidance, Conditioning& conditioning) const {
  Perturbation blocks;
  for (const std::string& layer : guidance.layers) {
    if (layer != "mid") {
      blocks.layers.push_back(layer);
      continue;
    }
    for (const int64_t number : kSd3PassedOver) blocks.layers.push_back(Sd3Transformer::BlockName(number));
  }
  const int64_t count = transformer_->config().layers;
  for (const std::string& layer : blocks.layers) {
    bool known = false;
    for (int64_t i = 0; i < count; ++i) known = known || layer == Sd3Transformer::BlockName(i);
    if (!known)
      throw RequestError("this model has no block \"" + layer + "\"; it has " + Sd3Transformer::BlockName(0) +
                         " to " + Sd3Transformer::BlockName(count - 1));
  }
  conditioning.perturbed_guidance = guidance.scale;
  conditioning.perturbed_fall = guidance.fall;
  conditioning.perturbed_steps = guidance.steps;
  conditioning.rows.push_back(conditioning.rows.back());
  conditioning.rows.back().Perturb(std::make_shared<const Perturbation>(std::move(blocks)));
}

}  // namespace mind::diffusion
