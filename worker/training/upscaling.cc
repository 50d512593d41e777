#include "worker/training/upscaling.h"

#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/noise_schedule.h"
#include "worker/diffusion/weights/named_tensors.h"
#include "worker/training/autoencoder.h"
#include "worker/training/crop.h"
#include "worker/training/model_files.h"
#include "worker/training/sample_sheet.h"

namespace mind::training {
namespace {

using diffusion::Config;

constexpr char kUpscalerUNet[] = "unet", kUpscalerText[] = "text_encoder", kUpscalerScheduler[] = "scheduler",
               kUpscalerVae[] = "vae", kUpscalerTokenizer[] = "tokenizer",
               kLowScheduler[] = "low_res_scheduler", kMaxNoiseLevel[] = "max_noise_level";
constexpr int64_t kShownUpscaled = 8;
constexpr int64_t kUpscaledAtOnce = 8;  // pictures encoded at a time

nlohmann::json UpscalerIndex(int64_t max_noise_level) {
  return {{"_class_name", "StableDiffusionUpscalePipeline"},
          {"_diffusers_version", "0.30.3"},
          {"max_noise_level", max_noise_level},
          {"low_res_scheduler", {"diffusers", "DDPMScheduler"}},
          {"scheduler", {"diffusers", "DDIMScheduler"}},
          {"text_encoder", {"transformers", "CLIPTextModel"}},
          {"tokenizer", {"transformers", "CLIPTokenizer"}},
          {"unet", {"diffusers", "UNet2DConditionModel"}},
          {"vae", {"diffusers", "AutoencoderKL"}}};
}

// Not less than what the UNet can be told, not more than there are.
int64_t MaxNoiseLevel(const nlohmann::json& network) {
  const Config whole(network, "network"), unet = PartOf(network, kUpscalerUNet);
  const int64_t most = whole.Int(kMaxNoiseLevel, 0);
  if (most < 0 || most >= unet.Int("num_class_embeds", 0))
    whole.Unsupported(kMaxNoiseLevel, "0 to below the UNet's num_class_embeds");
  return most;
}

std::unique_ptr<const diffusion::TextEncoder> ReadTextEncoder(const std::string& folder, at::Device device) {
  const at::NoGradGuard no_grad;
  diffusion::FileParameters weights(diffusion::ReadComponent(folder), {.device = device});
  auto encoder =
      diffusion::MakeTextEncoder(diffusion::Scope(weights), Config::FromFile(folder + "/config.json"));
  weights.ExpectAllTaken();
  return encoder;
}

}  // namespace

Upscaling::Upscaling(const RunConfig& config, const CaptionedSet& set, Parameters& parameters)
    : network_(config.network),
      device_(parameters.device()),
      crop_(config.crop),
      max_noise_level_(MaxNoiseLevel(network_)),
      loss_(PartOf(network_, kUpscalerScheduler), config.min_snr, device_),
      tokenizer_(diffusion::MakeTokenizer(FolderOf(network_, kUpscalerTokenizer))),
      captions_(set.captions, *tokenizer_, config.text_dropout),
      unet_(diffusion::Scope(parameters, kUpscalerUNet),
            diffusion::UNetConfig::From(PartOf(network_, kUpscalerUNet))),
      text_encoder_(ReadTextEncoder(FolderOf(network_, kUpscalerText), device_)) {
  diffusion::ExpectSameVocabulary(*tokenizer_, *text_encoder_, "network");
  const diffusion::AutoencoderKl autoencoder = ReadAutoencoder(FolderOf(network_, kUpscalerVae), device_);
  if (unet_.config().in_channels != autoencoder.config().latent_channels + 3)
    PartOf(network_, kUpscalerUNet).Unsupported("in_channels", "the latents' and 3 more");
  const diffusion::SamplerConfig low = diffusion::SamplerConfig::From(PartOf(network_, kLowScheduler));
  const at::Tensor alphas = at::tensor(diffusion::AlphasCumprod(low), at::kDouble);
  if (max_noise_level_ >= alphas.size(0))
    Config(network_, "network").Unsupported(kMaxNoiseLevel, "0 to below low_res_scheduler's steps");
  low_signal_ = alphas.slice(0, 0, max_noise_level_ + 1).sqrt().to(device_, at::kFloat);
  low_noise_ = (1 - alphas).slice(0, 0, max_noise_level_ + 1).sqrt().to(device_, at::kFloat);
  Encode(autoencoder, set);
  for (int64_t i = 0; i < kShownUpscaled; ++i)
    shown_captions_.push_back(set.captions[static_cast<size_t>(i * set.count() / kShownUpscaled)].front());
  ExpectCrop(crop_, latents_.size(2), latents_.size(3));
}

void Upscaling::Encode(const diffusion::AutoencoderKl& autoencoder, const CaptionedSet& set) {
  const at::NoGradGuard no_grad;
  latents_ = autoencoder.config().Scaled(LatentsOf(autoencoder, set, set.count(), device_));
  std::vector<at::Tensor> small, decoded;
  for (int64_t begin = 0; begin < set.count(); begin += kUpscaledAtOnce) {
    const at::Tensor pictures =
        set.OnWhite(Consecutive(begin, std::min(kUpscaledAtOnce, set.count() - begin))).to(device_);
    small.push_back(at::adaptive_avg_pool2d(pictures, latents_.sizes().slice(2)));
    decoded.push_back(autoencoder.Decode(autoencoder.EncodeMoments(small.back()).chunk(2, 1)[0]));
  }
  small_ = at::cat(small);
  small_decoded_ = at::cat(decoded).clamp(-1, 1);
}

at::Tensor Upscaling::Loss(const std::vector<int64_t>& examples, StepRandom& random) const {
  const auto rows = static_cast<int64_t>(examples.size());
  const at::Tensor chosen = at::tensor(examples, at::kLong).to(device_);
  at::Tensor x0 = latents_.index({chosen});
  const at::Tensor decoded = (random.Uniform({rows, 1, 1, 1}) < 0.5).to(device_);
  at::Tensor small = at::where(decoded, small_decoded_.index({chosen}), small_.index({chosen}));
  if (crop_ > 0) {
    const Corners corners = DrawCorners(rows, x0.size(2), x0.size(3), crop_, random);
    x0 = Cropped(x0, corners, crop_);
    small = Cropped(small, corners, crop_);
  }
  const at::Tensor level = random.Integers(max_noise_level_ + 1, {rows}).to(device_);
  const at::Tensor signal = low_signal_.index({level}).view({-1, 1, 1, 1}),
                   noise = low_noise_.index({level}).view({-1, 1, 1, 1});
  const at::Tensor shown = signal * small + noise * random.Normal(small.sizes()).to(device_);
  at::Tensor context;
  {
    const at::NoGradGuard no_grad;
    context = text_encoder_->Encode(captions_.Draw(examples, random).to(device_));
  }
  return loss_(x0, random, [&](const at::Tensor& noisy, const at::Tensor& t) {
    return unet_({.sample = noisy,
                  .timestep = t,
                  .told = {{diffusion::Condition::kText, context},
                           {diffusion::Condition::kLabel, level},
                           {diffusion::Condition::kChannels, shown}}});
  });
}

void Upscaling::WriteModel(const std::string& directory, const Tensors& parameters) const {
  const at::NoGradGuard no_grad;
  nlohmann::json unet = network_.at(kUpscalerUNet);
  unet["_class_name"] = "UNet2DConditionModel";
  WriteJson(directory + "/" + kUpscalerUNet, "config.json", unet);
  WriteWeights(directory, kUpscalerUNet, "diffusion_pytorch_model.safetensors", parameters);
  for (const char* part : {kUpscalerScheduler, kLowScheduler})
    WriteJson(directory + "/" + part, "scheduler_config.json", network_.at(part));
  for (const char* part : {kUpscalerVae, kUpscalerText, kUpscalerTokenizer})
    CopyFolder(network_.at(part), directory + "/" + part);
  if (network_.contains("mind")) WriteJson(directory, "mind.json", network_.at("mind"));
  WriteJson(directory, "model_index.json", UpscalerIndex(max_noise_level_));
}

Tensors Upscaling::ReadModel(const std::string& directory) const {
  return ReadWeights(directory, kUpscalerUNet);
}

std::string Upscaling::DrawSheet(const std::string& directory, int threads) const {
  SampleSheet sheet{.columns = kShownUpscaled, .prompts = shown_captions_};
  std::vector<at::Tensor> shown;
  for (int64_t i = 0; i < kShownUpscaled; ++i) {
    const at::Tensor small = diffusion::ToBytes(small_decoded_[i * count() / kShownUpscaled] / 2 + 0.5);
    sheet.sources.push_back(EncodeSheet({small}, 1));
    shown.push_back(small);
  }
  std::vector<at::Tensor> larger = SamplesOf(sheet, directory, device_, threads);
  for (at::Tensor& small : shown) {
    const int64_t times = larger.front().size(0) / small.size(0);
    small = small.repeat_interleave(times, 0).repeat_interleave(times, 1);
  }
  shown.insert(shown.end(), larger.begin(), larger.end());
  return EncodeSheet(std::move(shown), kShownUpscaled);
}

}  // namespace mind::training
