#include "worker/diffusion/pipelines/single_file.h"

#include <charconv>
#include <optional>

#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/model_files.h"
#include "worker/diffusion/weights/configs_of_shapes.h"
#include "worker/diffusion/weights/names/flux_names.h"
#include "worker/diffusion/weights/names/latent_diffusion_names.h"

namespace mind::diffusion {
namespace {

using nlohmann::json;

constexpr char kUNetPart[] = "unet", kVaePart[] = "vae", kFirstText[] = "text_encoder",
               kSecondText[] = "text_encoder_2", kPictureEncoderPart[] = "image_encoder",
               kNormalizerPart[] = "image_normalizer";
constexpr char kEndOfText[] = "<|endoftext|>", kIdZero[] = "!";
constexpr char kVelocity[] = "v_prediction", kEpsilon[] = "epsilon";
constexpr char kContinuousEnd[] = "edm_vpred.sigma_max", kContinuousBegin[] = "edm_vpred.sigma_min";
// SDXL's frame: original, crop and target, two numbers each; of the refiner one number instead of the last.
constexpr int64_t kBasesNumbers = 6, kRefinersNumbers = 5, kFrameWidth = 256, kRefinersAddition = 2560;
constexpr double kScaling = 0.18215, kXlScaling = 0.13025, kUpscalersScaling = 0.08333,
                 kPlaygroundsScaling = 0.5;
// Of Playground 2.5's latents, a number for each channel.
constexpr char kMarkedMean[] = "edm_mean", kMarkedDeviation[] = "edm_std";

// Channels that the UNet sees beside the latents, by what for.
constexpr int64_t kText = 0, kDepth = 1, kPicture = 3, kEdit = 4, kInpaint = 5;

// What it predicts as far as it says so itself.
std::optional<std::string> MarkedPrediction(const NamedTensors& file) {
  if (file.Has("v_pred")) return kVelocity;
  // ModelSpec's key, and what ComfyUI writes for it.
  for (const char* const key : {"modelspec.prediction_type", "modelspec.predict_key"}) {
    const auto said = file.metadata.find(key);
    if (said == file.metadata.end()) continue;
    if (said->second == kEpsilon) return kEpsilon;
    if (said->second == "v" || said->second == kVelocity) return kVelocity;
  }
  return std::nullopt;
}

// "1024x1024" as latents' height and width; none: it does not say, or another shape than a square.
std::optional<int64_t> MarkedSize(const NamedTensors& file, int64_t reduction) {
  const auto said = file.metadata.find("modelspec.resolution");
  if (said == file.metadata.end()) return std::nullopt;
  const std::string& text = said->second;
  int64_t width = 0, height = 0;
  const auto [cross, bad_width] = std::from_chars(text.data(), text.data() + text.size(), width);
  if (bad_width != std::errc() || cross == text.data() + text.size() || *cross != 'x') return std::nullopt;
  const auto [end, bad_height] = std::from_chars(cross + 1, text.data() + text.size(), height);
  constexpr int64_t kLargest = 4096;
  const bool square = bad_height == std::errc() && end == text.data() + text.size() && width == height;
  return square && width >= reduction && width <= kLargest ? std::optional(width / reduction) : std::nullopt;
}

// Of Stable Diffusion 2, whose files do not say what they predict: as ComfyUI does, by a norm that training
// on velocities has spread. What was made for inpainting or depth predicts noise.
std::string GuessedPrediction(const std::string& path, int64_t beside) {
  constexpr char kNorm[] = "output_blocks.11.1.transformer_blocks.0.norm1.bias";
  constexpr double kSpread = 0.09;
  if (beside != kText || !path.ends_with(kSafeTensors)) return kEpsilon;
  const NamedTensors file = ReadWeights(path);
  for (const std::string prefix : {"model.diffusion_model.", ""}) {
    const auto norm = file.tensors.find(prefix + kNorm);
    if (norm == file.tensors.end()) continue;
    return norm->second.to(at::kFloat).std(/*unbiased=*/false).item<double>() > kSpread ? kVelocity
                                                                                        : kEpsilon;
  }
  return kEpsilon;
}

json DiscreteScheduler(bool xl, const std::string& prediction, bool zero_terminal_snr) {
  const bool velocity = prediction == kVelocity;
  json config = {{"_class_name", xl         ? "EulerDiscreteScheduler"
                                 : velocity ? "DDIMScheduler"
                                            : "PNDMScheduler"},
                 {"beta_schedule", "scaled_linear"},
                 {"beta_start", 0.00085},
                 {"beta_end", 0.012},
                 {"num_train_timesteps", 1000},
                 {"steps_offset", 1},
                 {"timestep_spacing", zero_terminal_snr ? "trailing" : "leading"},
                 {"prediction_type", prediction}};
  if (!xl) config["set_alpha_to_one"] = false;
  if (!xl && velocity) config["clip_sample"] = false;
  if (!xl && !velocity) config["skip_prk_steps"] = true;
  return config;
}

// CosXL's: velocities over continuous noise levels, whose ends the file has.
json ContinuousScheduler(const std::string& path) {
  const NamedTensors file = ReadWeights(path);
  const auto number = [&file](const char* name, double fallback) {
    const auto found = file.tensors.find(name);
    if (found == file.tensors.end() || found->second.numel() != 1) return fallback;
    return found->second.to(at::kDouble).reshape({}).item<double>();
  };
  return {{"_class_name", "EDMEulerScheduler"},
          {"sigma_min", number(kContinuousBegin, 0.002)},
          {"sigma_max", number(kContinuousEnd, 120)},
          {"sigma_data", 1.0},
          {"prediction_type", kVelocity},
          {"sigma_schedule", "exponential"}};
}

// Of the sinusoids that one number of SDXL's frame becomes, from what they and the pooled prompt are
// together.
int64_t FrameWidth(const std::map<std::string, json>& configs, bool refiner) {
  const auto text = configs.find(kSecondText);
  if (text == configs.end()) return kFrameWidth;
  const int64_t together = configs.at(kUNetPart).at("projection_class_embeddings_input_dim");
  return (together - text->second.value("projection_dim", int64_t{0})) /
         (refiner ? kRefinersNumbers : kBasesNumbers);
}

std::string ClassOf(bool xl, bool refiner, int64_t beside, const std::string& source) {
  const std::string family = xl ? "StableDiffusionXL" : "StableDiffusion";
  if (refiner && beside == kText) return "StableDiffusionXLImg2ImgPipeline";
  if (beside == kText) return family + "Pipeline";
  if (beside == kInpaint) return family + "InpaintPipeline";
  if (beside == kEdit) return family + "InstructPix2PixPipeline";
  if (beside == kDepth && !xl) return family + "Depth2ImgPipeline";
  throw UnsupportedError(
      source + ": its UNet sees " + std::to_string(beside) +
      " channels beside the latents; without small files beside it 0 (text), 4 (editing), 5 (inpainting) and "
      "of Stable Diffusion 2 also 1 (depth) are known");
}

// Playground 2.5's: noise over continuous noise levels.
json PlaygroundScheduler() {
  return {{"_class_name", "EDMDPMSolverMultistepScheduler"},
          {"sigma_min", 0.002},
          {"sigma_max", 80.0},
          {"sigma_data", 0.5},
          {"prediction_type", kEpsilon}};
}

std::vector<double> ChannelsOf(const NamedTensors& file, const char* name, int64_t channels) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end() || found->second.numel() != channels)
    throw UnsupportedError(file.source + ": marked \"" + kMarkedMean + "\" (Playground 2.5), which needs \"" +
                           name + "\" of " + std::to_string(channels) + " numbers in it");
  const at::Tensor numbers = found->second.to(at::kDouble).flatten().contiguous();
  return {numbers.data_ptr<double>(), numbers.data_ptr<double>() + channels};
}

void SetPlaygrounds(const std::string& path, SingleFile& single) {
  single.configs["scheduler"] = PlaygroundScheduler();
  const auto vae = single.configs.find(kVaePart);
  if (vae == single.configs.end()) return;
  const NamedTensors file = ReadWeights(path);
  const int64_t channels = vae->second.at("latent_channels");
  vae->second["latents_mean"] = ChannelsOf(file, kMarkedMean, channels);
  vae->second["latents_std"] = ChannelsOf(file, kMarkedDeviation, channels);
  vae->second["scaling_factor"] = kPlaygroundsScaling;
}

// What noises an upscaler's source, as a picture's embedding is noised otherwise.
json NoisingScheduler(const char* beta_schedule) {
  return {{"_class_name", "DDPMScheduler"},
          {"beta_schedule", beta_schedule},
          {"beta_start", 0.0001},
          {"beta_end", 0.02},
          {"num_train_timesteps", 1000}};
}

// The x4 upscaler was trained on velocities with noise of its own.
void SetUpscalers(SingleFile& single) {
  json& scheduler = single.configs["scheduler"] =
      DiscreteScheduler(/*xl=*/false, kVelocity, /*zero_terminal_snr=*/false);
  scheduler["beta_start"] = 0.0001;
  scheduler["beta_end"] = 0.02;
  single.configs["low_res_scheduler"] = NoisingScheduler("scaled_linear");
  single.index["max_noise_level"] = 350;
  if (const auto vae = single.configs.find(kVaePart); vae != single.configs.end())
    vae->second["scaling_factor"] = kUpscalersScaling;
}

// Stable unCLIP's, of a picture's embedding. Of ViT-L it needs a mean and a deviation, which its files do not
// hold.
void SetUnclips(SingleFile& single) {
  single.configs["image_noising_scheduler"] = NoisingScheduler("squaredcos_cap_v2");
  const int64_t side = single.configs.at(kPictureEncoderPart).at("image_size");
  single.configs["feature_extractor"] = {{"size", side}, {"crop_size", side}};
}

// What of a file it is told beside prompts, and what that makes of it.
enum class Kind { kPlain, kUpscaler, kUnclip };

Kind KindOf(const NamedTensors& unet, const LatentDiffusionParts& parts) {
  if (unet.Has("class_embedding.weight")) return Kind::kUpscaler;
  if (!unet.HasPrefix("class_embedding.")) return Kind::kPlain;
  if (parts.count(kPictureEncoderPart) == 0)
    throw UnsupportedError(
        unet.source +
        ": its UNet is told a picture's embedding (Stable unCLIP), and no encoder of pictures is in "
        "it; put the model's small files and its image_encoder beside it");
  return Kind::kUnclip;
}

}  // namespace

bool SingleFile::IsOne(const std::string& path) {
  const NamedTensors shapes = ReadShapes(path);
  return IsLatentDiffusion(shapes) || IsOriginalFlux(shapes);
}

SingleFile SingleFile::Read(const std::string& path, const std::string& vae) {
  const NamedTensors file = ReadShapes(path);
  if (IsOriginalFlux(file))
    throw UnsupportedError(path +
                           ": FLUX.1's transformer; it needs a directory with the small files of the "
                           "model, its text encoders and its autoencoder beside it");
  LatentDiffusionParts parts = FromLatentDiffusion(file);
  if (!vae.empty()) parts[kVaePart] = FromAutoencoder(ReadShapes(vae));
  const NamedTensors& unet = parts.at(kUNetPart);
  const Kind kind = KindOf(unet, parts);
  SingleFile single;
  for (const auto& [part, tensors] : parts) {
    json& config = single.configs[part];
    if (part == kUNetPart) config = UNetConfigOf(tensors);
    if (part == kVaePart) config = AutoencoderConfigOf(tensors);
    if (part == kFirstText || part == kSecondText)
      config = ClipTextConfigOf(tensors, HasOpenClip(file, part));
    if (part == kPictureEncoderPart) config = ClipVisionConfigOf(tensors);
    if (part == kNormalizerPart) config = {{"embedding_dim", tensors.tensors.at("mean").size(1)}};
  }
  json& network = single.configs[kUNetPart];
  const bool xl = unet.HasPrefix("add_embedding.");
  const bool has_text = parts.count(kFirstText) + parts.count(kSecondText) > 0;
  const bool refiner =
      xl && (has_text ? parts.count(kFirstText) == 0
                      : network["projection_class_embeddings_input_dim"] == kRefinersAddition);
  const bool second_version = !xl && network["use_linear_projection"];
  const int64_t latents = network["out_channels"], beside = network["in_channels"].get<int64_t>() - latents;
  single.pipeline_class = kind == Kind::kUnclip && beside == kText ? "StableUnCLIPImg2ImgPipeline"
                          : kind == Kind::kUpscaler && beside == kPicture
                              ? "StableDiffusionUpscalePipeline"
                              : ClassOf(xl, refiner, beside, path);
  if (xl) network["addition_time_embed_dim"] = FrameWidth(single.configs, refiner);
  if (const auto autoencoder = single.configs.find(kVaePart); autoencoder != single.configs.end()) {
    autoencoder->second["scaling_factor"] = xl ? kXlScaling : kScaling;
    autoencoder->second["force_upcast"] = xl;
  }
  // Stable unCLIP was published with velocities alone.
  const std::string prediction =
      MarkedPrediction(file).value_or(kind == Kind::kUnclip ? kVelocity
                                      : second_version      ? GuessedPrediction(path, beside)
                                                            : kEpsilon);
  const bool continuous = xl && file.Has(kContinuousEnd);
  single.configs["scheduler"] =
      continuous ? ContinuousScheduler(path) : DiscreteScheduler(xl, prediction, file.Has("ztsnr"));
  // Stable Diffusion 2 was trained on 768 pixels where it predicts velocities, the upscaler on 512.
  constexpr int64_t kReduction = 8, kSize = 64, kVelocitySize = 96, kXlSize = 128, kUpscalersSize = 128;
  const bool larger = second_version && prediction == kVelocity;
  network["sample_size"] =
      kind == Kind::kUpscaler
          ? kUpscalersSize
          : MarkedSize(file, kReduction).value_or(xl ? kXlSize : (larger ? kVelocitySize : kSize));
  single.padding = {{"tokenizer", second_version ? kIdZero : kEndOfText}, {"tokenizer_2", kIdZero}};
  single.index = {{"_class_name", single.pipeline_class},
                  {"force_zeros_for_empty_prompt", !refiner},
                  {"is_cosxl_edit", continuous && beside == kEdit}};
  if (xl && file.Has(kMarkedMean)) SetPlaygrounds(path, single);
  if (kind == Kind::kUpscaler) SetUpscalers(single);
  if (kind == Kind::kUnclip) SetUnclips(single);
  return single;
}

}  // namespace mind::diffusion
